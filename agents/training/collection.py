"""Collects experience in parallel Gymnasium environments, and brings a resumed run back to its place in them.

Experience comes in rounds. A round begins with a reset of all environments, each with a seed derived from the run's
seed, the round and the environment; it ends when all have finished an episode (in this suite all at the same step). A
checkpoint in the middle of an episode therefore needs no state of the simulator: on resuming, the round begins again
with the same seeds, and its actions, which the replay holds, are repeated.

With MuJoCo Warp (`--vector warp`), the same actions need not lead to the same frames. There a run has only one round,
in which episodes follow each other, unless the background is shared; a resumed run begins another. These environments
give tensors, which become arrays only if the replay keeps arrays.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natural_mujoco import InvalidArgument, NaturalMujocoError, batched, find_task
from natural_mujoco.experts import flatten

from ..agent import Agent
from .config import RunConfig
from .replay import Replay
from .replay_column import as_array
from .sampling import groups
from .saved_tensors import take
from .state import CollectorState

# Steps after which it is decided again who acts in an environment, the agent or its teacher.
_TURN = 25


class Episode(NamedTuple):
    """A finished training episode."""

    episode_return: float
    length: int  # agent steps


def environment_id(task: str, variant: str) -> str:
    """The id of a task under any of its names. Raises InvalidArgument for an unknown one."""
    found = find_task(task)
    if variant not in ("natural", "standard"):
        raise InvalidArgument(f"Unknown variant {variant!r}. Valid: natural, standard.")
    return found.natural_id if variant == "natural" else found.standard_id


def environment_arguments(config: RunConfig, split: str) -> dict[str, Any]:
    """The keyword arguments for the run's id; `split` chooses the videos, on natural ids."""
    e = config.environment
    arguments: dict[str, Any] = {"action_repeat": e.action_repeat, "size": e.size}
    if e.rendering != "default":
        arguments["rendering"] = e.rendering
    if config.variant == "natural":
        arguments |= {"videos": config.videos, "split": split, "playback": e.playback, "matte": e.matte}
        if e.strength != 1:
            arguments["strength"] = e.strength
        if e.num_videos is not None and split == "train":
            arguments["num_videos"] = e.num_videos
    return arguments


def make_environments(config: RunConfig, num_envs: int, split: str = "train") -> gym.vector.VectorEnv:
    """The run's vector environment; `split` chooses the videos, on natural ids."""
    env_id = environment_id(config.task, config.variant)
    envs = gym.make_vec(env_id, num_envs=num_envs, **environment_arguments(config, split))
    mode = envs.metadata.get("autoreset_mode")
    if mode != gym.vector.AutoresetMode.NEXT_STEP:
        raise NaturalMujocoError(
            f"The vector environment resets in mode {mode}; the collector needs NEXT_STEP."
        )
    return envs


def make_training_environments(config: RunConfig, device: torch.device) -> gym.vector.VectorEnv:
    """The training environments: worker processes, or with `--vector warp` the batched environment on `device`.

    Raises BatchedError if the batched environment cannot run.
    """
    if config.vector == "workers":
        return make_environments(config, config.num_envs)
    arguments = environment_arguments(config, "train")
    return batched.make(config.task, config.variant, config.num_envs, device, **arguments)


def round_seeds(seed: int, round_number: int, num_envs: int) -> list[int]:
    """The reset seeds of one round, one for each environment."""
    return np.random.SeedSequence([seed, 2, round_number]).generate_state(num_envs).tolist()


