"""Decoding real footage: the frames that ffmpeg shows, of every promised kind of video, in bounded memory."""

from __future__ import annotations

import errno
import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from natural_mujoco.backgrounds import frames_sha256, open_videos
from natural_mujoco.backgrounds.manifest import MAX_FRAMES
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


def read(source: Path, size: int) -> NDArray[np.uint8]:
    return np.concatenate(list(read_squares(source, size)))


def shown_by_ffmpeg(video: Path) -> NDArray[np.uint8]:
    """All frames as ffmpeg itself shows them, turned upright and without those outside an edit list."""
    pictures = ffmpeg(
        "-i", video, "-fps_mode", "passthrough", "-f", "image2pipe", "-c:v", "ppm", "-pix_fmt", "rgb24", "-"
    )
    frames = []
    while pictures:
        width, height = map(int, pictures.split(b"\n", 2)[1].split())
        start = len(b"P6\n%d %d\n255\n" % (width, height))
        stop = start + width * height * 3
        frames.append(np.frombuffer(pictures[start:stop], np.uint8).reshape(height, width, 3))
        pictures = pictures[stop:]
    return np.stack(frames)


@pytest.mark.parametrize(("video", "width", "height"), [(BIKES, 640, 272), (CARPHONE, 176, 144)])
def test_prepared_frames_are_ffmpegs_frames_cut_and_averaged(video: Path, width: int, height: int) -> None:
    np.testing.assert_array_equal(read(video, 64), squares_of(decoded_by_ffmpeg(video, width, height), 64))


def test_the_frames_are_those_of_every_version_before() -> None:
    # Users' lock files hold such hashes: decord's and OpenCV's frames, when those two read the videos.
    assert [frames_sha256(read(video, 64))[:16] for video in (BIKES, CARPHONE)] == [
        "68128813e5548d30",
        "dc1a8b9d694726ab",
    ]


H264 = ["-c:v", "libx264", "-preset", "ultrafast"]
INTERLACED = ["-vf", "scale=720:576,tinterlace=interleave_top,fieldorder=tff", "-flags", "+ildct+ilme"]
SOUND = ["-f", "lavfi", "-i", "sine", "-c:a", "aac", "-shortest"]
HEVC = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none"]
VP9 = ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", 8]


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("b-frames.mp4", ["-c:v", "libx264", "-bf", 3, "-g", 50]),
        ("full-range.mp4", [*H264, "-pix_fmt", "yuvj420p"]),
        ("bt709.mp4", [*H264, "-vf", "scale=320:240:out_color_matrix=bt709", "-colorspace", "bt709"]),
        ("unsubsampled.mp4", [*H264, "-pix_fmt", "yuv444p", "-vf", "scale=321:241"]),
        ("ten-bit.mkv", [*H264, "-pix_fmt", "yuv420p10le"]),
        ("ten-bit.mp4", [*HEVC, "-pix_fmt", "yuv420p10le"]),
        ("with-sound.mov", [*SOUND, *H264]),
        ("mpeg4.avi", ["-c:v", "mpeg4", "-q:v", 4]),
        ("hevc.mkv", HEVC),
        ("vp9.webm", VP9),
        ("vp9-alpha.webm", [*VP9, "-pix_fmt", "yuva420p"]),
        ("av1.mp4", ["-c:v", "libsvtav1", "-preset", 12, "-svtav1-params", "lp=1"]),
        ("interlaced-h264.mp4", [*INTERLACED, *H264]),
        ("interlaced-mpeg2.mkv", [*INTERLACED, "-c:v", "mpeg2video", "-q:v", 4]),
        ("interlaced-mpeg4.avi", [*INTERLACED, "-c:v", "mpeg4", "-q:v", 4]),
        ("interlaced-dv.avi", [*INTERLACED, "-c:v", "dvvideo", "-pix_fmt", "yuv420p"]),
        ("interlaced-hd.mov", ["-vf", "scale=1920:1080,tinterlace=interleave_top,fieldorder=tff", *H264]),
    ],
)
def test_every_promised_container_gives_ffmpegs_frames(
    tmp_path: Path, name: str, options: list[object]
) -> None:
    inputs, options = (options[:4], options[4:]) if options[0] == "-f" else ([], options)
    scale = [] if "-vf" in options else ["-vf", "scale=320:240"]
    ffmpeg("-i", BIKES, *inputs, "-t", 0.8, *scale, *options, tmp_path / name)
    found = read(tmp_path / name, 48)
    assert len(found) == (10 if "interlaced" in name else 20)
    np.testing.assert_array_equal(found, squares_of(shown_by_ffmpeg(tmp_path / name), 48))


