"""The reaction head in a bundle's folder: ``reactions.safetensors``, made for one version of its sentence encoder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from deepgif.models.bundles.manifest import BundleError
from deepgif.models.networks.reaction import CLASSES, ReactionHead

REACTION_WEIGHTS = "reactions.safetensors"
_PARTS = ("sentence", "ngrams", "bias")


def load_reactions(bundle: Path, space: str) -> ReactionHead | None:
    """The head that was trained for the model ``space``; None if none was, or only for another version. Raises
    ``BundleError`` if the file is damaged."""
    path = bundle / REACTION_WEIGHTS
    if not path.is_file():
        return None
    try:
        with safe_open(path, "np") as file:
            about = file.metadata() or {}
            if about.get("model") != space or about.get("classes", "").split() != list(CLASSES):
                return None
            sentence, ngrams, bias = (file.get_tensor(name).astype(np.float32) for name in _PARTS)
    except (OSError, SafetensorError) as error:
        raise BundleError(f"{path} is damaged: install DeepGIF again, or train it anew.") from error
    shapes_fit = sentence.ndim == ngrams.ndim == 2 and {part.shape[-1] for part in (sentence, ngrams, bias)} == {
        len(CLASSES)
    }
    if not shapes_fit or not all(np.isfinite(part).all() for part in (sentence, ngrams, bias)):
        raise BundleError(f"{path} does not hold a reaction head: install DeepGIF again, or train it anew.")
    return ReactionHead(sentence, ngrams, bias)


def save_reactions(bundle: Path, space: str, head: ReactionHead) -> None:
    """Writes the head of the model ``space`` into its bundle, as float16."""
    weights = {name: np.ascontiguousarray(getattr(head, name), np.float16) for name in _PARTS}
    metadata = {"model": space, "classes": " ".join(CLASSES)}
    (bundle / REACTION_WEIGHTS).write_bytes(save(weights, metadata))
