"""The training loop: collect, update, evaluate, log, checkpoint; the same for every agent.

At any moment the run is its counters, the replay, the agent and where the collector stands. The loop asks the
counters what is due and does one small thing, so that it can be stopped, saved and resumed between any two of them.
"""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
import torch

from natural_mujoco import InvalidArgument, NaturalMujocoError, WorkerError

from ..agent import choose_device
from ..fast.allocator import keep_freed_memory
from ..studies.open_loop import write_open_loop
from ..table import agent_name, make_agent
from .checkpoint import load_checkpoint, save_checkpoint, save_failure
from .collection import Collector, Episode, make_environments
from .config import RunConfig, flatten
from .evaluation import evaluate
from .interruption import stop_requested
from .loading import TrainedPolicy, differing_fields, read_config, save_config
from .optimiser import NonFiniteGradient
from .replay import ROWS_BETWEEN_CHECKPOINTS, Replay
from .run_log import RunLog, duration

# Failures of the environments in a row, without a finished episode, that a run survives.
MOST_RESTARTS = 3


class Stopped(Exception):
    """The user asked the run to stop; it has been saved."""


def run_directory(config: RunConfig) -> Path:
    """Where a run lives: `--logdir`, or runs/TASK-VARIANT/AGENT-PRESET-SEED."""
    if config.logdir is not None:
        return config.logdir
    ablation = getattr(config, "ablation", "none")
    name = agent_name(config) if ablation == "none" else f"{agent_name(config)}-{ablation}"
    return Path("runs") / f"{config.task}-{config.variant}" / f"{name}-{config.preset}-{config.seed}"