def test_a_clip_that_was_trimmed_without_encoding_it_anew_shows_what_is_left(tmp_path: Path) -> None:
    # Its first frames lie before an edit list's beginning: decoders need them and players do not show them.
    ffmpeg(
        "-i", BIKES, "-frames:v", 50, "-vf", "scale=160:120", "-c:v", "libx264", "-g", 50, tmp_path / "a.mov"
    )
    for name in ("trimmed.mp4", "trimmed.mov"):
        ffmpeg("-ss", 0.8, "-i", tmp_path / "a.mov", "-c", "copy", tmp_path / name)
        np.testing.assert_array_equal(read(tmp_path / name, 32), read(tmp_path / "a.mov", 32)[20:])


@pytest.mark.parametrize(
    "display",
    [["-display_rotation", turn] for turn in (90, 180, -90, 45)]
    + [["-display_hflip"], ["-display_rotation", 90, "-display_hflip"]],
    ids=str,
)
def test_a_clip_that_a_telephone_took_stands_upright(tmp_path: Path, display: list[object]) -> None:
    short_clip(tmp_path / "a.mp4", size="96x64", frames=3)
    ffmpeg(*display, "-i", tmp_path / "a.mp4", "-c", "copy", tmp_path / "b.mp4")
    shown = (
        decoded_by_ffmpeg(tmp_path / "a.mp4", 96, 64)
        if 45 in display
        else shown_by_ffmpeg(tmp_path / "b.mp4")
    )
    np.testing.assert_array_equal(read(tmp_path / "b.mp4", 16), squares_of(shown, 16))


def test_a_clip_whose_frames_change_their_size_shows_each_by_its_own(tmp_path: Path) -> None:
    parts = [tmp_path / "wide.h264", tmp_path / "tall.h264"]
    for part, size in zip(parts, ("128x96", "64x112"), strict=True):
        short_clip(part, size=size, frames=3)
    (tmp_path / "both.mp4").write_bytes(b"".join(part.read_bytes() for part in parts))
    wide, tall = (shown_by_ffmpeg(part) for part in parts)
    expected = np.concatenate([squares_of(wide, 32), squares_of(tall, 32)])
    np.testing.assert_array_equal(read(tmp_path / "both.mp4", 32), expected)


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
    assert len(read(long, 16)) == MAX_FRAMES == 1000


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
    assert len(read(video, 16)) == 30


def test_a_decoder_that_cannot_be_loaded_is_named(
    clips: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoSetError, match=r"PyAV, which reads videos, cannot be loaded \(.*reinstall av"):
        read(clips["clip-0"], 64)


def test_memory_stays_bounded_however_large_the_clip(tmp_path: Path, home: Path) -> None:
    frames = 40  # 1.1 GB decoded
    video = tmp_path / "large.mp4"
    ffmpeg("-i", BIKES, "-frames:v", frames, "-vf", "scale=4096:2304", *H264, video)
    manifest = write_manifest(tmp_path / "m.json", ["large.mp4"], {"kind": "folder", "path": "."})
    code = """
import resource, sys
from natural_mujoco.backgrounds import frames_sha256, open_videos
from natural_mujoco.backgrounds.obtain.preparation import prepare
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
from natural_mujoco.backgrounds import frames_sha256, open_videos
from natural_mujoco.backgrounds.obtain.preparation import prepare
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


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\x00" * 5000,
        b"RIFF\x10\x00\x00\x00AVI LIST",
        b"ffconcat version 1.0\nfile sound.mp4\n",  # playlists: nothing but the file itself is ever opened
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nsound.mp4\n#EXT-X-ENDLIST\n",
    ],
)
def test_a_file_that_is_no_video_is_named(tmp_path: Path, content: bytes) -> None:
    short_clip(tmp_path / "sound.mp4", frames=3)
    path = tmp_path / "wrong.mp4"
    path.write_bytes(content)
    with pytest.raises(VideoSetError, match=r"Cannot decode .*wrong\.mp4: it is no video, or damaged"):
        read(path, 64)


def test_an_unreadable_video_is_not_called_damaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, flags: int) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    path = short_clip(tmp_path / "locked.mp4", frames=3)
    monkeypatch.setattr(os, "open", refuse)  # root may read everything
    with pytest.raises(VideoSetError, match=r"^Cannot read .*locked\.mp4: Permission denied\.$"):
        read(path, 64)


def test_frames_are_in_order_of_their_numbers_with_or_without_zeros(tmp_path: Path) -> None:
    names = [
        "f0.png",
        "f1.png",
        "f1b2.png",
        "f1b10.png",
        "f2.png",
        "f010.png",
        "f10.png",
        "f11.png",
        "g0.png",
    ]
    for name in reversed(names):
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), names.index(name), np.uint8))
    assert read(tmp_path, 4)[:, 0, 0, 0].tolist() == list(range(len(names)))


def test_a_broken_frame_in_a_folder_is_named(tmp_path: Path) -> None:
    folder = cut_to_frames(BIKES, tmp_path / "frames", count=3)
    (folder / "000001.JPEG").write_bytes(b"\xff\xd8 nothing")
    with pytest.raises(VideoSetError, match=r"000001\.JPEG"):
        read(folder, 64)
