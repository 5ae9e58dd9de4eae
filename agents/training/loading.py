"""From a run directory back to a policy: `agents.load(RUN_DIR)`.

- `save_config`, `read_config`, `differing_fields`: the run directory's config.json.
- `TrainedPolicy`: what `load` returns, an object with `reset(num_envs)` and `act(observations)`.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from natural_mujoco import InvalidArgument, NaturalMujocoError

from ..agent import Agent, Memory, choose_device
from ..table import AGENTS, agent_name, make_agent
from .checkpoint import load_checkpoint
from .config import RESUMABLE, RunConfig, flatten
from .earlier import FORMAT, upgraded


def save_config(run: Path, config: RunConfig) -> None:
    """Write config.json, whole or not at all."""
    data = {"format": FORMAT, "agent": agent_name(config), "config": dataclasses.asdict(config)}
    unfinished = run / ".config.json.tmp"
    unfinished.write_text(json.dumps(data, indent=1, default=str) + "\n")
    os.replace(unfinished, run / "config.json")


def read_config(run: Path) -> RunConfig:
    """The configuration of a run directory. Raises NaturalMujocoError where there is none, or none that can be read."""
    path = run / "config.json"
    try:
        data = upgraded(json.loads(path.read_bytes()))
        config = TypeAdapter(AGENTS[data["agent"]].config).validate_python(data["config"])
    except FileNotFoundError as error:
        raise NaturalMujocoError(
            f"{run} is no run directory: it has no config.json. Give the --logdir of a training run."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise NaturalMujocoError(
            f"{path} cannot be read as a run's configuration ({str(error).splitlines()[0]}); it was written by "
            "another version or is damaged."
        ) from error
    return config


def differing_fields(a: RunConfig, b: RunConfig) -> list[str]:
    """The fields that decide what is learned and differ, as "name: a's value, b's value"."""
    left, right = {"agent": agent_name(a), **flatten(a)}, {"agent": agent_name(b), **flatten(b)}
    names = [name for name in {**left, **right} if name not in RESUMABLE]
    return [
        f"{name}: {left.get(name)!r} there, {right.get(name)!r} here"
        for name in names
        if left.get(name) != right.get(name)
    ]


class TrainedPolicy:
    """A trained agent as a policy: greedy, without exploration noise, planning where the run's settings say so.

    >>> policy = agents.load("runs/walker-walk-natural/cvrl-paper-0")  # doctest: +SKIP
    >>> policy.reset(num_envs=8); actions = policy.act(observations)  # doctest: +SKIP
    """

    def __init__(self, agent: Agent[Any], config: RunConfig, control_steps: int) -> None:
        self.agent, self.config, self.training_steps = agent, config, control_steps
        self.training_seed = config.seed
        self.action_repeat = config.environment.action_repeat
        self._memory: Memory | None = None
        self._episode_seeds: Sequence[int] = ()
        self._noise: list[torch.Generator] = []

    def seed(self, episode_seeds: Sequence[int]) -> None:
        """The episodes that the next `reset` begins: each row's noise follows from its own."""
        self._episode_seeds = episode_seeds

    def reset(self, num_envs: int) -> None:
        """Begin new episodes in `num_envs` environments. The noise of each row begins anew, always the same."""
        self._memory = self.agent.begin(num_envs)
        seeds = self._episode_seeds if len(self._episode_seeds) == num_envs else range(num_envs)
        self._noise = [torch.Generator(self.agent.device).manual_seed(int(seed)) for seed in seeds]

    def act(self, observations: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Actions float32 [N, A] in [−1, 1] for observations uint8 [N, height, width, 3]; one call a step."""
        if self._memory is None:
            raise InvalidArgument("Call reset(num_envs) before act.")
        n = len(next(iter(self._memory.values())))
        observations = np.asarray(observations)
        if observations.dtype != np.uint8 or observations.ndim != 4 or len(observations) != n:
            raise InvalidArgument(
                f"Observations must be uint8 [{n}, height, width, 3] after reset({n}), not {observations.dtype} "
                f"{list(observations.shape)}."
            )
        frames = torch.from_numpy(np.ascontiguousarray(observations)).to(self.agent.device)
        actions, self._memory = self.agent.act(frames, self._memory, self._noise, exploring=False)
        return actions.float().cpu().numpy()


def load(run: str | os.PathLike[str], device: str = "auto") -> TrainedPolicy:
    """The policy of a run directory, from its newest whole checkpoint, on any device.

    Raises:
        NaturalMujocoError: no run directory, no checkpoint yet, or only damaged ones.
        InvalidArgument: a device that is not there.
    """
    path = Path(run)
    config = read_config(path)
    checkpoint = load_checkpoint(path)
    if checkpoint is None:
        raise NaturalMujocoError(f"{path} has no checkpoint yet. Train it further before it is evaluated.")
    agent = make_agent(config, int(checkpoint.state["action_size"]), choose_device(device))
    agent.load_parameters(checkpoint.tensors)
    agent.eval()
    return TrainedPolicy(agent, config, int(checkpoint.state["control_steps"]))
