"""What an own encoder knows: a linear probe from its features to the physical state, in front of unseen videos.

The encoder here is a fixed random network. Put yours in its place: anything that turns `uint8[n, 64, 64, 3]` into
`float32[n, features]`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import gymnasium as gym
import numpy as np

import natural_mujoco

Encoder = Callable[[np.ndarray], np.ndarray]


def random_encoder(features: int = 256, seed: int = 0) -> Encoder:
    """One layer of random filters over the picture at 16×16, and a ReLU."""
    weights = np.random.default_rng(seed).normal(0, 0.05, (16 * 16 * 3, features)).astype(np.float32)

    def encode(pixels: np.ndarray) -> np.ndarray:
        small = pixels.reshape(len(pixels), 16, 4, 16, 4, 3).mean((2, 4)).reshape(len(pixels), -1) / 255 - 0.5
        return np.maximum(small @ weights, 0)

    return encode


def collect(task: str, split: str, steps: int, videos: str) -> tuple[np.ndarray, np.ndarray]:
    """Pictures `uint8[steps, 64, 64, 3]` and physical states `float[steps, n]` under random actions."""
    env = gym.make(natural_mujoco.find_task(task).natural_id, videos=videos, split=split)
    env.action_space.seed(0)
    pixels, states = [], []
    simulated = env.get_wrapper_attr("dm_control_env")
    observation, _ = env.reset(seed=0 if split == "train" else 1)
    for _ in range(steps):
        pixels.append(observation)
        # The state is for the probe alone: an agent that reads it is no pixel agent.
        states.append(
            np.concatenate([np.ravel(v) for v in simulated.task.get_observation(simulated.physics).values()])
        )
        observation, _, _, truncated, _ = env.step(env.action_space.sample())
        if truncated:
            observation, _ = env.reset()
    env.close()
    return np.stack(pixels), np.stack(states)


def r_squared(
    features: np.ndarray, states: np.ndarray, test_features: np.ndarray, test_states: np.ndarray
) -> np.ndarray:
    """R² of each state quantity on the test split, by ridge regression on the training split."""
    mean, scale = features.mean(0), features.std(0) + 1e-6
    x, x_test = (np.c_[(f - mean) / scale, np.ones(len(f))] for f in (features, test_features))
    weights = np.linalg.solve(x.T @ x + 10.0 * np.eye(x.shape[1]), x.T @ states)
    missed = ((x_test @ weights - test_states) ** 2).mean(0)
    return 1 - missed / (test_states.var(0) + 1e-9)


def main(argv: Sequence[str] | None = None) -> float:
    """Prints R² quantity by quantity; returns the mean."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", default="cartpole-swingup")
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--videos", default="embedded")
    args = parser.parse_args(argv)

    encode = random_encoder()
    pixels, states = collect(args.task, "train", args.steps, args.videos)
    test_pixels, test_states = collect(args.task, "test", args.steps // 2, args.videos)
    scores = r_squared(encode(pixels), states, encode(test_pixels), test_states)
    print("R² in front of unseen videos:", " ".join(f"{score:.2f}" for score in scores))
    return float(scores.mean())


if __name__ == "__main__":
    main()
