"""Off-screen framebuffers: OpenGL contexts that any thread can draw in, one at a time, and any thread can free.

- `Framebuffer`: a framebuffer for one model, of one size and quality; equal ones share a context.
- `Quality`: how finely it draws.
- `describe_driver`: which driver draws, for `doctor` and for evaluation records.

A context is current on a thread only while that thread draws; afterwards the previous context is current again. A
context can therefore be freed on any thread, also by the garbage collector, without disturbing dm_control's own renders
or `mujoco.Renderer` in the same process.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from ..errors import ClosedEnvironmentError, RenderingError
from .current import kept_current, reader_of_samples, runner
from .gl import explain_context_failure, import_dm_control, take_usable_device


@dataclass(frozen=True)
class Quality:
    """How finely a `Framebuffer` draws, fixed when its context is created."""

    slices: int
    """Segments around a sphere, cylinder or capsule (dm_control: 28)."""
    stacks: int
    """Segments along a sphere, cylinder or capsule (dm_control: 16)."""
    shadow_map: int
    """Edge of the shadow map in texels, 0 for no shadows (dm_control: 2048)."""


class Framebuffer:
    """An off-screen framebuffer of at least `size`×`size` pixels for `model`.

    With a `quality` it has exactly that size and one sample per pixel; without one it is the framebuffer that
    dm_control would create for the model, with multisampling.

    `textures` are the numbers of the model's textures that can be drawn, by default all. A foreground needs neither the
    sky's nor the floor's, which take 40 MB and most of the time for creating a context.

    Framebuffers made by one thread share a context and its memory if they agree in size, quality, textures and
    `assets`, a name for the model's textures and meshes (`None`: share with none). One thread draws on them one after
    the other anyway, and with a framebuffer each, four environments in a process do not fit into a core's cache.

    Raises `RenderingError` with the remedy where no context can be created.
    """

    def __init__(
        self,
        model: Any,
        size: int,
        quality: Quality | None,
        assets: str | None = None,
        textures: frozenset[int] | None = None,
    ) -> None:
        width = height = size
        if quality is None:
            width, height = max(model.vis.global_.offwidth, size), max(model.vis.global_.offheight, size)
        place = (os.getpid(), threading.current_thread(), assets, width, height, quality, textures)
        with _sharing:
            context = _shared.get(place) if assets is not None else None
            if context is None:
                context = _Context(model, width, height, quality, textures)
                if assets is not None:
                    _shared[place] = context
            context.users += 1
        self._context: _Context | None = context

    def draw(self, viewport: Any, scene: Any, pixels: npt.NDArray[Any]) -> None:
        """Draws `scene` and reads `viewport` into `pixels`, bottom row first.

        `pixels` is `uint8[h, w, 3]`, or `uint8[h, w, 4]` with alpha, which multisampled framebuffers do not have.
        Raises `RenderingError` after a fork, `ClosedEnvironmentError` after `close`.
        """
        context = self._usable()
        with context.lock:
            context.run(context.draw, viewport, scene, pixels)

    def run(self, function: Callable[[], Any]) -> Any:
        """Calls `function` where the context is current, and returns what it returns."""
        context = self._usable()
        with context.lock:
            return context.run(function)

    def close(self) -> None:
        """Frees the context if no other framebuffer uses it. May be called again; does nothing in a forked child."""
        context, self._context = self._context, None
        if context is None or os.getpid() != context.owner:
            return
        with _sharing:
            context.users -= 1
            if context.users:
                return
            for place in [place for place, shared in _shared.items() if shared is context]:
                del _shared[place]
        context.free()

    def _usable(self) -> _Context:
        if self._context is None:
            raise ClosedEnvironmentError("This environment is closed. Create a new one.")
        if os.getpid() != self._context.owner:
            raise RenderingError(
                "This environment was used before the process forked, and an OpenGL context does not survive that. "
                "Create environments in the worker that uses them, or start workers with `spawn` or `forkserver`."
            )
        return self._context


_sharing = threading.RLock()
_shared: weakref.WeakValueDictionary[tuple[object, ...], _Context] = weakref.WeakValueDictionary()


class _Context:
    """The part that framebuffers share: dm_control's GL context, and MuJoCo's with its off-screen buffer."""

    def __init__(
        self, model: Any, width: int, height: int, quality: Quality | None, textures: frozenset[int] | None
    ) -> None:
        import mujoco

        self.owner = os.getpid()
        self.users = 0
        self.lock = threading.RLock()
        self._gl: Any = None
        self._render, self._read_pixels = mujoco.mjr_render, mujoco.mjr_readPixels
        self._read_samples = reader_of_samples()
        try:
            try:
                self._create(model, width, height, quality, textures)
            except Exception:
                if not take_usable_device():
                    raise
                self._create(model, width, height, quality, textures)
        except Exception as error:
            raise RenderingError(explain_context_failure(error, width, height)) from error

    def _create(
        self, model: Any, width: int, height: int, quality: Quality | None, textures: frozenset[int] | None
    ) -> None:
        from dm_control import _render

        with kept_current():
            self._gl = _render.Renderer(width, height)
        self.run = runner(self._gl)
        self._mujoco = self.run(_mujoco_context, model, width, height, quality, textures)

    def draw(self, viewport: Any, scene: Any, pixels: npt.NDArray[Any]) -> None:
        """See `Framebuffer.draw`; to be called while the context is current."""
        self._render(viewport, scene, self._mujoco)
        if pixels.shape[2] == 4:
            # mjr_readPixels has no alpha; MuJoCo leaves its off-screen buffer bound for reading.
            self._read_samples(pixels)
        else:
            self._read_pixels(pixels, None, viewport, self._mujoco)

    def free(self) -> None:
        """Frees all its memory, on any thread. May be called again."""
        with self.lock:
            if self._gl.terminated:
                return
            self.run(self._mujoco.free)
            with kept_current():
                self._gl.free()

    def __del__(self) -> None:
        # Frees the context of environments that are garbage collected without `close`, on whatever thread that happens.
        # At exit, dm_control and the system free it.
        if sys.is_finalizing() or os.getpid() != self.owner:
            return
        with suppress(Exception):  # half created, or freed by other code
            self.free()


def _mujoco_context(
    model: Any, width: int, height: int, quality: Quality | None, textures: frozenset[int] | None
) -> Any:
    """MuJoCo's context with its off-screen buffer bound; to be called while a GL context is current."""
    import mujoco

    with _visual_settings(model, width, height, quality), _only(model, textures):
        context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100.value)
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
    return context


