"""Downloading with the real Hub client from a server on the loopback interface, well-behaved and otherwise."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from .hub_server import COMMIT, HubServer
from .sets import (
    IMPATIENT,
    command,
    environment,
    files_under,
    prepared_under,
    videos,
    write_archive,
    write_manifest,
)

REPO = "someone/clips"


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory, clips: dict[str, Path]) -> dict[str, Path]:
    """Two zip files with three clips each."""
    folder = tmp_path_factory.mktemp("archives")
    ids = list(clips)
    halves = ({i: clips[i] for i in ids[:3]}, {i: clips[i] for i in ids[3:]})
    return {f"part{k}.zip": write_archive(folder / f"part{k}.zip", half) for k, half in enumerate(halves, 1)}


@pytest.fixture
def hub(archives: dict[str, Path]) -> Iterator[HubServer]:
    with HubServer(dict(archives), repo=REPO) as server:
        yield server


@pytest.fixture
def env(hub: HubServer, home: Path, tmp_path: Path) -> dict[str, str]:
    """A user who has accepted nothing yet and whose Hub is the test's."""
    return environment(home, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"))


@pytest.fixture
def street(tmp_path: Path, clips: dict[str, Path]) -> Path:
    """A set of the six clips on the Hub."""
    source = {"kind": "hub", "repo": REPO, "archives": ["part1.zip", "part2.zip"]}
    return write_manifest(tmp_path / "street.json", list(clips), source, frames=24)


def download(
    street: Path, *arguments: object, env: dict[str, str], before: str = ""
) -> subprocess.CompletedProcess[str]:
    """`natural-mujoco videos download` at the smallest cost: tiny frames, one preparing process."""
    sizes = () if "--size" in arguments else ("--size", 8)
    line = ("download", street, "--workers", 1, *sizes, *arguments)
    return videos(*line, env=env, before=before)


def fetched(home: Path) -> dict[str, bytes]:
    """The downloaded videos in the cache, by clip."""
    return {path.stem: path.read_bytes() for path in (home / "sources" / "street").glob("*.mp4")}


def test_a_download_fetches_the_members_alone_prepares_them_and_is_done(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    refused = download(street, env=env)
    assert refused.returncode == 2
    assert "Terms of street: For tests. Nothing else." in refused.stdout
    assert "--accept-licence" in refused.stderr
    assert hub.requests == []

    done = download(street, "--accept-licence", "--size", 16, "--size", 24, env=env)
    assert done.returncode == 0, done.stderr
    assert "Fetched 6 clips" in done.stdout
    assert COMMIT in done.stdout
    assert "6 of 6 clips prepared at 16 px, 24 px" in done.stdout
    assert re.search(r"fetched 6/6 clips, \d\.\d/\d\.\d MB at .* MB/s; prepared 12/12", done.stderr)
    assert fetched(home) == {clip_id: path.read_bytes() for clip_id, path in clips.items()}
    assert len(prepared_under(home)) == 12
    members = sum(path.stat().st_size for path in clips.values())
    assert hub.sent_bytes < members + 2 * 2**16 + 5_000  # and the ends of two archives

    before = len(hub.requests)
    again = download(street, "--size", "32", env=env)  # accepted once, shown once
    assert again.returncode == 0, again.stderr
    assert "Terms" not in again.stdout
    assert len(hub.requests) == before
    assert len(prepared_under(home)) == 18


def test_the_commit_and_the_member_of_each_video_are_recorded(
    hub: HubServer, env: dict[str, str], street: Path, home: Path
) -> None:
    assert download(street, "--accept-licence", env=env).returncode == 0
    record = (home / "sources/street/clip-4.json").read_text()
    for told in (REPO, COMMIT, "part2.zip", "vidvrd-videos/clip-4.mp4", "sha256"):
        assert told in record


def test_a_killed_download_goes_on_where_it_was(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    hub.behaviour.delay_s = 0.4
    line = command("download", street, "--accept-licence", "--size", "8", "--connections", "1")
    process = subprocess.Popen(line, env=env, start_new_session=True, stdout=-3, stderr=-3)
    while len(fetched(home)) < 2:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1.0)  # the server may still be answering the request that was under way
    kept = fetched(home)
    assert 2 <= len(kept) < 6
    hub.behaviour.delay_s = 0
    sent = hub.sent_bytes
    done = download(street, env=env)
    assert done.returncode == 0, done.stderr
    assert f"Fetched {6 - len(kept)} clips" in done.stdout
    left = sum(path.stat().st_size for clip_id, path in clips.items() if clip_id not in kept)
    assert hub.sent_bytes - sent < left + 2 * 2**16 + 5_000
    assert videos("verify", street, env=env).stdout.endswith("street: 12 files hashed: 12 good.\n")
    assert not [name for name in files_under(home) if name.endswith((".part", ".tmp"))]


def test_a_half_fetched_member_is_completed_and_not_fetched_again(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    assert download(street, "--accept-licence", env=env).returncode == 0
    # One member again, in small pieces, killed between them.
    shelf = home / "sources" / "street"
    (shelf / "clip-1.mp4").unlink()
    hub.behaviour.delay_s = 0.1
    in_pieces = "import natural_mujoco.backgrounds.download as d; d.PIECE_BYTES = 1000"
    line = command("download", street, "--size", "8", before=in_pieces)
    process = subprocess.Popen(line, env=env, start_new_session=True, stdout=-3, stderr=-3)
    while not [p for p in shelf.glob(".clip-1.*.part") if p.stat().st_size >= 2000]:
        assert process.poll() is None
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(1.0)  # the server may still be answering the request that was under way
    part = next(shelf.glob(".clip-1.*.part"))
    have = part.stat().st_size
    assert 2000 <= have < clips["clip-1"].stat().st_size
    hub.behaviour.delay_s = 0
    sent = hub.sent_bytes
    done = download(street, env=env)
    assert done.returncode == 0, done.stderr
    tails = 2 * 2**16
    assert hub.sent_bytes - sent <= clips["clip-1"].stat().st_size + 200 - have + tails
    assert fetched(home)["clip-1"] == clips["clip-1"].read_bytes()


@pytest.mark.parametrize("fault", ["drop", "cut_short", "shorten_silently"])
def test_connections_that_die_midway_are_tried_again(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path], fault: str
) -> None:
    setattr(hub.behaviour, fault, 3)
    done = download(street, "--accept-licence", env=env, before=IMPATIENT)
    assert done.returncode == 0, done.stderr
    assert getattr(hub.behaviour, fault) == 0
    assert fetched(home) == {clip_id: path.read_bytes() for clip_id, path in clips.items()}


def test_a_server_that_dies_for_good_leaves_what_was_fetched(
    hub: HubServer, env: dict[str, str], street: Path, home: Path
) -> None:
    hub.behaviour.delay_s = 0.3
    line = command("download", street, "--accept-licence", "--connections", "1", before=IMPATIENT)
    process = subprocess.Popen(line, env=env, stdout=-3, stderr=subprocess.PIPE, text=True)
    while not fetched(home):
        assert process.poll() is None
        time.sleep(0.02)
    hub.behaviour.drop = 10**6
    _, told = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Lost the connection" in told
    assert "The same command goes on where it was." in told
    assert "Traceback" not in told
    assert fetched(home)
    hub.behaviour.drop, hub.behaviour.delay_s = 0, 0
    assert download(street, env=env).returncode == 0
    assert len(fetched(home)) == 6


def test_wrong_bytes_of_the_right_size_are_refused_and_their_clip_named(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, archives: dict[str, Path], tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.zip"
    data = bytearray(archives["part2.zip"].read_bytes())
    with zipfile.ZipFile(archives["part2.zip"]) as archive:
        member = archive.getinfo("vidvrd-videos/clip-4.mp4")
    data[member.header_offset + 200] ^= 0xFF
    wrong.write_bytes(data)
    hub.files["part2.zip"] = wrong
    done = download(street, "--accept-licence", env=env)
    assert done.returncode == 1
    assert "clip-4: The member 'vidvrd-videos/clip-4.mp4' of part2.zip is damaged" in done.stderr
    assert "1 of 6 clips of street are not usable" in done.stderr
    assert set(fetched(home)) == {"clip-0", "clip-1", "clip-2", "clip-3", "clip-5"}
    hub.files["part2.zip"] = archives["part2.zip"]
    assert download(street, env=env).returncode == 0
    assert len(fetched(home)) == 6


def test_a_clip_that_is_no_video_is_named_and_the_others_are_prepared(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path], tmp_path: Path
) -> None:
    text = tmp_path / "text.mp4"
    text.write_text("no video at all")
    hub.files["part1.zip"] = write_archive(
        tmp_path / "p.zip", {**dict(list(clips.items())[:3]), "clip-1": text}
    )
    done = download(street, "--accept-licence", env=env)
    assert done.returncode == 1
    assert re.search(r"clip-1: Cannot decode .*clip-1\.mp4: it is no video", done.stderr)
    assert len(prepared_under(home)) == 5


def test_a_missing_member_is_named(
    hub: HubServer, env: dict[str, str], street: Path, clips: dict[str, Path], tmp_path: Path
) -> None:
    hub.files["part1.zip"] = write_archive(tmp_path / "p.zip", dict(list(clips.items())[:2]))
    done = download(street, "--accept-licence", env=env)
    assert done.returncode == 1
    assert f"clip-2: no member called clip-2.mp4 in {REPO}" in done.stderr


def test_a_gated_dataset_asks_for_the_users_own_token(
    hub: HubServer, env: dict[str, str], street: Path, home: Path
) -> None:
    hub.behaviour.token = "hf_secret"
    done = download(street, "--accept-licence", env=env)
    assert done.returncode == 1
    assert re.search(rf"{REPO} is gated: accept its terms on http.*/datasets/{REPO}, then run `hf auth login`",
                     done.stderr)  # fmt: skip
    allowed = {**env, "HF_TOKEN": "hf_secret"}
    assert download(street, env=allowed).returncode == 0
    assert not [path for path in home.rglob("*") if path.is_file() and b"hf_secret" in path.read_bytes()]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--revision", "v9"], f"{REPO} has no revision 'v9': give --revision a branch, tag or commit"),
        (["--repo", "nobody/nothing"], "There is no dataset nobody/nothing that you may read"),
        (["--repo", "../../x"], "--repo"),
        (["--connections", "0"], "--connections 0: give 1 to 32"),
        (["--size", "0"], "size=0 is no frame size"),
    ],
)
def test_what_the_hub_does_not_have_is_said_in_one_sentence(
    env: dict[str, str], street: Path, arguments: list[str], told: str
) -> None:
    done = download(street, "--accept-licence", *arguments, env=env)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_dataset_without_the_archive_is_said(hub: HubServer, env: dict[str, str], street: Path) -> None:
    del hub.files["part2.zip"]
    done = download(street, "--accept-licence", env=env)
    assert done.returncode == 1
    assert "has no file part2.zip" in done.stderr


