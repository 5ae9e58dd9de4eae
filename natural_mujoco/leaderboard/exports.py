"""The leaderboard for spreadsheets and papers: the same numbers as the site.

- `csv_table`: a line for each number, in full.
- `latex_tables`: the tabs of one condition for `booktabs`, tasks down, entries across.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO

from ..errors import InvalidArgument, unknown
from ..evaluation.conditions import TASK_NAMES
from ..evaluation.statistics import Estimate
from .board import Board, Tab
from .overview_charts import AGGREGATES
from .rows import Row

COLUMNS = (
    "condition", "video_set", "manifest_hash", "entry", "kind", "rank", "privileged", "measured_over", "training_steps",
    "core_hours", "task", "statistic", "value", "low", "high", "share_of_expert", "remarks", "source",
)  # fmt: skip
"""Of `csv_table`. `task` is empty for aggregates over all tasks, `low` and `high` where there is no interval.
`training_steps` are those of the task's longest run, or of the entry's."""
_STEPS = COLUMNS.index("training_steps")

# `[` and `*` after the end of a row would be read as its arguments.
_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{",
        "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", "[": "{[}", "]": "{]}", "*": "{*}", '"': "''",
    }
)  # fmt: skip


def csv_table(board: Board, condition: str | None = None) -> str:
    """All tabs (of one condition, if given), a line for each number.

    An apostrophe stands before text that a spreadsheet would run as a formula.
    """
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for tab in board.tabs:
        if condition is None or tab.condition == condition:
            for row in tab.rows:
                writer.writerows([*map(_no_formula, line)] for line in _lines(tab, row))
    return out.getvalue()


def _lines(tab: Tab, row: Row) -> Iterator[list[str]]:
    videos = tab.video_set
    hours = row.efficiency.run_core_hours if row.efficiency else None
    before = [
        tab.condition,
        videos.name if videos else "",
        videos.manifest_hash if videos else "",
        row.name,
        row.kind,
        str(row.rank or ""),
        row.privileged or "",
        row.units,
        _steps(row.training_steps),
        _number(hours),
    ]
    after = ["; ".join(row.remarks), row.source]
    for aggregate in AGGREGATES:
        estimate = aggregate.pick(row)
        if estimate is not None:
            yield [*before, "", aggregate.name.lower(), *map(_number, estimate), "", *after]
    for task in TASK_NAMES:
        if task in row.tasks:
            numbers = map(_number, row.tasks[task].mean)
            before[_STEPS] = _steps(row.steps_on.get(task, row.training_steps))
            yield [*before, task, "mean", *numbers, _number(row.shares.get(task)), *after]


def _steps(steps: int | None) -> str:
    return "" if steps is None else str(steps)


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.10g}"


def _no_formula(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text


def latex_tables(board: Board, condition: str = "natural-test", entries: Sequence[str] = ()) -> str:
    """Each tab of `condition` as a table: means and interquartile means, 95 % intervals in small print.

    `entries` are the names of the columns beside the references, in their order; by default all that were measured.
    Raises `InvalidArgument` where no entry, or not one of these, was measured under `condition`.
    """
    tabs = [tab for tab in board.tabs if tab.condition == condition and tab.others]
    if not tabs:
        raise InvalidArgument(
            f"No entry was measured under {condition}: leave --condition out, or give results."
        )
    measured = dict.fromkeys(row.name for tab in tabs for row in tab.others)
    for name in entries:
        if name not in measured:
            raise unknown("entry", name, measured)
    chosen = [[row for name in entries or measured for row in tab.others if row.name == name] for tab in tabs]
    return "\n".join(_latex_table(tab, rows) for tab, rows in zip(tabs, chosen, strict=True) if rows)


def _latex_table(tab: Tab, chosen: Sequence[Row]) -> str:
    rows = [*chosen, *tab.references]
    columns = "l" + "r" * len(chosen) + "@{\\qquad}" + "r" * len(tab.references)
    marks: dict[str, str] = {}
    for row in rows:
        for remark in row.remarks:
            marks.setdefault(remark, _letter(len(marks)))
    heads = [_escaped(row.name) + _marked(marks[remark] for remark in row.remarks) for row in rows]
    lines = [
        f"% {tab.title}: {tab.videos}. Needs \\usepackage{{booktabs}}. In brackets: 95 % intervals over",
        *(f"%   {row.name}: {row.units}" for row in rows),
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        _latex_line(["", *heads]),
        r"\midrule",
    ]
    for task in TASK_NAMES:
        means = [row.tasks[task].mean if task in row.tasks else None for row in rows]
        if any(means):
            lines.append(_latex_line([_escaped(task), *map(_cell, means)]))
    aggregates = [AGGREGATES[0].pick(row) for row in rows]
    if any(aggregates):
        lines += [r"\midrule", _latex_line(["interquartile mean", *map(_cell, aggregates)])]
    lines.append(r"\bottomrule")
    for remark, letter in marks.items():
        note = rf"{{\footnotesize{_marked([letter])} {_escaped(remark)}}}"
        lines.append(rf"\multicolumn{{{len(rows) + 1}}}{{l}}{note} \\")
    return "\n".join([*lines, r"\end{tabular}", ""])


def _letter(number: int) -> str:
    """a, b, …, z, aa, ab, …"""
    return (_letter(number // 26 - 1) if number > 25 else "") + chr(ord("a") + number % 26)


def _marked(letters: Iterable[str]) -> str:
    raised = ",".join(letters)
    return rf"\textsuperscript{{{raised}}}" if raised else ""


def _latex_line(cells: Iterable[str]) -> str:
    return " & ".join(cells) + r" \\"


def _cell(estimate: Estimate | None) -> str:
    if estimate is None:
        return "--"
    if not estimate.has_interval:
        return f"{estimate.point:.0f}"
    return rf"{estimate.point:.0f} {{\scriptsize [{estimate.low:.0f}, {estimate.high:.0f}]}}"


def _escaped(text: str) -> str:
    return text.translate(_SPECIAL)
