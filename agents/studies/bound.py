"""`python -m agents.bound RUN_DIR` tells what holds a run with a world model back: sight, model or behaviour.

Sight is told by linear probes from the latent to the physical state. They are fitted on episodes of the run's own
policy in front of training videos, and scored on others, in front of held-out ones: R² of 1 is sight, 0 is blindness.

Then, from the run's last checkpoint, with its replay and without new experience, three ways to go on:

- `behaviour`: the world model stays as it is, only the behaviour learns;
- `anew`: so it does, beginning with an untrained actor and value;
- `model`: the world model learns alone first, then the behaviour.

A behaviour that gains nothing in the first two has found what there is to find in this model. What the third one gains
is what more updates on the same experience are worth; the rest has to come from new experience. RUN_DIR is only read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import gymnasium as gym
import numpy as np
import torch

from natural_mujoco import InvalidArgument, files
from natural_mujoco.cli import exit_status

from ..latent_agent import LatentAgent
from ..table import agent_name, make_agent
from ..training.checkpoint import TENSORS, load_checkpoint
from ..training.collection import environment_arguments, environment_id
from ..training.evaluation import evaluate
from ..training.loading import TrainedPolicy, load, load_replay
from ..training.replay import Replay
from ..training.state import PolicyState
from .probe import score
from .probe_data import ProbeEpisodes, play, stacked

Way = Literal["behaviour", "anew", "model"]
WAYS: tuple[Way, ...] = ("behaviour", "anew", "model")
_FITTED_SEED, _HELD_OUT_SEED = 5000, 9000


class Stand(NamedTuple):
    """Where an agent is after some updates: what it imagines to earn, and what it earns."""

    model_updates: int
    behaviour_updates: int
    imagined_return: float | None
    """Mean λ-return of the imagination since the last stand; None before the behaviour has learned."""
    returns: list[float]
    """Of the protocol's first episodes, on held-out videos for a run on natural ones."""


