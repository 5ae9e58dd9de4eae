"""Frame stacking and channel order against Gymnasium's own wrapper on single environments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.wrappers import FrameStackObservation

from natural_mujoco import InvalidArgument
from natural_mujoco.clients.frames import ChannelsFirst, StackFrames

ID = "NaturalMujoco/CartpoleSwingup-v0"
STEPS_AN_EPISODE = 4
KWARGS: dict[str, Any] = {"size": 24, "action_repeat": 1000 // STEPS_AN_EPISODE}
SEED = 5


def actions(step: int) -> npt.NDArray[np.float32]:
    return np.array([[0.3 * (-1) ** step], [0.1 * step]], np.float32)


def make(mode: AutoresetMode, videos: Path) -> gym.vector.VectorEnv[Any, Any, Any]:
    """The package's own vector environment for `SAME_STEP`; Gymnasium's, which starts no process, for the others."""
    if mode is AutoresetMode.SAME_STEP:
        return gym.make_vec(ID, num_envs=2, workers=1, videos=videos, autoreset_mode=mode, **KWARGS)
    return gym.vector.SyncVectorEnv([lambda: gym.make(ID, videos=videos, **KWARGS)] * 2, autoreset_mode=mode)


@pytest.fixture(scope="module")
def expected(plain_clips: Path) -> list[list[npt.NDArray[np.uint8]]]:
    """Two episodes of two single environments under Gymnasium's wrapper, three frames, channels last, end to end."""
    frames, episodes, videos = 3, 2, plain_clips
    played = []
    for row in range(2):
        env = FrameStackObservation(gym.make(ID, videos=videos, **KWARGS), frames)
        seen, step = [], 0
        for episode in range(episodes):
            seen.append(env.reset(seed=SEED + row if episode == 0 else None)[0])
            over = False
            while not over:
                observation, _, _, over, _ = env.step(actions(step)[row])
                seen.append(observation)
                step += 1
        env.close()
        played.append([np.concatenate(list(frame), axis=-1) for frame in seen])
    return played


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_stacks_are_gymnasiums_across_episodes(
    mode: AutoresetMode, plain_clips: Path, expected: list[list[npt.NDArray[np.uint8]]]
) -> None:
    envs = StackFrames(make(mode, plain_clips), frames=3)
    assert envs.single_observation_space.shape == (24, 24, 9)
    assert envs.autoreset_mode is mode
    seen: list[list[Any]] = [[], []]

    def note(observations: npt.NDArray[np.uint8]) -> None:
        for row in range(2):
            seen[row].append(observations[row])

    observations, _ = envs.reset(seed=SEED)
    assert observations in envs.observation_space
    note(observations)
    step, truncated = 0, np.zeros(2, bool)
    while step < 2 * STEPS_AN_EPISODE:
        if truncated.any() and mode is AutoresetMode.DISABLED:
            note(envs.reset(options={"reset_mask": truncated})[0])
        elif truncated.any() and mode is AutoresetMode.NEXT_STEP:
            note(envs.step(actions(99))[0])  # the step that resets: its action does nothing
        observations, _, _, truncated, infos = envs.step(actions(step))
        step += 1
        if truncated.any() and mode is AutoresetMode.SAME_STEP:
            note(infos["final_obs"])
        if not (mode is AutoresetMode.SAME_STEP and step == 2 * STEPS_AN_EPISODE):
            note(observations)
    envs.close()
    for row in range(2):
        np.testing.assert_array_equal(seen[row], expected[row])


def test_a_masked_reset_leaves_the_other_stacks_alone(plain_clips: Path) -> None:
    envs = StackFrames(
        gym.make_vec(ID, num_envs=2, workers=1, videos=plain_clips, autoreset_mode="Disabled", **KWARGS),
        frames=2,
    )
    envs.reset(seed=SEED)
    before, *_ = envs.step(actions(0))
    after, _ = envs.reset(seed=SEED, options={"reset_mask": np.array([False, True])})
    envs.close()
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1, ..., :3], after[1, ..., 3:])
    assert not np.array_equal(after[1], before[1])


def test_channels_come_first_in_every_observation(plain_clips: Path) -> None:
    seen: list[Any] = []

    class Spy(StackFrames):
        def step(self, actions: Any) -> Any:
            seen.append(super().step(actions))
            return seen[-1]

    def make_sync() -> gym.vector.VectorEnv[Any, Any, Any]:
        single = [lambda: gym.make(ID, videos=plain_clips, **KWARGS)] * 2
        return gym.vector.SyncVectorEnv(single, autoreset_mode=AutoresetMode.SAME_STEP)

    envs = ChannelsFirst(Spy(make_sync(), 2))
    assert envs.reset(seed=SEED)[0] in envs.observation_space
    for step in range(STEPS_AN_EPISODE):
        observations, *_, infos = envs.step(actions(step))
        assert observations in envs.observation_space
        np.testing.assert_array_equal(observations, seen[-1][0].transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(infos["final_obs"][1], seen[-1][4]["final_obs"][1].transpose(2, 0, 1))
    with pytest.raises(InvalidArgument, match="frames is 0"):
        StackFrames(envs, 0)
    envs.close()
