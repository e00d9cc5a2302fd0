"""Bundles: a folder with everything a model is made of, and the encoder that it becomes.

    bundle.json         kind, name, licence, frame sampling, sizes, the checksum of every other file
    model.safetensors   all weights of our own
    tokenizer.json      the subword vocabulary, of the kind "small"
    README.md           the model card

A bundle's kind says which networks it is for: "small" is all in the folder; "classic" (``models.classic``) and
"open-clip" (``models.clip``) stand on weights that others publish.

Shapes: N texts or clips, T frames of a clip, S pixels a side, D dimensions of the joint space.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from tokenizers import Tokenizer

from models.joint import JOINT_DIMENSION, JointModel
from models.sampling import Fit, FrameSampling
from models.sentence import WORD_START, SentenceConfig, pad, spell_out, to_pieces

MANIFEST, WEIGHTS, TOKENIZER = "bundle.json", "model.safetensors", "tokenizer.json"
BUNDLED = Path(__file__).parent
SMALL = "small"
FRAMES_AT_ONCE = 64


class BundleError(Exception):
    """A bundle is missing, damaged or not of this program's making; the text says which and what to do."""


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """What a bundle says of itself. ``version`` is the beginning of its weights' checksum."""

    kind: str
    name: str
    version: str
    licence: str
    sampling: FrameSampling

    @property
    def space(self) -> str:
        """What a vector of it means."""
        return f"{self.name}@{self.version}"


class Encoder(Protocol):
    """A loaded bundle, whatever its kind: words and frames to unit vectors of one space. Methods block, and may be
    called from any thread."""

    @property
    def info(self) -> BundleInfo: ...
    @property
    def space(self) -> str: ...
    @property
    def dimension(self) -> int: ...
    @property
    def sampling(self) -> FrameSampling: ...
    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]: ...
    def encode_clips(self, clips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]: ...
    def understands(self, text: str) -> float: ...


