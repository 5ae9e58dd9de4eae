"""Backgrounds from a folder of one's own: `python examples/own_videos.py --folder my-videos`.

Without a folder it makes one with four small clips, as folders of frames.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import gymnasium as gym
import imageio.v3 as iio
import numpy as np

import natural_mujoco  # noqa: F401  (registers the environments)


def make_clips(folder: Path) -> None:
    """Four clips of ten frames: stripes that move. Names decide which are for training, which for testing."""
    rows, columns = np.mgrid[:96, :128]
    for name, angle in (("stripes", 0.0), ("rings", 0.8), ("grid", 1.6), ("waves", 2.4)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for frame in range(10):
            wave = np.sin((rows * np.cos(angle) + columns * np.sin(angle)) / 6 + frame / 2)
            picture = np.stack([127 + 120 * wave, 127 - 120 * wave, np.full_like(wave, 90)], axis=-1)
            iio.imwrite(folder / name / f"{frame:03d}.png", picture.astype(np.uint8))


def main(argv: Sequence[str] | None = None) -> dict[str, tuple[str, ...]]:
    """Prints and returns the clips of each split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("my-videos"))
    folder = parser.parse_args(argv).folder
    if not folder.exists():
        make_clips(folder)

    splits = {}
    for split in ("train", "test"):
        env = gym.make("NaturalMujoco/CheetahRun-v0", videos=folder, split=split)
        env.reset(seed=0)
        splits[split] = tuple(env.get_wrapper_attr("video_library").ids(split))
        *_, info = env.step(env.action_space.sample())
        print(f"{split}: {', '.join(splits[split])}; now behind the robot: {info['background']}")
        env.close()
    return splits


if __name__ == "__main__":
    main()
