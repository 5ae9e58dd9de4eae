"""The settings of the agents that see stacks of frames; the sections that all agents share are in config.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .config import EnvironmentConfig, Preset, ReplayConfig, RunConfig, TrainingConfig


@dataclass(frozen=True)
class PixelSACConfig(RunConfig):
    """SAC from pixels, with the encoder and the sizes of actor and Q networks of the other agents."""

    encoder_depth: int = 32
    frame_stack: int = 3
    random_shift: int = 0
    """Most pixels by which training frames are shifted at random (DrQ); 0 for no shift."""
    latent: int = 50
    """Size of the normalised projection of the encoder that actor and Q networks read."""
    actor_layers: int = 4
    q_layers: int = 3
    units: int = 400
    learning_rate: float = 3e-4
    discount: float = 0.99
    """Per two control steps, whatever the action repeat."""
    target_rate: float = 0.005
    initial_temperature: float = 0.1
    temperature_learning_rate: float = 3e-4
    gradient_clip: float = 100.0


@dataclass(frozen=True)
class DrQv2Config(RunConfig):
    """DrQ-v2 from pixels. `training.batch_length` is not used: sequences are `n_step` long."""

    preset: Preset = "laptop"
    steps: int = 500_000
    num_envs: int = 8
    environment: EnvironmentConfig = field(default_factory=lambda: EnvironmentConfig(action_repeat=4))
    replay: ReplayConfig = field(default_factory=lambda: ReplayConfig(capacity=500_000, storage="mapped"))
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(
            batch_size=128, batch_length=1, prefill=8000, updates_per_1000_steps=60, train_every=400
        )
    )
    frame_stack: int = 3
    random_shift: int = 4
    """Most pixels by which training frames are shifted at random."""
    channels: tuple[int, int, int, int] = (32, 32, 64, 64)
    """Channels of the four convolutions."""
    latent: int = 50
    """Size of the normalised projection of the encoder that actor and Q networks read."""
    layers: int = 2
    units: int = 512
    """Hidden units of the actor and Q networks."""
    n_step: int = 3
    """Number of agent steps whose rewards enter a target before the Q networks' estimate."""
    learning_rate: float = 1e-4
    gradient_clip: float = 0.0
    """Largest global norm of gradients; 0 for no clipping."""
    discount: float = 0.99
    """Per two control steps, whatever the action repeat."""
    target_rate: float = 0.01
    initial_noise: float = 1.0
    """Standard deviation of the exploration noise at the start."""
    final_noise: float = 0.1
    noise_steps: int = 200_000
    """Control steps in which the noise falls linearly from `initial_noise` to `final_noise`."""
    noise_clip: float = 0.3
    """Bound on the noise of actions in targets and in the actor's loss."""


@dataclass(frozen=True)
class PPOConfig(RunConfig):
    """PPO from pixels. One update of several epochs follows each rollout. This determines `training.train_every` and
    `training.updates_per_1000_steps`; there is no prefill, and `training.batch_size` and `training.batch_length` are
    not used."""

    preset: Preset = "laptop"
    num_envs: int = 16
    environment: EnvironmentConfig = field(default_factory=lambda: EnvironmentConfig(action_repeat=4))
    replay: ReplayConfig = field(default_factory=lambda: ReplayConfig(capacity=16_000))
    training: TrainingConfig = field(
        default_factory=lambda: TrainingConfig(prefill=0, evaluate_every=100_000, log_every=10_000)
    )
    rollout: int = 128
    """Agent steps of each environment between updates."""
    epochs: int = 3
    minibatch: int = 512
    learning_rate: float = 3e-4
    anneal_steps: int = 0
    """Control steps in which the learning rate falls linearly to a tenth; 0 for `--steps`."""
    gradient_clip: float = 0.5
    discount: float = 0.99
    """Per two control steps, whatever the action repeat."""
    lambda_: float = 0.95
    clip: float = 0.2
    entropy_weight: float = 0.003
    value_weight: float = 0.5
    return_rate: float = 0.1
    """Weight of the newest rollout in the running mean and standard deviation by which returns are normalised."""
    frame_stack: int = 3
    channels: tuple[int, int, int, int] = (32, 32, 64, 64)
    """Channels of the four convolutions."""
    units: int = 256
    """Size of the normalised projection of the encoder that policy and value read."""
    initial_log_std: float = 0.0
    """Initial log standard deviation of the policy, before the tanh."""


@dataclass(frozen=True)
class DistilConfig(RunConfig):
    """A student from pixels, taught by the state expert. `training.batch_length` is not used."""

    guidance_steps: int = 100_000
    least_guidance: float = 0.2
    """Smallest share of environments in which the expert acts. The share falls from 1 to it within `guidance_steps`
    control steps; with 0 `guidance_steps` the expert never acts."""
    exploration_noise: float = 0.1
    """Standard deviation of the noise on the student's actions in training."""
    loss: Literal["squared", "absolute", "categorical"] = "squared"
    """Squared or absolute error of each action, or cross-entropy of `bins`, whose mean is the action. The latter
    two are better after 100,000 steps, but not in the end (docs/agents/distil.md)."""
    bins: int = 21
    """Number of bins for each action dimension, from -1 to 1, if the loss is categorical."""
    learning_rate: float = 1e-3
    anneal_steps: int = 0
    """Control steps in which the learning rate falls linearly to a twentieth; 0 for `--steps`."""
    gradient_clip: float = 1.0
    random_shift: int = 0
    """Most pixels by which training frames are shifted at random; 0 for no shift. By default 0, since the right action
    depends on the position."""
    frame_stack: int = 3
    channels: tuple[int, int, int, int] = (32, 64, 128, 128)
    """Channels of the four convolutions."""
    layers: int = 1
    units: int = 256
    """Size of the encoder's projection, and of the hidden layers between it and the action."""
    expert: str = ""
    """The sha256 of the expert's weights; if empty, the shipped expert is used and its hash recorded."""
