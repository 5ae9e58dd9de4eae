"""`natural-mujoco videos` as a user types it: what it prints, its exit status, what it writes."""

from __future__ import annotations

import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

import imageio.v3 as iio
import pytest

from natural_mujoco.backgrounds.obtain.folder import split_of

from ..backgrounds.footage import CARPHONE, cut_to_frames, short_clip
from ..backgrounds.sets import HANGS_S, command, environment, prepared_under, videos, write_manifest


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An empty cache of the test's own."""
    return tmp_path / "home"


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """A folder with a train clip and a test clip."""
    folder = tmp_path / "street"
    folder.mkdir()
    for split in ("train", "test"):
        name = next(f"{split}-{k}.mp4" for k in range(100) if split_of(f"{split}-{k}.mp4") == split)
        short_clip(folder / name, start=2.0 if split == "test" else 0.0, size="64x48")
    return folder


def test_list_shows_every_set_with_its_splits_and_licence(home: Path) -> None:
    done = videos("list", env=environment(home))
    assert done.returncode == 0, done.stderr
    lines = {line.split()[0]: line for line in done.stdout.splitlines()[1:-1]}
    assert set(lines) == {"davis-2017", "embedded", "embedded-256", "ilsvrc-vid", "ilsvrc-vid-mini"}
    assert re.search(r"202 +78 +none .*0 MB +Non-commercial research", lines["ilsvrc-vid"])
    assert re.search(r"32 +16 +all ", lines["embedded"])
    assert done.stdout.splitlines()[-1] == f"Cache: {home}"
    assert not home.exists()  # looking changes nothing


def test_list_counts_what_is_prepared_and_imported_sets(home: Path, tmp_path: Path) -> None:
    tree = tmp_path / "DAVIS" / "JPEGImages" / "480p"
    for name, frames in (("bear", 82), ("blackswan", 50)):
        cut_to_frames(CARPHONE, tree / name, pattern="%05d.jpg", count=frames)
    env = environment(home)
    refused = videos("import", "davis-2017", "--from", tmp_path / "DAVIS", env=env)
    assert refused.returncode == 1
    assert "88 of the 90 clips of davis-2017 do not lie under" in refused.stderr
    named = re.search(r"Missing: (.*)\.", refused.stdout)[1].split(", ")
    assert len(named) == 88
    assert {"bike-packing", "train"} <= set(named)
    done = videos(
        "import", "davis-2017", "--from", tmp_path / "DAVIS", "--allow-missing", "--size", 16, env=env
    )
    assert done.returncode == 0, done.stderr
    assert "Missing: bike-packing, bmx-bumps, bmx-trees" in done.stdout
    name = re.search(r"The others are the set (davis-2017-partial-\w{8}), content hash", done.stdout)
    assert name
    assert f"{name[1]}: 2 of 2 clips prepared at 16 px. Use it as videos='{name[1]}'." in done.stdout
    listed = videos("list", env=env).stdout
    assert re.search(rf"{name[1]} +1 +1 +all +16 px: 2 +0 MB", listed)
    assert re.search(r"davis-2017 +60 +30 +2 of 90 +16 px: 2", listed)
    assert re.search(r"Hashed|2 files hashed: 2 good", videos("verify", name[1], env=env).stdout)


def test_verify_names_one_flipped_bit_and_mends_it(street: Path, home: Path) -> None:
    env = environment(home)
    assert videos("download", street, "--size", 16, env=env).returncode == 0
    before = prepared_under(home)
    path = home / next(iter(before))
    data = bytearray(path.read_bytes())
    data[4000] ^= 16
    path.write_bytes(data)
    looked = videos("verify", street, "--check", env=env)
    assert looked.returncode == 1
    assert re.search(r"damaged: \S+\.mp4 \(16 px\): sha256 \w{12}… instead of \w{12}…", looked.stdout)
    mended = videos("verify", street, env=env)
    assert mended.returncode == 0
    assert "street: 2 files hashed: 1 good, 1 mended." in mended.stdout
    assert prepared_under(home) == before


def test_verify_of_nothing_says_so(home: Path) -> None:
    done = videos("verify", "davis-2017", env=environment(home))
    assert (done.returncode, "Nothing of it is prepared yet." in done.stdout) == (0, True)


def test_preview_writes_a_picture_and_a_gif(street: Path, home: Path, tmp_path: Path) -> None:
    env = environment(home)
    for name in ("sheet.png", "sheet.gif"):
        done = videos("preview", street, "--out", tmp_path / "out" / name, "--size", 32, env=env)
        assert done.returncode == 0, done.stderr
    assert iio.imread(tmp_path / "out" / "sheet.png").std() > 10
    film = iio.imread(tmp_path / "out" / "sheet.gif")
    assert len(film) == 50
    assert (film[0] != film[10]).any()


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["verify", "imagenet"], 2, "Unknown video set 'imagenet'. Valid: davis-2017, embedded"),
        (["preview", "embedded", "--out", "x.bmp"], 2, "--out x.bmp: give a file that ends in .png or .gif"),
        (["preview", "embedded", "--clips", "0"], 2, "--clips 0 shows nothing"),
        (["download", "davis-2017"], 1, "davischallenge.org"),
        (["download", "ilsvrc-vid", "--size", "5000"], 2, "size=5000 is no frame size"),
        (["import", "embedded", "--from", "."], 2, "embedded needs no import"),
        (["import", "davis-2017", "--from", "/nowhere/at/all"], 2, "--from /nowhere/at/all is no folder"),
        (["import", "davis-2017"], 2, "--from"),
        ([], 2, "ACTION"),
    ],
)
def test_a_mistake_gets_one_sentence_and_the_right_status(
    home: Path, tmp_path: Path, arguments: list[str], status: int, told: str
) -> None:
    done = subprocess.run(
        command(*arguments),
        env=environment(home),
        capture_output=True,
        text=True,
        timeout=HANGS_S,
        cwd=tmp_path,
    )
    assert (done.returncode, told in done.stderr) == (status, True), done.stderr
    assert "Traceback" not in done.stderr


def test_on_a_terminal_there_is_a_progress_bar(street: Path, home: Path) -> None:
    leader, follower = pty.openpty()
    env = {**environment(home), "TERM": "xterm-256color", "COLUMNS": "100"}
    process = subprocess.Popen(
        command("download", street, "--size", 16), env=env, stdout=subprocess.DEVNULL, stderr=follower
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            block = os.read(leader, 4096)
        except OSError:  # how Linux says that the other side is closed
            break
        shown += block
    os.close(leader)
    assert process.wait() == 0
    assert "prepare" in shown.decode()
    assert "━" in shown.decode()
    assert "2/2" in shown.decode()


def test_a_clip_that_cannot_be_prepared_does_not_stop_the_others(
    street: Path, home: Path, tmp_path: Path
) -> None:
    clips = sorted(path.name for path in street.iterdir())
    shutil.copy(street / clips[0], street / "broken.mp4")
    (street / "broken.mp4").write_bytes((street / clips[0]).read_bytes()[:3000])
    manifest = write_manifest(
        tmp_path / "set.json", ["broken.mp4", *clips], {"kind": "folder", "path": "street"}, name="mine"
    )
    done = videos("download", manifest, "--size", 16, env=environment(home))
    assert done.returncode == 1
    assert "mine: 2 of 3 clips prepared at 16 px" in done.stdout
    assert "broken.mp4: Cannot decode" in done.stderr
    assert "1 of 3 clips of mine are not usable; see above." in done.stderr
