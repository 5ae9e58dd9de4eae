"""TensorBoard's event file, written at once and without a thread, so that a full disk is noticed immediately."""

from __future__ import annotations

import io
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter


class EventFile:
    """A new event file in `directory`.

    Args:
        directory: the run's directory.
        resumed_at: control steps from which on earlier event files of the run are ignored.

    Raises OSError from any method.
    """

    def __init__(self, directory: Path, resumed_at: int) -> None:
        name = f"events.out.tfevents.{time.time():.0f}.{platform.node()}.{os.getpid()}"
        self._file = open(directory / name, "ab")  # noqa: SIM115
        self._records = RecordWriter(self._file)
        self._write(Event(file_version="brain.Event:2"))
        if resumed_at:
            self._write(Event(step=resumed_at, session_log=SessionLog(status=SessionLog.START)))
        self._records.flush()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Writes one point of each curve."""
        points = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._write(Event(step=step, summary=Summary(value=points)))
        self._records.flush()

    def picture(self, name: str, step: int, picture: NDArray[np.uint8]) -> None:
        """Writes a picture [height, width, 3]."""
        buffer = io.BytesIO()
        imageio.imwrite(buffer, picture, extension=".png")
        self._image(name, step, picture.shape[0], picture.shape[1], buffer.getvalue())

    def film(self, name: str, step: int, frames: NDArray[np.uint8], fps: float) -> None:
        """Writes a film [frames, height, width, 3] as an animated GIF."""
        self._image(name, step, frames.shape[1], frames.shape[2], encode_gif(frames, fps))

    def close(self) -> None:
        self._file.close()

    def _image(self, name: str, step: int, height: int, width: int, data: bytes) -> None:
        image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data)
        self._write(Event(step=step, summary=Summary(value=[Summary.Value(tag=name, image=image)])))
        self._records.flush()

    def _write(self, event: Event) -> None:
        event.wall_time = time.time()
        self._records.write(event.SerializeToString())


def encode_gif(frames: NDArray[np.uint8], fps: float) -> bytes:
    """An endless GIF of frames [frames, height, width, 3]."""
    buffer = io.BytesIO()
    imageio.imwrite(buffer, frames, extension=".gif", duration=1000 / fps, loop=0)
    return buffer.getvalue()
