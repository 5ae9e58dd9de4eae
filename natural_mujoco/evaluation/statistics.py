"""Aggregates of scores, with confidence intervals.

- `Estimate`: a point and its 95 % interval.
- `task_estimates`: mean, median and Student's interval of each task.
- `Bootstrap`: stratified bootstrap draws, shared by all scores of the same shape.
- `aggregates`: interquartile mean, median, mean and optimality gap over all tasks.
- `difference`, `ratio`: the same policies under two conditions (video gap, robustness).
- `performance_profile`, `probability_of_improvement`.

Scores are `float[tasks, units]`: normalised returns (return ÷ 1000, the most a task pays), one row per task. A
*unit* is what would be drawn again if the experiment were repeated: a training seed, its episodes averaged, or an
episode where nothing was trained. The definitions are those of Agarwal et al., "Deep Reinforcement Learning at
the Edge of the Statistical Precipice" (NeurIPS 2021); the tests compare them with the authors' own library.

A bootstrap draw here is a *count* per unit (how often it was drawn), not a gathered copy of the scores. Means
are then products with the counts, and the interquartile mean is one cumulative sum over the units in sorted
order, so 50,000 draws of a whole leaderboard take seconds and no draw is ever sorted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.stats

from natural_mujoco.errors import InvalidArgument

Floats = npt.NDArray[np.float64]

CONFIDENCE = 0.95
DRAWS = 50_000
MAX_RETURN = 1000.0

_CHUNK = 4096  # draws at a time: the working set of one chunk stays in the processor's cache
_QUARTER = 0.25


class Estimate(NamedTuple):
    """A point estimate with its 95 % interval; `low` and `high` are NaN if there is no interval."""

    point: float
    low: float = float("nan")
    high: float = float("nan")

    @property
    def has_interval(self) -> bool:
        """Whether `low` and `high` are numbers."""
        return self.low == self.low and self.high == self.high


class TaskEstimate(NamedTuple):
    """Statistics of one task's units: their mean with Student's 95 % interval, their median, and their number."""

    mean: Estimate
    median: float
    units: int


@dataclass(frozen=True)
class Aggregates:
    """One number each over all tasks, with stratified bootstrap intervals; all normalised, in [0, 1]."""

    iqm: Estimate
    median: Estimate
    mean: Estimate
    optimality_gap: Estimate


class Bootstrap:
    """Stratified bootstrap draws for `tasks` × `units` scores.

    Units are drawn with replacement within each task. The draws are made once for a shape and seed and reused, so
    that two entries are compared on the same draws and the same files always give the same intervals.
    Takes `draws · tasks · units` bytes (twice as many from 256 units on).
    """

    def __init__(self, tasks: int, units: int, draws: int = DRAWS, seed: int = 0) -> None:
        if tasks < 1 or not 1 <= units <= 100_000 or draws < 1:
            raise InvalidArgument(f"No bootstrap of {tasks} tasks × {units} units × {draws} draws.")
        self.tasks, self.units, self.draws = tasks, units, draws
        rng = np.random.default_rng(np.random.SeedSequence([tasks, units, draws, seed]))
        dtype = np.uint8 if units < 256 else np.uint16 if units < 65536 else np.uint32
        # counts[t, u, d]: how often unit u of task t is in draw d; draws last, so that sums run along memory.
        self.counts = np.zeros((tasks, units, draws), dtype)
        for task in range(tasks):
            self.counts[task] = rng.multinomial(units, np.full(units, 1 / units), size=draws).T

    def means(self, values: Floats) -> Floats:
        """Mean of each task in each draw: `[tasks, draws]` from `values[tasks, units]`."""
        out = np.empty((self.tasks, self.draws))
        for task in range(self.tasks):
            np.matmul(values[task], self.counts[task], out=out[task])
        return out / self.units

    def iqms(self, scores: Floats) -> Floats:
        """Interquartile mean over all tasks and units in each draw: `[draws]`."""
        total = self.tasks * self.units
        cut = int(_QUARTER * total)
        order = np.argsort(scores, axis=None, kind="stable")
        ranked = scores.ravel()[order]
        gaps = np.diff(ranked)
        # Tied neighbours move nothing, so rows between them are summed but not kept.
        apart = np.flatnonzero(gaps)
        counts = self.counts.reshape(total, self.draws)
        dtype = np.int16 if total < 2**15 else np.int64
        out = np.empty(self.draws)
        for start in range(0, self.draws, _CHUNK):
            drawn = counts[:, start : start + _CHUNK]
            # below[k]: how many of the draw's scores are at or below rank k. Row by row: numpy's own cumulative
            # sum walks across the rows and takes nine times as long.
            below = np.empty((total, drawn.shape[1]), dtype)
            below[0] = drawn[order[0]]
            for rank in range(1, total):
                np.add(below[rank - 1], drawn[order[rank]], out=below[rank], casting="unsafe")
            np.clip(below, cut, total - cut, out=below)
            out[start : start + _CHUNK] = gaps[apart] @ below[apart].astype(np.float64)
        # Summation by parts of Σ ranked[k]·(below[k] − below[k−1]) over the middle half.
        out -= cut * gaps.sum()
        out /= cut * 2 - total
        out += ranked[-1]
        return out

    def interval(self, point: float, sample: Floats) -> Estimate:
        """The percentile interval of a statistic's draws, as an estimate."""
        tail = 50 * (1 - CONFIDENCE)
        low, high = np.percentile(sample, [tail, 100 - tail])
        return Estimate(float(point), float(low), float(high))


