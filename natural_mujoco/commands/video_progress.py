"""Progress of work on video sets: bars on a terminal, else a plain line now and then.

- `download_display`: shows bytes fetched with rate and time left, clips fetched, clips prepared.
- `counting_display`: shows how many of a number of things are done.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from natural_mujoco.backgrounds.obtain.download import DownloadEvents

PLAIN_EVERY_S = 5.0


@dataclass
class Tally:
    """The counts of a download in progress. `add` may be called from any thread."""

    preparations: int
    clips: int = 0
    bytes: int = 0
    fetched_clips: int = 0
    fetched_bytes: int = 0
    present_bytes: int = 0
    prepared: int = 0
    started: float = field(default_factory=time.monotonic)
    last_byte: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, **amounts: int) -> None:
        with self._lock:
            for name, amount in amounts.items():
                setattr(self, name, getattr(self, name) + amount)
            if "fetched_bytes" in amounts:
                self.last_byte = time.monotonic()

    @property
    def rate(self) -> float:
        """Bytes fetched per second, not counting those that were there before."""
        return self.fetched_bytes / max(self.last_byte - self.started, 1e-3)

    @property
    def amount(self) -> str:
        done = self.fetched_bytes + self.present_bytes
        return f"{done / 1e6:.1f}/{self.bytes / 1e6:.1f} MB at {self.rate / 1e6:.1f} MB/s"

    @property
    def time_left(self) -> str:
        left = self.bytes - self.fetched_bytes - self.present_bytes
        if not self.fetched_bytes or left <= 0:
            return ""
        seconds = int(left / self.rate)
        return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02} left"

    @property
    def line(self) -> str:
        parts = [f"prepared {self.prepared}/{self.preparations}"]
        if self.clips:
            fetched = f"fetched {self.fetched_clips}/{self.clips} clips, {self.amount}"
            parts = [", ".join(filter(None, [fetched, self.time_left])), *parts]
        return "; ".join(parts)


@contextmanager
def download_display(title: str, preparations: int) -> Iterator[DownloadEvents]:
    """The `DownloadEvents` to pass to `download`; shows them on stderr while the context lasts."""
    tally = Tally(preparations)
    console = Console(stderr=True)
    if console.is_terminal:
        console.print(title, highlight=False)
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[told]}"))
        with Progress(*columns, console=console) as progress:
            fetching = progress.add_task("fetch", total=None, visible=False, told="")
            preparing = progress.add_task("prepare", total=preparations, told="")

            def show() -> None:
                done = tally.fetched_bytes + tally.present_bytes
                told = f"{tally.fetched_clips}/{tally.clips} clips, {tally.amount} {tally.time_left}"
                progress.update(
                    fetching, completed=done, total=tally.bytes, visible=tally.clips > 0, told=told
                )
                progress.update(preparing, completed=tally.prepared, told=f"{tally.prepared}/{preparations}")

            yield _events(tally, show, lambda text: console.print(text, highlight=False))
    else:
        printed = time.monotonic()

        def print_now_and_then() -> None:
            nonlocal printed
            if time.monotonic() - printed >= PLAIN_EVERY_S:
                printed = time.monotonic()
                print(tally.line, file=sys.stderr, flush=True)

        print(title, file=sys.stderr, flush=True)
        try:
            yield _events(tally, print_now_and_then, lambda text: print(text, file=sys.stderr, flush=True))
        finally:
            print(tally.line, file=sys.stderr, flush=True)


@contextmanager
def counting_display(title: str, total: int) -> Iterator[Callable[[], None]]:
    """A function to call for each thing that is done; shows the count on stderr while the context lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        print(f"{title}: {total} files", file=sys.stderr, flush=True)
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(title, total=total)
        yield lambda: progress.advance(task)


def _events(tally: Tally, show: Callable[[], None], note: Callable[[str], None]) -> DownloadEvents:
    def add(**amounts: int) -> None:
        tally.add(**amounts)
        show()

    return DownloadEvents(
        planned=lambda clips, size: add(clips=clips, bytes=size),
        fetched=lambda size: add(fetched_bytes=size),
        skipped=lambda size: add(present_bytes=size),
        clip_fetched=lambda clip_id: add(fetched_clips=1),
        clip_prepared=lambda clip_id, size: add(prepared=1),
        note=note,
    )
