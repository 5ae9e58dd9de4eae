"""The shipped results of the reference policies: `zero`, `random` and `expert`, at action repeats 1, 2, 4 and 8.

- `Pace`: the action repeat on each task. `pace_of`: the pace of a results file.
- `reference_at`: the results of a reference policy at a pace. `reference_means`: the means of all of them by task.
- `reference_entries`: the results at the protocol's action repeat. `reference_label`: the names to show.
- `stands_beside`: whether a reference can be compared with an entry. `share_of_expert`: a return on a scale from random
  (0) to expert (1).
- `half_way`: the return half-way between random and expert.

`zero` and `random` act without looking; `expert` reads the physical state and is therefore privileged. Physics do not
depend on the video, so that their returns hold for every video set and for none. But the action repeat matters: an
action that is held longer pushes further, and random earns 29 on cartpole-swingup at action repeat 2 and 164 at 8.
`zero` and `random` are therefore only compared with entries of the same action repeat. The expert, measured at the
protocol's 2, is also compared with entries at multiples of it, because a policy that acts every 2 control steps can do
whatever one that acts every 4 can do.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np

from .conditions import ACTION_REPEAT, TASK_NAMES, Condition
from .records import REFERENCES, Results, Run, read_results

FOLDER = Path(__file__).with_name("entries")

Pace = tuple[tuple[str, int], ...]
"""Pairs of task and action repeat."""


def steady(action_repeat: int) -> Pace:
    """The pace with the same action repeat on all tasks."""
    return tuple((task, action_repeat) for task in TASK_NAMES)


PROTOCOL_PACE = steady(ACTION_REPEAT)
COMMON: Condition = "natural-test"
"""A condition under which all shipped files have records."""


def pace_of(runs: Iterable[Run]) -> Pace:
    """The action repeat on each task of `runs`; on all tasks if all runs have the same.

    Tasks on which runs differ are left out, since no reference can be compared with both.
    """
    found: dict[str, set[int]] = {}
    for run in runs:
        for task in run.tasks:
            found.setdefault(task, set()).add(run.action_repeat)
    everywhere = set().union(*found.values()) if found else set()
    if len(everywhere) == 1:
        return steady(everywhere.pop())
    return tuple((task, found[task].pop()) for task in TASK_NAMES if len(found.get(task, ())) == 1)


@lru_cache(maxsize=1)
def _shipped() -> Mapping[tuple[str, int], Results]:
    entries = (read_results(path) for path in sorted(FOLDER.glob("*.json")))
    return {(entry.entry.name, run.action_repeat): entry for entry in entries for run in entry.runs}


@lru_cache(maxsize=64)
def reference_at(name: str, pace: Pace) -> Results | None:
    """The results of the reference `name` for tasks played at `pace`; `None` if there are none."""
    if name == "expert":
        pace = tuple((task, ACTION_REPEAT) for task, repeat in pace if repeat % ACTION_REPEAT == 0)
        if pace == PROTOCOL_PACE:
            return _shipped().get((name, ACTION_REPEAT))
    repeats = {action_repeat for _, action_repeat in pace} if name != "expert" else set()
    if len(repeats) == 1:
        return _shipped().get((name, repeats.pop()))
    runs, episodes = [], []
    for task, action_repeat in pace:
        entry = _shipped().get((name, action_repeat))
        if entry is not None:
            update = {"tasks": (task,), "conditions": (COMMON,), "action_repeat": action_repeat}
            runs.append(entry.runs[0].model_copy(update=update))
            episodes += [e for e in entry.episodes if (e.task, e.condition) == (task, COMMON)]
    if not episodes:
        return None
    source = _shipped()[name, ACTION_REPEAT]
    return source.model_copy(update={"runs": tuple(runs), "episodes": tuple(episodes), "summary": {}})


def stands_beside(name: str, own: Pace, pace: Pace) -> bool:
    """Whether the reference `name`, measured at the pace `own`, can be compared with entries at `pace`."""
    multiples = all(action_repeat % ACTION_REPEAT == 0 for _, action_repeat in pace)
    return own == pace or (name == "expert" and own == PROTOCOL_PACE and multiples)


def reference_entries() -> tuple[Results, ...]:
    """The shipped results at the protocol's action repeat, `zero` first."""
    found = (_shipped().get((name, ACTION_REPEAT)) for name in REFERENCES)
    return tuple(entry for entry in found if entry is not None)


def reference_label(reference: str) -> str:
    """The name of a reference policy, with what it sees beyond pixels.

    >>> reference_label("random"), reference_label("expert")
    ('random', 'expert (privileged: state)')
    """
    return f"{reference} (privileged: state)" if reference == "expert" else reference


@lru_cache(maxsize=64)
def reference_means(pace: Pace = PROTOCOL_PACE) -> dict[str, dict[str, float]]:
    """Mean return of each reference policy at `pace`: `{"zero": {"walker-walk": …}, "random": …}`.

    Tasks and action repeats that were not measured are missing.
    """
    means: dict[str, dict[str, float]] = {}
    for name in REFERENCES:
        entry = reference_at(name, pace)
        returns: dict[str, dict[int, float]] = {}
        for episode in entry.episodes if entry else ():  # the same in every condition: each seed once
            returns.setdefault(episode.task, {})[episode.episode_seed] = episode.return_
        means[name] = {task: float(np.mean(list(values.values()))) for task, values in returns.items()}
    return means


def share_of_expert(task: str, mean: float, references: Mapping[str, Mapping[str, float]]) -> float | None:
    """`mean` on a scale from random (0) to the expert (1) on `task`; `None` if either was not measured.

    >>> share_of_expert("walker-walk", 500, {"random": {"walker-walk": 0}, "expert": {"walker-walk": 1000}})
    0.5
    """
    random, expert = (references.get(name, {}).get(task) for name in ("random", "expert"))
    if random is None or expert is None or expert <= random:
        return None
    return (mean - random) / (expert - random)


def half_way(task: str, references: Mapping[str, Mapping[str, float]]) -> float | None:
    """The return half-way between random and expert on `task`; `None` if either was not measured.

    >>> half_way("walker-walk", {"random": {"walker-walk": 100}, "expert": {"walker-walk": 900}})
    500.0
    """
    random, expert = (references.get(name, {}).get(task) for name in ("random", "expert"))
    return None if random is None or expert is None or expert <= random else (random + expert) / 2
