"""Thousands of environments at once on a GPU, with MuJoCo Warp: observations, rewards and flags are tensors there.

- `make`: creates the environment.
- `to_numpy`: wraps it so that it takes and returns NumPy arrays, as other vector environments do.
- `require`, `best_device`: the device that it would run on; they raise an error that says the remedy if there is none.

Needs the extra `gpu`; no other part of the package does. torch and Warp are imported when `make` is called.
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
    """`num_envs` environments of `task` on one `device`, as a `gymnasium.vector.VectorEnv` of tensors.

    Physics, rewards, seeds, videos and the meaning of every keyword argument are those of
    `gymnasium.make_vec(id, num_envs)`: with the same seeds, episodes begin in the same states, in front of the same
    clips and frames. Three things differ. Physics run in 32-bit floats, so that trajectories drift apart as they do
    between machines. Pictures are ray-traced and differ from OpenGL's by a few grey levels. An environment whose
    physics diverge raises no error: it is put back to its state before the step, with reward 0, `truncated` and
    `infos["diverged"]` set, and is then reset.

    >>> from natural_mujoco import batched
    >>> envs = batched.make("walker-walk", num_envs=4, device="cpu", videos="embedded")  # doctest: +SKIP
    >>> observations, infos = envs.reset(seed=0)  # doctest: +SKIP
    >>> observations.shape, observations.dtype  # doctest: +SKIP
    (torch.Size([4, 64, 64, 3]), torch.uint8)

    Args:
        task: one of the ten tasks, by any of its names.
        variant: `"natural"` or `"standard"`.
        num_envs: number of environments, 1 or more.
        device: `"cuda"`, `"cuda:1"`, …, or `"cpu"`, which is slow and meant for trying things out.
        autoreset_mode: Gymnasium's, by default `NEXT_STEP`.
        **env_kwargs: keyword arguments of `NaturalMujocoEnv`, except `render_mode`.

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
