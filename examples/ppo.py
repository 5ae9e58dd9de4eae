"""PPO (Schulman and others 2017) from pixels, in one file, on the fast vector environment.

Train, then evaluate what was trained and put it on a leaderboard:

    python examples/ppo.py --task walker-walk --minutes 5
    natural-mujoco evaluate --policy examples.ppo:Trained --tasks walker-walk --action-repeat 4 --out results/ppo.json
    natural-mujoco leaderboard build results --out site
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from torch import nn

import natural_mujoco
from natural_mujoco.clients.frames import ChannelsFirst, StackFrames

RUNS = Path("runs/ppo")
FRAMES = 3  # one picture does not show speeds
GAMMA, LAMBDA, CLIP, ENTROPY, VALUE = 0.99, 0.95, 0.2, 0.001, 0.5
EPOCHS, MINIBATCH, LEARNING_RATE, MAX_GRADIENT = 3, 256, 5e-4, 0.5


def layer(module: nn.Linear | nn.Conv2d, gain: float = 2**0.5) -> nn.Module:
    """Orthogonal weights and no bias to start with."""
    nn.init.orthogonal_(module.weight, gain)
    nn.init.zeros_(module.bias)
    return module


class Agent(nn.Module):
    """A convolutional encoder with a Gaussian policy and a value on top. Pictures are `uint8[n, 9, 64, 64]`."""

    def __init__(self, actions: int) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            layer(nn.Conv2d(3 * FRAMES, 16, 8, stride=4)), nn.ReLU(),  # 15 × 15
            layer(nn.Conv2d(16, 32, 4, stride=2)), nn.ReLU(),  # 6 × 6
            layer(nn.Conv2d(32, 32, 3)), nn.ReLU(), nn.Flatten(),  # 4 × 4
            layer(nn.Linear(512, 256)), nn.LayerNorm(256), nn.Tanh(),
        )  # fmt: skip
        self.mean = layer(nn.Linear(256, actions), gain=0.01)
        self.log_std = nn.Parameter(torch.full((actions,), -0.5))
        self.value = layer(nn.Linear(256, 1), gain=1.0)

    def forward(self, pixels: torch.Tensor) -> tuple[torch.distributions.Normal, torch.Tensor]:
        """The policy and the value, `[n]`, of each picture."""
        features = self.encoder(pixels.float() / 255 - 0.5)
        return torch.distributions.Normal(self.mean(features), self.log_std.exp()), self.value(
            features
        ).squeeze(-1)


def train(task: str, minutes: float, steps: int, num_envs: int, horizon: int, seed: int, videos: str) -> Path:
    """Trains until `minutes` or `steps` (control steps) are over; returns the file of the weights."""
    torch.manual_seed(seed)
    # SAME_STEP: an episode that ends is reset at once, and its last picture is in infos["final_obs"]. With Gymnasium's
    # default, NEXT_STEP, every first step after an end does nothing and would have to be masked.
    envs = ChannelsFirst(
        StackFrames(
            gym.make_vec(
                natural_mujoco.find_task(task).natural_id,
                num_envs=num_envs, videos=videos, action_repeat=4, autoreset_mode="SameStep",
            ),
            FRAMES,
        )
    )  # fmt: skip
    actions_of = envs.single_action_space.shape[0]
    agent = Agent(actions_of)
    optimiser = torch.optim.Adam(agent.parameters(), LEARNING_RATE, eps=1e-5)
    observation, _ = envs.reset(seed=seed)
    returns, finished = np.zeros(num_envs), [0.0]
    begin, done_steps = time.monotonic(), 0
    # T: horizon, N: environments, A: actions
    pixels = torch.zeros(horizon, *observation.shape, dtype=torch.uint8)  # T N 9 64 64
    actions = torch.zeros(horizon, num_envs, actions_of)  # T N A
    log_probs, rewards, values, after = (torch.zeros(horizon, num_envs) for _ in range(4))  # T N
    ends = torch.zeros(horizon, num_envs)

    while time.monotonic() - begin < 60 * minutes and done_steps < steps:
        for t in range(horizon):
            pixels[t] = torch.from_numpy(observation)
            with torch.no_grad():
                policy, values[t] = agent(pixels[t])
            actions[t] = policy.sample()
            log_probs[t] = policy.log_prob(actions[t]).sum(-1)
            observation, reward, _, truncated, infos = envs.step(actions[t].clamp(-1, 1).numpy())
            rewards[t] = torch.from_numpy(reward) / 4  # a control step's mean, 0 to 1
            ends[t] = torch.from_numpy(truncated)
            after[t] = 0.0
            if truncated.any():  # tasks are cut off, not over: their last state has a value
                last = torch.from_numpy(np.stack(list(infos["final_obs"][truncated])))
                with torch.no_grad():
                    after[t, torch.from_numpy(truncated)] = agent(last)[1]
            returns += reward
            finished += returns[truncated].tolist()
            returns[truncated] = 0.0
        done_steps += horizon * num_envs * 4

        # Generalised advantage estimation, from the end.
        with torch.no_grad():
            following, advantage = agent(torch.from_numpy(observation))[1], torch.zeros(num_envs)
        advantages = torch.zeros(horizon, num_envs)
        for t in reversed(range(horizon)):
            going = 1 - ends[t]
            error = rewards[t] + GAMMA * (going * following + after[t]) - values[t]
            advantage = error + GAMMA * LAMBDA * going * advantage
            advantages[t], following = advantage, values[t]
        targets = advantages + values

        batch = [x.flatten(0, 1) for x in (pixels, actions, log_probs, advantages, targets)]
        for _ in range(EPOCHS):
            for rows in torch.randperm(horizon * num_envs).split(MINIBATCH):
                picture, action, old, gain, target = (x[rows] for x in batch)
                policy, value = agent(picture)
                ratio = (policy.log_prob(action).sum(-1) - old).exp()
                gain = (gain - gain.mean()) / (gain.std() + 1e-8)
                surrogate = torch.min(ratio * gain, ratio.clamp(1 - CLIP, 1 + CLIP) * gain)
                loss = VALUE * (value - target).square().mean() - surrogate.mean()
                loss = loss - ENTROPY * policy.entropy().sum(-1).mean()
                optimiser.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(agent.parameters(), MAX_GRADIENT)
                optimiser.step()
        rate = done_steps / (time.monotonic() - begin)
        print(
            f"{done_steps:>9,} control steps, {rate:.0f}/s, return {np.mean(finished[-10:]):.1f}", flush=True
        )

    envs.close()
    RUNS.mkdir(parents=True, exist_ok=True)
    path = RUNS / f"{task}.pt"
    torch.save(agent.state_dict(), path)
    print(f"{path}: the weights")
    return path


class Trained:
    """What was trained, as a policy for `natural-mujoco evaluate`. It stacks frames by itself."""

    def __init__(self, task: str, action_size: int) -> None:
        self.agent = Agent(action_size)
        self.agent.load_state_dict(torch.load(RUNS / f"{task}.pt", weights_only=True))

    def reset(self, num_envs: int) -> None:
        """New episodes begin."""
        self.stack: np.ndarray | None = None

    def act(self, obs: np.ndarray) -> np.ndarray:
        """The mean of the policy, `float32[n, a]`."""
        frame = obs.transpose(0, 3, 1, 2)
        self.stack = (
            np.tile(frame, (1, FRAMES, 1, 1)) if self.stack is None else np.hstack([self.stack[:, 3:], frame])
        )
        with torch.no_grad():
            actions: np.ndarray = self.agent(torch.from_numpy(self.stack))[0].mean.clamp(-1, 1).numpy()
        return actions


def main(argv: Sequence[str] | None = None) -> Path:
    """Reads the command line and trains."""
    parser = argparse.ArgumentParser(description="PPO from pixels in front of natural video.")
    parser.add_argument("--task", default="walker-walk")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--steps", type=int, default=10**9, help="control steps, if that comes first")
    parser.add_argument("--num-envs", type=int, default=8)
    parser.add_argument("--horizon", type=int, default=128)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--videos", default="embedded")
    return train(**vars(parser.parse_args(argv)))


if __name__ == "__main__":
    main()
