"""What a run leaves to read: metrics.jsonl, TensorBoard events, Weights & Biases on request, and a progress line.

metrics.jsonl is cut back on resuming to where the checkpoint left it, so that no step is in it twice.
"""

from __future__ import annotations

import io
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter

from natural_mujoco import InvalidArgument


class RunLog:
    """Writes everything under `directory`; numbers are keyed by control steps.

    Args:
        directory: the run's.
        config: flat, for Weights & Biases.
        offsets: length in bytes of each .jsonl file at the checkpoint that is resumed, else empty.
        resumed_at: control steps of that checkpoint.
        wandb: log there too.
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
        for path in directory.glob("*.jsonl"):
            with open(path, "r+b") as f:
                f.truncate(min(offsets.get(path.name, 0), path.stat().st_size))
        self._writer = SummaryWriter(str(directory), purge_step=resumed_at or None)
        self._wandb = _start_wandb(directory, config) if wandb else None
        self._terminal = sys.stderr.isatty()
        self._said = 0.0

    def offsets(self) -> dict[str, int]:
        """Length of each .jsonl file now, for a checkpoint."""
        return {path.name: path.stat().st_size for path in self.directory.glob("*.jsonl")}

    def metrics(self, control_steps: int, values: Mapping[str, float]) -> None:
        """One line of metrics.jsonl and a point of each TensorBoard curve."""
        self.line("metrics", {"control_steps": control_steps, **values})
        for name, value in values.items():
            self._writer.add_scalar(name, value, control_steps)
        if self._wandb is not None:
            self._wandb.log(dict(values), step=control_steps)

    def line(self, name: str, record: Mapping[str, Any]) -> None:
        """Append one record to `name`.jsonl."""
        with open(self.directory / f"{name}.jsonl", "a") as f:
            f.write(json.dumps(record) + "\n")

    def image(self, name: str, control_steps: int, picture: NDArray[np.uint8]) -> None:
        """A picture [height, width, 3] in TensorBoard."""
        self._writer.add_image(name, picture, control_steps, dataformats="HWC")

    def film(self, name: str, control_steps: int, frames: NDArray[np.uint8], fps: float = 25) -> None:
        """A film [frames, height, width, 3] in TensorBoard, as an animated GIF."""
        height, width = frames.shape[1:3]
        picture = Summary.Image(
            height=height, width=width, colorspace=3, encoded_image_string=encode_gif(frames, fps)
        )
        self._writer._get_file_writer().add_summary(  # add_video would want moviepy for the same
            Summary(value=[Summary.Value(tag=name, image=picture)]), control_steps
        )

    def progress(self, text: str, last: bool = False) -> None:
        """How far the run is: one line rewritten in place on a terminal, elsewhere a line every half minute."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K" + text + ("\n" if last else ""))
            sys.stderr.flush()
        elif last or time.monotonic() - self._said > 30:
            print(text, flush=True)
            self._said = time.monotonic()

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
        print(text, flush=True)

    def close(self) -> None:
        self._writer.close()
        if self._wandb is not None:
            self._wandb.finish()


def encode_gif(frames: NDArray[np.uint8], fps: float) -> bytes:
    """An endless GIF of frames [frames, height, width, 3]."""
    buffer = io.BytesIO()
    imageio.imwrite(buffer, frames, extension=".gif", duration=1000 / fps, loop=0)
    return buffer.getvalue()


def _start_wandb(directory: Path, config: Mapping[str, object]) -> Any:
    try:
        import wandb
    except ImportError as error:
        raise InvalidArgument(
            "--wandb needs the package wandb: pip install wandb, or leave the flag out."
        ) from error
    return wandb.init(dir=str(directory), config=dict(config), name=directory.name, resume="allow")


def duration(seconds: float) -> str:
    """Hours and minutes for people."""
    if seconds == float("inf"):
        return "?"
    hours, rest = divmod(int(max(seconds, 0)), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min"
