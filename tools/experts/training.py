"""Training one expert, resumable: SBX's learner, validation as it goes, the best actor kept.

- `train`: runs a recipe in a folder until its target or its last step.
- `measure`: greedy returns of an actor.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import sbx
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecNormalize

from .network import Layers, act, actor_layers
from .physics import StateTask
from .plan import Recipe

STATISTICS = "statistics.pkl"
"""The normaliser's running statistics, beside a model."""
VALIDATION_SEED = 10_000
VALIDATION_EPISODES = 15
VALIDATE_EVERY_S = 45.0  # of processor time
CHECKPOINT_EVERY_S = 150.0


def measure(layers: Layers, task: str, action_repeat: int, seeds: Sequence[int]) -> list[float]:
    """The return of one greedy episode a seed."""
    envs = [StateTask(task, action_repeat) for _ in seeds]
    states = np.stack([env.reset(seed=seed)[0] for env, seed in zip(envs, seeds, strict=True)])
    while True:
        steps = [env.step(action) for env, action in zip(envs, act(layers, states), strict=True)]
        states = np.stack([step[0] for step in steps])
        if steps[0][3]:
            return [float(step[4]["return"]) for step in steps]


def train(recipe: Recipe, folder: Path) -> None:
    """Trains by `recipe` in `folder`, from its newest checkpoint if there is one.

    Leaves `best` (the model whose actor that validated best), `log.jsonl` (one line a validation) and `done.json`.
    """
    if (folder / "done.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "recipe.json").write_text(json.dumps(recipe.as_dict(), indent=1) + "\n")
    model = _model(recipe, folder)
    progress = _Progress(recipe, folder)
    model.learn(recipe.steps - model.num_timesteps, progress, reset_num_timesteps=False)
    progress.validate()
    done = {"steps": model.num_timesteps, "seconds": progress.seconds(), "best": progress.best}
    (folder / "done.json").write_text(json.dumps(done) + "\n")
    shutil.rmtree(folder / "checkpoint", ignore_errors=True)


def _model(recipe: Recipe, folder: Path) -> Any:
    """The learner: from the newest checkpoint, or fresh."""
    envs: VecEnv = DummyVecEnv(
        [
            lambda k=k: StateTask(recipe.task, recipe.action_repeat, 1000 * recipe.seed + k)
            for k in range(recipe.envs)
        ]
    )
    learner = getattr(sbx, recipe.algorithm)
    capacity = min(recipe.buffer, recipe.steps)
    checkpoint = newest(folder / "checkpoint")
    if checkpoint is not None:
        model = learner.load(checkpoint / "model.zip", env=_normalised(recipe, envs, checkpoint))
        model.load_replay_buffer(checkpoint / "replay.pkl")
        return model
    policy_options: dict[str, Any] = {"net_arch": [recipe.units, recipe.units]}
    if recipe.layer_norm:
        policy_options["layer_norm"] = True
    return learner(
        "MlpPolicy",
        _normalised(recipe, envs, None),
        buffer_size=capacity,
        learning_starts=recipe.warmup,
        train_freq=1,
        policy_kwargs=policy_options,
        seed=recipe.seed,
        learning_rate=recipe.learning_rate,
        gamma=recipe.discount,
        gradient_steps=recipe.updates,
        **recipe.options,
    )


def _normalised(recipe: Recipe, envs: VecEnv, folder: Path | None) -> VecEnv:
    """`envs`, normalised if the recipe wants it, by the running statistics in `folder` or by fresh ones."""
    if not recipe.normalise:
        return envs
    if folder is not None:
        return VecNormalize.load(str(folder / STATISTICS), envs)
    return VecNormalize(envs, norm_reward=False, clip_obs=np.inf, gamma=recipe.discount)


class _Progress(BaseCallback):
    """Validates, keeps the best actor, writes checkpoints, and ends training at the target."""

    def __init__(self, recipe: Recipe, folder: Path) -> None:
        super().__init__()
        self._recipe, self._folder = recipe, folder
        self._log = folder / "log.jsonl"
        lines = (
            [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []
        )
        self.best = max((line["return"] for line in lines), default=-1.0)
        self._before = lines[-1]["seconds"] if lines else 0.0
        self._began = self._validated = self._saved = time.process_time()

    def seconds(self) -> float:
        """Processor time spent in training, over all attempts."""
        return self._before + time.process_time() - self._began

    def _on_step(self) -> bool:
        return self.best < self._recipe.enough

    def _on_rollout_start(self) -> None:
        now = time.process_time()
        if now - self._validated >= VALIDATE_EVERY_S:
            self._validated = now
            self.validate()
        if now - self._saved >= CHECKPOINT_EVERY_S:
            self._saved = now
            _keep(self._folder / "checkpoint", lambda fresh: _write_checkpoint(self.model, fresh))

    def validate(self) -> None:
        """Measures the greedy actor and keeps it if it is the best so far."""
        layers = actor_layers(self.model, self.model.get_vec_normalize_env())
        seeds = range(VALIDATION_SEED, VALIDATION_SEED + VALIDATION_EPISODES)
        returns = measure(layers, self._recipe.task, 2, seeds)
        mean = float(np.mean(returns))
        if mean > self.best:
            self.best = mean
            state = {
                "steps": self.model.num_timesteps,
                "updates": int(self.model._n_updates),
                "seconds": round(self.seconds(), 1),
                "return": mean,
            }
            _keep(self._folder / "best", lambda fresh: _write_best(self.model, state, fresh))
        line = {
            "steps": self.model.num_timesteps,
            "updates": int(self.model._n_updates),
            "seconds": round(self.seconds(), 1),
            "return": round(mean, 2),
            "lowest": round(min(returns), 2),
        }
        with open(self._log, "a") as file:
            file.write(json.dumps(line) + "\n")
        print(self._recipe.task, json.dumps(line), flush=True)


def _write_model(model: Any, folder: Path) -> None:
    model.save(folder / "model.zip")
    normaliser = model.get_vec_normalize_env()
    if normaliser is not None:
        normaliser.save(str(folder / STATISTICS))


def _write_best(model: Any, state: dict[str, Any], folder: Path) -> None:
    _write_model(model, folder)
    (folder / "state.json").write_text(json.dumps(state) + "\n")


def _write_checkpoint(model: Any, folder: Path) -> None:
    _write_model(model, folder)
    model.save_replay_buffer(folder / "replay.pkl")


def _keep(folder: Path, write: Callable[[Path], None]) -> None:
    """Writes beside the old folder, then takes its place; a kill at any moment leaves one of the two."""
    fresh, old = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    write(fresh)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def newest(folder: Path) -> Path | None:
    """`folder` as `_keep` left it, were it killed between its renames as well; `None` if it never was."""
    for candidate in (folder, folder.with_name(f"{folder.name}.old")):
        if candidate.exists():
            return candidate
    return None
