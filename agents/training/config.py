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
# The ablations of table 2. `generative` has a decoder instead of the contrastive loss; `reward-only` has neither.
Ablation = Literal["none", "generative", "no-mpc", "no-sac", "reward-only"]
ObservationModel = Literal["contrastive", "redundancy-reduction", "generative", "none"]


@dataclass(frozen=True)
class EnvironmentConfig:
    """The training environment. Evaluation uses the same settings, but all held-out videos."""

    action_repeat: int = 2
    size: int = 64
    """Height and width of observations in pixels; a decoder needs 64."""
    playback: Literal["loop", "pingpong", "still"] = "loop"
    rendering: Literal["default", "reference", "fast"] = "default"
    """`default` is the id's own: `reference` for standard ids, `fast` (no shadows) for natural ids."""
    matte: Literal["semantic", "paper"] = "semantic"
    """Natural only: what is foreground. `paper` is the released code's rule: pixels with red > 100."""
    num_videos: int | None = None
    """Natural only: how many of the training videos to train on; evaluation is on all held-out ones."""
    strength: float = 1.0
    """Natural only: how strongly the video shows, from 0 (the standard background) to 1."""
    shared_background: bool = False
    """Natural only: all training environments play the same clip from the same frame, another one in every episode. At
    any step their frames then differ by the robot alone. With `replay.simultaneous_windows` and at least twice as many
    environments, those of each group of so many do, and the groups' clips differ."""

    def discount_per_step(self, discount: float) -> float:
        """The discount of one agent step, for a `discount` given for two control steps, the paper's agent step."""
        return discount ** (self.action_repeat / 2)


@dataclass(frozen=True)
class ReplayConfig:
    capacity: int = 1_000_000
    """Agent steps kept, of all environments together; 12.3 KB each at 64×64."""
    storage: Literal["memory", "mapped"] = "memory"
    """`mapped` keeps the frames in a file of the run directory, of which the system caches what is read."""
    windows_per_episode: int = 1
    """Number of sequences in a batch that come from the same episode. With four windows from each of four episodes,
    telling episodes apart by their clips lowers InfoNCE by log 4 instead of log 16."""
    simultaneous_windows: int = 1
    """Number of sequences in a batch that are of the same steps in as many environments, or in all if there are fewer;
    of one group of them, if there are at least twice as many. With a shared background, InfoNCE is then not solved by
    telling backgrounds apart. This and the settings of windows around it are for agents that learn from sequences,
    those with a world model."""
    edge_windows: bool = False
    """Also draw windows that extend beyond an episode's ends by up to a quarter and move them inside, so that first and
    last steps are seen a quarter as often as others; otherwise every window is equally likely."""
    recent_share: float = 0.0
    """Share of a batch that is drawn from recent episodes alone. What is drawn uniformly is mostly old: after 250,000
    control steps the newest tenth of them is a tenth of every batch."""
    recent_steps: int = 10_000
    """Agent steps, of all environments together: episodes that lasted into the last so many are recent."""


@dataclass(frozen=True)
class TrainingConfig:
    batch_size: int = 50
    batch_length: int = 50
    prefill: int = 5000
    """Control steps of random actions before the first update."""
    prefill_hold: int = 1
    """Agent steps for which each of these random actions is held. Held ones gather speed, and see more of what earns
    reward (`python -m benchmarks.held_actions`)."""
    episode_steps: int = 0
    """Control steps after which training episodes end early, all at once; 0 for whole ones. Many short episodes hold
    more goals, clips and first states than few long ones, whose clip gives away what is asked for."""
    updates_per_1000_steps: float = 100
    """Updates per 1000 control steps, for any number of environments; steps of the prefill do not count."""
    train_every: int = 1000
    """Control steps between bursts of updates; 1 spreads them evenly."""
    warmup_updates: int = 0
    """Updates of only the world model, on the prefill, before training begins."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """`auto` is bfloat16 if the CPU or GPU supports it natively, else float32."""
    fast: bool = True
    """Use the faster, batched implementation; the plain one computes the same step by step."""
    evaluate_every: int = 50_000
    """Control steps between evaluations; 0 for none."""
    evaluation_episodes: int = 10
    evaluation_envs: int = 0
    """Number of environments in an evaluation; 0 for one per episode, at most ten."""
    log_every: int = 1000
    """Control steps between lines of metrics."""
    checkpoint_minutes: float = 5.0


@dataclass(frozen=True)
class AugmentationConfig:
    """Augmentation of frames for the encoder of a world model; a decoder's targets are not augmented."""

    random_shift: int = 0
    """Most pixels by which a sequence is shifted at random, all of its frames alike; 0 for no shift."""
    overlay_probability: float = 0.0
    """Share of sequences that are overlaid with a frame of another sequence, the same for all of their frames."""
    overlay_weight: float = 0.6
    """Largest weight of the other frame; the weight is drawn for each sequence."""


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
    prior_share: float = 0.0
    """The prior's share of the KL's gradient, which it gets below the free nats, too; 0 for an undivided KL."""
    learning_rate: float = 6e-4
    gradient_clip: float = 100.0


