"""Decoding real footage: the same bytes from every decoder, held against ffmpeg, in bounded memory."""

from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.manifest import MAX_FRAMES
from natural_mujoco.backgrounds.obtain import decode
from natural_mujoco.backgrounds.obtain.decode import read_squares
from natural_mujoco.backgrounds.obtain.preparing_process import PreparingProcess
from natural_mujoco.errors import VideoSetError

from .footage import BIKES, CARPHONE, cut_to_frames, decoded_by_ffmpeg, ffmpeg, short_clip
from .sets import environment, run_script, write_manifest


def squares_of(frames: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    height, width = frames.shape[1:3]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    cut = frames[:, top : top + side, left : left + side]
    return np.stack([cv2.resize(frame, (size, size), interpolation=cv2.INTER_AREA) for frame in cut])


def read(source: Path, size: int, **more: object) -> NDArray[np.uint8]:
    return np.concatenate(list(read_squares(source, size, **more)))


@pytest.mark.parametrize("decoder", ["decord", "opencv", None])
@pytest.mark.parametrize(("video", "width", "height"), [(BIKES, 640, 272), (CARPHONE, 176, 144)])
def test_prepared_frames_are_ffmpegs_frames_cut_and_averaged(
    video: Path, width: int, height: int, decoder: decode.Decoder | None
) -> None:
    expected = squares_of(decoded_by_ffmpeg(video, width, height), 64)
    np.testing.assert_array_equal(read(video, 64, decoder=decoder), expected)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("b-frames.mp4", ["-c:v", "libx264", "-bf", 3, "-g", 50]),
        ("full-range.mp4", ["-c:v", "libx264", "-pix_fmt", "yuvj420p"]),
        ("unsubsampled.mp4", ["-c:v", "libx264", "-pix_fmt", "yuv444p", "-vf", "scale=321:241"]),
        ("with-sound.mov", ["-f", "lavfi", "-i", "sine", "-c:v", "libx264", "-c:a", "aac", "-shortest"]),
        ("mpeg4.avi", ["-c:v", "mpeg4", "-q:v", 4]),
        ("hevc.mkv", ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"]),
        ("vp9.webm", ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8]),
    ],
)
def test_decoders_agree_on_every_container_that_is_promised(
    tmp_path: Path, name: str, options: list[object]
) -> None:
    video = tmp_path / name
    inputs = [options.pop(0) for _ in range(4)] if options[0] == "-f" else []
    scale = [] if "-vf" in options else ["-vf", "scale=320:240"]
    ffmpeg("-i", BIKES, *inputs, "-t", 0.8, *scale, *options, video)
    by_decord, by_opencv = read(video, 48, decoder="decord"), read(video, 48, decoder="opencv")
    assert len(by_decord) == 20
    np.testing.assert_array_equal(by_decord, by_opencv)


def test_a_portrait_and_a_tiny_video_are_cut_from_their_middle(tmp_path: Path) -> None:
    short_clip(tmp_path / "tall.mp4", size="96x160", frames=3)
    full = decoded_by_ffmpeg(tmp_path / "tall.mp4", 96, 160)
    np.testing.assert_array_equal(read(tmp_path / "tall.mp4", 32), squares_of(full, 32))
    short_clip(tmp_path / "tiny.mp4", size="16x16", frames=3)
    assert read(tmp_path / "tiny.mp4", 64).shape == (3, 64, 64, 3)


def test_frames_beyond_the_first_thousand_are_left_out(tmp_path: Path) -> None:
    long = tmp_path / "long.mp4"
    ffmpeg("-stream_loop", 4, "-i", BIKES, "-vf", "scale=64:48", "-frames:v", 1010, "-c:v", "libx264",
           "-preset", "ultrafast", long)  # fmt: skip
    assert len(decoded_by_ffmpeg(long, 64, 48)) == 1010
    for decoder in ("decord", "opencv"):
        assert len(read(long, 16, decoder=decoder)) == MAX_FRAMES == 1000


def test_a_folder_of_frames_is_read_in_order_of_names(tmp_path: Path) -> None:
    folder = cut_to_frames(BIKES, tmp_path / "frames", count=12)
    (folder / ".hidden.jpg").write_bytes(b"not an image")
    (folder / "notes.txt").write_text("not a frame")
    frames = [cv2.cvtColor(cv2.imread(str(folder / f"{k:06}.JPEG")), cv2.COLOR_BGR2RGB) for k in range(12)]
    np.testing.assert_array_equal(read(folder, 64), squares_of(np.stack(frames), 64))


