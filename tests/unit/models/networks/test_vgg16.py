"""VGG16 against torchvision's own network, and one layer against numpy."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from deepgif.models.networks.vgg16 import EXTRA, FEATURES, Vgg16, convolved, normalising


@pytest.fixture(scope="module")
def networks():
    """Ours, and torchvision's with the same random weights."""
    from deepgif.models.runtime.torchvision import prepare_torchvision

    prepare_torchvision()
    from torchvision.models import vgg16

    torch.manual_seed(0)
    theirs = vgg16().eval()
    ours = Vgg16().eval()
    ours.load_torchvision(theirs.state_dict())
    return ours, theirs


def test_it_is_fc7_after_its_relu(networks):
    """It equals the input of torchvision's last layer within 1e-4."""
    ours, theirs = networks
    frames = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    seen = []
    theirs.classifier[6].register_forward_hook(lambda module, given, out: seen.append(given[0]))
    with torch.inference_mode():
        features = ours(frames)
        mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
        theirs((frames / 255.0 - mean[:, None, None]) / std[:, None, None])
    assert features.shape == (2, FEATURES)
    assert (features >= 0).all()
    np.testing.assert_allclose(features, seen[0], atol=1e-4)


@pytest.mark.parametrize(("row", "column"), [(10, 20), (0, 0), (223, 100), (50, 223)])
def test_the_first_convolution(networks, row, column):
    """One output pixel equals its sum computed by hand (1e-4), also at the zero-padded border."""
    ours, _ = networks
    frame = np.random.default_rng(2).integers(0, 256, (3, 224, 224), dtype=np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    pixels = np.pad((frame / 255.0 - mean[:, None, None]) / std[:, None, None], ((0, 0), (1, 1), (1, 1)))
    conv = ours.features[0]
    expected = (conv.weight[5].detach().numpy() * pixels[:, row : row + 3, column : column + 3]).sum()
    with torch.inference_mode():
        given = F.pad(torch.from_numpy(frame)[None].float(), (0, 0, 0, 0, 0, EXTRA), value=1)
        out = convolved(given, normalising(conv.weight), conv.bias)
    assert out[0, 5, row, column].item() == pytest.approx(max(0.0, expected + conv.bias[5].item()), abs=1e-4)


def test_other_weights_are_refused(networks):
    """They are not loaded in part."""
    with pytest.raises(RuntimeError, match="Missing key"):
        networks[0].load_torchvision({"features.0.weight": torch.zeros(64, 3, 3, 3)})
