"""RLlib's PPO on walker-walk: `python examples/rllib_ppo.py --iterations 100`.

It needs `pip install "ray[rllib]"`. `MUJOCO_GL` is set before Ray is imported: RLlib imports dm_control, which then
decides how to draw.
"""

from __future__ import annotations

import argparse
import os
import sys

if sys.platform == "linux":
    os.environ.setdefault("MUJOCO_GL", "egl")

import gymnasium as gym
import numpy as np
import ray
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.tune.registry import register_env


def make(config: dict[str, object]) -> gym.Env:
    """One environment with what RLlib's networks take: three stacked frames in their last axis, floats from 0 to 1."""
    env = gym.make("natural_mujoco:NaturalMujoco/WalkerWalk-v0", **config)
    env = gym.wrappers.FrameStackObservation(env, 3)  # uint8[3, 64, 64, 3]
    space = gym.spaces.Box(0, 1, (64, 64, 9), np.float32)
    return gym.wrappers.TransformObservation(
        env, lambda frames: np.concatenate(list(frames), -1).astype(np.float32) / 255, space
    )


def main(argv: list[str] | None = None) -> float:
    """Trains, and returns the mean return of the last episodes."""
    parser = argparse.ArgumentParser(description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--runners", type=int, default=0, help="processes that act; 0: this one")
    parser.add_argument("--num-envs", type=int, default=8, help="environments of each")
    parser.add_argument("--action-repeat", type=int, default=4)
    parser.add_argument("--batch", type=int, default=2000, help="agent steps of an iteration")
    args = parser.parse_args(argv)
    ray.init(include_dashboard=False)
    register_env("natural-walker", make)
    config = (
        PPOConfig()
        .environment("natural-walker", env_config={"videos": "embedded", "action_repeat": args.action_repeat})
        .env_runners(num_env_runners=args.runners, num_envs_per_env_runner=args.num_envs)
        .training(train_batch_size=args.batch, minibatch_size=args.batch // 8, num_epochs=3, lr=3e-4)
        .rl_module(
            model_config=DefaultModelConfig(
                conv_filters=[[32, 8, 4], [64, 4, 2], [64, 3, 1]], head_fcnet_hiddens=[256]
            )
        )
    )
    algorithm = config.build_algo()
    mean = float("nan")
    for iteration in range(args.iterations):
        runners = algorithm.train()["env_runners"]
        mean = runners.get("episode_return_mean", mean)
        print(
            f"iteration {iteration}  {runners['num_env_steps_sampled_lifetime']:.0f} agent steps  return {mean:.1f}"
        )
    algorithm.stop()
    ray.shutdown()
    return mean


if __name__ == "__main__":
    main()
