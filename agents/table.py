"""The table of agents: class, settings and presets by name. A new agent needs one entry here.

- `AGENTS`: the table.
- `preset_config`, `agent_name`, `make_agent`: look up presets, names and classes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch

from natural_mujoco import InvalidArgument

from .agent import Agent
from .cvrl import CVRL
from .distil import Distil
from .dreamer import Dreamer
from .drqv2 import DrQv2
from .ppo import PPO
from .repo import RePo
from .sac import PixelSAC
from .training.config import CVRLConfig, DreamerConfig, RePoConfig, RunConfig
from .training.pixel_config import DistilConfig, DrQv2Config, PixelSACConfig, PPOConfig
from .training.presets import (
    CVRL_PRESETS,
    DISTIL_PRESETS,
    DREAMER_PRESETS,
    DRQV2_PRESETS,
    PPO_PRESETS,
    REPO_PRESETS,
    SAC_PRESETS,
)


class Entry(NamedTuple):
    """An agent's settings, constructor and presets."""

    config: type[RunConfig]
    make: Callable[
        [Any, int, torch.device], Agent[Any]
    ]  # from its config, the size of actions, and the device
    presets: Mapping[str, RunConfig]  # the first is the default


AGENTS: dict[str, Entry] = {
    "cvrl": Entry(CVRLConfig, CVRL, CVRL_PRESETS),
    "dreamer": Entry(DreamerConfig, Dreamer, DREAMER_PRESETS),
    "sac": Entry(PixelSACConfig, PixelSAC, SAC_PRESETS),
    "repo": Entry(RePoConfig, RePo, REPO_PRESETS),
    "drqv2": Entry(DrQv2Config, DrQv2, DRQV2_PRESETS),
    "ppo": Entry(PPOConfig, PPO, PPO_PRESETS),
    "distil": Entry(DistilConfig, Distil, DISTIL_PRESETS),
}


def agent_name(config: RunConfig) -> str:
    """The name of the agent that `config` belongs to."""
    return next(name for name, entry in AGENTS.items() if type(config) is entry.config)


def preset_config(agent: str, preset: str) -> RunConfig:
    """The configuration of an agent's preset. Raises InvalidArgument if the agent has no such preset."""
    presets = AGENTS[agent].presets
    if preset not in presets:
        raise InvalidArgument(f"Unknown preset {preset!r} of {agent}. Valid: {', '.join(presets)}.")
    return presets[preset]


def make_agent(config: RunConfig, action_size: int, device: torch.device) -> Agent[Any]:
    """The agent that `config` describes, with parameters drawn from its seed."""
    torch.manual_seed(int(np.random.SeedSequence([config.seed, 4]).generate_state(1)[0]))
    return AGENTS[agent_name(config)].make(config, action_size, device)
