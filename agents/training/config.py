"""Every setting of every agent, typed, in named sections; the defaults are the paper's.

Those of the agents that see stacks of frames are in pixel_config.py.

Each field is a flag: `--model.free-nats 2`. The presets, and the reasons for their departures, are in presets.py.
"Control steps" are the simulator's (1000 an episode); an agent step is `action_repeat` of them.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..model.networks import EncoderOutput

Preset = Literal["paper", "released-code", "laptop"]
Variant = Literal["natural", "standard"]
Vector = Literal["workers", "warp"]
# Table 2. `generative` reconstructs instead of contrasting; `reward-only` has no observation model.
Ablation = Literal["none", "generative", "no-mpc", "no-sac", "reward-only"]
ObservationModel = Literal["contrastive", "redundancy-reduction", "generative", "none"]


@dataclass(frozen=True)
class EnvironmentConfig:
    """What the agent trains on; evaluation differs in the split alone, and has all of its videos."""

    action_repeat: int = 2
    size: int = 64
    """Observation height and width, pixels; the decoder wants 64."""
    playback: Literal["loop", "pingpong", "still"] = "loop"
    rendering: Literal["default", "reference", "fast"] = "default"
    """`default` is each id's own: `reference` for standard ones, `fast` (no shadows) for natural ones."""
    matte: Literal["semantic", "paper"] = "semantic"
    """Natural only. `paper` is the released code's rule: a pixel stays where red > 100."""
    num_videos: int | None = None
    """Natural only: train on the first so many training videos; evaluation is on all held-out ones."""
    strength: float = 1.0
    """Natural only: how much of the video there is, from 0, the standard background, to 1."""

    def discount_per_step(self, discount: float) -> float:
        """That of one agent step here, for a `discount` of two control steps, which are the paper's agent step."""
        return discount ** (self.action_repeat / 2)


@dataclass(frozen=True)
class ReplayConfig:
    capacity: int = 1_000_000
    """Agent steps kept, over all environments; 12.3 KB each at 64×64."""
    storage: Literal["memory", "mapped"] = "memory"
    """`mapped` keeps the frames in a file of the run directory and lets the system cache what is read."""
    windows_per_episode: int = 1
    """Sequences of a batch that come from one episode. A batch of four windows of each of four episodes makes it worth
    log 4 to tell the episodes' clips apart, and not log 16."""
    edge_windows: bool = False
    """Let windows that would hang over an episode's ends by up to a quarter be clipped into it, so that first and last
    steps are seen a quarter as often as others; otherwise every window is equally likely."""


@dataclass(frozen=True)
class TrainingConfig:
    batch_size: int = 50
    batch_length: int = 50
    prefill: int = 5000
    """Control steps of random actions before the first update."""
    episode_steps: int = 0
    """Control steps after which training episodes end early, all at once; 0 for whole ones. Many short episodes hold
    more goals, clips and first states than few long ones, whose clip gives away what is asked for."""
    updates_per_1000_steps: float = 100
    """Held whatever the number of environments; the steps of the prefill count for none."""
    train_every: int = 1000
    """Control steps between bursts of updates; 1 spreads them evenly."""
    warmup_updates: int = 0
    """Updates on the prefill before anything else, of the world model alone."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """`auto` is bfloat16 where the processor or GPU multiplies it natively, else float32."""
    fast: bool = True
    """Take the hoisted and batched path; the plain one computes the same, step by step."""
    evaluate_every: int = 50_000
    """Control steps between evaluations; 0 for none."""
    evaluation_episodes: int = 10
    evaluation_envs: int = 0
    """Environments of an evaluation; 0 for one per episode, at most ten."""
    log_every: int = 1000
    """Control steps between lines of metrics."""
    checkpoint_minutes: float = 5.0


@dataclass(frozen=True)
class AugmentationConfig:
    """What is done to frames before the encoder of a world model reads them; a decoder's targets stay as they are."""

    random_shift: int = 0
    """Pixels by which a sequence is shifted at random, all of its frames alike; 0 for none."""
    overlay_probability: float = 0.0
    """Share of sequences over which a frame of another sequence is laid, the same over all of its frames."""
    overlay_weight: float = 0.6
    """Most that the other frame weighs; how much is drawn for each sequence."""


@dataclass(frozen=True)
class ModelConfig:
    """World model: section 2.2, appendix B."""

    deterministic: int = 200
    stochastic: int = 30
    hidden: int = 200
    min_std: float = 0.1
    encoder_depth: int = 32
    encoder_output: EncoderOutput = "relu"
    reward_layers: int = 2
    reward_units: int = 400
    reward_weight: float = 1.0
    """Factor on log p(r | s), whose standard deviation is 1."""
    observation_weight: float = 1.0
    """Factor on the contrastive or the reconstruction term."""
    kl_weight: float = 1.0
    free_nats: float = 3.0
    learning_rate: float = 6e-4
    gradient_clip: float = 100.0


@dataclass(frozen=True)
class ContrastiveConfig:
    """Eq. 5."""

    state_units: tuple[int, ...] = (200, 200)
    observation_units: tuple[int, ...] = (200, 200)
    bilinear: bool = True
    activate_last: bool = False


