"""One cache and many processes, killed processes, full and read-only disks: what is there is always whole."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.verify import verify
from natural_mujoco.errors import VideoSetError

from .sets import environment, files_under, prepared_under, run_script, write_manifest

PREPARE = """
import sys
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.preparation import Preparers
library = open_videos(sys.argv[1])
jobs = [(v.id, int(size)) for size in sys.argv[2].split(",") for v in library.manifest.videos]
told = lambda count: print("at work", flush=True)
with Preparers(library, workers=int(sys.argv[3])) as preparers:
    futures = [preparers.submit(clip_id, size, on_frames=told) for clip_id, size in jobs]
for future in futures:
    future.result()
"""

READ_AND_VERIFY = """
import hashlib, sys
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.verify import verify
library = open_videos(sys.argv[1])
hashes = [hashlib.sha256(library.frames(v.id, 16).tobytes()).hexdigest()[:8] for v in library.manifest.videos]
assert all(finding.state == "good" for finding in verify(library))
print(*hashes)
"""


@pytest.fixture
def street(home: Path, tmp_path: Path, clips: dict[str, Path]) -> Path:
    """A set of six clips in a folder."""
    folder = tmp_path / "street"
    shutil.copytree(next(iter(clips.values())).parent, folder)
    ids = [f"{clip_id}.mp4" for clip_id in clips]
    return write_manifest(tmp_path / "street.json", ids, {"kind": "folder", "path": "street"}, frames=24)


def test_eight_processes_prepare_read_and_verify_one_set_at_once(street: Path, home: Path) -> None:
    line = [sys.executable, "-c", READ_AND_VERIFY, str(street)]
    processes = [
        subprocess.Popen(
            line, env=environment(home), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(8)
    ]
    answers = [process.communicate(timeout=180) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, answers
    assert len({told for told, _ in answers}) == 1
    assert len(answers[0][0].split()) == 6
    left = {name for name in files_under(home) if "tmp" in name}
    assert left == set()
    assert len(prepared_under(home)) == 6
    assert {finding.state for finding in verify(open_videos(street))} == {"good"}


def at_work(line: list[str], home: Path) -> subprocess.Popen[str]:
    """A process group that has just begun to prepare clips."""
    process = subprocess.Popen(line, env=environment(home), start_new_session=True, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "at work\n"
    return process


def test_twenty_kills_at_random_moments_leave_a_cache_that_verifies(street: Path, home: Path) -> None:
    rng = random.Random(20)
    sizes = ",".join(str(size) for size in range(8, 48))  # more work than all the rounds can finish
    line = [sys.executable, "-c", PREPARE, str(street), sizes, "1"]
    seen: dict[str, str] = {}
    killed_at_work = 0
    for kill in range(20):
        process = at_work(line, home)
        time.sleep(rng.uniform(0, 0.4))
        if kill % 4:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()  # the parent alone: its children finish their clip and end
        process.wait()
        killed_at_work += process.returncode == -signal.SIGKILL
        now = prepared_under(home) if home.exists() else {}
        assert {name: now.get(name) for name in seen} == seen  # what was whole stays as it was
        seen = now
    assert killed_at_work == 20
    assert 0 < len(seen) < 40 * 6
    time.sleep(1.0)  # orphans of the last round
    done = run_script(PREPARE, street, "8,9,10,47", 1, env=environment(home))
    assert done.returncode == 0, done.stderr
    findings = verify(open_videos(street), mend=False)
    assert {finding.state for finding in findings} == {"good"}
    assert {finding.what for finding in findings} >= {8, 9, 10, 47}
    clean = {**environment(home), "NATURAL_MUJOCO_HOME": str(home.parent / "clean")}
    assert run_script(PREPARE, street, "8,9,10,47", 1, env=clean).returncode == 0
    undisturbed = prepared_under(home.parent / "clean")
    after = prepared_under(home)
    assert {name: after[name] for name in undisturbed} == undisturbed


def in_a_namespace(mounts: str, code: str, *arguments: object, env: dict[str, str]) -> tuple[int, str]:
    """Run Python code after shell commands that mount something, seen by this process alone.

    Where the kernel grants no namespaces (some containers), the limit on file sizes stands in for the small disk.
    """
    if subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "true"], capture_output=True
    ).returncode:

        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

        line = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(line, env=env, capture_output=True, text=True, preexec_fn=limit, timeout=120)
    else:
        script = f'{mounts}\nexec "$0" -c "$@"'
        line = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, sys.executable, code]
        done = subprocess.run(
            [*line, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=120
        )
    return done.returncode, done.stdout + done.stderr


FILL = """
import os, sys
from pathlib import Path
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.verify import verify
from natural_mujoco.errors import VideoSetError
library = open_videos(sys.argv[1])
kept = []
for video in library.manifest.videos:
    try:
        library.frames(video.id, 40)
        kept.append(video.id)
    except VideoSetError as error:
        print("refused:", error)
        break
