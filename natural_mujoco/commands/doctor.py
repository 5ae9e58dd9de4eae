"""`natural-mujoco doctor`: checks OpenGL, speed, videos and versions on this machine."""

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
class Remark:
    """The result of one check: its subject, what was found, and, if it is `broken`, what to do about it."""

    subject: str
    seen: str
    broken: bool = False


def add_parser(subparsers: Any) -> None:
    """Declares `doctor`."""
    parser = subparsers.add_parser(
        "doctor",
        help="check OpenGL, speed, videos and versions of this machine",
        description="Reports what draws on this machine and how fast, which videos are prepared and which versions are "
        "installed. If something is broken, says the remedy and exits with status 1.",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the result of every check; returns 1 if something is broken."""
    broken = False
    for examine in (versions, opengl, physics, speed, video_sets, cache_folder, batched):
        remarks = _examine(examine)
        for remark in remarks:
            mark = "FAIL" if remark.broken else "ok"
            print(f"{mark:4}  {remark.subject:11}  {remark.seen}", flush=True)
        broken |= any(remark.broken for remark in remarks)
        if broken and examine in (opengl, physics):
            break  # the other checks depend on it
    print("Something is broken: see FAIL above." if broken else "All is well.")
    return int(broken)


def _examine(examine: Callable[[], list[Remark]]) -> list[Remark]:
    try:
        return examine()
    except NaturalMujocoError as error:
        return [Remark(examine.__name__, str(error), broken=True)]


def versions() -> list[Remark]:
    """Python's and the packages' versions."""
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    system = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    remarks = [
        Remark("versions", f"natural-mujoco {__version__}, {system}"),
        Remark("packages", ", ".join(found)),
    ]
    if not any(name.startswith("av ") for name in found):
        remarks.append(Remark("decoder", "no video decoder; `pip install av`", broken=True))
    return remarks


def opengl() -> list[Remark]:
    """The backend and its driver, from a newly created context."""
    from ..rendering.framebuffer import describe_driver
    from ..rendering.gl import SOFTWARE_DRIVERS

    driver = describe_driver()
    seen = f"{driver['backend']}: {driver['renderer']} ({driver['vendor']}, {driver['version']})"
    remarks = [Remark("opengl", seen)]
    if any(name.lower() in driver["renderer"].lower() for name in SOFTWARE_DRIVERS):
        note = (
            "software driver: the processor draws, since no GPU driver with EGL was found. Natural frames are made for "
            "that; a full render (standard ids) takes it some 20 ms"
        )
        remarks.append(Remark("driver", note))
    return remarks


def physics() -> list[Remark]:
    """Whether dm_control loads a task with the installed MuJoCo."""
    try:
        from ..conversion import suite

        suite.load("cartpole", "balance")
    except (AttributeError, ImportError, TypeError) as error:
        remedy = (
            f"dm_control cannot load a task ({error}); `pip install 'dm_control>=1.0.49,<2' 'mujoco>=3.17,<4'` gives "
            "versions that go together"
        )
        return [Remark("physics", remedy, broken=True)]
    return [Remark("physics", "dm_control loads its tasks")]


def speed() -> list[Remark]:
    """Agent steps per second of one environment, natural and standard."""
    import gymnasium as gym

    from ..tasks import TASKS

    task = TASKS["WalkerWalk"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `video_sets` reports which videos are played
        rates = {
            "natural": _steps_per_second(gym.make(task.natural_id)),
            "standard": _steps_per_second(gym.make(task.standard_id)),
        }
    seen = ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items())
    return [Remark("speed", f"agent steps/s of {task.name} in 64x64, one environment: {seen}")]


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


def batched() -> list[Remark]:
    """Whether `natural_mujoco.batched` can run, and on which device; an extra, so its absence is not a fault."""
    from ..batched.requirements import describe

    try:
        return [Remark("batched", describe())]
    except NaturalMujocoError as error:
        return [Remark("batched", f"not available: {error}")]


def video_sets() -> list[Remark]:
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
    return [Remark("videos", f"clips prepared at 64 pixels: {', '.join(counts)}; 'auto' is {auto}")]


def cache_folder() -> list[Remark]:
    """Where the cache is and whether it can be written to."""
    from ..backgrounds.cache import cache_home

    home = cache_home()
    existing = next((folder for folder in (home, *home.parents) if folder.exists()), home)
    if not os.access(existing, os.W_OK):
        remedy = f"{home} cannot be written to; set NATURAL_MUJOCO_HOME to a folder of yours"
        return [Remark("cache", remedy, broken=True)]
    return [Remark("cache", str(home))]
