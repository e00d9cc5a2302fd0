"""The recipe that started it: VGG16's fc7 for frames, Skip-Thoughts for sentences, two linear maps.

A bundle of this kind holds the maps; the networks' weights are those that their authors publish.

Shapes: N texts or clips, T frames of a clip, S pixels a side, D = 1024.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from models.bundles import (
    MANIFEST,
    WEIGHTS,
    BundleError,
    BundleInfo,
    checked,
    read_info,
    read_manifest,
    write_manifest,
)
from models.joint import JOINT_DIMENSION
from models.maps import TwoMaps
from models.sampling import Fit, FrameSampling
from models.skip_files import FILES, SkipFilesError, load_skip_thoughts
from models.skip_thoughts import SkipThoughts, tokenize
from models.vgg16 import FRAME_SIZE, Vgg16
from models.weights import SKIP_THOUGHTS, SKIP_THOUGHTS_URL, VGG16, RemoteFile, WeightsError, fetch

SAMPLING = FrameSampling(8, FRAME_SIZE, Fit.CROP)
FRAMES_AT_ONCE = 32


class ClassicEncoder:
    """Words and frames to unit vectors. Methods block and may be called from any thread."""

    dimension = JOINT_DIMENSION

    def __init__(
        self, info: BundleInfo, frames: Vgg16, sentences: SkipThoughts, maps: TwoMaps, device: str = "cpu"
    ) -> None:
        self.info = info
        self.space = info.space
        self.sampling = info.sampling
        self._device = torch.device(device)
        self._frames = frames.eval().to(self._device)
        self._sentences = sentences
        self._maps = maps.eval().to(self._device)

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) unit vectors."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        with torch.inference_mode():
            vectors = self._maps.texts(torch.from_numpy(self._sentences.encode(texts)).to(self._device))
            return vectors.float().cpu().numpy()

    def encode_clips(self, clips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(N, D) unit vectors of clips (T, S, S, 3), RGB: the mean of the frames' fc7, mapped."""
        if not clips:
            return np.empty((0, self.dimension), np.float32)
        with torch.inference_mode():
            features = clip_features(self._frames, clips, self._device)
            return self._maps.clips(features).float().cpu().numpy()

    def understands(self, text: str) -> float:
        """The share of the text's words, in [0, 1], that Skip-Thoughts has a vector of; 0.0 for a text without any."""
        words = [word for word in tokenize(text) if any(character.isalnum() for character in word)]
        return sum(map(self._sentences.knows, words)) / len(words) if words else 0.0


def clip_features(frames: nn.Module, clips: Sequence[NDArray[np.uint8]], device: torch.device) -> Tensor:
    """(N, A): the mean of the features (T, A) of each clip's frames."""
    pixels = torch.from_numpy(np.concatenate(clips)).permute(0, 3, 1, 2)
    features = torch.cat([frames(part.to(device)) for part in pixels.split(FRAMES_AT_ONCE)])
    return torch.stack([part.mean(dim=0) for part in features.split([len(clip) for clip in clips])])


def load_classic(folder: Path, device: str = "cpu", weights: Path | None = None) -> ClassicEncoder:
    """Loads a bundle of the kind "classic", over the published weights below ``weights``; those that are not there are
    fetched. Raises ``BundleError``."""
    info = read_info(folder)
    content = checked(folder / WEIGHTS, read_manifest(folder))
    if find_spec("nltk") is None:
        raise BundleError("This model cuts words with NLTK, which is not installed: pip install 'deepgif[classic]'")
    if weights is None:
        raise BundleError(f"{folder} needs the weights of VGG16 and Skip-Thoughts: say where they are kept.")
    try:
        frames, sentences = load_vgg16(weights), load_sentences(weights, device)
    except (WeightsError, SkipFilesError) as error:
        raise BundleError(str(error)) from error
    try:
        maps = TwoMaps(frames.dimension, sentences.dimension)
        maps.load_state_dict(load(content))
    except (SafetensorError, RuntimeError) as error:
        raise BundleError(f"{folder} does not hold the model its {MANIFEST} describes.") from error
    return ClassicEncoder(info, frames, sentences, maps, device)


def save_classic(folder: Path, name: str, licence: str, maps: TwoMaps) -> None:
    """Writes a bundle."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({key: value.contiguous() for key, value in maps.state_dict().items()}, folder / WEIGHTS)
    write_manifest(folder, (WEIGHTS,), kind="classic", name=name, licence=licence, sampling=asdict(SAMPLING))


def load_vgg16(weights: Path) -> Vgg16:
    """VGG16 with ImageNet's weights. Raises ``WeightsError``."""
    path = fetch(VGG16, weights)
    network = Vgg16()
    try:
        network.load_torchvision(torch.load(path, weights_only=True, mmap=True))
    except Exception as error:  # torch raises whatever it likes on damaged files
        raise WeightsError(f"{path} does not hold the weights of VGG16: remove it, and it is fetched again.") from error
    return network.eval()


def load_sentences(weights: Path, device: str = "cpu") -> SkipThoughts:
    """combine-skip as published. Raises ``WeightsError`` or ``SkipFilesError``."""
    for name in FILES:
        fetch(RemoteFile(f"{SKIP_THOUGHTS}/{name}", f"{SKIP_THOUGHTS_URL}/{name}"), weights)
    return load_skip_thoughts(weights / SKIP_THOUGHTS, device)
