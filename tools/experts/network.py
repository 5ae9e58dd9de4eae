"""From a trained actor of SBX to plain layers.

- `actor_layers`: the actor's mean as pairs of weights and biases, with all normalisation folded in.
- `act`: what they answer, for validation during training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Layers = list[tuple[Array, Array]]

_RENORM_EPSILON = 1e-3  # sbx.common.jax_layers.BatchRenorm


def actor_layers(model: Any, normaliser: Any = None) -> Layers:
    """The greedy actor of `model`, and `normaliser` (SB3's `VecNormalize`) before it if there is one.

    `[(weight [in, out], bias [out]), …]`, with ReLU between the layers and tanh behind the last.
    """
    state = model.policy.actor_state
    params = state.params.get("params", state.params)
    statistics = getattr(state, "batch_stats", None) or {}
    hidden = len(model.policy.net_arch_pi)
    layers: Layers = []
    for k in range(hidden + 1):  # the layer behind the mean's is the deviation's
        weight = np.asarray(params[f"Dense_{k}"]["kernel"], np.float64)
        bias = np.asarray(params[f"Dense_{k}"]["bias"], np.float64)
        if f"BatchRenorm_{k}" in params:
            norm, seen = params[f"BatchRenorm_{k}"], statistics[f"BatchRenorm_{k}"]
            scale = np.asarray(norm["scale"]) / np.sqrt(np.asarray(seen["var"], np.float64) + _RENORM_EPSILON)
            shift = np.asarray(norm["bias"]) - np.asarray(seen["mean"]) * scale
            bias = bias + shift @ weight
            weight = scale[:, None] * weight
        if k == 0 and normaliser is not None:
            spread = np.sqrt(normaliser.obs_rms.var + normaliser.epsilon)
            weight = weight / spread[:, None]
            bias = bias - normaliser.obs_rms.mean @ weight
        layers.append((weight.astype(np.float32), bias.astype(np.float32)))
    return layers


def act(layers: Sequence[tuple[Array, Array]], states: Array) -> Array:
    """Greedy actions `float32[N, A]` for `float32[N, D]`."""
    x = states
    for weight, bias in layers[:-1]:
        x = np.maximum(x @ weight + bias, 0)
    weight, bias = layers[-1]
    return np.tanh(x @ weight + bias)
