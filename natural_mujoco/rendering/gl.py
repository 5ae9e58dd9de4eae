"""OpenGL: which backend dm_control is imported with, and contexts of one's own.

- `choose_backend`: sets `MUJOCO_GL` where the user did not; must run before dm_control is imported.
- `import_dm_control`: imports dm_control's suite, or says what is missing.
- `Canvas`: an off-screen framebuffer for one model, of a size and quality of its own, shared with its like.
- `explained_failure`: what to do when a context cannot be created.
- `current_context`: makes one of dm_control's contexts current where that can be.
- `describe_driver`: which driver draws, for `doctor` and for evaluation records.
"""

from __future__ import annotations

import ctypes.util
import os
import sys
import threading
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from ..errors import RenderingError

INSTALL_HINT = (
    "Install Mesa's software driver (Debian, Ubuntu: `sudo apt-get install libegl1 libgl1-mesa-dri`; Fedora: "
    "`sudo dnf install mesa-libEGL mesa-dri-drivers`; conda: `conda install -c conda-forge libegl mesalib`) or a "
    "GPU driver with EGL."
)
SOFTWARE_DRIVERS = ("llvmpipe", "softpipe", "swrast", "SwiftShader")


def choose_backend() -> None:
    """Makes `MUJOCO_GL` say `egl` on Linux unless the user chose a backend, and keeps Mesa to one thread a context.

    EGL draws with and without a display. Where its library is missing, OSMesa is taken if it is there, and
    GLFW where there is a display. dm_control and MuJoCo read the variable once, when they are imported.

    Frames of this size take Mesa's software driver longer to hand to its threads than to draw
    (measured: 64×64 walker foreground 1.7 times as fast without), so `LP_NUM_THREADS` is 0 unless it is set. The
    pixels are the same.
    """
    os.environ.setdefault("LP_NUM_THREADS", "0")
    if (
        "MUJOCO_GL" in os.environ
        or not sys.platform.startswith("linux")
        or "dm_control._render" in sys.modules
    ):
        return
    if ctypes.util.find_library("EGL"):
        os.environ["MUJOCO_GL"] = "egl"
    elif ctypes.util.find_library("OSMesa"):
        os.environ["MUJOCO_GL"] = "osmesa"
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        os.environ["MUJOCO_GL"] = "glfw"
    else:
        raise RenderingError(f"No OpenGL: this machine has no EGL library and no display. {INSTALL_HINT}")


def import_dm_control() -> ModuleType:
    """`dm_control.suite`, imported with the backend of `choose_backend`.

    Raises `RenderingError` with the remedy where the OpenGL backend does not start.
    """
    choose_backend()
    try:
        from dm_control import suite
    except (ImportError, AttributeError, RuntimeError) as error:
        # PyOpenGL reports a missing libEGL as an AttributeError on None.
        backend = os.environ.get("MUJOCO_GL", "glfw")
        raise RenderingError(
            f"OpenGL does not start with MUJOCO_GL={backend} ({error or type(error).__name__}). {INSTALL_HINT}"
        ) from error
    return suite  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Quality:
    """How finely a `Canvas` draws. All of it is fixed when the context is created."""

    slices: int
    """Segments around a sphere, cylinder or capsule (dm_control: 28)."""
    stacks: int
    """Segments along them (dm_control: 16)."""
    shadow_map: int
    """Edge of the shadow map in texels, 0 for no shadows (dm_control: 2048)."""


class Canvas:
    """A square off-screen framebuffer of `resolution` pixels for `model`, without multisampling.

    It belongs to the process and the thread that created it; see `current_context`.

    Canvases of one thread share context and framebuffer where resolution, quality and `assets` agree, a word for the
    model's textures and meshes (`None` shares with nobody). They are drawn on one after the other anyway, and with
    a framebuffer each, four environments in a process no longer fit into a core's cache.
    """

    def __init__(self, model: Any, resolution: int, quality: Quality, assets: str | None = None) -> None:
        self.resolution = resolution
        self._shared: _Context | None = None
        place = (os.getpid(), threading.current_thread(), assets, resolution, quality)
        shared = _contexts.get(place) if assets is not None else None
        if shared is None:
            shared = _Context(model, resolution, quality)
            if assets is not None:
                _contexts[place] = shared
        shared.users += 1
        self._shared = shared
        self.context = shared.mujoco
        """MuJoCo's context, to draw with while this canvas is current."""

    @contextmanager
    def current(self) -> Iterator[Any]:
        """Makes the context current; yields dm_control's executor, whose `call(f, ...)` runs `f` on its thread."""
        if self._shared is None:
            raise RenderingError("This environment is closed. Create a new one.")
        with current_context(self._shared.gl, self._shared.owner) as executor:
            yield executor

    def close(self) -> None:
        """Frees the context with its last canvas. May be called again; does nothing in a forked child."""
        shared, self._shared = self._shared, None
        if shared is None or os.getpid() != shared.owner:
            return
        shared.users -= 1
        if shared.users == 0:
            shared.free()


