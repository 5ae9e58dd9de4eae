"""Adam with a clipped global gradient norm, for separate groups of parameters.

Gradients are computed for one group at a time and kept apart from the parameters, never accumulated in `.grad`. A loss
can therefore change only its own group, and no parameter changes before all losses of an update are differentiated.

- `Optimiser`: one group of parameters.
- `step_together`: steps all groups of an agent.

While a CUDA graph records an update (see recorded_updates.py), nothing may wait for the device. What is decided here
from a number is then decided on the device: how a gradient is scaled, and that no group steps if a loss is not finite.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from natural_mujoco import NaturalMujocoError

from .saved_tensors import refuse_others, take

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # of Adam


class NonFiniteGradient(NaturalMujocoError):
    """A loss or its gradient is NaN or infinite; the parameters are as they were before the update.

    Args:
        name: the group.
        loss: what was to be minimised.
        norm: the norm of its gradient.
        batch: what the update learned from, if it was an earlier one than that which raises.
    """

    def __init__(self, name: str, loss: float, norm: float, batch: Any = None) -> None:
        super().__init__(f"The {name} loss is {loss} and the norm of its gradient {norm}.")
        self.batch = batch


class Optimiser:
    """One group of parameters with its Adam optimiser.

    Args:
        name: the group's name in metrics and errors.
        parameters: the group.
        learning_rate: Adam's learning rate; may be changed between steps.
        clip: largest global norm of gradients, to which they are scaled down; 0 for no clipping.
    """

    def __init__(
        self,
        name: str,
        parameters: Iterable[Tensor],
        learning_rate: float,
        clip: float = 0.0,
    ) -> None:
        self.name, self.clip = name, clip
        self.parameters = list(parameters)
        self.learning_rate = learning_rate
        self.epsilon = 1e-7  # the default of Keras, which the paper's code used
        self.moments: list[dict[str, Tensor]] = [{} for _ in self.parameters]
        """Adam's `step`, `exp_avg` and `exp_avg_sq` of each parameter; empty before the first step."""
        self.verdict: Tensor | None = None
        """The last loss and the norm of its gradient, [2]."""
        self._gradients: list[Tensor] | None = None

    def differentiate(self, loss: Tensor, retain_graph: bool = False) -> Tensor:
        """Computes the gradient of `loss` and keeps it for `step`; returns its global norm before clipping.

        Raises `NonFiniteGradient`, unless a CUDA graph records; and RuntimeError if the loss does not depend on all
        parameters of the group.
        """
        gradients = torch.autograd.grad(loss, self.parameters, retain_graph=retain_graph)
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        self.verdict = torch.stack([loss.detach(), norm])
        recording = _recording(norm)
        if not recording and not bool(torch.isfinite(norm)):
            raise NonFiniteGradient(self.name, *self.verdict.tolist())
        if self.clip and (recording or norm > self.clip):
            gradients = torch._foreach_mul(gradients, (self.clip / norm).clamp(max=1))
        self._gradients = list(gradients)
        return norm.detach()

    def step(self, refused: Tensor | None = None) -> None:
        """Steps the parameters with the gradient of the last `differentiate`, unless the scalar `refused` is 1."""
        if self._gradients is None:
            raise RuntimeError(f"The {self.name} optimiser has no gradient: call differentiate first.")
        for parameter, moments in zip(self.parameters, self.moments, strict=True):
            if not moments:
                moments["step"] = torch.zeros((), device=parameter.device)
                moments |= {key: torch.zeros_like(parameter, requires_grad=False) for key in _MOMENTS[1:]}
        with torch.no_grad():
            # PyTorch's functional Adam, because the class imports the compiler, which takes two seconds at every start.
            adam(
                self.parameters,
                [_laid_out_like(p, g) for p, g in zip(self.parameters, self._gradients, strict=True)],
                [moments["exp_avg"] for moments in self.moments],
                [moments["exp_avg_sq"] for moments in self.moments],
                [],
                [moments["step"] for moments in self.moments],
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self.learning_rate,
                weight_decay=0.0,
                eps=self.epsilon,
                maximize=False,
                found_inf=refused,
            )
        self._gradients = None

    def state(self) -> dict[str, Tensor]:
        """Adam's moments as named tensors, for a checkpoint."""
        return {
            f"{i}.{key}": value for i, moments in enumerate(self.moments) for key, value in moments.items()
        }

    def load(self, tensors: Mapping[str, Tensor], prefix: str, source: str) -> None:
        """Restores what `state` returned, from tensors whose names begin with `prefix`.

        Raises NaturalMujocoError, which names the file `source` and the tensor, if they do not fit this group.
        """
        known = set[str]()
        for i, parameter in enumerate(self.parameters):
            name, like = f"{prefix}{i}.", parameter.detach()
            known |= {f"{name}{key}" for key in _MOMENTS}
            if not any(f"{name}{key}" in tensors for key in _MOMENTS):
                continue  # before the group's first step
            step = take(tensors, f"{name}step", torch.zeros(()), source)
            moments = {key: take(tensors, f"{name}{key}", like, source) for key in _MOMENTS[1:]}
            self.moments[i] = {"step": step.clone().to(parameter.device)} | {
                key: _laid_out_like(parameter, value) for key, value in moments.items()
            }
        refuse_others([name for name in tensors if name.startswith(prefix)], known, source)


def step_together(optimisers: Collection[Optimiser], judged: Collection[Optimiser] = ()) -> None:
    """Steps every group; while a CUDA graph records, none if a norm is not finite, of these groups or of `judged`."""
    refused = None
    verdicts = [o.verdict[1] for o in (*optimisers, *judged) if o.verdict is not None]
    if verdicts and _recording(verdicts[0]):
        refused = 1 - torch.stack(verdicts).isfinite().all().float()
    for optimiser in optimisers:
        optimiser.step(refused)


def _recording(result: Tensor) -> bool:
    """Whether a CUDA graph records what computes `result`."""
    return result.is_cuda and torch.cuda.is_current_stream_capturing()


def _laid_out_like(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` with the strides of `parameter`, as the fused Adam matches numbers by their position in memory."""
    if value.stride() == parameter.stride() and value.device == parameter.device:
        return value
    return torch.empty_like(parameter).copy_(value)
