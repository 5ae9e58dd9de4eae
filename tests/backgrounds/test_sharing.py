"""One cache and many processes, killed processes, full and read-only disks: what is there is always whole."""

from __future__ import annotations

import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.obtain.verify import verify
from natural_mujoco.errors import VideoSetError

from .hub_server import HubServer
from .sets import HANGS_S, environment, files_under, prepared_under, run_script, write_manifest

PREPARE = """
import sys
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.obtain.preparation import Preparers
library = open_videos(sys.argv[1])
sizes = [int(size) for size in sys.argv[2].split(",")]
led = sys.argv[4:] == ["led"]
def told(count):
    print("at work", flush=True)
    if led:
        sys.stdin.readline()
with Preparers(library, workers=int(sys.argv[3])) as preparers:
    futures = [preparers.submit(v.id, size, on_frames=told) for size in sizes for v in library.manifest.videos]
for future in futures:
    future.result()
"""
"""Arguments: set, sizes, processes. With `led`, the next clip is begun when a line has been answered."""

READ_AND_VERIFY = """
import hashlib, sys
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.obtain.verify import verify
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
    answers = [process.communicate(timeout=HANGS_S) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, answers
    assert len({told for told, _ in answers}) == 1
    assert len(answers[0][0].split()) == 6
    left = {name for name in files_under(home) if "tmp" in name}
    assert left == set()
    assert len(prepared_under(home)) == 6
    assert {finding.state for finding in verify(open_videos(street))} == {"good"}


def at_work(line: list[str], home: Path) -> subprocess.Popen[str]:
    """A process group that prepares clips."""
    return subprocess.Popen(line, env=environment(home), start_new_session=True, stdin=subprocess.PIPE,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)  # fmt: skip


def await_progress(process: subprocess.Popen[str]) -> None:
    """Wait for the next line of a process that is at work."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if line != "at work\n":
        raise AssertionError(f"{line!r}, then {process.communicate()[1]}")


def lead(process: subprocess.Popen[str], lines: int) -> None:
    """Let a led process go on by so many lines."""
    assert process.stdin is not None
    for _ in range(lines):
        await_progress(process)
        process.stdin.write("\n")
        process.stdin.flush()


def await_end_of_session(session: int) -> None:
    """Wait until no process of a session runs any more: orphans that finish their clip."""

    def runs(status: Path) -> bool:
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            return False  # gone since it was listed
        return fields[0] not in "ZX" and int(fields[3]) == session

    while any(runs(status) for status in Path("/proc").glob("[0-9]*/stat")):
        time.sleep(0.05)


def test_kills_at_random_moments_leave_a_cache_that_verifies(street: Path, home: Path) -> None:
    rng = random.Random(20)
    seen: dict[str, str] = {}
    for kill in range(8):
        # Sizes of this round alone, and never more than the test lets it do: however fast the machine is, the
        # process is at work when it is killed.
        sizes = ",".join(str(size) for size in range(8 + kill, 72, 8))
        process = at_work([sys.executable, "-c", PREPARE, str(street), sizes, "1", "led"], home)
        lead(process, rng.randint(0, 8))
        time.sleep(rng.choice([0, rng.uniform(0, 0.02), rng.uniform(0, 0.2)]))
        if kill % 4:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()  # the parent alone: its children finish their clip and end
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        now = prepared_under(home) if home.exists() else {}
        assert {name: now.get(name) for name in seen} == seen  # what was whole stays as it was
        seen = now
        await_end_of_session(process.pid)
    assert 0 < len(seen) <= 8 * 9
    all_begun = ",".join(str(size) for size in range(8, 24))
    done = run_script(PREPARE, street, all_begun, 1, env=environment(home))
    assert done.returncode == 0, done.stderr
    findings = verify(open_videos(street), mend=False)
    assert {finding.state for finding in findings} == {"good"}
    assert {finding.what for finding in findings} >= set(range(8, 24))
    clean = {**environment(home), "NATURAL_MUJOCO_HOME": str(home.parent / "clean")}
    first_begun = ",".join(str(size) for size in range(8, 16))
    assert run_script(PREPARE, street, first_begun, 1, env=clean).returncode == 0
    undisturbed = prepared_under(home.parent / "clean")
    after = prepared_under(home)
    assert {name: after[name] for name in undisturbed} == undisturbed
    # What was left half written of a size is swept when that size is prepared again.
    others = re.compile(rf"@(?!({all_begun.replace(',', '|')})\.)\d+\.[^/]*$")
    left = [name for name in files_under(home) if name.endswith(".tmp")]
    assert not [name for name in left if not others.search(name)]


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
        done = subprocess.run(
            line, env=env, capture_output=True, text=True, preexec_fn=limit, timeout=HANGS_S
        )
    else:
        script = f'{mounts}\nexec "$0" -c "$@"'
        line = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec", script, sys.executable, code]
        done = subprocess.run(
            [*line, *map(str, arguments)], env=env, capture_output=True, text=True, timeout=HANGS_S
        )
    return done.returncode, done.stdout + done.stderr


FILL = """
import os, sys
from pathlib import Path
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.obtain.verify import verify
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


DOWNLOAD = """
import sys
from natural_mujoco.backgrounds import open_videos
from natural_mujoco.backgrounds.cache import cache_home
from natural_mujoco.backgrounds.obtain.verify import verify
from natural_mujoco.cli import main
print("status", main(["videos", "download", sys.argv[1], "--accept-licence", "--size", "64"]))
print("states", {finding.state for finding in verify(open_videos(sys.argv[1]), mend=False)})
print("half-written", [str(p) for p in cache_home().rglob(".*.tmp") if p.stat().st_size > 0])
"""


def test_a_disk_that_fills_during_a_download_is_said_and_what_is_there_is_good(
    archives: dict[str, Path], clips: dict[str, Path], home: Path, tmp_path: Path
) -> None:
    source = {"kind": "hub", "repo": "someone/clips", "archives": list(archives)}
    street = write_manifest(tmp_path / "street.json", list(clips), source, frames=24)
    home.mkdir()
    mount = f"mount -t tmpfs -o size=256k tmpfs '{home}'"  # the videos take 66 kB, a clip's frames 295 kB
    with HubServer(archives, repo="someone/clips") as hub:
        env = environment(home, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path / "hf"))
        status, told = in_a_namespace(mount, DOWNLOAD, street, env=env)
    assert status == 0, told
    assert "status 1" in told
    assert "Fetched 6 clips" in told
    assert "The disk is full" in told or "limit refuses files of this size" in told
    assert "6 of 6 clips of street are not usable" in told
    assert "states {'good'}" in told
    assert "half-written []" in told
    assert "Traceback" not in told


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
    sizes = [
        str(size) for size in range(8, 256)
    ]  # far more work than one file; a gigabyte, were it never stopped
    process = at_work([sys.executable, "-c", PREPARE, str(street), ",".join(sizes), "2"], home)
    while not prepared_under(home):
        await_progress(process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it
    _, told = process.communicate(timeout=HANGS_S)
    assert "KeyboardInterrupt" in told
    await_end_of_session(process.pid)
    findings = verify(open_videos(street), mend=False)
    assert 0 < len(findings) < 6 * len(sizes)  # some of the clips at some of the sizes
    assert {finding.state for finding in findings} == {"good"}
