"""Run directories of agents that have not learned anything."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from agents.table import make_agent
from agents.training.checkpoint import save_checkpoint
from agents.training.config import RunConfig
from agents.training.run_folder import save_config

from .tiny import CPU


def write_untrained_run(folder: Path, config: RunConfig) -> Path:
    """A run directory as training leaves it, of an untrained agent."""
    folder.mkdir(parents=True)
    config = dataclasses.replace(
        config, environment=dataclasses.replace(config.environment, action_repeat=100)
    )
    save_config(folder, config)
    agent = make_agent(config, 1, CPU)
    save_checkpoint(folder, 7, agent.tensors(), {"control_steps": 4000, "action_size": 1})
    line = {"control_steps": 4000, "condition": "natural-test", "return": 12.5}
    (folder / "evaluations.jsonl").write_text(json.dumps(line) + "\n")
    return folder
