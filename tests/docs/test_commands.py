"""The commands of all pages are executed, but for those of blocks that say what they take.

Agents meet a simulator that costs nothing, and evaluations are played in this process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from natural_mujoco import TASKS
from natural_mujoco.evaluation import evaluate
from natural_mujoco.evaluation.records import Episode
from natural_mujoco.evaluation.rollout import Block, Stage, play
from natural_mujoco.rendering.gl import import_dm_control

from ..agents.fake_envs import FakeEnvs
from .code_blocks import ROOT, having, name
from .following import execute, follow_commands

# `test_tutorials.py` follows these and looks at what comes of it; the page of PPO has a command of the first page.
TUTORIALS = ("docs/start.md", "docs/tutorials/")
# What a page takes for granted.
BEFORE = {
    "docs/evaluation.md": ["python -m agents.cvrl --task walker-walk --planning.when never"],
    "docs/leaderboard.md": [
        "python -m agents.cvrl --task walker-walk --planning.when never",
        "natural-mujoco evaluate --policy runs/walker-walk-natural/cvrl-paper-0 --out results/mine.json",
    ],
}
MY_MODULE = """
import numpy as np

class Still:
    def __init__(self, action_size):
        self.action_size = action_size

    def reset(self, num_envs):
        pass

    def act(self, obs):
        return np.zeros((len(obs), self.action_size), np.float32)

make_policy = seed_0 = Still
"""


class QuickEnvs(FakeEnvs):
    """Black frames, with the actions and the state of the task that an id names."""

    def __init__(self, env_id: str, num_envs: int, **kwargs: Any) -> None:
        super().__init__(num_envs, lengths=(50,), **kwargs)
        task = next(task for task in TASKS.values() if env_id in (task.natural_id, task.standard_id))
        env = import_dm_control().load(task.domain, task.task)
        self.state = env.reset().observation
        size = env.action_spec().shape
        self.single_action_space = gym.spaces.Box(-1, 1, size, np.float32)
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        assert name == "task_observation"
        return (self.state,) * self.num_envs

    def _frames(self) -> np.ndarray:
        return np.zeros(
            (self.num_envs, 64, 64, 3), np.uint8
        )  # noise would make the pictures that runs write dear


def play_here(blocks: Sequence[Block], *_: Any) -> Iterator[tuple[Block, list[Episode]]]:
    with Stage() as stage:
        for block in blocks:
            yield block, play(block, stage)


@pytest.mark.parametrize(
    "page", [page for page in having("bash", executed=True) if not name(page).startswith(TUTORIALS)], ids=name
)
@pytest.mark.usefixtures("one_thread")
@pytest.mark.filterwarnings("ignore")
def test_the_commands_of_a_page_work(
    page: Path, plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        gym, "make_vec", lambda env_id, num_envs, **kwargs: QuickEnvs(env_id, num_envs, **kwargs)
    )
    monkeypatch.setattr(evaluate, "play_blocks", play_here)
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_module.py").write_text(MY_MODULE)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for command in BEFORE.get(name(page), []):
        execute(command.split(), plain_clips)
    follow_commands(page, plain_clips)
