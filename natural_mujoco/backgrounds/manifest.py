"""Video sets as data: one JSON file names a set's clips, their split, their length and their hashes.

- `Manifest`, `Video` and the sources (`GeneratedSource`, `HubSource`, `LocalSource`, `FolderSource`).
- `load_manifest`: loads and checks a manifest, by name or by path.
- `shipped_names`, `manifest_folders`: the sets known by name, and the folders where they are looked up.

A manifest's `content_hash` covers everything that decides the frames a policy sees: the clips' ids, splits, lengths
and hashes, and how they are prepared. It leaves out the rest (name, version, licence, where the clips come from), so
that results on a mirror, or from before a licence note was changed, remain comparable.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import unicodedata
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from natural_mujoco.backgrounds.cache import cache_home
from natural_mujoco.errors import VideoSetError, unknown

SPLITS = ("train", "test")
MAX_FRAMES = 1000
MAX_SIZE = 1024
PREPARATION = "centre square, cv2 INTER_AREA, first 1000 frames"

_MAX_MANIFEST_BYTES = 32 * 2**20
_MAX_VIDEOS = 100_000
_NAME = r"^[a-z0-9](?:[a-z0-9._-]{0,78}[a-z0-9])?$"
_HASH = r"^[0-9a-f]{64}$"
_UNSAFE_IN_ID = re.compile(r"[/\\]")
_INVISIBLE = (
    "Cc",
    "Cf",
    "Cs",
    "Zl",
    "Zp",
)  # control and format characters, among them those that turn text round

Name = Annotated[str, Field(pattern=_NAME)]
Sha256 = Annotated[str, Field(pattern=_HASH)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GeneratedSource(_Strict):
    """Clips that this package generates; nothing is fetched."""

    kind: Literal["generated"] = "generated"


class HubSource(_Strict):
    """Clips that are `<id>.mp4` members, in whatever folder, of zip files in a Hugging Face dataset."""

    kind: Literal["hub"] = "hub"
    repo: Annotated[str, Field(pattern=r"^[\w.-]+/[\w.-]+$")]
    revision: Annotated[str, Field(min_length=1, max_length=200)] = "main"
    archives: Annotated[tuple[str, ...], Field(min_length=1, max_length=64)]

    @field_validator("archives")
    @classmethod
    def _plain_paths(cls, archives: tuple[str, ...]) -> tuple[str, ...]:
        for archive in archives:
            parts = archive.split("/")
            if (
                not archive.endswith(".zip")
                or "" in parts
                or "." in parts
                or ".." in parts
                or "\\" in archive
            ):
                raise ValueError(f"{archive!r} is no plain path of a zip file in the dataset")
        return archives


class LocalSource(_Strict):
    """Clips that the user obtains from elsewhere and imports with `natural-mujoco videos import`."""

    kind: Literal["local"] = "local"
    obtain: Annotated[str, Field(min_length=1, max_length=1000)]


class FolderSource(_Strict):
    """Clips that are files, or folders of frames, directly inside one folder.

    In a manifest file, a relative `path` is relative to the manifest's folder.
    """

    kind: Literal["folder"] = "folder"
    path: Annotated[str, Field(min_length=1, max_length=4096)]


Source = Annotated[GeneratedSource | HubSource | LocalSource | FolderSource, Field(discriminator="kind")]


class Video(_Strict):
    """One clip of a set.

    `frames` is the clip's full length if known (at most 1000 frames are used), `sha256` maps sizes in pixels to the
    hash of the frames prepared at that size if known, and `file_sha256` is the hash of the video file itself (user
    folders).
    """

    id: Annotated[str, Field(min_length=1, max_length=200)]
    split: Literal["train", "test"]
    frames: Annotated[int, Field(ge=2, le=10_000_000)] | None = None
    sha256: dict[Annotated[int, Field(ge=1, le=MAX_SIZE)], Sha256] = Field(default_factory=dict)
    file_sha256: Sha256 | None = None

    @field_validator("id")
    @classmethod
    def _safe_id(cls, value: str) -> str:
        # Ids become file names in the cache and must not lead out of it.
        hidden = any(unicodedata.category(letter) in _INVISIBLE for letter in value)
        if value.startswith(".") or _UNSAFE_IN_ID.search(value) or hidden or len(os.fsencode(value)) > 200:
            raise ValueError(
                f"{value!a} cannot be a clip's id: no slashes, no control or invisible characters, "
                "no leading dot, at most 200 bytes"
            )
        return value


class Manifest(_Strict):
    """A video set: `videos` sorted by id, each in one split.

    `collection` is the shelf of the cache that holds the prepared clips; sets that draw on the same clips
    (`ilsvrc-vid` and `ilsvrc-vid-mini`) name the same one and share them.
    """

    name: Name
    version: Annotated[int, Field(ge=1)] = 1
    description: Annotated[str, Field(max_length=2000)] = ""
    licence: Annotated[str, Field(max_length=4000)] = ""
    collection: Name
    source: Source
    videos: Annotated[tuple[Video, ...], Field(min_length=1, max_length=_MAX_VIDEOS)]

    @model_validator(mode="before")
    @classmethod
    def _own_collection(cls, data: object) -> object:
        if isinstance(data, dict) and "collection" not in data and "name" in data:
            return {**data, "collection": data["name"]}
        return data

    @field_validator("videos")
    @classmethod
    def _sorted_and_unique(cls, videos: tuple[Video, ...]) -> tuple[Video, ...]:
        ids = [video.id for video in videos]
        if len(set(ids)) != len(ids):
            twice = sorted({i for i in ids if ids.count(i) > 1})[:3]
            raise ValueError(f"these ids appear twice: {', '.join(twice)}")
        if ids != sorted(ids):
            raise ValueError("videos must be sorted by id")
        _refuse_twins(videos)
        return videos

    @property
    def content_hash(self) -> str:
        """The sha256 (hex) of everything that decides which frames are seen; evaluation records contain it."""
        content = {
            "preparation": PREPARATION,
            "collection": self.collection,
            "videos": [
                [v.id, v.split, v.frames, sorted(v.sha256.items()), v.file_sha256] for v in self.videos
            ],
        }
        text = json.dumps(content, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def ids(self, split: str) -> tuple[str, ...]:
        """The sorted ids of one split. Raises `InvalidArgument` for an unknown split."""
        if split not in SPLITS:
            raise unknown("split", split, SPLITS)
        return tuple(video.id for video in self.videos if video.split == split)

    def to_json(self) -> str:
        """The manifest as it is written to disk, with one video per line, so that a diff names the clips."""
        head = self.model_dump(mode="json", exclude={"videos"})
        lines = [json.dumps(v.model_dump(mode="json", exclude_defaults=True)) for v in self.videos]
        body = json.dumps(head, indent=2, ensure_ascii=False)[:-2]
        return body + ',\n  "videos": [\n    ' + ",\n    ".join(lines) + "\n  ]\n}\n"


def _refuse_twins(videos: tuple[Video, ...]) -> None:
    """Raises `ValueError` if two ids differ only in case or Unicode form, or if a clip is in both splits."""
    names: dict[str, Video] = {}
    contents: dict[object, Video] = {}
    for video in videos:
        twin = names.setdefault(unicodedata.normalize("NFC", video.id).casefold(), video)
        if twin is not video:
            raise ValueError(f"{twin.id} and {video.id} differ in case or Unicode form alone")
        for content in (*video.sha256.items(), *filter(None, [video.file_sha256])):
            twin = contents.setdefault(content, video)
            if twin.split != video.split:
                raise ValueError(
                    f"{twin.id} ({twin.split}) and {video.id} ({video.split}) have the same hash: a test clip must "
                    "not be seen in training"
                )


def manifest_folders() -> list[Path]:
    """The folders where sets are looked up by name: the shipped manifests, then those that `videos import` wrote."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / "video_manifests"  # in a wheel
    if not shipped.is_dir():
        shipped = package.parent / "video_manifests"  # in a checkout
    return [shipped, cache_home() / "manifests"]


