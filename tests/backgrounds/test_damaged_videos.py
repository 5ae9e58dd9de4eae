"""Cut and bit-flipped videos: frames or one clear error, never a crash, never half a clip."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natural_mujoco.backgrounds import VideoLibrary, open_videos
from natural_mujoco.backgrounds.cache import Cache
from natural_mujoco.backgrounds.manifest import FolderSource, Manifest, Video
from natural_mujoco.backgrounds.obtain.preparing_process import PreparingProcess
from natural_mujoco.errors import VideoSetError

from .footage import short_clip
from .sets import files_under

FRAMES = 24


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A small video with its index at the end."""
    return short_clip(
        tmp_path_factory.mktemp("sound") / "sound.mp4", size="96x64", frames=FRAMES
    ).read_bytes()


@pytest.fixture(scope="module")
def process() -> Iterator[PreparingProcess]:
    """One decoding process for all examples; it starts anew whenever one of them takes it down."""
    with PreparingProcess() as process:
        yield process


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    cut=st.none() | st.integers(0, 2**16),
    flips=st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), max_size=12),
    index=st.booleans(),
    big=st.booleans(),
)
def test_a_damaged_video_gives_whole_clips_or_one_error(
    sound: bytes,
    process: PreparingProcess,
    tmp_path_factory: pytest.TempPathFactory,
    cut: int | None,
    flips: list[tuple[int, int]],
    index: bool,
    big: bool,
) -> None:
    data = bytearray(sound)
    start = data.index(b"moov") if index else 0
    for position, mask in flips:
        data[start + position % (len(data) - start)] ^= mask
    folder = tmp_path_factory.mktemp("damaged")
    (folder / "a.mp4").write_bytes(data[: cut % len(data) if cut is not None else None])
    manifest = Manifest(
        name="damaged",
        collection="damaged",
        source=FolderSource(path=str(folder)),
        videos=(Video(id="a.mp4", split="train"),),
    )
    home = folder / "home"
    library = VideoLibrary(manifest, Cache(home))
    size = 40 if big else 8
    try:
        process.prepare(library, "a.mp4", size)
        frames = library.frames("a.mp4", size)
    except VideoSetError as error:
        told = str(error)
        clips = home / "clips"
        assert "a.mp4" in told or "frame" in told
        assert "\n" not in told
        assert not clips.exists() or not files_under(clips)
    else:
        assert 2 <= len(frames) <= 1000
        assert frames.shape[1:] == (size, size, 3)
    finally:
        assert {name.split("/")[0] for name in files_under(folder)} <= {"home", "a.mp4"}
        shutil.rmtree(folder)


def test_a_decoder_that_dies_is_reported_and_the_next_clip_is_prepared(
    home: Path, tmp_path: Path, clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What a crash in native code looks like from outside: the process is gone in the middle of its job.
    folder = tmp_path / "videos"
    folder.mkdir()
    shutil.copy(clips["clip-0"], folder / "a.mp4")
    library = open_videos(folder)
    lethal = tmp_path / "lethal"
    lethal.mkdir()
    (lethal / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "def die(event, arguments):\n"
        "    if event == 'open' and str(arguments[0]).endswith('a.mp4'):\n"
        "        os.kill(os.getpid(), signal.SIGSEGV)\n"
        "sys.addaudithook(die)\n"
    )
    with PreparingProcess() as process:
        with monkeypatch.context() as patched:
            patched.setenv("PYTHONPATH", str(lethal))
            with pytest.raises(VideoSetError, match=r"The decoder ended \(SIGSEGV\) on a\.mp4 of videos"):
                process.prepare(library, "a.mp4", 16)
        process.prepare(library, "a.mp4", 16)
    assert library.is_prepared("a.mp4", 16)