class Trainer:
    """One run, from its directory's newest checkpoint or from nothing.

    Args:
        config: checked by `command_line.check`.

    Raises:
        InvalidArgument: the directory holds a run of other settings, or a device that is not there.
        NaturalMujocoError: no checkpoint of the directory can be read, or the disk is full.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config, self.directory = config, run_directory(config)
        self.device = choose_device(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self._claim_directory()
        checkpoint = load_checkpoint(self.directory)
        state = checkpoint.state if checkpoint else {}

        self.control_steps: int = state.get("control_steps", 0)
        self.updates: int = state.get("updates", 0)
        self.warmups: int = state.get("warmups", 0)
        self.evaluations: int = state.get("evaluations", 0)
        self.logged: int = state.get("logged", 0)
        self.sampler = np.random.default_rng(np.random.SeedSequence([config.seed, 5]))
        self.recent_returns: deque[float] = deque(state.get("recent_returns", []), maxlen=10)
        self.log = RunLog(
            self.directory, flatten(config), state.get("offsets", {}), self.control_steps, config.wandb
        )
        self.envs = make_environments(config, config.num_envs)
        space = self.envs.single_action_space
        assert space.shape is not None
        self.action_size = space.shape[0]
        self.agent = make_agent(config, self.action_size, self.device)
        size = config.environment.size
        self.replay = Replay(
            self.directory / "replay",
            config.num_envs,
            config.replay.capacity,
            (size, size, 3),
            self.action_size,
            config.replay.storage,
        )
        keep_freed_memory()  # not before the replay has its own
        self.collector = Collector(self.envs, self.agent, self.replay, config.seed)
        if checkpoint is not None:
            self.agent.load_tensors(checkpoint.tensors)
            self.replay.restore(state["replay"])
            self.sampler.bit_generator.state = state["sampler"]
            self.collector.restore(state["collector"], checkpoint.tensors)
            self.log.say(f"Resuming {self.directory} at control step {self.control_steps:,}.")
        self._restarts = 0
        self._metrics: dict[str, list[torch.Tensor]] = defaultdict(list)
        self._saved_at, self._saved_rows = time.monotonic(), self.replay.rows
        self._began, self._began_steps = time.monotonic(), self.control_steps
        self._began_updates = self.updates
        self._spent: float = state.get("seconds", 0.0)

    def _claim_directory(self) -> None:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if (self.directory / "config.json").exists():
                differing = differing_fields(read_config(self.directory), self.config)
                if differing:
                    raise InvalidArgument(
                        f"{self.directory} holds a run of another configuration ({'; '.join(differing)}). "
                        "Give its settings to resume it, or another --logdir."
                    )
            save_config(self.directory, self.config)
        except OSError as error:
            raise NaturalMujocoError(
                f"Cannot write to {self.directory}: {error.strerror}. Give another --logdir."
            ) from error

    def run(self) -> None:
        """Train to the end. Raises `Stopped` after a Ctrl-C, NaturalMujocoError where the run cannot go on."""
        t = self.config.training
        if self.config.steps <= t.prefill:
            self.log.say(
                f"--steps {self.config.steps} ends within the random prefill ({t.prefill}): nothing is learned."
            )
        try:
            with stop_requested() as stop:
                while self._unfinished():
                    if stop:
                        raise Stopped
                    if self.warmups < t.warmup_updates and self.control_steps >= t.prefill:
                        self._update(warming_up=True)
                    elif self.updates < self._updates_wanted():
                        self._update(warming_up=False)
                    elif t.evaluate_every and self.control_steps // t.evaluate_every > self.evaluations:
                        self._evaluate()
                    else:
                        self._collect()
                    self._log_if_due()
                    self._save_if_due()
                if t.evaluate_every and self.control_steps > self.evaluations * t.evaluate_every:
                    self._evaluate()
                self._save()
                self.log.progress(self._progress(), last=True)
        except Stopped:
            self._save()
            self.log.progress(self._progress(), last=True)
            raise
        finally:
            self.envs.close()
            self.log.close()

    def _unfinished(self) -> bool:
        return self.control_steps < self.config.steps or self.updates < self._updates_wanted()

    def _updates_wanted(self) -> int:
        """Updates that should have been made by now: whole bursts of `train_every` control steps past the prefill."""
        t = self.config.training
        bursts = max(0, self.control_steps - t.prefill) // t.train_every
        return int(bursts * t.train_every * t.updates_per_1000_steps / 1000 + 1e-6)  # 1000/3 · 3 is 999.9…

    def _collect(self) -> None:
        """One step of the environments."""
        randomly = self.control_steps < self.config.training.prefill
        steps, episodes = 0, list[Episode]()
        with self._failures_survived():
            steps, episodes = self.collector.step(randomly)
        self.control_steps += steps * self.config.environment.action_repeat
        for episode in episodes:
            self._restarts = 0
            self.recent_returns.append(episode.episode_return)
            self.log.line(
                "episodes",
                {
                    "control_steps": self.control_steps,
                    "return": episode.episode_return,
                    "length": episode.length * self.config.environment.action_repeat,
                    "random": randomly,
                },
            )

    @contextlib.contextmanager
    def _failures_survived(self) -> Iterator[None]:
        """Begin a new round in new environments where a worker of the old ones hangs or dies."""
        try:
            yield
        except WorkerError as error:
            self._restarts += 1
            if self._restarts > MOST_RESTARTS:
                raise
            self.log.say(f"{str(error).splitlines()[0]} Going on with new ones, in a new round.")
            self.envs.close()
            self.envs = make_environments(self.config, self.config.num_envs)
            self.collector.restart(self.envs)

    def _update(self, warming_up: bool) -> None:
        batch = self.agent.draw(self.replay, self.sampler)
        try:
            metrics = self.agent.warm_up(batch) if warming_up else self.agent.update(batch)
        except NonFiniteGradient as error:
            raise save_failure(self.directory, self.updates, error, self.agent.tensors(), batch) from error
        for name, value in metrics.items():
            self._metrics[name].append(value)
        if warming_up:
            self.warmups += 1
        else:
            self.updates += 1

    def _evaluate(self) -> None:
        """Held-out episodes, a film, and for generative models figure 3."""
        self.evaluations = self.control_steps // self.config.training.evaluate_every
        policy = TrainedPolicy(self.agent, self.config, self.control_steps)
        episodes, film = evaluate(policy, self.config, self.config.training.evaluation_episodes)
        for episode in episodes:
            self.log.line("evaluations", {"control_steps": self.control_steps, **episode.record(self.config)})
        mean = float(np.mean([e.episode_return for e in episodes]))
        self.log.metrics(self.control_steps, {"evaluation/return": mean})
        self.log.say(f"Evaluation at {self.control_steps:,} control steps: mean return {mean:.1f}.")
        self.log.film("evaluation/episode", self.control_steps, film[::4])
        imageio.mimwrite(
            self.directory / "preview.mp4",
            list(np.kron(film, np.ones((1, 4, 4, 1), np.uint8))),
            fps=25,
            macro_block_size=1,
        )
        picture = write_open_loop(self.agent, self.replay, self.directory)
        if picture is not None:
            self.log.image("model/open_loop", self.control_steps, picture)

    def _log_if_due(self) -> None:
        if self.control_steps // self.config.training.log_every > self.logged:
            self.logged = self.control_steps // self.config.training.log_every
            # One transfer for all of them.
            means = [torch.stack(v).float().mean() for v in self._metrics.values()]
            values = dict(zip(self._metrics, torch.stack(means).tolist() if means else [], strict=True))
            self._metrics.clear()
            if self.recent_returns:
                values["train/return"] = float(np.mean(self.recent_returns))
            values |= {"train/updates": self.updates, "train/seconds": self._seconds()}
            self.log.metrics(self.control_steps, values)
        self.log.progress(self._progress())

    def _seconds(self) -> float:
        return self._spent + time.monotonic() - self._began

    def _progress(self) -> str:
        seconds = max(time.monotonic() - self._began, 1e-9)
        steps_rate = (self.control_steps - self._began_steps) / seconds
        left = (self.config.steps - self.control_steps) / steps_rate if steps_rate else float("inf")
        mean = f"{np.mean(self.recent_returns):.1f}" if self.recent_returns else "–"
        return (
            f"{self.config.task} {self.config.variant} {agent_name(self.config)}  "
            f"{self.control_steps:,}/{self.config.steps:,} steps  return {mean}  "
            f"{(self.updates - self._began_updates) / seconds:.2f} updates/s  {steps_rate:.0f} steps/s  "
            f"{duration(left)} left"
        )

    def _save_if_due(self) -> None:
        minutes = (time.monotonic() - self._saved_at) / 60
        rows = self.replay.rows - self._saved_rows
        if minutes >= self.config.training.checkpoint_minutes or rows >= ROWS_BETWEEN_CHECKPOINTS:
            self._save()

    def _save(self) -> None:
        """A checkpoint: the replay's new rows first, then all else."""
        try:
            replay = self.replay.sync()
        except OSError as error:
            raise NaturalMujocoError(
                f"Cannot write the replay to {self.directory}: {error.strerror}. Free some space and give the same "
                "command again; it resumes from the last checkpoint."
            ) from error
        state: dict[str, Any] = {
            "control_steps": self.control_steps,
            "updates": self.updates,
            "warmups": self.warmups,
            "evaluations": self.evaluations,
            "logged": self.logged,
            "action_size": self.action_size,
            "seconds": self._seconds(),
            "recent_returns": list(self.recent_returns),
            "sampler": self.sampler.bit_generator.state,
            "collector": self.collector.state(),
            "replay": replay,
            "offsets": self.log.offsets(),
        }
        # Rows, warm-up and updates each move alone at times; their sum grows with every one.
        number = self.replay.rows + self.warmups + self.updates + self.evaluations
        save_checkpoint(self.directory, number, self.agent.tensors() | self.collector.memory_tensors(), state)
        self._saved_at, self._saved_rows = time.monotonic(), self.replay.rows
