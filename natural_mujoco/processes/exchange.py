"""Commands to child processes and their answers, numbered, so that no answer is ever taken for another's.

- `Exchange`: one command at a time to one child or several.
- `ChildDied`, `ChildHung`: for the caller to put into its own words.
- `Stopwatch`: the time-out's clock.
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
"""How long one look at a child lasts."""


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
    """Seconds in which this process itself ran, looked at every `TICK_S` or so.

    A stopped process group or a suspended laptop makes hours pass between two looks; they count as one.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begins at zero."""
        self.seconds, self._looked = 0.0, time.monotonic()

    def look(self, counting: bool = True) -> float:
        """The seconds so far; those since the last look are added if `counting`."""
        now = time.monotonic()
        if counting:
            self.seconds += min(now - self._looked, 2 * TICK_S)
        self._looked = now
        return self.seconds


class Exchange:
    """Commands to `children`, each answered by all before the next is sent. A child has one exchange all its life.

    A command is sent to all of them or to none. It is committed by one assignment, after everything that can fail; an
    exception after that, at whatever moment, leaves it to be carried out in whole: the next use of the exchange waits
    for it first and drops its answers, which `settle` would have told. Threads must take turns; a signal
    handler must not use it.

    `timeout` is how many seconds a command may take, `None` for as long as it likes. Time that a child spends in
    `off_the_clock` does not count. `waiting` is called with every look at a child that is still busy.
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
        """Of the last command."""
        self._name = ""
        self._repeatable: str | None = None
        self._outstanding = b""
        """The word of a command that has been committed and whose answers have not been handed out."""

    def ask(self, command: str, *arguments: Any) -> list[Any]:
        """Has every child call its method `command(*arguments)`; returns their results.

        Raises the first error any of them raised, else as `send` and `collect` do.
        """
        self.send(command, [arguments] * len(self.children) if arguments else None)
        answers = self.collect()
        for answer in answers:
            if isinstance(answer, Failure):
                raise answer.error from RemoteTraceback(answer.traceback)
        return answers

    def send(self, command: str, arguments: Sequence[tuple[Any, ...]] | None = None) -> None:
        """Sends `command` with each child's own arguments (`None`: without any), and does not wait for the answers.

        Raises `InvalidArgument` if they cannot be pickled (nothing is sent then), `NaturalMujocoError` in a fork.
        """
        self.require_ours()
        self.settle()
        if arguments is None and command == self._repeatable:  # nothing to hand over: the word says it all
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
        """Waits for the answers to what was sent: results, and `Failure`s where the command raised.

        Raises `ChildDied` and `ChildHung`, and `NaturalMujocoError` if a signal handler has sent a command meanwhile.
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
        """Raises `NaturalMujocoError` in a forked copy of the process that made this."""
        if os.getpid() != self._owner:
            raise NaturalMujocoError(
                f"This belongs to process {self._owner}, of which this is a forked copy. Create a new one here."
            )

    def require_last(self, number: int) -> None:
        """Raises `NaturalMujocoError` if a command later than `number` has been sent."""
        if self.number != number:
            raise NaturalMujocoError(IN_USE)

    def settle(self) -> tuple[str, list[Any]] | None:
        """Sees a command through that somebody was interrupted in, if there is one: its name and answers.

        Raises as `collect` does.
        """
        if not self._outstanding:
            return None
        for child in self.children:
            child.announce(self._outstanding)  # it may never have been told, or its answer's word was lost
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
