"""Contact sheets: the clips are on them, in their colours, under their names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from natural_mujoco.backgrounds import open_videos
from natural_mujoco.errors import InvalidArgument
from natural_mujoco.pictures.clip_sheet import CAPTION, GAP, contact_sheet, moving_sheet, spread


def test_the_sheet_shows_a_frame_of_each_third_of_each_clip(plain_clips: Path, home: Path) -> None:
    library = open_videos(plain_clips)
    size = 24
    sheet = contact_sheet(library, "train", clips=5, size=size)
    for k, clip_id in enumerate(library.ids("train")):
        top = GAP + (k // 2) * (size + CAPTION + GAP)
        left = GAP + (k % 2) * (3 * size + GAP)
        cell = sheet[top : top + size, left : left + 3 * size]
        np.testing.assert_array_equal(cell[:, :size], library.frames(clip_id, size)[0])
        np.testing.assert_array_equal(cell[:, size : 2 * size], library.frames(clip_id, size)[1])
        np.testing.assert_array_equal(cell[:, 2 * size :], library.frames(clip_id, size)[-1])
        caption = sheet[top + size : top + size + CAPTION, left : left + 3 * size]
        assert caption.max() > 100  # something is written there


def test_the_moving_sheet_moves_with_its_clips(home: Path, tmp_path: Path, clips: dict[str, Path]) -> None:
    library = open_videos(next(iter(clips.values())).parent)
    split = "train" if library.manifest.ids("train") else "test"
    frames = moving_sheet(library, split, clips=4, size=16, seconds=2.0, fps=5.0)
    assert len(frames) == 10
    assert len({frame.tobytes() for frame in frames}) == 10


def test_clips_are_spread_over_the_set_and_do_not_fall_into_step_with_its_kinds() -> None:
    ids = tuple(str(k) for k in range(100))
    assert [int(i) // 25 for i in spread(ids, 4)] == [0, 1, 2, 3]
    assert spread(ids, 1000) == ids
    of_32 = [int(i) for i in spread(ids[:32], 12)]
    assert of_32 == sorted(set(of_32))
    assert len({i % 8 for i in of_32}) >= 7  # the embedded set has eight kinds of scene that take turns
    with pytest.raises(InvalidArgument, match="shows nothing"):
        spread(ids, 0)
