"""Stable-Baselines3 on the fast vector environment.

- `SB3VecEnv`: a Stable-Baselines3 `VecEnv` that runs on the package's worker processes.

Install `stable-baselines3` yourself: the package does not depend on it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvStepReturn

from ..environment import NaturalMujocoEnv
from ..errors import InvalidArgument
from ..vector import NaturalMujocoVectorEnv


class SB3VecEnv(VecEnv):
    """`num_envs` environments of one id as Stable-Baselines3's `VecEnv`.

    It gives the same episodes as `DummyVecEnv` and `SubprocVecEnv` with the same id and seeds. Wrap it in
    Stable-Baselines3's own wrappers as usual: `VecMonitor` for episode returns, `VecFrameStack` for stacked frames.

    >>> from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor
    >>> from natural_mujoco.clients.stable_baselines3 import SB3VecEnv
    >>> envs = SB3VecEnv("NaturalMujoco/CartpoleSwingup-v0", num_envs=1, videos="embedded")
    >>> VecFrameStack(VecMonitor(envs), 3).reset().shape
    (1, 64, 64, 9)
    >>> envs.close()

    Args:
        env_id: an id of the package.
        num_envs: how many environments.
        **kwargs: passed to `gymnasium.make_vec`: the environment's keyword arguments, `workers`, `timeout`.

    Raises as `NaturalMujocoVectorEnv` does.
    """

    def __init__(self, env_id: str, num_envs: int = 1, **kwargs: Any) -> None:
        mode = gym.vector.AutoresetMode.SAME_STEP
        envs = gym.make_vec(env_id, num_envs=num_envs, autoreset_mode=mode, **kwargs).unwrapped
        if not isinstance(envs, NaturalMujocoVectorEnv):
            envs.close()
            raise InvalidArgument(
                f"{env_id} is not an environment of natural_mujoco, or vectorization_mode was given."
            )
        self.envs = envs
        super().__init__(num_envs, self.envs.single_observation_space, self.envs.single_action_space)
        self._actions: Any = None

    def reset(self) -> npt.NDArray[np.uint8]:
        """Resets all environments with the seeds and options set beforehand; returns `uint8[n, h, w, 3]`."""
        options = self._options[0]
        if any(other != options for other in self._options):
            raise InvalidArgument(
                "The environments have different reset options; set_options takes one dict for all."
            )
        observations, infos = self.envs.reset(seed=self._seeds, options=options or None)
        self.reset_infos = [_info_of(infos, row) for row in range(self.num_envs)]
        self._reset_seeds()
        self._reset_options()
        pixels: npt.NDArray[np.uint8] = observations
        return pixels

    def step_async(self, actions: npt.NDArray[Any]) -> None:
        """Keeps the actions `float32[n, a]` for the next `step_wait`, which does the step."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Steps all environments and resets those whose episode ended.

        Returns observations `uint8[n, h, w, 3]`, rewards `float32[n]`, dones `bool[n]` and a list of infos, where
        `infos[i]["terminal_observation"]` is the last observation of an episode that ended.
        """
        observations, rewards, terminated, truncated, batched = self.envs.step(self._actions)
        dones = terminated | truncated
        infos = []
        for row in range(self.num_envs):
            info = _info_of(batched, row)
            if dones[row]:
                self.reset_infos[row] = info
                info = {
                    **_info_of(batched["final_info"], row),
                    "terminal_observation": batched["final_obs"][row],
                }
            info["TimeLimit.truncated"] = bool(truncated[row] and not terminated[row])
            infos.append(info)
        return observations, rewards, dones, infos

    def close(self) -> None:
        """Ends the worker processes."""
        self.envs.close()

    def get_images(self) -> Sequence[npt.NDArray[np.uint8] | None]:
        """A picture of each environment, or `None` for each without `render_mode="rgb_array"`."""
        pictures = self.envs.render()
        return [None] * self.num_envs if pictures is None else list(pictures)

    def has_attr(self, attr_name: str) -> bool:
        """Whether the environments have an attribute or method of this name."""
        names: list[str] = self.envs.call("__dir__")[0]
        return attr_name in names

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """The attribute of the environments in `indices` (all by default). Raises `AttributeError` if they lack it."""
        if not self.has_attr(attr_name):
            raise AttributeError(f"{NaturalMujocoEnv.__name__} has no attribute {attr_name!r}.")
        values = self.envs.call(attr_name)
        return [values[row] for row in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Sets the attribute of the environments in `indices` (all by default) to `value`."""
        rows = list(self._get_indices(indices))
        values = [value] * self.num_envs
        if len(rows) < self.num_envs:
            values = self.get_attr(attr_name)
            for row in rows:
                values[row] = value
        self.envs.set_attr(attr_name, values)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Calls a method of every environment. Raises `InvalidArgument` where `indices` names only some."""
        if len(list(self._get_indices(indices))) != self.num_envs:
            raise InvalidArgument("env_method calls all environments at once; leave indices out.")
        if not self.has_attr(method_name):
            raise AttributeError(f"{NaturalMujocoEnv.__name__} has no method {method_name!r}.")
        return list(self.envs.call(method_name, *method_args, **method_kwargs))

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """`False` for each environment, as none is wrapped."""
        rows: Iterable[int] = self._get_indices(indices)
        return [False for _ in rows]


def _info_of(infos: dict[str, Any], row: int) -> dict[str, Any]:
    """The info of sub-environment `row`, from infos as Gymnasium batches them."""
    mine: dict[str, Any] = {}
    for key, values in infos.items():
        if key.startswith("_") or key in ("final_obs", "final_info") or not infos.get(f"_{key}", _ALL)[row]:
            continue
        value = _info_of(values, row) if isinstance(values, dict) else values[row]
        mine[key] = value.item() if isinstance(value, np.generic) else value
    return mine


class _Everything:
    def __getitem__(self, row: int) -> bool:
        return True


_ALL = _Everything()
