"""On a GPU: each network for frames against itself in full precision on the CPU, in every size of batch."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from deepgif.models.bundles.open_clip import ClipFrames, frames_of
from deepgif.models.networks.mobilenet import MobileNetStrips, MobileNetV2
from deepgif.models.networks.vgg16 import Vgg16
from deepgif.models.networks.vit import VisionTransformer
from deepgif.models.preprocess.sampling import FrameSampling
from deepgif.models.runtime.cuda import BATCHES
from deepgif.models.runtime.frame_runner import FrameRunner
from deepgif.models.runtime.torchvision import prepare_torchvision

SIZE = 224
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def alive(network):
    """With random weights that neither let features vanish nor grow."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, std=0.1)
    return network


def open_clip_s(name, make):
    prepare_torchvision()
    open_clip = pytest.importorskip("open_clip")
    visual = open_clip.create_model(name, pretrained=None).visual
    for parameter in visual.parameters():  # biases and norms start as zeros and ones, which would hide them
        parameter.data.add_(torch.randn_like(parameter) * 0.02)
    return make(visual)


NETWORKS = {
    "mobilenet": (lambda: alive(MobileNetV2()), lambda network: network),
    "strips": (lambda: alive(MobileNetStrips()), lambda network: network),
    "vgg16": (lambda: alive(Vgg16()), lambda network: network),
    "vit-b-32": (partial(open_clip_s, "ViT-B-32", ClipFrames), lambda network: frames_of(network.visual)),
    "vit-b-32-quickgelu": (
        partial(open_clip_s, "ViT-B-32-quickgelu", ClipFrames),
        lambda network: frames_of(network.visual),
    ),
    "siglip2": (partial(open_clip_s, "ViT-B-16-SigLIP2", ClipFrames), lambda network: frames_of(network.visual)),
}


class FromTheHost(nn.Module):
    """Takes something from the host each time, which no graph can."""

    def forward(self, frames):
        return frames.float().mean(dim=(2, 3)) * torch.tensor([1.0, 2.0, 3.0]).to(frames.device)


def test_a_network_that_cannot_be_captured(caplog):
    """It is computed kernel by kernel, and others are captured after it."""
    some = np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    (features,) = FrameRunner(FromTheHost(), FrameSampling(4, 32), ["cuda:0"])([some])
    assert "cannot be captured as a CUDA graph" in caplog.text
    np.testing.assert_allclose(features.cpu(), some.mean(axis=(1, 2)) * [1, 2, 3], rtol=0.01)
    caplog.clear()
    FrameRunner(MobileNetV2(), FrameSampling(4, SIZE), ["cuda:0"])
    assert not caplog.text


@pytest.mark.parametrize("name", NETWORKS)
def test_features_are_those_of_the_cpu(name):
    """bfloat16 leaves cosines above 0.99; those of different frames lie further apart."""
    make, fastest = NETWORKS[name]
    torch.manual_seed(0)
    network = make().eval()
    rng = np.random.default_rng(0)
    some = rng.integers(0, 256, (9, 28, 28, 3), dtype=np.uint8).repeat(8, axis=1).repeat(8, axis=2)
    with torch.inference_mode():
        expected = network(torch.from_numpy(some).permute(0, 3, 1, 2))
    fast = fastest(network)
    assert isinstance(fast, VisionTransformer) == name.startswith("vit")
    runner = FrameRunner(fast, FrameSampling(4, SIZE), ["cuda:0"])
    for count in (1, *(batch + more for batch in BATCHES for more in (-1, 0, 1))):
        (features,) = runner([np.resize(some, (count, *some.shape[1:]))])
        found = features.cpu()
        assert found.isfinite().all()
        cosines = torch.cosine_similarity(found[:9], expected[: len(found)])
        assert cosines.min() > 0.99, count
        again = np.arange(count) % 9
        np.testing.assert_allclose(found, found[again], rtol=0.1, atol=0.05 * float(found.abs().max()))
    centred = expected - expected.mean(dim=0)
    assert torch.cosine_similarity(centred[:1], centred[1:]).abs().max() < 0.99
