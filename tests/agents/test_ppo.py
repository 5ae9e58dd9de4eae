"""PPO: advantages, the clipped objective, and that it learns from exactly what it saw and did."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.behaviour.policy_gradient import clipped_objective, generalised_advantages
from agents.ppo import PPO, Rollout
from agents.table import preset_config
from agents.training.command_line import check_config
from agents.training.pixel_config import PPOConfig
from agents.training.trainer import Trainer
from natural_mujoco import InvalidArgument

from .fake_envs import FakeEnvs
from .tiny import CPU, tiny_ppo


def test_advantages_are_the_sum_of_discounted_errors_until_the_episode_is_cut() -> None:
    """The definition, Σ (γλ)^k δ, written out in float64 for each step by itself."""
    rng = np.random.default_rng(0)
    n, t, gamma, lam = 4, 9, 0.9, 0.8
    rewards, values = rng.normal(size=(n, t)), rng.normal(size=(n, t + 1))
    terminals, cut = np.zeros((n, t)), np.zeros((n, t))
    terminals[1, 3], cut[1, 4] = 1, 1  # ended for good, then the reset
    cut[2, 6] = cut[3, 0] = 1  # truncated; and a rollout that begins between two episodes
    expected = np.zeros((n, t))
    for i in range(n):
        for j in range(t):
            for k in range(j, t):
                if cut[i, k]:
                    break
                follows = gamma * (1 - terminals[i, k]) * values[i, k + 1]
                expected[i, j] += (gamma * lam) ** (k - j) * (rewards[i, k] + follows - values[i, k])
                if terminals[i, k]:
                    break
    tensors = (torch.from_numpy(x) for x in (rewards, terminals, cut, values))
    np.testing.assert_allclose(
        generalised_advantages(*tensors, discount=gamma, lambda_=lam).numpy(), expected
    )


def test_the_objective_gives_no_reward_for_leaving_the_clip() -> None:
    ratio = torch.tensor([0.5, 1.0, 2.0, 0.5, 2.0], requires_grad=True)
    advantages = torch.tensor([1.0, 1.0, 1.0, -1.0, -1.0])
    objective = clipped_objective(ratio, advantages, 0.2)
    assert objective.item() == pytest.approx((0.5 + 1 + 1.2 - 0.8 - 2) / 5)
    (gradient,) = torch.autograd.grad(objective, [ratio])
    torch.testing.assert_close(gradient * 5, torch.tensor([1.0, 1.0, 0.0, 0.0, -1.0]))


def trained(folder: Path, steps: int = 400, **changes: Any) -> tuple[Trainer, list[Rollout]]:
    """A run on the fake simulator, episodes of ten steps, and the rollouts it learned from."""
    config = tiny_ppo(logdir=folder, steps=steps, device="cpu", threads=1, variant="standard", **changes)
    trainer = Trainer(check_config(config))
    seen: list[Rollout] = []
    update = trainer.agent.update
    trainer.agent.update = lambda batch: (seen.append(batch), update(batch))[1]  # type: ignore[method-assign]
    trainer.run()
    return trainer, seen


def test_rollouts_are_all_steps_once_and_in_order(tmp_path: Path, fake_simulator: list[FakeEnvs]) -> None:
    """Pixel 0 of a fake frame names the episode, pixel 1 its step; the reward is the mean action plus one."""
    trainer, seen = trained(tmp_path)
    assert len(seen) == trainer.updates == 400 // (6 * 3 * 2)
    steps, previous = 0, None
    for rollout in seen:
        n = len(rollout.actions)
        frames = rollout.frames.flatten(0, 1)[rollout.stacks]  # N T+1 stack height width C
        seeds, rows = frames[..., 0, 0, 0].int(), frames[..., 0, 1, 0].int()  # N T+1 stack
        now = rows[..., -1]
        taken = rollout.cut == 0
        assert torch.equal(now[:, 1:][taken], now[:, :-1][taken] + 1)
        assert torch.equal(now[:, 1:][~taken], torch.zeros_like(now[:, 1:][~taken]))
        assert torch.equal(rows, (now[..., None] + torch.arange(-2, 1)).clamp(min=0)), "stacks"
        assert (seeds == seeds[..., -1:]).all(), "a stack holds frames of one episode"
        torch.testing.assert_close(
            rollout.rewards, torch.where(taken, 1 + rollout.actions.mean(-1), torch.zeros(()))
        )
        if previous is not None:
            assert torch.equal(seeds[:, 0], previous), "a rollout goes on where the last one ended"
        previous = seeds[:, -1]
        steps += int(taken.sum())
        assert n == 3
    assert steps == len(seen) * 18


def test_the_first_minibatch_finds_the_policy_that_acted(
    tmp_path: Path, fake_simulator: list[FakeEnvs]
) -> None:
    """Densities are taken again from the replay: with one epoch of one minibatch every ratio is 1."""
    trainer, _ = trained(tmp_path, epochs=1, minibatch=1000)
    assert trainer.updates > 5
    agent = trainer.agent
    batch = agent.draw(trainer.replay, np.random.default_rng(0))
    metrics = agent.update(batch)
    assert metrics["ppo/kl"].abs() < 1e-5
    assert metrics["ppo/clipped"] == 0


def test_the_policy_comes_to_do_what_is_rewarded(tmp_path: Path, fake_simulator: list[FakeEnvs]) -> None:
    """The fake simulator rewards large actions, whatever the frame."""
    trainer, _ = trained(tmp_path, steps=6000, rollout=20, learning_rate=1e-2, epochs=5, minibatch=30)
    assert np.mean(trainer.recent_returns) > 15  # of 10 at first and 20 at most


def test_the_learning_rate_falls_to_a_tenth_and_the_schedule_survives_a_resume(
    tmp_path: Path, fake_simulator: list[FakeEnvs]
) -> None:
    trainer, _ = trained(tmp_path, steps=200, anneal_steps=360, learning_rate=1e-3)
    rates = [trainer.agent.optimisers["ppo"].learning_rate]
    trainer, _ = trained(tmp_path, steps=500, anneal_steps=360, learning_rate=1e-3)
    rates.append(trainer.agent.optimisers["ppo"].learning_rate)
    np.testing.assert_allclose(rates, [1e-3 * (1 - 0.9 * 4 * 36 / 360), 1e-4])


def test_the_schedule_ends_with_the_run_unless_told_otherwise_and_one_update_follows_each_rollout() -> None:
    config = check_config(preset_config("ppo", "laptop"))
    assert isinstance(config, PPOConfig)
    assert config.anneal_steps == config.steps == 5_000_000
    assert config.training.train_every == 128 * 16 * 4
    assert PPO(config, 6, CPU).discount == pytest.approx(0.99**2)
    odd = check_config(replace(config, num_envs=3, rollout=7, steps=1000, anneal_steps=77))
    assert isinstance(odd, PPOConfig)
    assert odd.anneal_steps == 77
    assert odd.training.train_every == 7 * 3 * 4


def test_what_ppo_cannot_do_is_refused() -> None:
    config = tiny_ppo()
    with pytest.raises(InvalidArgument, match="--rollout is 0"):
        check_config(replace(config, rollout=0))
    with pytest.raises(InvalidArgument, match=r"--replay\.capacity is 500; it must be at least 6009"):
        check_config(replace(config, rollout=1000))
    assert check_config(replace(config, initial_log_std=-0.7, replay=PPOConfig().replay))
    with pytest.raises(InvalidArgument, match="--initial-log-std is 50; it must be at most 20"):
        check_config(replace(config, initial_log_std=50.0))
    with pytest.raises(InvalidArgument, match="Unknown preset 'paper' of ppo"):
        preset_config("ppo", "paper")
