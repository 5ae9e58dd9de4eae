"""Makes one of dm_control's OpenGL contexts current and restores the previous one, for each backend.

- `runner`: makes a function that calls others with a context current.
- `kept_current`: restores the present context afterwards.
- `reader_of_samples`: `glReadPixels` for RGBA.

What is called at every frame calls the C libraries directly, since PyOpenGL's layers around them cost as much as a
fifth of the time for drawing a frame.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ..errors import RenderingError
from .egl_devices import EGL_OPENGL_API
from .matting import Pixels

EGL_DRAW, EGL_READ = 0x3059, 0x305A
GL_RGBA, GL_UNSIGNED_BYTE = 0x1908, 0x1401


def runner(gl: Any) -> Callable[..., Any]:
    """A function `run(function, *arguments)` that calls `function` while dm_control's context `gl` is current.

    The context is current only during the call, on the calling thread; with OSMesa, on a thread of its own. `run`
    raises `RenderingError` if the context cannot be made current.
    """
    backend = _backend()
    if backend == "egl":
        return _egl_runner(gl)

    def run_on_its_own_thread(function: Callable[..., Any], *arguments: Any) -> Any:
        with gl.make_current() as executor:
            return executor.call(function, *arguments)

    def run_here(function: Callable[..., Any], *arguments: Any) -> Any:
        with kept_current():
            gl._platform_make_current()
            return function(*arguments)

    return run_on_its_own_thread if backend == "osmesa" else run_here


def _egl_runner(gl: Any) -> Callable[..., Any]:
    from dm_control._render.pyopengl import egl_renderer

    egl = _egl()
    display = ctypes.cast(egl_renderer.EGL_DISPLAY, ctypes.c_void_p).value
    context = ctypes.cast(gl._context, ctypes.c_void_p).value
    nothing = (display, None, None, None)

    def run(function: Callable[..., Any], *arguments: Any) -> Any:
        before = egl.current()
        if not egl.make_current(display, None, None, context):
            raise RenderingError(
                "The OpenGL context cannot be made current: other code has it current on another thread."
            )
        try:
            return function(*arguments)
        finally:
            egl.make_current(*(before or nothing))

    return run


@contextmanager
def kept_current() -> Iterator[None]:
    """Afterwards, the context that was current on this thread before is current again."""
    backend = _backend()
    if backend == "egl":
        egl = _egl()
        before = egl.current()
        try:
            yield
        finally:
            if before is not None:
                egl.make_current(*before)
    elif backend == "glfw":
        import glfw

        window = glfw.get_current_context()
        try:
            yield
        finally:
            glfw.make_context_current(window)
    else:
        yield


def reader_of_samples() -> Callable[[Pixels], None]:
    """A function that reads the lower left of the current framebuffer into an array `uint8[h, w, 4]`."""
    from OpenGL import platform

    numbers = [ctypes.c_int] * 4 + [ctypes.c_uint] * 2
    gl_read_pixels = _function(platform.PLATFORM.GL, "glReadPixels", None, *numbers, ctypes.c_void_p)

    def read(pixels: Pixels) -> None:
        height, width, _ = pixels.shape
        place = pixels.__array_interface__["data"][0]
        gl_read_pixels(0, 0, width, height, GL_RGBA, GL_UNSIGNED_BYTE, place)

    return read


class _EGL:
    """Functions of libEGL."""

    def __init__(self) -> None:
        from OpenGL import platform

        library, pointer = platform.PLATFORM.EGL, ctypes.c_void_p
        self.make_current = _function(library, "eglMakeCurrent", ctypes.c_uint, *[pointer] * 4)
        self._context = _function(library, "eglGetCurrentContext", pointer)
        self._display = _function(library, "eglGetCurrentDisplay", pointer)
        self._surface = _function(library, "eglGetCurrentSurface", pointer, ctypes.c_int)
        self._bind_api = _function(library, "eglBindAPI", ctypes.c_uint, ctypes.c_uint)

    def current(self) -> tuple[Any, Any, Any, Any] | None:
        """The arguments with which `make_current` restores the present context; `None` if no context is current."""
        self._bind_api(EGL_OPENGL_API)  # a new thread is bound to OpenGL ES, and would give its context
        context = self._context()
        if not context:
            return None
        return self._display(), self._surface(EGL_DRAW), self._surface(EGL_READ), context


_egl = lru_cache(maxsize=1)(_EGL)


def _function(library: Any, name: str, result: Any, *arguments: Any) -> Any:
    """A new object for a C function, as PyOpenGL's own object has other argument types declared."""
    function = library[name]
    function.restype, function.argtypes = result, arguments
    return function


def _backend() -> str | None:
    from dm_control import _render

    backend: str | None = _render.BACKEND
    return backend
