"""Bundles of the kind "classic": VGG16's fc7 for frames, Skip-Thoughts for sentences, two linear projections.

The bundle contains the projections; the networks' weights are the published ones. A clip is the projected mean of its
frames' fc7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save_file

from deepgif.models.bundles.encoder import TwoTowerEncoder
from deepgif.models.bundles.manifest import (
    CLASSIC,
    MANIFEST,
    WEIGHTS,
    BundleError,
    read_info,
    read_manifest,
    read_verified,
    write_manifest,
)
from deepgif.models.bundles.skip_thoughts import FILES, SkipFilesError, load_skip_thoughts
from deepgif.models.bundles.weights import SKIP_THOUGHTS, SKIP_THOUGHTS_URL, VGG16, RemoteFile, WeightsError, fetch
from deepgif.models.networks.projection import ProjectionHeads
from deepgif.models.networks.skip_thoughts import SkipThoughts
from deepgif.models.networks.vgg16 import FRAME_SIZE, Vgg16
from deepgif.models.preprocess.sampling import Fit, FrameSampling
from deepgif.models.runtime.frame_runner import FrameRunner, torch_device

SAMPLING = FrameSampling(8, FRAME_SIZE, Fit.CROP)


def load_classic(folder: Path, devices: Sequence[str] = ("cpu",), weights: Path | None = None) -> TwoTowerEncoder:
    """Loads a bundle of the kind "classic" with the published weights in ``weights``; missing ones are downloaded.
    Raises ``BundleError``."""
    info = read_info(folder)
    content = read_verified(folder / WEIGHTS, read_manifest(folder))
    if find_spec("nltk") is None:
        raise BundleError(
            "This model splits text into words with NLTK, which is not installed: pip install 'deepgif[classic]'"
        )
    if weights is None:
        raise BundleError(
            f"{folder} needs the weights of VGG16 and Skip-Thoughts: set DEEPGIF_WEIGHTS_DIR to their folder."
        )
    try:
        frames, sentences = load_vgg16(weights), load_sentences(weights, str(torch_device(devices[0])))
    except (WeightsError, SkipFilesError) as error:
        raise BundleError(str(error)) from error
    try:
        maps = ProjectionHeads(frames.dimension, sentences.dimension)
        maps.load_state_dict(load(content))
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(f"{folder} does not contain the model that its {MANIFEST} describes.") from error
    runner = FrameRunner(frames, info.sampling, devices)
    return TwoTowerEncoder(info, runner, sentences, maps, unit_frames=False)


def save_classic(folder: Path, name: str, licence: str, maps: ProjectionHeads) -> None:
    """Writes a bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in maps.state_dict().items()}, folder / WEIGHTS)
    write_manifest(folder, (WEIGHTS,), kind=CLASSIC, name=name, licence=licence, sampling=asdict(SAMPLING))


def load_vgg16(weights: Path) -> Vgg16:
    """VGG16 with ImageNet's weights. Raises ``WeightsError``."""
    path = fetch(VGG16, weights)
    network = Vgg16()
    try:
        network.load_torchvision(torch.load(path, weights_only=True, mmap=True))
    except Exception as error:  # torch raises many types on damaged files
        raise WeightsError(f"{path} does not contain the weights of VGG16: remove it to download it again.") from error
    return network.eval()


def load_sentences(weights: Path, device: str = "cpu") -> SkipThoughts:
    """The published combine-skip. Raises ``WeightsError`` or ``SkipFilesError``."""
    for name in FILES:
        fetch(RemoteFile(f"{SKIP_THOUGHTS}/{name}", f"{SKIP_THOUGHTS_URL}/{name}"), weights)
    return load_skip_thoughts(weights / SKIP_THOUGHTS, device)
