"""Thousands of environments at once on a GPU, by MuJoCo Warp: observations, rewards and flags are tensors there.

- `make`: the environment.
- `to_numpy`: the same with NumPy arrays, as other vector environments give them.
- `require`, `best_device`: the device that it would run on, or one sentence with the remedy.

Needs the extra `gpu`. Everything else works without it: torch and Warp are imported when `make` is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import unknown
from ..settings import KEYWORDS, Settings
from .requirements import PACKAGES, best_device, require

if TYPE_CHECKING:
    from .arrays import NumpyVectorEnv
    from .environment import NaturalMujocoBatchedEnv

__all__ = ["PACKAGES", "best_device", "make", "require", "to_numpy"]


def make(
    task: str,
    variant: str = "natural",
    num_envs: int = 1,
    device: Any = "cuda",
    *,
    autoreset_mode: Any = "NextStep",
    **env_kwargs: Any,
) -> NaturalMujocoBatchedEnv:
    """`num_envs` environments of `task` on one `device`, a `gymnasium.vector.VectorEnv` of tensors.

    Physics, rewards, seeds, videos and the meaning of every keyword argument are those of
    `gymnasium.make_vec(id, num_envs)`: the same seeds begin in the same states, before the same clips and frames. What
    differs: numbers are 32-bit, so that trajectories drift apart as they do between machines; pictures are ray-traced
    and a few grey levels from OpenGL's; a world whose physics diverge does not raise, it is put back to where it was
    before the step, with reward 0, `truncated` and `infos["diverged"]`, and begins anew.

    >>> from natural_mujoco import batched
    >>> envs = batched.make("walker-walk", num_envs=4, device="cpu", videos="embedded")  # doctest: +SKIP
    >>> observations, infos = envs.reset(seed=0)  # doctest: +SKIP
    >>> observations.shape, observations.dtype  # doctest: +SKIP
    (torch.Size([4, 64, 64, 3]), torch.uint8)

    Args:
        task: one of the ten, by any of its names.
        variant: `"natural"` or `"standard"`.
        num_envs: how many, 1 or more.
        device: `"cuda"`, `"cuda:1"`, …, or `"cpu"`, which is slow: for trying things out.
        autoreset_mode: Gymnasium's, by default `NEXT_STEP`.
        **env_kwargs: those of `NaturalMujocoEnv`, without a render mode.

    Raises:
        InvalidArgument: an invalid argument; the message lists the valid ones.
        BatchedError: a package is missing or of another version, there is no GPU, its driver is too old, or the
            environments do not fit into its memory.
        VideoSetError: the videos cannot be used as they are.
    """
    if variant not in ("natural", "standard"):
        raise unknown("variant", variant, ("natural", "standard"))
    for name in env_kwargs:
        if name not in KEYWORDS:
            raise unknown("keyword argument", name, KEYWORDS)
    settings = Settings.check(task, variant == "natural", **env_kwargs)
    found = require(device)
    from .environment import NaturalMujocoBatchedEnv

    return NaturalMujocoBatchedEnv(settings, num_envs, found, autoreset_mode)


def to_numpy(envs: NaturalMujocoBatchedEnv) -> NumpyVectorEnv:
    """`envs` with NumPy arrays in place of tensors, and infos as `NaturalMujocoVectorEnv` gives them."""
    from .arrays import NumpyVectorEnv

    return NumpyVectorEnv(envs)
