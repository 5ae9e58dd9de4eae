"""Whole files or none, locks that name their holder, JSON that is not believed."""

from __future__ import annotations

import errno
import os
import resource
import secrets
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from natural_mujoco import files
from natural_mujoco.errors import FileError, InvalidArgument, LockHeld
from natural_mujoco.files import (
    holding,
    parse_json,
    read_bytes,
    read_json,
    replacing,
    replacing_folder,
    write_bytes,
    write_json,
)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_seen_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    with replacing(path) as file:
        file.write(b"xxxx")
        file.seek(0)
        file.write(b"new")
        assert not path.exists()
    assert path.read_bytes() == b"newx"
    with pytest.raises(KeyError), replacing(path) as file:  # the writer's own error passes unchanged
        file.write({}["nothing"])
    assert path.read_bytes() == b"newx"
    assert names_in(path.parent) == ["a.json"]


def test_a_planted_link_is_neither_followed_nor_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    monkeypatch.setattr(secrets, "token_hex", lambda count: "0" * 16)  # as if the name had been guessed
    (tmp_path / f".a.json.{'0' * 16}.tmp").symlink_to(precious)
    with pytest.raises(FileError, match="Cannot write"):
        write_bytes(tmp_path / "a.json", b"new")
    assert precious.read_bytes() == b"mine"
    monkeypatch.undo()
    (tmp_path / "b.json").symlink_to(precious)
    write_bytes(tmp_path / "b.json", b"new")
    assert precious.read_bytes() == b"mine"
    assert (tmp_path / "b.json").read_bytes() == b"new"
    assert not (tmp_path / "b.json").is_symlink()


def test_a_killed_writer_leaves_the_old_file_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    path = tmp_path / ("long" * 60)  # a name that leaves no room for a suffix
    write_bytes(path, b"old")
    script = (
        "import os, sys, signal; from pathlib import Path; from natural_mujoco.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as file:\n"
        "    file.write(b'half'); file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, path]).returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"
    assert len(names_in(tmp_path)) == 2
    write_bytes(tmp_path / "other", b"", alone=True)
    assert len(names_in(tmp_path)) == 3  # not its own
    write_bytes(path, b"new", alone=True)
    assert names_in(tmp_path) == sorted([path.name, "other"])


def test_errors_of_writing_are_told_from_errors_of_reading(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    with pytest.raises(FileNotFoundError), replacing(path) as file:
        file.write((tmp_path / "source that is missing").read_bytes())
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**16, limits[1]))
    try:
        with pytest.raises(FileError, match="refuses files of this size"):
            write_bytes(path, bytes(2**17))
        with pytest.raises(InvalidArgument, match=f"^{errno.EFBIG}$"):
            write_bytes(path, bytes(2**17), lambda path, error: InvalidArgument(str(error.errno)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    with pytest.raises(FileError, match="A file stands where a folder should be"):
        write_bytes(path / "b.bin", b"")
    assert names_in(tmp_path) == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_a_folder_takes_the_others_place_whole_or_not_at_all(tmp_path: Path) -> None:
    site = tmp_path / "site"
    for content in ("one", "two"):
        with replacing_folder(site) as new:
            (new / content).write_text(content)
        assert names_in(site) == [content]
    with pytest.raises(KeyError), replacing_folder(site) as new:
        (new / "three").write_text({}["nothing"])
    assert names_in(site) == ["two"]
    os.replace(site, files._beside(site, "old"))  # a kill between the two renames
    with pytest.raises(KeyError), replacing_folder(site):
        raise KeyError
    assert names_in(site) == ["two"]
    assert names_in(tmp_path) == ["site"]
    (tmp_path / "link").symlink_to(site)
    with pytest.raises(FileError, match="is a link"), replacing_folder(tmp_path / "link"):
        pass


HOLD = """
import sys; from pathlib import Path; from natural_mujoco.files import holding
with holding(Path(sys.argv[1]), "training walker-walk"):
    print("held", flush=True); sys.stdin.readline()
"""


def test_a_lock_names_its_holder_and_ends_with_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "lock"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with (
        pytest.raises(LockHeld, match=rf"^training walker-walk \(process {holder.pid} on "),
        holding(path, "evaluating"),
    ):
        pass
    with pytest.raises(LockHeld, match="was stopped"), holding(path, wait_s=1e6, stopped=lambda: True):
        pass
    holder.kill()
    holder.communicate()
    with holding(path), pytest.raises(LockHeld, match="has held"), holding(path):  # threads, too
        pass
    with pytest.raises(FileError, match="A file stands"), holding(path / "lock"):
        pass


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"a": 1,\n "a": 2}', "'a' appears twice"),
        (b"[1e999]", "1e999 is no finite number"),
        (b"[NaN]", "NaN is no finite"),
        (b"[-Infinity]", "-Infinity is no finite"),
        (b"[" * 100_000, "nested too deep|no JSON"),
        (b"1" * 10_000, "digits"),
        (b"\x80\x04binary", "no UTF-8"),
        (b'{"a": ', r"no JSON: .* at line 1, column 7"),
        (b"", "no JSON"),
    ],
)
def test_what_is_no_json_is_refused_by_name(data: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(data)
    with pytest.raises(FileError, match=said) as refusal:
        read_json(path)
    assert str(path) in str(refusal.value)


def test_json_that_is_written_is_read_back(tmp_path: Path) -> None:
    value = {"ü": [1, 2.5, None, True, 2**70, 5e-324], "b": {"c": "\u2028"}}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert parse_json('{"a": 1}', "metrics.jsonl, line 3") == {"a": 1}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert read_json(tmp_path / "a.json") == value


def test_only_plain_files_of_sane_size_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="no plain file"):
        read_bytes(tmp_path / "pipe")  # and is not waited for
    with pytest.raises(FileError, match=r"Cannot read .*: Is a directory"):
        read_bytes(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "nothing")
    write_bytes(tmp_path / "large", bytes(11))
    with pytest.raises(FileError, match="larger than the 10 bytes"):
        read_bytes(tmp_path / "large", limit=10)
