"""DrQ-v2: n-step targets, the noise and its schedule, whom each loss reaches, and that it learns."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from agents.behaviour.noisy_policy import noisy_action, step_returns
from agents.drqv2 import DrQv2, StackedSteps
from agents.training.command_line import check_config
from agents.training.trainer import Trainer
from natural_mujoco import InvalidArgument

from .fake_envs import FakeEnvs
from .tiny import SIZE, A, make, tiny_drqv2


def random_steps(seed: int = 0, b: int = 4, n: int = 3) -> StackedSteps:
    generator = torch.Generator().manual_seed(seed)
    shape = (2, b, 3, SIZE, SIZE, 3)
    frames = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    actions = torch.rand(b, A, generator=generator) * 2 - 1
    return StackedSteps(
        frames[0], frames[1], actions, torch.rand(b, n, generator=generator), torch.zeros(b, n)
    )


def test_returns_over_some_steps_end_with_the_episode() -> None:
    rewards = torch.tensor([[1.0, 2.0, 4.0], [1.0, 2.0, 4.0], [1.0, 2.0, 4.0]])
    terminals = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    returns = step_returns(rewards, terminals, torch.tensor([8.0, 8.0, 8.0]), 0.5)
    assert returns.tolist() == [1 + 1 + 1 + 1, 1 + 1, 1 + 1 + 1]


def test_noise_leaves_no_action_beyond_its_bounds_and_every_action_a_gradient() -> None:
    mean = torch.tensor([-0.9, 0.0, 0.9], requires_grad=True)
    action = noisy_action(mean, torch.tensor([-0.5, 0.25, 0.5]))
    torch.testing.assert_close(action, torch.tensor([-1.0, 0.25, 1.0]))
    (gradient,) = torch.autograd.grad(action.sum(), [mean])
    assert torch.equal(gradient, torch.ones(3))


def test_the_targets_are_n_step_returns_and_the_smaller_q_of_the_slow_copies() -> None:
    """By hand, without noise and shift."""
    agent = make(tiny_drqv2(random_shift=0, noise_clip=0.0))
    assert isinstance(agent, DrQv2)
    batch, g = random_steps(), agent.discount
    with torch.no_grad():
        for parameter in agent.target_q.networks[1].parameters():
            parameter.sub_(0.1)
        later = agent.encoder(batch.later_frames)
        worth = agent.target_q(later, torch.tanh(agent.actor(later))).amin(0)
    r = batch.rewards
    expected = r[:, 0] + g * r[:, 1] + g**2 * r[:, 2] + g**3 * worth
    assert agent.update(batch)["q/target"].item() == pytest.approx(expected.mean().item(), rel=1e-5)


def test_the_actors_loss_moves_neither_encoder_nor_qs() -> None:
    frozen, moved = make(tiny_drqv2()), make(tiny_drqv2())
    for agent in (frozen, moved):
        agent.optimisers["actor"].learning_rate = 0.0 if agent is frozen else 1.0
        agent.update(random_steps())
    for part in ("encoder", "q"):
        for a, b in zip(getattr(frozen, part).parameters(), getattr(moved, part).parameters(), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(frozen.actor.output.weight, moved.actor.output.weight)


def test_the_noise_falls_in_a_line_over_the_run_and_survives_a_resume(
    tmp_path: Path, fake_simulator: list[FakeEnvs]
) -> None:
    def run(steps: int) -> DrQv2:
        config = tiny_drqv2(
            logdir=tmp_path, steps=steps, device="cpu", threads=1, variant="standard", noise_steps=400
        )
        trainer = Trainer(check_config(config))
        trainer.run()
        assert isinstance(trainer.agent, DrQv2)
        return trainer.agent

    assert make(tiny_drqv2()).noise_std() == pytest.approx(1 - 0.9 * 40 / 1000)  # prefill alone
    for steps in (200, 300):
        assert run(steps).noise_std() == pytest.approx(1 - 0.9 * steps / 400, abs=0.05)
    assert run(600).noise_std() == pytest.approx(0.1)


def test_the_policy_comes_to_do_what_is_rewarded() -> None:
    """One step, a reward for large first actions: no simulator is needed to see the two losses work together."""
    agent = make(tiny_drqv2(n_step=1, learning_rate=1e-2, discount=0.0))
    frames = random_steps(n=1)
    with torch.no_grad():
        before = agent.choose(frames.frames, None)[:, 0].mean().item()
    rng = torch.Generator().manual_seed(1)
    for _ in range(60):
        actions = torch.rand(4, A, generator=rng) * 2 - 1
        agent.update(frames._replace(actions=actions, rewards=actions[:, :1]))
    with torch.no_grad():
        after = agent.choose(frames.frames, None)[:, 0].mean().item()
    assert after > max(before, 0) + 0.3


def test_exploring_is_noisy_and_evaluation_is_not() -> None:
    agent, noise = make(tiny_drqv2()), torch.from_numpy(np.float32([[0.5, -3.0]]))
    stack = random_steps(b=1).frames
    with torch.no_grad():
        mean, noisy = agent.choose(stack, None), agent.choose(stack, noise)
    torch.testing.assert_close(noisy, (mean + agent.noise_std() * noise).clamp(-1, 1))


def test_more_steps_than_an_episode_has_are_refused() -> None:
    with pytest.raises(
        InvalidArgument, match="--n-step is 600; at action repeat 2 an episode has 501 frames"
    ):
        check_config(
            replace(
                tiny_drqv2(n_step=600, num_envs=1),
                training=replace(tiny_drqv2().training, prefill=5000),
                replay=replace(tiny_drqv2().replay, capacity=5000),
            )
        )
