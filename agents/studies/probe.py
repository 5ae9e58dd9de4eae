"""Measures what a world model represents, by linear probes: `python -m agents.probe --task walker-walk`.

World models are trained on a fixed set of episodes in front of training videos. Then a linear map from their features
to the physical state (dm_control's own observation) and the reward is fitted on those episodes and scored on episodes
in front of held-out test videos. Mean R² tests the paper's claim directly: a model that spends its capacity on the
background represents little of the robot. This takes minutes on a CPU, where returns take hours. Rerun the command to
resume, or with more models, variants or seeds to add them.
"""

from __future__ import annotations

import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import torch
import tyro
from numpy.typing import NDArray

from natural_mujoco import InvalidArgument, NaturalMujocoError
from natural_mujoco.cli import exit_status

from ..agent import choose_device
from ..fast.allocator import keep_freed_memory
from ..latent_agent import LatentAgent
from ..table import make_agent, preset_config
from ..training.batch import Batch, on_device
from ..training.command_line import check_config
from ..training.config import Ablation, CVRLConfig, RunConfig, Variant
from ..training.optimiser import NonFiniteGradient
from ..training.replay import Replay
from .probe_data import ProbeEpisodes, collect_episodes, held_out_r2
from .probe_results import ProbeResults
from .recorded_data import Recorded
from .supervised import Labelled

# `supervised` is taught the physical state by labels, which no agent gets: the ceiling of the others.
ProbeModel = Literal["cvrl", "generative", "reward-only", "supervised"]
_ABLATIONS: dict[ProbeModel, Ablation] = {
    "cvrl": "none",
    "generative": "generative",
    "reward-only": "reward-only",
    "supervised": "reward-only",
}
TRAIN_SEED, TEST_SEED = 10_000, 20_000
_BESIDE = 8  # episodes with the same background, if it is shared
# Settings that older files do not have, and what they were then.
_ADDED: dict[str, object] = {
    "fit_episodes": 128,
    "episodes": None,
    "shared_background": False,
    "prediction_weight": 0.0,
}


@dataclass(frozen=True)
class ProbeConfig:
    """Flags of the probe."""

    task: str = "cartpole-swingup"
    models: tuple[ProbeModel, ...] = ("cvrl", "generative", "reward-only")
    variants: tuple[Variant, ...] = ("natural", "standard")
    videos: str = "auto"
    preset: Literal["paper", "released-code", "laptop"] = "laptop"
    updates: int = 2000
    """Updates of the world model; 0 probes an untrained one."""
    probes: int = 4
    """Number of probes during training, at equal distances; the untrained model is always probed too."""
    rendering: Literal["default", "reference", "fast"] = "fast"
    """`fast` leaves out shadows and reflections on the standard background too, which is 20 times as fast."""
    fast: bool = True
    """Use the faster implementation of updates; the plain one (`--no-fast`) must give the same scores within noise."""
    train_episodes: int = 320
    """320 episodes are 80,000 frames at the laptop preset's action repeat. With 32,000 frames a model memorises the
    clips: the reward R² of its embedding was −0.03 with 128 episodes and 0.25 with five times as many."""
    fit_episodes: int = 128
    """Number of training episodes on which the linear maps are fitted."""
    test_episodes: int = 16
    """Test episodes, shown in front of held-out videos and, with the same motion, in front of training videos."""
    shared_background: bool = False
    """Every eight training episodes show the same clip from the same frame, and a batch holds the same moments of all
    eight: as `--environment.shared-background --replay.simultaneous-windows 8` does in a run."""
    prediction_weight: float = 0.0
    """As `--contrastive.prediction-weight` of a run."""
    episodes: Path | None = None
    """A dataset of `natural-mujoco episodes record` to learn from instead of random actions. Its last `test_episodes`
    are shown in front of held-out videos and as recorded. It then decides task, variant, videos and action repeat."""
    seeds: tuple[int, ...] = (0,)
    device: str = "auto"
    threads: int = 0
    out: Path = field(default_factory=lambda: Path("probe"))
    """Folder for TASK.json and TASK.png."""


def probe_features(agent: LatentAgent, episodes: ProbeEpisodes) -> dict[str, NDArray[np.float32]]:
    """The model's representation of every frame, filtering through whole episodes.

    Returns:
        `"features"`: the posterior (its mean, and h) [episodes, steps, F]; `"embedding"`: the encoder's output
        [episodes, steps, E].
    """
    model, outputs = agent.world_model, []
    for i in range(len(episodes.frames)):
        frames, actions, rewards = (torch.from_numpy(x[i : i + 1]) for x in episodes[:3])
        none = torch.zeros_like(rewards)
        batch = on_device(Batch(frames, actions, rewards, none, none), agent.device)
        noise = torch.zeros(*batch.rewards.shape, model.rssm.stochastic_size, device=agent.device)
        with torch.no_grad(), agent.autocast():
            posterior, _, embedding = model.infer(batch, noise)
        outputs.append((posterior.features[0].cpu().numpy(), embedding[0].float().cpu().numpy()))
    features, embeddings = zip(*outputs, strict=True)
    return {"features": np.stack(features), "embedding": np.stack(embeddings)}


