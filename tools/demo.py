"""`make demo`: a walker in front of a moving natural background, and a picture of all ten tasks."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import gymnasium as gym
import imageio.v3 as iio

import natural_mujoco  # noqa: F401  (registers the environments)
from natural_mujoco.pictures.recording import roll_out, task_sheet, write_pictures

OUT = Path("demo")
ENV_ID = "NaturalMujoco/WalkerWalk-v0"
STEPS = 500


def main() -> None:
    """Runs an episode as a training loop would, then writes the pictures."""
    OUT.mkdir(exist_ok=True)
    start = time.perf_counter()
    env = gym.make(ENV_ID, videos="embedded")
    _, info = env.reset(seed=0)
    print(f"{ENV_ID}: made and reset in {time.perf_counter() - start:.1f} s")

    print(f"Rolling out one episode of {STEPS} agent steps under random actions …")
    env.action_space.seed(0)
    start, total, steps, over = time.perf_counter(), 0.0, 0, False
    while not over:
        _, reward, terminated, truncated, info = env.step(env.action_space.sample())
        total, steps, over = total + float(reward), steps + 1, terminated or truncated
    rate = steps / (time.perf_counter() - start)
    background = info["background"]
    print(
        f"{steps} agent steps ({info['control_steps']} control steps), return {total:.1f}, {rate:.0f} agent steps/s\n"
        f"background: clip {background['video']} of the set {background['set']!r}, at frame {background['frame']}"
    )
    env.close()

    print("Writing pictures …")
    env = gym.make(ENV_ID, videos="embedded", size=128, render_mode="rgb_array", render_size=320)
    frames, rate = roll_out(env, 150, seed=8, policy="expert"), env.metadata["render_fps"]
    write_pictures(OUT / "walker-walk.mp4", frames, rate)
    # Video does not compress in a GIF: every second frame, at half the size, for a file that a page can hold.
    small = [cv2.resize(frame, (160, 160), interpolation=cv2.INTER_AREA) for frame in frames[:100:2]]
    write_pictures(OUT / "walker-walk.gif", small, rate / 2)
    env.close()
    iio.imwrite(OUT / "contact-sheet.png", task_sheet("embedded"))
    for path in sorted(OUT.iterdir()):
        print(f"  {path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    main()
