"""The child's side: carries out commands and answers them until the parent is gone.

- `serve`: the main function of every child.
- `report`: tells the parent how far a long command has come.
- `off_the_clock`: excludes work from the command's time-out that has a limit of its own.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import pickle
import select
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import InvalidArgument, NaturalMujocoError
from .mailbox import CONTENT, FAILURE, NOTHING, WORD, Mailbox, last_word, word
from .signals import follow_parent, leave_signals_to_parent

PREPARED_FRAMES = 3
"""Number of the counter in which a child that waits for a clip reports how many of its frames are prepared."""

_mailbox: Mailbox | None = None
_PLAIN = (str, bytes, int, float, bool, type(None))


@dataclass(frozen=True)
class Failure:
    """What a command raised: the error, in a form that can be sent to the parent, and its traceback in the child."""

    error: Exception
    traceback: str


def report(counter: int, value: int) -> None:
    """Sets a counter (0 to 3) that the parent reads as `mailbox.counters`. Does nothing outside a child process."""
    if _mailbox is not None:
        _mailbox.count(counter, value)


@contextlib.contextmanager
def off_the_clock() -> Iterator[None]:
    """Time spent inside does not count against the command's time-out; the work must have a limit of its own."""
    if _mailbox is None or _mailbox.off_the_clock:
        yield
        return
    _mailbox.off_the_clock = True
    try:
        yield
    finally:
        _mailbox.off_the_clock = False


def serve() -> None:
    """Carries out commands until the parent hangs up or dies, then ends this process."""
    global _mailbox
    leave_signals_to_parent()
    faulthandler.enable()  # a crash in native code prints the Python stack, which `last_words` then shows
    parent, commands, answers, shared = map(int, sys.argv[1:5])
    follow_parent(parent)
    for descriptor in (commands, answers, shared):
        os.set_inheritable(descriptor, False)
    _mailbox = Mailbox(shared)
    server, look_s = _Server(_mailbox), 0.0
    try:
        sys.argv, factory, arguments, look_s = pickle.load(sys.stdin.buffer)
        server.target = factory(*arguments)
    except BaseException as error:
        server.stillborn = describe(error)
    poller = select.poll()
    poller.register(commands, select.POLLIN)
    with contextlib.suppress(BrokenPipeError):
        while True:
            look_until = time.perf_counter() + look_s
            while time.perf_counter() < look_until and not poller.poll(0):
                pass
            data = os.read(commands, WORD)
            if not data:
                break
            os.write(answers, server.answer(*last_word(data)))
    _leave(server.target)


def _leave(target: Any) -> None:
    """Ends the process without waiting for threads that somebody else's code may have left running."""
    try:
        if hasattr(target, "close"):
            target.close()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(0)


class _Server:
    def __init__(self, mailbox: Mailbox) -> None:
        self.target: Any = None
        self.stillborn: Failure | None = None
        self._mailbox = mailbox
        self._command: tuple[str, tuple[Any, ...]] = ("", ())
        self._number, self._word = 0, b""

    def answer(self, number: int, kind: int) -> bytes:
        """Carries out a command and returns the word that announces its answer; if asked again, repeats the word."""
        if number > self._number:
            kind = self._carry_out(kind)
            self._number, self._word = number, word(number, kind)
        return self._word

    def _carry_out(self, kind: int) -> int:
        try:
            if kind == CONTENT:
                try:
                    self._command = pickle.loads(self._mailbox.get())
                except Exception as error:
                    raise InvalidArgument(
                        f"What was sent cannot be unpickled in the other process ({_one_line(error)}). Send plain "
                        "values, or define its class in a module."
                    ) from error
            if self.stillborn is not None:
                self._mailbox.put(pickle.dumps(self.stillborn))
                return FAILURE
            name, arguments = self._command
            result = getattr(self.target, name)(*arguments) if name else None
            if result is None:
                return NOTHING
            try:
                content = pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
            except Exception as error:
                raise InvalidArgument(
                    f"The result is a thing that cannot be pickled, so it cannot leave its process "
                    f"({_one_line(error)}). Ask for a number, an array or the like."
                ) from error
            self._mailbox.put(content)
            return CONTENT
        except BaseException as error:
            self._mailbox.put(pickle.dumps(describe(error)))
            return FAILURE


def describe(error: BaseException) -> Failure:
    """`error` as the parent gets it: this package's and Python's own errors unchanged, others as a text.

    Unpickling an error of any other class could run foreign code in the parent.
    """
    trace = traceback.format_exc()
    kind: type[Any] = type(error)
    with contextlib.suppress(Exception):
        if isinstance(error, NaturalMujocoError) and kind.__module__.startswith("natural_mujoco."):
            return Failure(kind(str(error)), trace)
        plain = all(type(argument) in _PLAIN for argument in error.args)
        if isinstance(error, Exception) and kind.__module__ == "builtins" and plain:
            return Failure(kind(*error.args), trace)
    return Failure(RuntimeError(_one_line(error)), trace)


def _one_line(error: BaseException) -> str:
    return " ".join("".join(traceback.format_exception_only(error)).split())