Scores = dict[str, dict[str, float]]  # by source ("features", "embedding"), then by quantity


def score(agent: LatentAgent, train: ProbeEpisodes, tests: Sequence[ProbeEpisodes]) -> list[Scores]:
    """R² on each of `tests`: of every physical quantity that varies, of the reward, and the mean over quantities."""
    varies = train.states.reshape(-1, len(train.names)).std(0) > 1e-3
    names = [n for n, v in zip(train.names, varies, strict=True) if v]

    def targets(e: ProbeEpisodes) -> NDArray[np.float64]:
        return np.concatenate([e.states[..., varies], e.rewards[..., None]], -1).reshape(-1, len(names) + 1)

    fitted, results = probe_features(agent, train), []
    for test in tests:
        held, scores = probe_features(agent, test), {}
        for source in fitted:
            r2 = held_out_r2(
                fitted[source].reshape(-1, fitted[source].shape[-1]),
                targets(train),
                held[source].reshape(-1, held[source].shape[-1]),
                targets(test),
                groups=len(train.frames),
            )
            scores[source] = {
                "mean": float(r2[:-1].mean()),
                "reward": float(r2[-1]),
                **dict(zip(names, map(float, r2), strict=False)),
            }
        results.append(scores)
    return results


def run_config(config: ProbeConfig, model: ProbeModel, variant: Variant, seed: int) -> CVRLConfig:
    """The configuration of a run with the same world model, so that the probe's model is exactly the agent's."""
    start = cast(CVRLConfig, preset_config("cvrl", config.preset))
    beside = _BESIDE if config.shared_background else 1
    return cast(
        CVRLConfig,
        check_config(
            replace(
                start,
                environment=replace(
                    start.environment, rendering=config.rendering, shared_background=config.shared_background
                ),
                num_envs=max(start.num_envs, beside),
                replay=replace(start.replay, simultaneous_windows=beside),
                contrastive=replace(start.contrastive, prediction_weight=config.prediction_weight),
                training=replace(start.training, fast=config.fast),
                task=config.task,
                variant=variant,
                videos=config.videos,
                seed=seed,
                device=config.device,
                ablation=_ABLATIONS[model],
            )
        ),
    )


def train_and_probe(
    config: ProbeConfig,
    run: RunConfig,
    train: ProbeEpisodes,
    test: ProbeEpisodes,
    seen: ProbeEpisodes,
    model: ProbeModel,
) -> list[dict[str, Any]]:
    """Trains one world model on `train` and probes it at intervals; returns one record for each probe.

    `seen` has the motion of `test` in front of training videos. How much better the model does on `seen` than on `test`
    shows how much it has memorised the videos.
    """
    fit = train.part(slice(config.fit_episodes))
    agent = cast(LatentAgent, make_agent(run, train.actions.shape[-1], choose_device(run.device)))
    labelled = Labelled(agent, train) if model == "supervised" else None
    label, records = f"{run.task} {run.variant} {model} seed {run.seed}", []
    with tempfile.TemporaryDirectory() as folder:
        replay = _as_replay(train, Path(folder), _BESIDE if config.shared_background else 16)
        keep_freed_memory(run.training.fast)  # not before the replay has its own
        sampler = np.random.default_rng(np.random.SeedSequence([run.seed, 5]))
        marks = {round(config.updates * i / max(config.probes, 1)) for i in range(config.probes + 1)}
        metrics: dict[str, torch.Tensor] = {}
        began = time.monotonic()
        for update in range(config.updates + 1):
            if update in marks:
                scores, known = score(agent, fit, [test, seen])
                numbers = {k: round(float(v), 4) for k, v in metrics.items()}
                records.append(
                    {"update": update, "seconds": time.monotonic() - began, "r2": scores}
                    | {"r2_train_videos": known}
                    | numbers
                )
                print(
                    f"{label}  update {update}/{config.updates}  R² {scores['features']['mean']:.3f} "
                    f"(on training videos {known['features']['mean']:.3f})  "
                    f"reward {scores['features']['reward']:.3f}  {time.monotonic() - began:.0f} s",
                    flush=True,
                )
            if update < config.updates:
                metrics = labelled.update(sampler) if labelled else agent.warm_up(agent.draw(replay, sampler))
    return records


def _as_replay(episodes: ProbeEpisodes, folder: Path, most: int = 16) -> Replay:
    """A replay with the episodes one after the other in `most` streams or a divisor of it.

    They are few, as each stream takes room for 2000 more rows.
    """
    count, steps = episodes.rewards.shape
    streams = math.gcd(count, most)
    replay = Replay(folder, streams, count * steps, episodes.frames.shape[2:], episodes.actions.shape[-1])
    none = np.zeros(streams, bool)
    for start in range(0, count, streams):
        beside = episodes.part(slice(start, start + streams))
        for t in range(steps):
            first = np.full(streams, t == 0)
            replay.add(beside.frames[:, t], beside.actions[:, t], beside.rewards[:, t], none, first)
    return replay


