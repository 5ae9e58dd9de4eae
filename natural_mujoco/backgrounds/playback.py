"""Chooses the clip for an episode, and the frame for each step.

- `frame_at`: the number of the frame after some steps.
- `Playback`: the video of one environment.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..arguments import whole_number
from ..errors import InvalidArgument, NaturalMujocoError
from ..options import PlaybackMode, Split
from ..processes import off_the_clock
from .library import VideoLibrary


def frame_at(playback: PlaybackMode, start: int, steps: int, frames: int) -> int:
    """The number of the frame shown `steps` agent steps after frame `start`, in a clip of `frames` frames.

    `"loop"` (as in the paper) restarts after the last frame, `"pingpong"` reverses at both ends, and `"still"` always
    shows frame `start`.

    >>> [frame_at("loop", 1, step, 3) for step in range(5)]
    [1, 2, 0, 1, 2]
    >>> [frame_at("pingpong", 1, step, 3) for step in range(5)]
    [1, 2, 1, 0, 1]
    """
    if playback == "still":
        return start
    if playback == "loop":
        return (start + steps) % frames
    position = (start + steps) % (2 * (frames - 1))
    return min(position, 2 * (frames - 1) - position)


class Turn(NamedTuple):
    """The video of an episode: its position among the split's videos, its frames, and the number of the first one."""

    position: int
    clip: npt.NDArray[np.uint8]
    start: int


class Playback:
    """The video behind one environment: call `start` for each episode, then `advance` once for each agent step.

    Frames are views into the clip's memory map; nothing is decoded, copied or allocated during a step. `num_videos`
    limits it to the first training videos, in the order of their ids.

    Raises `InvalidArgument` if `num_videos` exceeds the number of videos, or is given for the test split: tests always
    use all test videos, so that results remain comparable.
    """

    def __init__(
        self,
        library: VideoLibrary,
        split: Split,
        playback: PlaybackMode,
        size: int,
        num_videos: int | None = None,
    ) -> None:
        self.library = library
        self.split = split
        self.playback = playback
        self.size = size
        self.videos = library.ids(split)
        if num_videos is not None:
            self.videos = self.videos[: _count(num_videos, split, library)]
        self.position = 0
        """Index in `videos` of the video shown now."""
        self.number = 0
        """Number of the frame shown now."""
        self._start = 0
        self._steps = 0
        self._clip: npt.NDArray[np.uint8] | None = None

    def start(self, rng: np.random.Generator, video: str | None = None, frame: int | None = None) -> None:
        """Begins an episode on a clip and frame drawn from `rng`, or on those given. Raises as `draw` does."""
        self.begin(self.draw(rng, video, frame))

    def draw(self, rng: np.random.Generator, video: str | None = None, frame: int | None = None) -> Turn:
        """The clip and first frame of a coming episode, drawn from `rng` or as given; the running episode goes on.

        `rng` is used even if `video` and `frame` are given, so that pinning one episode does not change later ones.
        Raises `InvalidArgument` for a video that is not in this split or a frame that it does not have, and
        `VideoSetError` for a clip that cannot be read; `rng` is then left unchanged.
        """
        before = rng.bit_generator.state
        try:
            position, offset = rng.random(2)
            index = int(position * len(self.videos)) if video is None else self._index(video)
            clip = self._clip
            if clip is None or index != self.position:
                with off_the_clock():  # the clip may have to be prepared
                    clip = self.library.frames(self.videos[index], self.size, self._coming(rng))
            if frame is not None and not 0 <= frame < len(clip):
                raise InvalidArgument(
                    f"Video {self.videos[index]!r} has no frame {frame}: it has frames 0 to {len(clip) - 1}."
                )
        except NaturalMujocoError:
            rng.bit_generator.state = before
            raise
        return Turn(index, clip, int(offset * len(clip)) if frame is None else int(frame))

    def begin(self, turn: Turn) -> None:
        """Begins the episode that `draw` returned."""
        self.position, self._clip, self._start = turn
        self._steps = 0
        self.number = self._start

    @property
    def video(self) -> str:
        """Id of the video shown now."""
        return self.videos[self.position]

    def advance(self) -> None:
        """Moves on by one frame."""
        self._steps += 1
        self.number = frame_at(self.playback, self._start, self._steps, len(self._require_clip()))

    def frame(self) -> npt.NDArray[np.uint8]:
        """The frame shown now, `uint8[size, size, 3]`, read-only. Raises `RuntimeError` before `start` or `begin`."""
        image: npt.NDArray[np.uint8] = self._require_clip()[self.number]
        return image

    def _index(self, video: str) -> int:
        if video not in self.videos:
            raise InvalidArgument(
                f"No video {video!r} in the {self.split} split of {self.library.name!r}. It has "
                f"{len(self.videos)}: {', '.join(self.videos[:3])}, …; `env.unwrapped.playback.videos` holds all."
            )
        return self.videos.index(video)

    def _coming(self, rng: np.random.Generator) -> Iterator[str]:
        """The clips that will be needed next: those that `rng` would draw for the coming episodes, then all others."""
        ahead = copy.deepcopy(rng)
        for _ in range(len(self.videos)):
            position, _ = ahead.random(2)
            yield self.videos[int(position * len(self.videos))]
        yield from self.videos

    def _require_clip(self) -> npt.NDArray[np.uint8]:
        if self._clip is None:
            raise RuntimeError("Playback has not started.")
        return self._clip


def _count(num_videos: int, split: Split, library: VideoLibrary) -> int:
    if split != "train":
        raise InvalidArgument(
            f"num_videos={num_videos!r} counts training videos; leave it out with split={split!r}."
        )
    available = len(library.ids(split))
    try:
        return whole_number("num_videos", num_videos, 1, available)
    except InvalidArgument as error:
        raise InvalidArgument(
            f"{str(error).removesuffix('.')}, the training videos of {library.name}."
        ) from None
