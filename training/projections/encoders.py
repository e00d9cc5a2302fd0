"""What computes the features of clips and sentences under the projections: published networks, smaller ones, or a
bundle's own encoders.

Shapes: N clips or sentences, A and B their features.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

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
from deepgif.training.data.features import extract
from deepgif.training.progress import Report

TEXT_BATCH = 512


class Frames(StrEnum):
    """Networks that encode frames."""

    VGG16 = "vgg16"
    MOBILENET = "mobilenet"


class Sentences(StrEnum):
    """Networks that encode sentences."""

    SKIP_THOUGHTS = "skip-thoughts"
    UNI_SKIP = "uni-skip"
    MINILM = "minilm"


TextFeatures = Callable[[Sequence[str], Path, Report], NDArray[np.float32]]
"""(N, B) of texts, cached in a folder."""


@dataclass(frozen=True, slots=True)
class FeatureExtractors:
    """``clip_features`` returns (N, A) of clips sampled by ``sampling``; ``name`` is the folder of their cache."""

    name: str
    sampling: FrameSampling
    frame_dimension: int
    clip_features: Callable[[Clips], NDArray[np.float32]]
    text_features: TextFeatures


def published_extractors(
    frames: Frames, weights: Path, mobilenet: Path | None, devices: Sequence[str], text_features: TextFeatures
) -> FeatureExtractors:
    """A network with published weights; a clip is the mean over its frames. Raises ``DatasetError`` or
    ``WeightsError``."""
    network = load_vgg16(weights) if frames is Frames.VGG16 else _mobilenet(mobilenet)
    runner = FrameRunner(network, SAMPLING, devices)

    def clip_features(clips: Clips) -> NDArray[np.float32]:
        with torch.inference_mode():
            return pooled(runner(clips), unit_frames=False).cpu().numpy()

    return FeatureExtractors(str(frames), SAMPLING, network.dimension, clip_features, text_features)


def bundle_extractors(bundle: str, weights: Path, devices: Sequence[str]) -> FeatureExtractors:
    """The encoders of a CLIP bundle: unit vectors of one space. Raises ``DatasetError`` or ``BundleError``."""
    encoder = load_two_towers(bundle_folder(bundle), devices, weights)
    if encoder.info.kind != OPEN_CLIP:
        raise DatasetError(f"Adapters need a bundle of the kind {OPEN_CLIP}; {bundle} is of another kind.")
    name = encoder.space.replace("/", "-")

    def clip_features(clips: Clips) -> NDArray[np.float32]:
        features = [torch.from_numpy(frames) for frames in encoder.frame_features(clips)]
        return F.normalize(pooled(features, unit_frames=True), dim=1).numpy()

    def text_features(texts: Sequence[str], run: Path, report: Report) -> NDArray[np.float32]:
        return extract(texts, encoder.text_features, (encoder.dimension,), run / f"{name}.npy", report, TEXT_BATCH)

    return FeatureExtractors(name, encoder.sampling, encoder.dimension, clip_features, text_features)


def sentence_features(kind: Sentences, weights: Path, skip: Path | None, device: str) -> TextFeatures:
    """The features of a published sentence encoder, or of the uni-skip encoder in the folder ``skip``."""

    def text_features(texts: Sequence[str], run: Path, report: Report) -> NDArray[np.float32]:
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
        return extract(texts, network.encode, (network.dimension,), run / f"{name}.npy", report, TEXT_BATCH)

    return text_features


def _mobilenet(path: Path | None) -> MobileNetV2:
    from deepgif.training.pretrained.tflite import load_tflite

    if path is None or not path.is_file():
        raise DatasetError("Give the path of mobilenet_v2_1.0_224_quant.tflite with --mobilenet.")
    return load_tflite(path).eval()
