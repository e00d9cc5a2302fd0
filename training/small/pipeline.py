"""The stages of a run in their order, each with progress and with what it needs from those before."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors.torch import load
from tokenizers import Tokenizer

from deepgif.models.bundles.manifest import WEIGHTS, checked, read_manifest
from deepgif.models.bundles.small import TOKENIZER, load_small, save_small
from deepgif.models.networks.efficientnet import FRAME_SIZE
from deepgif.models.networks.joint import JointModel
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
from deepgif.training.pretrained.lite import load_lite, packaged_weights
from deepgif.training.pretrained.teacher import teacher_vectors
from deepgif.training.small.card import write_card
from deepgif.training.small.checkpoint import Checkpoint
from deepgif.training.small.clips import ClipSet, exercises, extract, photographs, pooled_features
from deepgif.training.small.corpus import Corpus, read_captions, read_corpus
from deepgif.training.small.distil import DistilOptions, distil, initial_embeddings
from deepgif.training.small.finetune import FinetuneOptions, finetune
from deepgif.training.small.maps import MapOptions, Pairs, fit_maps
from deepgif.training.small.scenes import rendered_scenes
from deepgif.training.small.vocabulary import learn_vocabulary

LICENCE = (
    "MIT for the weights as far as they are ours; taught on Flickr8k photographs, which are for research and "
    "education, not for commercial use"
)
SENTENCES = "sentences."  # how a bundle names the GRU's weights
SAMPLING = FrameSampling(count=4, size=FRAME_SIZE)


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """What a run may choose."""

    scenes: int = 4000
    distil_epochs: int = 10
    finetune_steps: int = 700
    views: int = 6  # of each photograph
    seed: int = 0
    start: Path | None = None  # a bundle whose vocabulary and GRU to go on from
    backbone: Path | None = None  # the CNN's first weights, if not the package's


class Pipeline:
    """One run. Each stage's result is computed when it is first asked for, or read from the run's folder."""

    def __init__(self, data: Path, run: Path, font: Path, options: PipelineOptions, console: Console) -> None:
        self.data = data
        self.run = run
        self.font = font
        self.options = options
        self.console = console
        self.config = SentenceConfig(weighted=True)
        run.mkdir(parents=True, exist_ok=True)

    def write_bundle(self, out: Path) -> None:
        """Runs what has not been run yet, and writes the bundle with its card."""
        read_captions(self.data, "train")  # first: what is missing is said at once
        save_small(out, "small", LICENCE, SAMPLING, self.model, self.tokenizer)
        teacher = torch.from_numpy(self.teach(self.clip_texts).astype(np.float32))
        dev = extract(photographs(self.data, "dev", 1), load_lite(self.backbone), self.run / "frames")
        figures = measure(
            load_small(out),
            self.data,
            sorted(self.corpus.unseen, key=len),
            self.teach,
            self.fit(self.tuned_features, teacher),
            dev.clips,
            pooled_features(self.model.frames, dev.maps),
            self.console,
        )
        write_card(out, figures, self.options)
        self.console.print(f"The model is in {out}.")

    @cached_property
    def corpus(self) -> Corpus:
        return read_corpus(self.data, seed=self.options.seed)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """All that the GRU learns from: the corpus, shortest first (the teacher is quicker so), and the scenes'."""
        described = [text for clip in self.scene_source.clips for text in clip.texts]
        return (*sorted(self.corpus.train, key=len), *dict.fromkeys(described))

    @cached_property
    def targets(self) -> NDArray[np.float16]:
        """The teacher's vectors (N, 384) of ``texts``."""
        corpus = len(self.corpus.train)
        parts = [self.teach(part) for part in (self.texts[:corpus], self.texts[corpus:])]
        return np.concatenate(parts)

    def lessons(self, rounds: int) -> tuple[Sequence[str], NDArray[np.float16]]:
        """The texts and their targets; none where there is no round to learn in, since the teacher takes long."""
        return (self.texts, self.targets) if rounds else ((), np.empty((0, SENTENCE_DIMENSION), np.float16))

    def teach(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """The teacher's vectors (N, 384) of any texts, kept in the run's folder."""
        with self._progress("Teacher") as report:
            return teacher_vectors(texts, self.run / "teacher", report)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        path = self.run / "tokenizer.json"
        if not path.exists() and self.options.start:
            path.write_bytes((self.options.start / TOKENIZER).read_bytes())
        if not path.exists():
            with self.console.status("Learning the vocabulary"):
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
        if checkpoint.load() is None and self.options.start:
            start = load(checked(self.options.start / WEIGHTS, read_manifest(self.options.start)))
            own = {name.removeprefix(SENTENCES): value for name, value in start.items() if name.startswith(SENTENCES)}
            encoder.load_state_dict(own, strict=False)  # one whose means are not weighted starts with plain ones
        elif checkpoint.load() is None:
            with torch.no_grad():
                encoder.embedding.weight.copy_(initial_embeddings(self.tokenizer, self.config, self.teach))
        options = DistilOptions(epochs=self.options.distil_epochs, seed=self.options.seed)
        with self._progress("Distil") as report:
            distil(*self.lessons(options.epochs), self.tokenizer, encoder, options, checkpoint, report)
        return encoder

    @cached_property
    def clip_sets(self) -> list[ClipSet]:
        """Photographs, rendered scenes and exercises, through the first half of the CNN."""
        network = load_lite(self.backbone)
        sources = [photographs(self.data, "train", self.options.views), self.scene_source, exercises(self.data)]
        sets = []
        for source in sources:
            with self._progress(f"Frames of {source.name}") as report:
                sets.append(extract(source, network, self.run / "frames", report))
        return sets

    @cached_property
    def backbone(self) -> Path:
        """The CNN's first weights."""
        return self.options.backbone or packaged_weights()

    @cached_property
    def tuned(self) -> JointModel:
        """The whole model after fine-tuning."""
        model = JointModel(self.config)
        model.frames = load_lite(self.backbone)
        checkpoint = Checkpoint(self.run / "finetune.pt")
        if checkpoint.load() is None:
            model.sentences.load_state_dict(self.sentences.state_dict())
            model.frame_map, model.sentence_map = self.fit(self.features(model), self.sentence_vectors(model))
        options = FinetuneOptions(steps=self.options.finetune_steps, seed=self.options.seed)
        with self._progress("Fine-tune") as report:
            lessons = self.lessons(options.steps)
            finetune(model, self.clip_sets, self.tokenizer, *lessons, options, checkpoint, report)
        return model.eval()

    @cached_property
    def tuned_features(self) -> torch.Tensor:
        """The features (R, 1280) of all frames as the fine-tuned CNN sees them."""
        return self.features(self.tuned)

    @cached_property
    def model(self) -> JointModel:
        """The whole model after all stages: fine-tuned, and the maps fitted once more."""
        model = self.tuned
        model.frame_map, model.sentence_map = self.fit(self.tuned_features, self.sentence_vectors(model))
        return model.eval()

    @cached_property
    def clip_texts(self) -> list[str]:
        """The texts of all clips, one after the other."""
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
        """The features (R, 1280) of all frames as ``model`` sees them now."""
        with self.console.status("Looking at the frames"):
            return torch.cat([pooled_features(model.frames, clip_set.maps) for clip_set in self.clip_sets])

    def fit(self, features: torch.Tensor, sentences: torch.Tensor) -> tuple[torch.nn.Linear, torch.nn.Linear]:
        """The best maps between the features (R, 1280) of all frames and the vectors (N, 384) of ``clip_texts``."""
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
            sizes = tuple(len(clip_set.clips) for clip_set in self.clip_sets)
            pairs = Pairs(features, sentences, torch.from_numpy(np.stack(rows)), tuple(own), sizes)
            return fit_maps(pairs, MapOptions(seed=self.options.seed))

    @contextmanager
    def _progress(self, name: str) -> Iterator[Any]:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f} {task.fields[note]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self.console) as progress:
            task = progress.add_task(name, total=1, note="")

            def report(done: int, total: int, loss: float | None = None) -> None:
                note = "" if loss is None else f"loss {loss:.3f}"
                progress.update(task, completed=done, total=total, note=note)
                if loss is not None and done % 50 == 0:
                    self.console.log(f"{name}: step {done} of {total}, loss {loss:.4f}")

            yield report