def test_a_mirror_and_a_redirect_serve_as_well(
    archives: dict[str, Path], env: dict[str, str], street: Path, home: Path
) -> None:
    with HubServer(dict(archives), repo="mirror/of-clips") as mirror:
        mirror.behaviour.redirect = True
        there = {**env, "HF_ENDPOINT": mirror.url}
        arguments = ["--repo", "mirror/of-clips", "--revision", COMMIT]
        done = download(street, "--accept-licence", *arguments, env=there)
    assert done.returncode == 0, done.stderr
    assert "mirror/of-clips" in (home / "sources/street/clip-0.json").read_text()


def test_a_server_without_ranges_is_asked_for_whole_archives(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    hub.behaviour.ranges = False
    done = download(street, "--accept-licence", env=env)
    assert done.returncode == 0, done.stderr
    assert "does not answer range requests: fetching all of part1.zip" in done.stderr
    assert fetched(home) == {clip_id: path.read_bytes() for clip_id, path in clips.items()}

    # The archives are now in the Hugging Face cache: enough to start over without a network.
    shutil.rmtree(home)
    offline = {**env, "HF_HUB_OFFLINE": "1"}
    before = len(hub.requests)
    done = download(street, "--accept-licence", env=offline)
    assert done.returncode == 0, done.stderr
    assert COMMIT in done.stdout
    assert len(hub.requests) == before
    assert len(prepared_under(home)) == 6


def test_offline_without_a_cache_says_so_and_with_one_works(
    hub: HubServer, env: dict[str, str], street: Path, home: Path
) -> None:
    offline = {**env, "HF_HUB_OFFLINE": "1"}
    done = download(street, "--accept-licence", env=offline)
    assert done.returncode == 1
    assert "HF_HUB_OFFLINE forbids fetching it" in done.stderr
    assert download(street, env=env).returncode == 0
    done = download(street, "--size", "16", env=offline)  # another size needs no network
    assert done.returncode == 0, done.stderr


def test_members_with_evil_paths_land_in_the_cache_alone(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, tmp_path: Path, clips: dict[str, Path]
) -> None:
    ids = list(clips)
    hub.files["part1.zip"] = write_archive(tmp_path / "1.zip", {i: clips[i] for i in ids[:3]}, "../../../")
    hub.files["part2.zip"] = write_archive(tmp_path / "2.zip", {i: clips[i] for i in ids[3:]}, "/tmp/../")
    outside = files_under(tmp_path) - {f"home/{name}" for name in files_under(home)}
    done = download(street, "--accept-licence", env=env)
    assert done.returncode == 0, done.stderr
    now = files_under(tmp_path) - {f"home/{name}" for name in files_under(home)}
    assert {name for name in now - outside if not name.startswith("hf/")} == set()


def test_a_damaged_download_is_removed_by_verify_and_fetched_anew(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    assert download(street, "--accept-licence", env=env).returncode == 0
    path = home / "sources/street/clip-3.mp4"
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    told = videos("verify", street, "--check", env=env)
    assert (told.returncode, "damaged: clip-3 (video)" in told.stdout, path.exists()) == (1, True, True)
    told = videos("verify", street, env=env)
    assert told.returncode == 1
    assert "lost: clip-3 (video): its sha256 is not the recorded one; it was removed" in told.stdout
    assert download(street, env=env).returncode == 0
    assert path.read_bytes() == clips["clip-3"].read_bytes()
    assert videos("verify", street, env=env).returncode == 0


def test_two_downloads_at_once_fetch_every_clip_once(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    hub.behaviour.delay_s = 0.1
    line = command("download", street, "--accept-licence", "--size", "8")
    processes = [
        subprocess.Popen(line, env=env, stdout=-3, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for process in processes:
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0, told
    members = sum(path.stat().st_size for path in clips.values())
    assert hub.sent_bytes < members + 4 * 2**16 + 5_000
    assert len(prepared_under(home)) == 6
