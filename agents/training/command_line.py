"""An agent's command line: a preset, then flags, one for each setting. Invalid values give a one-sentence error."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import get_args

import tyro

from natural_mujoco import InvalidArgument, batched, find_task
from natural_mujoco.cli import exit_status
from natural_mujoco.errors import unknown
from natural_mujoco.experts import load_expert

from ..agent import choose_device
from ..table import AGENTS, preset_config
from .config import DreamerConfig, RePoConfig, RunConfig, Variant, Vector
from .interruption import follow_sweep
from .limits import first_fault
from .pixel_config import DistilConfig, DrQv2Config, PixelSACConfig, PPOConfig
from .trainer import Stopped, Trainer


def parse(agent: str, arguments: Sequence[str]) -> RunConfig:
    """Parses and checks a command line; returns the configuration.

    Raises InvalidArgument; unknown flags and values of a wrong type exit with status 2 and tyro's message.
    """
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", default=next(iter(AGENTS[agent].presets)))
    chosen, _ = first.parse_known_args(list(arguments))
    start = replace(preset_config(agent, chosen.preset), preset=chosen.preset)
    for flag, check in (
        ("--task", find_task),
        ("--variant", partial(_one_of, "variant", get_args(Variant))),
        ("--vector", partial(_one_of, "vector", get_args(Vector))),
    ):
        named = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
        named.add_argument(flag, dest="value")
        value = named.parse_known_args(list(arguments))[0].value
        if value is not None:
            check(value)
    config = tyro.cli(type(start), default=start, args=list(arguments), prog=f"python -m agents.{agent}")
    return check_config(config)


def _one_of(what: str, valid: Sequence[str], name: str) -> None:
    if name not in valid:
        raise unknown(what, name, valid)


def check_config(config: RunConfig) -> RunConfig:
    """`config` with the task's name as the paper writes it. Raises InvalidArgument for values out of range."""
    task = find_task(config.task).name
    t, e, r = config.training, config.environment, config.replay
    device = choose_device(config.device)
    if config.vector == "warp":
        batched.require(device)
    wrong = first_fault(config)
    if wrong:
        raise InvalidArgument(f"--{wrong[0].replace('_', '-')} {wrong[1]}.")
    begins_at_once = isinstance(config, PPOConfig | DistilConfig)  # with nothing random before
    n_step = config.n_step if isinstance(config, DrQv2Config) else 1
    single = begins_at_once or isinstance(config, DrQv2Config | PixelSACConfig)  # learns from no sequences
    length = n_step + 1 if single else t.batch_length
    agent_steps = 1000 // max(e.action_repeat, 1) + 1
    for name, value, lowest in (
        ("--num-envs", config.num_envs, 1),
        ("--steps", config.steps, 1),
        ("--seed", config.seed, 0),
        ("--threads", config.threads, 0),
        ("--environment.action-repeat", e.action_repeat, 1),
        ("--environment.size", e.size, 46),
        ("--replay.capacity", r.capacity, config.num_envs * length),
        ("--training.batch-size", t.batch_size, 1),
        ("--training.batch-length", t.batch_length, 1 if single else 2),
        ("--training.updates-per-1000-steps", t.updates_per_1000_steps, 0),
        ("--training.train-every", t.train_every, 1),
        ("--training.log-every", t.log_every, 1),
        ("--training.warmup-updates", t.warmup_updates, 0),
        ("--training.evaluate-every", t.evaluate_every, 0),
        ("--training.evaluation-episodes", t.evaluation_episodes, 1),
        (
            "--training.prefill",
            t.prefill,
            0 if begins_at_once else length * config.num_envs * e.action_repeat,
        ),
    ):
        if value < lowest:
            raise InvalidArgument(f"{name} is {value}; it must be at least {lowest}.")
    if config.vector == "warp" and r.simultaneous_windows > 1 and not e.shared_background:
        raise InvalidArgument(
            "--replay.simultaneous-windows needs --environment.shared-background or --vector workers: the batched "
            "environment begins episodes by itself, which need not be all at once."
        )
    if length > agent_steps:
        asked = f"--n-step is {n_step}" if single else f"--training.batch-length is {length}"
        raise InvalidArgument(
            f"{asked}; at action repeat {e.action_repeat} an episode has {agent_steps} frames."
        )
    if isinstance(config, DreamerConfig) and e.size != 64 and _generative(config):
        raise InvalidArgument(f"--environment.size is {e.size}; the decoder of a generative model gives 64.")
    if isinstance(config, PPOConfig):
        config = _paced(config)
    if isinstance(config, DistilConfig):
        config = _taught(config)
    return replace(config, task=task)


def _paced(config: PPOConfig) -> PPOConfig:
    """`config` with one update after each rollout, and a learning rate that falls until the end of the run."""
    for name, value in (
        ("rollout", config.rollout),
        ("epochs", config.epochs),
        ("minibatch", config.minibatch),
    ):
        if value < 1:
            raise InvalidArgument(f"--{name} is {value}; it must be at least 1.")
    lowest = config.num_envs * (
        2 * config.rollout + config.frame_stack
    )  # resets between the steps need room too
    if config.replay.capacity < lowest:
        raise InvalidArgument(f"--replay.capacity is {config.replay.capacity}; it must be at least {lowest}.")
    every = config.rollout * config.num_envs * config.environment.action_repeat
    # There is no random prefill, as PPO can only learn from actions of its own policy.
    pace = replace(
        config.training, train_every=every, updates_per_1000_steps=1000 / every, prefill=0, warmup_updates=0
    )
    return replace(config, training=pace, anneal_steps=config.anneal_steps or config.steps)


def _taught(config: DistilConfig) -> DistilConfig:
    """`config` with the hash of its expert, and a learning rate that falls until the end of the run."""
    shipped = load_expert(config.task).card.sha256
    if config.expert not in ("", shipped):
        raise InvalidArgument(
            f"--expert {config.expert[:64]} is not the shipped expert of {config.task}, whose sha256 is {shipped}. "
            "Leave it out."
        )
    return replace(config, expert=shipped, anneal_steps=config.anneal_steps or config.steps)


def _generative(config: DreamerConfig) -> bool:
    return not isinstance(config, RePoConfig) and getattr(config, "ablation", "generative") == "generative"


def main(agent: str, arguments: Sequence[str] | None = None) -> int:
    """Runs an agent's command line; returns the exit status: 2 for wrong usage, 1 for a failure, 128 + a signal."""

    def work() -> int:
        # A run of a sweep that was ended before may still be saving.
        wait_s = 60.0 if follow_sweep() else 0.0
        try:
            Trainer(parse(agent, sys.argv[1:] if arguments is None else arguments), wait_s).run()
        except Stopped as stop:
            print("Stopped and saved. Rerun the command to resume.", file=sys.stderr)
            return 128 + stop.number
        return 0

    return exit_status(f"agents.{agent}", work)
