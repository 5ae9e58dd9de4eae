"""What cost.html shows: learning curves across entries, against control steps and against core-hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.conditions import TASK_NAMES
from .board import Board, Tab
from .entry_charts import short_steps
from .learning import AXES, Axis, Band, Learner, Reached, shared_tasks
from .legend import REFERENCE_LINES, legend_of, shape_of, style_of
from .lines_chart import Frame, Line, lines_chart, reference_lines
from .rows import Row

Drawn = Sequence[tuple[Row, Learner]]


def learning_page(board: Board) -> dict[str, Any]:
    """A view for each tab in which some entry has learning curves."""
    return {"views": [view for tab in board.tabs if (view := _view(board, tab)) is not None]}


def _view(board: Board, tab: Tab) -> dict[str, Any] | None:
    results = {entry.slug: entry.results for entry in board.entries}
    drawn = [
        (row, learner)
        for row in tab.others
        if row.slug in results and (learner := Learner(results[row.slug], tab.condition)).curves
    ]
    if not drawn:
        return None
    tasks = [task for task in TASK_NAMES if any(task in learner.curves for _, learner in drawn)]
    axes = [axis for axis in AXES if any(learner.has(axis) for _, learner in drawn)]
    shared = shared_tasks([learner for _, learner in drawn])
    lines = {axis: _lines_over(drawn, shared, axis) for axis in axes}
    return {
        "key": tab.key,
        "title": tab.title,
        "videos": tab.videos,
        "legend": [*legend_of(row for row, _ in drawn), *REFERENCE_LINES],
        "over": [
            {"axis": axis, "plot": _chart(_over(shared), axis, lines[axis], _references(drawn, shared), True)}
            for axis in axes
        ],
        "over_note": _over_note(drawn, shared, lines["control steps"]),
        "by_task": [
            {
                "axis": axis,
                "plots": [
                    _chart(task, axis, _lines_on(drawn, task, axis), _references(drawn, [task])) for task in tasks
                ],
            }
            for axis in axes
        ],
        "tasks": tasks,
        "rows": [_table_row(row, learner, tasks) for row, learner in drawn],
    }  # fmt: skip


def _over(tasks: Sequence[str]) -> str:
    if len(tasks) == len(TASK_NAMES):
        return "Interquartile mean over all tasks"
    return f"Interquartile mean over {len(tasks)} tasks" if len(tasks) > 1 else tasks[0]


def _over_note(drawn: Drawn, tasks: Sequence[str], lines: Sequence[Line]) -> str:
    note = (
        "Bands are 95 % bootstrap intervals over training seeds; an entry with one seed has none. What counts here is "
        "a run's mean on a task, of the lines as well; with one training seed the first page counts episodes."
    )
    if len(tasks) < len(TASK_NAMES):
        note += f" No entry has curves on all tasks: drawn are those that have {', '.join(tasks)}."
    missing = len(drawn) - len(lines)
    return note + (f" {missing} of {len(drawn)} entries lack some of these tasks." if missing else "")


def _lines_over(drawn: Drawn, tasks: Sequence[str], axis: Axis) -> list[Line]:
    return [
        _line(row, band, axis)
        for row, learner in drawn
        if (band := learner.iqm_band(tasks, axis)) is not None
    ]


def _lines_on(drawn: Drawn, task: str, axis: Axis) -> list[Line]:
    return [
        _line(row, band, axis)
        for row, learner in drawn
        if (band := learner.task_band(task, axis)) is not None
    ]


def _line(row: Row, band: Band, axis: Axis) -> Line:
    where = _quantity(float(band.x[-1]), axis)
    title = f"{row.name}: {band.point[-1]:.0f} at {where}, over {row.units}"
    return Line(row.name, row.slug or "", style_of(row), shape_of(row), band, title)


def _quantity(value: float, axis: Axis) -> str:
    return (
        f"{short_steps(round(value))} control steps" if axis == "control steps" else f"{value:.3g} core-hours"
    )


def _chart(
    title: str,
    axis: Axis,
    lines: Sequence[Line],
    references: Mapping[str, Sequence[float]],
    large: bool = False,
) -> Any:
    most = max((float(line.band.x[-1]) for line in lines), default=1.0) or 1.0
    words = short_steps(round(most)) if axis == "control steps" else f"{most:.3g}"
    return lines_chart(Frame(title, axis, most, [(0, "0"), (most, words)], large), lines, references)


def _references(drawn: Drawn, tasks: Sequence[str]) -> dict[str, list[float]]:
    return reference_lines(
        [learner.references for _, learner in drawn if set(tasks) & set(learner.curves)], tasks
    )


def _table_row(row: Row, learner: Learner, tasks: Sequence[str]) -> dict[str, Any]:
    efficiency = learner.efficiency()
    return {
        "name": row.name,
        "page": f"{row.slug}.html",
        "slug": row.slug or "",
        "seeds": learner.seeds,
        "efficiency": efficiency,
        "cells": [_cell(learner.reached(task)) for task in tasks],
    }


def _cell(reached: Reached | None) -> dict[str, Any]:
    if reached is None:
        return {"steps": None, "text": "–", "hours": ""}
    if reached.steps is None:
        return {"steps": None, "text": f"not in {short_steps(reached.most_steps)}", "hours": ""}
    hours = "" if reached.core_hours is None else f"{reached.core_hours:.2g} core-hours"
    return {"steps": reached.steps, "text": short_steps(round(reached.steps)), "hours": hours}
