"""Bundles of the kind "small": a small CNN, a recurrent sentence encoder and two projections, all in the folder.

Shapes: N texts, B = 384.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from deepgif.models.bundles.encoder import TwoTowerEncoder
from deepgif.models.bundles.manifest import (
    MANIFEST,
    SMALL,
    WEIGHTS,
    BundleError,
    BundleInfo,
    read_info,
    read_manifest,
    read_verified,
    write_manifest,
)
from deepgif.models.networks.joint import FRAMES_IN_CACHE, Backbone, JointModel
from deepgif.models.networks.projection import ProjectionHeads
from deepgif.models.networks.sentence import (
    SENTENCE_DIMENSION,
    WORD_START,
    SentenceConfig,
    SentenceEncoder,
    pad,
    spell_out,
    to_pieces,
)
from deepgif.models.networks.strips import Strips
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.models.runtime.frame_runner import FrameRunner

TOKENIZER = "tokenizer.json"


class SmallSentences:
    """Texts to unit sentence vectors."""

    dimension = SENTENCE_DIMENSION

    def __init__(self, network: SentenceEncoder, tokenizer: Tokenizer, device: torch.device) -> None:
        self._network = network.eval().to(device)
        self._tokenizer = tokenizer
        self._device = device

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, 384)"""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        numbers, lengths = pad(to_pieces(self._tokenizer, texts))
        with torch.inference_mode():
            vectors = self._network(numbers.to(self._device), lengths.to(self._device))
            return F.normalize(vectors, dim=1).cpu().numpy()

    def vocabulary_coverage(self, text: str) -> float:
        """The share of the text's letters and digits, in [0, 1], that are in words of one piece; 0.0 for a text without
        any. Words of several pieces are less certain."""
        tokens = self._tokenizer.encode(spell_out(text), add_special_tokens=False).tokens
        known = total = 0
        for place, token in enumerate(tokens):
            letters = sum(character.isalnum() for character in token) if not token.startswith("<0x") else 1
            total += letters
            begins = token.startswith(WORD_START)
            if begins and (place + 1 == len(tokens) or tokens[place + 1].startswith(WORD_START)):
                known += letters
        return known / total if total else 0.0


class StripsEncoder(TwoTowerEncoder):
    """The same encoder with frame features per place, from ``network``."""

    def __init__(self, network: Strips, *parts: Any, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._strips = network

    def _embed(self, features: Sequence[Tensor]) -> NDArray[np.float32]:
        return super()._embed([self._strips.whole(strips) for strips in features])


def small_encoder(
    info: BundleInfo, model: JointModel, tokenizer: Tokenizer, devices: Sequence[str] = ("cpu",)
) -> TwoTowerEncoder:
    """The encoder of a trained model."""
    frames = FrameRunner(model.frames, info.sampling, devices, FRAMES_IN_CACHE)
    maps = ProjectionHeads(model.frames.dimension, SENTENCE_DIMENSION)
    maps.frame_map, maps.sentence_map = model.frame_map, model.sentence_map
    sentences = SmallSentences(model.sentences, tokenizer, frames.device)
    if isinstance(model.frames, Strips):
        return StripsEncoder(model.frames, info, frames, sentences, maps, unit_frames=True)
    return TwoTowerEncoder(info, frames, sentences, maps, unit_frames=True)


def load_small(folder: Path, devices: Sequence[str] = ("cpu",), *, strips: bool = False) -> TwoTowerEncoder:
    """Loads and verifies a bundle of the kind "small"; with ``strips``, frame features are per place. Raises
    ``BundleError``."""
    info, manifest = read_info(folder), read_manifest(folder)
    if info.kind != SMALL:
        raise BundleError(f"{folder} is of the kind {info.kind}, not {SMALL}.")
    weights, tokenizer = (read_verified(folder / name, manifest) for name in (WEIGHTS, TOKENIZER))
    try:
        backbone = Backbone(manifest.get("backbone", Backbone.MOBILENET_V2))
        model = JointModel(SentenceConfig(**manifest["sentence"]), backbone, strips=strips)
        model.load_state_dict({name: tensor.float() for name, tensor in load(weights).items()})
        return small_encoder(info, model, Tokenizer.from_str(tokenizer.decode("utf-8")), devices)
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder} does not contain the model that its {MANIFEST} describes.") from error


def save_small(
    folder: Path, name: str, licence: str, sampling: FrameSampling, model: JointModel, tokenizer: Tokenizer
) -> None:
    """Writes a bundle: weights as float16, and the checksums."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.half().contiguous() for key, value in model.state_dict().items()}, folder / WEIGHTS)
    tokenizer.save(str(folder / TOKENIZER), pretty=False)
    write_manifest(
        folder,
        (WEIGHTS, TOKENIZER),
        name=name,
        licence=licence,
        sampling=asdict(sampling),
        backbone=model.backbone,
        sentence=asdict(model.sentences.config),
    )
