"""Training on the batched environment itself: `--vector warp` on the CPU, two worlds at a time.

What resuming means, and where frames are, is tested without kernels in tests/agents/test_vector_warp.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import agents
from agents.training.command_line import main, parse
from agents.training.trainer import Trainer

from ..agents.tiny import write_tiny_flags

pytestmark = pytest.mark.batched


@pytest.mark.parametrize(("agent", "steps"), [("ppo", "2600"), ("cvrl", "800")])
@pytest.mark.usefixtures("one_thread")
def test_agents_train_on_it_and_resume(tmp_path: Path, agent: str, steps: str, footage: Path) -> None:
    flags = [*write_tiny_flags(tmp_path, agent), "--variant", "natural", "--videos", str(footage)]
    flags += ["--vector", "warp", "--num-envs", "2"]
    if agent == "ppo":
        flags += ["--anneal-steps", steps]
    else:
        flags += ["--training.prefill", "240", "--training.episode-steps", "200"]
        flags += ["--environment.shared-background", "--replay.simultaneous-windows", "2"]
    assert main(agent, [*flags, "--steps", "400"]) == 0
    assert main(agent, [*flags, "--steps", steps]) == 0
    if agent == "ppo":
        episodes = [json.loads(line) for line in (tmp_path / "episodes.jsonl").read_text().splitlines()]
        assert [episode["length"] for episode in episodes] == [1000, 1000]
        assert all(episode["return"] > 0 for episode in episodes)
    run = Trainer(parse(agent, [*flags, "--steps", steps]))
    frames = run.replay.last_frames()
    run.close()
    assert run.updates > 5
    assert run.replay.outlives == (agent != "ppo")
    if run.replay.outlives:
        assert frames.float().std() > 10
    policy = agents.load(tmp_path, "cpu")
    policy.reset(1)
    assert np.abs(policy.act(np.zeros((1, 64, 64, 3), np.uint8))).max() <= 1