@dataclass(frozen=True)
class BehaviourConfig:
    """Latent imagination: section 3.2, appendix A."""

    horizon: int = 15
    """Agent steps."""
    discount: float = 0.99
    """Per two control steps, whatever the action repeat."""
    lambda_: float = 0.95
    actor_layers: int = 4
    actor_units: int = 400
    actor_learning_rate: float = 8e-5
    value_layers: int = 3
    value_units: int = 400
    value_learning_rate: float = 8e-5
    gradient_clip: float = 100.0
    initial_std: float = 5.0
    mean_scale: float = 5.0
    min_std: float = 1e-4
    normalise_returns: bool = False
    """Divide the actor's returns, imagined and soft, by the running range of the imagined ones, which is at least 1."""
    entropy_weight: float = 0.0
    """Bonus on the policy's entropy at the imagined states, in (normalised) return per nat."""
    imagination_starts: int = 0
    """Posterior states to imagine from, drawn at random; 0 for all B·T."""
    discount_weights: bool = False
    """Weigh step k of the imagination by discount^k (the released code)."""
    exploration_noise: float = 0.3
    """Standard deviation of what is added to the actions of the training environments."""
    evaluate_with: Literal["mode", "samples"] = "mode"


@dataclass(frozen=True)
class SoftActorCriticConfig:
    """The model-free half of eq. 8, on posterior latents."""

    weight: float = 1.0
    """α of eq. 8, on the actor's loss; 0 turns SAC off. The paper gives no value."""
    q_layers: int = 3
    q_units: int = 400
    learning_rate: float = 8e-5
    gradient_clip: float = 100.0
    target_rate: float = 0.005
    initial_temperature: float = 1.0
    """In (normalised) return per nat."""
    temperature_learning_rate: float = 3e-4


@dataclass(frozen=True)
class PlanningConfig:
    """Latent-guided MPC: section 3.3, appendix A.3."""

    when: Literal["always", "evaluation", "never"] = "always"
    iterations: int = 1
    learning_rate: float = 0.003
    first_action_only: bool = False
    """Ascend on the first action alone (the released code)."""
    first_environment_only: bool = False
    """Ascend the return of the first environment alone (the released code)."""
    clip: bool = True
    """Keep the sequence in [−1, 1]."""


@dataclass(frozen=True)
class RunConfig:
    """What all agents take."""

    task: str = "walker-walk"
    """The paper's name (`walker-walk`) or the id's (`WalkerWalk`)."""
    variant: Variant = "natural"
    videos: str = "auto"
    """A video set, a manifest, a folder of videos, or `auto`. Natural only."""
    preset: Preset = "paper"
    """Where the settings below start from."""
    steps: int = 5_000_000
    """Control steps to train for."""
    seed: int = 0
    logdir: Path | None = None
    """The run directory; by default runs/TASK-VARIANT/AGENT-PRESET-SEED. The same command resumes it."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, …, or `auto`: a GPU where there is one."""
    num_envs: int = 1
    vector: Vector = "workers"
    """What is trained in: `workers` are processes with OpenGL; `warp` is the batched environment on `device`, with the
    extra `gpu`. Evaluation is always in the former."""
    threads: int = 0
    """Processor threads of the networks; 0 leaves PyTorch's choice. Resuming is exact for one number of them."""
    wandb: bool = False
    """Log to Weights & Biases too."""
    environment: EnvironmentConfig = field(default_factory=EnvironmentConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


@dataclass(frozen=True)
class DreamerConfig(RunConfig):
    initialisation: Literal["keras", "torch"] = "keras"
    """What weights are drawn from: Keras' defaults, with which the paper's code ran, or PyTorch's."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    behaviour: BehaviourConfig = field(default_factory=BehaviourConfig)


@dataclass(frozen=True)
class CVRLConfig(DreamerConfig):
    ablation: Ablation = "none"
    """Table 2."""
    observation: Literal["contrastive", "redundancy-reduction"] = "contrastive"
    """What takes the place of reconstruction: eq. 5, or that of R2-Dreamer, which compares no observations."""
    contrastive: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    sac: SoftActorCriticConfig = field(default_factory=SoftActorCriticConfig)
    planning: PlanningConfig = field(default_factory=PlanningConfig)


@dataclass(frozen=True)
class BottleneckConfig:
    """RePo's bound on what the latent takes from observations."""

    target: float = 3.0
    """Nats a step that the posterior may lie from the prior."""
    initial_multiplier: float = 1.0
    """β at the start, in (weighted) nats of reward per nat of KL."""
    learning_rate: float = 1e-2
    """Of log β, with Adam: a hundred updates move β by a factor of e."""
    prior_share: float = 5 / 6
    """Of the KL's gradient."""


@dataclass(frozen=True)
class RePoConfig(DreamerConfig):
    """RePo. `model.kl_weight`, `free_nats` and `observation_weight` mean nothing to it."""

    bottleneck: BottleneckConfig = field(default_factory=BottleneckConfig)


# Fields that two runs of one directory may differ in: they change how long and where, never what is learned.
RESUMABLE = (
    "steps",
    "logdir",
    "device",
    "threads",
    "wandb",
    "replay.storage",
    "training.checkpoint_minutes",
    "training.log_every",
)


def flatten(config: RunConfig) -> dict[str, object]:
    """The configuration as {"model.free_nats": 3.0, …}, with values that JSON keeps."""

    def walk(value: object, prefix: str) -> dict[str, object]:
        if dataclasses.is_dataclass(value):
            flat: dict[str, object] = {}
            for f in dataclasses.fields(value):
                flat |= walk(getattr(value, f.name), f"{prefix}.{f.name}" if prefix else f.name)
            return flat
        if isinstance(value, tuple):
            return {prefix: list(value)}
        return {prefix: str(value) if isinstance(value, Path) else value}

    return walk(config, "")
