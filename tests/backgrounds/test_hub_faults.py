"""A Hub that misbehaves: dead connections, wrong bytes, evil names, refusals; one clear sentence each, nothing lost."""

from __future__ import annotations

import re
import shutil
import zipfile
from pathlib import Path

import pytest

from .hub_server import COMMIT, Behaviour, HubServer
from .sets import (
    HANGS_S,
    IMPATIENT,
    command,
    download,
    fetched_videos,
    files_under,
    prepared_under,
    started_and_held,
    write_archive,
)

REPO = "someone/clips"


@pytest.mark.parametrize("fault", ["drop", "cut_short", "shorten_silently"])
def test_connections_that_die_midway_are_tried_again(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path], fault: str
) -> None:
    setattr(hub.behaviour, fault, 3)
    done = download(street, "--accept-licence", env=env, before=IMPATIENT)
    assert done.returncode == 0, done.stderr
    assert getattr(hub.behaviour, fault) == 0
    assert fetched_videos(home) == {clip_id: path.read_bytes() for clip_id, path in clips.items()}


@pytest.mark.parametrize(
    ("hostile", "told"),
    [
        ("whole", "answers range requests with other than bytes"),
        ("gzip", "answers range requests with other than bytes"),
        ("elsewhere", "sends other bytes than were asked for"),
        ("drip", "sends less than 1000 bytes a second"),
        ("endless", "no zip file, or damaged"),  # as much as was asked for was read of it, and is nothing
    ],
)
def test_a_server_that_sends_other_or_more_than_was_asked_for_is_not_listened_to(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, hostile: str, told: str
) -> None:
    hub.behaviour.hostile = hostile
    quick = f"{IMPATIENT}\nimport natural_mujoco.backgrounds.obtain.hub as hub\nhub.PATIENCE_S = 0.2"
    done = download(street, "--accept-licence", env=env, before=quick)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert hub.sent_bytes < 64 * 2**20  # what fits into the pipes between the two, and no gigabytes
    assert not fetched_videos(home)


def test_a_whole_archive_that_does_not_end_is_given_up(
    hub: HubServer, env: dict[str, str], street: Path
) -> None:
    hub.behaviour = Behaviour(ranges=False, hostile="endless")
    done = download(street, "--accept-licence", env=env, before=IMPATIENT)
    assert done.returncode == 1
    assert "The server sends more than it announced" in done.stderr
    assert hub.sent_bytes < 128 * 2**20


def test_the_token_stays_with_the_host_that_it_is_for(
    hub: HubServer, env: dict[str, str], street: Path
) -> None:
    with HubServer(hub.files, repo=REPO) as elsewhere:
        hub.behaviour = Behaviour(redirect=True, redirect_to=elsewhere.url, token="hf_secret")
        done = download(street, "--accept-licence", env={**env, "HF_TOKEN": "hf_secret"})
        assert done.returncode == 0, done.stderr
        assert elsewhere.tokens == {None}


def test_a_server_that_dies_for_good_leaves_what_was_fetched(
    hub: HubServer, env: dict[str, str], street: Path, home: Path
) -> None:
    line = command("download", street, "--accept-licence", "--connections", 1, before=IMPATIENT)
    process = started_and_held(hub, line, env, bodies=2 + 1)  # the ends of two archives, and one clip
    hub.die()
    _, told = process.communicate(timeout=HANGS_S)
    assert process.returncode == 1
    assert "Lost the connection" in told
    assert "The same command goes on where it was." in told
    assert "Traceback" not in told
    assert len(fetched_videos(home)) == 1
    with HubServer(hub.files, repo=REPO) as again:
        done = download(street, env={**env, "HF_ENDPOINT": again.url})
    assert done.returncode == 0, done.stderr
    assert "Fetched 5 clips" in done.stdout


@pytest.mark.parametrize(
    ("behaviour", "told"),
    [
        ({"status": 403}, "The Hub refuses someone/clips (403): run `hf auth login`"),
        ({"status": 429}, "The Hub answers 429 for someone/clips. Wait a little. The same command goes on"),
        ({"status": 503}, "The Hub answers 503 for someone/clips. Wait a little. The same command goes on"),
        ({"login_page": True}, "is not the Hub: is a login page in between, or HF_ENDPOINT wrong?"),
        ({"dead": True}, "Lost the connection to http://127.0.0.1"),
    ],
)
def test_a_hub_that_answers_with_errors_gets_one_sentence_and_is_asked_again_later(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, behaviour: dict[str, object], told: str
) -> None:
    hub.behaviour = Behaviour(**behaviour)
    done = download(street, "--accept-licence", env=env, before=IMPATIENT)
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    hub.behaviour = Behaviour()
    assert download(street, env=env).returncode == 0
    assert len(fetched_videos(home)) == 6


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
    assert set(fetched_videos(home)) == {"clip-0", "clip-1", "clip-2", "clip-3", "clip-5"}
    hub.files["part2.zip"] = archives["part2.zip"]
    assert download(street, env=env).returncode == 0
    assert len(fetched_videos(home)) == 6


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
        (["--repo", "a--b/c"], "a--b/c is no name of a dataset on the Hub"),
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


def test_a_server_without_ranges_is_asked_for_whole_archives(
    hub: HubServer, env: dict[str, str], street: Path, home: Path, clips: dict[str, Path]
) -> None:
    hub.behaviour.ranges = False
    done = download(street, "--accept-licence", env=env)
    assert done.returncode == 0, done.stderr
    assert "does not answer range requests: fetching all of part1.zip" in done.stderr
    assert fetched_videos(home) == {clip_id: path.read_bytes() for clip_id, path in clips.items()}

    # The archives are now in the Hugging Face cache: enough to start over without a network.
    shutil.rmtree(home)
    offline = {**env, "HF_HUB_OFFLINE": "1"}
    before = len(hub.requests)
    done = download(street, "--accept-licence", env=offline)
    assert done.returncode == 0, done.stderr
    assert COMMIT in done.stdout
    assert len(hub.requests) == before
    assert len(prepared_under(home)) == 6


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
