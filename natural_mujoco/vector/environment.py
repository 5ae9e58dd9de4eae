"""Many environments at once: worker processes that write observations into shared memory.

- `NaturalMujocoVectorEnv`: what `gymnasium.make_vec(id, num_envs=n)` gives.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from ..arguments import parse_actions, parse_seeds, seconds, whole_number
from ..backgrounds.library import open_videos
from ..errors import (
    ClosedEnvironmentError,
    InvalidArgument,
    NaturalMujocoError,
    ResetNeeded,
    unknown,
)
from ..processes import ChildProcess, usable_cores
from ..rendering.gl import choose_backend
from ..settings import EPISODE_CONTROL_STEPS, KEYWORDS, MAX_SIZE
from .shared_block import RUNNING, UNBEGUN, SharedBlock
from .team import Team


class NaturalMujocoVectorEnv(
    gym.vector.VectorEnv[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[Any]]
):
    """`num_envs` environments of one id, spread over worker processes.

    Workers are new interpreters, not forks, since GL contexts do not survive a fork. They do not import the main
    module, so that scripts need no `if __name__ == "__main__"`. Each has an even share of the sub-environments.
    Observations, actions, rewards and the numbers of `info` travel through shared memory.

    Seeding, rewards, observations and backgrounds are those of `num_envs` single environments: `reset(seed=s)` seeds
    sub-environment i with s + i, `reset(seed=[...])` seeds each with its own entry.

    >>> import gymnasium as gym, natural_mujoco
    >>> envs = gym.make_vec("NaturalMujoco/CartpoleSwingup-v0", num_envs=2, videos="embedded")
    >>> observations, infos = envs.reset(seed=0)
    >>> observations.shape, infos["background"]["frame"].shape
    ((2, 64, 64, 3), (2,))
    >>> envs.close()

    Args:
        num_envs: number of sub-environments, 1 or more.
        workers: number of processes; by default one for each core this process may use, at most `num_envs`.
        autoreset_mode: Gymnasium's, by default `NEXT_STEP`; also declared in `metadata["autoreset_mode"]`.
        timeout: seconds that a step or reset may take before it is an error, `None` for no limit. Time for preparing
            videos does not count; that has limits of its own.
        start_timeout: seconds that starting the workers and creating their environments may take.
        **env_kwargs: keyword arguments of `NaturalMujocoEnv`.

    Steps and resets are done by all sub-environments or by none. Whatever can be refused (actions, seeds, options, a
    clip that is missing when an episode should begin) is refused before any sub-environment moves. If an exception
    (Ctrl-C, an alarm) interrupts a step in this process, either all sub-environments make the step or none does; its
    results are lost and are never returned by a later step.

    Raises:
        InvalidArgument: an argument is invalid, also one of `env_kwargs`, or cannot be pickled.
        WorkerError: a worker died, hung or failed; the message names the worker and holds its traceback or the last
            lines of its standard error. The environment is then closed; no other error closes it.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        workers: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        timeout: float | None = 120.0,
        start_timeout: float | None = 300.0,
        **env_kwargs: Any,
    ) -> None:
        self._team: Team | None = None
        self._lock = threading.RLock()
        """Held during every command, so that threads take turns."""
        self._block: SharedBlock | None = None
        self.num_envs = whole_number("num_envs", num_envs, 1)
        workers = usable_cores() if workers is None else whole_number("workers", workers, 1)
        try:
            self._autoreset = AutoresetMode(autoreset_mode)
        except ValueError:
            raise unknown(
                "autoreset_mode", autoreset_mode, (str(mode.value) for mode in AutoresetMode)
            ) from None
        patience, start_patience = seconds("timeout", timeout), seconds("start_timeout", start_timeout)
        size = _check_keywords(env_kwargs)
        self._action_repeat = env_kwargs.get("action_repeat", 2)
        if env_kwargs.get("natural", True):
            # Resolved here, so that all workers get the same set, the warning comes once and errors come early.
            videos = env_kwargs.get("videos")
            library = open_videos("auto" if videos is None else videos)
            env_kwargs["videos"] = library.name if videos in (None, "auto") else videos
        self.render_mode = env_kwargs.get("render_mode")

        choose_backend()
        bounds = np.linspace(0, self.num_envs, min(self.num_envs, workers) + 1).round().astype(int)
        rows = [range(int(first), int(end)) for first, end in pairwise(bounds)]
        descriptor = SharedBlock.allocate(self.num_envs, size)
        try:
            self._team = Team(rows, self.num_envs, descriptor, self._autoreset, env_kwargs, start_patience)
            description = self._team.ask("describe")[0]
            self._block = SharedBlock(descriptor, self.num_envs, size, *description["action_space"].shape)
        except BaseException:
            self.close()
            raise
        finally:
            os.close(descriptor)
        self._team.set_timeout(patience)
        self.metadata = {**description["metadata"], "autoreset_mode": self._autoreset}
        self.autoreset_mode = self._autoreset  # where TorchRL looks for it
        self.single_observation_space = description["observation_space"]
        self.single_action_space = description["action_space"]
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._videos = np.array(description["videos"], dtype=object)
        self._set_name = description["set"]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Resets all sub-environments, or those in `options["reset_mask"]` (`bool[n]`).

        The other `options` go to every sub-environment that is reset. Returns observations `uint8[n, size, size, 3]`
        and infos. Raises as `NaturalMujocoEnv.reset` does; no sub-environment is reset then.
        """
        self._require_block()
        options = self._parse_options(options)
        mask = self._parse_mask(options.pop("reset_mask", None))
        seeds = parse_seeds(seed, self.num_envs)
        with self._lock:
            self._begin(mask, seeds, options)
            self._ask("reset")
            return self._observations(), self._infos(mask)

    def step(
        self, actions: npt.NDArray[np.float32]
    ) -> tuple[
        npt.NDArray[np.uint8],
        npt.NDArray[np.float64],
        npt.NDArray[np.bool_],
        npt.NDArray[np.bool_],
        dict[str, Any],
    ]:
        """Steps all sub-environments with `actions` (`float32[n, a]`).

        Returns observations `uint8[n, size, size, 3]`, rewards `float64[n]`, terminated and truncated `bool[n]`, and
        infos. With `NEXT_STEP`, a sub-environment whose episode ended in the last step is reset instead, with reward 0.
        With `SAME_STEP` it is reset at once, and `infos["final_obs"]` and `infos["final_info"]` hold the finished
        episode's last observation and info. Raises `InvalidAction`, and `ResetNeeded` if a sub-environment must be
        reset first.
        """
        block = self._require_block()
        parsed = parse_actions(actions, block.actions.shape, "this environment takes", "actions")
        team = self._require_team()
        with self._lock:
            team.settle()  # an interrupted step may still have to read its actions from the block
            self._prepare_ends(block)
            number = team.number + 1
            block.actions[:] = parsed
            infos = self._infos(np.ones(self.num_envs, np.bool_), self._ask("step"))
            observations, rewards = self._observations(), block.rewards.copy()
            terminated, truncated = block.terminated.copy(), block.truncated.copy()
            team.require_last(number)
            return observations, rewards, terminated, truncated, infos

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """One picture `uint8[render_size, render_size, 3]` of each sub-environment; `None` without a render mode."""
        return None if self.render_mode is None else self.call("render")

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Reads the attribute `name` of every sub-environment, or calls it if it is a method; results are pickled.

        An error that it raises in a worker is raised here and does not close the environment.
        """
        answers = self._ask("call", name, args, kwargs, fatal=False)
        return tuple(result for results in answers for result in results)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """The attribute `name` of every sub-environment. Raises as `call` does."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Sets attribute `name` of each sub-environment to its entry of the list or tuple `values`, or to one value."""
        values = list(values) if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(values) != self.num_envs:
            raise InvalidArgument(f"values has {len(values)} entries for {self.num_envs} sub-environments.")
        self._ask("set_attr", name, values, fatal=False)

    @property
    def _workers(self) -> list[ChildProcess]:
        return [] if self._team is None else self._team.children

    @property  # type: ignore[misc]
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]
        """Copies of the sub-environments' generators, as Gymnasium's vector environments give them."""
        return self.get_attr("np_random")

    @property
    def np_random_seed(self) -> tuple[int, ...]:  # type: ignore[override]
        """The sub-environments' seeds."""
        return self.get_attr("np_random_seed")

    def close_extras(self, **kwargs: Any) -> None:
        """Ends the workers; kills those that have not ended after some seconds."""
        if self._team is None:
            return
        with contextlib.suppress(NaturalMujocoError):  # in a forked copy, the workers belong to the parent
            self._team.require_ours()
            if not self._lock.acquire(timeout=5):  # another thread waits for a worker
                self._team.kill()
                self._lock.acquire()
            try:
                self._team.end(patience=5)
            finally:
                self._lock.release()

    def _ask(self, command: str, *arguments: Any, fatal: bool = True) -> list[Any]:
        """Every worker's result of a command; see `Team.ask`."""
        team = self._require_team()
        with self._lock:
            try:
                return team.ask(command, [arguments] * len(team.children) if arguments else None, fatal)
            finally:
                if not team.children:
                    self.close()

    def _require_team(self) -> Team:
        if self._team is None or not self._team.children:
            raise ClosedEnvironmentError("This vector environment is closed. Create a new one.")
        self._team.require_ours()
        return self._team

    def _begin(
        self, mask: npt.NDArray[np.bool_], seeds: list[int | None], options: dict[str, Any] | None
    ) -> None:
        """Has the workers prepare the next episodes of the rows in `mask`. If it raises, none of them has begun."""
        self._ask("plan", mask, seeds, options)

    def _prepare_ends(self, block: SharedBlock) -> None:
        """Checks that every row can make the coming step, and prepares the episodes that begin in it."""
        due: npt.NDArray[np.bool_] = block.state != RUNNING
        if self._autoreset is AutoresetMode.SAME_STEP:
            due |= block.control_steps + self._action_repeat >= EPISODE_CONTROL_STEPS
        if not due.any():
            return
        if (block.state == UNBEGUN).any():
            rows = np.flatnonzero(block.state == UNBEGUN).tolist()
            raise ResetNeeded(
                f"Sub-environments {rows} have not begun an episode. Call reset() before step()."
            )
        if self._autoreset is AutoresetMode.DISABLED:
            raise ResetNeeded(
                f"The episodes of sub-environments {np.flatnonzero(due).tolist()} are over. Reset them with "
                "options={'reset_mask': terminated | truncated} before step()."
            )
        try:
            self._begin(due, [None] * self.num_envs, None)
        except NaturalMujocoError as mistake:
            if self.closed:
                raise
            raise type(mistake)(
                f"{mistake} No sub-environment has moved. Sub-environments {np.flatnonzero(due).tolist()} are due for "
                "a new episode: step again when this is mended, or reset them to another seed or video with "
                "options={'reset_mask': …}."
            ) from None

    def _observations(self) -> npt.NDArray[np.uint8]:
        observations: npt.NDArray[np.uint8] = self._require_block().observations.copy()
        return observations

    def _infos(self, mask: npt.NDArray[np.bool_], finals: Sequence[Any] = ()) -> dict[str, Any]:
        """Infos as Gymnasium batches them, with the masks under `_name`."""
        block = self._require_block()
        infos: dict[str, Any] = {}
        for row, observation, info in (final for worker in finals for final in worker or ()):
            infos = self._add_info(infos, {"final_obs": observation, "final_info": info}, row)
        infos["control_steps"] = block.control_steps * mask
        infos["_control_steps"] = mask.copy()
        if len(self._videos):
            names = np.full(self.num_envs, None, dtype=object)
            names[mask] = self._set_name
            videos = np.full(self.num_envs, None, dtype=object)
            videos[mask] = self._videos[block.video[mask]]
            infos["background"] = {
                "set": names,
                "_set": mask.copy(),
                "video": videos,
                "_video": mask.copy(),
                "frame": block.frame * mask,
                "_frame": mask.copy(),
            }
            infos["_background"] = mask.copy()
        return infos

    def _parse_mask(self, mask: Any) -> npt.NDArray[np.bool_]:
        if mask is None:
            return np.ones(self.num_envs, np.bool_)
        chosen: npt.NDArray[np.bool_] = np.asarray(mask)
        if chosen.shape != (self.num_envs,) or chosen.dtype != np.bool_ or not chosen.any():
            raise InvalidArgument(
                f"reset_mask must be bool[{self.num_envs}] with at least one True, not {mask!r}."
            )
        return chosen

    @staticmethod
    def _parse_options(options: Any) -> dict[str, Any]:
        if options is not None and not isinstance(options, Mapping):
            raise InvalidArgument(f"options is {options!r}; it must be a dictionary or None.")
        return dict(options or {})

    def _require_block(self) -> SharedBlock:
        self._require_team()
        assert self._block is not None
        return self._block


def _check_keywords(env_kwargs: dict[str, Any]) -> int:
    """Refuses keywords that no sub-environment takes; returns the size of observations."""
    for name in env_kwargs:
        if name not in (*KEYWORDS, "task", "natural"):
            raise unknown("keyword argument", name, KEYWORDS)
    return whole_number("size", env_kwargs.get("size", 64), 1, MAX_SIZE)
