"""What sees clips and what reads sentences before they are glued: the published networks, smaller ones, or a bundle's.

Shapes: N clips or sentences, A and B their features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from deepgif.models.bundles.classic import SAMPLING, load_sentences, load_vgg16
from deepgif.models.bundles.encoder import TextEncoder, pooled
from deepgif.models.bundles.load import bundle_folder, load_two_towers
from deepgif.models.bundles.manifest import OPEN_CLIP
from deepgif.models.bundles.skip_thoughts import load_uni_skip
from deepgif.models.networks.mobilenet import MobileNetV2
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.models.runtime.frame_runner import Clips, FrameRunner
from deepgif.training.data.datasets import DatasetError
from deepgif.training.data.features import Report, extract

SENTENCES_AT_ONCE = 512


class Frames(StrEnum):
    """What sees the frames."""

    VGG16 = "vgg16"
    MOBILENET = "mobilenet"


class Sentences(StrEnum):
    """What reads the sentences."""

    SKIP_THOUGHTS = "skip-thoughts"
    UNI_SKIP = "uni-skip"
    MINILM = "minilm"


class Reader(Protocol):
    """Sentences to features, which are kept below a folder."""

    def __call__(self, texts: Sequence[str], run: Path, report: Report) -> NDArray[np.float32]:
        """(N, B)"""


@dataclass(frozen=True, slots=True)
class FeatureExtractors:
    """``see`` makes features (N, A) of clips sampled as ``sampling`` says, ``read`` features of sentences. ``name`` is
    that of the folder in which those of clips are kept."""

    name: str
    sampling: FrameSampling
    frame_dimension: int
    see: Callable[[Clips], NDArray[np.float32]]
    read: Reader


def published(
    frames: Frames, weights: Path, mobilenet: Path | None, devices: Sequence[str], read: Reader
) -> FeatureExtractors:
    """A network for frames whose weights others publish; a clip is the mean over its frames. Raises ``DatasetError`` or
    ``WeightsError``."""
    network = load_vgg16(weights) if frames is Frames.VGG16 else _mobilenet(mobilenet)
    runner = FrameRunner(network, SAMPLING, devices)

    def see(clips: Clips) -> NDArray[np.float32]:
        with torch.inference_mode():
            return pooled(runner(clips), unit_frames=False).cpu().numpy()

    return FeatureExtractors(str(frames), SAMPLING, network.dimension, see, read)


def of_bundle(bundle: str, weights: Path, devices: Sequence[str]) -> FeatureExtractors:
    """The towers of a bundle of the CLIP family: unit vectors of one space. Raises ``DatasetError`` or
    ``BundleError``."""
    encoder = load_two_towers(bundle_folder(bundle), devices, weights)
    if encoder.info.kind != OPEN_CLIP:
        raise DatasetError(f"Adapters go on top of a bundle of the CLIP family; {bundle} is of another kind.")
    name = encoder.space.replace("/", "-")

    def see(clips: Clips) -> NDArray[np.float32]:
        features = [torch.from_numpy(frames) for frames in encoder.frame_features(clips)]
        return F.normalize(pooled(features, unit_frames=True), dim=1).numpy()

    def read(texts: Sequence[str], run: Path, report: Report) -> NDArray[np.float32]:
        path = run / f"{name}.npy"
        return extract(texts, encoder.text_features, encoder.dimension, path, report, SENTENCES_AT_ONCE)

    return FeatureExtractors(name, encoder.sampling, encoder.dimension, see, read)


def reader(kind: Sentences, weights: Path, skip: Path | None, device: str) -> Reader:
    """What reads sentences; ``skip`` is the folder of a uni-skip of one's own."""

    def read(texts: Sequence[str], run: Path, report: Report) -> NDArray[np.float32]:
        if kind is Sentences.MINILM:
            from deepgif.training.pretrained.teacher import teacher_vectors

            return teacher_vectors(texts, run / "minilm", report).astype(np.float32)
        name = str(kind)
        network: TextEncoder
        if skip is None:
            network = load_sentences(weights, device)
        else:
            network = load_uni_skip(skip)
            name += "-" + hashlib.sha256((skip / "uni_skip.npz").read_bytes()).hexdigest()[:8]
        return extract(texts, network.encode, network.dimension, run / f"{name}.npy", report, SENTENCES_AT_ONCE)

    return read


def _mobilenet(path: Path | None) -> MobileNetV2:
    from deepgif.training.pretrained.tflite import load_tflite

    if path is None or not path.is_file():
        raise DatasetError("Where is mobilenet_v2_1.0_224_quant.tflite? Say so with --mobilenet.")
    return load_tflite(path).eval()