@dataclass(frozen=True)
class ContrastiveConfig:
    """Eq. 5."""

    state_units: tuple[int, ...] = (200, 200)
    observation_units: tuple[int, ...] = (200, 200)
    bilinear: bool = True
    activate_last: bool = False
    prediction_weight: float = 0.0
    """Weight of a second InfoNCE, by the same f, for the states that the prior predicts before their observation; as in
    temporal predictive coding (Nguyen and others 2021). What a state tells of speeds helps the next prediction."""


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
    policy: Literal["tanh-normal", "truncated-normal"] = "tanh-normal"
    """A Gaussian squashed by tanh, or DreamerV2's, which is cut off at the bounds of the actions and does not use
    `initial_std`, `mean_scale` and `min_std`."""
    initial_std: float = 5.0
    mean_scale: float = 5.0
    min_std: float = 1e-4
    normalise_returns: bool = False
    """Divide the actor's imagined and soft returns by the running range of imagined returns (at least 1)."""
    entropy_weight: float = 0.0
    """Weight of the policy's entropy at imagined states, in (normalised) return per nat."""
    imagination_starts: int = 0
    """Number of posterior states from which to imagine, drawn at random; 0 for all B·T."""
    discount_weights: bool = False
    """Weight step k of the imagination by discount^k (as in the released code)."""
    exploration_noise: float = 0.3
    """Standard deviation of the noise on actions in training."""
    evaluate_with: Literal["mode", "samples"] = "mode"


@dataclass(frozen=True)
class SoftActorCriticConfig:
    """The model-free half of eq. 8, on posterior latents."""

    weight: float = 1.0
    """α of eq. 8, the weight of SAC's loss for the actor; 0 turns SAC off. The paper gives no value."""
    q_layers: int = 3
    q_units: int = 400
    learning_rate: float = 8e-5
    gradient_clip: float = 100.0
    target_rate: float = 0.005
    entropy_backup: bool = True
    """Whether Q counts the entropy of later actions as reward, as in SAC. At saturated actions entropies are far below
    zero, and a Q that counts them is mostly of entropy."""
    initial_temperature: float = 1.0
    """Initial entropy temperature, in (normalised) return per nat."""
    temperature_learning_rate: float = 3e-4


@dataclass(frozen=True)
class PlanningConfig:
    """Latent-guided MPC: section 3.3, appendix A.3."""

    when: Literal["always", "evaluation", "never"] = "always"
    iterations: int = 1
    learning_rate: float = 0.003
    first_action_only: bool = False
    """Improve only the first action (as in the released code)."""
    first_environment_only: bool = False
    """Maximise only the return of the first environment (as in the released code)."""
    clip: bool = True
    """Clip the actions of the sequence to [−1, 1]."""


@dataclass(frozen=True)
class RunConfig:
    """The settings that all agents have."""

    task: str = "walker-walk"
    """The paper's name (`walker-walk`) or the id's (`WalkerWalk`)."""
    variant: Variant = "natural"
    videos: str = "auto"
    """A video set, a manifest, a folder of videos, or `auto`. Natural only."""
    preset: Preset = "paper"
    """The preset from which the other settings start."""
    steps: int = 5_000_000
    """Control steps to train for."""
    seed: int = 0
    logdir: Path | None = None
    """The run directory; by default runs/TASK-VARIANT/AGENT-PRESET-SEED. The same command resumes it."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1`, …, or `auto`: a GPU if there is one."""
    num_envs: int = 1
    vector: Vector = "workers"
    """The training environments: `workers` are processes with OpenGL; `warp` is the batched environment on `device`,
    which needs the extra `gpu`. Evaluation always uses `workers`."""
    threads: int = 0
    """CPU threads of the networks; 0 for PyTorch's choice. Resuming is exact only with the same number."""
    wandb: bool = False
    """Also log to Weights & Biases."""
    environment: EnvironmentConfig = field(default_factory=EnvironmentConfig)
    replay: ReplayConfig = field(default_factory=ReplayConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


@dataclass(frozen=True)
class DreamerConfig(RunConfig):
    initialisation: Literal["keras", "torch"] = "keras"
    """Initialisation of the weights: Keras' defaults, which the paper's code used, or PyTorch's."""
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    behaviour: BehaviourConfig = field(default_factory=BehaviourConfig)


@dataclass(frozen=True)
class CVRLConfig(DreamerConfig):
    ablation: Ablation = "none"
    """One of the ablations of the paper's table 2."""
    observation: Literal["contrastive", "redundancy-reduction"] = "contrastive"
    """The observation loss: contrastive (eq. 5), or R2-Dreamer's, which does not compare observations."""
    contrastive: ContrastiveConfig = field(default_factory=ContrastiveConfig)
    sac: SoftActorCriticConfig = field(default_factory=SoftActorCriticConfig)
    planning: PlanningConfig = field(default_factory=PlanningConfig)


@dataclass(frozen=True)
class BottleneckConfig:
    """RePo's bound on the information that the latent takes from observations."""

    target: float = 3.0
    """Bound on KL[posterior ‖ prior], in nats per step."""
    initial_multiplier: float = 1.0
    """Initial β, in (weighted) nats of reward per nat of KL."""
    learning_rate: float = 1e-2
    """Adam's learning rate for log β: a hundred updates change β by up to a factor of e."""
    prior_share: float = 5 / 6
    """The prior's share of the KL's gradient; the posterior gets the rest."""


@dataclass(frozen=True)
class RePoConfig(DreamerConfig):
    """RePo, which does not use the model's `kl_weight`, `free_nats`, `prior_share` and `observation_weight`."""

    bottleneck: BottleneckConfig = field(default_factory=BottleneckConfig)


# Fields that may change when a run is resumed: they affect how long and where it trains, never what is learned.
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
    """The configuration as {"model.free_nats": 3.0, …}, with values that JSON can hold."""

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
