"""Speed and memory of the environments, as ratios within one run.

    python benchmarks/environment.py [--tasks walker-walk …] [--rounds 5] [--json FILE]

- steps: agent steps/s of a natural environment ÷ the same loop on dm_control's own 64×64 render, action repeat 2. Each
  side runs in a process of its own (dm_control's with the defaults it has without this package), by turns. All embedded
  clips are prepared first: what making them takes is `benchmarks/generate_embedded.py`'s to say.
- vector: steps/s of a vector environment with two workers ÷ a single environment's, by turns.
- compositing: milliseconds a step for video look-up and compositing together.
- memory: private memory that the backgrounds of 16 environments take, all embedded clips prepared.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

SECONDS = 0.7


def rate(step: Callable[[], object], seconds: float = SECONDS) -> float:
    """How often a second `step` runs."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        for _ in range(5):
            step()
        count += 5
    return count / (time.perf_counter() - start)


def serve_dm_control(pipe: Connection, domain: str, task: str, camera_id: int) -> None:
    """Measures dm_control alone: its suite, its render, no setting of this package."""
    os.environ.pop("LP_NUM_THREADS", None)
    os.environ["MUJOCO_GL"] = "egl"
    import numpy as np
    from dm_control import suite

    env = suite.load(domain, task, task_kwargs={"random": 0})
    env.reset()
    action = np.zeros(env.action_spec().shape)

    def step() -> None:
        for _ in range(2):
            if env.step(action).last():
                env.reset()
        env.physics.render(64, 64, camera_id=camera_id)

    step()
    while pipe.recv():
        pipe.send(rate(step))


def serve_natural(pipe: Connection, env_id: str) -> None:
    """Measures one environment of this package."""
    import gymnasium as gym
    import numpy as np

    import natural_mujoco  # noqa: F401

    env = gym.make(env_id, **({} if "Standard" in env_id else {"videos": "embedded"}))
    env.reset(seed=0)
    action = np.zeros(env.action_space.shape, np.float32)

    def step() -> None:
        if env.step(action)[3]:
            env.reset()

    step()
    while pipe.recv():
        pipe.send(rate(step))


