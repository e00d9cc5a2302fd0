"""Bundles of the kind "open-clip": CLIP models through open_clip (Ilharco et al. 2021), with one transformer for frames
and one for texts, trained together (Radford et al. 2021; Zhai et al. 2023 for SigLIP).

The bundle names a model that open_clip provides and downloads; with ``model`` "local" it is the model in the same
folder in open_clip's layout (``open_clip_config.json``, ``open_clip_model.safetensors``).

    python -m deepgif.models.bundles.open_clip FOLDER --model ViT-L-14 --pretrained datacomp_xl_s13b_b90k

writes such a bundle. It may also contain two linear projections on top of the encoders, adapters, which
``deepgif-train --bundle`` trains. A clip is the mean of its frames' unit vectors.

Shapes: N texts, B frames, L tokens of a text, S pixels of each side, D dimensions of the space.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load, save_file
from torch import Tensor, nn

from deepgif.models.bundles.encoder import TwoTowerEncoder
from deepgif.models.bundles.manifest import (
    CLIP_WEIGHTS,
    MANIFEST,
    OPEN_CLIP,
    WEIGHTS,
    BundleError,
    read_info,
    read_manifest,
    read_verified,
    write_manifest,
)
from deepgif.models.networks.projection import ProjectionHeads, identity_projections
from deepgif.models.networks.vit import VisionTransformer, is_plain
from deepgif.models.preprocess.sampling import Fit, FrameSampling
from deepgif.models.runtime.frame_runner import FrameRunner
from deepgif.models.runtime.torchvision import prepare_torchvision

LOCAL, ADAPTED = "local", "-adapted"
TEXTS_AT_ONCE = 256


class ClipFrames(nn.Module):
    """A frame encoder as open_clip computes it: pixels (B, 3, S, S) in [0, 255] to unnormalised features (B, D)."""

    mean: Tensor
    std: Tensor

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.visual = visual
        self.register_buffer("mean", torch.tensor(visual.image_mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(visual.image_std).view(3, 1, 1), persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        features: Tensor = self.visual((frames.to(self.mean.dtype) / 255.0 - self.mean) / self.std)
        return features


def frames_of(visual: Any) -> nn.Module:
    """The fastest available form of a frame encoder."""
    return VisionTransformer(visual) if is_plain(visual) else ClipFrames(visual)


class ClipSentences:
    """The text encoder: texts to unnormalised features."""

    def __init__(self, model: Any, tokenizer: Any, device: torch.device) -> None:
        self._model = model.eval().to(device)
        self._tokenizer = tokenizer
        self._device = device
        self.dimension = self.encode([""]).shape[1]

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(N, D)"""
        if not texts:
            return np.empty((0, self.dimension), np.float32)
        tokens = self._tokenizer(list(texts)).to(self._device)
        with torch.inference_mode():
            parts = [_text_features(self._model, part) for part in tokens.split(TEXTS_AT_ONCE)]
            return torch.cat(parts).float().cpu().numpy()

    def vocabulary_coverage(self, text: str) -> float:
        """1.0 for a text with letters or digits, since these vocabularies cover every word."""
        return float(any(character.isalnum() for character in text))


def load_clip(folder: Path, devices: Sequence[str] = ("cpu",), weights: Path | None = None) -> TwoTowerEncoder:
    """Loads the model that a bundle names, and its adapters; open_clip stores its downloads in ``weights``.

    Raises ``BundleError``.
    """
    open_clip = _open_clip()
    info, manifest = read_info(folder), read_manifest(folder)
    name, pretrained = str(manifest.get("model")), manifest.get("pretrained")
    if name == LOCAL:
        read_verified(folder / CLIP_WEIGHTS, manifest)
        name, pretrained = f"local-dir:{folder.resolve()}", None
    cache = str(weights) if weights is not None else None
    try:
        model = open_clip.create_model(name, pretrained=pretrained, cache_dir=cache, require_pretrained=True)
        tokenizer = open_clip.get_tokenizer(name, cache_dir=cache)
    except Exception as error:  # open_clip and the hub raise many types
        what = (
            "the model in the same folder" if name.startswith("local-dir:") else f"{name} with the weights {pretrained}"
        )
        where = f"into {cache}" if cache else "into the cache of open_clip"
        raise BundleError(
            f"{folder} names {what}, which cannot be loaded ({type(error).__name__}). Connect to a network once to "
            f"download it {where}."
        ) from error
    # Separate the encoders: that for frames may be copied to more devices and run in another precision.
    frames = FrameRunner(frames_of(model.visual), info.sampling, devices)
    model.visual = None
    sentences = ClipSentences(model, tokenizer, frames.device)
    maps = _adapters(folder, manifest, sentences.dimension)
    return TwoTowerEncoder(info, frames, sentences, maps, unit_frames=True)


