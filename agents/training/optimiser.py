"""Adam with a clipped global gradient norm, over exactly the parameters it is given.

Gradients are asked for by name of parameter group and kept beside the parameters, never accumulated in `.grad`: a loss
can reach no group but its own, and nothing is changed before every loss of an update has been differentiated.

- `Optimiser`: one group.
- `step_together`: the step of all groups of an agent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

import torch
from torch import Tensor

from natural_mujoco import NaturalMujocoError


class NonFiniteGradient(NaturalMujocoError):
    """A loss or its gradient is NaN or infinite; the parameters are as they were before the update."""


class Optimiser:
    """One group of parameters with its Adam.

    Args:
        name: what metrics and errors call the group.
        parameters: the group.
        learning_rate: of Adam.
        clip: global norm that gradients are scaled down to; 0 for none.
        deferred: look at no number on the host, so that a GPU never waits: a norm that is not finite is only noted,
            `step_together` moves nothing from then on, and `check` tells. By default so on a GPU.
    """

    def __init__(
        self,
        name: str,
        parameters: Iterable[Tensor],
        learning_rate: float,
        clip: float = 0.0,
        deferred: bool | None = None,
    ) -> None:
        self.name, self.clip = name, clip
        self.parameters = list(parameters)
        device = self.parameters[0].device
        self.deferred = device.type == "cuda" if deferred is None else deferred
        # Keras' epsilon, with which the paper's code ran.
        self.adam = torch.optim.Adam(
            self.parameters, lr=learning_rate, eps=1e-7, fused=True, capturable=device.type == "cuda"
        )
        self.failed = torch.zeros((), device=device)  # 1 from the first norm on that is not finite
        self._failure = torch.zeros(2, device=device)  # loss and norm then
        self.skipped: Tensor | None = None  # set by `step_together`
        self._gradients: list[Tensor] | None = None

    def differentiate(self, loss: Tensor, retain_graph: bool = False) -> Tensor:
        """Take the gradient of `loss` and keep it for `step`; returns its global norm before clipping.

        Raises `NonFiniteGradient`, unless deferred. A parameter that the loss does not depend on is an error: a
        group is what its loss trains.
        """
        gradients = torch.autograd.grad(loss, self.parameters, retain_graph=retain_graph)
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        if self.deferred:
            self._note(loss.detach(), norm)
            if self.clip:
                gradients = torch._foreach_mul(gradients, (self.clip / norm).clamp(max=1.0))
        else:
            if not bool(torch.isfinite(norm)):
                raise NonFiniteGradient(self._message(float(loss.detach()), float(norm)))
            if self.clip and norm > self.clip:
                gradients = torch._foreach_mul(gradients, float(self.clip / norm))
        self._gradients = list(gradients)
        return norm.detach()

    def _note(self, loss: Tensor, norm: Tensor) -> None:
        """Remember the first failure, all on the device."""
        bad = ~torch.isfinite(norm)
        now = torch.stack([loss.float(), norm.float()])
        self._failure.copy_(torch.where(bad & (self.failed == 0), now, self._failure))
        self.failed.copy_(torch.maximum(self.failed, bad.float()))

    def check(self) -> None:
        """Raises `NonFiniteGradient` where a deferred norm was not finite; waits for the device."""
        if self.deferred and bool(self.failed):
            raise NonFiniteGradient(self._message(*self._failure.tolist()))

    def _message(self, loss: float, norm: float) -> str:
        return f"The {self.name} loss is {loss} and the norm of its gradient {norm}."

    def step(self) -> None:
        """Move the parameters by the gradient of the last `differentiate`, unless `skipped` is 1."""
        if self._gradients is None:
            raise RuntimeError(f"The {self.name} optimiser has no gradient: call differentiate first.")
        for parameter, gradient in zip(self.parameters, self._gradients, strict=True):
            parameter.grad = _laid_out_like(parameter, gradient)
        # Adam's fused kernel reads this flag itself: the one way of not stepping that needs no look at it here.
        self.adam.found_inf = self.skipped  # type: ignore[attr-defined]
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        self._gradients = None

    def state(self) -> dict[str, Tensor]:
        """Adam's moments as named tensors, for a checkpoint."""
        return {
            f"{i}.{key}": value
            for i, parameter in enumerate(self.parameters)
            for key, value in self.adam.state[parameter].items()
        }

    def load(self, state: dict[str, Tensor]) -> None:
        """Take up what `state` gave."""
        for i, parameter in enumerate(self.parameters):
            prefix = f"{i}."
            saved = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            self.adam.state[parameter] = {
                k: v.clone().to(parameter.device) if k == "step" else _laid_out_like(parameter, v)
                for k, v in saved.items()
            }


def step_together(optimisers: Collection[Optimiser]) -> None:
    """Move every group, or none where any of them has ever met a norm that is not finite."""
    deferred = [optimiser.failed for optimiser in optimisers if optimiser.deferred]
    skipped = torch.stack(deferred).amax() if deferred else None
    for optimiser in optimisers:
        optimiser.skipped = skipped
        optimiser.step()


def _laid_out_like(parameter: Tensor, value: Tensor) -> Tensor:
    """`value` with the strides of `parameter`: the fused Adam pairs numbers by where they lie in memory."""
    if value.stride() == parameter.stride() and value.device == parameter.device:
        return value
    return torch.empty_like(parameter).copy_(value)
