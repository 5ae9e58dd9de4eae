"""Frame stacking and channel order for vector environments, which take no single-environment wrappers.

- `StackFrames`: the last `k` frames, along the channels.
- `ChannelsFirst`: `[n, channels, height, width]`, as PyTorch's convolutions take it.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector.utils import batch_space

from ..errors import InvalidArgument

Frames = npt.NDArray[np.uint8]
PixelVectorEnv = gym.vector.VectorEnv[Any, Any, Any]


class PixelVectorWrapper(gym.vector.VectorWrapper):
    """A vector wrapper that also has the attribute `autoreset_mode`, which TorchRL reads."""

    @property
    def autoreset_mode(self) -> gym.vector.AutoresetMode:
        """Gymnasium's autoreset mode, as in `metadata["autoreset_mode"]`."""
        mode: gym.vector.AutoresetMode = self.metadata["autoreset_mode"]
        return mode


class StackFrames(PixelVectorWrapper):
    """The last `frames` observations of each sub-environment, oldest first, along the channels.

    Observations become `uint8[n, height, width, channels * frames]`. After a reset the first frame fills the
    stack: each sub-environment gives the frames that `gymnasium.wrappers.FrameStackObservation` would give. Every
    autoreset mode works; with `SAME_STEP`, `infos["final_obs"]` holds the finished episode's last stack.

    >>> import gymnasium as gym, natural_mujoco
    >>> from natural_mujoco.clients.frames import ChannelsFirst, StackFrames
    >>> envs = StackFrames(gym.make_vec("NaturalMujoco/CartpoleSwingup-v0", num_envs=1, videos="embedded"), frames=3)
    >>> envs.reset(seed=0)[0].shape, ChannelsFirst(envs).reset(seed=0)[0].shape
    ((1, 64, 64, 9), (1, 9, 64, 64))
    >>> envs.close()

    Raises:
        InvalidArgument: `frames` is less than 1, or the observations are not pictures.
    """

    def __init__(self, env: PixelVectorEnv, frames: int) -> None:
        super().__init__(env)
        if isinstance(frames, bool) or not isinstance(frames, int | np.integer) or frames < 1:
            raise InvalidArgument(f"frames is {frames!r}; it must be a whole number, 1 or more.")
        self._frames = int(frames)
        height, width, self._channels = _picture(env)
        box = gym.spaces.Box(0, 255, (height, width, self._channels * self._frames), np.uint8)
        self.single_observation_space = box
        self.observation_space = batch_space(box, self.num_envs)
        self._stack = np.zeros((self.num_envs, *box.shape), np.uint8)
        self._over = np.zeros(self.num_envs, np.bool_)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, dict[str, Any]]:
        """Resets all sub-environments, or those of `options["reset_mask"]`; the others keep their stacks."""
        observations, infos = self.env.reset(seed=seed, options=options)
        mask = (options or {}).get("reset_mask")
        rows = np.ones(self.num_envs, np.bool_) if mask is None else np.asarray(mask)
        self._fill(rows, observations)
        self._over[rows] = False
        return self._stack.copy(), infos

    def step(
        self, actions: Any
    ) -> tuple[Frames, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Steps all sub-environments and moves their stacks on by a frame."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        over = terminated | truncated
        # With SAME_STEP an episode's last frame is in infos, and `observations` holds the next episode's first.
        fresh = np.asarray(infos.get("_final_obs", np.zeros(self.num_envs, np.bool_)))
        if fresh.any():
            finals = infos["final_obs"].copy()
            for row in np.flatnonzero(fresh):
                finals[row] = np.concatenate([self._stack[row, ..., self._channels :], finals[row]], axis=-1)
            infos = {**infos, "final_obs": finals}
        elif self.autoreset_mode is gym.vector.AutoresetMode.NEXT_STEP:
            fresh = self._over
        self._stack = np.concatenate([self._stack[..., self._channels :], observations], axis=-1)
        self._fill(fresh, observations)
        self._over = over
        return self._stack.copy(), rewards, terminated, truncated, infos

    def _fill(self, rows: npt.NDArray[np.bool_], observations: Frames) -> None:
        self._stack[rows] = np.tile(observations[rows], (1, 1, 1, self._frames))


class ChannelsFirst(PixelVectorWrapper):
    """Observations as `uint8[n, channels, height, width]`, the order that PyTorch's convolutions take.

    Observations are transposed views; no pixel is copied. Apply it after `StackFrames`.

    Raises:
        InvalidArgument: the observations are not pictures.
    """

    def __init__(self, env: PixelVectorEnv) -> None:
        super().__init__(env)
        height, width, channels = _picture(env)
        box = gym.spaces.Box(0, 255, (channels, height, width), np.uint8)
        self.single_observation_space = box
        self.observation_space = batch_space(box, self.num_envs)

    def reset(
        self, *, seed: Any = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, dict[str, Any]]:
        """Resets as the environment inside does."""
        observations, infos = self.env.reset(seed=seed, options=options)
        return np.moveaxis(observations, -1, 1), infos

    def step(
        self, actions: Any
    ) -> tuple[Frames, npt.NDArray[np.float64], npt.NDArray[np.bool_], npt.NDArray[np.bool_], dict[str, Any]]:
        """Steps as the environment inside does; `infos["final_obs"]` has the same order."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        if "final_obs" in infos:
            finals = infos["final_obs"].copy()
            for row in np.flatnonzero(infos["_final_obs"]):
                finals[row] = np.moveaxis(finals[row], -1, 0)
            infos = {**infos, "final_obs": finals}
        return np.moveaxis(observations, -1, 1), rewards, terminated, truncated, infos


def _picture(env: PixelVectorEnv) -> tuple[int, int, int]:
    shape: tuple[int, ...] = getattr(env.single_observation_space, "shape", None) or ()
    if len(shape) != 3:
        raise InvalidArgument(f"Observations have shape {shape}; pictures have [height, width, channels].")
    return int(shape[0]), int(shape[1]), int(shape[2])