@contextmanager
def _visual_settings(model: Any, width: int, height: int, quality: Quality | None) -> Iterator[None]:
    """Inside, `model.vis` has the settings that a new MuJoCo context should read; afterwards, its own again."""
    vis_global, vis_quality = model.vis.global_, model.vis.quality
    wanted = [(vis_global, "offwidth", width), (vis_global, "offheight", height)]
    if quality is not None:
        wanted += [
            (vis_quality, "offsamples", 0),
            (vis_quality, "numslices", quality.slices),
            (vis_quality, "numstacks", quality.stacks),
            (vis_quality, "shadowsize", quality.shadow_map),
        ]
    before = [getattr(section, field) for section, field, _ in wanted]
    try:
        for section, field, value in wanted:
            setattr(section, field, value)
        yield
    finally:
        for (section, field, _), value in zip(wanted, before, strict=True):
            setattr(section, field, value)


@contextmanager
def _only(model: Any, textures: frozenset[int] | None) -> Iterator[None]:
    """Inside, all textures of `model` but `textures` are one texel large, so that a new context skips them."""
    if textures is None:
        yield
        return
    width, height = model.tex_width.copy(), model.tex_height.copy()
    try:
        for number in set(range(model.ntex)) - textures:
            model.tex_height[number] //= model.tex_width[number]  # a cube's six sides lie one above the other
            model.tex_width[number] = 1
        yield
    finally:
        model.tex_width[:], model.tex_height[:] = width, height


def describe_driver() -> dict[str, str]:
    """The driver that draws: a dict with `backend`, `vendor`, `renderer` and `version`, from a newly created context.

    `renderer` is the GL renderer string, e.g. `llvmpipe (LLVM 15.0.6, 256 bits)`. Raises `RenderingError` if no
    context can be created.
    """
    import_dm_control()
    import mujoco
    from dm_control import _render
    from OpenGL import GL

    def strings() -> list[str]:
        return [
            (GL.glGetString(name) or b"?").decode() for name in (GL.GL_VENDOR, GL.GL_RENDERER, GL.GL_VERSION)
        ]

    framebuffer = Framebuffer(mujoco.MjModel.from_xml_string("<mujoco/>"), 8, Quality(12, 6, 0))
    vendor, renderer, version = framebuffer.run(strings)
    framebuffer.close()
    return {"backend": str(_render.BACKEND), "vendor": vendor, "renderer": renderer, "version": version}
