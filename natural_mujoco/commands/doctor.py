"""`natural-mujoco doctor`: does this machine draw, with what, how fast, and which videos are there."""

from __future__ import annotations

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..errors import NaturalMujocoError
from ..version import __version__

PACKAGES = (
    "gymnasium",
    "dm_control",
    "mujoco",
    "Shimmy",
    "numpy",
    "opencv-python-headless",
    "av",
)


@dataclass(frozen=True)
class Finding:
    """One thing looked at: what was seen, and what to do about it where it is `broken`."""

    subject: str
    seen: str
    broken: bool = False


def add_parser(subparsers: Any) -> None:
    """Declares `doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="check OpenGL, speed, videos and versions of this machine",
        description="Says what this machine draws with, how fast, which videos are prepared and which versions are "
        "installed; exits with 1 and the remedy where something is broken.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints every finding; returns 1 where something is broken."""
    broken = False
    for examine in (versions, opengl, physics, speed, video_sets, cache_folder, batched):
        findings = _examine(examine)
        for finding in findings:
            mark = "FAIL" if finding.broken else "ok"
            print(f"{mark:4}  {finding.subject:11}  {finding.seen}", flush=True)
        broken |= any(finding.broken for finding in findings)
        if broken and examine in (opengl, physics):
            break  # the rest stands on it
    print("Something is broken: see FAIL above." if broken else "All is well.")
    return int(broken)


def _examine(examine: Callable[[], list[Finding]]) -> list[Finding]:
    try:
        return examine()
    except NaturalMujocoError as error:
        return [Finding(examine.__name__, str(error), broken=True)]


def versions() -> list[Finding]:
    """Python's and the packages' versions."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    findings = [
        Finding("versions", f"natural-mujoco {__version__}, {system}"),
        Finding("packages", ", ".join(found)),
    ]
    if not any(name.startswith("av ") for name in found):
        findings.append(Finding("decoder", "no video decoder; `pip install av`", broken=True))
    return findings


def opengl() -> list[Finding]:
    """The backend and its driver, from a context that is really created."""
    from ..rendering.framebuffer import describe_driver
    from ..rendering.gl import SOFTWARE_DRIVERS

    driver = describe_driver()
    seen = f"{driver['backend']}: {driver['renderer']} ({driver['vendor']}, {driver['version']})"
    findings = [Finding("opengl", seen)]
    if any(name.lower() in driver["renderer"].lower() for name in SOFTWARE_DRIVERS):
        note = (
            "software driver: the processor draws, since no GPU driver with EGL was found. Natural frames are made for "
            "that; a full render (standard ids) takes it some 20 ms"
        )
        findings.append(Finding("driver", note))
    return findings


def physics() -> list[Finding]:
    """Whether dm_control loads a task with the installed MuJoCo."""
    try:
        from ..conversion import suite

        suite.load("cartpole", "balance")
    except (AttributeError, ImportError, TypeError) as error:
        remedy = (
            f"dm_control cannot load a task ({error}); `pip install 'dm_control>=1.0.49,<2' 'mujoco>=3.17,<4'` gives "
            "versions that go together"
        )
        return [Finding("physics", remedy, broken=True)]
    return [Finding("physics", "dm_control loads its tasks")]


def speed() -> list[Finding]:
    """Agent steps per second of one environment, natural and standard."""
    import gymnasium as gym

    from ..tasks import TASKS

    task = TASKS["WalkerWalk"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which videos play is reported below
        rates = {
            "natural": _steps_per_second(gym.make(task.natural_id)),
            "standard": _steps_per_second(gym.make(task.standard_id)),
        }
    seen = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    return [Finding("speed", f"agent steps/s of {task.name} in 64x64, one environment: {seen}")]


def _steps_per_second(env: Any, seconds: float = 1.0) -> float:
    env.reset(seed=0)
    action = env.action_space.sample()
    env.step(action)
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        if env.step(action)[3]:
            env.reset()
        steps += 1
    rate = steps / (time.perf_counter() - start)
    env.close()
    return rate


def batched() -> list[Finding]:
    """Whether `natural_mujoco.batched` would run, and on what. It is an extra: nothing is broken where it is not there."""
    from ..batched.requirements import describe

    try:
        return [Finding("batched", describe())]
    except NaturalMujocoError as error:
        return [Finding("batched", f"not available: {error}")]


def video_sets() -> list[Finding]:
    """The shipped sets, what `"auto"` means here, and how many clips are prepared for 64 pixels."""
    from ..backgrounds.library import open_videos
    from ..backgrounds.manifest import shipped_names

    counts = []
    for name in shipped_names():
        library = open_videos(name)
        ids = [video.id for video in library.manifest.videos]
        counts.append(f"{name} {sum(library.is_prepared(clip, 64) for clip in ids)}/{len(ids)}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        auto = open_videos("auto").name
    return [Finding("videos", f"clips prepared at 64 pixels: {', '.join(counts)}; 'auto' is {auto}")]


def cache_folder() -> list[Finding]:
    """Where the cache is and whether it can be written to."""
    from ..backgrounds.cache import cache_home

    home = cache_home()
    existing = next((folder for folder in (home, *home.parents) if folder.exists()), home)
    if not os.access(existing, os.W_OK):
        remedy = f"{home} cannot be written to; set NATURAL_MUJOCO_HOME to a folder of yours"
        return [Finding("cache", remedy, broken=True)]
    return [Finding("cache", str(home))]
