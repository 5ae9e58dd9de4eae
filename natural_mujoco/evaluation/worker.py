"""A process that plays blocks, watched from outside.

- `PlayerProcess`: starts one, hands it blocks, notices when it dies or its policy hangs.
- `play_blocks`: many blocks on several of them, results as they come.

A policy is a stranger's code: it may loop for ever, hold the interpreter or crash it. It therefore runs in a process of
its own that writes down what it is doing, step by step, in two shared integers; whoever reads them can tell a slow
policy from a hung one and kill the latter.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from typing import Any

from ..errors import NaturalMujocoError, PolicyError, WorkerError
from ..vector.environment import _unimported_main
from .records import Episode
from .rollout import Block, Stage, Watch, play

PHASES = ("environment", "loading", "policy")
POLICY_TIMEOUT_S = 120.0
_OTHER_TIMEOUT_S = 600.0
_DEATHS = 2
"""How often a block is given to another process after one died over it."""


class PlayerProcess:
    """A spawned process that plays one block at a time.

    `timeout` is how many seconds a policy may take for one call; loading it and the environments' own work may
    take ten minutes.
    """

    def __init__(self, timeout: float = POLICY_TIMEOUT_S) -> None:
        self.timeout = timeout
        self._context = multiprocessing.get_context("spawn")
        self.block: Block | None = None
        self._start()

    def _start(self) -> None:
        self.scene: object = None
        """What decided the environments of the last block: the process still has them."""
        self._state = self._context.RawArray("q", 2)
        self.pipe, there = self._context.Pipe()
        with _unimported_main(), _deaf_to_interrupts():
            self._process = self._context.Process(target=_run, args=(there, self._state), daemon=True)
            self._process.start()
        there.close()
        self._seen = (-1, -1)
        self._since = time.monotonic()

    @property
    def sentinel(self) -> int:
        """Ready, for `multiprocessing.connection.wait`, when the process has died."""
        return self._process.sentinel

    @property
    def steps(self) -> int:
        """Agent steps of the present block so far."""
        return int(self._state[1])

    def submit(self, block: Block) -> None:
        """Hands over a block. The previous one must be done."""
        self.block, self.scene = block, block.scene
        self._state[0], self._state[1] = 0, 0
        self._since = time.monotonic()
        with contextlib.suppress(OSError):  # died: `result` says so
            self.pipe.send(block)

    def play(self, block: Block) -> list[Episode]:
        """Plays one block and waits for it. Raises as `require_alive` and `result` do."""
        self.submit(block)
        while not wait([self.pipe, self.sentinel], timeout=0.2):
            self.require_alive()
        return self.result()

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.is_alive()

    def require_alive(self) -> None:
        """Raises `PolicyError` (and kills the process) if what it does has taken too long."""
        now, seen = time.monotonic(), (int(self._state[0]), int(self._state[1]))
        if seen != self._seen:
            self._seen, self._since = seen, now
        phase = PHASES[seen[0]]
        limit = self.timeout if phase == "policy" else _OTHER_TIMEOUT_S
        if self.block is None or now - self._since <= limit:
            return
        block = self.block
        self.kill()
        what = f"The policy {block.source.name}" if phase != "environment" else "The environment"
        doing = {"policy": "hung", "loading": "hung while it was loaded", "environment": "hung"}[phase]
        raise PolicyError(
            f"{what} {doing} in {block}: no answer for {limit:g} s"
            f"{' (--timeout allows more)' if phase == 'policy' else ''}."
        )

    def result(self) -> list[Episode]:
        """The records of the submitted block, once `pipe` or `sentinel` is ready.

        Raises `EOFError` if the process died, else what `play` raised.
        """
        self.block = None
        try:
            answer = self.pipe.recv()
        except OSError:
            raise EOFError from None
        if isinstance(answer, NaturalMujocoError):
            raise answer
        if isinstance(answer, str):
            raise WorkerError(f"An evaluation process failed.\n{answer}")
        episodes: list[Episode] = answer
        return episodes

    def restart(self) -> None:
        """A new process in place of a dead one."""
        self.kill()
        self._start()

    def exit_code(self) -> int | None:
        """How the process ended."""
        self._process.join(1)
        return self._process.exitcode

    def kill(self) -> None:
        """Ends the process, whatever it is doing."""
        self.block = None
        self._process.kill()
        self._process.join()
        self.pipe.close()


def play_blocks(
    blocks: Sequence[Block],
    workers: int,
    timeout: float = POLICY_TIMEOUT_S,
    progress: Callable[[int], None] = lambda steps: None,
) -> Generator[tuple[Block, list[Episode]], None, None]:
    """Plays `blocks` on `workers` processes and yields each block with its records, in the order they finish.

    `progress` is told the agent steps of the blocks that are being played. Raises `PolicyError` if a
    policy fails or hangs, and `WorkerError` if a process dies three times over the same block.
    """
    waiting = list(blocks)
    deaths: dict[Block, int] = {}
    players: list[PlayerProcess] = []
    try:
        players += [PlayerProcess(timeout) for _ in range(min(workers, len(blocks)))]
        while True:
            for player in players:
                if player.block is None and waiting:
                    player.submit(waiting.pop(_next_for(player, waiting, players)))
            busy = [player for player in players if player.block is not None]
            if not busy:
                return
            ready = set(wait([*(p.pipe for p in busy), *(p.sentinel for p in busy)], timeout=0.2))
            progress(sum(player.steps for player in busy))
            for player in busy:
                block = player.block
                assert block is not None
                if player.pipe in ready or player.sentinel in ready:
                    try:
                        episodes = player.result()
                    except EOFError:
                        deaths[block] = deaths.get(block, 0) + 1
                        if deaths[block] > _DEATHS:
                            raise WorkerError(
                                f"The process that plays {block} died {deaths[block]} times (exit code "
                                f"{player.exit_code()}). The policy may crash it or need more memory than there is."
                            ) from None
                        player.restart()
                        waiting.insert(0, block)
                    else:
                        yield block, episodes
                else:
                    player.require_alive()
    finally:
        for player in players:
            player.kill()


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Ctrl-C waits until the end of the block, and processes started inside never see it: their parent ends them.

    The mask is what they inherit. The handler is needed as well, because the signal may reach another thread of this
    process, and half a start would leave a child with half of its orders.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    resource_tracker.ensure_running()  # starting it later, inside, would lift the mask
    received: list[int] = []
    in_main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, frame: received.append(number)) if in_main else None
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if in_main:
            signal.signal(signal.SIGINT, handler)
    if received and callable(handler):
        handler(signal.SIGINT, None)


def _next_for(player: PlayerProcess, waiting: Sequence[Block], players: Sequence[PlayerProcess]) -> int:
    """The first block for the environments that `player` has, else for ones that no other is busy with, else the first.

    Ten environments take as long to create as thousands of natural steps; the training seeds of an agent share them.
    """
    theirs = {other.scene for other in players if other.block is not None}
    return min(
        range(len(waiting)),
        key=lambda k: (waiting[k].scene != player.scene, waiting[k].scene in theirs, k),
    )


class _SharedWatch(Watch):
    def __init__(self, state: Any) -> None:
        self._state = state

    def enter(self, phase: str) -> None:
        self._state[0] = PHASES.index(phase)

    def step(self, steps: int) -> None:
        self._state[1] += steps


def _run(pipe: Connection, state: Any) -> None:
    """The process' main function: blocks in, records or errors out, until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be inherited
    _follow_parent()
    # One core a process: there are as many processes as cores. Results then do not depend on how many.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    import cv2

    cv2.setNumThreads(1)
    # dm_control's models use words that MuJoCo now discourages; ten processes would say so for every environment.
    logging.getLogger("absl").setLevel(logging.ERROR)
    watch = _SharedWatch(state)
    with Stage() as stage, contextlib.suppress(EOFError, OSError):
        while True:
            block: Block = pipe.recv()
            answer: list[Episode] | NaturalMujocoError | str
            try:
                answer = play(block, stage, watch)
            except NaturalMujocoError as error:
                answer = type(error)(str(error))
            except Exception:
                answer = traceback.format_exc()
            pipe.send(answer)


def _follow_parent() -> None:
    """Ends this process when its parent is gone, even in the middle of a block."""
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
