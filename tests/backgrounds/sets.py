"""Small video sets of real footage, and processes that use them as a user's would."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from .footage import short_clip
from .hub_server import HubServer

RUN = "import sys; from natural_mujoco.cli import main; sys.exit(main())"
HANGS_S = 600
"""A process that takes so long hangs, however slow and busy the machine."""
IMPATIENT = """
import time
sleep = time.sleep
time.sleep = lambda seconds: sleep(min(seconds, 0.02))  # the Hub's client waits up to 8 s between tries
"""


def write_clips(folder: Path, count: int, frames: int = 24) -> dict[str, Path]:
    """`count` short clips of real footage, no two alike, as `clip-0.mp4` and so on, by id."""
    folder.mkdir(parents=True, exist_ok=True)
    return {
        f"clip-{k}": short_clip(folder / f"clip-{k}.mp4", start=0.9 * k, frames=frames) for k in range(count)
    }


def write_manifest(
    path: Path,
    ids: Sequence[str],
    source: Mapping[str, object],
    frames: int | None = None,
    name: str = "street",
    **more: object,
) -> Path:
    """A manifest as a user would write it; every third clip is for testing."""
    videos = [
        {"id": i, "split": "test" if k % 3 == 2 else "train", **({"frames": frames} if frames else {})}
        for k, i in enumerate(ids)
    ]
    content = {
        "name": name,
        "licence": "For tests. Nothing else.",
        "source": source,
        "videos": videos,
        **more,
    }
    path.write_text(json.dumps(content))
    return path


def write_archive(path: Path, clips: Mapping[str, Path], folder: str = "vidvrd-videos/") -> Path:
    """A zip file of the clips in a folder of its own, beside members that no set asks for."""
    with zipfile.ZipFile(path, "w") as archive:
        for k, (clip_id, clip) in enumerate(clips.items()):
            kind = zipfile.ZIP_STORED if k % 2 else zipfile.ZIP_DEFLATED
            archive.write(clip, f"{folder}{clip_id}.mp4", compress_type=kind)
            archive.writestr(f"{folder}other-{k}.mp4", os.urandom(60_000))
    return path


def environment(home: Path, **more: str) -> dict[str, str]:
    """Environment variables of a user whose cache is `home`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {**kept, "NATURAL_MUJOCO_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1", **more}


def videos(*arguments: object, env: Mapping[str, str], before: str = "") -> subprocess.CompletedProcess[str]:
    """Run `natural-mujoco videos …` in a process of its own."""
    return subprocess.run(
        command(*arguments, before=before), env=dict(env), capture_output=True, text=True, timeout=HANGS_S
    )


def command(*arguments: object, before: str = "") -> list[str]:
    """The command line of `natural-mujoco videos …`, with code of the test's to run before it."""
    start = ["-c", f"{before}\n{RUN}"] if before else ["-m", "natural_mujoco"]
    return [sys.executable, *start, "videos", *map(str, arguments)]


def run_script(code: str, *arguments: object, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own."""
    line = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(line, env=dict(env), capture_output=True, text=True, timeout=HANGS_S)


def files_under(folder: Path) -> set[str]:
    """All files under a folder, as paths relative to it."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def prepared_under(home: Path) -> dict[str, str]:
    """sha256 of the frames in every prepared clip of a cache, by path, read without the package under test."""
    return {
        str(path.relative_to(home)): hashlib.sha256(path.read_bytes()[128:]).hexdigest()
        for path in sorted((home / "clips").rglob("*.npy"))
    }


def download(
    street: Path, *arguments: object, env: dict[str, str], before: str = ""
) -> subprocess.CompletedProcess[str]:
    """`natural-mujoco videos download` at the smallest cost: tiny frames, one preparing process."""
    sizes = () if "--size" in arguments else ("--size", 8)
    line = ("download", street, "--workers", 1, *sizes, *arguments)
    return videos(*line, env=env, before=before)


def started_and_held(
    hub: HubServer, line: list[str], env: dict[str, str], bodies: int
) -> subprocess.Popen[str]:
    """A download, its processes a group of their own, that has had so many answers and waits for one more."""
    hub.behaviour.hold_after = bodies
    process = subprocess.Popen(
        line, env=env, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    while not hub.holding.wait(0.05):
        assert process.poll() is None, process.communicate()[1]
    return process


def fetched_videos(home: Path) -> dict[str, bytes]:
    """The downloaded videos in the cache, by clip."""
    return {path.stem: path.read_bytes() for path in (home / "sources").glob("street*/*.mp4")}
