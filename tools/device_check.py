"""What the agents do on this machine's GPU, in under ten minutes and one JSON file: see device_check.sh.

Five parts, each with what it found and how long it took; one that fails does not keep the others from running.

- runs: each agent for some thousand control steps in two sittings, and its policy asked on the CPU.
- agreement: the losses of one update on the GPU beside those on the CPU, float32, same parameters and batch.
- recorded: updates as CUDA graphs beside the same ones one by one, float32; and that a failed one moves nothing.
- updates: whole updates a second with the sizes of presets: plain, by the fast path one by one, and recorded.
- training: `--train MINUTES` of CVRL in front of video with the paper's preset, its control steps and updates a second.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from agents import load
from agents.agent import choose_device
from agents.table import AGENTS, make_agent, preset_config
from agents.training.batch import Batch, on_device
from agents.training.optimiser import NonFiniteGradient
from agents.training.recorded_updates import RecordedUpdates, Updates, updates_of

ROOT = Path(__file__).parents[1]
ACTIONS = 6
# In front of video; the agent's first preset gives the rest, for CVRL and Dreamer the paper's.
RUN = {"--task": "walker-walk", "--variant": "natural", "--videos": "embedded"}
SHORT = RUN | {
    "--num-envs": "4",
    "--training.prefill": "2000",
    "--training.warmup-updates": "20",
    "--training.evaluate-every": "0",
    "--training.log-every": "1000",
}
LONG = RUN | {"--num-envs": "8", "--replay.capacity": "200000", "--training.evaluate-every": "20000"}
# What makes a run of CVRL fit for a processor.
QUICK = {
    "--training.batch-size": "2",
    "--training.batch-length": "4",
    "--training.prefill": "400",
    "--training.warmup-updates": "2",
    "--training.train-every": "100",
    "--training.updates-per-1000-steps": "10",
}


def command(agent: str, folder: Path, device: str, flags: Mapping[str, str]) -> list[str]:
    """The command that trains `agent` in `folder`."""
    flags = {**flags, "--device": device, "--logdir": str(folder)}
    return [sys.executable, "-m", f"agents.{agent}", *chain.from_iterable(flags.items())]


def runs(options: argparse.Namespace) -> dict[str, Any]:
    """A short run of every agent, gone on with, and its policy asked on the CPU."""
    names = ["cvrl", "ppo"] if options.quick else list(AGENTS)

    def attempt(name: str) -> dict[str, Any]:
        flags = SHORT | QUICK if options.quick and name == "cvrl" else SHORT
        if "anneal_steps" in {field.name for field in dataclasses.fields(AGENTS[name].config)}:
            flags = flags | {"--anneal-steps": "6000"}  # or the second sitting would have other settings
        try:
            return short_run(command(name, Path(folder) / name, options.device, flags), Path(folder) / name)
        except Exception as error:  # one agent's failure is told beside the others' results
            return {"ok": False, "error": f"{type(error).__name__}: {error}"[-2000:]}

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(options.parallel) as pool:
        found = list(pool.map(attempt, names))
    return {"ok": all(run["ok"] for run in found), "runs": dict(zip(names, found, strict=True))}


def short_run(train: list[str], folder: Path) -> dict[str, Any]:
    """Runs `train`, which trains in `folder`, for some thousand control steps in two sittings."""
    for steps in (4_000, 6_000):
        sitting = [*train, "--steps", str(steps)]
        result = subprocess.run(sitting, cwd=ROOT, capture_output=True, text=True, timeout=300)
        if result.returncode:
            raise RuntimeError(result.stdout + result.stderr)
    policy = load(folder, device="cpu")
    policy.reset(2)
    actions = policy.act(np.zeros((2, 64, 64, 3), np.uint8))
    last = json.loads((folder / "metrics.jsonl").read_text().splitlines()[-1])
    ok = bool(np.isfinite(actions).all()) and "Resuming" in result.stdout and last["train/updates"] > 0
    return {"ok": ok, "last_metrics": last}


def random_batch(b: int, t: int, device: torch.device) -> Batch:
    """Noise in the shape of experience, the same on every device."""
    g = torch.Generator().manual_seed(0)
    frames = torch.randint(0, 256, (b, t, 64, 64, 3), dtype=torch.uint8, generator=g)
    actions, rewards = torch.rand(b, t, ACTIONS, generator=g) * 2 - 1, torch.rand(b, t, generator=g)
    return on_device(Batch(frames, actions, rewards, *torch.zeros(2, b, t)), device)


def latent_agent(
    name: str, device: torch.device, precision: str, fast: bool = True, preset: str = "paper"
) -> Any:
    """CVRL, Dreamer or RePo of a preset's sizes."""
    config = preset_config(name, preset)
    training = dataclasses.replace(config.training, precision=precision, fast=fast)  # type: ignore[arg-type]
    return make_agent(dataclasses.replace(config, training=training), ACTIONS, device)


