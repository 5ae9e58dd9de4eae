"""Which OpenGL is chosen, and what a user is told where it does not start."""

from __future__ import annotations

import ctypes.util
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from natural_mujoco.errors import RenderingError
from natural_mujoco.rendering import gl
from natural_mujoco.rendering.egl_devices import EGLDevices

from .scripts import run_script


@pytest.fixture
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Linux machine without a display, where the user has set nothing."""
    names = (
        "MUJOCO_GL",
        "MUJOCO_EGL_DEVICE_ID",
        "PYOPENGL_PLATFORM",
        "LP_NUM_THREADS",
        "DISPLAY",
        "WAYLAND_DISPLAY",
    )
    for name in names:
        # Set first, so that what the code under test sets is undone as well.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.delitem(sys.modules, "dm_control._render", raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    return monkeypatch


@pytest.mark.parametrize(
    ("libraries", "display", "chosen"),
    [
        ({"EGL", "OSMesa"}, ":0", "egl"),
        ({"EGL"}, None, "egl"),
        ({"OSMesa"}, None, "osmesa"),
        (set(), ":0", "glfw"),
    ],
)
def test_the_backend_that_is_there_is_chosen(
    empty_environment: pytest.MonkeyPatch, libraries: set[str], display: str | None, chosen: str
) -> None:
    empty_environment.setattr(
        ctypes.util, "find_library", lambda name: f"lib{name}.so" if name in libraries else None
    )
    if display:
        empty_environment.setenv("DISPLAY", display)
    gl.choose_backend()
    assert os.environ["MUJOCO_GL"] == chosen


def test_the_users_own_choice_stays(empty_environment: pytest.MonkeyPatch) -> None:
    empty_environment.setenv("MUJOCO_GL", "glfw")
    empty_environment.setenv("LP_NUM_THREADS", "3")
    gl.choose_backend()
    assert (os.environ["MUJOCO_GL"], os.environ["LP_NUM_THREADS"]) == ("glfw", "3")


@pytest.mark.parametrize("blank", ["", "  "])
def test_a_blank_variable_counts_as_unset(empty_environment: pytest.MonkeyPatch, blank: str) -> None:
    for name in ("MUJOCO_GL", "MUJOCO_EGL_DEVICE_ID", "PYOPENGL_PLATFORM"):
        empty_environment.setenv(name, blank)
    empty_environment.setattr(ctypes.util, "find_library", lambda name: f"lib{name}.so")
    gl.choose_backend()
    assert os.environ["MUJOCO_GL"] == "egl"
    assert not {"MUJOCO_EGL_DEVICE_ID", "PYOPENGL_PLATFORM"} & set(os.environ)


@pytest.mark.parametrize("written", ["EGL", " egl "])
def test_case_and_blanks_around_a_backend_do_not_matter(
    empty_environment: pytest.MonkeyPatch, written: str
) -> None:
    empty_environment.setenv("MUJOCO_GL", written)
    gl.choose_backend()
    assert os.environ["MUJOCO_GL"] == "egl"


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"MUJOCO_GL": "disabled"}, "MUJOCO_GL=disabled turns OpenGL off"),
        ({"MUJOCO_GL": "0"}, "MUJOCO_GL=0 turns OpenGL off"),
        ({"MUJOCO_GL": "wgl"}, "MUJOCO_GL is 'wgl'. Valid: egl"),
        ({"MUJOCO_GL": "glfw"}, "MUJOCO_GL=glfw draws on a display, and there is none"),
        ({"MUJOCO_GL": "on"}, "MUJOCO_GL=on draws on a display, and there is none"),
        ({"MUJOCO_EGL_DEVICE_ID": "7"}, "MUJOCO_EGL_DEVICE_ID is '7', which is no device of this machine"),
        ({"MUJOCO_EGL_DEVICE_ID": "-1"}, "MUJOCO_EGL_DEVICE_ID is '-1', which is no device of this machine"),
        (
            {"MUJOCO_EGL_DEVICE_ID": "abc"},
            "MUJOCO_EGL_DEVICE_ID is 'abc', which is no device of this machine",
        ),
        (
            {"MUJOCO_EGL_DEVICE_ID": "0,1"},
            "MUJOCO_EGL_DEVICE_ID is '0,1', which is no device of this machine",
        ),
    ],
)
def test_a_variable_that_cannot_work_is_named_with_the_remedy(
    empty_environment: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in {"MUJOCO_GL": "egl", **variables}.items():
        empty_environment.setenv(name, value)
    for _ in range(2):  # the second attempt of a process says the same
        with pytest.raises(RenderingError) as raised:
            gl.import_dm_control()
        assert message in str(raised.value)
        assert "nset" in str(raised.value)
        assert "apt-get" not in str(raised.value)


class SomeDevices:
    """A machine with four GPUs, of which this container may open one."""

    openable, usable = [1, 2], [2]

    def __len__(self) -> int:
        return 4


def test_a_device_that_cannot_be_opened_is_named_with_those_that_can(
    empty_environment: pytest.MonkeyPatch,
) -> None:
    empty_environment.setenv("MUJOCO_GL", "egl")
    empty_environment.setenv("MUJOCO_EGL_DEVICE_ID", "3")
    empty_environment.setattr(gl, "EGLDevices", SomeDevices)
    with pytest.raises(RenderingError, match=r"EGL device 3 .*cannot be opened here\. Usable: 2\."):
        gl.import_dm_control()


def test_the_first_usable_device_is_taken(empty_environment: pytest.MonkeyPatch) -> None:
    renderer = SimpleNamespace(EGL_DISPLAY="cannot draw")
    renderer.create_initialized_headless_egl_display = lambda: f"device {os.environ['MUJOCO_EGL_DEVICE_ID']}"
    empty_environment.setitem(sys.modules, "dm_control._render.pyopengl.egl_renderer", renderer)  # type: ignore[arg-type]
    empty_environment.setenv("MUJOCO_GL", "egl")
    empty_environment.setattr(gl, "EGLDevices", SomeDevices)
    assert gl.take_usable_device()
    assert (os.environ["MUJOCO_EGL_DEVICE_ID"], renderer.EGL_DISPLAY) == ("2", "device 2")
    assert not gl.take_usable_device(), "a user's device, and one taken before, stays"


def test_an_environment_draws_on_another_device_where_the_first_cannot() -> None:
    finished = run_script(
        """
        import os
        import gymnasium as gym
        import natural_mujoco
        from natural_mujoco.rendering import gl
        from natural_mujoco.rendering.egl_devices import EGLDevices

        usable = EGLDevices().usable
        gl.import_dm_control()
        from dm_control._render.pyopengl import egl_renderer

        egl_renderer.EGL_DISPLAY = egl_renderer.EGL.EGL_NO_DISPLAY
        EGLDevices.openable = property(lambda self: [-1, *usable])
        EGLDevices.usable = property(lambda self: usable)
        env = gym.make("NaturalMujoco/PendulumSwingupStandard-v0")
        print(env.reset(seed=0)[0].any(), os.environ["MUJOCO_EGL_DEVICE_ID"] == str(usable[0]))
        """,
        MUJOCO_GL="egl",
        MUJOCO_EGL_DEVICE_ID=None,
    )
    assert finished.stdout.split() == ["True", "True"], finished.stderr


def test_the_devices_of_this_machine_can_be_asked_for() -> None:
    devices = EGLDevices()
    assert len(devices) >= 1
    assert set(devices.usable) <= set(devices.openable) <= set(range(len(devices)))
    assert devices.usable


@pytest.mark.parametrize(
    ("backend", "first", "message"),
    [
        ("egl", "import OpenGL.GL", "PyOpenGL was imported before the first environment was made, and chose"),
        ("osmesa", "", "MUJOCO_GL=osmesa needs OSMesa's library"),
        ("osmesa", "import OpenGL.GL", "MUJOCO_GL=osmesa needs OSMesa's library"),
        (
            "egl",
            "os.environ['PYOPENGL_PLATFORM'] = 'osmesa'",
            "PYOPENGL_PLATFORM=osmesa contradict each other",
        ),
        ("disabled", "import OpenGL.GL", "MUJOCO_GL=disabled turns OpenGL off"),
    ],
)
def test_a_backend_that_does_not_start_gives_the_remedy_of_its_cause(
    backend: str, first: str, message: str
) -> None:
    finished = run_script(
        f"""
        import os
        import ctypes
        load = ctypes.CDLL.__init__

        def refuse(self, name, *rest, **more):
            if "OSMesa" in str(name):
                raise OSError(name)
            load(self, name, *rest, **more)

        ctypes.CDLL.__init__ = refuse
        {first}
        import gymnasium as gym
        import natural_mujoco
        for _ in range(2):
            try:
                gym.make("NaturalMujoco/PendulumSwingupStandard-v0")
            except natural_mujoco.RenderingError as error:
                print(error)
        """,
        MUJOCO_GL=backend,
        PYOPENGL_PLATFORM=None,
        MUJOCO_EGL_DEVICE_ID=None,
    )
    told = finished.stdout.splitlines()
    assert len(told) == 2, finished.stderr
    assert told[0] == told[1]
    assert message in told[0]


def test_without_any_opengl_the_error_names_the_packages(empty_environment: pytest.MonkeyPatch) -> None:
    empty_environment.setattr(ctypes.util, "find_library", lambda name: None)
    with pytest.raises(
        RenderingError, match=r"no EGL library and no display.*apt-get install libegl1 libgl1-mesa-dri"
    ):
        gl.choose_backend()


@pytest.mark.parametrize("backend", ["egl", "osmesa"])
def test_an_opengl_library_that_cannot_be_loaded_gives_the_remedy(backend: str) -> None:
    finished = run_script(
        """
        import ctypes, ctypes.util, sys
        import gymnasium as gym
        import natural_mujoco

        # A machine without OpenGL: no such library is found, and none loads.
        find, load = ctypes.util.find_library, ctypes.CDLL.__init__
        graphics = ("EGL", "OSMesa", "GL", "GLX", "OpenGL")
        ctypes.util.find_library = lambda name: None if name in graphics else find(name)

        def refuse(self, name, *rest, **more):
            if name and any(word in str(name) for word in graphics):
                raise OSError(f"{name}: cannot open shared object file: No such file or directory")
            load(self, name, *rest, **more)

        ctypes.CDLL.__init__ = refuse
        try:
            gym.make("NaturalMujoco/WalkerWalkStandard-v0")
        except natural_mujoco.RenderingError as error:
            print(error)
        """,
        MUJOCO_GL=backend,
        PYOPENGL_PLATFORM=backend,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.startswith(f"OpenGL does not start with MUJOCO_GL={backend} (")
    assert "apt-get install libegl1 libgl1-mesa-dri" in finished.stdout
    assert len(finished.stdout.splitlines()) == 1


@pytest.mark.parametrize("variant", ["-v0", "Standard-v0"])
def test_dm_control_imported_first_on_a_headless_machine_gives_the_remedy(
    variant: str, plain_clips: Path
) -> None:
    finished = run_script(
        """
        import os, sys
        for name in ("MUJOCO_GL", "DISPLAY", "WAYLAND_DISPLAY"):
            os.environ.pop(name, None)
        from dm_control import suite
        import natural_mujoco
        from natural_mujoco.environment import NaturalMujocoEnv

        natural, clips = sys.argv[1] == "-v0", sys.argv[2]
        try:
            NaturalMujocoEnv("WalkerWalk", natural, videos=clips if natural else None)
        except natural_mujoco.RenderingError as error:
            print(error)
        """,
        variant,
        str(plain_clips),
    )
    assert "Set MUJOCO_GL=egl in the environment" in finished.stdout, finished.stderr


def test_importing_the_package_needs_no_opengl() -> None:
    finished = run_script(
        """
        import sys
        import natural_mujoco
        print("dm_control" in sys.modules, natural_mujoco.find_task("walker-run").id_name)
        """,
        MUJOCO_GL="there is no such backend",
    )
    assert finished.stdout.split() == ["False", "WalkerRun"], finished.stderr