class _Context:
    """What canvases share: dm_control's GL context, and MuJoCo's with its framebuffer."""

    def __init__(self, model: Any, resolution: int, quality: Quality) -> None:
        import mujoco
        from dm_control import _render

        self.owner = os.getpid()
        self.users = 0
        with explained_failure(resolution):
            self.gl = _render.Renderer(resolution, resolution)
            with self.gl.make_current() as executor, _visual_settings(model, resolution, quality):
                self.mujoco = executor.call(
                    mujoco.MjrContext, model, mujoco.mjtFontScale.mjFONTSCALE_100.value
                )
                executor.call(mujoco.mjr_setBuffer, mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, self.mujoco)

    def free(self) -> None:
        with self.gl.make_current() as executor:
            executor.call(self.mujoco.free)
        self.gl.free()


# Weak, so that environments which are forgotten instead of closed free theirs too.
_contexts: weakref.WeakValueDictionary[tuple[object, ...], _Context] = weakref.WeakValueDictionary()


@contextmanager
def explained_failure(resolution: int) -> Iterator[None]:
    """Turns what goes wrong while a context is created inside into a `RenderingError` with the remedy."""
    import mujoco
    from dm_control import _render
    from OpenGL.error import GLError

    try:
        yield
    except (RuntimeError, mujoco.FatalError, GLError) as error:
        remedy = INSTALL_HINT
        if sys.platform.startswith("linux") and "MUJOCO_GL" not in os.environ:
            remedy = (
                f"dm_control was imported before natural_mujoco could choose how to draw, and took {_render.BACKEND}. "
                "Set MUJOCO_GL=egl in the environment, or create the first environment before importing dm_control."
            )
        raise RenderingError(
            f"No OpenGL context of {resolution}x{resolution} pixels could be created "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}). {remedy}"
        ) from error


@contextmanager
def current_context(gl: Any, owner: int) -> Iterator[Any]:
    """Makes dm_control's context `gl`, made by process `owner`, current on this thread; yields its executor.

    Raises `RenderingError` after a fork and on another thread than the context's own.
    """
    if os.getpid() != owner:
        raise RenderingError(
            "This environment was used before the process forked, and an OpenGL context does not survive that. "
            "Create environments in the worker that uses them, or start workers with `spawn` or `forkserver`."
        )
    with ExitStack() as stack:
        try:
            executor = stack.enter_context(gl.make_current())
        except RuntimeError as error:
            raise RenderingError(
                "This environment was created on another thread, where its OpenGL context lives. Create it on the "
                "thread that uses it."
            ) from error
        # dm_control remembers which context is current and skips what it holds to be needless, but
        # mujoco.Renderer and other simulators in this process make theirs current without telling it.
        executor.call(gl._platform_make_current)
        yield executor


@contextmanager
def _visual_settings(model: Any, resolution: int, quality: Quality) -> Iterator[None]:
    """`model.vis` as a new MuJoCo context should read it, and as it was afterwards."""
    vis_global, vis_quality = model.vis.global_, model.vis.quality
    wanted = (
        (vis_global, "offwidth", resolution),
        (vis_global, "offheight", resolution),
        (vis_quality, "offsamples", 0),
        (vis_quality, "numslices", quality.slices),
        (vis_quality, "numstacks", quality.stacks),
        (vis_quality, "shadowsize", quality.shadow_map),
    )
    before = [getattr(section, field) for section, field, _ in wanted]
    try:
        for section, field, value in wanted:
            setattr(section, field, value)
        yield
    finally:
        for (section, field, _), value in zip(wanted, before, strict=True):
            setattr(section, field, value)


def describe_driver(canvas: Canvas) -> dict[str, str]:
    """`{"backend", "vendor", "renderer", "version"}` of the driver behind `canvas`.

    `renderer` is the GL renderer string, e.g. `llvmpipe (LLVM 15.0.6, 256 bits)`.
    """
    from dm_control import _render
    from OpenGL import GL

    def strings() -> list[str]:
        return [
            (GL.glGetString(name) or b"?").decode() for name in (GL.GL_VENDOR, GL.GL_RENDERER, GL.GL_VERSION)
        ]

    with canvas.current() as executor:
        vendor, renderer, version = executor.call(strings)
    return {"backend": str(_render.BACKEND), "vendor": vendor, "renderer": renderer, "version": version}
