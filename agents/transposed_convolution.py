"""Transposed convolutions of stride 2 by the route that is fastest on a CPU.

The stock kernel runs at a fifth of the processor's speed on three of the decoder's four layers: those of 1×1 inputs, of
few input pixels, and of three output channels. Each has a better form:

- 1×1 input: a matrix product gives the whole output patch.
- Few pixels: a matrix product gives every pixel's patch, and k² strided additions lay them over each other.
- Few output channels: the four parities of output pixels are one ordinary 3×3 convolution with four times as many
  channels (sub-pixel convolution).

`tests/agents/test_networks.py` holds all of them equal to `torch.nn.functional.conv_transpose2d`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

STRIDE = 2


def transposed_convolution(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`F.conv_transpose2d(x, weight, bias, stride=2)` with channels last.

    Args:
        x: [N, height, width, channels in].
        weight: [channels in, channels out, k, k], as PyTorch has it.
        bias: [channels out].

    Returns:
        [N, 2(height − 1) + k, 2(width − 1) + k, channels out].
    """
    channels, kernel = weight.shape[1:3]
    if torch.is_autocast_enabled(x.device.type):
        dtype = torch.get_autocast_dtype(x.device.type)
        x, weight, bias = x.to(dtype), weight.to(dtype), bias.to(dtype)
    if x.shape[1:3] == (1, 1):
        patches = x.flatten(1) @ weight.permute(0, 2, 3, 1).flatten(1)
        return patches.unflatten(1, (kernel, kernel, channels)) + bias
    if channels <= 4 and kernel % 2 == 0:
        result: Tensor = _SubPixel.apply(x, weight, bias)
    elif (
        x.shape[1] * x.shape[2] <= 64 and x.dtype == torch.bfloat16
    ):  # in float32 the memory traffic eats the gain
        result = _Scatter.apply(x, weight, bias)
    else:
        result = F.conv_transpose2d(x.permute(0, 3, 1, 2), weight, bias, stride=STRIDE).permute(0, 2, 3, 1)
    return result


class _Scatter(torch.autograd.Function):
    """Every input pixel's patch by one product, then k² strided additions; backward gathers the same patches."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        n, height, width, channels_in = x.shape
        channels, k = weight.shape[1:3]
        pixels = x.reshape(-1, channels_in)
        matrix = weight.permute(0, 2, 3, 1).reshape(channels_in, -1)
        patches = (pixels @ matrix).view(n, height, width, k, k, channels)
        out = bias.expand(n, STRIDE * (height - 1) + k, STRIDE * (width - 1) + k, channels).contiguous()
        for i in range(k):
            for j in range(k):
                out[:, i : i + STRIDE * height - 1 : STRIDE, j : j + STRIDE * width - 1 : STRIDE] += patches[
                    :, :, :, i, j
                ]
        ctx.save_for_backward(pixels, matrix)
        ctx.shapes = x.shape, weight.shape
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (gradient,) = gradients
        pixels, matrix = ctx.saved_tensors
        x_shape, (channels_in, channels, k, _) = ctx.shapes
        patches = (
            gradient.contiguous().unfold(1, k, STRIDE).unfold(2, k, STRIDE)
        )  # n height width channels k k
        patches = patches.permute(0, 1, 2, 4, 5, 3).reshape(len(pixels), -1)
        weight = (pixels.T @ patches).view(channels_in, k, k, channels).permute(0, 3, 1, 2)
        return (patches @ matrix.T).view(x_shape), weight, gradient.sum((0, 1, 2))


class _SubPixel(torch.autograd.Function):
    """Output pixel 2y + p is Σ_j x[y − j]·w[2j + p]: one 3×3 convolution with the four parities p as channels.

    Backward takes the stock kernels, which are fast in that direction.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        n, _height, _width, channels_in = x.shape
        channels, k = weight.shape[1:3]
        taps = k // STRIDE
        parities = weight.reshape(channels_in, channels, taps, STRIDE, taps, STRIDE).flip(2, 4)
        kernel = parities.permute(3, 5, 1, 0, 2, 4).reshape(-1, channels_in, taps, taps)
        out = F.conv2d(x.permute(0, 3, 1, 2), kernel, bias.repeat(STRIDE * STRIDE), padding=taps - 1)
        rows, columns = out.shape[2:]
        result = x.new_empty(n, rows, STRIDE, columns, STRIDE, channels)
        result.copy_(out.permute(0, 2, 3, 1).view(n, rows, columns, STRIDE, STRIDE, channels).transpose(2, 3))
        ctx.save_for_backward(x, weight)
        return result.view(n, rows * STRIDE, columns * STRIDE, channels)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (gradient,) = gradients
        x, weight = ctx.saved_tensors
        gradient_x, gradient_weight, _ = torch.ops.aten.convolution_backward(
            gradient.contiguous().permute(0, 3, 1, 2),
            x.permute(0, 3, 1, 2),
            weight,
            None,
            [STRIDE, STRIDE],
            [0, 0],
            [1, 1],
            True,
            [0, 0],
            1,
            [True, True, False],
        )
        return gradient_x.permute(0, 2, 3, 1), gradient_weight, gradient.sum((0, 1, 2))
