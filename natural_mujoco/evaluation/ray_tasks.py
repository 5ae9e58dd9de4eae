"""Runs work on a Ray cluster, or on this machine with Ray.

- `connect`: joins a cluster or starts one on this machine.
- `run_tasks`: calls a function for each item on the cluster and yields results as they finish; retries if workers die.
- `play_blocks_on_ray`: plays the blocks of an evaluation.

Ray is imported only here, and only when it is used. `run_tasks` does not depend on evaluation; training sweeps use it
too.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ..errors import InvalidArgument, NaturalMujocoError, WorkerError
from ..processes import ChildDied
from .machine import describe_machine
from .records import Episode, Machine
from .rollout import Block
from .worker import POLICY_TIMEOUT_S, PlayerProcess, death_message

K = TypeVar("K")
R = TypeVar("R")

# A cluster on this machine needs no network and should not be reachable from it. Ray replaces 127.0.0.1 by the address
# under which others see this machine and listens there; other loopback addresses it leaves as they are. (macOS has only
# 127.0.0.1, but there Ray does listen on it.)
_LOOPBACK = "127.0.0.2" if sys.platform == "linux" else "127.0.0.1"

RETRIES = 5
"""How often a task is restarted after its worker or machine died."""


def connect(address: str | None = None) -> Any:
    """The `ray` module, connected: to the cluster at `address`, to `$RAY_ADDRESS`, or to a new one on this machine.

    Raises `InvalidArgument` if Ray is not installed and `NaturalMujocoError` if there is no such cluster.
    """
    _send_known_token()
    try:
        import ray
    except ImportError:
        raise InvalidArgument(
            "--ray needs Ray, which is not installed: `pip install 'natural-mujoco[ray]'`. "
            "Without --ray the same work runs on this machine."
        ) from None
    if not ray.is_initialized():
        where = address or os.environ.get("RAY_ADDRESS") or "local"
        _require_listener(where)
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options = {"include_dashboard": False, "_node_ip_address": _LOOPBACK} if where == "local" else {}
        try:
            ray.init(address=where, log_to_driver=False, logging_level="ERROR", **options)
        except Exception as error:  # Ray also raises plain exceptions
            ray.shutdown()  # a half-open connection would prevent the next attempt
            if where == "local":
                raise NaturalMujocoError(
                    f"Ray did not start on this machine ({_first_line(error)}). "
                    "Without --ray the same work runs here without it."
                ) from error
            raise NaturalMujocoError(
                f"Ray cannot join the cluster at {where} ({_first_line(error)}). It must run the same versions of Ray "
                "and Python, this machine must reach it under its own address, and where it asks for a token, its "
                "~/.ray/auth_token must be here as well."
            ) from error
    return ray


def _send_known_token() -> None:
    """Makes Ray's client send the user's token, which a cluster requires once the user has one.

    Ray creates the token when it first starts a cluster on one machine, and reads this setting when it is imported.
    """
    path = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    if os.environ.get("RAY_AUTH_TOKEN") or path.is_file():
        os.environ.setdefault("RAY_AUTH_MODE", "token")


def _require_listener(address: str) -> None:
    """Raises `NaturalMujocoError` at once if nothing listens at `address`; Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
        except (OSError, OverflowError) as error:
            raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: Exception) -> NaturalMujocoError:
    return NaturalMujocoError(
        f"There is no Ray cluster at {address} ({_first_line(error)}). "
        "`ray start --head` starts one; --ray without an address uses this machine alone."
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def run_tasks(
    function: Callable[..., R],
    items: Mapping[K, tuple[Any, ...]],
    address: str | None = None,
    cpus: float = 1,
    gpus: float = 0,
    retries: int = RETRIES,
    waiting: Callable[[int], None] = lambda running: None,
) -> Generator[tuple[K, R], None, None]:
    """Yields `(key, function(*items[key]))` for every item, in the order they finish.

    `function` must be importable wherever the tasks run. Each task takes `cpus` and, if the cluster has any GPU, `gpus`
    (a fraction shares one). A task whose worker or machine dies is restarted up to `retries` times. An error in a task
    is not retried and ends the iteration: a `NaturalMujocoError` is raised as it is, anything else as `WorkerError`.
    `waiting` is called now and then with the number of tasks that are left.
    """
    ray = connect(address)
    gpus = gpus if ray.cluster_resources().get("GPU", 0) > 0 else 0
    remote = ray.remote(function).options(
        num_cpus=cpus, num_gpus=gpus, max_retries=retries, retry_exceptions=False
    )
    tasks = {remote.remote(*arguments): key for key, arguments in items.items()}
    try:
        while tasks:
            waiting(len(tasks))
            done, _ = ray.wait(list(tasks), num_returns=1, timeout=1.0)
            for reference in done:
                key = tasks.pop(reference)
                try:
                    result: R = ray.get(reference)
                except ray.exceptions.RayTaskError as error:
                    if isinstance(error.cause, NaturalMujocoError):
                        raise error.cause from None
                    raise WorkerError(f"A Ray task failed for {key}.\n{error}") from None
                except ray.exceptions.RayError as error:
                    raise WorkerError(
                        f"Ray gave up on {key} after {retries} retries: {str(error).splitlines()[0]}"
                    ) from error
                yield key, result
    finally:
        for reference in tasks:
            ray.cancel(reference, force=True)


def play_blocks_on_ray(
    blocks: Sequence[Block],
    address: str | None,
    gpus_per_task: float,
    timeout: float = POLICY_TIMEOUT_S,
) -> Generator[tuple[Block, tuple[list[Episode], Machine]], None, None]:
    """Plays `blocks` as Ray tasks; yields each block with its records and the machine on which it was played.

    Policies other than the references get a share of a GPU if the cluster has GPUs.
    """
    gpus = gpus_per_task if any(block.source.kind in ("run", "factory") for block in blocks) else 0
    items = {block: (block, timeout) for block in blocks}
    yield from run_tasks(play_block_task, items, address, gpus=gpus)


_player: PlayerProcess | None = None


def play_block_task(block: Block, timeout: float) -> tuple[list[Episode], Machine]:
    """Plays one block inside a Ray worker, in a separate process, because a policy may hang.

    The process is kept for the worker's next block.
    """
    global _player
    if _player is None:
        _player = PlayerProcess()
    _player.timeout = timeout
    try:
        return _player.play(block), describe_machine(Path(block.source.import_path), block.renderer)
    except ChildDied as death:
        raise WorkerError(death_message(block, death)) from None
    finally:
        if _player.block is not None or not _player.is_alive():
            _player.kill()
            _player = None
