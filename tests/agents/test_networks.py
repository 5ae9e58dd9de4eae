from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from agents.fast.convolutions import convolution, transposed_convolution
from agents.model.networks import MLP, Decoder, Encoder, preprocess


def test_preprocessing_maps_bytes_onto_plus_minus_a_half() -> None:
    frames = torch.tensor([[[[0, 255, 51]]]], dtype=torch.uint8)
    torch.testing.assert_close(preprocess(frames), torch.tensor([[[[-0.5, 0.5, -0.3]]]]))
    assert frames.tolist() == [[[[0, 255, 51]]]]


def test_the_paper_encoder_has_1024_outputs_and_its_channels() -> None:
    encoder = Encoder()
    assert encoder.size == 1024
    assert [c.out_channels for c in encoder.convolutions] == [32, 64, 128, 256]
    assert {(c.kernel_size, c.stride) for c in encoder.convolutions} == {((4, 4), (2, 2))}


def test_the_encoder_equals_four_plain_convolutions() -> None:
    torch.manual_seed(0)
    encoder = Encoder(depth=3)
    frames = torch.randint(0, 256, (2, 5, 64, 64, 3), dtype=torch.uint8)
    x = (frames.flatten(0, 1).permute(0, 3, 1, 2).float() / 255 - 0.5).contiguous()
    for layer in encoder.convolutions:
        x = F.relu(F.conv2d(x, layer.weight.contiguous(), layer.bias, stride=2))
    expected = x.permute(0, 2, 3, 1).reshape(2, 5, -1)
    torch.testing.assert_close(encoder(frames), expected, rtol=1e-4, atol=1e-5)


def test_a_last_layer_norm_is_never_dead() -> None:
    encoder = Encoder(depth=2, output="layer-norm")
    with torch.no_grad():
        encoder.convolutions[-1].bias.fill_(-100)
    assert encoder(torch.randint(0, 256, (2, 64, 64, 3), dtype=torch.uint8)).std() > 0.5


def test_frames_that_vanish_are_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        Encoder(size=40)


def assert_same_with_gradients(
    result: Tensor, expected: Tensor, inputs: tuple[Tensor, ...], dtype: torch.dtype
) -> None:
    """Values and gradients of all inputs agree, as far as `dtype` lets them."""
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == torch.float32 else {"rtol": 5e-2, "atol": 2e-1}
    torch.testing.assert_close(result, expected, **tolerance)
    cotangent = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    for ours, stock in zip(
        torch.autograd.grad(result, inputs, cotangent),
        torch.autograd.grad(expected, inputs, cotangent),
        strict=True,
    ):
        assert (ours - stock).norm() < (1e-4 if dtype == torch.float32 else 2e-2) * stock.norm()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    ("channels_in", "channels", "kernel", "size"), [(16, 8, 5, 1), (8, 6, 5, 5), (6, 8, 6, 13), (8, 3, 6, 30)]
)
def test_transposed_convolutions_equal_the_stock_ones(
    channels_in: int, channels: int, kernel: int, size: int, dtype: torch.dtype
) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(3, size, size, channels_in, generator=g).requires_grad_()
    weight = (torch.randn(channels_in, channels, kernel, kernel, generator=g) / kernel).requires_grad_()
    bias = torch.randn(channels, generator=g).requires_grad_()
    expected = F.conv_transpose2d(x.permute(0, 3, 1, 2), weight, bias, stride=2).permute(0, 2, 3, 1)
    inputs = (x, weight, bias)
    result = transposed_convolution(*(v.to(dtype) for v in inputs)).float()
    assert_same_with_gradients(result, expected, inputs, dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [4, 6, 7, 14])
def test_convolutions_equal_the_stock_ones(size: int, dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(0)
    x = torch.randn(3, 5, size, size, generator=g).requires_grad_()
    weight = (torch.randn(8, 5, 4, 4, generator=g) / 4).requires_grad_()
    bias = torch.randn(8, generator=g).requires_grad_()
    inputs = (x, weight, bias)
    expected = F.conv2d(x, weight, bias, stride=2)
    result = convolution(*(v.to(dtype) for v in inputs)).float()
    assert_same_with_gradients(result, expected, inputs, dtype)


def test_a_transposed_convolution_is_its_definition() -> None:
    # One input pixel of value 2 lays 2·w on the output; its right neighbour the same, two pixels on.
    weight = torch.arange(16.0).reshape(1, 1, 4, 4)
    out = transposed_convolution(torch.tensor([[[[2.0], [1.0]]]]), weight, torch.zeros(1))[0, :, :, 0]
    expected = np.zeros((4, 6))
    expected[:, :4] += 2 * np.arange(16).reshape(4, 4)
    expected[:, 2:] += np.arange(16).reshape(4, 4)
    np.testing.assert_allclose(out.numpy(), expected)


def test_the_fast_decoder_equals_the_plain_one_with_gradients() -> None:
    torch.manual_seed(0)
    fast = Decoder(10, depth=4)
    plain = Decoder(10, depth=4, fast=False)
    plain.load_state_dict(fast.state_dict())
    features = torch.randn(2, 3, 10)
    frames = torch.randint(0, 256, (2, 3, 64, 64, 3), dtype=torch.uint8)
    results = [d.squared_error(features, frames) for d in (fast, plain)]
    torch.testing.assert_close(*results)
    for a, b in zip(
        torch.autograd.grad(results[0], list(fast.parameters())),
        torch.autograd.grad(results[1], list(plain.parameters())),
        strict=True,
    ):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def test_squared_error_is_summed_over_pixels_and_averaged_over_frames() -> None:
    torch.manual_seed(0)
    decoder = Decoder(4, depth=2)
    features = torch.randn(2, 3, 4)
    frames = torch.randint(0, 256, (2, 3, 64, 64, 3), dtype=torch.uint8)
    difference = decoder(features).detach().numpy() - (frames.numpy() / 255 - 0.5)
    expected = (difference**2).sum((-1, -2, -3)).mean()
    assert decoder.squared_error(features, frames).item() == pytest.approx(expected, rel=1e-5)


def test_mlp_is_elu_between_linear_layers() -> None:
    torch.manual_seed(0)
    mlp = MLP(3, 5, 2, 1)
    x = torch.randn(4, 3)
    h = x
    for layer in mlp.hidden:
        h = h @ layer.weight.T + layer.bias
        h = torch.where(h > 0, h, h.exp() - 1)
    torch.testing.assert_close(mlp(x), h @ mlp.output.weight.T + mlp.output.bias)


def test_an_mlp_tells_apart_in_bfloat16_what_float32_tells_apart() -> None:
    """Values near 300 are 2 apart in bfloat16."""
    torch.manual_seed(0)
    mlp = MLP(8, 32, 2, 1)
    with torch.no_grad():
        mlp.output.bias.fill_(300.0)
    x = torch.randn(100, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = mlp(x)
    assert out.dtype == torch.float32
    assert len(out.unique()) > 90
    assert (out - mlp(x)).abs().max() < 0.05
