"""Describes the machine of an episode: package versions, OpenGL renderer, platform, commit of the policy's code."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from .. import batched
from ..options import Renderer
from ..version import __version__
from .records import Machine

PACKAGES = ("mujoco", "dm_control", "gymnasium", "numpy", "opencv-python-headless", "torch")
"""Packages whose versions can change what a policy sees or does."""


def describe_machine(folder: Path | None = None, renderer: Renderer = "opengl") -> Machine:
    """Describes this machine; the commit is that of the git repository of `folder` (default: the working directory)."""
    return _without_commit(renderer).model_copy(update={"commit": _commit(folder or Path.cwd())})


@lru_cache(maxsize=2)
def _without_commit(renderer: Renderer) -> Machine:
    """What cannot change while this process runs."""
    versions = {"natural-mujoco": __version__, "python": platform.python_version()}
    for package in PACKAGES if renderer == "opengl" else (*PACKAGES, *batched.PACKAGES):
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return Machine(
        versions=versions,
        gl_renderer=gl_renderer() if renderer == "opengl" else f"MuJoCo Warp on {batched.best_device()[1]}",
        platform=f"{platform.system()} {platform.machine()}",
    )


@lru_cache(maxsize=1)
def gl_renderer() -> str:
    """The OpenGL driver's name, e.g. `llvmpipe (LLVM 15.0.6, 256 bits)`. Raises `RenderingError` without OpenGL."""
    # In a separate process, as this one may start others later and must not own a GL context then.
    program = "from natural_mujoco.rendering.framebuffer import describe_driver; print(describe_driver()['renderer'])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        from ..errors import RenderingError

        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RenderingError(f"OpenGL does not work here: {reason} `natural-mujoco doctor` says more.")
    return "".join(c for c in done.stdout.strip() if c.isprintable())[:300] or "unknown"


def _commit(folder: Path) -> str | None:
    """The commit of the git repository of `folder`, marked if files were changed; `None` outside of a repository."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{commit}-modified" if changed else commit


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout.strip()
