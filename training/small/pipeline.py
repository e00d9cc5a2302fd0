"""The stages of a training run in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from tokenizers import Tokenizer

from deepgif.models.bundles.small import load_small, save_small
from deepgif.models.networks.joint import JointModel
from deepgif.models.networks.mobilenet import FRAME_SIZE
from deepgif.models.networks.sentence import SentenceConfig, SentenceEncoder, pad, spell_out, to_pieces
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.evaluation.figures import measure
from deepgif.training.pretrained.teacher import teacher_vectors
from deepgif.training.pretrained.tflite import load_tflite
from deepgif.training.progress import progress
from deepgif.training.small.card import write_card
from deepgif.training.small.checkpoint import Checkpoint
from deepgif.training.small.clips import ClipSet, exercises, extract, photographs, pooled_features
from deepgif.training.small.corpus import Corpus, read_corpus
from deepgif.training.small.distil import DistilOptions, distil, initial_embeddings
from deepgif.training.small.finetune import FinetuneOptions, finetune
from deepgif.training.small.maps import MapOptions, Pairs, fit_maps
from deepgif.training.small.scenes import rendered_scenes
from deepgif.training.small.vocabulary import learn_vocabulary

LICENCE = (
    "MIT for this project's weights; trained on Flickr8k photographs, which are for research and education, not for "
    "commercial use"
)
SAMPLING = FrameSampling(count=4, size=FRAME_SIZE)


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """The options of a run."""

    scenes: int = 4000
    distil_epochs: int = 10
    finetune_steps: int = 700
    seed: int = 0


class Pipeline:
    """One run. Each stage's result is computed on first use, or read from the run's folder."""

    def __init__(self, data: Path, run: Path, font: Path, options: PipelineOptions, console: Console) -> None:
        self.data = data
        self.run = run
        self.font = font
        self.options = options
        self.console = console
        self.config = SentenceConfig()
        run.mkdir(parents=True, exist_ok=True)

    def write_bundle(self, out: Path) -> None:
        """Runs the remaining stages, and writes the bundle with its card."""
        save_small(out, "small", LICENCE, SAMPLING, self.model, self.tokenizer)
        teacher = torch.from_numpy(self.teach(self.clip_texts).astype(np.float32))
        dev = extract(photographs(self.data, "dev", views=False), load_tflite(self.mobilenet), self.run / "frames")
        metrics = measure(
            load_small(out),
            self.data,
            sorted(self.corpus.unseen, key=len),
            self.teach,
            self.fit(self.tuned_features, teacher),
            dev.clips,
            pooled_features(self.model.frames, dev.maps),
            self.console,
        )
        write_card(out, metrics, self.options)
        self.console.print(f"The model is in {out}.")

    @cached_property
    def corpus(self) -> Corpus:
        return read_corpus(self.data, seed=self.options.seed)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """All training texts: the corpus, shortest first (which is faster for the teacher), and the scenes' texts."""
        described = [text for clip in self.scene_source.clips for text in clip.texts]
        return (*sorted(self.corpus.train, key=len), *dict.fromkeys(described))

    @cached_property
    def targets(self) -> NDArray[np.float16]:
        """The teacher's vectors (N, 384) of ``texts``."""
        corpus = len(self.corpus.train)
        parts = [self.teach(part) for part in (self.texts[:corpus], self.texts[corpus:])]
        return np.concatenate(parts)

    def teach(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """The teacher's vectors (N, 384) of any texts, cached in the run's folder."""
        with progress(self.console, "Teacher") as report:
            return teacher_vectors(texts, self.run / "teacher", report)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        path = self.run / "tokenizer.json"
        if not path.exists():
            with self.console.status("Training the vocabulary"):
                learn_vocabulary(map(spell_out, self.texts), self.config.vocabulary).save(str(path))
        return Tokenizer.from_file(str(path))

    @cached_property
    def scene_source(self) -> Any:
        return rendered_scenes(self.options.scenes, self.options.seed, self.font)

    @cached_property
    def sentences(self) -> SentenceEncoder:
        """The GRU after distillation."""
        torch.manual_seed(self.options.seed)
        encoder = SentenceEncoder(self.config)
        checkpoint = Checkpoint(self.run / "distil.pt")
        if checkpoint.load() is None:
            with torch.no_grad():
                encoder.embedding.weight.copy_(initial_embeddings(self.tokenizer, self.config, self.teach))
        options = DistilOptions(epochs=self.options.distil_epochs, seed=self.options.seed)
        with progress(self.console, "Distil") as report:
            distil(self.texts, self.targets, self.tokenizer, encoder, options, checkpoint, report)
        return encoder

    @cached_property
    def clip_sets(self) -> list[ClipSet]:
        """Photographs, rendered scenes and exercises, through the first half of the CNN."""
        network = load_tflite(self.mobilenet)
        sources = [photographs(self.data, "train", views=True), self.scene_source, exercises(self.data)]
        sets = []
        for source in sources:
            with progress(self.console, f"Frames of {source.name}") as report:
                sets.append(extract(source, network, self.run / "frames", report))
        return sets

    @property
    def mobilenet(self) -> Path:
        return self.data / "mobilenet" / "mobilenet_v2_1.0_224_quant.tflite"

    @cached_property
    def tuned(self) -> JointModel:
        """The whole model after fine-tuning."""
        model = JointModel(self.config)
        model.frames = load_tflite(self.mobilenet)
        checkpoint = Checkpoint(self.run / "finetune.pt")
        if checkpoint.load() is None:
            model.sentences.load_state_dict(self.sentences.state_dict())
            model.frame_map, model.sentence_map = self.fit(self.features(model), self.sentence_vectors(model))
        options = FinetuneOptions(steps=self.options.finetune_steps, seed=self.options.seed)
        with progress(self.console, "Fine-tune") as report:
            finetune(model, self.clip_sets, self.tokenizer, self.texts, self.targets, options, checkpoint, report)
        return model.eval()

    @cached_property
    def tuned_features(self) -> torch.Tensor:
        """The features (R, 1280) of all frames from the fine-tuned CNN."""
        return self.features(self.tuned)

    @cached_property
    def model(self) -> JointModel:
        """The whole model after all stages: fine-tuned, and the projections fitted again."""
        model = self.tuned
        model.frame_map, model.sentence_map = self.fit(self.tuned_features, self.sentence_vectors(model))
        return model.eval()

    @cached_property
    def clip_texts(self) -> list[str]:
        """The texts of all clips, concatenated."""
        return [text for clip_set in self.clip_sets for clip in clip_set.clips for text in clip.texts]

    def sentence_vectors(self, model: JointModel) -> torch.Tensor:
        """The GRU's vectors (N, 384) of ``clip_texts``."""
        with torch.inference_mode():
            parts = [
                model.sentences(*pad(to_pieces(self.tokenizer, self.clip_texts[start : start + 512])))
                for start in range(0, len(self.clip_texts), 512)
            ]
        return torch.cat(parts).clone()

    def features(self, model: JointModel) -> torch.Tensor:
        """The features (R, 1280) of all frames from ``model``."""
        with self.console.status("Encoding the frames"):
            return torch.cat([pooled_features(model.frames, clip_set.maps) for clip_set in self.clip_sets])

    def fit(self, features: torch.Tensor, sentences: torch.Tensor) -> tuple[torch.nn.Linear, torch.nn.Linear]:
        """The projections fitted to the features (R, 1280) of all frames and the vectors (N, 384) of ``clip_texts``."""
        views = 12  # a multiple of how many rows the clips of each set have
        rows: list[NDArray[np.int64]] = []
        own: list[tuple[int, ...]] = []
        first_row = first_text = 0
        for clip_set in self.clip_sets:
            for clip in clip_set.clips:
                rows.append(np.resize(np.array(clip.rows) + first_row, views))
                own.append(tuple(range(first_text, first_text + len(clip.texts))))
                first_text += len(clip.texts)
            first_row += len(clip_set.maps)
        with self.console.status("Fitting the maps"):
            pairs = Pairs(features, sentences, torch.from_numpy(np.stack(rows)), tuple(own))
            return fit_maps(pairs, MapOptions(seed=self.options.seed))
