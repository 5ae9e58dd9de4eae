"""Agents small enough to test in milliseconds, and batches for them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents.agent import Agent
from agents.table import make_agent
from agents.training.batch import Batch
from agents.training.config import (
    BehaviourConfig,
    CVRLConfig,
    DreamerConfig,
    EnvironmentConfig,
    ModelConfig,
    PlanningConfig,
    ReplayConfig,
    RePoConfig,
    SoftActorCriticConfig,
    TrainingConfig,
)
from agents.training.pixel_config import DistilConfig, DrQv2Config, PixelSACConfig, PPOConfig

A, B, T, SIZE = 2, 3, 6, 64
CPU = torch.device("cpu")

TRAINING = TrainingConfig(
    batch_size=B,
    batch_length=T,
    prefill=40,
    evaluate_every=0,
    precision="float32",
    log_every=20,
    train_every=1,
)
MODEL = ModelConfig(
    deterministic=12,
    stochastic=4,
    hidden=10,
    encoder_depth=2,
    reward_units=10,
    free_nats=0.0,
    learning_rate=1e-3,
)
BEHAVIOUR = BehaviourConfig(
    horizon=5,
    actor_units=10,
    value_units=10,
    actor_learning_rate=1e-3,
    value_learning_rate=1e-3,
    initial_std=1.0,
)


def tiny_cvrl(**changes: Any) -> CVRLConfig:
    """CVRL with everything on."""
    config = CVRLConfig(
        training=TRAINING,
        model=MODEL,
        behaviour=BEHAVIOUR,
        replay=ReplayConfig(capacity=500),
        sac=SoftActorCriticConfig(q_units=10, learning_rate=1e-3),
        planning=PlanningConfig(iterations=3, learning_rate=0.05),
    )
    return replace(config, **changes)


def tiny_dreamer(**changes: Any) -> DreamerConfig:
    """Dreamer with a decoder of a few channels."""
    config = DreamerConfig(
        training=TRAINING, model=MODEL, behaviour=BEHAVIOUR, replay=ReplayConfig(capacity=500)
    )
    return replace(config, **changes)


def tiny_sac(**changes: Any) -> PixelSACConfig:
    """Pixel SAC over three frames."""
    config = PixelSACConfig(
        training=replace(TRAINING, batch_length=1),
        replay=ReplayConfig(capacity=500),
        encoder_depth=2,
        latent=8,
        units=10,
        learning_rate=1e-3,
    )
    return replace(config, **changes)


def tiny_repo(**changes: Any) -> RePoConfig:
    """RePo with the world model of the others."""
    config = RePoConfig(
        training=TRAINING, model=MODEL, behaviour=BEHAVIOUR, replay=ReplayConfig(capacity=500)
    )
    return replace(config, **changes)


def tiny_drqv2(**changes: Any) -> DrQv2Config:
    """DrQ-v2 over three frames and three steps."""
    config = DrQv2Config(
        environment=EnvironmentConfig(),
        num_envs=1,
        training=replace(TRAINING, batch_length=1),
        replay=ReplayConfig(capacity=500),
        channels=(2, 2, 4, 4),
        latent=8,
        units=10,
        learning_rate=1e-3,
        noise_steps=1000,
    )
    return replace(config, **changes)


def tiny_ppo(**changes: Any) -> PPOConfig:
    """PPO over three frames, with one update every six steps of each of three environments."""
    config = PPOConfig(
        environment=EnvironmentConfig(),
        num_envs=3,
        training=TRAINING,
        replay=ReplayConfig(capacity=500),
        rollout=T,
        minibatch=7,
        channels=(2, 2, 4, 4),
        units=8,
        anneal_steps=1000,
        learning_rate=1e-3,
    )
    return replace(config, **changes)


def tiny_distil(**changes: Any) -> DistilConfig:
    """A student over three frames, of the expert whose actions have the fake simulator's size."""
    config = DistilConfig(
        task="reacher-easy",
        num_envs=3,
        training=replace(TRAINING, batch_length=1, prefill=0),
        replay=ReplayConfig(capacity=500),
        guidance_steps=100,
        channels=(2, 2, 4, 4),
        units=8,
        anneal_steps=1000,
        exploration_noise=0.3,
    )
    return replace(config, **changes)


def make(config: Any, action_size: int = A) -> Agent[Any]:
    """The agent of a configuration, on the CPU."""
    return make_agent(config, action_size, CPU)


def random_batch(seed: int = 0, b: int = B, t: int = T, size: int = SIZE) -> Batch:
    """Noise in the shape of experience."""
    rng = np.random.default_rng(seed)
    return Batch(
        torch.from_numpy(rng.integers(0, 256, (b, t, size, size, 3), dtype=np.uint8)),
        torch.from_numpy(rng.uniform(-1, 1, (b, t, A)).astype(np.float32)),
        torch.from_numpy(rng.uniform(0, 2, (b, t)).astype(np.float32)),
        torch.zeros(b, t),
        torch.zeros(b, t),
    )


def write_tiny_flags(folder: Path, agent: str) -> list[str]:
    """Command-line flags for a run of that size in `folder`."""
    flags = [
        *("--task", "cartpole-swingup", "--variant", "standard", "--threads", "1"),
        *("--logdir", str(folder), "--device", "cpu", "--environment.action-repeat", "20"),
        *("--training.batch-size", "3", "--training.prefill", "200", "--training.train-every", "20"),
        *(
            "--training.updates-per-1000-steps",
            "50",
            "--training.evaluate-every",
            "0",
            "--training.log-every",
            "200",
        ),
        *("--replay.capacity", "300", "--training.checkpoint-minutes", "0"),
    ]
    if agent == "ppo":
        return [
            *flags,
            "--num-envs",
            "1",
            "--rollout",
            "10",
            "--channels",
            "2",
            "2",
            "4",
            "4",
            "--units",
            "8",
        ]
    if agent == "drqv2":
        flags += ["--num-envs", "1", "--channels", "2", "2", "4", "4"]
        return [*flags, "--units", "10", "--latent", "8"]
    if agent == "distil":
        return [*flags, "--num-envs", "1", "--channels", "2", "2", "4", "4", "--units", "8"]
    if agent == "sac":
        return [*flags, "--encoder-depth", "2", "--units", "10", "--latent", "8"]
    if agent == "repo":  # whose one preset is the laptop's
        flags += ["--num-envs", "1", "--training.warmup-updates", "3"]
    return [
        *flags,
        *("--training.batch-length", "6", "--model.encoder-depth", "2", "--model.deterministic", "12"),
        *(
            "--model.stochastic",
            "4",
            "--model.hidden",
            "10",
            "--model.reward-units",
            "10",
            "--behaviour.horizon",
            "4",
        ),
        *("--behaviour.actor-units", "10", "--behaviour.value-units", "10"),
    ]
