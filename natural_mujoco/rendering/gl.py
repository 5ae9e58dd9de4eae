"""Chooses OpenGL's backend, with which dm_control is imported, and explains what to do where it does not start.

- `choose_backend`: sets `MUJOCO_GL` if the user did not; must run before dm_control is imported.
- `import_dm_control`: imports dm_control's suite, or raises an error that says what is missing.
- `take_usable_device`: switches to the next EGL device if the first cannot draw.
- `explain_context_failure`: what to do when a context cannot be created.
"""

from __future__ import annotations

import ctypes.util
import os
import sys
from types import ModuleType, TracebackType

from ..errors import NaturalMujocoError, RenderingError
from .egl_devices import EGLDevices

INSTALL_HINT = (
    "Install Mesa's software driver (Debian, Ubuntu: `sudo apt-get install libegl1 libgl1-mesa-dri`; Fedora: "
    "`sudo dnf install mesa-libEGL mesa-dri-drivers`; conda: `conda install -c conda-forge libegl mesalib`) or a "
    "GPU driver with EGL."
)
SOFTWARE_DRIVERS = ("llvmpipe", "softpipe", "swrast", "SwiftShader")

# Values of MUJOCO_GL that dm_control and MuJoCo understand.
_OFF = ("off", "disable", "disabled", "false", "0")
_GLFW = ("glfw", "on", "enable", "enabled", "true", "1")
_BACKENDS = ("egl", "osmesa", *_GLFW)


def choose_backend() -> None:
    """Sets `MUJOCO_GL` to `egl` on Linux unless the user chose a backend, and Mesa to one thread for each context.

    EGL draws with and without a display. If its library is missing, OSMesa is used if it is installed, else GLFW if
    there is a display. dm_control and MuJoCo read the variable once, when they are imported. An empty variable counts
    as unset, and case does not matter.

    Handing frames of this size to its threads takes Mesa's software driver longer than drawing them (measured: the
    64×64 walker foreground is 1.7 times as fast without), so `LP_NUM_THREADS` is set to 0 unless the user set it. The
    pixels are the same.

    Raises `RenderingError` for a `MUJOCO_GL` or `MUJOCO_EGL_DEVICE_ID` that cannot work, and if there is no OpenGL.
    """
    os.environ.setdefault("LP_NUM_THREADS", "0")
    if "dm_control._render" in sys.modules:
        return
    for name in ("MUJOCO_GL", "MUJOCO_EGL_DEVICE_ID", "PYOPENGL_PLATFORM"):
        _tidy(name)
    backend = os.environ.get("MUJOCO_GL")
    if backend is not None:
        _check_backend(backend)
        return
    if not sys.platform.startswith("linux"):
        return
    if ctypes.util.find_library("EGL"):
        os.environ["MUJOCO_GL"] = "egl"
    elif ctypes.util.find_library("OSMesa"):
        os.environ["MUJOCO_GL"] = "osmesa"
    elif _has_display():
        os.environ["MUJOCO_GL"] = "glfw"
    else:
        raise RenderingError(f"No OpenGL: this machine has no EGL library and no display. {INSTALL_HINT}")


def import_dm_control() -> ModuleType:
    """`dm_control.suite`, imported with the backend of `choose_backend`.

    Raises `RenderingError` with the remedy if OpenGL does not start, `NaturalMujocoError` if the installed versions of
    dm_control and MuJoCo do not fit together.
    """
    choose_backend()
    if "dm_control._render" not in sys.modules:
        _check_device_number()
        _check_display()
    try:
        return _import_suite()
    except ModuleNotFoundError:
        raise
    except Exception as error:
        if not _comes_from_opengl(error.__traceback__):
            raise NaturalMujocoError(
                f"dm_control cannot be imported ({_first_line(error)}). Install the versions that go together: "
                "`pip install 'dm_control>=1.0.49,<2' 'mujoco>=3.17,<4'`."
            ) from error
        failure = error
    if _egl_chosen() and take_usable_device():
        try:
            return _import_suite()
        except Exception as error:
            failure = error
    raise RenderingError(_explain_import_failure(failure)) from failure


def take_usable_device() -> bool:
    """Makes dm_control draw on the first EGL device that works, if the user chose none and its own choice fails.

    Returns whether there was another device. Applies to this process and to those that it starts.
    """
    if "MUJOCO_EGL_DEVICE_ID" in os.environ or not _egl_chosen():
        return False
    try:
        devices = EGLDevices()
        if not devices.usable or devices.usable[0] == devices.openable[0]:
            return False
    except OSError:
        return False
    os.environ["MUJOCO_EGL_DEVICE_ID"] = str(devices.usable[0])
    renderer = sys.modules.get("dm_control._render.pyopengl.egl_renderer")
    if renderer is not None:
        renderer.EGL_DISPLAY = renderer.create_initialized_headless_egl_display()  # type: ignore[attr-defined]
    return True


