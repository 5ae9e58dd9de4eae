"""Playing blocks in real environments: records that depend on the episode and on nothing else."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from natural_mujoco import batched, find_task, open_videos
from natural_mujoco.errors import BatchedError, PolicyError, VideoSetError
from natural_mujoco.evaluation.conditions import Condition, environment_spec, episode_seeds
from natural_mujoco.evaluation.episodes import play_episodes
from natural_mujoco.evaluation.plan import resolve_videos
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.protocol import ZeroPolicy
from natural_mujoco.evaluation.records import Episode
from natural_mujoco.evaluation.rollout import Block, Stage, play

from ..agents.fake_envs import FakeEnvs

REPEAT = 100
"""Control steps per action in most tests: an episode of ten actions still has all its physics."""


def make_block(
    policy: str, videos: Path, task: str = "cartpole-swingup", condition: Condition = "natural-test"
) -> Block:
    source = find_policy(policy if ":" not in policy else f"tests.evaluation.policies{policy}")
    return Block(
        source=dataclasses.replace(source, action_repeat=REPEAT),
        task=task,
        condition=condition,
        training_seed=0,
        seeds=episode_seeds(0, 10),
        wanted=(0, 1, 2, 3),
        videos=str(videos),
        video_set=resolve_videos(str(videos)),
    )


def by_seed(episodes: list[Episode]) -> dict[int, Episode]:
    return {episode.episode_seed: episode for episode in episodes}


def test_records_equal_a_plain_loop_over_one_environment(plain_clips: Path) -> None:
    """The golden values come from Gymnasium alone: one environment, one episode, actions drawn by hand."""
    block = make_block(":Drawing", plain_clips)
    played = by_seed(play(block))
    env_id, kwargs = environment_spec(block.task, block.condition, str(plain_clips), REPEAT)
    env = gym.make(env_id, **kwargs)
    try:
        for seed in (1_000_000, 1_000_003):
            rng = np.random.default_rng(seed)
            _, info = env.reset(seed=seed)
            first, total, over = info["background"], 0.0, False
            while not over:
                action = rng.uniform(-1, 1, 1).astype(np.float32)
                _, reward, terminated, truncated, info = env.step(action)
                total += float(reward)
                over = terminated or truncated
            record = played[seed]
            assert record.return_ == pytest.approx(total, abs=1e-6)
            assert (record.video, record.frame) == (first["video"], first["frame"])
            assert record.length == info["control_steps"] == 1000
    finally:
        env.close()


@pytest.mark.parametrize("policy", [":Steady", ":Drawing", "random"])
def test_a_record_does_not_depend_on_what_else_is_played(plain_clips: Path, policy: str) -> None:
    block = make_block(policy, plain_clips)
    with Stage() as stage:
        together = by_seed(play(block, stage))
        again = by_seed(play(block, stage))
        alone = by_seed(play(dataclasses.replace(block, wanted=(2,)), stage))
    assert together == again
    assert alone == {1_000_002: together[1_000_002]}
    assert len({episode.return_ for episode in together.values()}) == 4


def test_the_batched_environment_takes_the_place_of_single_ones(
    plain_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With worker processes in its place, which show the same: so are the records, and so is what a policy sees."""
    made: list[int] = []

    def make(task: str, variant: str, num_envs: int, device: object, **kwargs: Any) -> gym.vector.VectorEnv:
        made.append(num_envs)
        assert variant == "natural"
        envs = gym.make_vec(find_task(task).natural_id, num_envs=num_envs, workers=1, **kwargs)
        envs.video_library = open_videos(plain_clips)  # type: ignore[attr-defined]
        return envs

    monkeypatch.setattr(batched, "make", make)
    monkeypatch.setattr(batched, "to_numpy", lambda envs: envs)
    monkeypatch.setattr(batched, "best_device", lambda: (None, "nothing"))
    single = make_block(":Drawing", plain_clips)
    warp = dataclasses.replace(single, renderer="warp")
    assert warp.scene != single.scene
    with Stage() as stage:
        singles = by_seed(play(single, stage))
        together = by_seed(play(warp, stage))
        alone = by_seed(play(dataclasses.replace(warp, wanted=(2,)), stage))
    assert made == [4, 1]
    assert together == singles
    assert alone == {1_000_002: singles[1_000_002]}


def test_a_divergence_ends_the_evaluation_and_is_no_short_episode() -> None:
    class Diverging(FakeEnvs):
        def step(self, actions: Any) -> Any:
            *rest, info = super().step(actions)
            return *rest, {**info, "diverged": self.row == [9, 4]}

    with pytest.raises(BatchedError, match="The physics of the episode from seed 5 diverged"):
        play_episodes(ZeroPolicy(2), Diverging(2), [7, 5])


def test_blind_policies_earn_the_same_in_front_of_any_video(plain_clips: Path) -> None:
    """Why `zero` and `random` may stand beside entries on every video set."""
    for policy in ("zero", "random"):
        returns = []
        for condition in ("standard", "natural-train", "natural-test"):
            block = make_block(policy, plain_clips, condition=condition)  # type: ignore[arg-type]
            episodes = play(dataclasses.replace(block, wanted=(3,)))
            returns.append([episode.return_ for episode in episodes])
            assert all((episode.video is None) == (condition == "standard") for episode in episodes)
        assert returns[0] == returns[1] == returns[2]


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        (":Raises", "raised in cartpole-swingup, natural-test, training seed 0: KeyError: 'weights'"),
        (":ReturnsNan", "returned NaN or infinite actions in cartpole-swingup"),
        (":WrongShape", r"returned actions of shape \[10, 7\] .* must return float32 \[10, 1\]"),
        (":ReturnsText", r"returned a str in cartpole-swingup"),
    ],
)
def test_a_policy_that_misbehaves_is_named(plain_clips: Path, policy: str, message: str) -> None:
    with pytest.raises(PolicyError, match=message):
        play(dataclasses.replace(make_block(policy, plain_clips), wanted=(0,)))


def test_other_videos_than_those_of_the_evaluation_are_refused(plain_clips: Path, footage: Path) -> None:
    block = dataclasses.replace(make_block("zero", plain_clips), videos=str(footage))
    with pytest.raises(VideoSetError, match="is not the same on this machine"):
        play(block)
