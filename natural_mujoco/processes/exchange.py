"""Commands to child processes and their answers, numbered, so that no answer is taken for that of another command.

- `Exchange`: sends one command at a time to one child or several.
- `ChildDied`, `ChildHung`: raised for the caller to catch and put into its own words.
- `Stopwatch`: the clock of time-outs.
"""

from __future__ import annotations

import os
import pickle
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import InvalidArgument, NaturalMujocoError
from .child import IN_USE, ChildProcess
from .mailbox import CONTENT, FAILURE, NOTHING, last_word, word
from .serving import Failure

TICK_S = 0.2
"""Seconds between two looks at a child that is busy."""


class ChildDied(Exception):
    """A child ended. `index`: which; `how`: its signal or status; `last_words`: the end of its standard error."""

    def __init__(self, index: int, child: ChildProcess) -> None:
        self.index, self.how, self.last_words = index, child.ending(), child.last_words()
        super().__init__(f"{child.name} ended: {self.how}")


class ChildHung(Exception):
    """A child did not answer in time. `index`: which."""

    def __init__(self, index: int, child: ChildProcess) -> None:
        self.index = index
        super().__init__(f"{child.name} does not answer")


class Stopwatch:
    """Counts seconds in which this process itself ran; `look` must be called about every `TICK_S` seconds.

    If the process group is stopped or the laptop suspended, hours can pass between two looks; such a gap counts as
    2 · `TICK_S` at most.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Sets the clock to zero."""
        self.seconds, self._looked = 0.0, time.monotonic()

    def look(self, counting: bool = True) -> float:
        """The seconds so far; those since the last look are added if `counting`."""
        now = time.monotonic()
        if counting:
            self.seconds += min(now - self._looked, 2 * TICK_S)
        self._looked = now
        return self.seconds


class Exchange:
    """Sends commands to `children`; all of them answer one before the next is sent. A child belongs to one exchange.

    A command goes to all children or to none. Everything that can fail happens before a single assignment commits the
    command. If an exception such as Ctrl-C comes after that, the command is still carried out by all; the next use of
    the exchange first waits for it and drops its answers, unless `settle` is called to get them. Threads must take
    turns, and signal handlers must not use an exchange.

    `timeout` is how many seconds a command may take, `None` for no limit. Time that a child spends in `off_the_clock`
    does not count. `waiting` is called at every look at a child that is still busy.
    """

    def __init__(
        self,
        children: Sequence[ChildProcess],
        timeout: float | None = None,
        waiting: Callable[[ChildProcess], None] = lambda child: None,
    ) -> None:
        self.children = list(children)
        for child in self.children:
            child.join_exchange()
        self.timeout = timeout
        self._waiting = waiting
        self._owner = os.getpid()
        self.number = 0
        """Number of the last command."""
        self._name = ""
        self._repeatable: str | None = None
        self._outstanding = b""
        """The word of a command that was committed and whose answers have not been returned yet; else empty."""

    def ask(self, command: str, *arguments: Any) -> list[Any]:
        """Has every child call its method `command(*arguments)`; returns their results, one for each child.

        Raises the first error that a child raised, and otherwise as `send` and `collect` do.
        """
        self.send(command, [arguments] * len(self.children) if arguments else None)
        answers = self.collect()
        for answer in answers:
            if isinstance(answer, Failure):
                raise answer.error from RemoteTraceback(answer.traceback)
        return answers

    def send(self, command: str, arguments: Sequence[tuple[Any, ...]] | None = None) -> None:
        """Sends `command` with each child's own arguments (`None`: without any) and does not wait for the answers.

        Raises `InvalidArgument` if the arguments cannot be pickled; nothing is sent then. Raises `NaturalMujocoError`
        in a forked process, and as `settle` does.
        """
        self.require_ours()
        self.settle()
        if arguments is None and command == self._repeatable:  # the word alone repeats it
            kind = NOTHING
        else:
            kind = CONTENT
            contents = self._pickled(command, arguments or [()] * len(self.children))
            self._repeatable = None
            for child, content in zip(self.children, contents, strict=True):
                child.mailbox.put(content)
        self._name = command
        self.number += 1
        announcement = word(self.number, kind)
        self._outstanding = announcement
        for child in self.children:
            child.announce(announcement)
        if arguments is None:
            self._repeatable = command

    def collect(self) -> list[Any]:
        """Waits for the children's answers to the last command: results, or a `Failure` where the command raised.

        Raises `ChildDied` or `ChildHung`, and `NaturalMujocoError` if a signal handler has sent a command meanwhile.
        """
        watch, number = Stopwatch(), self.number
        kinds = [self._await(index, watch, number) for index in range(len(self.children))]
        answers = [
            None if kind == NOTHING else self._opened(child, kind)
            for child, kind in zip(self.children, kinds, strict=True)
        ]
        self.require_last(number)
        self._outstanding = b""
        return answers

    def require_ours(self) -> None:
        """Raises `NaturalMujocoError` in a forked copy of the process that created this exchange."""
        if os.getpid() != self._owner:
            raise NaturalMujocoError(
                f"This belongs to process {self._owner}, of which this is a forked copy. Create a new one here."
            )

    def require_last(self, number: int) -> None:
        """Raises `NaturalMujocoError` if a command later than `number` has been sent."""
        if self.number != number:
            raise NaturalMujocoError(IN_USE)

    def settle(self) -> tuple[str, list[Any]] | None:
        """Waits for a command whose caller was interrupted, if there is one, and returns its name and answers.

        Returns `None` if there is none. Raises as `collect` does.
        """
        if not self._outstanding:
            return None
        for child in self.children:
            child.announce(self._outstanding)  # this word, or that of the answer, may have been lost
        return self._name, self.collect()

    def _await(self, index: int, watch: Stopwatch, number: int) -> int:
        child = self.children[index]
        tick = TICK_S if self.timeout is None else min(TICK_S, self.timeout)
        while True:
            data = child.hear(1000 * tick)
            if data:
                heard, kind = last_word(data)
                if heard == number:
                    return kind
                self.require_last(number)
            elif data == b"" or not child.is_alive():
                raise ChildDied(index, child)
            else:
                self.require_last(number)
                self._waiting(child)
                seconds = watch.look(counting=not child.mailbox.off_the_clock)
                if self.timeout is not None and seconds >= self.timeout:
                    raise ChildHung(index, child)

    @staticmethod
    def _pickled(command: str, arguments: Sequence[tuple[Any, ...]]) -> list[bytes]:
        try:
            return [pickle.dumps((command, own), pickle.HIGHEST_PROTOCOL) for own in arguments]
        except Exception as error:
            raise InvalidArgument(
                f"An argument of {command} cannot be pickled, so it cannot be sent to another process "
                f"({type(error).__name__}: {error})."
            ) from error

    @staticmethod
    def _opened(child: ChildProcess, kind: int) -> Any:
        content = child.mailbox.get()
        try:
            return pickle.loads(content)
        except Exception as error:
            if kind == FAILURE:
                raise
            problem = InvalidArgument(
                f"The result cannot be unpickled here ({type(error).__name__}: {error}). Ask for a number, an array "
                "or the like."
            )
            return Failure(problem, "")


class RemoteTraceback(Exception):
    """The traceback of an error in a child, shown as its cause."""

    def __str__(self) -> str:
        return "\n" + str(self.args[0])
