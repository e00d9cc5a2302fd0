"""Where a stopped run goes on: one file a stage, replaced whole, so that it is never half written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


class Checkpoint:
    """The state of one stage: tensors, numbers and containers of them (it is read with ``weights_only``)."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> dict[str, Any] | None:
        """What was saved last, or None at the start."""
        if not self.path.exists():
            return None
        state: dict[str, Any] = torch.load(self.path, weights_only=True)
        return state

    def save(self, **state: Any) -> None:
        """Replaces what was saved before."""
        unfinished = self.path.with_suffix(".part")
        torch.save(state, unfinished)
        unfinished.replace(self.path)
