"""Training runs that are killed at random moments, beside one that never was.

`python -m tests.agents.crashing --lives 200 --seed 1` is the long form; test_crashes.py holds a short one.

Each life is a fork of a process that has imported everything. The kernel kills it, without a word to Python, when it
has used up a random amount of processor time.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import torch
from safetensors.torch import load_file

from agents.table import AGENTS
from agents.training.command_line import check_config
from agents.training.config import RunConfig
from agents.training.trainer import Trainer

from .fake_envs import FakeEnvs
from .tiny import TRAINING, tiny_cvrl, tiny_dreamer, tiny_sac

MAKE: dict[str, Callable[..., RunConfig]] = {"cvrl": tiny_cvrl, "dreamer": tiny_dreamer, "sac": tiny_sac}


class Counts(NamedTuple):
    """What became of the lives of one run."""

    killed: int
    finished: int
    resumed_at: tuple[int, ...]  # control steps, of each life that found a checkpoint


def run_config(agent: str, folder: Path, checkpoint_minutes: float) -> RunConfig:
    """A run of some tenths of a second of processor time."""
    training = replace(
        TRAINING,
        batch_length=1 if agent == "sac" else TRAINING.batch_length,
        updates_per_1000_steps=100,
        warmup_updates=3,
        evaluate_every=70,
        evaluation_episodes=2,
        checkpoint_minutes=checkpoint_minutes,
    )
    config = MAKE[agent](
        logdir=folder, steps=160, training=training, device="cpu", threads=1, videos="embedded"
    )
    return check_config(config)


def live(config: RunConfig, seconds: float | None) -> bool:
    """Train in a fork for at most `seconds` of processor time; returns whether the run came to its end."""
    child = os.fork()
    if child == 0:
        try:
            log = os.open(config.logdir.with_suffix(".log"), os.O_CREAT | os.O_APPEND | os.O_WRONLY)  # type: ignore[union-attr]
            os.dup2(log, 1)
            os.dup2(log, 2)
            gym.make_vec = lambda env_id, num_envs, **kwargs: FakeEnvs(num_envs, **kwargs)  # type: ignore[assignment]
            if seconds is not None:
                signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
                signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
            Trainer(config).run()
            os._exit(0)
        except BaseException:
            import traceback

            traceback.print_exc()
            os._exit(1)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGVTALRM:
        return False
    if status != 0:
        raise AssertionError(config.logdir.with_suffix(".log").read_text()[-4000:])  # type: ignore[union-attr]
    return True


def what_remains(run: Path) -> dict[str, Any]:
    """All that a run leaves and that is promised to repeat, comparable."""
    newest = sorted((run / "checkpoints").iterdir())[-1]
    state = json.loads((newest / "state.json").read_text())
    tensors = load_file(newest / "checkpoint.safetensors")
    left: dict[str, Any] = {
        # A generator's state has padding: what it draws next is what counts.
        k: torch.randn(33, generator=torch.Generator().set_state(v)) if k.startswith("random.") else v
        for k, v in tensors.items()
    }
    left = {k: v.numpy().tobytes() for k, v in left.items()}
    for key in ("seconds", "sha256", "offsets"):
        del state[key]
    left["state"] = state
    for name in ("episodes", "evaluations"):
        left[name] = (run / f"{name}.jsonl").read_bytes()
    metrics = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    left["metrics"] = [{k: v for k, v in line.items() if k != "train/seconds"} for line in metrics]
    for file in sorted((run / "replay").iterdir()):
        left[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    return left


def crash(agent: str, folder: Path, seed: int, lives: int) -> Counts:
    """Kill a run `lives` times, let it end, and compare it with one that was let be. Raises AssertionError."""
    rng = np.random.default_rng(seed)
    live(run_config(agent, folder / "whole", 60), None)
    expected = what_remains(folder / "whole")
    run, killed, finished, resumed = folder / "killed", 0, 0, []
    for life in range(lives + 1):
        minutes = float(rng.choice([0, 0.0005, 0.005]))
        seconds = None if life == lives else float(rng.exponential(0.25)) + 0.01
        ended = live(run_config(agent, run, minutes), seconds)
        killed, finished = killed + (not ended), finished + ended
        states = sorted((run / "checkpoints").glob("[0-9]*/state.json"))
        if states:
            resumed.append(json.loads(states[-1].read_text())["control_steps"])
    found = what_remains(run)
    assert found.keys() == expected.keys()
    differing = [name for name, value in expected.items() if found[name] != value]
    assert not differing, f"{agent}, seed {seed}: {differing} differ after {killed} kills at {resumed}"
    return Counts(killed, finished, tuple(resumed))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lives", type=int, default=200, help="kills, over all runs (default: 200)")
    parser.add_argument("--each", type=int, default=10, help="kills of one run (default: 10)")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    killed = runs = 0
    while killed < options.lives:
        agent = sorted(MAKE)[runs % len(MAKE)]
        with tempfile.TemporaryDirectory() as folder:
            counts = crash(agent, Path(folder), options.seed + runs, options.each)
        killed, runs = killed + max(counts.killed, 1), runs + 1
        print(f"{agent}: {counts.killed} kills, steps then {counts.resumed_at}: equal", flush=True)
    print(f"{killed} kills in {runs} runs, all equal to runs that were never killed")


assert set(MAKE) <= set(AGENTS)
if __name__ == "__main__":
    main()
