"""The vision transformer of CLIP (Dosovitskiy et al. 2021; Radford et al. 2021) with open_clip's layers
and fewer passes over memory: the same features, faster.

- The patch embedding takes bytes, since its weights include the normalisation; it is a matrix product, since cuDNN is
  slow with such large kernels.
- On a GPU, GELU is fused with the product before it (in its tanh form, which is the same in bfloat16).
- The last block computes only the class token.

``python -m benchmarks.models.gpu`` compares it with open_clip.

Shapes: B frames, S pixels of each side, P those of a patch, L = (S / P)^2 + 1 tokens, W their width, H heads, D
dimensions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class VisionTransformer(nn.Module):
    """Pixels (B, 3, S, S) in [0, 255] to unnormalised features (B, D), with the layers of ``visual``, for which
    ``is_plain`` must be true."""

    patch_weight: Tensor
    patch_bias: Tensor

    def __init__(self, visual: Any) -> None:
        super().__init__()
        self.patch_size: tuple[int, int] = visual.patch_size
        kernels = visual.conv1.weight.detach()  # (W, 3, P, P)
        mean, std = (torch.tensor(values).view(3, 1, 1) for values in (visual.image_mean, visual.image_std))
        weight = (kernels / (255.0 * std)).permute(0, 2, 3, 1).flatten(1)
        self.register_buffer("patch_weight", weight, persistent=False)  # (W, P * P * 3)
        self.register_buffer("patch_bias", -(kernels * mean / std).sum(dim=(1, 2, 3)), persistent=False)
        self.class_embedding, self.positional_embedding = visual.class_embedding, visual.positional_embedding
        self.ln_pre, self.ln_post, self.proj = visual.ln_pre, visual.ln_post, visual.proj
        self.blocks = visual.transformer.resblocks

    def forward(self, frames: Tensor) -> Tensor:
        tokens = self._embedded(frames)
        for block in self.blocks[:-1]:
            _mlp(block, _attention(block, tokens, tokens.shape[1]))
        first = _mlp(self.blocks[-1], _attention(self.blocks[-1], tokens, 1))[:, 0]
        features: Tensor = self.ln_post(first) @ self.proj
        return features

    def _embedded(self, frames: Tensor) -> Tensor:
        """(B, 3, S, S) to (B, L, W)."""
        count, colours, height, width = frames.shape
        rows, columns = self.patch_size
        grid = frames.reshape(count, colours, height // rows, rows, width // columns, columns).permute(0, 2, 4, 3, 5, 1)
        # One pass: converts the type and makes each patch contiguous.
        pixels = grid.to(self.patch_weight.dtype, memory_format=torch.contiguous_format).flatten(3).flatten(1, 2)
        patches = F.linear(pixels, self.patch_weight, self.patch_bias)
        first = self.class_embedding.expand(count, 1, -1)
        tokens: Tensor = self.ln_pre(torch.cat([first, patches], dim=1) + self.positional_embedding)
        return tokens


def is_plain(visual: Any) -> bool:
    """Whether ``visual`` is open_clip's standard vision transformer, without any of its options."""
    from open_clip.transformer import ResidualAttentionBlock
    from open_clip.transformer import VisionTransformer as OpenClipVisionTransformer

    return (
        type(visual) is OpenClipVisionTransformer
        and all(size % patch == 0 for size, patch in zip(visual.image_size, visual.patch_size, strict=True))
        and visual.attn_pool is None
        and visual.pool_type == "tok"
        and visual.proj is not None
        and all(
            type(block) is ResidualAttentionBlock and isinstance(block.ls_1, nn.Identity) and block.attn.batch_first
            for block in visual.transformer.resblocks
        )
    )


def _attention(block: Any, tokens: Tensor, read: int) -> Tensor:
    """Attention of the first ``read`` tokens to all of (B, L, W), with the residual: (B, ``read``, W). May change
    ``tokens`` in place."""
    layer = block.attn
    count, length, width = tokens.shape
    normed = block.ln_1(tokens)
    if read == length:
        heads = F.linear(normed, layer.in_proj_weight, layer.in_proj_bias).view(count, length, 3, layer.num_heads, -1)
        query, key, value = heads.permute(2, 0, 3, 1, 4)  # (B, H, L, W / H) each
    else:
        weights, biases = layer.in_proj_weight.split((width, 2 * width)), layer.in_proj_bias.split((width, 2 * width))
        query = F.linear(normed[:, :read], weights[0], biases[0]).view(count, read, layer.num_heads, -1).transpose(1, 2)
        heads = F.linear(normed, weights[1], biases[1]).view(count, length, 2, layer.num_heads, -1)
        key, value = heads.permute(2, 0, 3, 1, 4)
    taken = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(count, read, width)
    return tokens[:, :read].add_(layer.out_proj(taken))


def _mlp(block: Any, tokens: Tensor) -> Tensor:
    """The MLP of a block on tokens (B, T, W), with the residual; changes ``tokens`` in place."""
    normed, first, gelu = block.ln_2(tokens), block.mlp.c_fc, block.mlp.gelu
    if normed.is_cuda and isinstance(gelu, nn.GELU):
        rows = torch._addmm_activation(first.bias, normed.flatten(0, 1), first.weight.t(), use_gelu=True)
        hidden = rows.unflatten(0, normed.shape[:2])
    else:
        hidden = gelu(first(normed))
    return tokens.add_(block.mlp.c_proj(hidden))
