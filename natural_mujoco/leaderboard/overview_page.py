"""What index.html shows: every tab's legend, plots and table, as the template wants them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from ..evaluation.conditions import TASK_NAMES
from ..evaluation.elsewhere import ELSEWHERE, UNCHECKED, elsewhere_entries
from ..evaluation.published import INCONSISTENCIES, PAPER, PAPER_LINK
from .board import Board, Tab
from .headline import headline, seeds_in_words
from .legend import legend_of
from .overview_charts import (
    AGGREGATES,
    MOST_BARS,
    MOST_ROWS,
    Pair,
    aggregates_of,
    as_return,
    interval_chart,
    profile_chart,
    scatter_chart,
    task_chart,
)
from .rows import Row

_EXPLANATIONS = {
    "natural-test": "Background and floor are videos that share no source with those of training. "
    "This is the condition that counts.",
    "natural-train": "Background and floor are the videos that agents may have trained on. What is better here than "
    "on test videos was learned from the videos, not about the task.",
    "standard": "As dm_control draws it, without videos. Published entries are means without intervals and take no "
    "rank.",
    "natural (as published)": "The paper's natural results, on videos that it does not name, in a split that it does "
    "not state. They can be compared with each other and with nothing else on this page.",
}
_INTERVALS_NOTE = (
    "Bars are 95 % stratified bootstrap intervals over what each entry repeats: training seeds where it has several, "
    "else episodes, which say nothing about training again."
)
_MEANS_NOTE = (
    "Published means over three training seeds; the paper gives nothing from which an interval could be had."
)


def overview_page(board: Board) -> dict[str, Any]:
    """What index.html shows."""
    published = any(row.kind == "published" for tab in board.tabs for row in tab.rows)
    return {
        "headline": headline(board),
        "views": [_tab(board, tab) for tab in board.tabs],
        "tasks": TASK_NAMES,
        "inconsistencies": INCONSISTENCIES if published else (),
        "sources": list(dict.fromkeys(entry.source for entry in elsewhere_entries())) if published else [],
        "unchecked": UNCHECKED,
        "paper": PAPER,
        "paper_link": PAPER_LINK,
    }


def _tab(board: Board, tab: Tab) -> dict[str, Any]:
    complete = sum(row.summary is not None for row in tab.others)
    drawn = [row for row in tab.others if row.summary is not None]
    ranked = any(row.rank for row in tab.rows)
    aggregates = aggregates_of(tab.others)
    has_iqm = aggregates == AGGREGATES
    more = (
        f" The best {MOST_ROWS} of {complete} are drawn; the table has all." if complete > MOST_ROWS else ""
    )
    panels = sorted(tab.others or tab.references, key=lambda row: row.kind == "published")
    tasks = [task for task in TASK_NAMES if any(task in row.tasks for row in panels)]
    return {
        "key": tab.key,
        "title": tab.title,
        "videos": tab.videos,
        "explanation": (
            ELSEWHERE[tab.condition].words if tab.condition in ELSEWHERE else _EXPLANATIONS[tab.condition]
        )
        + ("" if tab.others else " No entry was measured on it yet."),
        "ranked": ranked,
        "has_iqm": has_iqm,
        "has_published": any(row.kind == "published" for row in tab.rows),
        "has_video_gap": any(row.video_gap for row in tab.rows),
        "has_robustness": any(row.robustness for row in tab.rows),
        "has_share": any(row.shares for row in tab.others),
        "has_cost": any(row.efficiency for row in tab.rows),
        "legend": legend_of((*(row for row in tab.rows if row.colour is not None), *tab.beside(None))),
        "intervals": [
            {"name": a.name, "caption": a.caption, "plot": interval_chart(a, drawn, tab.beside)}
            for a in aggregates
            if drawn
        ],
        "intervals_note": (_INTERVALS_NOTE if has_iqm else _MEANS_NOTE) + more,
        "rows": [_table_row(row, board) for row in tab.rows],
        "aggregated": tab.condition not in ELSEWHERE,
        "table_note": _table_note(tab),
        "task_plots": [{"name": task, "plot": task_chart(task, panels, tab.beside)} for task in tasks],
        "tasks_note": _tasks_note(panels)
        + (
            f" The best {MOST_BARS} on a task are drawn; the table has all."
            if any(sum(task in row.tasks for row in panels) > MOST_BARS for task in tasks)
            else ""
        ),
        "profile": profile_chart(tab.rows) if has_iqm else None,
        "scatter": _scatter(board, tab),
    }


def _tasks_note(panels: Sequence[Row]) -> str:
    intervals = any(task.mean.has_interval for row in panels for task in row.tasks.values())
    bars = (
        "Bars are means, lines across their ends Student's 95 % intervals" if intervals else "Bars are means"
    )
    return f"{bars}; dashed zero, dotted random, dash-dotted expert, each at the entry's action repeat."


def _table_row(row: Row, board: Board) -> dict[str, Any]:
    picked = [aggregate.pick(row) for aggregate in AGGREGATES]
    entry = next((e for e in (*board.entries, *board.references) if e.slug == row.slug), None)
    authors = entry.results.entry.authors if entry else ()
    words = (row.name, *authors, row.source, row.units, *row.remarks, row.kind)
    return {
        **{name: getattr(row, name) for name in ("name", "kind", "badge", "tasks", "rank", "slug", "source")},
        "units": seeds_in_words(row) if row.kind == "measured" else row.units,
        "remarks": (
            *row.remarks,
            *(() if row.summary else (f"{len(row.tasks)} of {len(TASK_NAMES)} tasks",)),
        ),
        "training_steps": row.training_steps,
        "steps_differ": row.steps_differ,
        "iqm": picked[0],
        "median": picked[1],
        "mean": picked[2],
        "gap": picked[3],
        "video_gap": as_return(row.video_gap) if row.video_gap else None,
        "robustness": row.robustness,
        "share": row.share,
        "efficiency": row.efficiency,
        "page": f"{row.slug}.html" if entry else None,
        "search": " ".join(words).lower(),
    }


def _table_note(tab: Tab) -> str:
    note = "Click a heading to sort."
    if any(row.rank for row in tab.rows):
        note += " Ranks are by interquartile mean; entries whose intervals overlap are not told apart by it."
    if any(row.video_gap for row in tab.rows):
        note += " Video gap: interquartile mean on training minus on test videos."
    if any(row.shares for row in tab.others):
        note += " To expert: how far from random (0) to the expert (1), the mean over the entry's tasks."
    if any(row.efficiency for row in tab.rows):
        note += (
            " Half-way: control steps and core-hours until a run is half-way from random to expert, the median over "
            "tasks. Core-hours: of a run from beginning to end."
        )
    return note


def _scatter(board: Board, tab: Tab) -> Markup | None:
    if tab.condition == "natural-test":
        pairs = []
        for entry in board.entries:
            other = board.tab_of("standard", entry)
            own = next((row for row in tab.rows if row.slug == entry.slug), None)
            if own is None or other is None:
                continue
            standard = next(row for row in other.rows if row.slug == entry.slug)
            if own.summary and standard.summary:
                pairs.append(Pair(own, as_return(standard.summary.iqm), as_return(own.summary.iqm)))
        if not pairs:
            return None
        for row in tab.references:
            if row.summary:
                pairs.append(Pair(row, as_return(row.summary.iqm), as_return(row.summary.iqm)))
        return scatter_chart(pairs, "interquartile mean")
    if tab.condition == "natural (as published)":
        means = {
            row.name: as_return(row.summary.mean)
            for other in board.tabs
            if other.condition == "standard"
            for row in other.rows
            if row.kind == "published" and row.summary
        }
        pairs = [
            Pair(row, means[row.name], as_return(row.summary.mean))
            for row in tab.rows
            if row.summary and row.kind == "published" and row.name in means
        ]
        pairs += [
            Pair(row, as_return(row.summary.mean), as_return(row.summary.mean))
            for row in tab.references
            if row.summary
        ]
        return scatter_chart(pairs, "mean over tasks")
    return None
