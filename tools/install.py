"""Installs DeepGIF into a virtual environment: ``python tools/install.py EXTRA [EXTRA ...]``.

What ``make`` runs, with nothing but the standard library. It differs from a plain ``pip install -c constraints.txt -e
'.[EXTRA]'`` in one thing: without an NVIDIA GPU it never downloads CUDA. PyPI's Linux build of torch brings several
gigabytes of it; PyTorch's own index has the same version without.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CPU_INDEX = "https://download.pytorch.org/whl/cpu"
CUDA_PREFIXES = ("nvidia-", "cuda-", "triton")
WITH_TORCH = {"engine", "redis", "clip", "classic", "onnx", "qdrant", "ocr", "training", "dev"}
SIZES = {"dev": "about 820 MB", "training": "about 700 MB", "slack": "about 20 MB", "discord": "about 20 MB"}
DEFAULT_SIZE = "about 470 MB"


def pip(*arguments: str, capture: bool = False) -> subprocess.CompletedProcess[str]:
    """Runs this environment's pip."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    return subprocess.run(command, cwd=ROOT, text=True, check=False, stdout=subprocess.PIPE if capture else None)  # noqa: S603


def has_nvidia_gpu() -> bool:
    """Whether this machine has NVIDIA's driver."""
    return shutil.which("nvidia-smi") is not None or Path("/proc/driver/nvidia/version").exists()


def brings_cuda(report: str) -> bool:
    """Whether pip's installation report (JSON) lists packages of CUDA."""
    names = (item["metadata"]["name"].lower() for item in json.loads(report)["install"])
    return any(name.startswith(CUDA_PREFIXES) for name in names)


def torch_index(extras: set[str]) -> list[str]:
    """pip's options that keep CUDA away, if it would come otherwise. Nothing is downloaded but metadata."""
    if not extras & WITH_TORCH or has_nvidia_gpu():
        return []
    found = pip("install", "--quiet", "--dry-run", "--report", "-", "-c", "constraints.txt", "torch", capture=True)
    if found.returncode or not brings_cuda(found.stdout):
        return []
    return ["--extra-index-url", CPU_INDEX]


def main() -> None:
    """Installs, and says beforehand what is downloaded."""
    parser = argparse.ArgumentParser(description="Install DeepGIF with its pinned dependencies into this environment.")
    parser.add_argument("extras", nargs="+", metavar="EXTRA", help="engine, slack, discord, dev, ... (pyproject.toml)")
    extras = parser.parse_args().extras
    size = next((SIZES[extra] for extra in ("dev", "training") if extra in extras), None)
    size = size or (DEFAULT_SIZE if set(extras) & WITH_TORCH else SIZES["slack"])
    print(f"Installing DeepGIF [{', '.join(extras)}] into {sys.prefix}: {size} to download the first time.", flush=True)
    options = torch_index(set(extras))
    done = pip("install", *options, "-c", "constraints.txt", "-e", f".[{','.join(extras)}]")
    if done.returncode:
        print("The installation failed; pip says why above. Run the same command again to go on.", file=sys.stderr)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
