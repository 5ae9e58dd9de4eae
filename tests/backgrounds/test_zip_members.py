"""Zip files that mean ill: names that lead elsewhere, links, twins, bombs, lies and flipped bits."""

from __future__ import annotations

import io
import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from natural_mujoco.backgrounds.obtain.hub import RangeReader
from natural_mujoco.backgrounds.obtain.zip_members import DamagedMember, Member, find_members, unpack
from natural_mujoco.errors import VideoSetError

VIDEO = random.Random(0).randbytes(4000) + bytes(3000)


def archive_of(*members: tuple[str | zipfile.ZipInfo, bytes], kind: int = zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for name, content in members:
            archive.writestr(name, content, compress_type=kind)
    return data.getvalue()


def reader_of(data: bytes) -> RangeReader:
    return RangeReader(len(data), lambda start, stop: data[start:stop])


def unpacked(data: bytes, member: Member, folder: Path) -> bytes:
    part = folder / "part"
    part.write_bytes(data[member.start : member.stop])
    out = io.BytesIO()
    unpack(part, member, out)
    return out.getvalue()


@pytest.mark.parametrize("kind", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    "name", ["a.mp4", "in/some/folder/a.mp4", "../a.mp4", "/etc/a.mp4", "../../../x/a.mp4"]
)
def test_a_clip_is_found_by_its_base_name_and_its_path_is_never_used(
    tmp_path: Path, name: str, kind: int
) -> None:
    data = archive_of(("x/b.mp4", b"other"), (name, VIDEO), ("x/._a.mp4", b"mac"), ("c", b""), kind=kind)
    members = find_members({"z.zip": reader_of(data)}, ["a"])
    assert list(members) == ["a"]
    assert unpacked(data, members["a"], tmp_path) == VIDEO
    assert [path.name for path in tmp_path.iterdir()] == ["part"]


def test_no_more_than_the_members_bytes_are_asked_for() -> None:
    asked: list[int] = []
    data = archive_of(*((f"{k}.mp4", random.Random(k).randbytes(200_000)) for k in range(20)))

    def fetch(start: int, stop: int) -> bytes:
        asked.append(stop - start)
        return data[start:stop]

    members = find_members({"z.zip": RangeReader(len(data), fetch)}, ["3", "7"])
    assert sum(asked) == RangeReader.TAIL_BYTES
    for member in members.values():
        assert member.size < member.info.compress_size + 200


def test_a_directory_larger_than_the_tail_is_read_whole() -> None:
    data = archive_of(*((f"{'x' * 200}/{k}.mp4", b"v") for k in range(500)))
    assert len(data) > 2 * RangeReader.TAIL_BYTES
    assert len(find_members({"z.zip": reader_of(data)}, [str(k) for k in range(500)])) == 500


def test_a_missing_clip_is_left_out() -> None:
    assert find_members({"z.zip": reader_of(archive_of(("b.mp4", VIDEO)))}, ["a"]) == {}


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x/a.mp4")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ([("x/a.mp4", VIDEO), ("y/a.mp4", VIDEO)], "hold two members called a.mp4"),
        ([(link(), b"/etc/passwd")], "is a symbolic link"),
        ([("a.mp4", b"")], "claims 0 bytes"),
    ],
)
def test_members_that_cannot_be_meant_are_refused(
    members: list[tuple[str | zipfile.ZipInfo, bytes]], told: str
) -> None:
    with pytest.raises(VideoSetError, match=told):
        find_members({"z.zip": reader_of(archive_of(*members))}, ["a"])


def test_twins_in_two_archives_are_refused() -> None:
    readers = {name: reader_of(archive_of(("a.mp4", VIDEO))) for name in ("one.zip", "two.zip")}
    with pytest.raises(VideoSetError, match=r"one\.zip and two\.zip hold two members called a\.mp4"):
        find_members(readers, ["a"])


