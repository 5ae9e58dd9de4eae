"""One group of parameters: clipping, and what a failure leaves as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from agents.training.optimiser import NonFiniteGradient, Optimiser, step_together


def group(clip: float = 1.0) -> tuple[nn.Parameter, Optimiser]:
    parameter = nn.Parameter(torch.tensor([1.0, -2.0]))
    return parameter, Optimiser("a", [parameter], 0.1, clip)


@pytest.mark.parametrize("scale", [0.1, 30.0])
def test_steps_are_those_of_adam_on_the_clipped_gradient(scale: float) -> None:
    parameter, optimiser = group()
    plain = nn.Parameter(parameter.detach().clone())
    adam = torch.optim.Adam([plain], lr=0.1, eps=1e-7)
    for i in range(3):
        loss = scale * (i + 1) * (parameter * torch.tensor([3.0, 4.0])).sum()
        assert optimiser.differentiate(loss).item() == pytest.approx(5 * scale * (i + 1))
        plain.grad = scale * (i + 1) * torch.tensor([3.0, 4.0])
        nn.utils.clip_grad_norm_([plain], 1.0)
        step_together([optimiser])
        adam.step()
        torch.testing.assert_close(parameter.detach(), plain.detach())


def test_a_loss_that_is_not_finite_is_named_and_moves_nothing() -> None:
    parameter, optimiser = group()
    before = parameter.detach().clone()
    with pytest.raises(NonFiniteGradient, match="The a loss is nan and the norm of its gradient nan"):
        optimiser.differentiate(float("nan") * parameter.sum())
    with pytest.raises(RuntimeError, match="a optimiser has no gradient"):
        step_together([optimiser])
    assert torch.equal(parameter.detach(), before)


def test_a_training_starts_without_pytorchs_compiler() -> None:
    """Which takes two seconds to import, and which `torch.optim.Adam` imports when it is made."""
    code = """
import sys
from tests.agents.tiny import make, random_batch, tiny_cvrl
make(tiny_cvrl()).update(random_batch())
sys.exit("torch._dynamo" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], timeout=300, check=False).returncode == 0
