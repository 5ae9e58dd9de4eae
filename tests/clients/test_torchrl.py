"""TorchRL's `GymWrapper` around the fast vector environment, in both autoreset modes that TorchRL takes."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch

from natural_mujoco.clients.torchrl import TensorInfos

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what TorchRL warns of when it is imported is its own affair
    from torchrl.envs import GymWrapper
    from torchrl.envs.utils import check_env_specs

ID = "NaturalMujoco/CartpoleSwingup-v0"
KWARGS: dict[str, Any] = {"num_envs": 2, "workers": 1, "size": 24, "action_repeat": 250}


def play(envs: gym.vector.VectorEnv[Any, Any, Any]) -> Any:
    """Nine steps, of four an episode."""
    wrapped = GymWrapper(envs)
    check_env_specs(wrapped)
    wrapped.set_seed(3)
    torch.manual_seed(0)
    return wrapped.rollout(9, break_when_any_done=False)


def test_both_modes_give_the_same_episode_and_its_own_last_frame(plain_clips: Path) -> None:
    disabled = gym.make_vec(ID, videos=plain_clips, autoreset_mode="Disabled", **KWARGS)
    same_step = TensorInfos(gym.make_vec(ID, videos=plain_clips, autoreset_mode="SameStep", **KWARGS))
    both: tuple[Any, ...] = (disabled, same_step)
    assert [envs.autoreset_mode.value for envs in both] == ["Disabled", "SameStep"]
    one, other = play(disabled), play(same_step)
    assert one["next", "truncated"][0, :, 0].tolist() == [False, False, False, True] * 2 + [False]
    for key in ("observation", ("next", "observation"), ("next", "reward"), ("next", "truncated")):
        torch.testing.assert_close(one[key][:, :4], other[key][:, :4])
    torch.testing.assert_close(one["next", "truncated"], other["next", "truncated"])
    # What follows an episode's last action is its own last frame, not the next one's first.
    for rollout in (one, other):
        assert not torch.equal(rollout["next", "observation"][:, 3], rollout["observation"][:, 4])
        torch.testing.assert_close(rollout["next", "observation"][:, 4], rollout["observation"][:, 5])
    for envs in (disabled, same_step):
        envs.close()
