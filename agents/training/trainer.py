"""The training loop: collect, update, evaluate, log, checkpoint; the same for every agent.

The state of a run consists of its counters, the replay, the agent and the collector's state. The loop decides from the
counters what is due and does it in small steps, so that it can be stopped, saved and resumed between any two of them.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import imageio.v2 as imageio
import numpy as np
import torch

from natural_mujoco import WorkerError

from ..agent import choose_device
from ..fast.allocator import keep_freed_memory
from ..table import agent_name, make_agent
from .checkpoint import TENSORS, Checkpoint, load_checkpoint, save_checkpoint, save_failure
from .collection import Collector, Episode, make_training_environments
from .config import RunConfig, flatten
from .evaluation import evaluate, evaluation_setting, record
from .interruption import stop_requested
from .loading import TrainedPolicy, make_replay
from .open_loop_prediction import write_open_loop
from .optimiser import NonFiniteGradient
from .progress import Progress, Stand
from .recorded_updates import updates_of
from .replay import ROWS_BETWEEN_CHECKPOINTS
from .run_folder import held, run_directory, write_failed
from .run_log import RunLog
from .running_means import RunningMeans
from .state import RunState

# Consecutive failures of the environments, without a finished episode between them, that a run survives.
MOST_RESTARTS = 3


class Stopped(Exception):
    """A signal asked the run to stop; it has been saved."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Trainer:
    """One run, resumed from its directory's newest checkpoint or new.

    Args:
        config: settings that `command_line.check_config` has checked.
        wait_s: seconds to wait for another process that trains in the same directory.

    Raises:
        InvalidArgument: the directory holds something else or a run with other settings, or the device does not exist.
        LockHeld: another process trains there.
        NaturalMujocoError: the directory's files are damaged, or it cannot be written to.
    """

    def __init__(self, config: RunConfig, wait_s: float = 0.0) -> None:
        self.config, self.directory = config, run_directory(config)
        self.device = choose_device(config.device)
        if config.threads:
            torch.set_num_threads(config.threads)
        self._open = contextlib.ExitStack()  # everything that `close` ends, the lock on the directory last
        try:
            self.setting = evaluation_setting(config)
            self._open.enter_context(held(self.directory, config, self.setting.video_set, wait_s))
            checkpoint = load_checkpoint(self.directory, RunState)
            self._begin()
            if checkpoint is not None:
                self._resume(checkpoint)
            offsets = checkpoint.state.offsets if checkpoint else {}
            self.log = RunLog(self.directory, flatten(config), offsets, self.control_steps, config.wandb)
            self._open.callback(self.log.close)
        except OSError as error:
            self.close()
            raise write_failed(Path(error.filename or self.directory), error) from error
        except BaseException:
            self.close()
            raise
        self._saved_at, self._saved_rows = time.monotonic(), self.replay.rows
        self._began = time.monotonic()
        label = f"{config.task} {config.variant} {agent_name(config)}"
        t = config.training
        self._progress = Progress(label, config.steps, t.prefill, t.warmup_updates, self._stand())

    def close(self) -> None:
        """Ends the environments, closes the files and unlocks the directory. `run` calls it at its end."""
        self._open.close()

    def _begin(self) -> None:
        """Sets up a run before its first step."""
        config = self.config
        self.control_steps = self.updates = self.warmups = self.logged = 0
        self.evaluations = self.evaluated_at = self.learned_at = 0
        self.sampler = np.random.default_rng(np.random.SeedSequence([config.seed, 5]))
        self.recent_returns: deque[float] = deque(maxlen=10)
        self.means = RunningMeans()
        self._restarts, self._spent = 0, 0.0
        self.envs = make_training_environments(config, self.device)
        self._open.callback(lambda: self.envs.close())  # late, as failures replace `envs`
        space = self.envs.single_action_space
        assert space.shape is not None
        self.action_size = space.shape[0]
        self.agent = make_agent(config, self.action_size, self.device)
        self.learner = updates_of(self.agent, config.training.fast)
        warp = config.vector == "warp"
        lost_with_it = self.device if warp and self.agent.on_policy else None
        self.replay = make_replay(self.directory, config, self.agent, device=lost_with_it)
        keep_freed_memory()  # not before the replay has its own
        longest = -(-config.training.episode_steps // config.environment.action_repeat)
        sharing, simultaneous = 0, config.replay.simultaneous_windows
        if config.variant == "natural" and config.environment.shared_background:
            sharing = simultaneous if simultaneous > 1 else self.envs.num_envs
        self.collector = Collector(
            self.envs,
            self.agent,
            self.replay,
            config.seed,
            warp,
            longest,
            sharing,
            config.training.prefill_hold,
        )

    def _resume(self, checkpoint: Checkpoint[RunState]) -> None:
        """Restores the run from `checkpoint`."""
        state, tensors, source = checkpoint.state, checkpoint.tensors, str(checkpoint.path / TENSORS)
        print(f"Resuming {self.directory} at control step {state.control_steps:,}.", flush=True)
        self.control_steps, self.updates, self.warmups = state.control_steps, state.updates, state.warmups
        self.evaluations, self.evaluated_at = state.evaluations, state.evaluated_at
        self.logged, self._spent = state.logged, state.seconds
        self.recent_returns.extend(state.recent_returns)
        self.sampler.bit_generator.state = state.sampler.model_dump()
        self.means.restore(state.metrics, tensors, source)
        self.agent.load_tensors(tensors, source)
        self.replay.restore(state.replay, tensors, source)
        self.collector.restore(state.collector, tensors, source)
        if not self.replay.outlives:
            self.agent.experience_lost(self.replay.rows)
        self.learned_at = max(0, self.control_steps - state.unlearned)
        if self.collector.warp and self._unfinished():
            again = f"; {state.unlearned:,} control steps since the last update are taken again"
            print(f"New episodes begin{again if state.unlearned else ''}.", flush=True)
            self.control_steps = self.learned_at

    def run(self) -> None:
        """Trains to the end. Raises `Stopped` after a signal, NaturalMujocoError if the run cannot go on."""
        t = self.config.training
        if self.config.steps <= t.prefill:
            self.log.say(
                f"--steps {self.config.steps} ends within the random prefill ({t.prefill}): nothing is learned."
            )
        try:
            with stop_requested() as stop:
                while self._unfinished():
                    if stop:
                        self._save()
                        self._tell(last=True)
                        raise Stopped(stop[0])
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
                if t.evaluate_every and self.control_steps > self.evaluated_at:
                    self._evaluate()
                self._save()
                self._tell(last=True)
        except BrokenPipeError:  # the reader of standard output has closed the pipe
            raise
        except OSError as error:
            raise write_failed(Path(error.filename or self.directory), error) from error
        finally:
            self.close()

    def _unfinished(self) -> bool:
        return self.control_steps < self.config.steps or self.updates < self._updates_wanted()

    def _updates_wanted(self) -> int:
        """Number of updates due by now, for each full `train_every` control steps after the prefill."""
        t = self.config.training
        bursts = max(0, self.control_steps - t.prefill) // t.train_every
        return int(bursts * t.train_every * t.updates_per_1000_steps / 1000 + 1e-6)  # 1000/3 · 3 is 999.9…

    def _collect(self) -> None:
        """Steps the environments once."""
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
        """Begins a new round in new environments if a worker of the old ones hangs or dies."""
        try:
            yield
        except WorkerError as error:
            self._restarts += 1
            if self._restarts > MOST_RESTARTS:
                raise
            self.log.say(f"{str(error).splitlines()[0]} Going on with new ones, in a new round.")
            self.envs.close()
            self.envs = make_training_environments(self.config, self.device)
            self.collector.restart(self.envs)

    def _update(self, warming_up: bool) -> None:
        batch = self.agent.draw(self.replay, self.sampler)
        with self._failure_saved(batch):
            metrics = self.learner.warm_up(batch) if warming_up else self.learner.update(batch)
        self.means.add(metrics)
        if warming_up:
            self.warmups += 1
        else:
            self.updates += 1
        self.learned_at = self.control_steps

    @contextlib.contextmanager
    def _failure_saved(self, batch: NamedTuple | None = None) -> Iterator[None]:
        """Saves what led to an update that failed inside: that with `batch`, or the one before."""
        try:
            yield
        except NonFiniteGradient as error:
            late = error.batch is not None
            number, batch = (max(0, self.updates - 1), error.batch) if late else (self.updates, batch)
            raise save_failure(self.directory, number, error, self.agent.tensors(), batch) from error

    def _settle(self) -> None:
        """Waits for the last update; what follows needs its outcome."""
        with self._failure_saved():
            self.learner.settle()

    def _evaluate(self) -> None:
        """Plays held-out episodes and writes their records, a film, and for generative models figure 3."""
        self._settle()
        self.evaluations = self.control_steps // self.config.training.evaluate_every
        self.evaluated_at = self.control_steps
        self.log.progress(
            f"{self._progress.label}  evaluating at {self.control_steps:,} steps: "
            f"{self.config.training.evaluation_episodes} episodes"
        )
        policy = TrainedPolicy(self.agent, self.config, self.control_steps)
        episodes, film = evaluate(policy, self.config, self.config.training.evaluation_episodes)
        for episode in episodes:
            self.log.line("evaluations", record(episode, self.config, self.control_steps, self.setting))
        mean = float(np.mean([e.return_ for e in episodes]))
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
            values = self.means.take()
            if self.recent_returns:
                values["train/return"] = float(np.mean(self.recent_returns))
            values |= {"train/updates": self.updates, "train/seconds": self._seconds()}
            self.log.metrics(self.control_steps, values)
        self._tell()

    def _seconds(self) -> float:
        return self._spent + time.monotonic() - self._began

    def _stand(self) -> Stand:
        return Stand(self.control_steps, self.warmups, self.updates)

    def _tell(self, last: bool = False) -> None:
        mean = float(np.mean(self.recent_returns)) if self.recent_returns else None
        self.log.progress(self._progress.line(self._stand(), mean), last)

    def _save_if_due(self) -> None:
        minutes = (time.monotonic() - self._saved_at) / 60
        rows = self.replay.rows - self._saved_rows
        if minutes >= self.config.training.checkpoint_minutes or rows >= ROWS_BETWEEN_CHECKPOINTS:
            self._save()

    def _save(self) -> None:
        """Writes a checkpoint: the replay's new rows first, then everything else."""
        self._settle()
        replay = self.replay.sync()
        state = {
            "control_steps": self.control_steps,
            "updates": self.updates,
            "warmups": self.warmups,
            "evaluations": self.evaluations,
            "evaluated_at": self.evaluated_at,
            "logged": self.logged,
            "action_size": self.action_size,
            "seconds": self._seconds(),
            "unlearned": 0 if self.replay.outlives else self.control_steps - self.learned_at,
            "recent_returns": list(self.recent_returns),
            "sampler": self.sampler.bit_generator.state,
            "collector": self.collector.state(),
            "replay": replay.model_dump(),
            "offsets": self.log.offsets(),
            "metrics": self.means.counts(),
        }
        tensors = self.agent.tensors() | self.collector.memory_tensors() | self.means.tensors()
        tensors |= self.replay.tensors()
        # Rows, warm-ups and updates do not always grow together, but their sum grows with each.
        number = self.replay.rows + self.warmups + self.updates + self.evaluations
        save_checkpoint(self.directory, number, tensors, state)
        self._saved_at, self._saved_rows = time.monotonic(), self.replay.rows
