"""Finds bundles by name or folder, and loads any kind of them (see ``deepgif.models.bundles.manifest``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deepgif.models.bundles.encoder import Encoder, TwoTowerEncoder
from deepgif.models.bundles.manifest import (
    CLASSIC,
    MANIFEST,
    MOTION,
    OPEN_CLIP,
    SMALL,
    BundleError,
    read_info,
    read_manifest,
)

if TYPE_CHECKING:
    from deepgif.models.bundles.motion import MotionEncoder

BUNDLED = Path(__file__).parents[1]


def bundle_folder(name: str) -> Path:
    """The folder of a shipped bundle's name, or of a path."""
    shipped = BUNDLED / name
    return shipped if name.isidentifier() and (shipped / MANIFEST).is_file() else Path(name).expanduser()


def load_bundle(folder: Path, devices: Sequence[str] = ("cpu",), weights: Path | None = None) -> Encoder:
    """Loads and verifies a bundle; ``weights`` is the folder of published weights. Raises ``BundleError`` if a file is
    missing or damaged."""
    if read_info(folder).kind == MOTION:
        return load_motion(folder, devices, weights)
    return load_two_towers(folder, devices, weights)


def load_two_towers(folder: Path, devices: Sequence[str] = ("cpu",), weights: Path | None = None) -> TwoTowerEncoder:
    """Loads a bundle of any kind but "motion". Raises ``BundleError``."""
    info = read_info(folder)
    if info.kind == SMALL:
        from deepgif.models.bundles.small import load_small

        return load_small(folder, devices)
    if info.kind == CLASSIC:
        from deepgif.models.bundles.classic import load_classic

        return load_classic(folder, devices, weights)
    if info.kind == OPEN_CLIP:
        from deepgif.models.bundles.open_clip import load_clip

        return load_clip(folder, devices, weights)
    if info.kind == MOTION:
        raise BundleError(f"{folder} builds on another bundle: give that one.")
    raise BundleError(f"{folder} is a model of the kind {info.kind}, which this version does not support.")


def load_base(base: str, folder: Path, places: int, devices: Sequence[str], weights: Path | None) -> TwoTowerEncoder:
    """Loads the bundle that a motion head in ``folder`` builds on: a bundled model's name, or a path relative to
    ``folder``. With ``places`` above 1, frame features are computed per strip of the frame. Raises ``BundleError``."""
    found = bundle_folder(base)
    path = found if found.is_absolute() else folder / found
    if places == 1:
        return load_two_towers(path, devices, weights)
    from deepgif.models.bundles.small import load_small

    return load_small(path, devices, strips=True)


def load_motion(folder: Path, devices: Sequence[str] = ("cpu",), weights: Path | None = None) -> MotionEncoder:
    """Loads and verifies a bundle of the kind "motion" and its base. Raises ``BundleError``."""
    from deepgif.models.bundles.motion import MotionEncoder, read_head

    info, manifest = read_info(folder), read_manifest(folder)
    head, weight, name = read_head(folder, manifest)
    base = load_base(name, folder, head.config.places, devices, weights)
    if base.space != manifest["base_space"]:
        raise BundleError(
            f"{folder} was trained on {manifest['base_space']}, but its base is {base.space}. Train it again."
        )
    if (base.sampling.size, base.sampling.fit) != (info.sampling.size, info.sampling.fit):
        raise BundleError(f"{folder} needs another frame size than its base, {base.space}.")
    return MotionEncoder(info, base, head, weight)
