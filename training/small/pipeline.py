"""The stages of a training run in order."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from safetensors.torch import load
from tokenizers import Tokenizer

from deepgif.models.bundles.manifest import WEIGHTS, read_manifest, read_verified
from deepgif.models.bundles.small import TOKENIZER, load_small, save_small
from deepgif.models.networks.joint import Backbone, FrameEncoder, JointModel
from deepgif.models.networks.sentence import (
    SENTENCE_DIMENSION,
    SentenceConfig,
    SentenceEncoder,
    pad,
    spell_out,
    to_pieces,
)
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.training.evaluation.figures import measure
from deepgif.training.pretrained.efficientnet import load_efficientnet, packaged_weights
from deepgif.training.pretrained.teacher import teacher_vectors
from deepgif.training.pretrained.tflite import load_tflite
from deepgif.training.progress import progress
from deepgif.training.small.card import write_card
from deepgif.training.small.checkpoint import Checkpoint
from deepgif.training.small.clips import VIEWS, ClipSet, exercises, extract, photographs, pooled_features
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
FRAMES = 4  # of a clip
SENTENCES = "sentences."  # prefix of the GRU's weights in a bundle


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """The options of a run."""

    scenes: int = 4000
    distil_epochs: int = 10
    finetune_steps: int = 700
    seed: int = 0
    backbone: Backbone = Backbone.MOBILENET_V2
    weighted: bool = False
    views: int = len(VIEWS)  # of each photograph
    start: Path | None = None  # a bundle whose vocabulary and GRU to continue from


class Pipeline:
    """One run. Each stage's result is computed on first use, or read from the run's folder."""

    def __init__(self, data: Path, run: Path, font: Path, options: PipelineOptions, console: Console) -> None:
        self.data = data
        self.run = run
        self.font = font
        self.options = options
        self.console = console
        self.config = SentenceConfig(weighted=options.weighted)
        run.mkdir(parents=True, exist_ok=True)

    def write_bundle(self, out: Path) -> None:
        """Runs the remaining stages, and writes the bundle with its card."""
        sampling = FrameSampling(FRAMES, self.network.frame_size)
        save_small(out, "small", LICENCE, sampling, self.model, self.tokenizer)
        teacher = torch.from_numpy(self.teach(self.clip_texts).astype(np.float32))
        dev = extract(photographs(self.data, "dev", self.network.frame_size), self.network, self.run / "frames")
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

    @property
    def lessons(self) -> tuple[Sequence[str], NDArray[np.float16]]:
        """The texts and their targets for distillation; none if it has no epochs, since the teacher takes long."""
        if self.options.distil_epochs:
            return self.texts, self.targets
        return (), np.empty((0, SENTENCE_DIMENSION), np.float16)

    def teach(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """The teacher's vectors (N, 384) of any texts, cached in the run's folder."""
        with progress(self.console, "Teacher") as report:
            return teacher_vectors(texts, self.run / "teacher", report)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        path = self.run / "tokenizer.json"
        if not path.exists() and self.options.start:
            path.write_bytes(read_verified(self.options.start / TOKENIZER, read_manifest(self.options.start)))
        if not path.exists():
            with self.console.status("Training the vocabulary"):
                learn_vocabulary(map(spell_out, self.texts), self.config.vocabulary).save(str(path))
        return Tokenizer.from_file(str(path))

    @cached_property
    def scene_source(self) -> Any:
        return rendered_scenes(self.options.scenes, self.options.seed, self.font, self.network.frame_size)

    @cached_property
    def sentences(self) -> SentenceEncoder:
        """The GRU after distillation."""
        torch.manual_seed(self.options.seed)
        encoder = SentenceEncoder(self.config)
        checkpoint = Checkpoint(self.run / "distil.pt")
        if checkpoint.load() is None and self.options.start:
            weights = load(read_verified(self.options.start / WEIGHTS, read_manifest(self.options.start)))
            own = {name.removeprefix(SENTENCES): one for name, one in weights.items() if name.startswith(SENTENCES)}
            encoder.load_state_dict(own, strict=False)  # a bundle with plain means lacks the attention
        elif checkpoint.load() is None:
            with torch.no_grad():
                encoder.embedding.weight.copy_(initial_embeddings(self.tokenizer, self.config, self.teach))
        options = DistilOptions(epochs=self.options.distil_epochs, seed=self.options.seed)
        with progress(self.console, "Distil") as report:
            distil(*self.lessons, self.tokenizer, encoder, options, checkpoint, report)
        return encoder

    @cached_property
    def clip_sets(self) -> list[ClipSet]:
        """Photographs, rendered scenes and exercises, through the first half of the CNN."""
        size = self.network.frame_size
        sources = [
            photographs(self.data, "train", size, self.options.views),
            self.scene_source,
            exercises(self.data, size),
        ]
        sets = []
        for source in sources:
            with progress(self.console, f"Frames of {source.name}") as report:
                sets.append(extract(source, self.network, self.run / "frames", report))
        return sets

    @cached_property
    def network(self) -> FrameEncoder:
        """The CNN with its ImageNet weights."""
        if self.options.backbone is Backbone.EFFICIENTNET_LITE0:
            return load_efficientnet(packaged_weights())
        return load_tflite(self.data / "mobilenet" / "mobilenet_v2_1.0_224_quant.tflite")

    @cached_property
    def tuned(self) -> JointModel:
        """The whole model after fine-tuning."""
        model = JointModel(self.config, self.options.backbone)
        model.frames = deepcopy(self.network)
        if not self.options.finetune_steps:
            model.sentences = self.sentences
            return model.eval()
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
