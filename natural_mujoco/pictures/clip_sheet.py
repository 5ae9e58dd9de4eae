"""Pictures of a video set: a sheet of its clips, still or in motion."""

from __future__ import annotations

import cv2
import numpy as np

from natural_mujoco.backgrounds.clip_file import Frames
from natural_mujoco.backgrounds.library import VideoLibrary
from natural_mujoco.errors import InvalidArgument

GAP = 2
CAPTION = 12
GOLDEN = 0.618034


def contact_sheet(library: VideoLibrary, split: str, clips: int, size: int, columns: int = 6) -> Frames:
    """One picture, `uint8[h, w, 3]`, with three frames of each of up to `clips` clips, one from each third of the clip.

    The clips are spread over the split's sorted ids (see `spread`). Raises as `spread` and `VideoLibrary.frames` do.
    """
    cells = []
    for clip_id in spread(library.ids(split), clips):
        frames = library.frames(clip_id, size)
        strip = np.concatenate([frames[k * len(frames) // 3] for k in range(3)], axis=1)
        cells.append(_captioned(strip, clip_id))
    return _grid(cells, max(1, columns // 3))


def moving_sheet(
    library: VideoLibrary, split: str, clips: int, size: int, seconds: float = 4.0, fps: float = 12.5
) -> list[Frames]:
    """Up to `clips` clips side by side in motion, every second frame of each: a list of `uint8[h, w, 3]`.

    Clips have 25 frames a second, so that 12.5 is their true speed. Raises as `contact_sheet` does.
    """
    played = [(clip_id, library.frames(clip_id, size)) for clip_id in spread(library.ids(split), clips)]
    columns = max(1, round(len(played) ** 0.5))
    return [
        _grid([_captioned(frames[2 * k % len(frames)], clip_id) for clip_id, frames in played], columns)
        for k in range(int(seconds * fps))
    ]


def spread(ids: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Up to `count` of the ids, one from each of `count` equal stretches.

    The position within a stretch moves by the golden ratio, because in sets where kinds of scene alternate, equal
    steps would show the same few kinds again and again. Raises `InvalidArgument` for a count below one.
    """
    if count < 1:
        raise InvalidArgument(f"--clips {count} shows nothing: ask for at least one clip.")
    count = min(count, len(ids))
    return tuple(ids[int((k + k * GOLDEN % 1) * len(ids) / count)] for k in range(count))


def _captioned(cell: Frames, text: str) -> Frames:
    bar = np.zeros((CAPTION, cell.shape[1], 3), np.uint8)
    letters = max(4, cell.shape[1] // 6)
    shown = text if len(text) <= letters else ".." + text[2 - letters :]
    shown = shown.encode("ascii", "replace").decode()
    cv2.putText(bar, shown, (1, CAPTION - 3), cv2.FONT_HERSHEY_PLAIN, 0.7, (230, 230, 230), 1, cv2.LINE_AA)
    return np.concatenate([cell, bar], axis=0)


def _grid(cells: list[Frames], columns: int) -> Frames:
    height, width = cells[0].shape[:2]
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    sheet = np.full((rows * (height + GAP) + GAP, columns * (width + GAP) + GAP, 3), 32, np.uint8)
    for k, cell in enumerate(cells):
        top, left = GAP + (k // columns) * (height + GAP), GAP + (k % columns) * (width + GAP)
        sheet[top : top + height, left : left + width] = cell
    return sheet
