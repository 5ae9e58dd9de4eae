"""Loads the policy of a run directory: `agents.load(RUN_DIR)`.

- `TrainedPolicy`: what `load` returns, an object with `reset(num_envs)` and `act(observations)`.
- `make_replay`, `load_replay`: the replay that a run's settings describe, and that of its last checkpoint, to read.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from natural_mujoco import InvalidArgument, NaturalMujocoError

from ..agent import Agent, Memory, choose_device
from ..table import make_agent
from .checkpoint import TENSORS, load_checkpoint
from .config import RunConfig
from .replay import Replay
from .replay_column import Storage
from .run_folder import read_config
from .sampling import Recency
from .state import PolicyState, ReplayState


class TrainedPolicy:
    """A trained agent as a policy: without exploration noise, and with planning if the run's settings say so.

    `training_steps` are the control steps that it was trained for, `digest` is the sha256 of its weights file.

    >>> policy = agents.load("runs/walker-walk-natural/cvrl-paper-0")  # doctest: +SKIP
    >>> policy.reset(num_envs=8); actions = policy.act(observations)  # doctest: +SKIP
    """

    def __init__(
        self, agent: Agent[Any], config: RunConfig, control_steps: int, digest: str | None = None
    ) -> None:
        self.agent, self.config, self.training_steps, self.digest = agent, config, control_steps, digest
        self.training_seed = config.seed
        self.action_repeat = config.environment.action_repeat
        self._memory: Memory | None = None
        self._episode_seeds: Sequence[int] = ()
        self._noise: list[torch.Generator] = []

    def seed(self, episode_seeds: Sequence[int]) -> None:
        """Sets the seeds of the episodes that the next `reset` begins; they decide each row's random numbers."""
        self._episode_seeds = episode_seeds

    def reset(self, num_envs: int) -> None:
        """Begins new episodes in `num_envs` environments; each row's random numbers start again from its seed.

        Without a call of `seed` for as many rows, their seeds are 0, 1, ….
        """
        self._memory = self.agent.begin(num_envs)
        seeds = self._episode_seeds if len(self._episode_seeds) == num_envs else range(num_envs)
        self._noise = [torch.Generator(self.agent.device).manual_seed(int(seed)) for seed in seeds]

    def act(self, observations: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Actions float32 [N, A] in [−1, 1] for observations uint8 [N, height, width, 3]; call once for each step.

        Raises InvalidArgument before `reset` and for observations of another shape.
        """
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
        NaturalMujocoError: `run` is not a run directory, or has no checkpoint, only damaged ones, or another agent's.
        InvalidArgument: the device does not exist.
    """
    path = Path(run)
    config = read_config(path)
    where = choose_device(device)
    checkpoint = load_checkpoint(path, PolicyState)
    if checkpoint is None:
        raise NaturalMujocoError(f"{path} has no checkpoint yet. Train it further before it is evaluated.")
    state = checkpoint.state
    agent = make_agent(config, state.action_size, where)
    agent.load_parameters(checkpoint.tensors, str(checkpoint.path / TENSORS))
    agent.eval()
    return TrainedPolicy(agent, config, state.control_steps, state.sha256)


def make_replay(
    run: Path,
    config: RunConfig,
    agent: Agent[Any],
    storage: Storage | None = None,
    device: torch.device | None = None,
) -> Replay:
    """The replay of a run in `run`; `storage` in place of the settings' one, `device` and errors as in `Replay`."""
    size, r = config.environment.size, config.replay
    return Replay(
        run / "replay",
        config.num_envs,
        r.capacity,
        (size, size, 3),
        agent.action_size,
        storage or r.storage,
        agent.state_size,
        device,
        Recency(r.recent_share, r.recent_steps),
    )


class _ReplayState(PolicyState):
    """The fields of a checkpoint's state that a replay needs."""

    replay: ReplayState


def load_replay(run: Path, policy: TrainedPolicy) -> Replay:
    """The replay of the newest whole checkpoint in `run`, whose policy is `policy`; its files are only read.

    Raises NaturalMujocoError if the run has no replay any more, or a damaged one.
    """
    checkpoint = load_checkpoint(run, _ReplayState)
    if checkpoint is None or not (run / "replay").exists():
        raise NaturalMujocoError(f"{run} has no replay any more: this needs the experience of the run.")
    replay = make_replay(run, policy.config, policy.agent, "reading")
    replay.restore(checkpoint.state.replay, checkpoint.tensors, str(checkpoint.path / TENSORS))
    return replay
