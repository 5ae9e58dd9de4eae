"""The leaderboard as text and as Markdown: the same tabs and numbers as the site.

- `text_tables`, `markdown_tables`.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import StringIO

import rich.box
import rich.console
import rich.table
from rich.text import Text

from ..evaluation.conditions import TASK_NAMES
from ..evaluation.statistics import Estimate
from .board import Board, Tab
from .overview_charts import aggregates_of
from .rows import Row


def text_tables(board: Board, condition: str | None = None) -> str:
    """The tabs (of one condition, if given) as plain tables: the aggregates of each entry, then its tasks' means."""
    out = StringIO()
    console = rich.console.Console(file=out, width=10_000, no_color=True, highlight=False)
    for tab in _chosen(board, condition):
        console.print(Text(f"{tab.title}: {tab.videos}"))
        heads, rows = _cells(tab)
        first = len(heads) - len(TASK_NAMES)
        _print(console, heads[:first], [row[:first] for row in rows])
        # Intervals of single tasks are in Markdown and on the site: with them no terminal is wide enough.
        means = [[row[1], *(cell.split(" ")[0] for cell in row[first:])] for row in rows]
        _print(console, ["entry", *(_two_lines(task) for task in TASK_NAMES)], means)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _print(console: rich.console.Console, heads: list[str], rows: list[list[str]]) -> None:
    table = rich.table.Table(box=rich.box.SIMPLE_HEAD, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="left" if head in ("entry", "units") else "right", max_width=60)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _two_lines(task: str) -> str:
    name, _, rest = task.rpartition("-")
    return f"{name}\n{rest}"


def markdown_tables(board: Board, condition: str | None = None) -> str:
    """The tabs (of one condition, if given) as Markdown tables."""
    parts = []
    for tab in _chosen(board, condition):
        heads, rows = _cells(tab)
        parts.append(f"## {_escaped(tab.title)}: {_escaped(tab.videos)}\n")
        parts.append("| " + " | ".join(map(_escaped, heads)) + " |")
        parts.append("|" + "|".join(" --- " if k in (1, 2) else " ---: " for k in range(len(heads))) + "|")
        parts += ["| " + " | ".join(map(_escaped, row)) + " |" for row in rows]
        parts.append("")
    return "\n".join(parts)


def _chosen(board: Board, condition: str | None) -> Iterator[Tab]:
    for tab in board.tabs:
        if condition is None or tab.condition == condition:
            yield tab


def _cells(tab: Tab) -> tuple[list[str], list[list[str]]]:
    aggregates = aggregates_of(tab.others)
    names = {
        "Interquartile mean": "IQM",
        "Median over tasks": "median",
        "Mean": "mean",
        "Optimality gap": "gap",
    }
    heads = ["rank", "entry", "units", *(names[a.name] for a in aggregates), *TASK_NAMES]
    rows = []
    for row in tab.rows:
        rows.append(
            [
                str(row.rank or ""),
                _name(row),
                row.units.replace(", spread unpublished", ""),
                *(_number(a.pick(row)) for a in aggregates),
                *(_task(row, task) for task in TASK_NAMES),
            ]
        )
    return heads, rows


def _name(row: Row) -> str:
    kind = {"measured": "", "published": f" [published: {row.source}]", "reference": f" [{row.badge}]"}[
        row.kind
    ]
    remarks = f" ({', '.join(row.remarks)})" if row.remarks else ""
    return f"{row.name}{kind}{remarks}"


def _number(estimate: Estimate | None) -> str:
    if estimate is None:
        return "–"
    interval = f" [{estimate.low:.0f}, {estimate.high:.0f}]" if estimate.has_interval else ""
    return f"{estimate.point:.0f}{interval}"


def _task(row: Row, task: str) -> str:
    if task not in row.tasks:
        return "–"
    mean = row.tasks[task].mean
    return f"{mean.point:.1f}" if row.kind == "published" else _number(mean)


def _escaped(text: str) -> str:
    """Text that stays text in Markdown: no links, tags or table cells come out of an entry's name."""
    return "".join(f"\\{c}" if c in "\\`*_{}[]<>()#+!|~&" else c for c in text)
