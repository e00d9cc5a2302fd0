"""The CLIP family through open_clip (Ilharco et al. 2021): one transformer for frames, one for words, taught together
(Radford et al. 2021; Zhai et al. 2023 for SigLIP).

A bundle of this kind names a model: one that open_clip knows, with the weights that it fetches, or, with ``model``
"local", the one beside it in open_clip's own layout (``open_clip_config.json``, ``open_clip_model.safetensors``).

    python -m deepgif.models.bundles.open_clip FOLDER --model ViT-L-14 --pretrained datacomp_xl_s13b_b90k

writes such a bundle. On top of the towers may lie two linear maps, adapters, which ``deepgif-train --bundle`` teaches.
A clip is the mean of its frames' unit vectors.

Shapes: N texts, B frames, L tokens of a text, S pixels a side, D dimensions of the space.
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
    checked,
    read_info,
    read_manifest,
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
    """Any tower for frames as open_clip computes it: pixels (B, 3, S, S) from 0 to 255 to features (B, D), not
    normalised."""

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
    """The tower for frames, in the fastest form there is for it."""
    return VisionTransformer(visual) if is_plain(visual) else ClipFrames(visual)


class ClipSentences:
    """The tower for words: texts to features, not normalised."""

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
        """1.0 for a text with letters or digits: these models were taught on words of every kind."""
        return float(any(character.isalnum() for character in text))


def load_clip(folder: Path, devices: Sequence[str] = ("cpu",), weights: Path | None = None) -> TwoTowerEncoder:
    """Loads the model that a bundle names, and its adapters; open_clip keeps what it fetches below ``weights``.

    Raises ``BundleError``.
    """
    open_clip = _open_clip()
    info, manifest = read_info(folder), read_manifest(folder)
    name, pretrained = str(manifest.get("model")), manifest.get("pretrained")
    if name == LOCAL:
        checked(folder / CLIP_WEIGHTS, manifest)
        name, pretrained = f"local-dir:{folder.resolve()}", None
    cache = str(weights) if weights is not None else None
    try:
        model = open_clip.create_model(name, pretrained=pretrained, cache_dir=cache, require_pretrained=True)
        tokenizer = open_clip.get_tokenizer(name, cache_dir=cache)
    except Exception as error:  # open_clip and the hub beneath it raise whatever they like
        what = "the model beside it" if name.startswith("local-dir:") else f"{name} with the weights {pretrained}"
        where = f"into {cache}" if cache else "into the cache of open_clip"
        raise BundleError(
            f"{folder} stands for {what}, which cannot be loaded ({type(error).__name__}): fetch it once, with a "
            f"network, {where}."
        ) from error
    # The towers part: that for frames may be copied, and runs in another precision.
    frames = FrameRunner(frames_of(model.visual), info.sampling, devices)
    model.visual = None
    sentences = ClipSentences(model, tokenizer, frames.device)
    maps = _adapters(folder, manifest, sentences.dimension)
    return TwoTowerEncoder(info, frames, sentences, maps, unit_frames=True)


def write_clip(folder: Path, name: str, model: str, pretrained: str | None, licence: str, frames: int = 4) -> None:
    """Writes the bundle of a model that open_clip knows, or, for the model "local", of the one in the folder already.
    Size and fit of its frames are the model's own. Raises ``BundleError``."""
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
    """Writes the bundle that ``base`` is with adapters on top. Raises ``BundleError``."""
    facts = read_manifest(base)
    sums = facts.pop("sha256")
    folder.mkdir(parents=True, exist_ok=True)
    if CLIP_WEIGHTS in sums:  # the model lies beside the bundle
        for path in base.iterdir():
            if path.is_file() and path.name not in (MANIFEST, WEIGHTS) and folder.resolve() != base.resolve():
                shutil.copy2(path, folder)
    save_file({key: value.contiguous() for key, value in maps.state_dict().items()}, folder / WEIGHTS)
    facts["name"] = f"{str(facts['name']).removesuffix(ADAPTED)}{ADAPTED}"
    write_manifest(folder, (*(() if CLIP_WEIGHTS not in sums else (CLIP_WEIGHTS,)), WEIGHTS), **facts)


def _adapters(folder: Path, manifest: dict[str, Any], dimension: int) -> ProjectionHeads:
    """The two maps on top of the towers; those that change nothing where the bundle has none."""
    maps = identity_projections(dimension)
    if WEIGHTS in manifest["sha256"]:
        try:
            maps.load_state_dict(load(checked(folder / WEIGHTS, manifest)))
        except (SafetensorError, RuntimeError) as error:
            raise BundleError(f"{folder / WEIGHTS} does not hold the adapters of this model.") from error
    return maps


def _open_clip() -> Any:
    if find_spec("open_clip") is None:
        raise BundleError("This model needs open_clip, which is not installed: pip install 'deepgif[clip]'")
    prepare_torchvision()
    import open_clip

    return open_clip


def _text_features(model: Any, tokens: Tensor) -> Tensor:
    """``model.encode_text``, over no more tokens than the longest text has where that changes nothing: in the text
    transformer of CLIP each token sees only those before it, and the one that ends the text is read."""
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
    model: Annotated[str, typer.Option(help="As open_clip calls it, or: local.")],
    pretrained: Annotated[str | None, typer.Option(help="Which weights of it.")] = None,
    name: Annotated[str | None, typer.Option(help="What to call it; the folder's name otherwise.")] = None,
    licence: Annotated[str, typer.Option(help="What its authors allow.")] = "see the model's own",
    frames: Annotated[int, typer.Option(min=1, help="How many frames of a GIF to look at.")] = 4,
) -> None:
    """Write a bundle for a model of the CLIP family: DEEPGIF_MODEL=FOLDER uses it."""
    try:
        write_clip(folder, name or folder.resolve().name, model, pretrained, licence, frames)
    except BundleError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(f"DEEPGIF_MODEL={folder}")


if __name__ == "__main__":
    typer.run(main)
