"""The headline of the leaderboard: who leads in front of unseen video, by how much, how far from expert, at what cost.

- `headline`: a sentence about the ranking, and the leader on each task.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..evaluation.conditions import TASK_NAMES
from ..evaluation.statistics import MAX_RETURN, Estimate
from .board import Board, Tab
from .entry_charts import short_steps
from .overview_charts import as_return, in_words
from .rows import Row


@dataclass(frozen=True)
class Standing:
    """An entry on a task."""

    task: str
    row: Row

    @property
    def mean(self) -> Estimate:
        """Its mean return."""
        return self.row.tasks[self.task].mean

    @property
    def share(self) -> float | None:
        """How far from random (0) to the expert (1)."""
        return self.row.shares.get(self.task)

    @property
    def seeds(self) -> str:
        """What the mean is over: `3 training seeds`, or `1 training seed, 10 episodes`."""
        return seeds_in_words(self.row, self.row.tasks[self.task].units)

    @property
    def cost(self) -> str:
        """The cost of a run on the task, in words."""
        return cost_in_words(self.row, self.task)


@dataclass(frozen=True)
class Line:
    """A task: the best entry, the one after it, and the best of those whose training was privileged."""

    task: str
    first: Standing | None
    second: Standing | None
    taught: Standing | None

    @property
    def ahead(self) -> float | None:
        """The lead of the first entry over the second; `None` if there is no second."""
        return self.first.mean.point - self.second.mean.point if self.first and self.second else None


def headline(board: Board) -> dict[str, Any] | None:
    """The headline above the tabs, about the first natural-test tab; `None` if no entry was measured on it."""
    tab = board.tabs[0]
    measured = [row for row in tab.others if row.kind == "measured"]
    if tab.condition != "natural-test" or not measured:
        return None
    lines = [_line(task, measured) for task in TASK_NAMES if any(task in row.tasks for row in measured)]
    return {
        "videos": tab.videos,
        "sentence": _sentence(tab),
        "lines": lines,
        "taught": any(line.taught for line in lines),
        "open": [task for task in TASK_NAMES if task not in {line.task for line in lines}],
    }


def _line(task: str, rows: Sequence[Row]) -> Line:
    there = sorted((row for row in rows if task in row.tasks), key=lambda row: -row.tasks[task].mean.point)
    fair = [Standing(task, row) for row in there if row.competes]
    taught = [Standing(task, row) for row in there if row.privileged]
    first, second, best_taught = (*fair, None, None)[0], (*fair, None, None)[1], (*taught, None)[0]
    return Line(task, first, second, best_taught)


def seeds_in_words(row: Row, units: int = 0) -> str:
    """What `units` of an entry are, seeds first; by default all of them."""
    units = units or row.count
    if "seed" in row.units:
        return f"{units} training seed{'s' * (units > 1)}"
    return f"1 training seed, {units} episode{'s' * (units > 1)}"


def cost_in_words(row: Row, task: str | None = None) -> str:
    """The cost of an entry's run, on `task` or any task: control steps, and core-hours if they are known."""
    steps = row.training_steps if task is None else row.steps_on.get(task, row.training_steps)
    least = f"{short_steps(min(row.steps_on.values()))} to " if task is None and row.steps_differ else ""
    parts = [] if steps is None else [f"{least}{short_steps(steps)} steps"]
    # Where runs are of different lengths, the middle of their hours says little about one task.
    told = task is None or not row.steps_differ
    if told and row.efficiency and row.efficiency.run_core_hours is not None:
        middle = " in the middle" if row.steps_differ else ""
        parts.append(f"{row.efficiency.run_core_hours:.2g} core-hours{middle}")
    return ", ".join(parts) or "unstated"


def _sentence(tab: Tab) -> str:
    ranked = [row for row in tab.others if row.rank]
    if not ranked:
        none = "No entry from pixels alone covers all tasks yet, so none is ranked."
        taught = next((row for row in tab.others if row.privileged and row.summary), None)
        if taught is None:
            return none
        return f"{none} {taught.name}, privileged ({taught.privileged}), covers them: {_overall(taught)}."
    first = ranked[0]
    ahead = ""
    if len(ranked) > 1 and first.summary is not None and ranked[1].summary is not None:
        by = (first.summary.iqm.point - ranked[1].summary.iqm.point) * MAX_RETURN
        ahead = f", {by:.0f} ahead of {ranked[1].name}"
    return f"{first.name} leads in front of unseen video{ahead}: {_overall(first)}."


def _overall(row: Row) -> str:
    """An entry on all tasks: how good, how far from the expert, from how many seeds, at what cost."""
    assert row.summary is not None
    words = f"interquartile mean return {in_words(as_return(row.summary.iqm))}"
    if row.share is not None:
        words += f"; {row.share * 100:.0f} % of the way from random to the expert"
    return f"{words}; {seeds_in_words(row)}; a run cost {cost_in_words(row)}"
