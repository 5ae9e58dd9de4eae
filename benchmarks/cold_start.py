"""The first episodes in front of clips that nobody has prepared yet, against the same episodes afterwards.

    python -m benchmarks.cold_start [--episodes 20] [--rounds 3] [--task WalkerWalk] [--json FILE]

Each round runs fresh processes, one by one, on all cores that this one may use: the first episodes with an
empty cache, clips prepared ahead of need; the same again with everything prepared; the same with an empty cache and
nothing prepared ahead. Episodes/s of the first and the third are given as a share of the second's. With a core to
spare the first should be at least 0.7. Construction and first reset with prepared clips should each be under 1 s;
imports are not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

EPISODES = """
import json, sys, time
import gymnasium as gym, numpy as np
import natural_mujoco
from natural_mujoco.rendering.gl import import_dm_control
import_dm_control()
moments = [time.perf_counter()]
env = gym.make(f"NaturalMujoco/{sys.argv[1]}-v0", videos="embedded")
moments.append(time.perf_counter())
env.reset(seed=0)
moments.append(time.perf_counter())
action = np.zeros(env.action_space.shape, np.float32)
for episode in range(int(sys.argv[2])):
    if episode:
        env.reset()
    over = False
    while not over:
        _, _, terminated, truncated, _ = env.step(action)
        over = terminated or truncated
moments.append(time.perf_counter())
env.close()
print(json.dumps({"make": moments[1] - moments[0], "reset": moments[2] - moments[1], "all": moments[3] - moments[1]}))
"""


def run(home: str, task: str, episodes: int, ahead: bool) -> dict[str, float]:
    """Seconds of construction, of the first reset, and of all episodes, in a fresh process."""
    environment = {**os.environ, "NATURAL_MUJOCO_HOME": home, "NATURAL_MUJOCO_PREPARE_AHEAD": str(int(ahead))}
    line = [sys.executable, "-c", EPISODES, task, str(episodes)]
    told = subprocess.run(line, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout
    seconds: dict[str, float] = json.loads(told.splitlines()[-1])
    return seconds


def main() -> None:
    """Measures and prints one table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--task", default="WalkerWalk")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    rounds: list[dict[str, float]] = []
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory(prefix="cold-start-") as home:
            cold = run(f"{home}/a", args.task, args.episodes, ahead=True)
            run(f"{home}/a", args.task, args.episodes, ahead=False)  # whatever was not prepared yet
            warm = run(f"{home}/a", args.task, args.episodes, ahead=False)
            alone = run(f"{home}/b", args.task, args.episodes, ahead=False)
        rounds.append(
            {
                "cold ÷ warm": warm["all"] / cold["all"],
                "cold ÷ warm, nothing ahead": warm["all"] / alone["all"],
                "construction, warm, s": warm["make"],
                "first reset, warm, s": warm["reset"],
                "first reset, cold, s": cold["reset"],
            }
        )
    result = {name: statistics.median(measured[name] for measured in rounds) for name in rounds[0]}
    for name, value in result.items():
        spread = [measured[name] for measured in rounds]
        print(f"{name:30} {value:6.2f}   ({min(spread):.2f} to {max(spread):.2f})")
    if args.json:
        args.json.write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
