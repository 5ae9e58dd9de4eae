"""Return against difficulty: how much of the video there is, and how many training videos there were.

- `strength_band`: an entry's returns from the standard background (0) to the whole video (1).
- `video_bands`: returns of a series of entries that differ in the number of their training videos.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..evaluation.conditions import TASK_NAMES, Condition, place_of, strength_of
from ..evaluation.scores import EntryScores
from ..evaluation.statistics import MAX_RETURN, Estimate, aggregates, task_estimates
from .learning import Band, fitting_bootstrap
from .rows import MeasuredEntry

WHOLE: Condition = "natural-test"


def strengths(scores: EntryScores) -> dict[float, Condition]:
    """The conditions that stand for strengths of the test videos, 0 first; empty without one in between."""
    found = sorted((c for c in scores.returns if not c.startswith("natural-train")), key=place_of)
    return {strength_of(c): c for c in found} if any("@" in c for c in found) else {}


def strength_band(scores: EntryScores, tasks: Sequence[str]) -> Band | None:
    """Returns over `tasks` (one: its mean; several: interquartile means) by strength; `None` with fewer than two."""
    points = {s: e for s, c in strengths(scores).items() if (e := estimate(scores, c, tasks)) is not None}
    return _band(points) if len(points) > 1 else None


def series(entries: Sequence[MeasuredEntry]) -> dict[str, list[MeasuredEntry]]:
    """Entries by the series that they say they belong to, where that has at least two."""
    found: dict[str, list[MeasuredEntry]] = {}
    for entry in entries:
        if entry.results.entry.series is not None:
            found.setdefault(entry.results.entry.series, []).append(entry)
    return {name: members for name, members in found.items() if len(members) > 1}


def video_bands(members: Sequence[MeasuredEntry], available: int, tasks: Sequence[str]) -> Band | None:
    """Returns over `tasks` on test videos by the number of training videos, `available` where that is all of them."""
    points = {}
    for member in members:
        counts = {run.num_videos or available for run in member.results.runs}
        value = estimate(member.scores, WHOLE, tasks)
        if len(counts) == 1 and value is not None:
            points[float(counts.pop())] = value
    return _band(points) if len(points) > 1 else None


def estimate(scores: EntryScores, condition: Condition, tasks: Sequence[str]) -> Estimate | None:
    """The mean on one task, or the interquartile mean over several, as a return; `None` where one was not measured."""
    matrix = scores.matrix(condition, tasks=tasks)
    if matrix is None:
        return None
    if len(tasks) == 1:
        return task_estimates([matrix[0][0] * MAX_RETURN])[0].mean
    iqm = aggregates(matrix[0], fitting_bootstrap(*matrix[0].shape)).iqm
    return Estimate(*(value * MAX_RETURN for value in iqm))


def tasks_of(members: Sequence[MeasuredEntry], conditions: Sequence[Condition]) -> tuple[str, ...]:
    """The tasks on which all `members` were measured under some of `conditions`."""
    each = [{t for c in conditions for t in member.scores.returns.get(c, ())} for member in members]
    common = set.intersection(*each) if each else set()
    return tuple(task for task in TASK_NAMES if task in common)


def _band(points: Mapping[float, Estimate]) -> Band:
    ordered = sorted(points.items())
    x = np.array([place for place, _ in ordered])
    return Band(x, *(np.array([value[k] for _, value in ordered]) for k in range(3)))
