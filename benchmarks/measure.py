"""Shared helpers: alternating timings, percentiles, the machine's description, queries."""

from __future__ import annotations

import csv
import os
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

CATALOGUE = Path(__file__).resolve().parents[1] / "engine" / "catalogue"


def machine() -> str:
    """One line: CPU, cores, torch and the GPU, if any."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{model}, {os.cpu_count()} cores{gpu}, Python {platform.python_version()}, torch {torch.__version__}"


def alternate(rounds: int, *runs: Callable[[], object]) -> list[list[float]]:
    """Seconds of each of ``runs`` in each round; runs alternate, so that changes in the machine's
    load affect all equally."""
    seconds: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for place, run in enumerate(runs):
            started = time.perf_counter()
            run()
            seconds[place].append(time.perf_counter() - started)
    return seconds


def percentile(values: Sequence[float], percent: float) -> float:
    """A percentile of ``values``."""
    return float(np.percentile(values, percent))


def queries() -> list[str]:
    """Descriptions of the bundled GIFs that avoid the words of their titles."""
    with (CATALOGUE / "descriptions.csv").open(encoding="utf-8", newline="") as file:
        return [row["sentence"] for row in csv.DictReader(file)]