print("kept", len(kept), {f.state for f in verify(library)} if kept else "")
home = Path(os.environ["NATURAL_MUJOCO_HOME"])
print("half-written", [str(p) for p in home.rglob(".*") if p.is_file() and p.stat().st_size > 0])
"""


def test_a_full_disk_is_said_and_leaves_the_cache_valid(street: Path, home: Path) -> None:
    home.mkdir()
    mount = f"mount -t tmpfs -o size=384k tmpfs '{home}'"  # a clip takes 115 kB: three fit
    status, told = in_a_namespace(mount, FILL, street, env=environment(home))
    assert status == 0, told
    assert "refused: Cannot write" in told
    assert "The disk is full" in told or "limit refuses files of this size" in told
    assert "NATURAL_MUJOCO_HOME" in told
    assert "half-written []" in told
    if "The disk is full" in told:
        assert "{'good'}" in told


READ = """
import sys
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.errors import VideoSetError
library = open_videos(sys.argv[1])
print("read", library.frames("clip-0.mp4", 16).shape)
try:
    library.frames("clip-1.mp4", 16)
except VideoSetError as error:
    print("refused:", error)
"""


def test_a_read_only_cache_serves_what_is_prepared_and_says_what_it_cannot_write(
    street: Path, home: Path
) -> None:
    open_videos(street).frames("clip-0.mp4", 16)
    mount = f"mount --bind '{home}' '{home}' && mount -o remount,bind,ro '{home}'"
    status, told = in_a_namespace(mount, READ, street, env=environment(home))
    assert status == 0, told
    assert "read (24, 16, 16, 3)" in told
    if "File size" not in told and "limit refuses" not in told:
        assert "refused: Cannot write" in told
        assert "The file system is read-only: make it writable, or set NATURAL_MUJOCO_HOME" in told
    assert len(prepared_under(home)) == 1


def test_a_file_where_a_folder_should_be_is_said(street: Path, home: Path) -> None:
    home.mkdir()
    (home / "clips").write_text("in the way")
    with pytest.raises(VideoSetError, match="A file stands where a folder should be: move it away"):
        open_videos(street).frames("clip-0.mp4", 16)
    (home / "clips").unlink()
    assert len(open_videos(street).frames("clip-0.mp4", 16)) == 24


def test_a_cache_that_is_itself_a_file_is_said(street: Path, home: Path) -> None:
    home.write_text("in the way")
    with pytest.raises(VideoSetError, match=r"Cannot write .*A file stands where a folder should be"):
        open_videos(street).frames("clip-0.mp4", 16)


def test_ctrl_c_stops_preparing_at_once_and_keeps_what_is_whole(street: Path, home: Path) -> None:
    sizes = ",".join(str(size) for size in range(8, 48))
    line = [sys.executable, "-c", PREPARE, str(street), sizes, "2"]
    process = at_work(line, home)
    while not prepared_under(home):
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
    _, told = process.communicate(timeout=120)
    assert "KeyboardInterrupt" in told
    time.sleep(0.5)
    findings = verify(open_videos(street), mend=False)
    assert 0 < len(findings) < 6 * 40  # some of the clips at some of the sizes
    assert {finding.state for finding in findings} == {"good"}
