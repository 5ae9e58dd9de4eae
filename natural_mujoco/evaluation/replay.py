"""Plays some of a file's episodes again, to find records that are consistent but wrong.

- `policies_at_hand`: the runs of a file whose policies can be played on this machine.
- `replay`: plays a random sample of their episodes.
- `Replay`: an episode as recorded and as played again; `verdict` judges a sample.

A policy in closed loop is chaotic: a difference in the last bit changes its return. If versions, platform and, for
policies that use pixels, the OpenGL driver are those of the record, returns must agree to the sixth digit. Otherwise,
and with MuJoCo Warp, only means are compared.
"""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from ..backgrounds.manifest import shipped_names
from .checking import Verdict
from .conditions import Condition, episode_seeds
from .machine import describe_machine
from .policy_source import PolicySource, find_policy
from .records import REFERENCES, Episode, Machine, Results, Run
from .rollout import BLOCK, Block
from .worker import POLICY_TIMEOUT_S, play_blocks

TOLERANCE = 100.0
"""How much a sample's mean return may differ on another machine."""
_CERTAIN = 0.999
"""The significance that a difference of means must have for a file to be refused."""
_SIXTH_DIGIT = 1.5e-6

_PHYSICS = ("mujoco", "dm_control", "numpy")
_SIGHT = (*_PHYSICS, "opencv-python-headless", "torch")
"""Packages that affect an episode's return, for policies that ignore pixels and for those that use them."""


@dataclass(frozen=True)
class Replay:
    """An episode as recorded in the file and as played now. `exact` says whether the returns must be equal."""

    recorded: Episode
    played: Episode
    exact: bool

    @property
    def difference(self) -> float:
        """The return now minus the recorded return."""
        return self.played.return_ - self.recorded.return_

    @property
    def repeats(self) -> bool:
        """Whether the returns agree to the sixth digit."""
        return abs(self.difference) < _SIXTH_DIGIT


def policies_at_hand(results: Results, given: Sequence[PolicySource] = ()) -> dict[Run, PolicySource]:
    """The policy of each run, for runs of zero, random, the shipped expert, or one of `given`.

    Policies are matched with runs by the sha256 of their weights or source, not by the name in the file.
    """
    found = {}
    for run in results.runs:
        own = [find_policy(run.policy)] if run.policy in REFERENCES else []
        for source in (*own, *given):
            if _is_of(source, run):
                found[run] = source
    return found


def _is_of(source: PolicySource, run: Run) -> bool:
    if source.kind == "run":
        return run.digest == source.digest and run.tasks == (source.task,)
    # The name is compared too, since one module may have several factories.
    return run.policy == source.name and run.digest in (source.digest, source.earlier_digest)


def replay(
    results: Results,
    policies: Mapping[Run, PolicySource],
    count: int,
    videos: str | None = None,
    workers: int = 1,
    timeout: float = POLICY_TIMEOUT_S,
    choice: random.Random | None = None,
    same_processor: bool = True,
) -> list[Replay]:
    """Plays `count` random episodes of the runs in `policies` again, or all if there are fewer.

    `videos` names the video set if it does not ship with the package; without it, natural episodes on other sets are
    left out. `choice` draws the sample, by default unpredictably. Without `same_processor`, returns of policies that
    compute need not be equal, since another kind of processor gives other last bits. Raises as `evaluate` does.
    """
    name = results.video_set.name if results.video_set else ""
    videos = videos or (name if name in shipped_names() else None)
    owners = {(t, c, run.training_seed): run for run in policies for t in run.tasks for c in run.conditions}
    candidates = [e for e in results.episodes if e.key[:3] in owners and (videos or e.video is None)]
    chosen = (choice or random.SystemRandom()).sample(candidates, min(count, len(candidates)))
    blocks, recorded = _blocks(results, policies, chosen, videos or "", owners)
    here = describe_machine(renderer=results.protocol.renderer)
    found = []
    for block, episodes in play_blocks(blocks, workers, timeout):
        for played in episodes:
            then = recorded[played.key]
            exact = _must_repeat(results.machines[then.machine], here, block, then, played)
            exact = exact and (same_processor or block.source.kind in ("zero", "random"))
            found.append(Replay(then, played, exact))
    return sorted(found, key=lambda one: chosen.index(one.recorded))


