"""One child process: started safely from any thread, watched, ended, reaped."""

from __future__ import annotations

import contextlib
import os
import pickle
import select
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Any

from ..errors import InvalidArgument, NaturalMujocoError, WorkerError
from .mailbox import WORD, Mailbox
from .signals import PARENTS_SIGNALS

_BOOT = (
    "import sys; sys.path[:] = eval(sys.stdin.buffer.readline()); "
    "from natural_mujoco.processes.serving import serve; serve()"
)
IN_USE = "A signal handler used this in the middle of another use. Use it from one place at a time."
_LAST_WORDS_BYTES = 4000
_REAP_S = 10.0
"""Seconds to wait for a killed process; one that takes longer is stuck in a driver and is left to the system."""


class ChildProcess:
    """A process that calls `factory(*arguments)` and then, on command, methods of the object that it returned.

    `factory` must be a class or function of an importable module. The process is a new interpreter rather than a fork,
    since neither OpenGL contexts nor decoders survive a fork. What it writes to standard error appears on ours, and the
    last lines are kept for `last_words`; with `quiet`, none of its output appears. It starts in the background, so that
    only its first answer shows that it works.

    Raises `WorkerError` if this machine cannot start another process, `InvalidArgument` if `arguments` do not pickle.
    """

    def __init__(
        self,
        factory: Callable[..., object],
        *arguments: Any,
        name: str = "child process",
        quiet: bool = False,
        environ: Mapping[str, str] | None = None,
        share: Sequence[int] = (),
        look_s: float = 0.0,
    ) -> None:
        """`environ` is added to the child's environment; descriptors in `share` are open there under the same numbers.

        `look_s` is how many seconds the child polls for its next command before it sleeps.
        """
        self.name = name
        self._claimed = False
        try:
            birth = pickle.dumps((sys.argv, factory, arguments, look_s))
        except Exception as error:
            raise InvalidArgument(
                f"An argument cannot be pickled, so it cannot be sent to another process ({type(error).__name__}: "
                f"{error})."
            ) from error
        self._life = _Life()
        # Runs when this object is garbage collected or the interpreter exits; it holds no reference to it.
        self._finalizer = weakref.finalize(self, self._life.end)
        try:
            self._life.start(birth, quiet, dict(os.environ, **(environ or {})), share)
        except OSError as error:
            self.end()
            raise WorkerError(
                f"The {name} cannot be started: {error.strerror}. This machine may have no more memory, processes or "
                "open files to give (`ulimit -a` shows the limits)."
            ) from error
        self.mailbox = self._life.mailbox
        self._poller = select.poll()
        self._poller.register(self._life.answers, select.POLLIN)

    def join_exchange(self) -> None:
        """Called by the `Exchange` that will number its commands. Raises `RuntimeError` if it has one already."""
        if self._claimed:
            raise RuntimeError(
                f"The {self.name} has an exchange, and would mistake another's numbers for its."
            )
        self._claimed = True

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._life.process is not None
        return self._life.process.pid

    def fileno(self) -> int:
        """A descriptor that is readable when an answer has come or the process has died, for `select` and the like."""
        return self._life.answers

    def is_alive(self) -> bool:
        """Whether it runs."""
        process = self._life.process
        return process is not None and process.poll() is None

    def announce(self, word: bytes) -> None:
        """Sends a word. If the process is dead the word is lost, and waiting for the answer reports the death."""
        with contextlib.suppress(OSError):
            os.write(self._life.commands, word)

    def hear(self, milliseconds: float) -> bytes | None:
        """The words that have arrived, waiting up to `milliseconds` for the first.

        `b""` if the process has closed its end, so that none will come; `None` if none came in time. Raises
        `NaturalMujocoError` in a signal handler that has interrupted another call.
        """
        try:
            if not self._poller.poll(milliseconds):
                return None
            return os.read(self._life.answers, 64 * WORD)
        except BlockingIOError:  # a signal handler that sent a command of its own has read the word
            return None
        except RuntimeError:  # this call is made by such a signal handler
            raise NaturalMujocoError(IN_USE) from None

    def ending(self) -> str:
        """How a process that is dead or dying ended: "SIGSEGV", "exit status 1"."""
        process = self._life.process
        assert process is not None
        try:
            status = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            return "it no longer answers"
        if status >= 0:
            return f"exit status {status}"
        try:
            return signal.Signals(-status).name
        except ValueError:
            return f"signal {-status}"

    def last_words(self, lines: int = 20) -> str:
        """The last lines that a dead process wrote on standard error."""
        self._life.drained.wait(1)
        text = bytes(self._life.heard).decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-lines:])

    def release(self) -> None:
        """Asks the process to end after its present command."""
        if self._life.is_ours():
            self._life.hang_up()

    def kill(self) -> None:
        """Kills and reaps the process, from any thread; a thread that waits for its answer is told that it died."""
        if self._life.is_ours() and self._life.process is not None:
            end_process(self._life.process)

    def end(self, patience: float = 0.0) -> None:
        """Asks the process to end, waits `patience` seconds, then kills it; reaps it.

        May be called again. Does nothing in a forked copy of the parent.
        """
        self._life.end(patience)


