"""What a stranger should see first: who leads in front of unseen video, by how much, how far from expert, the cost.

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
from .rows import Row


@dataclass(frozen=True)
class Leader:
    """The best entry on a task, and the one after it."""

    task: str
    row: Row
    second: Row | None

    @property
    def mean(self) -> Estimate:
        return self.row.tasks[self.task].mean

    @property
    def ahead(self) -> float | None:
        """By how much it leads; `None` where it is alone."""
        return None if self.second is None else self.mean.point - self.second.tasks[self.task].mean.point

    @property
    def share(self) -> float | None:
        """How far from random (0) to the expert (1)."""
        return self.row.shares.get(self.task)

    @property
    def seeds(self) -> str:
        """What the mean is over, in words."""
        return seeds_in_words(self.row)

    @property
    def cost(self) -> str:
        return cost_in_words(self.row)


def headline(board: Board) -> dict[str, Any] | None:
    """What stands above the tabs: of the first natural-test tab; `None` where no entry was measured on it."""
    tab = board.tabs[0]
    contenders = [row for row in tab.others if row.kind == "measured" and not row.privileged]
    if tab.condition != "natural-test" or not contenders:
        return None
    leaders = [leader for task in TASK_NAMES if (leader := _leader(task, contenders)) is not None]
    return {
        "videos": tab.videos,
        "sentence": _sentence(tab),
        "leaders": leaders,
        "open": [task for task in TASK_NAMES if task not in {leader.task for leader in leaders}],
    }


def seeds_in_words(row: Row) -> str:
    """`3 training seeds`, or `1 training seed, 10 episodes`."""
    return row.units if "seed" in row.units else f"1 training seed, {row.units}"


def cost_in_words(row: Row) -> str:
    """What a run of an entry cost: control steps, and core-hours where they are known."""
    parts = [] if row.training_steps is None else [f"{short_steps(row.training_steps)} steps"]
    if row.efficiency and row.efficiency.run_core_hours is not None:
        parts.append(f"{row.efficiency.run_core_hours:.2g} core-hours")
    return ", ".join(parts) or "unstated"


def _leader(task: str, rows: Sequence[Row]) -> Leader | None:
    there = sorted((row for row in rows if task in row.tasks), key=lambda row: -row.tasks[task].mean.point)
    return Leader(task, there[0], there[1] if len(there) > 1 else None) if there else None


def _sentence(tab: Tab) -> str:
    ranked = [row for row in tab.others if row.rank]
    if not ranked:
        return "No entry covers all ten tasks yet, so that none is ranked; on each task leads:"
    first = ranked[0]
    assert first.summary is not None
    iqm = Estimate(*(value * MAX_RETURN for value in first.summary.iqm))
    words = f"{first.name} leads in front of unseen video: interquartile mean return {iqm.point:.0f}"
    if iqm.has_interval:
        words += f" (95 % interval {iqm.low:.0f} to {iqm.high:.0f})"
    if len(ranked) > 1 and ranked[1].summary is not None:
        ahead = iqm.point - ranked[1].summary.iqm.point * MAX_RETURN
        words += f", {ahead:.0f} ahead of {ranked[1].name}"
    if first.share is not None:
        words += f"; {first.share * 100:.0f} % of the way from random to the expert"
    return f"{words}; {seeds_in_words(first)}; a run cost {cost_in_words(first)}."
