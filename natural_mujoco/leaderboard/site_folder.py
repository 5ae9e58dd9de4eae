"""Writes the folder of a site: first beside the old pages, then renamed into place, by one build at a time.

- `write_site`: writes pages and media into a folder and replaces those of an earlier build.

A full disk is noticed before any old page is touched, and renaming needs no space. index.html is replaced last, and
pages to which it no longer links are removed after that. A build that ends early therefore leaves only whole pages.
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from .. import files
from ..errors import FileError, InvalidArgument, LockHeld, ResultsError

MARKER = ".natural-mujoco-site.json"
LOCK = ".natural-mujoco-site.lock"
_STAGE = ".natural-mujoco-build-"
_OURS = re.compile(r"((index|cost|difficulty)\.html|(entries|media)/[A-Za-z0-9][A-Za-z0-9._-]*)")
_PATIENCE_S = 120.0


def write_site(out: Path, pages: Mapping[str, bytes], copies: Mapping[str, Path]) -> list[Path]:
    """Writes `pages` (content by name) and `copies` (files by name) to the folder `out`; returns their paths.

    Raises `InvalidArgument` if `out` is a link, a file or a folder with other things in it, `ResultsError` if another
    build holds it for two minutes or it cannot be written.
    """
    _require_ours(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        with files.holding(out / LOCK, f"leaderboard build --out {out}", _PATIENCE_S):
            _require_ours(out)  # another build may just have begun or ended
            _replace(out, pages, copies)
    except LockHeld as error:
        raise ResultsError(f"Another build is writing {out}: {error}") from error
    except FileError as error:
        raise ResultsError(str(error)) from error
    except OSError as error:
        raise ResultsError(files.write_fault(out, error, "give --out another place")) from error
    return [out / name for name in (*pages, *copies)]


def _replace(out: Path, pages: Mapping[str, bytes], copies: Mapping[str, Path]) -> None:
    before = _listed(out)
    for left in out.glob(f"{_STAGE}*"):  # of a build that was killed: we hold the lock
        shutil.rmtree(left, ignore_errors=True)
    stage = out / f"{_STAGE}{secrets.token_hex(8)}"
    stage.mkdir()
    try:
        for name, content in pages.items():
            _folder(stage, name)
            files.write_bytes(stage / name, content)
        for name, source in copies.items():
            _folder(stage, name)
            shutil.copyfile(source, stage / name)
        now = [*pages, *copies]
        files.write_json(out / MARKER, {"files": sorted({*before, *now})})
        for name in sorted(now, key=lambda name: name == "index.html"):
            _folder(out, name)
            (stage / name).replace(out / name)
        for name in before.difference(now):
            (out / name).unlink(missing_ok=True)
        files.write_json(out / MARKER, {"files": now})
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def _folder(out: Path, name: str) -> None:
    folder = (out / name).parent
    if folder.is_symlink():
        raise InvalidArgument(f"{folder} is a link: what is written there would land elsewhere. Remove it.")
    folder.mkdir(exist_ok=True)


def _require_ours(out: Path) -> None:
    if out.is_symlink():
        raise InvalidArgument(f"--out {out} is a link to {out.resolve()}: give that folder itself.")
    if out.exists() and not out.is_dir():
        raise InvalidArgument(f"--out {out} is a file: give a folder.")
    names = [path.name for path in out.iterdir()] if out.is_dir() else []
    foreign = [name for name in names if not name.startswith((LOCK, _STAGE, f".{MARKER}."))]
    if foreign and MARKER not in foreign:
        raise InvalidArgument(f"--out {out} holds other files: give an empty folder or a new one.")
    for name in ("entries", "media"):
        if (out / name).is_symlink():
            raise InvalidArgument(
                f"{out / name} is a link: what is written there would land elsewhere. Remove it."
            )


def _listed(out: Path) -> set[str]:
    """The files of the build before, as its marker lists them; nothing but what a build writes is ever believed."""
    try:
        names: Collection[object] = files.read_json(out / MARKER)["files"]
        return {str(name) for name in names if _OURS.fullmatch(str(name))}
    except FileNotFoundError:
        return set()
    except (FileError, LookupError, TypeError) as error:
        raise InvalidArgument(f"{out / MARKER} is damaged: remove {out} and build again.") from error
