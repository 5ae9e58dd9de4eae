"""The networks that all agents share, and the conversion of pixels to network input.

- `preprocess`: uint8 frames → centred floats, in acting and in training.
- `MLP`: fully connected layers with ELU between them.
- `Encoder`: four convolutions (appendix B).
- `Decoder`: the transposed convolutions of the generative model.
- `initialise_as_keras`, `orthogonal_`: initialisation of weights.
- `precision`: the autocast context for an agent's computations.

Shapes, here and in every module of this package:

    B  sequences in a batch        H  imagination horizon
    T  steps in a sequence         N  states in a flat batch, mostly B·T
    A  action size                 C  image channels
    E  embedding size (1024)       D  deterministic state size (200)
    S  stochastic state size (30)  F  feature size, S + D
"""

from __future__ import annotations

import contextlib
import itertools
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..fast.convolutions import convolution, transposed_convolution

EncoderOutput = Literal["relu", "layer-norm"]


def preprocess(frames: Tensor) -> Tensor:
    """uint8 frames [..., height, width, C] → floats in [−0.5, 0.5] of the same shape."""
    return frames.to(torch.float32).div_(255).sub_(0.5)


def precision(name: str, device: torch.device) -> contextlib.AbstractContextManager[object]:
    """The autocast context: `"bfloat16"` for matrix products and convolutions, or none for `"float32"`."""
    if name == "bfloat16":
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def initialise_as_keras(module: nn.Module) -> None:
    """Initialises the weights of `module` as Keras does, which the paper's code used.

    Linear layers, convolutions and the input of a GRU get Glorot's uniform distribution, the recurrence of a GRU gets
    an orthogonal matrix, and biases are 0. PyTorch's weights of linear layers are some two and a half times smaller, so
    that an actor's means hardly differ between states at the start. All layers of `MLP`, encoder, decoder and RSSM
    are of these kinds.
    """
    for part in module.modules():
        if isinstance(part, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.xavier_uniform_(part.weight)
            if part.bias is not None:
                nn.init.zeros_(part.bias)
        elif isinstance(part, nn.GRUCell):
            nn.init.xavier_uniform_(part.weight_ih)
            orthogonal_(part.weight_hh)
            nn.init.zeros_(part.bias_ih)
            nn.init.zeros_(part.bias_hh)


@torch.no_grad()
def orthogonal_(weight: Tensor, gain: float = 1.0) -> None:
    """Fills `weight` [out, …], in any memory layout, with an orthogonal matrix [out, inputs] times `gain`."""
    weight.copy_(nn.init.orthogonal_(torch.empty(weight.shape), gain))


class MLP(nn.Module):
    """`layers` hidden layers of `units` with ELU, then a linear layer: [..., inputs] → [..., outputs].

    The last layer never runs under autocast: bfloat16 rounds a value of 300 to ±1, and states differ by less.
    """

    def __init__(self, inputs: int, units: int, layers: int, outputs: int) -> None:
        super().__init__()
        sizes = [inputs] + [units] * layers
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))
        self.output = nn.Linear(sizes[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.hidden:
            x = F.elu(layer(x))
        with torch.autocast(x.device.type, enabled=False):
            return self.output(x.to(self.output.weight.dtype))


class Encoder(nn.Module):
    """Four convolutions, kernel 4, stride 2 (appendix B): uint8 [..., height, width, C] → [..., E].

    Channels are depth·(1, 2, 4, 8), unless `widths` names all four; the paper's "32, 65, 128, 256" is read as depth 32.
    Frames of 64×64 give E = 32·depth. With `output="relu"` the last layer is a ReLU as in Dreamer; `"layer-norm"` ends
    in a linear convolution and a LayerNorm, which cannot die (see agents/README.md). With `fast`, a CPU uses the faster
    algorithms of convolutions.py.
    """

    def __init__(
        self,
        size: int = 64,
        channels: int = 3,
        depth: int = 32,
        output: EncoderOutput = "relu",
        fast: bool = True,
        widths: tuple[int, ...] = (),
    ) -> None:
        super().__init__()
        self.fast = fast
        widths = (channels, *(widths or (depth, 2 * depth, 4 * depth, 8 * depth)))
        self.convolutions = nn.ModuleList(nn.Conv2d(a, b, 4, stride=2) for a, b in itertools.pairwise(widths))
        for _ in range(4):
            size = (size - 4) // 2 + 1
        if size < 1:
            raise ValueError(
                f"Frames are too small for four convolutions of stride 2: they end at {size} pixels."
            )
        self.size = size * size * widths[-1]
        self.norm = nn.LayerNorm(self.size) if output == "layer-norm" else None
        # Frames arrive as [height, width, C], the layout that the fast kernels need.
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, frames: Tensor) -> Tensor:
        leading = frames.shape[:-3]
        x = preprocess(frames).flatten(0, -4).permute(0, 3, 1, 2)  # N C height width, channels last in memory
        *inner, last = self.convolutions
        for layer in inner:
            x = F.relu(layer(x))
        if self.fast and x.device.type == "cpu":
            assert isinstance(last, nn.Conv2d)
            assert last.bias is not None
            x = convolution(x, last.weight, last.bias)
        else:
            x = last(x)
        x = F.relu(x) if self.norm is None else x
        x = x.permute(0, 2, 3, 1).reshape(*leading, self.size)
        return x.float() if self.norm is None else self.norm(x.float())


class Decoder(nn.Module):
    """Dreamer's transposed convolutions: features [..., F] → centred frames [..., 64, 64, C].

    The output is the mean of a Gaussian of standard deviation 1 over the values that `preprocess` gives. With `fast`, a
    CPU uses the faster algorithms of convolutions.py.
    """

    def __init__(self, features: int, channels: int = 3, depth: int = 32, fast: bool = True) -> None:
        super().__init__()
        self.fast = fast
        self.input = nn.Linear(features, 32 * depth)
        widths, kernels = [32 * depth, 4 * depth, 2 * depth, depth, channels], [5, 5, 6, 6]
        self.layers = nn.ModuleList(
            nn.ConvTranspose2d(a, b, k, stride=2)
            for a, b, k in zip(widths[:-1], widths[1:], kernels, strict=True)
        )
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor) -> Tensor:
        leading = features.shape[:-1]
        x = self.input(features.flatten(0, -2))[:, None, None]  # N 1 1 32·depth
        fast = self.fast and x.device.type == "cpu"
        for i, layer in enumerate(self.layers):
            assert isinstance(layer, nn.ConvTranspose2d)
            assert layer.bias is not None
            x = F.relu(x) if i else x
            if fast:
                x = transposed_convolution(x, layer.weight, layer.bias)
            else:
                x = layer(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return x.unflatten(0, leading)

    def squared_error(self, features: Tensor, frames: Tensor) -> Tensor:
        """Mean over frames of the squared error summed over a frame's pixels and channels, a scalar.

        Args:
            features: [..., F].
            frames: uint8 [..., 64, 64, C], what the features should decode to.
        """
        total = F.mse_loss(self(features).float(), preprocess(frames), reduction="sum")
        return total / frames.shape[:-3].numel()
