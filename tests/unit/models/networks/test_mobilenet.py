"""MobileNetV2 against independent computations."""

import numpy as np
import pytest
import torch
from PIL import Image

from deepgif.models.networks.mobilenet import FEATURES, MobileNetV2, SamePadConv2d


def same_conv(image, weight, bias):
    """A 3 x 3 convolution of stride 2 as TensorFlow's "SAME" does it, pixel by pixel: (C, H, W) to (O, H/2, W/2)."""
    channels, height, width = image.shape
    padded = np.zeros((channels, height + 1, width + 1))
    padded[:, :height, :width] = image
    out = np.empty((len(weight), height // 2, width // 2))
    for y in range(height // 2):
        for x in range(width // 2):
            window = padded[:, 2 * y : 2 * y + 3, 2 * x : 2 * x + 3]
            out[:, y, x] = (weight * window).sum(axis=(1, 2, 3)) + bias
    return out


def test_strided_convolutions_pad_as_tensorflow():
    """SamePadConv2d equals the convolution written out, within 1e-5."""
    torch.manual_seed(0)
    conv = SamePadConv2d(2, 3, 3, stride=2)
    image = torch.randn(1, 2, 8, 8)
    expected = same_conv(image[0].numpy(), conv.weight.detach().numpy(), conv.bias.detach().numpy())
    np.testing.assert_allclose(conv(image)[0].detach().numpy(), expected, atol=1e-5)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return MobileNetV2().eval()


def test_the_halves_make_the_whole(network):
    """forward is tail after head, pooled: (B, 3, 224, 224) bytes to (B, 1280)."""
    frames = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    with torch.no_grad():
        head = network.head(frames)
        assert head.shape == (2, 64, 14, 14)
        whole = network(frames)
    assert whole.shape == (2, FEATURES)
    torch.testing.assert_close(whole, network.tail(head).mean((2, 3)))


def test_every_convolution_has_the_bias_of_the_folded_norm(network):
    """52 convolutions, each with a bias, and no batch norm."""
    convolutions = [layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)]
    assert len(convolutions) == 52
    assert all(conv.bias is not None for conv in convolutions)
    assert sum(isinstance(conv, SamePadConv2d) for conv in convolutions) == 5
    assert not any(isinstance(layer, torch.nn.BatchNorm2d) for layer in network.modules())
    assert all(isinstance(conv, SamePadConv2d) for conv in convolutions if conv.stride == (2, 2))


@pytest.mark.data
@pytest.mark.parametrize(("photograph", "label"), [("hot_dog", "hotdog"), ("parrot", "macaw")])
def test_the_port_equals_the_interpreter(data_dir, photograph, label):
    """With the ported weights, both photographs get the interpreter's features (cosine of 0.995 or more; the file
    computes in 8 bits) and the right name."""
    pytest.importorskip("ai_edge_litert", reason="needs the extra 'training'")
    from deepgif.training.pretrained.tflite import interpreter_features, load_tflite, read_classifier

    path = data_dir / "mobilenet" / "mobilenet_v2_1.0_224_quant.tflite"
    with Image.open(path.with_name(f"{photograph}.jpg")) as image:
        pixels = np.asarray(image.convert("RGB").resize((224, 224), Image.Resampling.BILINEAR)).copy()
    with torch.no_grad():
        features = load_tflite(path)(torch.from_numpy(pixels).permute(2, 0, 1)[None])[0].numpy()
    expected = interpreter_features(path, pixels)
    cosine = features @ expected / np.linalg.norm(features) / np.linalg.norm(expected)
    assert cosine > 0.995
    weight, bias = read_classifier(path)
    labels = path.with_name("imagenet_labels.txt").read_text().splitlines()
    assert labels[int((weight @ features + bias).argmax())].startswith(label)
