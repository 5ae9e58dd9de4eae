"""TorchRL on the fast vector environment.

- `TensorInfos`: infos that TorchRL can hold, for the autoreset mode `SAME_STEP`.

`GymWrapper(gymnasium.make_vec(..., autoreset_mode="Disabled"))` works without this module, as TorchRL then resets by
itself. TorchRL does not support Gymnasium's default, `NEXT_STEP`. Nothing here imports TorchRL.
"""

from __future__ import annotations

from typing import Any

from .frames import PixelVectorWrapper


class TensorInfos(PixelVectorWrapper):
    """A vector environment whose infos hold `final_obs` alone.

    With `SAME_STEP`, TorchRL turns all infos into tensors, and the names of videos cannot become one.

    >>> import gymnasium as gym, natural_mujoco
    >>> from natural_mujoco.clients.torchrl import TensorInfos
    >>> kwargs = {"videos": "embedded", "autoreset_mode": "SameStep"}
    >>> envs = TensorInfos(gym.make_vec("NaturalMujoco/CartpoleSwingup-v0", num_envs=1, **kwargs))
    >>> envs.reset(seed=0)[1]
    {}
    >>> envs.close()
    """

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Resets; the infos are empty."""
        observations, _ = self.env.reset(seed=seed, options=options)
        return observations, {}

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Steps; the infos hold `final_obs` and its mask where an episode ended."""
        *step, infos = self.env.step(actions)
        observations, rewards, terminated, truncated = step
        kept: dict[str, Any] = {key: infos[key] for key in ("final_obs", "_final_obs") if key in infos}
        return observations, rewards, terminated, truncated, kept