class _Life:
    """The process itself. A thread starts it, reads its standard error and reaps it.

    The thread blocks signals, so that Ctrl-C cannot interrupt a start half-way, and lives as long as the process, as
    `follow_parent` requires. It refers to this object but not to its `ChildProcess`, which can be garbage collected.
    """

    def __init__(self) -> None:
        self.owner = os.getpid()
        self.process: subprocess.Popen[bytes] | None = None
        self.heard = bytearray()
        self.drained = threading.Event()
        self.commands = self.answers = -1
        self._keeper: threading.Thread | None = None
        self._started = threading.Event()
        self._error: OSError | None = None
        self._ended = False
        self._open: list[int] = []

    def start(self, birth: bytes, quiet: bool, environ: dict[str, str], share: Sequence[int]) -> None:
        """Starts the process. Raises `OSError` if that fails."""
        self.mailbox = Mailbox()
        their_commands, self.commands = self._pipe()
        self.answers, their_answers = self._pipe()
        os.set_blocking(self.answers, False)
        ends = (their_commands, their_answers, self.mailbox.descriptor)
        command = [sys.executable, *_interpreter_flags(), "-c", _BOOT, str(self.owner), *map(str, ends)]
        self._keeper = threading.Thread(
            target=self._keep,
            args=(command, (*ends, *share), birth, quiet, environ),
            name="keeper",
            daemon=True,
        )
        try:
            self._keeper.start()
        except RuntimeError as error:
            self._started.set()
            raise OSError(0, str(error)) from None
        self._started.wait()
        if self._error is not None:
            raise self._error

    def is_ours(self) -> bool:
        """Whether the caller is the process that started it, not a fork of that process."""
        return os.getpid() == self.owner

    def hang_up(self) -> None:
        """Closes the pipe of commands, which tells the process to end."""
        self._close(self.commands)

    def end(self, patience: float = 0.0) -> None:
        """See `ChildProcess.end`."""
        if not self.is_ours():
            return
        self._ended = True
        self.hang_up()
        if self._keeper not in (None, threading.current_thread()):
            self._started.wait(_REAP_S)
        if self.process is not None:
            end_process(self.process, patience)
        while self._open:
            self._close(self._open[-1])
        if hasattr(self, "mailbox"):
            self.mailbox.close()

    def _pipe(self) -> tuple[int, int]:
        ends = os.pipe()
        self._open += ends
        return ends

    def _close(self, descriptor: int) -> None:
        if descriptor in self._open:
            self._open.remove(descriptor)
            os.close(descriptor)

    def _keep(
        self, command: list[str], theirs: tuple[int, ...], birth: bytes, quiet: bool, environ: dict[str, str]
    ) -> None:
        try:
            signal.pthread_sigmask(signal.SIG_BLOCK, PARENTS_SIGNALS)  # inherited by the process
            self.process = process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL if quiet else None,
                stderr=subprocess.PIPE,
                pass_fds=theirs,
                env=environ,
                bufsize=0,
            )
        except OSError as error:
            self._error = error
            self._started.set()
            return
        self._close(theirs[0])
        self._close(theirs[1])
        self._started.set()
        if self._ended:
            end_process(process)
        assert process.stdin is not None
        assert process.stderr is not None
        with contextlib.suppress(OSError), process.stdin as stdin:  # it may be dead already
            _write(stdin, ascii(_search_path()).encode() + b"\n" + birth)
        with process.stderr as stderr:
            while chunk := stderr.read(65536):
                self.heard += chunk
                del self.heard[:-_LAST_WORDS_BYTES]
                if not quiet:
                    with contextlib.suppress(OSError):
                        os.write(2, chunk)
        self.drained.set()
        process.wait()


def end_process(process: subprocess.Popen[bytes], patience: float = 0.0) -> None:
    """Ends and reaps a process: waits `patience` seconds, then kills."""
    if patience > 0:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
    process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_REAP_S)


def _write(file: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _search_path() -> list[str]:
    """Our module search path, the working directory last, so that a `queue.py` there does not hide the library's."""
    path = [entry for entry in sys.path if isinstance(entry, str) and entry]
    return [*path, os.getcwd()] if "" in sys.path else path


def _interpreter_flags() -> list[str]:
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    return flags
