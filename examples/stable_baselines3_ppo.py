"""PPO of Stable-Baselines3 on the package's own worker processes: `python examples/stable_baselines3_ppo.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor

from natural_mujoco.clients.stable_baselines3 import SB3VecEnv


def main(argv: Sequence[str] | None = None) -> PPO:
    """Trains and saves `runs/sb3-ppo.zip`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200_000, help="agent steps of all environments together")
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--horizon", type=int, default=128)
    parser.add_argument("--videos", default="embedded")
    args = parser.parse_args(argv)

    envs = SB3VecEnv("NaturalMujoco/WalkerWalk-v0", args.num_envs, videos=args.videos, action_repeat=4)
    envs.seed(0)
    stacked = VecFrameStack(VecMonitor(envs), 3)  # VecMonitor reports returns of episodes
    agent = PPO(
        "CnnPolicy", stacked, n_steps=args.horizon, batch_size=256, n_epochs=3, verbose=1, device="cpu"
    )
    agent.learn(args.steps)
    agent.save("runs/sb3-ppo.zip")
    stacked.close()
    return agent


if __name__ == "__main__":
    main()
