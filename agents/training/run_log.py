"""The logs of a run: metrics.jsonl, TensorBoard events, Weights & Biases on request, and a progress line.

On resuming, the .jsonl files are truncated to their length at the checkpoint, so that no step is in them twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from natural_mujoco import InvalidArgument

from .event_file import EventFile

LINES = ("metrics", "episodes", "evaluations")


class RunLog:
    """Writes a run's logs under `directory`, by control steps.

    Args:
        directory: the run's directory.
        config: the flattened settings, for Weights & Biases.
        offsets: length in bytes of each .jsonl file at the checkpoint that is resumed; empty for a new run.
        resumed_at: control steps of that checkpoint.
        wandb: whether to log to Weights & Biases too.

    Every method raises OSError if something cannot be written.
    """

    def __init__(
        self,
        directory: Path,
        config: Mapping[str, object],
        offsets: Mapping[str, int],
        resumed_at: int,
        wandb: bool = False,
    ) -> None:
        self.directory = directory
        for path in self._paths():
            if path.exists():
                with open(path, "r+b") as f:
                    f.truncate(min(offsets.get(path.name, 0), path.stat().st_size))
        self._wandb = _start_wandb(directory, config) if wandb else None
        self._events = EventFile(directory, resumed_at)
        self._terminal = sys.stderr.isatty()
        self._said = 0.0

    def _paths(self) -> list[Path]:
        return [self.directory / f"{name}.jsonl" for name in LINES]

    def offsets(self) -> dict[str, int]:
        """Syncs the .jsonl files to disk and returns the length of each in bytes, for a checkpoint."""
        lengths = {}
        for path in self._paths():
            if path.exists():
                with open(path, "rb") as f:
                    os.fsync(f.fileno())
                    lengths[path.name] = os.fstat(f.fileno()).st_size
        return lengths

    def metrics(self, control_steps: int, values: Mapping[str, float]) -> None:
        """Writes one line of metrics.jsonl and a point of each TensorBoard curve."""
        self.line("metrics", {"control_steps": control_steps, **values})
        self._events.scalars(control_steps, values)
        if self._wandb is not None:
            self._wandb.log(dict(values), step=control_steps)

    def line(self, name: str, record: Mapping[str, Any]) -> None:
        """Appends one record to `name`.jsonl."""
        with open(self.directory / f"{name}.jsonl", "a") as f:
            f.write(json.dumps(record) + "\n")

    def image(self, name: str, control_steps: int, picture: NDArray[np.uint8]) -> None:
        """Writes a picture [height, width, 3] to TensorBoard."""
        self._events.picture(name, control_steps, picture)

    def film(self, name: str, control_steps: int, frames: NDArray[np.uint8], fps: float = 25) -> None:
        """Writes a film [frames, height, width, 3] to TensorBoard."""
        self._events.film(name, control_steps, frames, fps)

    def progress(self, text: str, last: bool = False) -> None:
        """Shows progress: one line that is rewritten on a terminal, else a line every half minute."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K" + text + ("\n" if last else ""))
            sys.stderr.flush()
        elif last or time.monotonic() - self._said > 30:
            print(text, flush=True)
            self._said = time.monotonic()

    def say(self, text: str) -> None:
        """Prints a line."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
        print(text, flush=True)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # a full disk has been reported already
            self._events.close()
        if self._wandb is not None:
            self._wandb.finish()


def _start_wandb(directory: Path, config: Mapping[str, object]) -> Any:
    try:
        import wandb
    except ImportError as error:
        raise InvalidArgument(
            "--wandb needs the package wandb: pip install wandb, or leave the flag out."
        ) from error
    return wandb.init(dir=str(directory), config=dict(config), name=directory.name, resume="allow")
