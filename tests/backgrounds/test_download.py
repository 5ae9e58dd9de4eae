"""Downloading with the real Hub client from a server on the loopback interface: whole, killed, at once, offline."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from pathlib import Path

from .hub_server import COMMIT, HubServer
from .sets import (
    HANGS_S,
    command,
    download,
    fetched_videos,
    files_under,
    prepared_under,
    started_and_held,
    videos,
)

REPO = "someone/clips"


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
    assert fetched_videos(home) == {clip_id: path.read_bytes() for clip_id, path in clips.items()}
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
    (shelf,) = (home / "sources").glob("street*")
    record = (shelf / "clip-4.json").read_text()
    for told in (REPO, COMMIT, "part2.zip", "vidvrd-videos/clip-4.mp4", "sha256"):
        assert told in record


def test_a_revision_that_moves_is_said_and_what_was_recorded_is_used(
    hub: HubServer, env: dict[str, str], street: Path, home: Path
) -> None:
    second = hub.files.pop("part2.zip")
    assert download(street, "--accept-licence", env=env).returncode == 1
    (pins,) = (home / "pins").glob("street*.json")
    assert json.loads(pins.read_text())[".revisions"] == {f"{REPO}@main": COMMIT}
    hub.files["part2.zip"] = second
    hub.former, hub.commit = (COMMIT,), "f" * 40
    hub.requests.clear()
    done = download(street, env=env)
    assert done.returncode == 0, done.stderr
    assert f"{REPO}: main has moved from {COMMIT[:12]} to ffffffffffff" in done.stderr
    assert f"at commit {COMMIT}" in done.stdout
    fetched = [request for request in hub.requests if "/resolve/" in request]
    assert fetched
    assert all(f"/resolve/{COMMIT}/" in request for request in fetched)


def test_a_killed_download_goes_on_where_it_was(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    line = command("download", street, "--accept-licence", "--size", "8", "--connections", "1")
    # After the ends of two archives and two clips.
    process = started_and_held(hub, line, env, bodies=4)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    hub.let_go()
    kept = fetched_videos(home)
    assert len(kept) == 2
    sent = hub.sent_bytes
    done = download(street, env=env)
    assert done.returncode == 0, done.stderr
    assert "Fetched 4 clips" in done.stdout
    left = sum(path.stat().st_size for clip_id, path in clips.items() if clip_id not in kept)
    assert hub.sent_bytes - sent < left + 2 * 2**16 + 5_000
    assert videos("verify", street, env=env).stdout.endswith("street: 12 files hashed: 12 good.\n")
    assert not [name for name in files_under(home) if name.endswith((".part", ".tmp"))]


def test_ctrl_c_stops_a_download_with_a_word_and_keeps_what_is_whole(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    line = command("download", street, "--accept-licence", "--size", "8", "--connections", "1")
    process = started_and_held(hub, line, env, bodies=3)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=HANGS_S)  # the server is still silent: no answer is needed to stop
    assert process.returncode == 130
    assert "Stopped. The same command goes on where it was." in told
    assert "Traceback" not in told
    kept = fetched_videos(home)
    assert kept == {clip_id: clips[clip_id].read_bytes() for clip_id in kept}
    assert len(kept) == 1


def test_a_half_fetched_member_is_completed_and_not_fetched_again(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    assert download(street, "--accept-licence", env=env).returncode == 0
    # One member again, in small pieces, killed between them.
    (shelf,) = (home / "sources").glob("street*")
    (shelf / "clip-1.mp4").unlink()
    in_pieces = "import natural_mujoco.backgrounds.obtain.download as d; d.PIECE_BYTES = 1000"
    line = command("download", street, "--size", "8", before=in_pieces)
    process = started_and_held(hub, line, env, bodies=2 + 3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    hub.let_go()
    have = next(shelf.glob(".clip-1.*.part")).stat().st_size
    assert have == 3000 < clips["clip-1"].stat().st_size
    sent = hub.sent_bytes
    done = download(street, env=env)
    assert done.returncode == 0, done.stderr
    tails = 2 * 2**16
    assert hub.sent_bytes - sent <= clips["clip-1"].stat().st_size + 200 - have + tails
    assert fetched_videos(home)["clip-1"] == clips["clip-1"].read_bytes()


def test_a_mirror_and_a_redirect_serve_as_well(
    archives: dict[str, Path], env: dict[str, str], street: Path, home: Path
) -> None:
    with HubServer(dict(archives), repo="mirror/of-clips") as mirror:
        mirror.behaviour.redirect = True
        there = {**env, "HF_ENDPOINT": mirror.url}
        arguments = ["--repo", "mirror/of-clips", "--revision", COMMIT]
        done = download(street, "--accept-licence", *arguments, env=there)
    assert done.returncode == 0, done.stderr
    assert "mirror/of-clips" in next((home / "sources").glob("street*/clip-0.json")).read_text()


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


def test_a_damaged_download_is_removed_by_verify_and_fetched_anew(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    assert download(street, "--accept-licence", env=env).returncode == 0
    path = next((home / "sources").glob("street*/clip-3.mp4"))
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
        _, told = process.communicate(timeout=HANGS_S)
        assert process.returncode == 0, told
    members = sum(path.stat().st_size for path in clips.values())
    assert hub.sent_bytes < members + 4 * 2**16 + 5_000
    assert len(prepared_under(home)) == 6
