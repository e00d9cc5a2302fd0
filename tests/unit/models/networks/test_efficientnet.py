"""EfficientNet-Lite0 against timm's."""

import re

import pytest
import torch

from deepgif.models.networks.efficientnet import (
    EPSILON,
    FEATURES,
    FRAME_SIZE,
    TAIL_CHANNELS,
    EfficientNetLite,
    EfficientNetLiteStrips,
    SameConv2d,
)
from deepgif.models.runtime.torchvision import prepare_torchvision
from deepgif.training.pretrained.efficientnet import load_efficientnet

prepare_torchvision()
timm = pytest.importorskip("timm", reason="needs the extra 'clip'")

LAYERS = {  # timm's names to those of the published file
    r"conv_stem\.": "_conv_stem.",
    r"bn1\.": "_bn0.",
    r"conv_head\.": "_conv_head.",
    r"bn2\.": "_bn1.",
}
SEPARABLE = {"conv_dw": "_depthwise_conv", "bn1": "_bn1", "conv_pw": "_project_conv", "bn2": "_bn2"}
INVERTED = {
    "conv_pw": "_expand_conv",
    "bn1": "_bn0",
    "conv_dw": "_depthwise_conv",
    "bn2": "_bn1",
    "conv_pwl": "_project_conv",
    "bn3": "_bn2",
}


@pytest.fixture(scope="module")
def reference():
    """timm's network, its normalisations far from doing nothing."""
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.weight, 0.8, 1.6)
            torch.nn.init.uniform_(layer.bias, -0.3, 0.3)
            layer.running_mean.uniform_(-0.2, 0.2)
            layer.running_var.uniform_(0.5, 1.5)
    return network


@pytest.fixture(scope="module")
def published(reference, tmp_path_factory):
    """The same weights under the names of the published file."""
    state, block = {}, -1
    last = None
    for name, value in reference.state_dict().items():
        if match := re.fullmatch(r"blocks\.(\d+)\.(\d+)\.(\w+)\.(\w+)", name):
            stage, place, layer, kind = match.groups()
            block += (stage, place) != last
            last = (stage, place)
            names = SEPARABLE if stage == "0" else INVERTED
            state[f"_blocks.{block}.{names[layer]}.{kind}"] = value
        else:
            old, new = next(pair for pair in LAYERS.items() if re.match(pair[0], name))
            state[re.sub(f"^{old}", new, name)] = value
    path = tmp_path_factory.mktemp("lite") / "lite0.pth"
    torch.save(state, path)
    return path


def frames(count=2, size=FRAME_SIZE):
    return torch.randint(0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("size", [FRAME_SIZE, 224, 100])
def test_the_network_equals_timms(reference, published, size):
    """Read from the published layout, features are the square roots of timm's pooled ones: squared they agree within
    0.1 % of their length, for sizes whose halves are odd too."""
    pixels = frames(size=size)
    with torch.no_grad():
        expected = reference((pixels.float() - 127.0) / 128.0)
        found = load_efficientnet(published)(pixels)
    assert found.shape == (2, FEATURES)
    assert (found.square() - EPSILON - expected).norm() < 1e-3 * expected.norm()  # random layers add up rounding


def test_another_network_is_refused(published, tmp_path):
    """A file with fewer layers, or with one of another shape, is named."""
    state = torch.load(published, weights_only=True)
    fewer = {name: value for name, value in state.items() if not name.startswith("_blocks.15")}
    torch.save(fewer, tmp_path / "fewer.pth")
    with pytest.raises(ValueError, match=r"fewer\.pth is not EfficientNet-Lite0"):
        load_efficientnet(tmp_path / "fewer.pth")
    torch.save({**state, "_conv_head.weight": torch.zeros(8, 320, 1, 1)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="_conv_head has the shape"):
        load_efficientnet(tmp_path / "other.pth")
    with pytest.raises(FileNotFoundError):
        load_efficientnet(tmp_path / "none.pth")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return EfficientNetLite().eval()


def test_the_halves_make_the_whole(network):
    """forward is tail after head, pooled."""
    with torch.no_grad():
        head = network.head(frames())
        assert head.shape == (2, TAIL_CHANNELS, FRAME_SIZE // 16, FRAME_SIZE // 16)
        torch.testing.assert_close(network(frames()), network.pool(network.tail(head)))


def test_strips_hold_the_whole(network):
    """The features of places, put together again, are those of the network without places."""
    strips = EfficientNetLiteStrips().eval()
    strips.load_state_dict(network.state_dict())
    with torch.no_grad():
        places = strips(frames())
        assert places.shape == (2, 2 * (FRAME_SIZE // 32) * FEATURES)
        torch.testing.assert_close(strips.whole(places), network(frames()))


def test_padding_is_uneven_where_tensorflow_s_is():
    """A 5 x 5 convolution of stride 2 sees one pixel before an even side and two after it; of an odd one two."""
    conv = SameConv2d(1, 1, 5, 2)
    torch.nn.init.ones_(conv.weight)
    torch.nn.init.zeros_(conv.bias)
    with torch.no_grad():
        assert conv(torch.ones(1, 1, 4, 4))[0, 0].tolist() == [[16.0, 12.0], [12.0, 9.0]]
        assert conv(torch.ones(1, 1, 3, 3))[0, 0].tolist() == [[9.0, 9.0], [9.0, 9.0]]
