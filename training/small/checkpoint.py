"""Checkpoints: one file per stage, replaced atomically."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


class Checkpoint:
    """The state of one stage: tensors, numbers and containers of them (it is loaded with ``weights_only``)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Any] | None:
        """The last saved state, or None."""
        if not self.path.exists():
            return None
        state: dict[str, Any] = torch.load(self.path, weights_only=True)
        return state

    def save(self, **state: Any) -> None:
        """Replaces the last saved state."""
        unfinished = self.path.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(self.path)
