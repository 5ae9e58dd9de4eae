"""The presets: where a run's settings start from before its other flags are applied.

- `paper`: the defaults of config.py, which are the paper's.
- `released-code`: what the authors' released code really does, quirk by quirk.
- `laptop`: learns on two CPU cores in an evening. Each departure from the paper has its measured reason beside it.
"""

from __future__ import annotations

from dataclasses import fields, replace

from .config import (
    BehaviourConfig,
    ContrastiveConfig,
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
from .pixel_config import DistilConfig, DrQv2Config, PixelSACConfig, PPOConfig


def _released_dreamer() -> DreamerConfig:
    return DreamerConfig(
        preset="released-code",
        # A pixel stays where red > 100.
        environment=EnvironmentConfig(matte="paper"),
        # Step k of an imagination counts discount^k in both losses; evaluation takes samples of the policy.
        behaviour=BehaviourConfig(discount_weights=True, evaluate_with="samples"),
    )


def _released_cvrl() -> CVRLConfig:
    dreamer = _released_dreamer()
    return CVRLConfig(
        preset="released-code",
        environment=dreamer.environment,
        behaviour=dreamer.behaviour,
        # No W: a dot product of two branches, 230→200→200 and 1024→400→200, with ELU after their last layers too.
        contrastive=ContrastiveConfig((200, 200), (400, 200), bilinear=False, activate_last=True),
        # SAC is inert: its losses are computed and never applied, no Q value is used. Not computing them is the same.
        sac=SoftActorCriticConfig(weight=0.0),
        # MPC is one gradient step on the first action of one sampled rollout, for the return of the first
        # environment alone, not clipped (what reaches the simulator is), in training and in evaluation.
        planning=PlanningConfig(
            when="always",
            iterations=1,
            learning_rate=0.003,
            first_action_only=True,
            first_environment_only=True,
            clip=False,
        ),
    )


def _laptop_training() -> TrainingConfig:
    return TrainingConfig(
        # Cost: an update of 16 × 24 is a sixth of one of 50 × 50.
        batch_size=16,
        batch_length=24,
        # Forty episodes. From three of them the warm-up learned the clips by heart.
        prefill=40_000,
        # Fresh frames are cheap and updates dear. Natural walker-walk, held-out, at thousands of control steps: 4
        # updates per 1000 had 212 at 250, 173 at 500; 16 had 233 at 200, 273 at 300; 64 no more after the same minutes.
        updates_per_1000_steps=16,
        train_every=400,
        # The actor froze at ±1 when it was trained on an untrained model.
        warmup_updates=600,
        evaluate_every=50_000,
        evaluation_episodes=10,
    )


def _laptop_model() -> ModelConfig:
    return ModelConfig(
        # Cost: half the width is a quarter of the encoder's arithmetic.
        encoder_depth=16,
        # A last ReLU let one run die, InfoNCE 0 for 600 updates; a linear layer with LayerNorm trained at once.
        encoder_output="layer-norm",
        # Held-out reward R² after 1,200 updates was .01 / .61 / .68 at weights 1 / 30 / 100.
        reward_weight=100.0,
        # The gradients of these weights are some ten times those of the paper: 100 cut 37 to 96 % of the updates.
        gradient_clip=1000.0,
        # Cost, here and in actor, value and Q: half the width is a quarter of the imagination's arithmetic.
        reward_units=200,
    )


def _laptop_behaviour() -> BehaviourConfig:
    return BehaviourConfig(
        # Cost: imagination from all 384 states would be half of the update.
        imagination_starts=128,
        actor_units=200,
        value_units=200,
        # The few updates of a laptop run have to move further: standard cartpole-swingup rose from 159 to 298 in 4,935
        # updates and to 450 in 7,935; 8e-4 was no faster.
        actor_learning_rate=3e-4,
        value_learning_rate=3e-4,
        # In raw returns an entropy bonus of 1e-3 weighs 1e-3 against 150: Dreamer's actor froze at ±1 (92 % of imagined
        # actions beyond ±0.99 after 34,000 control steps). Of normalised returns it is DreamerV3's 3e-4.
        normalise_returns=True,
        entropy_weight=3e-4,
    )


def _laptop_dreamer() -> DreamerConfig:
    return DreamerConfig(
        preset="laptop",
        # On the replay of one walker-walk run, after 800 updates of the model: InfoNCE 1.56 and log p(r) −.985; with
        # Keras' 2.26 and −.995. After 100,000 control steps held-out returns are 231 ± 17 and 180 ± 10.
        initialisation="torch",
        # About an hour for CVRL on a core of its own.
        steps=500_000,
        num_envs=8,
        environment=EnvironmentConfig(action_repeat=4),
        # Distinct frames are what a model generalises from to other clips: with 16 thousand of them even labels taught
        # an encoder nothing about held-out clips (R² of x .21, of cos θ −.20), with 81 thousand .57 and .23. Two
        # million control steps fit; mapped, since 6 GB are more than a laptop spares.
        replay=ReplayConfig(capacity=500_000, storage="mapped", edge_windows=True),
        training=_laptop_training(),
        model=_laptop_model(),
        behaviour=_laptop_behaviour(),
    )


def _laptop_cvrl() -> CVRLConfig:
    d = _laptop_dreamer()
    return CVRLConfig(
        preset="laptop",
        initialisation=d.initialisation,
        steps=d.steps,
        num_envs=d.num_envs,
        # A shared background and simultaneous windows were worth 70 on natural walker-walk and cost 50 on
        # cartpole-swingup, whose thin poles hardly differ: off.
        environment=d.environment,
        replay=d.replay,
        training=d.training,
        model=d.model,
        behaviour=d.behaviour,
        # Cost: planning while collecting would take as long as the updates do.
        planning=PlanningConfig(when="evaluation"),
        sac=SoftActorCriticConfig(
            weight=0.1,
            q_units=200,
            learning_rate=3e-4,
            # After the 4,000 updates of a laptop a temperature of 1 that moves by 3e-4 was at .64: its entropy term was
            # 3.3 a step beside rewards of .9, and Q was −78 where imagined returns were +138. From .1 at 1e-3, in
            # units of the returns' range, Q is +7 and the temperature .04.
            initial_temperature=0.1,
            temperature_learning_rate=1e-3,
            # At .005 a Q of this discount needs more updates to reach its scale than a laptop's run has.
            target_rate=0.01,
        ),
    )


def _laptop_repo() -> RePoConfig:
    """Dreamer's, so that the two differ by what the world model is for."""
    d = _laptop_dreamer()
    return RePoConfig(**{f.name: getattr(d, f.name) for f in fields(d)})


def _paper_sac() -> PixelSACConfig:
    return PixelSACConfig(
        # One update an agent step, as is the custom for SAC; batches of single transitions.
        training=TrainingConfig(batch_size=128, batch_length=1, updates_per_1000_steps=500, train_every=1),
    )


def _laptop_sac() -> PixelSACConfig:
    return replace(
        _paper_sac(),
        preset="laptop",
        steps=150_000,
        environment=EnvironmentConfig(action_repeat=4),
        replay=ReplayConfig(capacity=100_000),
        encoder_depth=16,
        units=256,
        actor_layers=2,
        q_layers=2,
        training=TrainingConfig(
            batch_size=64,
            batch_length=1,
            updates_per_1000_steps=125,
            train_every=1,
            evaluate_every=25_000,
        ),
    )


def _laptop_distil() -> DistilConfig:
    return DistilConfig(
        preset="laptop",
        # 300,000 took five minutes on a machine with two cores that did nothing else.
        steps=1_000_000,
        num_envs=16,
        # Mapped, since 4.3 GB are more than a laptop spares.
        replay=ReplayConfig(capacity=300_000, storage="mapped"),
        training=TrainingConfig(
            batch_size=128,
            batch_length=1,
            # The replay begins with what the expert does: nothing need be random before the first update.
            prefill=0,
            # Each frame is learned from twice: fresh ones cost as much as an update on old ones does.
            updates_per_1000_steps=8,
            evaluate_every=250_000,
            log_every=10_000,
        ),
    )


CVRL_PRESETS = {"paper": CVRLConfig(), "released-code": _released_cvrl(), "laptop": _laptop_cvrl()}
DREAMER_PRESETS = {
    "paper": DreamerConfig(),
    "released-code": _released_dreamer(),
    "laptop": _laptop_dreamer(),
}
REPO_PRESETS = {"laptop": _laptop_repo()}
# The released code has no pixel SAC: the paper took OpenAI's.
SAC_PRESETS = {"paper": _paper_sac(), "laptop": _laptop_sac()}
# Nor are RePo, DrQ-v2, PPO and the student in the paper.
DRQV2_PRESETS = {"laptop": DrQv2Config()}
PPO_PRESETS = {"laptop": PPOConfig()}
DISTIL_PRESETS = {"laptop": _laptop_distil()}
