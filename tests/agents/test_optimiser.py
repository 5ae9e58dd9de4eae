"""The optimiser that a GPU need not wait for, held to the one that looks at every norm."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from agents.training.optimiser import NonFiniteGradient, Optimiser, step_together


def pair(clip: float = 1.0) -> tuple[nn.Parameter, Optimiser, nn.Parameter, Optimiser]:
    a, b = (nn.Parameter(torch.tensor([1.0, -2.0])) for _ in range(2))
    return a, Optimiser("a", [a], 0.1, clip, deferred=True), b, Optimiser("b", [b], 0.1, clip, deferred=False)


@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_deferred_steps_are_the_immediate_ones_clipped_or_not(scale: float) -> None:
    a, deferred, b, immediate = pair()
    for i in range(3):
        norms = [
            optimiser.differentiate(scale * (i + 1) * (p * torch.tensor([3.0, 4.0])).sum())
            for p, optimiser in ((a, deferred), (b, immediate))
        ]
        assert norms[0].item() == pytest.approx(5 * scale * (i + 1))
        torch.testing.assert_close(norms[0], norms[1])
        assert deferred._gradients is not None
        assert torch.cat(deferred._gradients).norm() <= 1 + 1e-5
        step_together([deferred])
        step_together([immediate])
        torch.testing.assert_close(a.detach(), b.detach())
    deferred.check()


def test_after_a_deferred_failure_no_group_moves_and_check_names_the_first() -> None:
    a, first, b, _ = pair()
    second = Optimiser("value", [b], 0.1, deferred=True)
    for loss in (1.0, float("nan"), 1.0):
        first.differentiate(loss * a.sum())
        second.differentiate(b.sum())
        step_together([first, second])
        if loss == 1.0 and not first.failed:
            good = a.detach().clone(), b.detach().clone(), {k: v.clone() for k, v in second.state().items()}
    assert torch.equal(a.detach(), good[0])
    assert torch.equal(b.detach(), good[1])
    for key, value in second.state().items():
        assert torch.equal(value, good[2][key]), key
    second.check()
    with pytest.raises(NonFiniteGradient, match="The a loss is nan and the norm of its gradient nan"):
        first.check()


def test_a_group_without_a_gradient_cannot_step() -> None:
    _, deferred, _, _ = pair()
    with pytest.raises(RuntimeError, match="a optimiser has no gradient"):
        step_together([deferred])