def shipped_names() -> tuple[str, ...]:
    """Names of all sets that can be asked for by name, sorted."""
    return tuple(sorted({path.stem for folder in manifest_folders() for path in folder.glob("*.json")}))


def load_manifest(name_or_path: str | os.PathLike[str]) -> Manifest:
    """Loads the manifest of a set, given the set's name or the path of a JSON file.

    Raises `InvalidArgument` for an unknown name and `VideoSetError` for a file that is not a valid manifest.
    """
    if isinstance(name_or_path, str) and re.match(_NAME, name_or_path):
        for folder in manifest_folders():
            if (folder / f"{name_or_path}.json").is_file():
                return read_manifest(folder / f"{name_or_path}.json")
    path = Path(name_or_path)
    if not path.is_file():
        valid = (*shipped_names(), "auto", "a manifest file", "a folder of videos")
        raise unknown("video set", str(name_or_path), valid)
    return read_manifest(path)


def read_manifest(path: Path) -> Manifest:
    """Reads and checks one manifest file. Raises `VideoSetError`, which names the file and its first fault."""
    try:
        if path.stat().st_size > _MAX_MANIFEST_BYTES:
            raise VideoSetError(f"{path} is too large for a manifest: a video set is one small JSON file.")
        manifest = Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise VideoSetError(f"Cannot read the manifest {path}: {error.strerror}.") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise VideoSetError(
            f"{path} is no valid manifest: at {where}: {first['msg']}. docs/videos.md shows the format."
        ) from error
    if isinstance(manifest.source, FolderSource):
        folder = (path.resolve().parent / manifest.source.path).resolve()
        return manifest.model_copy(update={"source": FolderSource(path=str(folder))})
    return manifest