def explain_context_failure(error: BaseException, width: int, height: int) -> str:
    """The message for a context of `width`×`height` pixels that could not be created: what went wrong, what to do."""
    from dm_control import _render

    backend, remedy = _render.BACKEND, INSTALL_HINT
    if backend in _OFF:
        remedy = (
            "dm_control was imported while MUJOCO_GL said that nothing is drawn. Set MUJOCO_GL=egl in the environment "
            "before that, or unset it."
        )
    elif sys.platform.startswith("linux") and backend != _canonical(os.environ.get("MUJOCO_GL", "")):
        remedy = (
            f"dm_control was imported before natural_mujoco could choose how to draw, and took {backend}. "
            "Set MUJOCO_GL=egl in the environment, or create the first environment before importing dm_control."
        )
    elif backend == "glfw":
        remedy = (
            f"MUJOCO_GL=glfw draws on the display {os.environ.get('DISPLAY') or 'of this machine'}, which gives "
            "none. Unset MUJOCO_GL to draw without a display."
        )
    return f"No OpenGL context of {width}x{height} pixels could be created ({_first_line(error)}). {remedy}"


def _import_suite() -> ModuleType:
    from dm_control import suite

    return suite  # type: ignore[no-any-return]


def _tidy(name: str) -> None:
    """Lowers the case of the environment variable `name`, or unsets it if blank (job scripts write `MUJOCO_GL=`)."""
    value = os.environ.get(name)
    if value is None:
        return
    if value.strip():
        os.environ[name] = value.strip().lower()
    else:
        del os.environ[name]


def _check_backend(backend: str) -> None:
    if backend in _OFF:
        raise RenderingError(
            f"MUJOCO_GL={backend} turns OpenGL off, and an observation is a picture. Unset MUJOCO_GL, or set it "
            "to egl, which needs no display."
        )
    if backend not in _BACKENDS:
        raise RenderingError(
            f"MUJOCO_GL is {backend!r}. Valid: egl (needs no display), glfw (needs one), osmesa. Or unset it."
        )


def _check_device_number() -> None:
    """Raises `RenderingError` if `MUJOCO_EGL_DEVICE_ID` names no device that can be opened."""
    chosen = os.environ.get("MUJOCO_EGL_DEVICE_ID")
    if chosen is None or not _egl_chosen():
        return
    try:
        devices = EGLDevices()
    except OSError:
        return  # the import says what is missing
    if chosen.isdecimal() and int(chosen) in devices.openable:
        return
    if chosen.isdecimal() and int(chosen) < len(devices):
        wrong = f"EGL device {chosen} (MUJOCO_EGL_DEVICE_ID) cannot be opened here"
    else:
        wrong = f"MUJOCO_EGL_DEVICE_ID is {chosen!r}, which is no device of this machine"
    usable = ", ".join(map(str, devices.usable)) or "none"
    raise RenderingError(f"{wrong}. Usable: {usable}. Unset it to take the first of these.")


def _check_display() -> None:
    if os.environ.get("MUJOCO_GL") in _GLFW and sys.platform.startswith("linux") and not _has_display():
        raise RenderingError(
            f"MUJOCO_GL={os.environ['MUJOCO_GL']} draws on a display, and there is none (DISPLAY is not set). Unset "
            "MUJOCO_GL, or set it to egl, which needs no display."
        )


def _explain_import_failure(error: Exception) -> str:
    backend, platform = os.environ.get("MUJOCO_GL", "glfw"), os.environ.get("PYOPENGL_PLATFORM")
    egl_is_there = _loads("EGL", "libEGL.so.1")
    if backend == "osmesa" and egl_is_there and not _loads("OSMesa", "libOSMesa.so.8", "libOSMesa.so.6"):
        return (
            "MUJOCO_GL=osmesa needs OSMesa's library, which is not installed. Unset MUJOCO_GL to draw through EGL, or "
            "install it (Debian, Ubuntu: `sudo apt-get install libosmesa6`)."
        )
    if backend in ("egl", "osmesa") and platform not in (None, backend):
        return f"MUJOCO_GL={backend} and PYOPENGL_PLATFORM={platform} contradict each other. Unset PYOPENGL_PLATFORM."
    chosen = _library_of_pyopengl()
    if backend in ("egl", "osmesa") and egl_is_there and chosen not in (None, backend):
        return (
            f"PyOpenGL was imported before the first environment was made, and chose {chosen} instead of {backend}. "
            f"Make the environment first, or set PYOPENGL_PLATFORM={backend} in the environment."
        )
    remedy = INSTALL_HINT if backend in ("egl", "osmesa") else "Unset MUJOCO_GL to draw without a display."
    return f"OpenGL does not start with MUJOCO_GL={backend} ({_first_line(error)}). {remedy}"


def _library_of_pyopengl() -> str | None:
    """The library through which PyOpenGL calls OpenGL: `"egl"`, `"glx"`, …; `None` if PyOpenGL is not imported."""
    platform = getattr(sys.modules.get("OpenGL.platform"), "PLATFORM", None)
    return None if platform is None else type(platform).__module__.rpartition(".")[2]


def _loads(short_name: str, *names: str) -> bool:
    """Whether a library can be loaded, as `ctypes` finds it or under one of its usual names."""
    for name in filter(None, (ctypes.util.find_library(short_name), *names)):
        try:
            ctypes.CDLL(name)
            return True
        except OSError:
            continue
    return False


def _canonical(backend: str) -> str:
    backend = backend.strip().lower()
    return "glfw" if backend in _GLFW else backend


def _comes_from_opengl(traceback: TracebackType | None) -> bool:
    while traceback is not None:
        name = traceback.tb_frame.f_globals.get("__name__", "")
        if name.partition(".")[0] in ("OpenGL", "glfw") or name.startswith("dm_control._render"):
            return True
        traceback = traceback.tb_next
    return False


def _egl_chosen() -> bool:
    return os.environ.get("MUJOCO_GL") == "egl"


def _has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
