"""Plays blocks in separate processes, which are watched from outside.

- `PlayerProcess`: one process; gets blocks, and is noticed if it dies or its policy hangs.
- `play_blocks`: plays many blocks on several processes and yields results as they finish.

A policy is untrusted code: it may loop for ever, hold the interpreter or crash it. It therefore runs in a separate
process, which counts its steps where this process can see them. This tells a slow policy from a hung one.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import wait

from ..errors import NaturalMujocoError, PolicyError, WorkerError
from ..processes import ChildDied, ChildProcess, Exchange, Failure, Stopwatch, report
from .records import Episode
from .rollout import Block, Stage, Watch, play

PHASES = ("environment", "loading", "policy")
_PHASE, _STEPS = 0, 1
"""Counters of a player."""

TICK_S = 0.2
"""Seconds between two looks at a player."""

POLICY_TIMEOUT_S = 120.0
_OTHER_TIMEOUT_S = 600.0
_DEATHS = 2
"""How often a block is given to another process after a process died while playing it."""


class PlayerProcess:
    """A process that plays one block at a time.

    `timeout` is how many seconds one call of the policy may take; loading it and the environments' own work may take
    ten minutes. Only time in which this process itself ran counts.
    """

    def __init__(self, timeout: float = POLICY_TIMEOUT_S) -> None:
        self.timeout = timeout
        self.block: Block | None = None
        self._start()

    def _start(self) -> None:
        self.scene: object = None
        """The scene of the last block, whose environments the process still has."""
        self._child = ChildProcess(_Player, name="evaluation process")
        self._exchange = Exchange([self._child])
        self._watch = Stopwatch()
        self._seen: tuple[int, ...] = ()

    def fileno(self) -> int:
        """A descriptor that is readable when the block is done or the process has died."""
        return self._child.fileno()

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._child.pid

    @property
    def steps(self) -> int:
        """Agent steps of the present block so far."""
        return self._child.mailbox.counters[_STEPS]

    def submit(self, block: Block) -> None:
        """Gives the process a block to play. The previous one must be done."""
        self.block, self.scene = block, block.scene
        self._child.mailbox.count(_PHASE, 0)
        self._child.mailbox.count(_STEPS, 0)
        self._watch.restart()
        self._exchange.send("play", [(block,)])

    def play(self, block: Block) -> list[Episode]:
        """Plays one block and waits for it. Raises as `require_alive` and `result` do."""
        self.submit(block)
        while not self.is_ready():
            self.require_alive()
        return self.result()

    def is_ready(self) -> bool:
        """Whether `result` can be called; waits a moment."""
        return bool(wait([self.fileno()], timeout=TICK_S)) or not self.is_alive()

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._child.is_alive()

    def require_alive(self) -> None:
        """Raises `PolicyError`, and kills the process, if its present call has taken too long. Call it often."""
        counters = self._child.mailbox.counters
        if counters != self._seen:
            self._seen = counters
            self._watch.restart()
        phase = PHASES[counters[_PHASE]]
        limit = self.timeout if phase == "policy" else _OTHER_TIMEOUT_S
        seconds = self._watch.look(counting=not self._child.mailbox.off_the_clock)
        if self.block is None or seconds <= limit:
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
        """The records of the submitted block, once `is_ready`.

        Raises `ChildDied` if the process died, else the error that `play` raised.
        """
        self.block = None
        [answer] = self._exchange.collect()
        if not isinstance(answer, Failure):
            episodes: list[Episode] = answer
            return episodes
        if isinstance(answer.error, NaturalMujocoError):
            raise answer.error
        raise WorkerError(f"An evaluation process failed.\n{answer.traceback}")

    def restart(self) -> None:
        """Starts a new process in place of a dead one."""
        self.kill()
        self._start()

    def kill(self) -> None:
        """Ends the process, even during a block."""
        self.block = None
        self._child.end()


def death_message(block: Block, death: ChildDied, times: int = 1) -> str:
    """The error message for a process that died while playing `block`."""
    often = f" {times} times" if times > 1 else ""
    words = f"\n{death.last_words}" if death.last_words else ""
    return (
        f"The process that plays {block} died{often} ({death.how}). The policy may crash it or need more memory "
        f"than there is.{words}"
    )


def play_blocks(
    blocks: Sequence[Block],
    workers: int,
    timeout: float = POLICY_TIMEOUT_S,
    progress: Callable[[int], None] = lambda steps: None,
) -> Generator[tuple[Block, list[Episode]], None, None]:
    """Plays `blocks` on `workers` processes and yields each block with its records, in the order they finish.

    `progress` is called with the number of agent steps in the blocks that are being played. Raises `PolicyError` if a
    policy fails or hangs, and `WorkerError` if processes die three times while playing the same block.
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
            ready = wait([player.fileno() for player in busy], timeout=TICK_S)
            progress(sum(player.steps for player in busy))
            for player in busy:
                block = player.block
                assert block is not None
                if player.fileno() in ready or not player.is_alive():
                    try:
                        episodes = player.result()
                    except ChildDied as death:
                        deaths[block] = deaths.get(block, 0) + 1
                        if deaths[block] > _DEATHS:
                            raise WorkerError(death_message(block, death, deaths[block])) from None
                        player.restart()
                        waiting.insert(0, block)
                    else:
                        yield block, episodes
                else:
                    player.require_alive()
    finally:
        for player in players:
            player.kill()


def _next_for(player: PlayerProcess, waiting: Sequence[Block], players: Sequence[PlayerProcess]) -> int:
    """The index of the next block for `player`: one for the environments it has, else one for environments that no
    other player is using, else the first.

    Ten environments take as long to create as thousands of natural steps; training seeds of an agent can share them.
    """
    theirs = {other.scene for other in players if other.block is not None}
    return min(
        range(len(waiting)),
        key=lambda k: (waiting[k].scene != player.scene, waiting[k].scene in theirs, k),
    )


class _Player(Watch):
    """The child's side. Its counters tell the phase and the steps."""

    def __init__(self) -> None:
        # One core per process, as there are as many processes as cores. Results then do not depend on their number.
        os.environ.setdefault("OMP_NUM_THREADS", "1")
        import cv2

        cv2.setNumThreads(1)
        # dm_control's models use deprecated keywords, about which MuJoCo would warn for every environment.
        logging.getLogger("absl").setLevel(logging.ERROR)
        self._stage = Stage()
        self._steps = 0

    def play(self, block: Block) -> list[Episode]:
        self._steps = 0
        return play(block, self._stage, self)

    def enter(self, phase: str) -> None:
        report(_PHASE, PHASES.index(phase))

    def step(self, steps: int) -> None:
        self._steps += steps
        report(_STEPS, self._steps)

    def close(self) -> None:
        self._stage.close()
