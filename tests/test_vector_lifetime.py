"""What the vector environment takes and gives back: shared memory, threads that share it, forks, dropping it."""

from __future__ import annotations

import contextlib
import gc
import os
import threading
from collections.abc import Callable
from pathlib import Path

import gymnasium as gym
import numpy as np
import psutil
import pytest

from natural_mujoco import NaturalMujocoError, WorkerError
from natural_mujoco.vector import shared_block, team

pytestmark = pytest.mark.usefixtures("no_child_is_left")

PENDULUM = "NaturalMujoco/PendulumSwingup-v0"


@pytest.mark.parametrize("refuses", ["memory", "memory and disk"])
def test_no_room_for_shared_memory_is_noticed_at_construction(
    plain_clips: Path, refuses: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., None] = os.posix_fallocate

    def fallocate(descriptor: int, offset: int, length: int) -> None:
        in_memory = os.readlink(f"/proc/self/fd/{descriptor}").startswith("/memfd:")
        if length > 10_000 and (in_memory or refuses == "memory and disk"):
            raise OSError(28, "No space left on device")
        real(descriptor, offset, length)

    monkeypatch.setattr(os, "posix_fallocate", fallocate)
    gc.collect()  # what earlier tests left
    before = _nameless_files_and_pipes()
    if refuses == "memory":
        envs = gym.make_vec(PENDULUM, num_envs=2, workers=1, videos=plain_clips)
        assert envs.reset(seed=0)[0].any()
        envs.close()
        del envs
    else:
        monkeypatch.setattr(team, "ChildProcess", None)
        with pytest.raises(WorkerError, match=r"no room for the \d+ MB that 64 environments.*--shm-size"):
            gym.make_vec(PENDULUM, num_envs=64, workers=1, videos=plain_clips, size=128)
    gc.collect()
    assert sorted(_nameless_files_and_pipes() - before) == [], "descriptors leak"


def _nameless_files_and_pipes() -> set[str]:
    """What the descriptors of this process lead to, of the kinds that a vector environment opens."""
    links = set()
    for descriptor in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):  # the one that listed them
            links.add(f"{descriptor} {os.readlink(f'/proc/self/fd/{descriptor}')}")
    return {link for link in links if link.endswith("(deleted)") or "pipe:" in link}


def test_threads_take_turns_and_one_may_close_under_another(plain_clips: Path) -> None:
    envs = gym.make_vec(PENDULUM, num_envs=2, workers=2, videos=plain_clips, size=8)
    envs.reset(seed=0)
    ages: list[int] = []

    def step() -> None:
        with contextlib.suppress(NaturalMujocoError):  # closed
            while len(ages) < 400:
                *_, infos = envs.step(np.zeros((2, 1)))
                assert infos["control_steps"][0] == infos["control_steps"][1]
                ages.append(int(infos["control_steps"][0]))
                if len(ages) > 100:
                    started.set()

    started = threading.Event()
    threads = [threading.Thread(target=step) for _ in range(3)]
    for thread in threads:
        thread.start()
    started.wait()
    envs.close()
    for thread in threads:
        thread.join()
    assert sorted(ages) == list(range(2, 2 * len(ages) + 1, 2)), "a step was returned twice, or not at all"


def test_a_forked_copy_leaves_the_environment_alone(plain_clips: Path) -> None:
    envs = gym.make_vec(PENDULUM, num_envs=2, workers=2, videos=plain_clips, size=8)
    envs.reset(seed=0)
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            envs.step(np.zeros((2, 1)))
        except NaturalMujocoError:
            envs.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    assert envs.step(np.zeros((2, 1)))[4]["control_steps"].tolist() == [2, 2]
    envs.close()


def test_dropping_it_ends_its_workers(plain_clips: Path) -> None:
    envs = gym.make_vec(PENDULUM, num_envs=2, workers=2, videos=plain_clips, size=8)
    workers = [psutil.Process(worker.pid) for worker in envs.unwrapped._workers]  # type: ignore[attr-defined]
    del envs
    assert not any(worker.is_running() for worker in workers)


def test_the_block_has_room_for_every_action() -> None:
    offsets, end = shared_block._layout(3, 4, shared_block._MAX_ACTION)
    assert end >= 3 * (4 * 4 * 3 + 8 * shared_block._MAX_ACTION)
    assert list(offsets)[-1] == "actions", "its size is known last"
