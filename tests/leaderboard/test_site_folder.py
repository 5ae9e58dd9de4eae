"""Writing a site: whole pages whatever happens, one build at a time, and nothing outside of the folder."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from natural_mujoco import files
from natural_mujoco.errors import InvalidArgument, ResultsError
from natural_mujoco.leaderboard.site_folder import LOCK, MARKER, write_site

OLD = {"index.html": b"old index", "entries/one.html": b"old one", "entries/two.html": b"old two"}
NEW = {"index.html": b"new index", "entries/one.html": b"new one", "entries/three.html": b"new three"}


def pages(out: Path) -> dict[str, bytes]:
    hidden = (MARKER, LOCK)
    return {
        str(path.relative_to(out)): path.read_bytes()
        for path in sorted(out.rglob("*"))
        if path.is_file() and not path.name.startswith(hidden)
    }


@pytest.fixture
def out(tmp_path: Path) -> Path:
    write_site(tmp_path / "site", OLD, {})
    return tmp_path / "site"


def test_a_build_replaces_the_one_before_it(out: Path) -> None:
    write_site(out, NEW, {})
    assert pages(out) == NEW


@pytest.mark.parametrize("nth", [2, 4, 6])  # every second one is of a folder
def test_a_full_disk_leaves_the_old_site(out: Path, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    synced = os.fsync
    calls = iter(range(100))

    def full(descriptor: int) -> None:
        if next(calls) == nth:
            raise OSError(errno.ENOSPC, "No space left on device")
        synced(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResultsError, match="The disk is full"):
        write_site(out, NEW, {})
    monkeypatch.undo()
    assert pages(out) == OLD
    write_site(out, NEW, {})
    assert pages(out) == NEW


def test_a_kill_between_two_renames_leaves_whole_pages_and_the_next_build_clears_up(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    moved: list[str] = []
    replace = Path.replace

    def replace_one(self: Path, target: Path) -> Path:
        if moved:
            raise Killed
        moved.append(self.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", replace_one)
    with pytest.raises(Killed):
        write_site(out, NEW, {})
    monkeypatch.undo()
    found = pages(out)
    assert found["index.html"] == b"old index"
    assert all(content in (OLD.get(name), NEW.get(name)) for name, content in found.items())
    assert set(found) >= set(OLD)
    write_site(out, NEW, {})
    assert pages(out) == NEW


def test_two_builds_wait_for_each_other(out: Path) -> None:
    sites = [{f"entries/{k}.html": bytes([65 + k]) * 10**6 for k in range(40)}, NEW]
    threads = [threading.Thread(target=write_site, args=(out, site, {})) for site in sites for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert pages(out) in sites


def test_a_build_that_is_held_up_says_by_whom(out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("natural_mujoco.leaderboard.site_folder._PATIENCE_S", 0.0)
    program = (
        "import pathlib, sys\n"
        "from natural_mujoco import files\n"
        f"with files.holding(pathlib.Path({str(out / LOCK)!r}), 'leaderboard build'):\n"
        "    print('held', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ResultsError, match=rf"Another build is writing .*process {other.pid}"):
            write_site(out, NEW, {})
        other.communicate("")
    assert pages(out) == OLD


def test_links_are_never_written_through(tmp_path: Path, out: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / "link"
    link.symlink_to(elsewhere)
    with pytest.raises(InvalidArgument, match="is a link to"):
        write_site(link, NEW, {})
    page = tmp_path / "page.html"
    page.write_text("mine")
    (out / "index.html").unlink()
    (out / "index.html").symlink_to(page)
    write_site(out, NEW, {})
    assert page.read_text() == "mine"
    assert not (out / "index.html").is_symlink()
    for path in (out / "entries").iterdir():
        path.unlink()
    (out / "entries").rmdir()
    (out / "entries").symlink_to(elsewhere)
    with pytest.raises(InvalidArgument, match=re.escape(f"{out / 'entries'} is a link")):
        write_site(out, OLD, {})
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../precious", "entries/../../precious", "/precious", "notes.txt", "entries/.hidden"]
)
def test_a_marker_that_lists_other_files_removes_none_of_them(out: Path, name: str) -> None:
    path = out / name if not name.startswith("/") else out.parent / name[1:]
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine")
    files.write_json(out / MARKER, {"files": [name]})
    write_site(out, NEW, {})
    assert path.read_text() == "mine"
