"""How the set-up keeps CUDA away from machines that cannot use it."""

import json
import subprocess

import pytest

from tools import install


def reporting(*names, status=0):
    """A pip whose report lists these packages."""
    report = json.dumps({"install": [{"metadata": {"name": name}} for name in names]})
    return lambda *arguments, capture=False: subprocess.CompletedProcess(arguments, status, report)


@pytest.mark.parametrize(
    ("names", "gpu", "status", "options"),
    [
        (("torch", "nvidia-cublas"), False, 0, ["--extra-index-url", install.CPU_INDEX]),
        (("torch", "triton"), False, 0, ["--extra-index-url", install.CPU_INDEX]),
        (("torch", "nvidia-cublas"), True, 0, []),
        (("torch", "sympy"), False, 0, []),
        ((), False, 0, []),
        (("torch", "nvidia-cublas"), False, 1, []),
    ],
)
def test_torch_without_cuda(monkeypatch, names, gpu, status, options):
    """Another index is asked only where CUDA would come and there is no GPU for it."""
    monkeypatch.setattr(install, "has_nvidia_gpu", lambda: gpu)
    monkeypatch.setattr(install, "pip", reporting(*names, status=status))
    assert install.torch_index({"engine"}) == options


def test_bots_ask_nothing_about_torch(monkeypatch):
    """A bot needs no torch, so pip is not asked about it."""
    monkeypatch.setattr(install, "pip", lambda *_, **__: pytest.fail("pip was asked"))
    assert install.torch_index({"slack", "discord"}) == []