def with_directory_fields(data: bytes, **fields: int) -> bytes:
    """The archive with fields of its only directory entry overwritten."""
    offsets = {"flags": (8, "<H"), "method": (10, "<H"), "crc": (16, "<I"), "packed": (20, "<I"),
               "size": (24, "<I"), "start": (42, "<I")}  # fmt: skip
    changed = bytearray(data)
    entry = changed.index(b"PK\x01\x02")
    for field, value in fields.items():
        offset, form = offsets[field]
        struct.pack_into(form, changed, entry + offset, value)
    return bytes(changed)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"size": 3 * 2**30}, "claims 3221225472 bytes"),
        ({"packed": 2**31}, "claims"),
        ({"packed": 100_000}, "does not lie within the archive"),
        ({"flags": 1}, "is encrypted"),
        ({"method": 12}, "not supported"),
        ({"start": 10_000_000}, "."),
    ],
)
def test_a_directory_that_lies_is_refused(fields: dict[str, int], told: str) -> None:
    data = with_directory_fields(archive_of(("a.mp4", VIDEO)), **fields)
    with pytest.raises(VideoSetError, match=told):
        find_members({"z.zip": reader_of(data)}, ["a"])


@pytest.mark.parametrize("fields", [{"size": 100}, {"size": 10_000}, {"crc": 1}, {"packed": 50}])
def test_a_member_that_is_not_what_the_directory_says_is_damaged(
    tmp_path: Path, fields: dict[str, int]
) -> None:
    data = with_directory_fields(archive_of(("a.mp4", VIDEO)), **fields)
    member = find_members({"z.zip": reader_of(data)}, ["a"])["a"]
    with pytest.raises(DamagedMember, match=r"The member 'a\.mp4' of z\.zip is damaged"):
        unpacked(data, member, tmp_path)


def test_a_bomb_is_cut_off_at_the_size_it_claims(tmp_path: Path) -> None:
    bomb = archive_of(("a.mp4", bytes(50_000_000)))
    assert len(bomb) < 100_000
    data = with_directory_fields(bomb, size=10_000)
    member = find_members({"z.zip": reader_of(data)}, ["a"])["a"]
    part = tmp_path / "part"
    part.write_bytes(data[member.start : member.stop])
    out = io.BytesIO()
    with pytest.raises(DamagedMember):
        unpack(part, member, out)
    assert len(out.getvalue()) <= 10_000


def test_a_directory_that_claims_gigabytes_is_not_fetched() -> None:
    data = bytearray(archive_of(("a.mp4", VIDEO)))
    end = data.index(b"PK\x05\x06")
    struct.pack_into("<I", data, end + 12, 2**31)
    huge = bytes(data)
    sizes: list[int] = []

    def fetch(start: int, stop: int) -> bytes:
        sizes.append(stop - start)
        return bytes(stop - start - len(huge)) + huge if stop == 2**32 else bytes(stop - start)

    with pytest.raises(VideoSetError):
        find_members({"z.zip": RangeReader(2**32, fetch)}, ["a"])
    assert max(sizes) <= 64 * 2**20


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    flips=st.lists(st.tuples(st.integers(0, 2**16), st.integers(1, 255)), min_size=0, max_size=6),
    cut=st.none() | st.integers(0, 12_000),
    tail=st.booleans(),
)
def test_flipped_and_cut_archives_give_the_video_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, flips: list[tuple[int, int]], cut: int | None, tail: bool
) -> None:
    data = bytearray(archive_of(("x/b.mp4", b"other"), ("x/a.mp4", VIDEO)))
    directory = data.index(b"PK\x01\x02")
    for position, mask in flips:
        where = directory + position % (len(data) - directory) if tail else position % len(data)
        data[where] ^= mask
    content = bytes(data[:cut])
    folder = tmp_path_factory.getbasetemp()
    try:
        members = find_members({"z.zip": reader_of(content)}, ["a"])
        video = unpacked(content, members["a"], folder) if "a" in members else VIDEO
    except VideoSetError:
        return
    assert video == VIDEO