def _blocks(
    results: Results,
    policies: Mapping[Run, PolicySource],
    chosen: Sequence[Episode],
    videos: str,
    owners: Mapping[tuple[str, str, int], Run],
) -> tuple[list[Block], dict[tuple[str, str, int, int], Episode]]:
    """The blocks in which an evaluation plays the chosen episodes, each in its own row."""
    seeds = episode_seeds(results.protocol.seed, -(-results.protocol.episodes // BLOCK) * BLOCK)
    rows: dict[tuple[str, Condition, int, int], list[int]] = defaultdict(list)
    for episode in chosen:
        number = seeds.index(episode.episode_seed)
        rows[(*episode.key[:3], number // BLOCK)].append(number % BLOCK)
    blocks = []
    for (task, condition, training_seed, k), wanted in rows.items():
        run = owners[task, condition, training_seed]
        source = policies[run]
        if source.kind != "run":  # a run directory has its own action repeat
            source = dataclasses.replace(source, action_repeat=run.action_repeat)
        block_seeds = seeds[k * BLOCK : (k + 1) * BLOCK]
        cell = task, condition, training_seed
        blocks.append(Block.of(results, source, cell, block_seeds, tuple(sorted(wanted)), videos))
    return blocks, {episode.key: episode for episode in chosen}


def _must_repeat(there: Machine, here: Machine, block: Block, then: Episode, now: Episode) -> bool:
    looks = block.source.looks
    packages = _SIGHT if looks else _PHYSICS
    return (
        block.renderer == "opengl"  # MuJoCo Warp's threads add in no fixed order
        and all(there.versions.get(name) == here.versions.get(name) for name in packages)
        and there.platform == here.platform
        and (not looks or there.gl_renderer == here.gl_renderer)
        and then.frames_sha256 == now.frames_sha256
    )


def verdict(replays: Sequence[Replay]) -> Verdict:
    """Judges a sample: faults that are certain, and remarks for readers."""
    faults, remarks = [], []
    for one in replays:
        then, now = one.recorded, one.played
        if (now.video, now.frame) != (then.video, then.frame):
            faults.append(
                f"{then}: shows {now.video} from frame {now.frame}, not {then.video} from {then.frame}"
            )
        elif one.exact and not (one.repeats and now.length == then.length):
            faults.append(
                f"{then}: returns {now.return_:.6f} in {now.length} control steps when it is played again, not "
                f"{then.return_:.6f} in {then.length}"
            )
    same = [one for one in replays if one.exact]
    others = [one for one in replays if not one.exact]
    if same:
        remarks.append(
            f"played again on the same versions: {sum(r.repeats for r in same)} of {len(same)} repeat"
        )
    if others:
        words = _elsewhere(others)
        (faults if _is_off(others) else remarks).append(words)
    return Verdict(tuple(faults), tuple(remarks))


def _elsewhere(replays: Sequence[Replay]) -> str:
    mean, repeat = np.mean([one.difference for one in replays]), sum(one.repeats for one in replays)
    return (
        f"played again on other versions, another machine or MuJoCo Warp: {repeat} of {len(replays)} "
        f"repeat, on average {mean:+.1f} (up to ±{TOLERANCE:g} is accepted)"
    )


def _is_off(replays: Sequence[Replay]) -> bool:
    """Whether the mean differs by more than is accepted, and significantly."""
    differences = [one.difference for one in replays]
    off = abs(float(np.mean(differences)))
    if off <= TOLERANCE or len(differences) < 2:
        return False
    error = float(stats.sem(differences))
    return off > error * float(stats.t.ppf((1 + _CERTAIN) / 2, len(differences) - 1))