def agreement(options: argparse.Namespace) -> dict[str, Any]:
    """The world model's losses on both devices; its noise is drawn once, on the CPU."""
    cpu, device = torch.device("cpu"), choose_device(options.device)
    found: dict[str, Any] = {"ok": True}
    for name in ("cvrl", "dreamer"):
        losses = []
        for where in (cpu, device):
            agent = latent_agent(name, where, "float32")
            noise = torch.randn(4, 8, 30, generator=torch.Generator().manual_seed(1)).to(where)
            metrics = agent.world_model.loss(random_batch(4, 8, where), noise).metrics
            losses.append({key: float(value) for key, value in metrics.items()})
        worst = max(
            abs(a - b) / (abs(a) + 1) for a, b in zip(*(loss.values() for loss in losses), strict=True)
        )
        found[name] = {"cpu": losses[0], "device": losses[1], "worst": worst}
        found["ok"] &= worst < 1e-2
    return found


def recorded(options: argparse.Namespace) -> dict[str, Any]:
    """How far agents are apart after updates as graphs and one by one; what an update that fails leaves."""
    device = choose_device(options.device)
    found: dict[str, Any] = {"ok": True}
    batches = [
        random_batch(4, 8, device)._replace(rewards=torch.full((4, 8), i / 4, device=device))
        for i in range(4)
    ]
    for name in ("cvrl", "dreamer", "repo"):
        agents = [latent_agent(name, device, "float32", preset="laptop") for _ in range(2)]
        learners = [updates_of(agent, fast) for agent, fast in zip(agents, (False, True), strict=True)]
        ends = []
        for learner in learners:
            for batch in 2 * batches:
                learner.warm_up(batch)
            for batch in 3 * batches:
                metrics = learner.update(batch)
            learner.settle()
            ends.append((learner.agent.state_dict(), {key: float(value) for key, value in metrics.items()}))
        (one_by_one, plain_losses), (at_once, losses) = ends
        streams = [agent.update_noise.get_state() for agent in agents]
        found[name] = {
            "recorded": type(learners[1]) is RecordedUpdates,
            "parameters": max(float((one_by_one[key] - value).abs().max()) for key, value in at_once.items()),
            "losses": max(abs(plain_losses[key] - value) / (abs(value) + 1) for key, value in losses.items()),
            "streams": torch.equal(*streams),
            "refused": refused_and_unmoved(learners[1], batches[0]),
        }
        good = found[name]["losses"] < 1e-2 and found[name]["streams"] and found[name]["refused"]
        found["ok"] &= good and found[name]["recorded"] == (device.type == "cuda")
    return found


def refused_and_unmoved(learner: Updates[Batch], batch: Batch) -> bool:
    """Whether an update with rewards that are not numbers raises and moves no parameter."""
    trained = [p for p in learner.agent.parameters() if p.requires_grad]
    before = [p.detach().clone() for p in trained]
    try:
        learner.update(batch._replace(rewards=batch.rewards * float("nan")))
        learner.settle()
    except NonFiniteGradient:
        return all(map(torch.equal, before, trained))
    return False


