"""Turns records into the arrays from which statistics are computed.

- `EntryScores`: one entry's returns by condition, task and unit.
- `summarise`: the means in a results file's `summary`.

A *unit* is what would be drawn again if the experiment were repeated (`natural_mujoco.evaluation.statistics`): a
training seed, with the mean of its episodes, if an entry has at least two of them on some task; else an episode. With
one training seed, the spread of episodes says how precisely that policy was measured, and nothing about other training
runs. For this reason `EntryScores.over` is shown with every interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from .conditions import TASK_NAMES, Condition, place_of
from .records import Episode, Results, TaskSummary
from .statistics import MAX_RETURN, Floats, interquartile_mean

Over = Literal["training seeds", "episodes"]


class EntryScores:
    """Returns of one entry: `returns[condition][task][unit]`, where units are training seeds or episode seeds."""

    def __init__(self, episodes: Iterable[Episode]) -> None:
        collected: dict[tuple[Condition, str, int], list[tuple[int, float]]] = defaultdict(list)
        for episode in episodes:
            key = (episode.condition, episode.task, episode.training_seed)
            collected[key].append((episode.episode_seed, episode.return_))
        seeds: dict[str, set[int]] = defaultdict(set)
        for _, task, training_seed in collected:
            seeds[task].add(training_seed)
        self.training_seeds = max((len(s) for s in seeds.values()), default=0)
        self.over: Over = "training seeds" if self.training_seeds > 1 else "episodes"
        self.returns: dict[Condition, dict[str, dict[int, float]]] = {}
        for (condition, task, training_seed), pairs in sorted(collected.items(), key=_in_table_order):
            units = self.returns.setdefault(condition, {}).setdefault(task, {})
            if self.over == "episodes":
                units.update(sorted(pairs))
            else:
                units[training_seed] = float(np.mean([value for _, value in sorted(pairs)]))

    def units(self, condition: Condition, task: str) -> Floats:
        """Returns of a task's units, `[units]`; empty where it was not evaluated."""
        return np.array(list(self.returns.get(condition, {}).get(task, {}).values()), np.float64)

    def matrix(self, *conditions: Condition, tasks: Sequence[str] = TASK_NAMES) -> list[Floats] | None:
        """Scores (return ÷ 1000) `[tasks, units]` of all `tasks`, for each of the conditions, on common units.

        Units that are missing on some task or condition are left out. `None` if a task is missing or there is no common
        unit, since an aggregate over fewer tasks must not be compared with aggregates over all.
        """
        common: set[int] | None = None
        for condition in conditions:
            for task in tasks:
                units = set(self.returns.get(condition, {}).get(task, ()))
                common = units if common is None else common & units
        if not common:
            return None
        chosen = sorted(common)
        return [
            np.array([[self.returns[condition][task][unit] for unit in chosen] for task in tasks])
            / MAX_RETURN
            for condition in conditions
        ]


def summarise(results: Results, tasks: Sequence[str] = TASK_NAMES) -> dict[Condition, TaskSummary]:
    """Computes a file's `summary` from its records; the aggregate is over `tasks`."""
    scores = EntryScores(results.episodes)
    summary = {}
    for condition, returns in scores.returns.items():
        matrix = scores.matrix(condition, tasks=tasks)
        summary[condition] = TaskSummary(
            tasks={task: round(float(scores.units(condition, task).mean()), 6) for task in returns},
            iqm=None if matrix is None else round(interquartile_mean(matrix[0]) * MAX_RETURN, 6),
        )
    return summary


def _in_table_order(item: tuple[tuple[Condition, str, int], object]) -> tuple[tuple[int, float], int, int]:
    (condition, task, training_seed), _ = item
    place = TASK_NAMES.index(task) if task in TASK_NAMES else len(TASK_NAMES)
    return place_of(condition), place, training_seed
