"""Tianshou's PPO on walker-walk: `python examples/tianshou_ppo.py --epochs 20`, after `pip install tianshou`."""

from __future__ import annotations

import argparse

import gymnasium as gym
import numpy as np
import torch
from tianshou.algorithm import PPO
from tianshou.algorithm.modelfree.reinforce import ProbabilisticActorPolicy
from tianshou.algorithm.optim import AdamOptimizerFactory
from tianshou.data import Collector, VectorReplayBuffer
from tianshou.env import SubprocVectorEnv
from tianshou.trainer import OnPolicyTrainerParams
from tianshou.utils.net.common import ModuleWithVectorOutput
from tianshou.utils.net.continuous import ContinuousActorProbabilistic, ContinuousCritic
from torch import nn
from torch.distributions import Independent, Normal


def make(action_repeat: int) -> gym.Env:
    """One environment; three frames are stacked in front: uint8[3, 64, 64, 3]."""
    env = gym.make(
        "natural_mujoco:NaturalMujoco/WalkerWalk-v0", videos="embedded", action_repeat=action_repeat
    )
    return gym.wrappers.FrameStackObservation(env, 3)


class Pixels(ModuleWithVectorOutput):
    """Stacked frames to 256 features."""

    def __init__(self) -> None:
        super().__init__(256)
        self.layers = nn.Sequential(
            nn.Conv2d(9, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU(), nn.Flatten(),
            nn.Linear(64 * 6 * 6, 256), nn.LayerNorm(256), nn.Tanh(),
        )  # fmt: skip

    def forward(
        self, obs: np.ndarray, state: object = None, info: object = None
    ) -> tuple[torch.Tensor, object]:
        frames = torch.as_tensor(obs, dtype=torch.float32) / 255 - 0.5
        frames = frames.view(
            -1, 3, 64, 64, 3
        )  # N stack height width C; Tianshou's critic flattens what it sees
        return self.layers(frames.permute(0, 1, 4, 2, 3).flatten(1, 2)), state


def gaussian(mean_and_std: tuple[torch.Tensor, torch.Tensor]) -> Independent:
    return Independent(Normal(*mean_and_std), 1)


def main(argv: list[str] | None = None) -> float:
    """Trains, and returns how many agent steps that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--steps", type=int, default=16_384, help="agent steps of an epoch")
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--action-repeat", type=int, default=4)
    args = parser.parse_args(argv)

    envs = SubprocVectorEnv([lambda: make(args.action_repeat)] * args.num_envs, context="spawn")
    envs.seed(0)
    actions = envs.action_space[0]
    features = Pixels()
    actor = ContinuousActorProbabilistic(preprocess_net=features, action_shape=actions.shape, unbounded=True)
    policy = ProbabilisticActorPolicy(
        actor=actor, dist_fn=gaussian, action_space=actions, action_scaling=False
    )
    algorithm = PPO(
        policy=policy,
        critic=ContinuousCritic(preprocess_net=features),
        optim=AdamOptimizerFactory(lr=3e-4),
        gae_lambda=0.95,
        gamma=0.98,
        max_grad_norm=0.5,
        ent_coef=0.003,
    )
    rollout = min(2048, args.steps)
    result = algorithm.run_training(
        OnPolicyTrainerParams(
            training_collector=Collector(algorithm, envs, VectorReplayBuffer(rollout, args.num_envs)),
            test_collector=None,
            max_epochs=args.epochs,
            epoch_num_steps=args.steps,
            collection_step_num_env_steps=rollout,
            update_step_num_repetitions=3,
            batch_size=256,
        )
    )
    print(result)
    envs.close()
    return float(result.train_step)


if __name__ == "__main__":
    main()