def checked_scores(scores: npt.ArrayLike) -> Floats:
    """`scores` as float64 `[tasks, units]`. Raises `InvalidArgument` if it is not that, or not all finite."""
    array = np.asarray(scores, np.float64)
    if array.ndim != 2 or array.size == 0:
        raise InvalidArgument(f"Scores must be [tasks, units] with at least one of each, not {array.shape}.")
    if not np.isfinite(array).all():
        raise InvalidArgument("Scores must be finite numbers.")
    return array


def task_estimates(returns: Sequence[npt.ArrayLike], maximum: float = MAX_RETURN) -> list[TaskEstimate]:
    """Mean with Student's 95 % interval, and median, of each task's units (which may differ in number).

    The interval is cut off at 0 and `maximum`, the bounds of returns. A single unit has no interval, since it says
    nothing about the spread. Student's interval is used because a percentile bootstrap is too narrow for the usual
    three to ten seeds. Raises `InvalidArgument` for a task without units and for returns that are not finite.
    """
    estimates = []
    for values in returns:
        sample = np.asarray(values, np.float64).ravel()
        if sample.size == 0 or not np.isfinite(sample).all():
            raise InvalidArgument("Each task needs at least one unit, and finite returns.")
        mean = float(sample.mean())
        interval = Estimate(mean)
        if sample.size > 1:
            quantile = float(scipy.stats.t.ppf(0.5 + CONFIDENCE / 2, sample.size - 1))
            reach = quantile * float(sample.std(ddof=1)) / sample.size**0.5
            interval = Estimate(mean, max(0.0, mean - reach), min(maximum, mean + reach))
        estimates.append(TaskEstimate(interval, float(np.median(sample)), sample.size))
    return estimates


def interquartile_mean(scores: npt.ArrayLike) -> float:
    """Mean of the middle half of all scores (25 % cut off either end, rounded down)."""
    return float(scipy.stats.trim_mean(checked_scores(scores), _QUARTER, axis=None))


def aggregates(scores: npt.ArrayLike, bootstrap: Bootstrap | None = None, target: float = 1.0) -> Aggregates:
    """The four aggregates of `scores[tasks, units]` with intervals from `bootstrap` (of that shape).

    - interquartile mean: mean of the middle half of all tasks' units,
    - median: median over tasks of their means,
    - mean: mean over tasks of their means,
    - optimality gap: how far scores are below `target` on average, where scores above it count as `target`.

    With one unit per task there is nothing to resample, and the estimates have no interval.
    """
    array = checked_scores(scores)
    capped = np.minimum(array, target)
    task_means = array.mean(axis=1)
    points = (
        interquartile_mean(array),
        float(np.median(task_means)),
        float(task_means.mean()),
        float(target - capped.mean()),
    )
    if array.shape[1] == 1:
        return Aggregates(*(Estimate(point) for point in points))
    boot = _fitting(bootstrap, array)
    means = boot.means(array)
    capped_means = means if (capped == array).all() else boot.means(capped)
    samples = (
        boot.iqms(array),
        np.median(means, axis=0),
        means.mean(axis=0),
        target - capped_means.mean(axis=0),
    )
    return Aggregates(*(boot.interval(point, sample) for point, sample in zip(points, samples, strict=True)))


def difference(a: npt.ArrayLike, b: npt.ArrayLike, bootstrap: Bootstrap | None = None) -> Estimate:
    """IQM of `a` minus IQM of `b`: scores of the same units (columns) under two conditions, resampled together.

    With training videos as `a` and test videos as `b` this is the video gap: how much better the policy is in front of
    videos that it has seen in training.
    """
    first, second, boot = _pair(a, b, bootstrap)
    point = interquartile_mean(first) - interquartile_mean(second)
    return Estimate(point) if boot is None else boot.interval(point, boot.iqms(first) - boot.iqms(second))


