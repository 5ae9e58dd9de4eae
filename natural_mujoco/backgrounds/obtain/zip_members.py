"""Clips as members of untrusted zip files.

Members are found by base name and checked, their sizes are bounded, and paths in the archive are never used on disk.

- `find_members`: finds the member of each clip.
- `Member`: the position of a member's bytes in the archive.
- `unpack`: writes the video that a member's bytes hold.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from natural_mujoco.errors import VideoSetError

MAX_VIDEO_BYTES = 2**30
MAX_MEMBERS = 200_000

_LOCAL_HEADER = struct.Struct("<4sHHHHHIIIHH")
_LOCAL_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = 0x1


class DamagedMember(VideoSetError):
    """The fetched bytes of a member do not agree with the archive's directory."""


@dataclass(frozen=True)
class Member:
    """A clip's member of an archive: bytes `start` to `stop` of `archive` are its local header and its data."""

    archive: str
    info: zipfile.ZipInfo
    start: int
    stop: int

    @property
    def size(self) -> int:
        return self.stop - self.start


def find_members(archives: Mapping[str, io.RawIOBase], clip_ids: Collection[str]) -> dict[str, Member]:
    """The members that hold the clips (`<id>.mp4` in any folder), by clip id. Clips not found are left out.

    Raises `VideoSetError` if a file is not a zip file, if two members have the name of the same clip, or if a clip's
    member is a link, encrypted, compressed by an unusual method, larger than 1 GiB or outside the archive.
    """
    wanted = {f"{clip_id}.mp4": clip_id for clip_id in clip_ids}
    found: dict[str, Member] = {}
    for archive, file in archives.items():
        try:
            with zipfile.ZipFile(file) as directory:
                members = directory.infolist()
                directory_start = directory.start_dir
        except (
            zipfile.BadZipFile,
            OSError,
            ValueError,
            OverflowError,
            NotImplementedError,
            struct.error,
        ) as error:
            raise VideoSetError(f"{archive} is no zip file, or damaged ({error}).") from error
        if len(members) > MAX_MEMBERS:
            raise VideoSetError(f"{archive} has {len(members)} members: no archive of videos has so many.")
        starts = sorted({info.header_offset for info in members} | {directory_start})
        following = dict(itertools.pairwise(starts))
        for info in members:
            clip_id = wanted.get(PurePosixPath(info.filename).name)
            if clip_id is None or info.is_dir():
                continue
            if clip_id in found:
                raise VideoSetError(
                    f"{found[clip_id].archive} and {archive} hold two members called {clip_id}.mp4: "
                    "which is the clip cannot be told. Use another copy with --repo."
                )
            found[clip_id] = _checked(archive, info, following.get(info.header_offset, 0))
    return found


def _checked(archive: str, info: zipfile.ZipInfo, next_start: int) -> Member:
    start = info.header_offset
    overhead = _LOCAL_HEADER.size + len(info.orig_filename.encode()) + 2**16
    stop = min(next_start, start + overhead + info.compress_size)
    fault = None
    if stat.S_ISLNK(info.external_attr >> 16):
        fault = "is a symbolic link"
    elif info.flag_bits & _ENCRYPTED:
        fault = "is encrypted"
    elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        fault = "is packed by a method that is not supported"
    elif not 0 < info.file_size <= MAX_VIDEO_BYTES or info.compress_size > MAX_VIDEO_BYTES:
        fault = f"claims {info.file_size} bytes"
    elif start < 0 or stop - start < _LOCAL_HEADER.size + info.compress_size:
        fault = "does not lie within the archive"
    if fault:
        raise VideoSetError(f"The member {info.filename!r} of {archive} {fault}: the archive is not usable.")
    return Member(archive, info, start, stop)


def unpack(part: Path, member: Member, out: BinaryIO) -> str:
    """Unpacks the fetched bytes of a member into `out` and returns the video's sha256 (hex).

    Raises `DamagedMember` if name, size or checksum differ from the archive's directory.
    """
    info = member.info
    digest = hashlib.sha256()
    count = 0
    try:
        with open(part, "rb") as file:
            fields = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
            name = file.read(fields[9])
            if fields[0] != _LOCAL_SIGNATURE or name != info.orig_filename.encode(_encoding(info)):
                raise zipfile.BadZipFile("the local header is another")
            file.seek(fields[10], io.SEEK_CUR)
            with zipfile.ZipExtFile(file, "r", info) as video:  # checks the checksum when it reaches the end
                while block := video.read(2**20):
                    count += len(block)
                    digest.update(block)
                    out.write(block)
        if count != info.file_size:
            raise zipfile.BadZipFile(f"{count} bytes instead of {info.file_size}")
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        struct.error,
        UnicodeError,
        NotImplementedError,
    ) as error:
        raise DamagedMember(
            f"The member {info.filename!r} of {member.archive} is damaged ({error})."
        ) from error
    return digest.hexdigest()


def _encoding(info: zipfile.ZipInfo) -> str:
    return "utf-8" if info.flag_bits & 0x800 else "cp437"