def updates(options: argparse.Namespace) -> dict[str, Any]:
    """Updates a second of two presets' sizes, over some seconds, and memory at its highest."""
    device, results = choose_device(options.device), []
    for name, preset, path, precision in (
        ("cvrl", "paper", "plain", "float32"),
        *((n, "paper", p, "auto") for n in ("cvrl", "dreamer") for p in ("one by one", "recorded")),
        ("cvrl", "paper", "recorded", "float32"),
        *(("cvrl", "laptop", p, q) for p in ("one by one", "recorded") for q in ("auto", "float32")),
    ):
        config = preset_config(name, preset).training
        b, t = (4, 8) if options.quick else (config.batch_size, config.batch_length)
        agent = latent_agent(name, device, precision, fast=path != "plain", preset=preset)
        learner, batch = updates_of(agent, path == "recorded"), random_batch(b, t, device)
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        for _ in range(5):
            learner.update(batch)
        count, began = 0, time.perf_counter()
        while time.perf_counter() - began < (0.1 if options.quick else options.seconds):
            metrics = learner.update(batch)
            if device.type == "cuda":
                torch.cuda.synchronize()
            count += 1
        rate = count / (time.perf_counter() - began)
        learner.settle()
        results.append(
            {
                "agent": name,
                "path": path,
                "precision": agent.precision,
                "batch": f"{b}x{t}",
                "updates_per_second": rate,
                "finite": bool(torch.stack([m.float() for m in metrics.values()]).isfinite().all()),
                "gigabytes": torch.cuda.max_memory_allocated() / 2**30 if device.type == "cuda" else None,
            }
        )
        del agent, learner
    return {"ok": all(r["finite"] for r in results), "rows": results}


def training(options: argparse.Namespace) -> dict[str, Any]:
    """A run as a user starts it, stopped by the same signal as by Ctrl-C."""
    with tempfile.TemporaryDirectory() as folder:
        train = command("cvrl", Path(folder), options.device, LONG | QUICK if options.quick else LONG)
        process = subprocess.Popen(
            train, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            output, _ = process.communicate(timeout=60 * options.train)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            output, _ = process.communicate(timeout=120)
        lines: list[dict[str, Any]] = []
        with contextlib.suppress(OSError):
            lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
        timed = [m for m in lines if "train/seconds" in m]
        last = timed[-1] if timed else {}
        return {
            "ok": process.returncode in (0, 130) and bool(timed),
            "last_metrics": last,
            "control_steps_per_second": last["control_steps"] / last["train/seconds"] if last else None,
            "evaluations": [
                [m["control_steps"], m["evaluation/return"]] for m in lines if "evaluation/return" in m
            ],
            "output": output[-1000:],
        }


def main() -> int:
    """The command line; 1 where a part failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("device.json"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--train", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--quick", action="store_true", help="small batches: does this script itself work?")
    parser.add_argument("--skip-runs", action="store_true")
    parser.add_argument("--seconds", type=float, default=5.0, help="of updates, for each row of `updates`")
    parser.add_argument(
        "--parallel", type=int, default=min(4, os.cpu_count() or 1), help="short runs at a time"
    )
    options = parser.parse_args()
    device = choose_device(options.device)
    report: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else platform.processor() or "cpu",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
    }
    parts: list[Callable[[argparse.Namespace], dict[str, Any]]] = [agreement, recorded, updates]
    parts = ([] if options.skip_runs else [runs]) + parts + ([training] if options.train else [])
    for part in parts:
        began = time.monotonic()
        try:
            found = part(options)
        except Exception as error:  # whatever a new device throws at us is what this script is for
            found = {"ok": False, "error": f"{type(error).__name__}: {error}"[:2000]}
        report[part.__name__] = found | {"seconds": round(time.monotonic() - began, 1)}
        options.out.write_text(json.dumps(report, indent=1) + "\n")
        print(
            f"{part.__name__}: {'ok' if found['ok'] else 'FAILED'} ({report[part.__name__]['seconds']} s)",
            flush=True,
        )
    print(options.out)
    return 0 if all(report[part.__name__]["ok"] for part in parts) else 1


if __name__ == "__main__":
    sys.exit(main())