def write_clip(folder: Path, name: str, model: str, pretrained: str | None, licence: str, frames: int = 4) -> None:
    """Writes a bundle for a model of open_clip or, for the model "local", for the one in the folder. The size and fit
    of frames are the model's. Raises ``BundleError``."""
    open_clip = _open_clip()
    folder.mkdir(parents=True, exist_ok=True)
    if model == LOCAL:
        try:
            config = json.loads((folder / "open_clip_config.json").read_text(encoding="utf-8"))
            towers, shown = config["model_cfg"], config.get("preprocess_cfg", {})
        except (OSError, ValueError, KeyError) as error:
            raise BundleError(f"{folder} has no open_clip_config.json that can be read.") from error
    else:
        towers = open_clip.get_model_config(model)
        shown = open_clip.get_pretrained_cfg(model, pretrained)
        if towers is None or not shown:
            raise BundleError(
                f"open_clip has no weights {pretrained} of {model}; open_clip.list_pretrained() lists all."
            )
    fit = Fit.WHOLE if shown.get("resize_mode") == "squash" else Fit.CENTRE
    sampling = FrameSampling(frames, int(towers["vision_cfg"]["image_size"]), fit)
    facts = {"kind": OPEN_CLIP, "name": name, "licence": licence, "model": model, "pretrained": pretrained}
    write_manifest(folder, (CLIP_WEIGHTS,) if model == LOCAL else (), **facts, sampling=asdict(sampling))


def save_adapted(folder: Path, base: Path, maps: ProjectionHeads) -> None:
    """Writes ``base`` with adapters as a bundle of its own. Raises ``BundleError``."""
    facts = read_manifest(base)
    sums = facts.pop("sha256")
    folder.mkdir(parents=True, exist_ok=True)
    if CLIP_WEIGHTS in sums:  # the model is in the bundle's folder
        for path in base.iterdir():
            if path.is_file() and path.name not in (MANIFEST, WEIGHTS) and folder.resolve() != base.resolve():
                shutil.copy2(path, folder)
    save_file({key: value.contiguous() for key, value in maps.state_dict().items()}, folder / WEIGHTS)
    facts["name"] = f"{str(facts['name']).removesuffix(ADAPTED)}{ADAPTED}"
    write_manifest(folder, (*(() if CLIP_WEIGHTS not in sums else (CLIP_WEIGHTS,)), WEIGHTS), **facts)


def _adapters(folder: Path, manifest: dict[str, Any], dimension: int) -> ProjectionHeads:
    """The bundle's adapters, or the identity if it has none."""
    maps = identity_projections(dimension)
    if WEIGHTS in manifest["sha256"]:
        try:
            maps.load_state_dict(load(read_verified(folder / WEIGHTS, manifest)))
        except (SafetensorError, RuntimeError) as error:
            raise BundleError(f"{folder / WEIGHTS} does not contain adapters for this model.") from error
    return maps


def _open_clip() -> Any:
    if find_spec("open_clip") is None:
        raise BundleError("This model needs open_clip, which is not installed: pip install 'deepgif[clip]'")
    prepare_torchvision()
    import open_clip

    return open_clip


def _text_features(model: Any, tokens: Tensor) -> Tensor:
    """``model.encode_text`` without the padding behind the longest text, where that changes nothing: in CLIP's text
    transformer, tokens attend only to earlier ones, and the end token is the output."""
    features: Tensor
    if getattr(model, "text_pool_type", None) != "argmax" or model.attn_mask is None:
        features = model.encode_text(tokens)
        return features
    length = int(tokens.argmax(dim=1).max()) + 1
    tokens = tokens[:, :length]
    width = model.transformer.get_cast_dtype()
    states = model.token_embedding(tokens).to(width) + model.positional_embedding[:length].to(width)
    states = model.ln_final(model.transformer(states, attn_mask=model.attn_mask[:length, :length]))
    ends = states[torch.arange(len(states), device=states.device), tokens.argmax(dim=1)]
    projection = model.text_projection
    features = projection(ends) if isinstance(projection, torch.nn.Linear) else ends @ projection
    return features


def main(
    folder: Annotated[Path, typer.Argument(help="Where to write the bundle.")],
    model: Annotated[str, typer.Option(help="Its name in open_clip, or: local.")],
    pretrained: Annotated[str | None, typer.Option(help="Its weights in open_clip.")] = None,
    name: Annotated[str | None, typer.Option(help="The bundle's name; by default the folder's.")] = None,
    licence: Annotated[str, typer.Option(help="The model's licence.")] = "see the model's own",
    frames: Annotated[int, typer.Option(min=1, help="Frames of a GIF to encode.")] = 4,
) -> None:
    """Write a bundle for a CLIP model; use it with DEEPGIF_MODEL=FOLDER."""
    try:
        write_clip(folder, name or folder.resolve().name, model, pretrained, licence, frames)
    except BundleError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"DEEPGIF_MODEL={folder}")


if __name__ == "__main__":
    typer.run(main)
