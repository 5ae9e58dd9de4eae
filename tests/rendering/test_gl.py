"""OpenGL contexts: backends, other code that draws, other threads, forks, and freeing."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import psutil
import pytest

from natural_mujoco.environment import NaturalMujocoEnv
from natural_mujoco.errors import RenderingError
from natural_mujoco.rendering import gl


def run_script(source: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a process of its own, with some environment variables changed."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A Linux machine without a display, where the user has set nothing."""
    for name in ("MUJOCO_GL", "LP_NUM_THREADS", "DISPLAY", "WAYLAND_DISPLAY"):
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
        gl.ctypes.util, "find_library", lambda name: f"lib{name}.so" if name in libraries else None
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


def test_without_any_opengl_the_error_names_the_packages(empty_environment: pytest.MonkeyPatch) -> None:
    empty_environment.setattr(gl.ctypes.util, "find_library", lambda name: None)
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


def test_the_driver_describes_itself() -> None:
    model = gl.import_dm_control().load("pendulum", "swingup").physics.model.ptr
    canvas = gl.Canvas(model, 8, gl.Quality(12, 6, 0))
    driver = gl.describe_driver(canvas)
    assert sorted(driver) == ["backend", "renderer", "vendor", "version"]
    assert all(driver.values())
    canvas.close()
    canvas.close()
    with pytest.raises(RenderingError, match="closed"), canvas.current():
        pass


def test_a_context_larger_than_the_driver_can_draw_is_refused_with_a_sentence() -> None:
    model = gl.import_dm_control().load("pendulum", "swingup").physics.model.ptr
    with pytest.raises(RenderingError, match="No OpenGL context of 200000x200000 pixels"):
        gl.Canvas(model, 200_000, gl.Quality(12, 6, 0))
    # The failure leaves OpenGL usable, and the model as it was.
    gl.Canvas(model, 8, gl.Quality(12, 6, 0)).close()
    assert (model.vis.global_.offwidth, model.vis.quality.numslices) == (640, 28)


def test_other_code_that_draws_does_not_disturb(plain_clips: Path) -> None:
    import mujoco

    natural = NaturalMujocoEnv("CheetahRun", videos=plain_clips)
    standard = NaturalMujocoEnv("CheetahRun", natural=False)
    before = [natural.reset(seed=0)[0], standard.reset(seed=0)[0]]
    physics = natural.dm_control_env.physics
    renderer = mujoco.Renderer(physics.model.ptr, 40, 40)
    renderer.update_scene(physics.data.ptr)
    theirs = renderer.render().copy()
    for env, expected in zip((natural, standard), before, strict=True):
        renderer.render()
        np.testing.assert_array_equal(env.reset(seed=0)[0], expected)
    np.testing.assert_array_equal(renderer.render(), theirs)
    renderer.close()
    natural.close()
    standard.close()


@pytest.mark.parametrize("natural", [True, False])
def test_another_thread_is_refused_with_a_sentence_and_does_no_harm(natural: bool, plain_clips: Path) -> None:
    env = NaturalMujocoEnv("CheetahRun", natural, **({"videos": plain_clips} if natural else {}))
    before, _ = env.reset(seed=0)
    raised: list[BaseException] = []

    def use() -> None:
        try:
            env.reset(seed=0)
        except RenderingError as error:
            raised.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    thread.join()
    assert "created on another thread" in str(raised[0])
    np.testing.assert_array_equal(env.reset(seed=0)[0], before)
    env.close()


