"""The vision transformer against open_clip's: the same features; unsupported variants use open_clip."""

import pytest
import torch
from torch import nn

from deepgif.models.bundles.open_clip import ClipFrames, frames_of
from deepgif.models.networks.vit import VisionTransformer
from deepgif.models.runtime.torchvision import prepare_torchvision

SIZE = 32
TOWER = {"image_size": SIZE, "patch_size": 8, "width": 64, "layers": 3, "heads": 2, "mlp_ratio": 2.0, "output_dim": 24}


def visual(**other):
    """open_clip's vision transformer with random weights, including biases and norms."""
    prepare_torchvision()
    from open_clip.transformer import VisionTransformer as OpenClipVisionTransformer

    torch.manual_seed(0)
    tower = OpenClipVisionTransformer(**{**TOWER, **other}).eval()
    for parameter in tower.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.1)
    tower.image_mean, tower.image_std = (0.48, 0.4, 0.6), (0.27, 0.3, 0.2)
    return tower


def frames(count, height=SIZE, width=SIZE):
    return torch.randint(
        0, 256, (count, 3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def quick_gelu():
    prepare_torchvision()
    from open_clip.transformer import QuickGELU

    return QuickGELU


@pytest.mark.parametrize(
    "variation",
    [
        {},
        {"layers": 1},
        {"no_ln_pre": True},
        {"final_ln_after_pool": True},
        {"act_layer": nn.SiLU},
        {"image_size": (32, 48), "patch_size": (8, 16)},
    ],
    ids=str,
)
def test_features_are_open_clip_s(variation):
    """Within 1e-5, alone and in a batch, in both memory layouts."""
    tower = visual(**variation)
    height, width = tower.image_size
    some = frames(3, height, width)
    with torch.inference_mode():
        expected = ClipFrames(tower)(some)
        fast = frames_of(tower)
        assert isinstance(fast, VisionTransformer)
        torch.testing.assert_close(fast(some), expected, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(fast(some[:1]), expected[:1], atol=1e-5, rtol=1e-5)
        last = some.permute(0, 2, 3, 1).contiguous().permute(0, 3, 1, 2)
        torch.testing.assert_close(fast(last), expected, atol=1e-5, rtol=1e-5)


def test_quick_gelu():
    """OpenAI's weights were trained with it."""
    tower = visual(act_layer=quick_gelu())
    with torch.inference_mode():
        fast = frames_of(tower)
        assert isinstance(fast, VisionTransformer)
        torch.testing.assert_close(fast(frames(2)), ClipFrames(tower)(frames(2)), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "variation",
    [
        {"ls_init_value": 0.1},
        {"pool_type": "avg"},
        {"attentional_pool": True, "attn_pooler_heads": 2},
        {"block_type": "custom"},
        {"image_size": 36},
    ],
    ids=str,
)
def test_variations_are_left_to_open_clip(variation):
    """open_clip's own network is used, so that nothing is computed wrongly."""
    tower = visual(**variation)
    assert isinstance(frames_of(tower), ClipFrames)
    size = tower.image_size[0]
    with torch.inference_mode():
        assert frames_of(tower)(frames(1, size, size)).shape == (1, TOWER["output_dim"])


def test_half_the_bits():
    """In bfloat16 the cosine with float32 features stays above 0.99."""
    tower = visual()
    fast = frames_of(tower)
    with torch.inference_mode():
        expected = fast(frames(4))
        found = fast.to(torch.bfloat16)(frames(4)).float()
    assert (torch.cosine_similarity(found, expected) > 0.99).all()
