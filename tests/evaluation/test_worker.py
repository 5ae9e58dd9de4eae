"""Policies in processes of their own: hung and crashed ones are noticed, and nothing is left behind."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from natural_mujoco.errors import PolicyError, WorkerError
from natural_mujoco.evaluation.rollout import Block
from natural_mujoco.evaluation.worker import PlayerProcess, _next_for, play_blocks

from .test_rollout import make_block


@pytest.mark.parametrize("policy", [":Hangs", ":HoldsTheInterpreter"])
def test_a_hung_policy_is_ended(plain_clips: Path, policy: str) -> None:
    block = dataclasses.replace(make_block(policy, plain_clips), wanted=(0,))
    player = PlayerProcess(timeout=1.0)
    child = psutil.Process(player.pid)
    with pytest.raises(PolicyError, match=r"hung in cartpole-swingup.*no answer for 1 s"):
        player.play(block)
    assert not child.is_running()


def test_a_policy_that_crashes_its_process_is_given_up_after_three_deaths(plain_clips: Path) -> None:
    block = dataclasses.replace(make_block(":Crashes", plain_clips), wanted=(0,))
    with pytest.raises(WorkerError, match=r"died 3 times \(SIGKILL\)"):
        list(play_blocks([block], workers=1))


def test_a_process_that_dies_once_is_replaced(
    plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRASHED_BEFORE", str(tmp_path / "crashed"))
    block = dataclasses.replace(make_block(":CrashesOnce", plain_clips), wanted=(0, 1))
    [(played, episodes)] = list(play_blocks([block], workers=2))
    assert played == block
    assert [episode.episode_seed for episode in episodes] == [1_000_000, 1_000_001]
    assert (tmp_path / "crashed").exists()


def test_a_player_stays_in_its_environments_and_leaves_others_to_theirs(plain_clips: Path) -> None:
    def seed(number: int, task: str) -> Block:
        return dataclasses.replace(make_block("zero", plain_clips), task=task, training_seed=number)

    waiting = [seed(k, task) for task in ("reacher-easy", "finger-spin") for k in range(3)]
    first, second = PlayerProcess(), PlayerProcess()
    order: list[tuple[str, str, int]] = []
    try:
        while waiting:
            for name, player in (("first", first), ("second", second)):
                if waiting and (name == "first" or len(waiting) != 3):  # at three, the second is still busy
                    block = waiting.pop(_next_for(player, waiting, (first, second)))
                    player.block, player.scene = block, block.scene
                    order.append((name, block.task, block.training_seed))
    finally:
        first.kill()
        second.kill()
    assert order == [
        ("first", "reacher-easy", 0),
        ("second", "finger-spin", 0),
        ("first", "reacher-easy", 1),
        ("first", "reacher-easy", 2),
        ("second", "finger-spin", 1),
        ("first", "finger-spin", 2),  # nothing else is left
    ]


def test_a_player_that_was_started_anew_has_no_environments(plain_clips: Path) -> None:
    player = PlayerProcess()
    try:
        player.submit(make_block(":Hangs", plain_clips))
        assert player.scene is not None
        player.restart()
        assert player.scene is None
    finally:
        player.kill()


def test_a_process_ends_with_its_parent(plain_clips: Path) -> None:
    """Killed parents leave no orphans, not even one whose policy never comes back."""
    program = (
        "import dataclasses, pathlib, time\n"
        "from natural_mujoco.evaluation.worker import PlayerProcess\n"
        "from tests.evaluation.test_rollout import make_block\n"
        "player = PlayerProcess(600)\n"
        f"player.submit(dataclasses.replace(make_block(':Hangs', pathlib.Path({str(plain_clips)!r})), wanted=(0,)))\n"
        "while player.steps < 2: time.sleep(0.05)\n"
        "print(player.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        deadline = time.monotonic() + 60
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
