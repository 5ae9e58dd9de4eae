"""Convolutions of stride 2, forward and transposed, by the route that is fastest on a CPU.

The stock kernels run at a fifth to a third of the processor's speed where the input is 1×1, where an image has few
pixels, or where few channels come out. Each has a better form:

- 1×1 input: a matrix product gives the whole output patch.
- Few pixels: gather every pixel's patch and multiply once; the transposed direction multiplies first and lays the
  patches over each other by k² strided additions.
- Few output channels: the four parities of output pixels are one ordinary 3×3 convolution with four times as many
  channels (sub-pixel convolution).
- Otherwise the stock kernels, but for the gradient of the bias: that is a plain sum, and the stock one takes as long
  as the gradient of the weight.

`tests/agents/test_networks.py` holds all of them equal to PyTorch's own.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

STRIDE = 2


def convolution(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """`F.conv2d(x, weight, bias, stride=2)` on channels-last memory.

    Args:
        x: [N, channels in, height, width], channels last in memory.
        weight: [channels out, channels in, k, k].
        bias: [channels out].
    """
    k = weight.shape[-1]
    rows, columns = ((n - k) // STRIDE + 1 for n in x.shape[2:])
    if rows * columns > 4:
        return F.conv2d(x, weight, bias, stride=STRIDE)
    x, weight, bias = _cast(x, weight, bias)
    result: Tensor = _Gather.apply(x.permute(0, 2, 3, 1), weight, bias)
    return result.permute(0, 3, 1, 2)


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
    x, weight, bias = _cast(x, weight, bias)
    if x.shape[1:3] == (1, 1):
        patches = x.flatten(1) @ weight.permute(0, 2, 3, 1).flatten(1)
        return patches.unflatten(1, (kernel, kernel, channels)) + bias
    route: type[torch.autograd.Function] = _Stock
    if channels <= 4 and kernel % 2 == 0:
        route = _SubPixel
    elif x.shape[1] * x.shape[2] <= 64 and x.dtype == torch.bfloat16:
        route = _Scatter  # in float32 the memory traffic eats the gain
    result: Tensor = route.apply(x, weight, bias)
    return result


def _cast(*tensors: Tensor) -> tuple[Tensor, ...]:
    """What autocast would do to a convolution's arguments: it does not reach into `autograd.Function`."""
    kind = tensors[0].device.type
    if not torch.is_autocast_enabled(kind):
        return tensors
    return tuple(x.to(torch.get_autocast_dtype(kind)) for x in tensors)


def _patches(image: Tensor, k: int) -> Tensor:
    """What each pixel of a convolution's output sees: [N, height, width, C] → [pixels, k·k·C]."""
    seen = image.unfold(1, k, STRIDE).unfold(2, k, STRIDE)  # N rows columns C k k
    return seen.permute(0, 1, 2, 4, 5, 3).reshape(-1, k * k * image.shape[-1])


def _lay_over(image: Tensor, patches: Tensor) -> Tensor:
    """The opposite: adds patches [N, rows, columns, k, k, C] onto `image` [N, height, width, C], in place."""
    rows, columns, k = patches.shape[1:4]
    for i in range(k):
        for j in range(k):
            image[:, i : i + STRIDE * rows - 1 : STRIDE, j : j + STRIDE * columns - 1 : STRIDE] += patches[
                :, :, :, i, j
            ]
    return image


def _stock_gradients(gradient: Tensor, x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of input, weight and bias of a transposed convolution, all channels last."""
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


class _Gather(torch.autograd.Function):
    """A convolution as one product with gathered patches; backward lays the input's gradient over itself."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        channels, _, k, _ = weight.shape
        rows, columns = ((n - k) // STRIDE + 1 for n in x.shape[1:3])
        matrix = weight.permute(0, 2, 3, 1).reshape(channels, -1)
        ctx.save_for_backward(x, matrix)
        ctx.k = k
        return F.linear(_patches(x, k), matrix, bias).view(len(x), rows, columns, channels)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor, Tensor]:
        (gradient,) = gradients
        x, matrix = ctx.saved_tensors
        n, rows, columns, channels = gradient.shape
        k, inputs = ctx.k, x.shape[-1]
        pixels = gradient.reshape(-1, channels)
        weight = (pixels.T @ _patches(x, k)).view(channels, k, k, inputs).permute(0, 3, 1, 2)
        gradient_x = None
        if ctx.needs_input_grad[0]:
            patches = (pixels @ matrix).view(n, rows, columns, k, k, inputs)
            gradient_x = _lay_over(torch.zeros_like(x), patches)
        return gradient_x, weight, pixels.sum(0)


class _Stock(torch.autograd.Function):
    """PyTorch's own transposed convolution, with the gradient of the bias as a sum of its own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv_transpose2d(x.permute(0, 3, 1, 2), weight, bias, stride=STRIDE).permute(0, 2, 3, 1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return _stock_gradients(gradients[0], *ctx.saved_tensors)


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
        ctx.save_for_backward(pixels, matrix)
        ctx.shapes = x.shape, weight.shape
        return _lay_over(out, patches)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (gradient,) = gradients
        pixels, matrix = ctx.saved_tensors
        x_shape, (channels_in, channels, k, _) = ctx.shapes
        patches = _patches(gradient.contiguous(), k)
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
        return _stock_gradients(gradients[0], *ctx.saved_tensors)
