"""The batched environment: frames a second by number of environments, and how near its pictures are to OpenGL's.

    python -m benchmarks.batched [--task walker-walk …] [--device cuda|cpu] [--num-envs 256 1024 4096] [--seconds 5]
    python -m benchmarks.batched --nearness [--task …] [--states 64] [--picture nearness.png]

Rates are agent steps a second in one run, one after the other: the environment with pictures (`natural`), without
(`physics`), plain MuJoCo Warp doing the same physics and rendering with no environment around it (`plain warp`), and
the vector environment of worker processes (`workers`). The first run compiles Warp's kernels, for minutes;
WARP_CACHE_PATH says where they are kept.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import mujoco_warp
import numpy as np
import torch

import natural_mujoco  # noqa: F401  (registers the ids)
from natural_mujoco import TASKS, Task, batched, find_task
from natural_mujoco.batched.launching import Kernels
from natural_mujoco.batched.simulation import Start
from natural_mujoco.experts import load_expert


def rate(step: Callable[[], Any], steps_a_call: int, device: str, seconds: float) -> float:
    """Steps a second of `step`, called for `seconds` after two calls that do not count."""
    for _ in range(2):
        step()
    calls, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
        calls += 1
        if device != "cpu":
            torch.cuda.synchronize()
    return calls * steps_a_call / (time.perf_counter() - start)


def rates(task: Task, num_envs: int, device: str, seconds: float) -> dict[str, float]:
    """Agent steps a second of the environment, of its physics, of plain MuJoCo Warp, and of kernels one by one.

    The last is the environment with its kernels launched from Python; on a CPU they always are.
    """
    envs = batched.make(task.name, num_envs=num_envs, device=device, videos="embedded")
    envs.reset(seed=0)
    shape = envs.action_space.shape
    assert shape is not None
    actions = torch.rand(shape, device=envs.device) * 2 - 1
    simulation, renderer = envs.simulation, envs._renderer

    def physics() -> None:
        for _ in range(envs.settings.action_repeat):
            simulation.step(actions)

    def launch() -> None:
        for _ in range(envs.settings.action_repeat * simulation.substeps):
            mujoco_warp.step(simulation.model, simulation.data)
        mujoco_warp.refit_bvh(renderer._model, renderer._data, renderer._context)
        mujoco_warp.render(renderer._model, renderer._data, renderer._context)

    plain = Kernels(simulation.device, launch).run

    found = {
        name: rate(step, num_envs, envs.device.type, seconds)
        for name, step in (
            ("natural", lambda: envs.step(actions)),
            ("physics", physics),
            ("plain warp", plain),
        )
    }
    Kernels.as_graphs = False
    try:
        found["one by one"] = rate(lambda: envs.step(actions), num_envs, envs.device.type, seconds)
    finally:
        Kernels.as_graphs = True
    envs.close()
    return found


def workers_rate(task: Task, seconds: float) -> float:
    """Agent steps a second of worker processes on this machine's cores."""
    envs = gym.make_vec(task.natural_id, num_envs=16, videos="embedded")
    envs.reset(seed=0)
    actions = envs.action_space.sample()
    found = rate(lambda: envs.step(actions), 16, "cpu", seconds)
    envs.close()
    return found


