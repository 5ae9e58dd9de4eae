"""The settings of the agents that see stacks of frames; the sections that all agents share are in config.py."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from .config import EnvironmentConfig, Preset, ReplayConfig, RunConfig, TrainingConfig


@dataclass(frozen=True)
class PixelSACConfig(RunConfig):
    """SAC from pixels: the same encoder and the same sizes of actor and Q networks."""

    encoder_depth: int = 32
    frame_stack: int = 3
    random_shift: int = 0
    """Pixels by which training frames are shifted at random (DrQ); 0 for none."""
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
    """DrQ-v2 from pixels. `training.batch_length` means nothing: a piece of experience is `n_step` long."""

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
    """Pixels by which training frames are shifted at random."""
    channels: tuple[int, int, int, int] = (32, 32, 64, 64)
    """Of the four convolutions."""
    latent: int = 50
    """Size of the normalised projection of the encoder that actor and Q networks read."""
    layers: int = 2
    units: int = 512
    """Of actor and Q networks."""
    n_step: int = 3
    """Agent steps of real rewards before the Qs' own estimate."""
    learning_rate: float = 1e-4
    gradient_clip: float = 0.0
    """0 for none."""
    discount: float = 0.99
    """Per two control steps, whatever the action repeat."""
    target_rate: float = 0.01
    initial_noise: float = 1.0
    """Standard deviation of what is added to actions, at first."""
    final_noise: float = 0.1
    noise_steps: int = 200_000
    """Control steps in which the noise falls from the first to the last."""
    noise_clip: float = 0.3
    """Bound on the noise of the actions that are learned from."""


@dataclass(frozen=True)
class PPOConfig(RunConfig):
    """PPO from pixels. One update, of some epochs, comes after each rollout: `training.train_every` and
    `training.updates_per_1000_steps` follow from that, nothing is random before it, and `training.batch_size` and
    `batch_length` mean nothing."""

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
    """Control steps in which the learning rate falls to a tenth, in a line; 0 for `--steps`."""
    gradient_clip: float = 0.5
    discount: float = 0.99
    """Per two control steps, whatever the action repeat."""
    lambda_: float = 0.95
    clip: float = 0.2
    entropy_weight: float = 0.003
    value_weight: float = 0.5
    return_rate: float = 0.1
    """How fast the unit of the value follows the returns: weight of the newest rollout."""
    frame_stack: int = 3
    channels: tuple[int, int, int, int] = (32, 32, 64, 64)
    """Of the four convolutions."""
    units: int = 256
    """Size of the normalised projection of the encoder that policy and value read."""
    initial_log_std: float = 0.0
    """Of the policy, before the tanh."""


@dataclass(frozen=True)
class DistilConfig(RunConfig):
    """A pixel student of the state expert; `training.batch_length` means nothing."""

    guidance_steps: int = 100_000
    least_guidance: float = 0.2
    """Share of environments that the expert acts in: from 1 to the least within these control steps; 0: none."""
    exploration_noise: float = 0.1
    """Standard deviation of what is added to the student's actions in training."""
    loss: Literal["squared", "absolute", "categorical"] = "squared"
    """The squared or absolute error of each action, or the cross-entropy of `bins` whose mean is the action. The latter
    two are ahead after 100,000 steps, not in the end (docs/agents/distil.md)."""
    bins: int = 21
    """Of each action, from -1 to 1, where the loss is categorical."""
    learning_rate: float = 1e-3
    anneal_steps: int = 0
    """Control steps in which the learning rate falls to a twentieth, in a line; 0 for `--steps`."""
    gradient_clip: float = 1.0
    random_shift: int = 0
    """Pixels by which training frames are shifted at random; 0 for none. A shifted pole asks for another action."""
    frame_stack: int = 3
    channels: tuple[int, int, int, int] = (32, 64, 128, 128)
    """Of the four convolutions."""
    layers: int = 1
    units: int = 256
    """Size of the encoder's projection, and of the hidden layers between it and the action."""
    expert: str = ""
    """sha256 of the expert's weights; empty for those that are shipped, whose own is then written down."""
