"""EGL's devices: the GPUs and software drivers that libEGL lists, and which of them can be used here.

In a container or a batch job libEGL often lists every GPU of the machine, though only some of them may be opened.

- `EGLDevices`: the number of devices, and which of them are usable. Calls libEGL directly, as it is needed before
  dm_control is imported.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from functools import cached_property
from typing import Any

EGL_PLATFORM_DEVICE_EXT = 0x313F
EGL_OPENGL_API = 0x30A2
MOST_DEVICES = 64

# 8 bits each for colours and alpha and a 24-bit depth buffer, as dm_control requests.
_CONFIGURATION = (
    0x3024,
    8,
    0x3023,
    8,
    0x3022,
    8,
    0x3021,
    8,
    0x3025,
    24,
    0x3033,
    0x0001,
    0x3040,
    0x0008,
    0x3038,
)


class EGLDevices:
    """The devices of this machine's libEGL. Raises `OSError` where the library or its device extension is missing."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(ctypes.util.find_library("EGL") or "libEGL.so.1")
        query = self._extension(
            "eglQueryDevicesEXT",
            ctypes.c_int,
            ctypes.POINTER(ctypes.c_void_p),
            ctypes.POINTER(ctypes.c_int),
            result=ctypes.c_uint,
        )
        devices, count = (ctypes.c_void_p * MOST_DEVICES)(), ctypes.c_int(0)
        self._devices = list(devices[: count.value]) if query(MOST_DEVICES, devices, count) else []

    def __len__(self) -> int:
        return len(self._devices)

    @cached_property
    def openable(self) -> list[int]:
        """Numbers of the devices that can be initialised; dm_control uses the first of them."""
        return [number for number in range(len(self)) if self._display(number)]

    @cached_property
    def usable(self) -> list[int]:
        """Numbers of the devices on which an OpenGL context can be created and made current."""
        return [number for number in self.openable if self._draws(number)]

    def _display(self, number: int) -> int | None:
        get = self._extension(
            "eglGetPlatformDisplayEXT",
            ctypes.c_uint,
            ctypes.c_void_p,
            ctypes.POINTER(ctypes.c_int),
            result=ctypes.c_void_p,
        )
        display: int | None = get(EGL_PLATFORM_DEVICE_EXT, self._devices[number], None)
        if not display or not self._call("eglInitialize", display, None, None):
            return None
        return display

    def _draws(self, number: int) -> bool:
        display = self._display(number)
        configurations, count = (ctypes.c_void_p * 1)(), ctypes.c_int(0)
        attributes = (ctypes.c_int * len(_CONFIGURATION))(*_CONFIGURATION)
        chosen = self._call("eglChooseConfig", display, attributes, configurations, 1, ctypes.byref(count))
        if not chosen or not count.value or not self._call("eglBindAPI", EGL_OPENGL_API):
            return False
        context = self._call("eglCreateContext", display, configurations[0], None, None)
        if not context:
            return False
        current = self._call("eglMakeCurrent", display, None, None, context)
        self._call("eglMakeCurrent", display, None, None, None)
        self._call("eglDestroyContext", display, context)
        return bool(current)

    def _call(self, name: str, *arguments: Any) -> Any:
        function = self._library[name]
        function.restype = ctypes.c_void_p if name == "eglCreateContext" else ctypes.c_uint
        return function(*(ctypes.c_void_p(a) if isinstance(a, int) and a > 2**31 else a for a in arguments))

    def _extension(self, name: str, *arguments: Any, result: Any) -> Any:
        find = self._library["eglGetProcAddress"]
        find.restype, find.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
        address = find(name.encode())
        if not address:
            raise OSError(f"libEGL has no {name}")
        return ctypes.CFUNCTYPE(result, *arguments)(address)