def nearness(task: Task, states: int) -> tuple[dict[str, float], np.ndarray]:
    """Matte IoU and colour error against the OpenGL environment on the same states, half random play and half expert's.

    Also the last state of the expert's, OpenGL's picture above ours above four times the difference.
    """
    n, each = 8, 5
    envs = batched.make(task.name, num_envs=n, device="cpu", videos="embedded")
    singles: list[Any] = [gym.make(task.natural_id, videos="embedded").unwrapped for _ in range(n)]
    expert, rng = load_expert(task.name), np.random.default_rng(0)
    for row, single in enumerate(singles):
        single.reset(seed=row)
    envs.reset(seed=0)
    overlaps, errors, inside, pictures = [], [], [], np.zeros(0)
    for _ in range(max(1, states // n)):
        for row, single in enumerate(singles):
            for _ in range(each):
                state = np.concatenate([np.ravel(part) for part in single.task_observation.values()])
                size = single.action_space.shape
                single.step(expert.act(state) if row % 2 else rng.uniform(-1, 1, size).astype(np.float32))
        # The same states and frames in the batched environment.
        rows = [_state(single) for single in singles]
        start = [torch.from_numpy(np.stack(column).astype(np.float32)) for column in zip(*rows, strict=True)]
        envs.simulation.begin(torch.arange(n), Start(*start))
        clips = envs._clips
        assert clips is not None
        for row, single in enumerate(singles):
            clips.video[row], clips._start[row], clips._steps[row] = (
                single.playback.position,
                single.playback.number,
                0,
            )
        ours, mattes = envs._draw().numpy(), envs.matte.numpy()
        theirs = np.stack([single._observe() for single in singles])
        expected = np.stack([single.matte for single in singles])
        a, b = mattes / 255.0, expected / 255.0
        overlaps += list(np.minimum(a, b).sum((1, 2)) / np.maximum(a, b).sum((1, 2)))
        error = np.abs(ours.astype(int) - theirs)
        errors += list(error.mean((1, 2, 3)))
        full = (mattes == 255) & (expected == 255)
        if full.any():
            inside.append(error[full].mean())
        pictures = np.concatenate([theirs[-1], ours[-1], np.minimum(4 * error[-1], 255).astype(np.uint8)])
    for single in singles:
        single.close()
    envs.close()
    return {
        "IoU mean": float(np.mean(overlaps)),
        "IoU worst": float(np.min(overlaps)),
        "picture": float(np.mean(errors)),
        "robot": float(np.mean(inside)),
    }, pictures


def _state(single: Any) -> tuple[Any, ...]:
    physics = single.dm_control_env.physics
    data = physics.data
    parts = data.qpos, data.qvel, data.act, data.qacc_warmstart, data.sensordata, physics.model.geom_pos
    return tuple(np.array(part) for part in parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", nargs="+", help="of the ten (default: walker-walk; all for --nearness)")
    parser.add_argument("--device", help="default: cuda where there is one, else cpu")
    parser.add_argument("--num-envs", type=int, nargs="+", help="default: 256 1024 4096, on a CPU 4 16")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (default: 5)")
    parser.add_argument(
        "--nearness", action="store_true", help="compare pictures with OpenGL's instead, on the CPU"
    )
    parser.add_argument("--states", type=int, default=64, help="a task, for --nearness (default: 64)")
    parser.add_argument(
        "--picture",
        type=Path,
        help="where --nearness writes what it compared: OpenGL, ours, and four times the difference",
    )
    arguments = parser.parse_args()
    if arguments.nearness:
        columns = []
        print(f"{'task':<20} {'IoU mean':>9} {'worst':>6} {'picture':>8} {'robot':>6}   (grey levels of 255)")
        for task in map(find_task, arguments.task or [task.name for task in TASKS.values()]):
            found, pictures = nearness(task, arguments.states)
            columns.append(pictures)
            print(
                f"{task.name:<20} {found['IoU mean']:>9.3f} {found['IoU worst']:>6.3f} {found['picture']:>8.2f} "
                f"{found['robot']:>6.2f}",
                flush=True,
            )
        if arguments.picture is not None:
            sheet = np.kron(np.concatenate(columns, 1), np.ones((2, 2, 1), np.uint8))
            cv2.imwrite(str(arguments.picture), sheet[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
        return
    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device != "cpu" else "CPU"
    numbers = arguments.num_envs or ([4, 16] if device == "cpu" else [256, 1024, 4096])
    for task in map(find_task, arguments.task or ["walker-walk"]):
        print(f"{task.name}, agent steps a second on {name}")
        columns = "".join(f" {column:>10}" for column in ("natural", "physics", "plain warp", "one by one"))
        print(f"{'environments':>12}{columns}   natural / plain warp")
        for number in numbers:
            found = rates(task, number, device, arguments.seconds)
            share = found["natural"] / found["plain warp"]
            print(
                f"{number:>12} {found['natural']:>10.0f} {found['physics']:>10.0f} {found['plain warp']:>10.0f} "
                f"{found['one by one']:>10.0f}   {share:.2f}",
                flush=True,
            )
        print(f"{'workers':>12} {workers_rate(task, arguments.seconds):>10.0f}   (16 environments, OpenGL)")


if __name__ == "__main__":
    main()
