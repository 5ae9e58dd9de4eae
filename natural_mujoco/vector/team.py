"""The worker processes of a vector environment as a unit.

- `Team`: starts all workers, sends them commands, and ends all of them if one fails.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, NoReturn

from gymnasium.vector import AutoresetMode

from ..errors import NaturalMujocoError, WorkerError
from ..processes import (
    ChildDied,
    ChildHung,
    ChildProcess,
    Exchange,
    Failure,
    RemoteTraceback,
    Stopwatch,
)
from ..processes.serving import PREPARED_FRAMES
from .worker import LOOK_S, Worker

_TELL_EVERY_S = 10.0


class Team:
    """One worker for each range of `rows`. `timeout` is how many seconds a command may take, `None` for no limit.

    Raises as `ChildProcess` does.
    """

    def __init__(
        self,
        rows: Sequence[range],
        num_envs: int,
        descriptor: int,
        autoreset: AutoresetMode,
        env_kwargs: dict[str, Any],
        timeout: float | None,
    ) -> None:
        self._rows = rows
        self.children: list[ChildProcess] = []
        """The worker processes; empty once the team has ended."""
        try:
            for own in rows:
                self.children.append(
                    ChildProcess(
                        Worker,
                        own,
                        num_envs,
                        descriptor,
                        autoreset,
                        env_kwargs,
                        name=f"worker of sub-environments {own.start} to {own.stop - 1}",
                        share=(descriptor,),
                        look_s=LOOK_S,
                    )
                )
        except BaseException:
            self.end()
            raise
        self._exchange = Exchange(self.children, timeout, waiting=_Teller())

    def set_timeout(self, timeout: float | None) -> None:
        """Changes the seconds that a command may take."""
        self._exchange.timeout = timeout

    def ask(
        self, command: str, arguments: Sequence[tuple[Any, ...]] | None = None, fatal: bool = True
    ) -> list[Any]:
        """Every worker's result of the command with its own arguments.

        Raises the error that a worker raised. Raises `WorkerError`, and has ended the team, if a worker died or hung,
        or, with `fatal`, if it raised anything but a `NaturalMujocoError`.
        """
        self.settle()
        try:
            self._exchange.send(command, arguments)
            answers = self._exchange.collect()
        except (ChildDied, ChildHung) as fault:
            self._fail_of(fault, command)
        for index, answer in enumerate(answers):
            if isinstance(answer, Failure):
                if fatal and not isinstance(answer.error, NaturalMujocoError):
                    self._fail(index, f"raised during {command}", answer.traceback)
                raise answer.error from RemoteTraceback(answer.traceback)
        return answers

    def settle(self) -> None:
        """Waits until the workers have carried out a command whose caller was interrupted. Raises as `ask` does."""
        try:
            lost = self._exchange.settle()
        except (ChildDied, ChildHung) as fault:
            self._fail_of(fault, "what was interrupted")
        if lost is not None and lost[0] in ("reset", "step"):
            for index, answer in enumerate(lost[1]):
                if isinstance(answer, Failure):  # some rows have moved, others have not
                    self._fail(index, f"raised during {lost[0]}", answer.traceback)

    def require_ours(self) -> None:
        """Raises `NaturalMujocoError` in a forked copy of the process that created this team."""
        self._exchange.require_ours()

    def kill(self) -> None:
        """Kills the workers, from any thread; a thread that waits for them gets `WorkerError`."""
        for child in self.children:
            child.kill()

    @property
    def number(self) -> int:
        """Number of the last command."""
        return self._exchange.number

    def require_last(self, number: int) -> None:
        """Raises `NaturalMujocoError` if a command later than `number` was sent, whose data are in the block then."""
        self._exchange.require_last(number)

    def end(self, patience: float = 0.0) -> None:
        """Ends all workers; kills those that have not ended after `patience` seconds."""
        for child in self.children:
            child.release()
        for child in self.children:
            child.end(patience)
        self.children = []

    def _fail_of(self, fault: ChildDied | ChildHung, command: str) -> NoReturn:
        if isinstance(fault, ChildDied):
            words = f"Its last words:\n{fault.last_words}" if fault.last_words else ""
            self._fail(fault.index, f"died during {command} ({fault.how})", words)
        self._fail(fault.index, f"did not finish {command} within {self._exchange.timeout:g} s")

    def _fail(self, index: int, what: str, trace: str = "") -> NoReturn:
        own = self._rows[index]
        self.kill()
        self.end()
        raise WorkerError(
            f"Worker {index} (sub-environments {own.start} to {own.stop - 1}) {what}. The vector "
            f"environment is closed; create a new one.{chr(10) + trace if trace else ''}"
        )


class _Teller:
    """Says now and then that videos are being prepared, since that can take long."""

    def __init__(self) -> None:
        self._watch = Stopwatch()

    def __call__(self, child: ChildProcess) -> None:
        if not child.mailbox.off_the_clock:
            self._watch.restart()
        elif self._watch.look() >= _TELL_EVERY_S:
            self._watch.restart()
            logging.getLogger("natural_mujoco").warning(
                "Preparing videos for the %s, %d frames of this one so far. This happens once.",
                child.name,
                child.mailbox.counters[PREPARED_FRAMES],
            )