@pytest.mark.parametrize("claimed", [0, 1, 7, 10**8])
def test_a_header_that_lies_about_its_frame_count_is_not_believed(tmp_path: Path, claimed: int) -> None:
    video = tmp_path / "lying.avi"
    ffmpeg("-i", BIKES, "-frames:v", 30, "-vf", "scale=160:120", "-c:v", "mpeg4", video)
    data = bytearray(video.read_bytes())
    main, stream = data.index(b"avih"), data.index(b"strh")
    for where in (main + 8 + 16, stream + 8 + 32):  # dwTotalFrames and dwLength
        assert struct.unpack_from("<I", data, where)[0] == 30
        struct.pack_into("<I", data, where, claimed)
    video.write_bytes(data)
    for decoder in ("decord", "opencv", None):
        assert len(read(video, 16, decoder=decoder)) == 30


def test_whichever_decoder_is_missing_the_frames_stay_the_same(
    clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_decord = read(clips["clip-0"], 64)
    monkeypatch.setitem(sys.modules, "decord", None)
    monkeypatch.setattr(decode, "find_spec", lambda name: None)
    np.testing.assert_array_equal(read(clips["clip-0"], 64), with_decord)


@pytest.mark.parametrize(
    ("scale", "frames"),
    [
        ("1920:1080", 130),  # 0.8 GB; an open decord reader would hold most of them at once
        ("640:272", 285),  # nearly as many bytes as decord is given, all of which it may hold
    ],
)
def test_memory_stays_bounded_however_large_the_clip(
    tmp_path: Path, home: Path, scale: str, frames: int
) -> None:
    video = tmp_path / "large.mp4"
    ffmpeg("-stream_loop", 1, "-i", BIKES, "-frames:v", frames, "-vf", f"scale={scale}", "-c:v", "libx264",
           "-preset", "ultrafast", video)  # fmt: skip
    manifest = write_manifest(tmp_path / "m.json", ["large.mp4"], {"kind": "folder", "path": "."})
    code = """
import resource, sys
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.preparation import prepare
prepare(open_videos(sys.argv[1]), ["large.mp4"], 256)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""
    done = run_script(code, manifest, env=environment(home))
    assert done.returncode == 0, done.stderr
    assert 60 < float(done.stdout) < 600  # MB of the process that decoded
    assert len(open_videos(manifest).frames("large.mp4", 256)) == frames


def test_a_clip_whose_decoder_must_hold_too_much_is_refused_and_the_next_is_prepared(
    tmp_path: Path, home: Path
) -> None:
    ffmpeg("-i", BIKES, "-frames:v", 24, "-vf", "scale=4096:2304", "-c:v", "libx264", "-pix_fmt", "yuv444p",
           "-preset", "ultrafast", "-refs", 16, tmp_path / "a.mp4")  # fmt: skip
    short_clip(tmp_path / "b.mp4")
    manifest = write_manifest(tmp_path / "m.json", ["a.mp4", "b.mp4"], {"kind": "folder", "path": "."})
    code = """
import resource, sys
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.preparation import prepare
from natural_mujoco.errors import VideoSetError
try:
    prepare(open_videos(sys.argv[1]), ["a.mp4", "b.mp4"], 64, workers=1)
except VideoSetError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)
"""
    done = run_script(code, manifest, env=environment(home))
    assert done.returncode == 0, done.stderr
    told, peak = done.stdout.splitlines()
    assert told.startswith("Decoding a.mp4 takes more than 600 MB")
    assert float(peak) < 600
    library = open_videos(manifest)
    assert (library.is_prepared("a.mp4", 64), library.is_prepared("b.mp4", 64)) == (False, True)


def test_frames_larger_than_4k_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    video = tmp_path / "vast.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=gray:s=4320x4320", "-frames:v", 2, "-c:v", "mpeg4", video)
    with pytest.raises(VideoSetError, match=r"vast\.mp4 have 4320×4320 pixels\. Scale it down"):
        read(video, 64)
    folder = tmp_path / "vast"
    folder.mkdir()
    header = b"IHDR" + struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)  # 7.5 GB of pixels
    bomb = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (folder / "0.png").write_bytes(bomb + bytes(1000))
    with PreparingProcess() as process, pytest.raises(VideoSetError, match=r"0\.png as an image of at most"):
        process.count_first_frames(folder)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x00" * 5000, b"RIFF\x10\x00\x00\x00AVI LIST"])
def test_a_file_that_is_no_video_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "wrong.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoSetError, match=r"Cannot decode .*wrong\.mp4: it is no video, or damaged"):
        read(path, 64)


def test_a_broken_frame_in_a_folder_is_named(tmp_path: Path) -> None:
    folder = cut_to_frames(BIKES, tmp_path / "frames", count=3)
    (folder / "000001.JPEG").write_bytes(b"\xff\xd8 nothing")
    with pytest.raises(VideoSetError, match=r"000001\.JPEG"):
        read(folder, 64)