class Server:
    """A process that measures on demand."""

    def __init__(self, target: Callable[..., None], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, there = context.Pipe()
        self.process = context.Process(target=target, args=(there, *args), daemon=True)
        self.process.start()

    def measure(self) -> float:
        self.pipe.send(True)
        result: float = self.pipe.recv()
        return result

    def stop(self) -> None:
        self.pipe.send(False)
        self.process.join()


def prepare_clips() -> None:
    """Makes those embedded clips that this machine does not have yet: an episode must not begin by making its own."""
    from natural_mujoco.backgrounds import open_videos
    from natural_mujoco.backgrounds.obtain.preparation import prepare

    library = open_videos("embedded")
    clips = [clip for split in ("train", "test") for clip in library.ids(split)]
    prepare(library, [clip for clip in clips if not library.is_prepared(clip, 64)], 64)


def compare_with_dm_control(task: Any, rounds: int) -> dict[str, Any]:
    """Median rates of dm_control, natural and standard, and the median of the rounds' ratios natural ÷ dm_control."""
    servers = {
        "dm_control": Server(serve_dm_control, task.domain, task.task, task.camera_id),
        "natural": Server(serve_natural, task.natural_id),
        "standard": Server(serve_natural, task.standard_id),
    }
    samples = {name: [] for name in servers}  # type: dict[str, list[float]]
    for server in servers.values():
        server.measure()
    for _ in range(rounds):
        for name, server in servers.items():
            samples[name].append(server.measure())
    for server in servers.values():
        server.stop()
    ratios = [
        natural / plain for natural, plain in zip(samples["natural"], samples["dm_control"], strict=True)
    ]
    result = {name: statistics.median(values) for name, values in samples.items()}
    return {**result, "ratio": statistics.median(ratios), "ratio_min": min(ratios), "ratio_max": max(ratios)}


def compare_vector(num_envs: int, workers: int, rounds: int) -> dict[str, float]:
    """Steps/s of `num_envs` environments on `workers` workers ÷ those of one environment, on the same episodes.

    The single environment steps through the episodes of all `num_envs` seeds one after the other, under the same
    random actions: a walker on its feet and one on its back do not cost the same.
    """
    import gymnasium as gym
    import numpy as np

    import natural_mujoco  # noqa: F401

    env_id, length = "NaturalMujoco/WalkerWalk-v0", 60
    single = gym.make(env_id, videos="embedded")
    many = gym.make_vec(env_id, num_envs=num_envs, workers=workers, videos="embedded")
    actions = np.random.default_rng(0).uniform(-1, 1, (length, num_envs, 6)).astype(np.float32)

    def single_seconds() -> float:
        seconds = 0.0
        for seed in range(num_envs):
            single.reset(seed=seed)
            start = time.perf_counter()
            for action in actions[:, seed]:
                single.step(action)
            seconds += time.perf_counter() - start
        return seconds

    def vector_seconds() -> float:
        many.reset(seed=0)
        start = time.perf_counter()
        for action in actions:
            many.step(action)
        return time.perf_counter() - start

    single_seconds()
    vector_seconds()
    steps = length * num_envs
    pairs = [(steps / single_seconds(), steps / vector_seconds()) for _ in range(3 * rounds)]
    single.close()
    many.close()
    return {
        "single": statistics.median(one for one, _ in pairs),
        "vector": statistics.median(both for _, both in pairs),
        "ratio": statistics.median(both / one for one, both in pairs),
    }


def independent_scaling(rounds: int) -> float:
    """What two processes with an environment each, unaware of each other, reach over one: the limit here and now."""
    servers = [Server(serve_natural, "NaturalMujoco/WalkerWalk-v0") for _ in range(2)]
    ratios = []
    for _ in range(rounds + 1):
        alone = servers[0].measure()
        for server in servers:
            server.pipe.send(True)
        ratios.append(sum(server.pipe.recv() for server in servers) / alone)
    for server in servers:
        server.stop()
    return statistics.median(ratios[1:])


def compositing_ms() -> float:
    """Milliseconds for looking a frame up and compositing it, over a whole clip."""
    import gymnasium as gym

    import natural_mujoco  # noqa: F401
    from natural_mujoco.rendering.matting import composite

    env: Any = gym.make("NaturalMujoco/WalkerWalk-v0", videos="embedded").unwrapped
    env.reset(seed=0)
    foreground = env._view._scene.draw()

    def step() -> None:
        env.playback.advance()
        composite(foreground, env.playback.frame())

    step()
    milliseconds = statistics.median(1000 / rate(step, 0.5) for _ in range(5))
    env.close()
    return milliseconds


def background_memory_mb() -> float:
    """Growth of this process' private memory when 16 environments have each played 48 clips."""
    import numpy as np
    import psutil

    from natural_mujoco.backgrounds import open_videos
    from natural_mujoco.backgrounds.playback import Playback

    def private() -> int:
        # Pages of the mapped clips are the page cache's, one copy for the machine; what a process has for itself is
        # what it has written.
        return sum(mapping.private_dirty for mapping in psutil.Process().memory_maps())

    warm = open_videos("embedded")
    for split in ("train", "test"):
        for clip in warm.ids(split):
            warm.frames(clip, 64).sum()
    del warm
    before = private()
    playbacks = []
    for number in range(16):
        for split in ("train", "test"):
            playback = Playback(open_videos("embedded"), split, "loop", 64)
            for clip in playback.videos:
                playback.start(np.random.default_rng(number), video=clip)
                int(playback.frame().sum())
            playbacks.append(playback)
    return (private() - before) / 1e6


def main() -> None:
    """Prints every figure beside its target."""
    from natural_mujoco import TASKS, __version__, find_task

    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="*", default=[task.name for task in TASKS.values()])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="also write the figures to this file")
    args = parser.parse_args()

    prepare_clips()
    print(f"natural-mujoco {__version__}, Python {platform.python_version()}, {os.cpu_count()} cores")
    print(f"{'task':18} {'dm_control':>10} {'standard':>9} {'natural':>8} {'ratio':>6}  (min–max)   steps/s")
    figures: dict[str, Any] = {"tasks": {}}
    for name in args.tasks:
        row = compare_with_dm_control(find_task(name), args.rounds)
        figures["tasks"][name] = row
        print(
            f"{name:18} {row['dm_control']:10.1f} {row['standard']:9.1f} {row['natural']:8.0f} {row['ratio']:6.1f}"
            f"  ({row['ratio_min']:.1f}–{row['ratio_max']:.1f})",
            flush=True,
        )
    mean = statistics.geometric_mean(row["ratio"] for row in figures["tasks"].values())
    figures["geometric_mean"] = mean
    print(f"geometric mean of ratios: {mean:.1f} (target 20; walker-walk alone 25)")
    figures["independent_scaling"] = independent_scaling(args.rounds)
    print(
        f"two independent processes ÷ one: {figures['independent_scaling']:.2f}, the limit of two workers here now"
    )
    for num_envs in (2, 8):
        row = compare_vector(num_envs, 2, args.rounds)
        figures[f"vector_{num_envs}"] = row
        print(
            f"vector, {num_envs} environments on 2 workers: {row['vector']:.0f} steps/s against {row['single']:.0f} "
            f"single, ratio {row['ratio']:.2f} (target 1.7)"
        )
    figures["compositing_ms"] = compositing_ms()
    print(f"look-up and compositing: {figures['compositing_ms']:.3f} ms a step (target 0.10)")
    figures["background_memory_mb"] = background_memory_mb()
    print(
        f"private memory of the backgrounds of 16 environments: {figures['background_memory_mb']:.1f} MB (target 150)"
    )
    if args.json:
        with open(args.json, "w") as file:
            json.dump(figures, file, indent=1)


if __name__ == "__main__":
    main()
