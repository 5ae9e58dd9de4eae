"""The student: its labels are the expert's actions in the states it visited, and it acts without the expert."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import agents
from agents import distil
from agents.behaviour.imitation import Bins
from agents.distil import Lesson
from agents.training.command_line import check_config
from agents.training.config import ReplayConfig
from agents.training.trainer import Trainer
from natural_mujoco import InvalidArgument
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.experts import load_expert

from .fake_envs import FakeEnvs, fake_state
from .tiny import TRAINING, make, tiny_distil

IDLE = replace(TRAINING, batch_length=1, prefill=0, updates_per_1000_steps=0)


def trained(folder: Path, steps: int = 300, **changes: Any) -> tuple[Trainer, list[Lesson]]:
    """A run on the fake simulator, episodes of ten steps, and what it learned from."""
    config = tiny_distil(logdir=folder, steps=steps, device="cpu", threads=1, variant="standard", **changes)
    trainer = Trainer(check_config(config))
    seen: list[Lesson] = []
    update = trainer.agent.update
    trainer.agent.update = lambda batch: (seen.append(batch), update(batch))[1]  # type: ignore[method-assign]
    trainer.run()
    return trainer, seen


def test_a_label_is_the_experts_action_in_the_state_that_the_last_frame_shows(
    tmp_path: Path, fake_simulator: list[FakeEnvs]
) -> None:
    """Pixel 0 of a fake frame names the episode, pixel 1 its step, and both make its state."""
    trainer, seen = trained(tmp_path)
    assert len(seen) == trainer.updates > 20
    expert = load_expert("reacher-easy")
    steps = set()
    for lesson in seen:
        shown = lesson.frames[..., 0, :2, 0].numpy().astype(int)  # B stack 2
        for stack, action in zip(shown, lesson.actions, strict=True):
            seed, step = stack[-1]
            np.testing.assert_allclose(action, expert.act(fake_state(seed, step)), atol=1e-5)
            assert stack[:, 0].tolist() == [seed] * 3
            assert stack[:, 1].tolist() == [max(0, step - 2), max(0, step - 1), step]
            steps.add(int(step))
    assert steps == set(range(11)), "first and last states are learned from too"


def test_the_expert_acts_at_first_and_in_its_share_of_the_environments_later(
    tmp_path: Path, fake_simulator: list[FakeEnvs]
) -> None:
    def shares(folder: Path, **changes: Any) -> np.ndarray:
        """For each row of the replay the share of environments in which the expert had acted."""
        replay = trained(
            folder, 600, num_envs=8, replay=ReplayConfig(capacity=4000), training=IDLE, **changes
        )[0].replay
        batch, _ = replay.recent(replay.rows)
        states, actions = replay._states.data[:, : replay.rows], batch.actions.numpy()  # type: ignore[union-attr]
        expert = load_expert("reacher-easy")
        his = np.stack([expert.act(s[:-1]) for s in states])
        steps = batch.first[:, 1:].numpy() == 0
        same = (np.abs(his - actions[:, 1:]) < 1e-5).all(-1)
        return np.array([same[:, t][steps[:, t]].mean() for t in range(same.shape[1]) if steps[:, t].any()])

    always = shares(tmp_path / "always", guidance_steps=10**9)
    assert always.min() == 1
    never = shares(tmp_path / "never", guidance_steps=0)
    assert never.max() == 0
    falling = shares(tmp_path / "falling", guidance_steps=300, least_guidance=0.25)
    assert falling[0] == 1
    assert 0 < falling[-15:].mean() < 0.6
    assert falling[-1] < falling[1]


def test_a_student_is_a_policy_that_needs_no_expert(
    tmp_path: Path, fake_simulator: list[FakeEnvs], monkeypatch: pytest.MonkeyPatch
) -> None:
    trained(tmp_path)
    monkeypatch.setattr(distil, "load_expert", lambda task: pytest.fail("the expert was asked"))
    policy = agents.load(tmp_path, device="cpu")
    policy.reset(2)
    actions = policy.act(np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8))
    assert actions.shape == (2, 2)
    source = find_policy(str(tmp_path))
    assert (source.privileged, source.agent) == ("state in training", "distil")


@pytest.mark.parametrize("loss", ["categorical", "squared", "absolute"])
def test_the_student_comes_to_do_what_the_expert_does(loss: Any) -> None:
    agent: Any = make(tiny_distil(learning_rate=1e-2, exploration_noise=0.0, loss=loss))
    frames = torch.randint(
        0, 256, (6, 3, 64, 64, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    lesson = Lesson(frames, torch.rand(6, 2, generator=torch.Generator().manual_seed(1)) * 2 - 1)
    spread = (lesson.actions - lesson.actions.mean(0)).square().mean()
    for _ in range(100):
        metrics = agent.update(lesson)
    assert metrics["distil/explained_variance"] > 0.9
    with torch.no_grad():
        error = agent.choose(frames, None) - lesson.actions
        assert error.square().mean() < 0.1 * spread
        noisy = agent.choose(frames, torch.full((6, 2), 10.0))
    assert noisy.abs().max() <= 1


def test_noise_goes_into_the_tanh_where_an_action_is_one_number() -> None:
    """As it did for the students of results/distil-laptop.json."""
    agent: Any = make(tiny_distil(exploration_noise=0.3))
    frames = torch.randint(0, 256, (4, 3, 64, 64, 3), dtype=torch.uint8)
    noise = torch.randn(4, 2)
    with torch.no_grad():
        greedy, noisy = agent.choose(frames, None), agent.choose(frames, noise)
    torch.testing.assert_close(noisy, torch.tanh(torch.atanh(greedy) + 0.3 * noise), atol=1e-4, rtol=0)


def test_bins_hold_an_action_between_them() -> None:
    """Two bins share an action so that their mean is it; the loss is then the entropy, and no smaller elsewhere."""
    actions = torch.tensor([-1.0, -0.95, 0.0, 0.33, 1.0])
    for bins in (2, 5, 21):
        told = Bins(bins)
        logits = torch.zeros(5, bins, requires_grad=True)
        optimiser = torch.optim.Adam([logits], 0.1)
        for _ in range(500):
            optimiser.zero_grad()
            loss = told.loss(logits, actions)
            loss.backward()
            optimiser.step()
        torch.testing.assert_close(told.action(logits.detach()), actions, atol=0.02, rtol=0)
        part = (actions + 1) / 2 * (bins - 1) % 1
        entropy = -(torch.xlogy(part, part) + torch.xlogy(1 - part, 1 - part))
        torch.testing.assert_close(loss.detach(), entropy.mean(), atol=0.03, rtol=0)


def test_a_run_knows_its_expert_and_learns_from_no_other() -> None:
    config: Any = check_config(tiny_distil(anneal_steps=0))
    assert config.expert == load_expert("reacher-easy").card.sha256
    assert config.anneal_steps == config.steps
    with pytest.raises(InvalidArgument, match="--expert 0000 is not the shipped expert of reacher-easy"):
        check_config(replace(tiny_distil(), expert="0000"))
    with pytest.raises(InvalidArgument, match="--least-guidance is 2; it must be at most 1"):
        check_config(tiny_distil(least_guidance=2.0))