class Collector:
    """Steps the environments with an agent and fills the replay.

    Args:
        envs: a vector environment that resets in the step after an episode's end (`NEXT_STEP`).
        agent: acts, with exploration.
        replay: gets one row of each environment at every step.
        seed: the run's seed.
        warp: whether `envs` is from `natural_mujoco.batched`.
        longest: agent steps after which a round ends, with episodes that are not over; 0 for none.
        sharing: how many environments, at least, play the same clip from the same frame in each round, that which the
            first of the group would play; 0 if each plays its own. See `groups`.
        held: agent steps for which each random action is held.
    """

    def __init__(
        self,
        envs: gym.vector.VectorEnv,
        agent: Agent[Any],
        replay: Replay,
        seed: int,
        warp: bool = False,
        longest: int = 0,
        sharing: int = 0,
        held: int = 1,
    ) -> None:
        self.envs, self.agent, self.replay, self.seed, self.warp = envs, agent, replay, seed, warp
        self.longest, self.sharing, self.held = longest, sharing, held
        self.random = np.random.default_rng(np.random.SeedSequence([seed, 3]))
        self.memory = agent.begin(envs.num_envs)
        self.round = -1
        self.row = 0  # rows since the round began
        self._reset_bookkeeping()

    def _reset_bookkeeping(self) -> None:
        n = self.envs.num_envs
        self.ended = np.ones(n, bool) if self.row == 0 else np.zeros(n, bool)  # at the last step
        self.finished = np.zeros(n, bool)  # at least once this round
        self.returns = np.zeros(n)
        self.lengths = np.zeros(n, np.int64)

    def step(self, randomly: bool) -> tuple[int, list[Episode]]:
        """Steps every environment, with the agent's actions or at random.

        Returns:
            (agent steps taken, episodes that ended). A reset counts as no step.
        """
        one_round = self.warp and not self.sharing
        if self.row == 0 or self._cut() or (self.finished.all() and not one_round):
            self._begin_round()
            return 0, []
        actions = self._choose(randomly)
        return self._apply(actions, self.envs.step(actions))

    def _cut(self) -> bool:
        """Whether the round is as long as rounds may be; its first row takes no step."""
        return 0 < self.longest < self.row

    def restart(self, envs: gym.vector.VectorEnv) -> None:
        """Continues with other environments in a new round; the running episodes are truncated."""
        self.envs, self.row = envs, 0
        self.memory = self.agent.begin(envs.num_envs)
        self._reset_bookkeeping()

    def _choose(self, randomly: bool) -> NDArray[np.float32] | Tensor:
        if randomly:
            # The agent does not see these steps; its memory is empty when it begins to act.
            self.memory = self.agent.begin(self.envs.num_envs)
            return self._random_actions()
        frames = self.replay.last_frames().to(self.agent.device)
        chosen, self.memory = self.agent.act(frames, self.memory, self.agent.acting_noise, exploring=True)
        actions = chosen.float()
        if self.agent.state_size:
            return self._overruled(actions.cpu().numpy())
        return actions if self.warp else actions.cpu().numpy()

    def _random_actions(self) -> NDArray[np.float32]:
        """Uniform actions [N, A], each held for `held` steps.

        Held ones depend on round and row alone, so that resuming needs no more state; others are drawn from the stream
        that runs have always used.
        """
        stream = self.random
        if self.held > 1:
            turn = [self.seed, 7, self.round, (self.row - 1) // self.held]
            stream = np.random.default_rng(np.random.SeedSequence(turn))
        return stream.uniform(-1, 1, self.envs.action_space.shape).astype(np.float32)

    def _overruled(self, actions: NDArray[np.float32]) -> NDArray[np.float32]:
        """The actions after the agent's teacher overruled some. Only the round and the row decide who acts where."""
        turn = np.random.SeedSequence([self.seed, 6, self.round, self.row // _TURN])
        return self.agent.overrule(
            actions,
            self.replay.last_states(),
            self.replay.rows,
            np.random.default_rng(turn).random(self.envs.num_envs),
        )

    def _states(self) -> NDArray[np.float32] | Tensor | None:
        """The physical states that the environments are in [N, state_size], for an agent whose replay keeps them."""
        if not self.agent.state_size:
            return None
        if self.warp:
            return self.envs.state_observation()  # type: ignore[attr-defined, no-any-return]
        parts = self.envs.call("task_observation")  # type: ignore[attr-defined]  # all of Gymnasium's have it
        return np.stack([flatten(part) for part in parts])

    def _reset(self) -> Any:
        """Resets all environments with the seeds of the round; returns their first frames."""
        n = self.envs.num_envs
        seeds = round_seeds(self.seed, self.round, n)
        frames, infos = self.envs.reset(seed=seeds)  # type: ignore[arg-type]
        if not self.sharing:
            return frames
        # Once more, with what the first one drew: 5 ms for eight environments, whose episodes take 1.6 s to step.
        drawn = infos["background"]
        for group in groups(n, self.sharing):
            video = drawn["video"][group[0]]
            if self.warp:
                video = self.envs.videos[int(video)]  # type: ignore[attr-defined]
            options = {"video": str(video), "frame": int(drawn["frame"][group[0]])}
            if len(group) < n:
                options["reset_mask"] = np.isin(np.arange(n), group)
            frames, _ = self.envs.reset(seed=seeds, options=options)  # type: ignore[arg-type]
        return frames

    def _begin_round(self) -> None:
        self.round += 1
        n = self.envs.num_envs
        frames = self._reset()
        self.replay.add(
            frames,
            np.zeros((n, self.agent.action_size), np.float32),
            np.zeros(n, np.float32),
            np.zeros(n, bool),
            np.ones(n, bool),
            self._states(),
        )
        self.memory = self.agent.begin(n)
        self.row = 1
        self._reset_bookkeeping()

    def _apply(
        self, actions: NDArray[np.float32] | Tensor, outcome: tuple[Any, ...]
    ) -> tuple[int, list[Episode]]:
        first = self.ended
        frames, rewards, terminated, truncated, _ = outcome
        self.replay.add(frames, actions, rewards, terminated, first, self._states())
        if first.any():
            self.memory = self.agent.forget(self.memory, torch.from_numpy(first).to(self.agent.device))
        self.row += 1
        return self._count(first, rewards, terminated | truncated)

    def _count(
        self, first: NDArray, rewards: NDArray | Tensor, ended: NDArray | Tensor
    ) -> tuple[int, list[Episode]]:
        rewards, ended = as_array(rewards), as_array(ended)
        self.returns = np.where(first, 0, self.returns + rewards)
        self.lengths = np.where(first, 0, self.lengths + 1)
        self.ended = ended
        self.finished |= ended
        over = ended | self._cut()
        episodes = [Episode(float(self.returns[i]), int(self.lengths[i])) for i in np.flatnonzero(over)]
        return int((~first).sum()), episodes

    def state(self) -> dict[str, Any]:
        """The collector's state, ready for JSON; `memory_tensors` has the rest."""
        return {"round": self.round, "row": self.row, "random": self.random.bit_generator.state}

    def memory_tensors(self) -> dict[str, Tensor]:
        """The agent's memory of the running episodes; empty if they are not continued on resuming."""
        return {} if self.warp else {f"memory.{k}": v for k, v in self.memory.items()}

    def restore(self, state: CollectorState, tensors: dict[str, Tensor], source: str) -> None:
        """Restores what `state` and `memory_tensors` returned; the replay must have been restored before.

        With MuJoCo Warp, new episodes begin instead.

        Raises NaturalMujocoError if the environments do not show the recorded frames any more (another version of the
        simulator, other videos, or another GL driver), or if the memory in the file `source` does not fit this agent.
        """
        self.round, self.row = state.round, state.row
        self.random.bit_generator.state = state.random.model_dump()
        if self.warp:
            self.restart(self.envs)
            return
        fresh = self.agent.begin(self.envs.num_envs)
        self.memory = {
            k: take(tensors, f"memory.{k}", v, source).to(self.agent.device) for k, v in fresh.items()
        }
        if self.row == 0:
            return
        if self.row > min(self.replay.rows, self.replay.stored):
            raise NaturalMujocoError(
                f"{source}: collector.row is {self.row}, and the replay has {self.replay.rows} rows. It is damaged."
            )
        self._reset_bookkeeping()
        frames = self._reset()
        for actions in self.replay.recent_actions(self.row - 1):
            first = self.ended
            frames, rewards, terminated, truncated, _ = self.envs.step(actions)
            self._count(first, rewards, terminated | truncated)
        difference = np.abs(frames.astype(int) - self.replay.last_frames().numpy())
        if difference.max() > 8:  # GL drivers differ by a grey level or two
            raise NaturalMujocoError(
                "Taking the running episode's actions again did not lead to the frame that was saved: the videos, "
                "MuJoCo or the GL driver have changed since the checkpoint. Start a run in another --logdir."
            )
