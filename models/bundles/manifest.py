"""The description of a bundle.

    bundle.json         kind, name, licence, frame sampling, sizes, the checksum of every other file
    model.safetensors   the weights that this project trained
    tokenizer.json      the subword vocabulary, of the kind "small"
    README.md           the model card

The kind of a bundle says which networks it uses: "small" is complete; "classic" (``deepgif.models.bundles.classic``)
and "open-clip" (``deepgif.models.bundles.open_clip``) need published weights; "motion"
(``deepgif.models.bundles.motion``) builds on another bundle.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepgif.models.preprocess.sampling import Fit, FrameSampling

MANIFEST, WEIGHTS, CLIP_WEIGHTS = "bundle.json", "model.safetensors", "open_clip_model.safetensors"
SMALL, CLASSIC, OPEN_CLIP, MOTION = "small", "classic", "open-clip", "motion"  # kinds


class BundleError(Exception):
    """A bundle is missing, damaged or invalid; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class BundleInfo:
    """A bundle's description. ``version`` is the start of its weights' checksum."""

    kind: str
    name: str
    version: str
    licence: str
    sampling: FrameSampling

    @property
    def space(self) -> str:
        """The name of the vector space: vectors of different spaces must not be compared."""
        return f"{self.name}@{self.version}"


def read_info(folder: Path) -> BundleInfo:
    """Reads the description without loading the model. Raises ``BundleError``."""
    manifest = read_manifest(folder)
    try:
        sampling = manifest["sampling"]
        return BundleInfo(
            kind=str(manifest.get("kind", SMALL)),
            name=str(manifest["name"]),
            version=_version(manifest),
            licence=str(manifest["licence"]),
            sampling=FrameSampling(sampling["count"], sampling["size"], Fit(sampling.get("fit", Fit.WHOLE))),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(
            f"{folder / MANIFEST} is not a valid bundle description: {error} is missing or wrong."
        ) from error


def _version(manifest: dict[str, Any]) -> str:
    """Changes with the weights, the base's weights and the weight of motion. A published model has a name instead of a
    checksum."""
    sums = [str(manifest["sha256"][file]) for file in (CLIP_WEIGHTS, WEIGHTS) if file in manifest["sha256"]]
    published = manifest.get("kind") == OPEN_CLIP and CLIP_WEIGHTS not in manifest["sha256"]
    parts = [f"{manifest['model']}/{manifest['pretrained']}", *sums] if published else sums
    if manifest.get("kind") == MOTION:
        parts = [str(manifest["base_space"]), str(manifest["weight"]), *sums]
    if not parts:
        raise KeyError(WEIGHTS)
    return (sums[0] if parts == sums[:1] else hashlib.sha256("\n".join(parts).encode()).hexdigest())[:8]


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
        raise BundleError(
            f"{folder / MANIFEST} is damaged: install DeepGIF again, or train the model again."
        ) from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("sha256"), dict):
        raise BundleError(f"{folder / MANIFEST} is not a valid bundle description: it has no checksums.")
    return manifest


def read_verified(path: Path, manifest: dict[str, Any]) -> bytes:
    """Reads a file and verifies its checksum. Raises ``BundleError``."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(f"The model is incomplete: {path} is missing.") from error
    if hashlib.sha256(content).hexdigest() != manifest["sha256"].get(path.name):
        raise BundleError(
            f"{path} is damaged (its checksum is wrong): install DeepGIF again, or train the model again."
        )
    return content
