"""The batched environment with NumPy arrays: actions are copied to the device, everything it returns to the CPU.

- `NumpyVectorEnv`: the wrapper that `natural_mujoco.batched.to_numpy` gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from torch import Tensor

from .environment import NaturalMujocoBatchedEnv

Array = npt.NDArray[Any]


class NumpyVectorEnv(gym.vector.VectorEnv[Array, Array, Array]):
    """`envs` with observations `uint8[n, size, size, 3]`, rewards `float64[n]` and flags `bool[n]` as arrays.

    `infos` look like those of `NaturalMujocoVectorEnv`: videos by name instead of by number, and Gymnasium's masks.
    """

    def __init__(self, envs: NaturalMujocoBatchedEnv) -> None:
        self.envs = envs
        self.num_envs, self.metadata = envs.num_envs, envs.metadata
        self.video_library = envs.video_library
        self.autoreset_mode = envs.autoreset_mode
        self.single_observation_space = envs.single_observation_space
        self.single_action_space = envs.single_action_space
        self.observation_space, self.action_space = envs.observation_space, envs.action_space

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Array, dict[str, Any]]:
        """See `NaturalMujocoBatchedEnv.reset`."""
        observations, infos = self.envs.reset(seed=seed, options=options)
        return observations.cpu().numpy(), self._infos(infos)

    def step(self, actions: Array) -> tuple[Array, Array, Array, Array, dict[str, Any]]:
        """See `NaturalMujocoBatchedEnv.step`."""
        observations, rewards, terminated, truncated, infos = self.envs.step(actions)
        return (
            observations.cpu().numpy(),
            rewards.cpu().numpy().astype(np.float64),
            terminated.cpu().numpy(),
            truncated.cpu().numpy(),
            self._infos(infos),
        )

    def close_extras(self, **kwargs: Any) -> None:
        """Closes `envs`."""
        self.envs.close()

    def _infos(self, tensors: dict[str, Any]) -> dict[str, Any]:
        everywhere = np.ones(self.num_envs, np.bool_)
        infos: dict[str, Any] = {}
        for name in ("control_steps", "diverged"):
            infos |= {name: tensors[name].cpu().numpy(), f"_{name}": everywhere.copy()}
        if "background" in tensors:
            background = tensors["background"]
            video = np.array(self.envs.videos, dtype=object)[background["video"].cpu().numpy()]
            frame = background["frame"].cpu().numpy()
            parts = {"set": np.full(self.num_envs, background["set"], object), "video": video, "frame": frame}
            infos["background"] = parts | {f"_{name}": everywhere.copy() for name in parts}
            infos["_background"] = everywhere.copy()
        if "final_obs" in tensors:
            ended = tensors["_final_obs"].cpu().numpy()
            infos |= {"final_obs": _rows(tensors["final_obs"], ended), "_final_obs": ended}
            infos |= {"final_info": self._infos(tensors["final_info"]), "_final_info": ended.copy()}
        return infos


def _rows(tensor: Tensor, chosen: Array) -> Array:
    """An array of arrays, `None` where not `chosen`: how Gymnasium's vector environments give final observations."""
    rows = np.full(len(chosen), None, dtype=object)
    for row in np.flatnonzero(chosen):
        rows[row] = tensor[int(row)].cpu().numpy()
    return rows
