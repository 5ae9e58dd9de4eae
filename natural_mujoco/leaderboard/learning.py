"""Scores against cost, computed from the learning curves in results files.

- `Learner`: an entry's curves under one condition, with its bands and when it gets half-way to the expert.
- `Band`: a line with its 95 % interval at each point.
- `Reached`: when the runs on a task first return half-way between random and expert.
- `Efficiency`: the same over tasks, and the cost of a run.

A point of a curve is the mean return of an evaluation during training. Between evaluations curves are interpolated
linearly; a band ends where the shortest of its runs ends.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from ..evaluation.conditions import TASK_NAMES, Condition
from ..evaluation.curves import Curve
from ..evaluation.records import Results
from ..evaluation.references import half_way, pace_of, reference_means
from ..evaluation.statistics import MAX_RETURN, Bootstrap, Floats, aggregates, task_estimates

Axis = Literal["control steps", "core-hours"]
AXES: tuple[Axis, ...] = ("control steps", "core-hours")

_POINTS = 60
"""Number of points of a band; a plot cannot show more."""
_DRAWS = 2_000


@dataclass(frozen=True)
class Band:
    """Returns `point[k]` at `x[k]`; `low` and `high` are NaN if there is only one run, which has no spread."""

    x: Floats
    point: Floats
    low: Floats
    high: Floats

    @property
    def has_interval(self) -> bool:
        """Whether `low` and `high` are numbers."""
        return bool(np.isfinite(self.low).all())


@dataclass(frozen=True)
class Reached:
    """When the runs on a task first reach `threshold` (median over runs; `None` if half of them never do)."""

    threshold: float
    steps: float | None
    core_hours: float | None
    runs: int
    most_steps: int
    """Length of the shortest run in control steps."""


@dataclass(frozen=True)
class Efficiency:
    """The cost of an entry's runs, and the median over tasks of when they get half-way to the expert."""

    tasks: int
    """Number of tasks with curves and a threshold."""
    reached: int
    steps: float | None
    core_hours: float | None
    run_core_hours: float | None
    """Mean core-hours of a whole run; `None` unless those of all runs are known."""


class Learner:
    """The curves of `results` under `condition`, by task and training seed."""

    def __init__(self, results: Results, condition: Condition) -> None:
        self.condition = condition
        self.references: Mapping[str, Mapping[str, float]] = reference_means(pace_of(results.runs))
        curves: dict[str, dict[int, Curve]] = {}
        for curve in results.curves:
            if curve.condition == condition:
                curves.setdefault(curve.task, {})[curve.training_seed] = curve
        self.curves = {task: dict(sorted(curves[task].items())) for task in TASK_NAMES if task in curves}

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks with curves."""
        return tuple(self.curves)

    @property
    def seeds(self) -> int:
        """Number of training seeds on the task that has the most."""
        return max(map(len, self.curves.values()), default=0)

    def has(self, axis: Axis) -> bool:
        """Whether curves can be drawn along `axis`."""
        return any(_along(curve, axis) is not None for by in self.curves.values() for curve in by.values())

    def task_band(self, task: str, axis: Axis) -> Band | None:
        """Mean over training seeds on `task`, with Student's interval."""
        found = _common([list(self.curves.get(task, {}).values())], axis)
        if found is None:
            return None
        x, [returns] = found
        estimates = [task_estimates([column])[0].mean for column in returns.T]
        return Band(x, *(np.array([e[k] for e in estimates]) for k in range(3)))

    def iqm_band(self, tasks: Sequence[str], axis: Axis) -> Band | None:
        """Interquartile mean over `tasks` and the training seeds that all of them have, with bootstrap intervals."""
        if not tasks or any(task not in self.curves for task in tasks):
            return None
        seeds = sorted(set.intersection(*(set(self.curves[task]) for task in tasks)))
        found = _common([[self.curves[task][seed] for seed in seeds] for task in tasks], axis)
        if found is None:
            return None
        x, returns = found
        bootstrap = fitting_bootstrap(len(tasks), len(seeds))
        iqms = [aggregates(returns[:, :, k] / MAX_RETURN, bootstrap).iqm for k in range(len(x))]
        return Band(x, *(np.array([e[k] for e in iqms]) * MAX_RETURN for k in range(3)))

    def reached(self, task: str) -> Reached | None:
        """When the runs on `task` are half-way from random to expert; `None` without curves or references."""
        threshold = half_way(task, self.references)
        runs = list(self.curves.get(task, {}).values())
        if threshold is None or not runs:
            return None
        first = [next((k for k, value in enumerate(run.returns) if value >= threshold), None) for run in runs]
        hours = [run.core_hours for run in runs]
        known = [h for h in hours if h is not None]
        return Reached(
            threshold,
            _median([math.inf if k is None else run.steps[k] for k, run in zip(first, runs, strict=True)]),
            _median([math.inf if k is None else h[k] for k, h in zip(first, known, strict=True)])
            if len(known) == len(runs)
            else None,
            len(runs),
            min(run.steps[-1] for run in runs),
        )

    def efficiency(self) -> Efficiency | None:
        """The efficiency over all tasks; `None` without curves."""
        if not self.curves:
            return None
        found = [reached for task in self.curves if (reached := self.reached(task)) is not None]
        hours = [curve.core_hours for by in self.curves.values() for curve in by.values()]
        known = [h[-1] for h in hours if h is not None]
        return Efficiency(
            len(found),
            sum(r.steps is not None for r in found),
            _median([math.inf if r.steps is None else r.steps for r in found]),
            _median([math.inf if r.core_hours is None else r.core_hours for r in found]),
            statistics.fmean(known) if len(known) == len(hours) else None,
        )


def shared_tasks(learners: Sequence[Learner]) -> tuple[str, ...]:
    """The tasks of the learner with the most tasks; aggregates are only drawn for learners that have all of them."""
    return max((learner.tasks for learner in learners), key=len, default=())


def _along(curve: Curve, axis: Axis) -> Sequence[float] | None:
    return curve.steps if axis == "control steps" else curve.core_hours


def _common(groups: Sequence[Sequence[Curve]], axis: Axis) -> tuple[Floats, Floats] | None:
    """Points that all curves reach, and each group's returns there: `x[n]`, `returns[groups, curves, n]`.

    `None` where some curve does not say where it is along `axis`, or where nothing is common.
    """
    places = [[_along(curve, axis) for curve in group] for group in groups]
    known = [place for group in places for place in group if place is not None]
    if not known or len(known) < sum(map(len, groups)):
        return None
    first, last = max(place[0] for place in known), min(place[-1] for place in known)
    points = np.unique(np.concatenate([np.asarray(place, np.float64) for place in known]))
    points = points[(points >= first) & (points <= last)]
    if not len(points):
        return None
    if len(points) > _POINTS:
        points = np.linspace(points[0], points[-1], _POINTS)
    returns = [
        [np.interp(points, place, curve.returns) for place, curve in zip(row, group, strict=True) if place]
        for row, group in zip(places, groups, strict=True)
    ]
    return points, np.array(returns)


def _median(values: Sequence[float]) -> float | None:
    """The median, `None` where that is never (infinity) or where there is nothing."""
    middle = statistics.median(values) if values else math.inf
    return None if math.isinf(middle) else middle


@lru_cache(maxsize=64)
def fitting_bootstrap(tasks: int, units: int) -> Bootstrap | None:
    """Draws for `tasks` × `units`; `None` for one unit, which has no spread."""
    return Bootstrap(tasks, units, _DRAWS, 0) if units > 1 else None