def _collect(run: RunConfig, split: str, first_seed: int, episodes: int, alike: int = 1) -> ProbeEpisodes:
    def say(done: int) -> None:
        if done % 8 == 0 or done == episodes:
            print(f"{run.task} {run.variant}: {done}/{episodes} episodes on {split} videos", flush=True)

    return collect_episodes(run, split, first_seed, episodes, say, alike)


def _random_data(run: RunConfig, config: ProbeConfig) -> tuple[ProbeEpisodes, ProbeEpisodes, ProbeEpisodes]:
    """Training episodes, and test episodes in front of held-out and of training videos."""
    alike = _BESIDE if config.shared_background and run.variant == "natural" else 1
    train = _collect(run, "train", TRAIN_SEED, config.train_episodes, alike)
    test = _collect(run, "test", TEST_SEED, config.test_episodes)
    return train, test, _collect(run, "train", TEST_SEED, config.test_episodes)


def _recorded_data(
    recorded: Recorded, config: ProbeConfig
) -> tuple[ProbeEpisodes, ProbeEpisodes, ProbeEpisodes]:
    """The same from a dataset, whose last episodes are used for testing."""
    count = min(recorded.count - config.test_episodes, config.train_episodes)
    if count < 2:
        raise InvalidArgument(
            f"--episodes {config.episodes} holds {recorded.count} episodes; --test-episodes {config.test_episodes} and "
            "two to learn from are more."
        )

    def say(done: int) -> None:
        if done % 8 == 0 or done == config.test_episodes:
            print(f"{done}/{config.test_episodes} episodes in front of held-out videos", flush=True)

    last = range(recorded.count - config.test_episodes, recorded.count)
    test, seen = recorded.elsewhere(last, say)
    parts = tuple(dict.fromkeys(name.split("[")[0] for name in test.names))
    return recorded.episodes(range(count), parts), test, seen


def run_probe(config: ProbeConfig) -> ProbeResults:
    """Trains and probes all models that TASK.json does not have yet, and adds each as soon as it is done."""
    if config.threads:
        torch.set_num_threads(config.threads)
    recorded = Recorded(config.episodes) if config.episodes else None
    if recorded:
        r = recorded.recording
        config = replace(config, task=r.task, variants=(r.variant,))
    task = run_config(config, config.models[0], config.variants[0], 0).task
    # Through JSON, so that they compare with what was read from a file.
    settings = json.loads(json.dumps(asdict(config) | {"task": task}, default=str))
    settings = {k: v for k, v in settings.items() if k not in _ADDED or v != _ADDED[k]}
    results = ProbeResults(config.out / f"{task}.json", task, settings)
    for variant in config.variants:
        missing = [
            (model, seed)
            for seed in config.seeds
            for model in config.models
            if not results.has(variant, model, seed)
        ]
        if not missing:
            continue
        run = run_config(config, config.models[0], variant, 0)
        train, test, seen = _recorded_data(recorded, config) if recorded else _random_data(run, config)
        for model, seed in missing:
            run = run_config(config, model, variant, seed)
            if recorded:
                r = recorded.recording
                same = replace(run.environment, action_repeat=r.action_repeat, size=r.size)
                run = replace(run, environment=same)
            records = train_and_probe(config, run, train, test, seen, model)
            results.add({"variant": variant, "model": model, "seed": seed, "probes": records})
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit status."""
    config = tyro.cli(ProbeConfig, args=arguments, prog="python -m agents.probe", description=__doc__)
    return exit_status("agents.probe", lambda: _run(config))


def _run(config: ProbeConfig) -> int:
    from .probe_plot import plot_probe

    for name, value in (
        ("--train-episodes", config.train_episodes),
        ("--fit-episodes", config.fit_episodes),
        ("--test-episodes", config.test_episodes),
    ):
        if value < 2:
            raise InvalidArgument(f"{name} is {value}; it must be at least 2.")
    if config.shared_background and (config.episodes or config.train_episodes % _BESIDE):
        raise InvalidArgument(
            f"--shared-background needs --train-episodes that are a multiple of {_BESIDE}, and no --episodes."
        )
    if config.updates < 0 or config.probes < 1:
        raise InvalidArgument("--updates must be at least 0 and --probes at least 1.")
    try:
        results = run_probe(config)
    except KeyboardInterrupt:
        print("Stopped; finished models are kept. Rerun the command to resume.", file=sys.stderr)
        return 130
    except NonFiniteGradient as error:
        raise NaturalMujocoError(f"{error} Try a lower learning rate.") from error
    path = results.path
    plot_probe(results.data, path.with_suffix(".png"))
    print(path, path.with_suffix(".png"), sep="\n")
    return 0
