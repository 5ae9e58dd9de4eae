"""From records to the arrays that statistics are made of.

- `EntryScores`: one entry's returns by condition, task and unit.
- `summarise`: the means a results file shows to people.

A *unit* is what a repetition of the experiment would draw anew (`natural_mujoco.evaluation.statistics`): a training
seed, as the mean of its episodes, once an entry has two of them on some task; else an episode. With
one training seed the episodes' spread says how well that one policy is measured and nothing about training again,
which is why `EntryScores.over` travels with every interval.
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
    """Returns of one entry: `returns[condition][task][unit]`, units being training seeds or episode seeds."""

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
        """Scores (return ÷ 1000) of all `tasks`, `[tasks, units]`, under each of the conditions, on common units.

        Units that some task or condition lacks are left out. `None` where a task is missing or nothing is common:
        an aggregate over fewer tasks would be compared with aggregates over all.
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
    """What the file's `summary` has to say, from its records; the aggregate is over `tasks`."""
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