def ratio(a: npt.ArrayLike, b: npt.ArrayLike, bootstrap: Bootstrap | None = None) -> Estimate:
    """IQM of `a` ÷ IQM of `b`, resampled together; natural ÷ standard is the robustness ratio.

    NaN if `b`'s IQM is 0; without an interval if it is 0 in some draws.
    """
    first, second, boot = _pair(a, b, bootstrap)
    below = interquartile_mean(second)
    if below <= 0:
        return Estimate(float("nan"))
    point = interquartile_mean(first) / below
    if boot is None:
        return Estimate(point)
    drawn = boot.iqms(second)
    return Estimate(point) if (drawn <= 0).any() else boot.interval(point, boot.iqms(first) / drawn)


@dataclass(frozen=True)
class Profile:
    """Share of all tasks' units that score above each threshold: arrays `[thresholds]`."""

    thresholds: Floats
    share: Floats
    low: Floats
    high: Floats


def performance_profile(
    scores: npt.ArrayLike, thresholds: npt.ArrayLike, bootstrap: Bootstrap | None = None
) -> Profile:
    """The score distribution of `scores[tasks, units]` with a pointwise 95 % band."""
    array = checked_scores(scores)
    taus = np.asarray(thresholds, np.float64)
    above = array.ravel()[None, :] > taus[:, None]
    share = above.mean(axis=1)
    if array.shape[1] == 1:
        nothing = np.full(len(taus), np.nan)
        return Profile(taus, share, nothing, nothing)
    boot = _fitting(bootstrap, array)
    drawn = above.astype(np.float64) @ boot.counts.reshape(array.size, boot.draws) / array.size
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(drawn, [tail, 100 - tail], axis=1)
    return Profile(taus, share, low, high)


def probability_of_improvement(
    x: npt.ArrayLike, y: npt.ArrayLike, bootstraps: tuple[Bootstrap, Bootstrap] | None = None
) -> Estimate:
    """The probability that a unit of `x` beats one of `y` on the same task, averaged over tasks; ties count half.

    `x` is `[tasks, units]` and `y` `[tasks, other units]`. The two are resampled independently, by `bootstraps`
    of their shapes and of two different seeds.
    """
    first, second = checked_scores(x), checked_scores(y)
    if len(first) != len(second):
        raise InvalidArgument(f"Cannot compare scores on {len(first)} tasks with scores on {len(second)}.")
    # wins[t, i, j]: 1 where unit i of x beats unit j of y on task t, ½ for a tie.
    wins = (np.sign(first[:, :, None] - second[:, None, :]) + 1) / 2
    point = float(wins.mean())
    if first.shape[1] == 1 or second.shape[1] == 1:
        return Estimate(point)
    if bootstraps is None:
        bootstraps = (
            Bootstrap(len(first), first.shape[1], seed=1),
            Bootstrap(len(second), second.shape[1], seed=2),
        )
    mine, theirs = _fitting(bootstraps[0], first), _fitting(bootstraps[1], second)
    if mine.draws != theirs.draws:
        raise InvalidArgument(f"Two bootstraps of {mine.draws} and {theirs.draws} draws do not go together.")
    # Σ_ij counts_x[i]·wins[i, j]·counts_y[j] for every task and draw.
    won = np.zeros(mine.draws)
    for task in range(len(first)):
        won += np.einsum("jd,jd->d", wins[task].T @ mine.counts[task], theirs.counts[task])
    return mine.interval(point, won / wins.size)


def _fitting(bootstrap: Bootstrap | None, scores: Floats) -> Bootstrap:
    if bootstrap is None:
        return Bootstrap(*scores.shape)
    if (bootstrap.tasks, bootstrap.units) != scores.shape:
        raise InvalidArgument(
            f"A bootstrap of {bootstrap.tasks} tasks × {bootstrap.units} units does not fit scores {scores.shape}."
        )
    return bootstrap


def _pair(
    a: npt.ArrayLike, b: npt.ArrayLike, bootstrap: Bootstrap | None
) -> tuple[Floats, Floats, Bootstrap | None]:
    first, second = checked_scores(a), checked_scores(b)
    if first.shape != second.shape:
        raise InvalidArgument(f"Scores {first.shape} and {second.shape} are not of the same units.")
    return first, second, None if first.shape[1] == 1 else _fitting(bootstrap, first)