class JointEncoder:
    """A loaded bundle of the kind "small"."""

    dimension = JOINT_DIMENSION

    def __init__(self, info: BundleInfo, model: JointModel, tokenizer: Tokenizer, device: str = "cpu") -> None:
        self.info = info
        self.sampling = info.sampling
        self.space = info.space
        self._device = torch.device(device)
        self._model = model.eval().to(self._device)
        self._model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self._tokenizer = tokenizer

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D) unit vectors."""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        pieces, lengths = pad(to_pieces(self._tokenizer, texts))
        with torch.inference_mode():
            return self._numpy(self._model.embed_texts(pieces.to(self._device), lengths.to(self._device)))

    def encode_sentences(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, 384) unit sentence vectors, for comparing texts with texts."""
        pieces, lengths = pad(to_pieces(self._tokenizer, texts))
        with torch.inference_mode():
            vectors = self._model.sentences(pieces.to(self._device), lengths.to(self._device))
            return self._numpy(torch.nn.functional.normalize(vectors, dim=1))

    def encode_clips(self, clips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """(N, D) unit vectors of clips (T, S, S, 3), RGB; T may differ from clip to clip."""
        if not clips:
            return np.empty((0, self.dimension), np.float32)
        frames = torch.from_numpy(np.concatenate(clips)).permute(0, 3, 1, 2)
        lengths = torch.tensor([len(clip) for clip in clips], device=self._device)
        with torch.inference_mode():
            features = torch.cat([self._model.frames(part.to(self._device)) for part in frames.split(FRAMES_AT_ONCE)])
            return self._numpy(self._model.map_features(features, lengths))

    def understands(self, text: str) -> float:
        """The share of the text's letters and digits, in [0, 1], that lie in words learnt as a whole; 0.0 for a text
        without any. Other words are read from their parts, with less certainty."""
        tokens = self._tokenizer.encode(spell_out(text), add_special_tokens=False).tokens
        known = total = 0
        for place, token in enumerate(tokens):
            letters = sum(character.isalnum() for character in token) if not token.startswith("<0x") else 1
            total += letters
            begins = token.startswith(WORD_START)
            if begins and (place + 1 == len(tokens) or tokens[place + 1].startswith(WORD_START)):
                known += letters
        return known / total if total else 0.0

    @staticmethod
    def _numpy(vectors: torch.Tensor) -> NDArray[np.float32]:
        return vectors.float().cpu().numpy()


def bundle_folder(name: str) -> Path:
    """The folder of a bundle given by its name (one that is shipped) or by a path."""
    shipped = BUNDLED / name
    return shipped if name.isidentifier() and (shipped / MANIFEST).is_file() else Path(name).expanduser()


def read_info(folder: Path) -> BundleInfo:
    """What the bundle says of itself, without loading it. Raises ``BundleError``."""
    manifest = read_manifest(folder)
    try:
        sampling = manifest["sampling"]
        own = manifest["sha256"].get(WEIGHTS) or manifest["sha256"].get("open_clip_model.safetensors")
        # A model that others publish has a name in place of a checksum.
        named = f"{manifest['model']}/{manifest['pretrained']}" if own is None else ""
        return BundleInfo(
            kind=str(manifest.get("kind", SMALL)),
            name=str(manifest["name"]),
            version=str(own or hashlib.sha256(named.encode()).hexdigest())[:8],
            licence=str(manifest["licence"]),
            sampling=FrameSampling(sampling["count"], sampling["size"], Fit(sampling.get("fit", Fit.WHOLE))),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{folder / MANIFEST} is not a bundle's description: {error} is missing or wrong.") from error


def load_bundle(folder: Path, device: str = "cpu", weights: Path | None = None) -> Encoder:
    """Loads and checks a bundle; ``weights`` is the folder of published weights. Raises ``BundleError`` where a file is
    missing or not what it was."""
    info = read_info(folder)
    if info.kind == SMALL:
        return load_small(folder, device)
    if info.kind == "classic":
        from models.classic import load_classic

        return load_classic(folder, device, weights)
    if info.kind == "open-clip":
        from models.clip import load_clip

        return load_clip(folder, device, weights)
    raise BundleError(f"{folder} holds a model of the kind {info.kind}, which this version does not know.")


def load_small(folder: Path, device: str = "cpu") -> JointEncoder:
    """Loads and checks a bundle of the kind "small". Raises ``BundleError``."""
    info, manifest = read_info(folder), read_manifest(folder)
    weights, tokenizer = (checked(folder / name, manifest) for name in (WEIGHTS, TOKENIZER))
    try:
        model = JointModel(SentenceConfig(**manifest["sentence"]))
        model.load_state_dict({name: tensor.float() for name, tensor in load(weights).items()})
        return JointEncoder(info, model, Tokenizer.from_str(tokenizer.decode("utf-8")), device)
    except (SafetensorError, RuntimeError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{folder} does not hold the model its {MANIFEST} describes.") from error


def save_bundle(
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
        sentence=asdict(model.sentences.config),
    )


def write_manifest(folder: Path, files: Sequence[str], **facts: Any) -> None:
    """Writes ``bundle.json`` with the checksums of ``files``."""
    sums = {file: hashlib.sha256((folder / file).read_bytes()).hexdigest() for file in files}
    text = json.dumps({**facts, "sha256": sums}, indent=2)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """``bundle.json``. Raises ``BundleError``."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except OSError as error:
        raise BundleError(f"There is no model in {folder}: it has no {MANIFEST}.") from error
    except ValueError as error:
        raise BundleError(f"{folder / MANIFEST} is damaged: install DeepGIF again, or teach the model anew.") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict):
        raise BundleError(f"{folder / MANIFEST} is not a bundle's description: it has no checksums.")
    return manifest


def checked(path: Path, manifest: dict[str, Any]) -> bytes:
    """The content of a file that the manifest knows. Raises ``BundleError`` where it is another."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"The model is incomplete: {path} is missing.") from error
    if hashlib.sha256(content).hexdigest() != manifest["sha256"].get(path.name):
        raise BundleError(f"{path} is damaged (its checksum is wrong): install DeepGIF again, or teach the model anew.")
    return content