def sight(policy: TrainedPolicy, episodes: int) -> dict[str, float]:
    """R² of linear probes from the latent to every physical quantity that varies, their mean, and R² of the reward.

    Of a reward that never varies, as a policy's may that earns nothing, there is no R².

    Args:
        policy: of an agent with a world model.
        episodes: number of episodes to fit on; half as many, with other seeds, are scored.
    """
    agent = policy.agent
    assert isinstance(agent, LatentAgent)

    def played(split: str, first_seed: int, count: int) -> ProbeEpisodes:
        c = policy.config
        env = gym.make(environment_id(c.task, c.variant), **environment_arguments(c, split))
        try:
            return stacked([play(env, policy, first_seed + i) for i in range(count)])
        finally:
            env.close()

    held_out = played("test", _HELD_OUT_SEED, max(1, episodes // 2))
    seen = score(agent, played("train", _FITTED_SEED, episodes), [held_out])[0]["features"]
    if np.ptp(held_out.rewards) < 1e-6:
        del seen["reward"]
    return seen


def go_on(
    agent: LatentAgent,
    replay: Replay,
    way: Way,
    updates: int,
    every: int,
    earn: Callable[[LatentAgent], list[float]],
    seed: int = 0,
) -> Iterator[Stand]:
    """Trains `agent` in one of the three ways, on batches of `replay` alone.

    Yields its stand before, and after every `every` updates of the behaviour.
    """
    rng = np.random.default_rng(seed)
    taught = updates if way == "model" else 0
    yield Stand(0, 0, None, earn(agent))
    for _ in range(taught):
        agent.warm_up(agent.draw(replay, rng))
    agent.optimisers["model"].learning_rate = 0.0
    imagined: list[float] = []
    for done in range(1, updates + 1):
        metrics = agent.update(agent.draw(replay, rng))
        imagined.append(float(metrics["behaviour/imagined_return"]))
        if done % every == 0 or done == updates:
            yield Stand(taught, done, float(np.mean(imagined)), earn(agent))
            imagined.clear()


def _agent(run: Path, way: Way, policy: TrainedPolicy) -> LatentAgent:
    """An agent as the last checkpoint of the policy's run has it; for `anew` with an untrained behaviour."""
    checkpoint, trained = load_checkpoint(run, PolicyState), policy.agent
    agent = make_agent(policy.config, trained.action_size, trained.device)
    assert checkpoint is not None  # it is the policy's
    assert isinstance(agent, LatentAgent)
    assert isinstance(trained, LatentAgent)
    if way == "anew":
        agent.world_model.load_state_dict(trained.world_model.state_dict())
    else:
        agent.load_tensors(checkpoint.tensors, str(checkpoint.path / TENSORS))  # with the optimisers' moments
    return agent


def _line(stand: Stand) -> str:
    returns, imagined = np.asarray(stand.returns), stand.imagined_return
    error = returns.std(ddof=1) / len(returns) ** 0.5 if len(returns) > 1 else float("nan")
    return (
        f"{stand.model_updates:8,} {stand.behaviour_updates:8,} "
        f"{'–' if imagined is None else f'{imagined:.1f}':>8} {returns.mean():8.1f} ± {error:.1f}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Goes on in the chosen ways and prints a line for every stand; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m agents.bound",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="a run of cvrl, dreamer or repo")
    parser.add_argument(
        "--probe-episodes", type=int, default=16, metavar="N", help="to fit probes on; 0 for no probes"
    )
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=WAYS, help="by default all three")
    parser.add_argument("--updates", type=int, default=2000, help="of the behaviour, and of the model before")
    parser.add_argument("--every", type=int, default=500, help="updates between evaluations")
    parser.add_argument("--episodes", type=int, default=10, help="in an evaluation")
    parser.add_argument("--threads", type=int, default=0, help="of PyTorch; 0 for its choice")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, … (default: auto)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write all figures there, as JSON")
    chosen = parser.parse_args(arguments)
    for name, least in (("updates", 1), ("every", 1), ("episodes", 1), ("probe_episodes", 0)):
        if getattr(chosen, name) < least:
            parser.error(f"--{name.replace('_', '-')} must be at least {least}")
    if chosen.threads:
        torch.set_num_threads(chosen.threads)
    return exit_status("agents.bound", lambda: _run(chosen))


def _run(chosen: argparse.Namespace) -> int:
    policy = load(chosen.run, chosen.device)
    if not isinstance(policy.agent, LatentAgent):
        raise InvalidArgument(
            f"{chosen.run} is a run of {agent_name(policy.config)}, which has no world model."
        )
    replay = load_replay(chosen.run, policy) if chosen.ways else None

    def earn(agent: LatentAgent) -> list[float]:
        played, _ = evaluate(TrainedPolicy(agent, policy.config, 0), policy.config, chosen.episodes)
        return [episode.return_ for episode in played]

    seen: dict[str, float] = {}
    if chosen.probe_episodes:
        seen = sight(policy, chosen.probe_episodes)
        print("sight: R² of linear probes from the latent, in front of held-out videos")
        for name, r2 in seen.items():
            print(f"{name:>24} {r2:6.2f}", flush=True)
        if "reward" not in seen:
            print(f"{'reward':>24}  never varies: the policy earns the same at every step")
    figures: dict[str, list[dict[str, object]]] = {}
    for way in chosen.ways:
        assert replay is not None
        agent = _agent(chosen.run, way, policy)
        print(f"{way}: model updates, behaviour updates, imagined return, return ± standard error")
        figures[way] = []
        for stand in go_on(agent, replay, way, chosen.updates, chosen.every, earn):
            figures[way].append(stand._asdict())
            print(_line(stand), flush=True)
    if chosen.out:
        files.write_json(chosen.out, {"run": chosen.run.name, "sight": seen, "ways": figures}, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
