"""TorchRL on the package's own worker processes: a policy network and a batch of steps, ready for a loss."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import gymnasium as gym
import torch
from tensordict import TensorDict
from tensordict.nn import TensorDictModule
from torch import nn
from torchrl.envs import GymWrapper

import natural_mujoco
from natural_mujoco.clients.frames import ChannelsFirst, StackFrames


def main(argv: Sequence[str] | None = None) -> TensorDict:
    """Collects steps of all environments: `[num_envs, steps]`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--videos", default="embedded")
    args = parser.parse_args(argv)

    # TorchRL resets by itself: DISABLED is the mode it prefers. SAME_STEP works with
    # natural_mujoco.clients.torchrl.TensorInfos around the environment.
    envs = gym.make_vec(
        natural_mujoco.find_task("walker-walk").natural_id,
        num_envs=args.num_envs, videos=args.videos, autoreset_mode="Disabled",
    )  # fmt: skip
    env = GymWrapper(ChannelsFirst(StackFrames(envs, 3)))
    network = nn.Sequential(
        nn.Conv2d(9, 16, 8, stride=4), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 15 * 15, 6), nn.Tanh()
    )

    class Policy(nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            result: torch.Tensor = network(pixels.float() / 255 - 0.5)
            return result

    policy = TensorDictModule(Policy(), in_keys=["observation"], out_keys=["action"])
    env.set_seed(0)
    with torch.no_grad():
        batch = env.rollout(args.steps, policy, break_when_any_done=False)
    print(batch)
    env.close()
    return batch


if __name__ == "__main__":
    main()