def test_environments_live_on_threads_of_their_own(plain_clips: Path) -> None:
    shown: dict[int, np.ndarray] = {}

    def live(index: int) -> None:
        env = NaturalMujocoEnv("CheetahRun", videos=plain_clips)
        env.reset(seed=0, options={"frame": 0, "video": "red"})
        for _ in range(30):
            shown[index], *_ = env.step(np.zeros(6))
        env.close()

    threads = [threading.Thread(target=live, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(shown[0], shown[1])


@pytest.mark.parametrize("variant", ["-v0", "Standard-v0"])
def test_a_forked_child_is_told_instead_of_hanging(variant: str, plain_clips: Path) -> None:
    finished = run_script(
        """
        import os, sys
        import gymnasium as gym, numpy as np
        import natural_mujoco

        env_id, clips = sys.argv[1:]
        env = gym.make(env_id, **({} if "Standard" in env_id else {"videos": clips}))
        env.reset(seed=0)
        child = os.fork()
        if child == 0:
            try:
                env.step(np.zeros(6, np.float32))
            except natural_mujoco.RenderingError as error:
                print(error, flush=True)
            env.close()
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        env.step(np.zeros(6, np.float32))
        env.close()
        print("the parent goes on")
        """,
        f"NaturalMujoco/WalkerWalk{variant}",
        str(plain_clips),
    )
    assert finished.returncode == 0, finished.stderr
    told, parent = finished.stdout.splitlines()
    assert told.startswith("This environment was used before the process forked")
    assert "spawn" in told
    assert parent == "the parent goes on"


def living_contexts() -> int:
    """How many of dm_control's GL contexts have not been freed."""
    gl.import_dm_control()
    from dm_control._render.base import ContextBase

    gc.collect()
    return sum(issubclass(type(thing), ContextBase) and not thing.terminated for thing in gc.get_objects())


@pytest.mark.parametrize("close", [True, False], ids=["closed", "forgotten"])
@pytest.mark.parametrize("natural", [True, False], ids=["natural", "standard"])
def test_an_environment_frees_its_contexts(natural: bool, close: bool, plain_clips: Path) -> None:
    before = living_contexts()
    videos = {"videos": plain_clips} if natural else {}
    env: NaturalMujocoEnv | None = NaturalMujocoEnv(
        "PendulumSwingup", natural, render_mode="rgb_array", **videos
    )
    assert env is not None
    env.reset()
    env.render()
    assert env.matte.any()
    assert living_contexts() >= before + 2
    if close:
        env.close()
    else:
        env = None
    assert living_contexts() == before


def test_environments_of_one_model_share_a_context_until_the_last_is_closed(plain_clips: Path) -> None:
    before, red = living_contexts(), {"video": "red", "frame": 0}
    walk = NaturalMujocoEnv("WalkerWalk", videos=plain_clips)
    alone, _ = walk.reset(seed=0, options=red)
    run = NaturalMujocoEnv("WalkerRun", videos=plain_clips)
    assert living_contexts() == before + 1
    elsewhere, _ = run.reset(seed=1, options=red)
    again, _ = walk.reset(seed=0, options=red)
    np.testing.assert_array_equal(again, alone)
    assert not np.array_equal(elsewhere, alone)
    cheetah = NaturalMujocoEnv("CheetahRun", videos=plain_clips)
    large = NaturalMujocoEnv("WalkerWalk", videos=plain_clips, size=80)
    assert living_contexts() == before + 3
    for other in (cheetah, large, walk, walk):
        other.close()
    assert living_contexts() == before + 1
    again, _ = run.reset(seed=0, options=red)
    np.testing.assert_array_equal(again, alone)
    run.close()
    assert living_contexts() == before


def test_fifty_environments_in_a_row_take_no_more_memory_than_one(plain_clips: Path) -> None:
    process = psutil.Process()

    def use_one() -> None:
        env = NaturalMujocoEnv("PendulumSwingup", videos=plain_clips)
        env.reset()
        env.close()

    for _ in range(5):  # what is loaded once, and the allocator's reserves
        use_one()
    memory, files, threads = process.memory_info().rss, process.num_fds(), process.num_threads()
    for _ in range(50):
        use_one()
    assert process.memory_info().rss - memory < 60e6
    assert process.num_fds() - files < 10
    assert process.num_threads() - threads < 10
