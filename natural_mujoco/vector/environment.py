"""Many environments at once: worker processes that write observations into shared memory.

- `NaturalMujocoVectorEnv`: what `gymnasium.make_vec(id, num_envs=n)` gives.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from ..backgrounds.library import open_videos
from ..errors import InvalidArgument, NaturalMujocoError, WorkerError, unknown
from ..rendering.gl import choose_backend
from .shared_block import SharedBlock
from .worker import Failure, Link, run_worker


class NaturalMujocoVectorEnv(
    gym.vector.VectorEnv[npt.NDArray[np.uint8], npt.NDArray[np.float32], npt.NDArray[Any]]
):
    """`num_envs` environments of one id, spread over worker processes.

    Workers are started afresh (not forked, which GL contexts do not survive; nor do they import the
    main module, so that scripts need no `if __name__ == "__main__"`), each with an even share of the
    sub-environments. Observations, actions, rewards and the numbers of `info` travel through shared memory.

    Seeding, rewards, observations and backgrounds are those of `num_envs` single environments: `reset(seed=s)` seeds
    sub-environment i with s + i, `reset(seed=[...])` each with its own.

    >>> import gymnasium as gym, natural_mujoco
    >>> envs = gym.make_vec("NaturalMujoco/CartpoleSwingup-v0", num_envs=2, videos="embedded")
    >>> observations, infos = envs.reset(seed=0)
    >>> observations.shape, infos["background"]["frame"].shape
    ((2, 64, 64, 3), (2,))
    >>> envs.close()

    Args:
        num_envs: how many, 1 or more.
        workers: how many processes; by default one for each core this process may use, at most `num_envs`.
        autoreset_mode: Gymnasium's, by default `NEXT_STEP`; also declared in `metadata["autoreset_mode"]`.
        timeout: seconds that a step or reset may take before it is an error.
        start_timeout: seconds that starting the workers and creating their environments may take.
        **env_kwargs: those of `NaturalMujocoEnv`.

    Raises:
        InvalidArgument: an argument that cannot be meant, also one of `env_kwargs`.
        WorkerError: a worker died, hung or raised; the message names it and holds its traceback. The
            environment is closed then.
    """

    def __init__(
        self,
        num_envs: int = 1,
        *,
        workers: int | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        timeout: float = 120.0,
        start_timeout: float = 300.0,
        **env_kwargs: Any,
    ) -> None:
        self._workers: list[Link] = []
        self._block: SharedBlock | None = None
        self.num_envs = _at_least_one("num_envs", num_envs)
        workers = min(num_envs, _usable_cores() if workers is None else _at_least_one("workers", workers))
        try:
            mode = AutoresetMode(autoreset_mode)
        except ValueError:
            raise unknown(
                "autoreset_mode", autoreset_mode, (str(mode.value) for mode in AutoresetMode)
            ) from None
        self._timeout = timeout
        if env_kwargs.get("natural", True):
            # Resolved here so that the workers agree, and warn once.
            videos = env_kwargs.get("videos", "auto")
            env_kwargs["videos"] = open_videos("auto").name if videos in (None, "auto") else videos
        self.render_mode = env_kwargs.get("render_mode")

        choose_backend()
        self._start(workers, mode, env_kwargs)
        try:
            self._exchange("create", timeout=start_timeout)
            description = self._exchange("describe")[0]
            self._block = SharedBlock.create(
                num_envs, env_kwargs.get("size", 64), description["action_space"].shape
            )
            self._exchange("attach", self._block.path, num_envs)
            self._block.unlink()
        except BaseException:
            self.close()
            raise
        self.metadata = {**description["metadata"], "autoreset_mode": mode}
        self.autoreset_mode = mode  # where TorchRL looks for it
        self.single_observation_space = description["observation_space"]
        self.single_action_space = description["action_space"]
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._videos = np.array(description["videos"], dtype=object)
        self._set_name = description["set"]

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Resets all sub-environments, or those in `options["reset_mask"]` (`bool[num_envs]`).

        The other `options` go to every sub-environment. Returns observations `uint8[n, size, size, 3]` and infos.
        """
        options = dict(options or {})
        mask = self._parse_mask(options.pop("reset_mask", None))
        seeds: list[int | None]
        if seed is None or isinstance(seed, int | np.integer):
            seeds = [None if seed is None else int(seed) + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise InvalidArgument(f"seed has {len(seeds)} entries for {self.num_envs} sub-environments.")
        self._send_each(
            "reset", [([seeds[row] for row in worker.rows], options, mask) for worker in self._workers]
        )
        self._receive_all("reset", self._timeout)
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

        With `NEXT_STEP`, a sub-environment that ended in the last step is reset instead, with reward 0. With
        `SAME_STEP` it is reset at once, and `infos["final_obs"]`, `infos["final_info"]` hold how it ended.
        """
        block = self._require_block()
        actions = np.asarray(actions)
        if actions.shape != block.actions.shape:
            raise InvalidArgument(
                f"actions have shape {actions.shape}; this environment takes {block.actions.shape}."
            )
        block.actions[:] = actions
        self._send_each("step", [() for _ in self._workers])
        infos = self._infos(np.ones(self.num_envs, np.bool_), self._receive_all("step", self._timeout))
        return (
            self._observations(),
            block.rewards.copy(),
            block.terminated.copy(),
            block.truncated.copy(),
            infos,
        )

    def render(self) -> tuple[npt.NDArray[np.uint8], ...] | None:
        """One picture `uint8[render_size, render_size, 3]` a sub-environment; `None` without a render mode."""
        return None if self.render_mode is None else self.call("render")

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """The attribute or method `name` of every sub-environment, with the results pickled across."""
        return tuple(result for results in self._exchange("call", name, args, kwargs) for result in results)

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """The attribute `name` of every sub-environment."""
        return self.call(name)

    def set_attr(self, name: str, values: Any) -> None:
        """Sets attribute `name` of every sub-environment: to its entry of a list or tuple, or all to one value."""
        values = list(values) if isinstance(values, list | tuple) else [values] * self.num_envs
        if len(values) != self.num_envs:
            raise InvalidArgument(f"values has {len(values)} entries for {self.num_envs} sub-environments.")
        self._send_each(
            "set_attr", [(name, [values[row] for row in worker.rows]) for worker in self._workers]
        )
        self._receive_all("set_attr", self._timeout)

    def close_extras(self, **kwargs: Any) -> None:
        """Ends the workers: asks first, kills what has not gone after some seconds."""
        for worker in self._workers:
            with contextlib.suppress(OSError):
                worker.commands.send(("close", ()))
        deadline = time.monotonic() + 5
        for _, process, commands, answers in self._workers:
            process.join(max(0.0, deadline - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
            commands.close()
            answers.close()
        self._workers = []
        if self._block is not None:
            self._block.unlink()

    def __del__(self) -> None:
        if getattr(self, "_workers", None):
            self.close()

    def _start(self, workers: int, mode: AutoresetMode, env_kwargs: dict[str, Any]) -> None:
        context = multiprocessing.get_context("spawn")
        environ = {key: os.environ[key] for key in ("MUJOCO_GL", "LP_NUM_THREADS") if key in os.environ}
        bounds = np.linspace(0, self.num_envs, workers + 1).round().astype(int)
        with _unimported_main():
            for first, end in pairwise(bounds):
                their_commands, commands = context.Pipe(duplex=False)
                answers, their_answers = context.Pipe(duplex=False)
                rows = range(int(first), int(end))
                process = context.Process(
                    target=run_worker,
                    args=(their_commands, their_answers, rows, mode, env_kwargs, environ),
                    daemon=True,
                )
                process.start()
                their_commands.close()
                their_answers.close()
                self._workers.append(Link(rows, process, commands, answers))

    def _exchange(self, name: str, *arguments: Any, timeout: float | None = None) -> list[Any]:
        """Sends one command to all workers and returns their results."""
        self._send_each(name, [arguments for _ in self._workers])
        return self._receive_all(name, self._timeout if timeout is None else timeout)

    def _send_each(self, name: str, arguments: Sequence[tuple[Any, ...]]) -> None:
        if not self._workers:
            raise NaturalMujocoError("This vector environment is closed. Create a new one.")
        for index, (worker, own) in enumerate(zip(self._workers, arguments, strict=True)):
            try:
                worker.commands.send((name, own))
            except OSError:
                self._fail(index, f"died before {name}")

    def _receive_all(self, name: str, timeout: float) -> list[Any]:
        """Every worker's result. Waits for all of them before it raises a failure, so that they stay in step."""
        deadline = time.monotonic() + timeout
        results: list[Any] = []
        failures: list[tuple[int, Failure]] = []
        for index, worker in enumerate(self._workers):
            try:
                if not worker.answers.poll(max(0.0, deadline - time.monotonic())):
                    self._fail(index, f"did not finish {name} within {timeout:g} s")
                result, failure = worker.answers.recv()
            except (EOFError, OSError):
                self._fail(index, f"died during {name}")
            results.append(result)
            if failure is not None:
                failures.append((index, failure))
        for index, failure in failures:
            if failure.mistake is not None:
                raise failure.mistake
            self._fail(index, f"raised during {name}", failure.traceback)
        return results

    def _fail(self, index: int, what: str, trace: str = "") -> None:
        rows, process, _, _ = self._workers[index]
        if not trace:
            process.join(0.2)
        died = "" if process.exitcode is None else f" (exit code {process.exitcode})"
        self.close()
        raise WorkerError(
            f"Worker {index} (sub-environments {rows.start} to {rows.stop - 1}) {what}{died}. The vector "
            f"environment is closed; create a new one.{chr(10) + trace if trace else ''}"
        )

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

    def _require_block(self) -> SharedBlock:
        if self._block is None or not self._workers:
            raise NaturalMujocoError("This vector environment is closed. Create a new one.")
        return self._block


@contextlib.contextmanager
def _unimported_main() -> Iterator[None]:
    """Processes spawned inside do not import the main module, whose code is the user's and may have no guard."""
    main = sys.modules["__main__"]
    hidden = {name: getattr(main, name) for name in ("__spec__", "__file__") if hasattr(main, name)}
    try:
        main.__spec__ = None
        if "__file__" in hidden:
            del main.__file__
        yield
    finally:
        for name, value in hidden.items():
            setattr(main, name, value)


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _at_least_one(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise InvalidArgument(f"{name} is {value!r}; it must be a whole number, 1 or more.")
    return int(value)
