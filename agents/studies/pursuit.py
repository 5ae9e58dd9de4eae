"""Does many long pieces of work, several at a time, in processes that can be stopped and resumed.

- `Work`: commands that are run one after the other.
- `pursue`: does all pieces of work until they are done, time is up or Ctrl-C is pressed.
- `frozen_code`: a copy of the files of a commit, so that editing the checkout does not affect runs.
"""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from natural_mujoco import NaturalMujocoError

from ..training.interruption import FOLLOWED

STOPPED = 130  # exit status of a run that saved and stopped because it was asked to


@dataclass(frozen=True)
class Step:
    """A command of a piece of work.

    Of the steps with `alone`, which write to a shared file, only one runs at a time.
    """

    command: Sequence[str]
    alone: bool = False


@dataclass(frozen=True)
class Work:
    """Steps to run one after the other in the folder `code`, with output in `folder`/output.log; then `finish`."""

    name: str
    folder: Path
    code: Path
    steps: Sequence[Step]
    finish: Callable[[], Any] = field(default=lambda: None)


class _Crew:
    """The processes that are running."""

    def __init__(self, nice: int) -> None:
        self.nice, self.stopping = nice, False
        self._running: set[subprocess.Popen[bytes]] = set()
        self._changing, self._alone = threading.Lock(), threading.Lock()

    def do(self, work: Work) -> int:
        """Does a piece of work; returns the exit status of the first step that failed, or 0."""
        for step in work.steps:
            if step.alone:
                with self._alone:
                    status = self._run(work, step)
            else:
                status = self._run(work, step)
            if status:
                return status
        work.finish()
        return 0

    def _run(self, work: Work, step: Step) -> int:
        work.folder.mkdir(parents=True, exist_ok=True)
        with open(work.folder / "output.log", "ab") as output:
            with self._changing:
                if self.stopping:
                    return STOPPED
                process = subprocess.Popen(
                    ["nice", "-n", str(self.nice), *step.command],
                    cwd=work.code,
                    env={
                        **os.environ,
                        "PYTHONPATH": str(work.code),
                        "OMP_NUM_THREADS": "1",
                        FOLLOWED: str(os.getpid()),  # a run saves and ends when we are killed
                    },
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,  # so that Ctrl-C does not reach them; `stop` asks them to end
                )
                self._running.add(process)
            status = process.wait()
            with self._changing:
                self._running.discard(process)
            return STOPPED if self.stopping and status else status

    def stop(self) -> None:
        """Asks all processes to save and end, and starts no more."""
        with self._changing:
            self.stopping = True
            for process in self._running:
                process.send_signal(signal.SIGINT)


def pursue(
    works: Sequence[Work],
    parallel: int,
    tell: Callable[[Work, int], None],
    minutes: float | None = None,
    nice: int = 10,
) -> dict[str, int]:
    """Does `works` in order, `parallel` at a time; calls `tell` with each that ends and its exit status.

    After `minutes`, or on Ctrl-C, running processes are asked to save and end; the same call resumes them.

    Returns:
        The exit status, by name, of each piece of work that was begun; 130 if it was stopped.
    """
    crew, statuses = _Crew(nice), dict[str, int]()
    deadline = time.monotonic() + 60 * minutes if minutes is not None else float("inf")
    with ThreadPoolExecutor(parallel) as pool:
        futures: dict[Future[int], Work] = {pool.submit(crew.do, work): work for work in works}
        waiting = set(futures)
        while waiting:
            try:
                done, waiting = wait(waiting, timeout=1.0, return_when=FIRST_COMPLETED)
                if time.monotonic() > deadline and not crew.stopping:
                    crew.stop()
            except KeyboardInterrupt:
                crew.stop()
                continue
            for future in done:
                status = future.result()
                if not (crew.stopping and status == STOPPED):
                    tell(futures[future], status)
                statuses[futures[future].name] = status
    return statuses


def commit_of(checkout: Path) -> str:
    """The commit of `checkout`. Raises NaturalMujocoError if it is not a git checkout or has uncommitted changes."""
    changed = _git(checkout, "status", "--porcelain", "--untracked-files=no", "--", ".", ":!results")
    if changed:
        raise NaturalMujocoError(
            f"Results are made from committed code, and these files differ from it: "
            f"{', '.join(line[3:] for line in changed.splitlines()[:5])}. Commit them first."
        )
    return _git(checkout, "rev-parse", "HEAD")


def frozen_code(checkout: Path, commit: str, folder: Path) -> Path:
    """A folder under `folder` with the files of `commit`; written only once."""
    place = folder / commit[:12]
    if place.exists():
        return place
    unfinished = folder / f".{commit[:12]}.{os.getpid()}"
    archive = _run_git(checkout, "archive", "--format=tar", commit)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(unfinished, filter="data")
        else:
            tar.extractall(unfinished)
    try:
        unfinished.rename(place)
    except OSError:
        if not place.exists():
            raise
        shutil.rmtree(unfinished)  # another command wrote it meanwhile
    return place


def _git(checkout: Path, *arguments: str) -> str:
    return _run_git(checkout, *arguments).decode().rstrip()


def _run_git(checkout: Path, *arguments: str) -> bytes:
    try:
        return subprocess.run(
            ["git", "-C", str(checkout), *arguments], check=True, capture_output=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise NaturalMujocoError(
            f"git {arguments[0]} failed in {checkout}: results are made from a checkout of the repository."
        ) from error


def python() -> str:
    """The path of the running Python interpreter, for use in steps."""
    return sys.executable
