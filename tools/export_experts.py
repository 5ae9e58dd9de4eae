"""Makes the shipped experts of training runs: `python -m tools.export_experts RUNS [--tasks TASK …]`.

RUNS is the `--out` of `tools/train_experts.py`. For each task with a validated actor it writes, into
`natural_mujoco/experts/trained/`, the weights and their card with the returns of 20, 50 and 20 episodes at action
repeats 1, 2 and 4, and into `tests/golden/experts/` what the training library itself answers to 64 states of those
episodes.
Needs `pip install "natural-mujoco[experts]"`.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "disable")

import numpy as np
import sbx
from dm_control import suite
from safetensors.numpy import save, save_file
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from natural_mujoco.experts.card import Card, Returns, Training
from natural_mujoco.experts.observation import layout
from natural_mujoco.tasks import find_task
from tools.experts.network import Layers, actor_layers
from tools.experts.physics import StateTask
from tools.experts.plan import PLAN
from tools.experts.training import STATISTICS, measure

ROOT = Path(__file__).resolve().parents[1]
TRAINED = ROOT / "natural_mujoco/experts/trained"
GOLDEN = ROOT / "tests/golden/experts"
EPISODES = {1: 20, 2: 50, 4: 20}
"""Measured at each action repeat; 2 is the benchmark's."""
FIRST_SEED = 20_000
"""Seeds of the measured episodes: neither those of training nor those by which the actor was chosen."""
_LIBRARIES = ("sbx-rl", "stable-baselines3", "jax", "flax", "dm_control", "mujoco", "numpy")


def main() -> None:
    """Exports what is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", type=Path, metavar="RUNS")
    parser.add_argument("--tasks", nargs="+", choices=list(PLAN), default=list(PLAN), metavar="TASK")
    args = parser.parse_args()
    for task in args.tasks:
        if (args.runs / task / "best" / "model.zip").exists():
            export(task, args.runs / task)


def export(task: str, run: Path) -> None:
    """Writes weights, card and golden actions of one task."""
    model = getattr(sbx, json.loads((run / "recipe.json").read_text())["algorithm"]).load(
        run / "best/model.zip"
    )
    normaliser = None
    if (run / "best" / STATISTICS).exists():
        normaliser = VecNormalize.load(
            str(run / "best" / STATISTICS), DummyVecEnv([lambda: StateTask(task, 2)])
        )
    layers = actor_layers(model, normaliser)
    weights = save(
        {f"weight{k}": w for k, (w, _) in enumerate(layers)}
        | {f"bias{k}": b for k, (_, b) in enumerate(layers)},
        metadata={"task": task},
    )
    card = _card(task, run, layers, hashlib.sha256(weights).hexdigest())
    TRAINED.mkdir(exist_ok=True)
    GOLDEN.mkdir(exist_ok=True)
    (TRAINED / f"{task}.safetensors").write_bytes(weights)
    (TRAINED / f"{task}.json").write_text(json.dumps(card.model_dump(mode="json"), indent=1) + "\n")
    states = _states(task, layers)
    seen = states if normaliser is None else normaliser.normalize_obs(states)
    actions, _ = model.predict(seen, deterministic=True)
    save_file({"states": states, "actions": actions.astype(np.float32)}, GOLDEN / f"{task}.safetensors")
    print(task, *(f"repeat {r.action_repeat}: {r.mean:.1f}" for r in card.returns), flush=True)


def _card(task: str, run: Path, layers: Layers, sha256: str) -> Card:
    recipe = json.loads((run / "recipe.json").read_text())
    stages = _stages(run)
    best = stages[0]
    found = find_task(task)
    observation = suite.load(found.domain, found.task).reset().observation
    returns = []
    for action_repeat, episodes in EPISODES.items():
        earned = measure(layers, task, action_repeat, range(FIRST_SEED, FIRST_SEED + episodes))
        returns.append(
            Returns(
                action_repeat=action_repeat,
                episodes=episodes,
                mean=round(float(np.mean(earned)), 2),
                standard_deviation=round(float(np.std(earned, ddof=1)), 2),
                lowest=round(min(earned), 2),
            )
        )
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES} | {
        "python": platform.python_version()
    }
    kept = (
        "envs",
        "updates",
        "units",
        "layer_norm",
        "normalise",
        "discount",
        "learning_rate",
        "warmup",
        "buffer",
        "before",
        "options",
    )
    return Card(
        task=task,
        observation=layout(observation),
        action_size=len(layers[-1][1]),
        training=Training(
            algorithm=recipe["algorithm"],
            library="sbx-rl",
            versions=versions,
            seed=recipe["seed"],
            action_repeat=recipe["action_repeat"],
            control_steps=sum(stage["steps"] * stage["action_repeat"] for stage in stages),
            updates=best["updates"],
            processor_minutes=round(sum(stage["seconds"] for stage in stages) / 60, 1),
            settings={name: recipe[name] for name in kept if name in recipe},
        ),
        target=PLAN[task].target,
        returns=tuple(returns),
        sha256=sha256,
    )


def _stages(run: Path) -> list[dict[str, float]]:
    """What the best weights took in `run`, and in the runs before it from whose best weights it began."""
    recipe = json.loads((run / "recipe.json").read_text())
    state = json.loads((run / "best/state.json").read_text())
    before = _stages(run / "before") if recipe.get("before") else []
    return [state | {"action_repeat": recipe["action_repeat"]}, *before]


def _states(task: str, layers: Layers) -> np.ndarray:
    """States `float32[64, D]` on the way of the greedy policy, from reset to the end."""
    from tools.experts.network import act

    env = StateTask(task, 2)
    state, _ = env.reset(seed=FIRST_SEED)
    states = []
    for _ in range(500):
        states.append(state)
        state, *_ = env.step(act(layers, state[None])[0])
    return np.stack(states[:: len(states) // 64][:64])


if __name__ == "__main__":
    main()
