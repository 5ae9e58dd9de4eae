"""The plots of the overview.

- `interval_chart`: one aggregate of every entry with its interval.
- `task_chart`: mean returns on one task.
- `profile_chart`: performance profiles.
- `scatter_chart`: standard against natural.

In each of them the reference policies are drawn as lines or markers of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..evaluation.published import PAPER
from ..evaluation.statistics import MAX_RETURN, Estimate
from .legend import shape_of, style_of
from .rows import Row
from .svg import Drawing, Scale

Beside = Callable[[Row | None], Sequence[Row]]
"""The reference rows that stand beside a row, or beside none."""
References = Sequence[tuple[Row, Estimate | None]]

TICKS = (0, 250, 500, 750, 1000)
MOST_ROWS = 12
"""Entries in a plot of an aggregate."""
MOST_BARS = 12
"""Entries in a plot of one task."""


def label_of(row: Row) -> str:
    """The name in plots, where a published entry or another pace may stand beside one of the same name."""
    if row.kind == "published":
        return f"{row.name} (paper)" if row.source.startswith(PAPER) else row.name
    pace = next(
        (remark for remark in row.remarks if row.kind == "reference" and row.privileged is None), None
    )
    return f"{row.name} ({pace})" if pace else row.name


def in_words(estimate: Estimate, digits: int = 0) -> str:
    """`412 (95 % interval 380 to 450)`.

    >>> in_words(Estimate(412.3, 380.1, 449.8))
    '412 (95 % interval 380 to 450)'
    """
    text = f"{estimate.point:.{digits}f}"
    if not estimate.has_interval:
        return text
    return f"{text} (95 % interval {estimate.low:.{digits}f} to {estimate.high:.{digits}f})"


def as_return(estimate: Estimate) -> Estimate:
    """A normalised estimate in returns, 0 to 1000."""
    return Estimate(*(value * MAX_RETURN for value in estimate))


@dataclass(frozen=True)
class Aggregate:
    """One of the four aggregates, for headings and plots."""

    name: str
    caption: str
    pick: Callable[[Row], Estimate | None]


AGGREGATES = (
    Aggregate("Interquartile mean", "higher is better", lambda row: _of(row, "iqm")),
    Aggregate("Median over tasks", "higher is better", lambda row: _of(row, "median")),
    Aggregate("Mean", "higher is better", lambda row: _of(row, "mean")),
    Aggregate("Optimality gap", "lower is better", lambda row: _of(row, "optimality_gap")),
)


def aggregates_of(rows: Sequence[Row]) -> tuple[Aggregate, ...]:
    """Those that a table of `rows` has: published means give no interquartile mean."""
    return AGGREGATES if any(AGGREGATES[0].pick(row) for row in rows) else AGGREGATES[1:]


def interval_chart(aggregate: Aggregate, rows: Sequence[Row], beside: Beside) -> Markup:
    """One aggregate of each entry as a bar of its interval with the point marked, the references beside it as lines."""
    drawn = [(row, estimate) for row in rows if (estimate := aggregate.pick(row)) is not None][:MOST_ROWS]
    width, step, top = 280.0, 36.0, 24.0
    height = top + step * max(len(drawn), 1) + 22
    drawing = Drawing(
        width, height, f"{aggregate.name} of {len(drawn)} entries, {aggregate.caption}", "intervals"
    )
    x = Scale(0, MAX_RETURN, 6, width - 10)
    _return_axis(drawing, x, top, height - 18)
    lines = [
        [(reference, aggregate.pick(reference)) for reference in beside(row)]
        for row in ([row for row, _ in drawn] if drawn else [None])
    ]
    _reference_key(drawing, lines)
    for k, (row, estimate) in enumerate(drawn):
        y = top + step * k
        _reference_ticks(drawing, x, lines[k], y + 17, y + step - 3)
        drawing.begin(
            f"{label_of(row)}: {in_words(estimate)}, over {row.units}", style_of(row), row.slug or ""
        )
        drawing.text(6, y + 13, label_of(row), "name", 29)
        drawing.text(width - 10, y + 13, f"{estimate.point:.0f}", "value end")
        if estimate.has_interval:
            drawing.rect(x(estimate.low), y + 20, max(x(estimate.high) - x(estimate.low), 1.5), 10, "band")
        drawing.marker(x(estimate.point), y + 25, shape_of(row), "mark")
        drawing.end()
    if not drawn:
        drawing.text(width / 2, top + 24, "no entry covers all tasks", "muted middle")
    return drawing.render()


def task_chart(task: str, rows: Sequence[Row], beside: Beside) -> Markup:
    """Mean returns on one task as bars with intervals, the references beside each as vertical lines.

    Drawn are the best `MOST_BARS` of those measured on the task, in the order of `rows`.
    """
    measured = [(row, row.tasks[task].mean) for row in rows if task in row.tasks]
    best = sorted(range(len(measured)), key=lambda number: -measured[number][1].point)[:MOST_BARS]
    drawn = [measured[number] for number in sorted(best)]
    width, step, top = 230.0, 30.0, 22.0
    height = top + step * max(len(drawn), 1) + 20
    drawing = Drawing(width, height, f"Mean return on {task}", "task")
    x = Scale(0, MAX_RETURN, 4, width - 6)
    _return_axis(drawing, x, top, height - 16, ticks=(0, 500, 1000))
    lines = [
        [(other, other.tasks[task].mean if task in other.tasks else None) for other in beside(row)]
        for row in ([row for row, _ in drawn] if drawn else [None])
    ]
    _reference_key(drawing, lines)
    for k, (row, mean) in enumerate(drawn):
        y = top + step * k
        drawing.begin(f"{label_of(row)} on {task}: {in_words(mean)}", style_of(row), row.slug or "")
        drawing.text(4, y + 12, label_of(row), "name", 24)
        drawing.text(width - 6, y + 12, f"{mean.point:.0f}", "value end")
        drawing.rect(x(0), y + 16, x(mean.point) - x(0), 9, "bar")
        if mean.has_interval:
            drawing.line(x(mean.low), y + 20.5, x(mean.high), y + 20.5, "whisker")
        drawing.end()
        _reference_ticks(drawing, x, lines[k], y + 14, y + 27)
    return drawing.render()


def profile_chart(rows: Sequence[Row]) -> Markup:
    """The share of runs that score above each return, one line per entry, bands for those that have a colour."""
    width, height = 440.0, 300.0
    drawing = Drawing(width, height, "Performance profiles: share of runs above each return", "profile")
    x, y = Scale(0, 1, 44, width - 12), Scale(0, 1, height - 40, 10)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        drawing.line(x(0), y(tick), x(1), y(tick), "grid")
        drawing.text(38, y(tick) + 4, f"{tick * 100:.0f} %", "tick end")
        drawing.text(x(tick), height - 24, f"{tick * MAX_RETURN:.0f}", "tick middle")
    drawing.text(x(0.5), height - 6, "return", "tick middle")
    with_profile = [(row, row.profile) for row in rows if row.profile is not None]
    # Muted ones first, so that those with a colour lie on top.
    for row, profile in sorted(
        with_profile, key=lambda pair: (pair[0].kind != "measured", pair[0].colour is not None)
    ):
        drawing.begin(label_of(row), style_of(row), row.slug or "")
        taus = profile.thresholds
        if row.colour is not None and profile.low[0] == profile.low[0]:
            upper = [(x(t), y(v)) for t, v in zip(taus, profile.high, strict=True)]
            lower = [(x(t), y(v)) for t, v in zip(taus, profile.low, strict=True)]
            drawing.path([*upper, *reversed(lower)], "band", closed=True)
        drawing.path([(x(t), y(v)) for t, v in zip(taus, profile.share, strict=True)], "curve")
        drawing.end()
    return drawing.render()


@dataclass(frozen=True)
class Pair:
    """An entry under two conditions: returns on `standard` and on natural videos."""

    row: Row
    standard: Estimate
    natural: Estimate


def scatter_chart(pairs: Sequence[Pair], across: str) -> Markup:
    """Standard against natural: on the diagonal nothing is lost to the videos."""
    size = 440.0
    drawing = Drawing(size, size, f"Return on standard against return on natural, {across}", "scatter")
    x, y = Scale(0, MAX_RETURN, 48, size - 14), Scale(0, MAX_RETURN, size - 44, 12)
    for tick in TICKS:
        drawing.line(x(0), y(tick), x(MAX_RETURN), y(tick), "grid")
        drawing.line(x(tick), y(0), x(tick), y(MAX_RETURN), "grid")
        drawing.text(42, y(tick) + 4, str(tick), "tick end")
        drawing.text(x(tick), size - 28, str(tick), "tick middle")
    drawing.line(x(0), y(0), x(MAX_RETURN), y(MAX_RETURN), "diagonal")
    drawing.text(x(500), size - 8, f"standard, {across}", "tick middle")
    drawing.text(x(0) + 6, y(MAX_RETURN) + 14, f"natural, {across}", "tick")
    marks = [(x(pair.standard.point), y(pair.natural.point)) for pair in pairs]
    taken: list[tuple[float, float, float, float]] = []
    for pair in sorted(pairs, key=lambda p: (p.row.colour is None, p.row.name)):
        here = x(pair.standard.point), y(pair.natural.point)
        row = pair.row
        drawing.begin(
            f"{label_of(row)}: standard {in_words(pair.standard)}, natural {in_words(pair.natural)}",
            style_of(row),
            row.slug or "",
        )
        if pair.standard.has_interval:
            drawing.line(x(pair.standard.low), here[1], x(pair.standard.high), here[1], "whisker")
        if pair.natural.has_interval:
            drawing.line(here[0], y(pair.natural.low), here[0], y(pair.natural.high), "whisker")
        drawing.marker(*here, shape_of(row), "mark")
        if row.colour is not None or row.kind != "measured":
            _label(drawing, here, label_of(row), size, marks, taken)
        drawing.end()
    return drawing.render()


def _label(
    drawing: Drawing,
    here: tuple[float, float],
    name: str,
    size: float,
    marks: Sequence[tuple[float, float]],
    taken: list[tuple[float, float, float, float]],
) -> None:
    """A name beside, above or below its mark, wherever it covers nothing; none if there is no such place.

    Colours and tooltips tell the rest.
    """
    limit = 26
    length = 6.9 * min(len(name), limit)
    for right, shift in ((True, 4), (False, 4), (True, 19), (False, 19), (True, -11), (False, -11)):
        left = here[0] + 10 if right else here[0] - 10 - length
        box = left - 5, here[1] + shift - 11, left + length + 5, here[1] + shift + 3
        inside = box[0] > 48 and box[2] < size
        free = all(not _overlap(box, other) for other in taken)
        clear = all(
            mark == here or not _overlap(box, (mark[0] - 6, mark[1] - 6, mark[0] + 6, mark[1] + 6))
            for mark in marks
        )
        if inside and free and clear:
            taken.append(box)
            drawing.text(
                here[0] + (10 if right else -10),
                here[1] + shift,
                name,
                "name" if right else "name end",
                limit,
            )
            return


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _of(row: Row, field: str) -> Estimate | None:
    if row.summary is None:
        return None
    estimate: Estimate = getattr(row.summary, field)
    return as_return(estimate) if estimate.point == estimate.point else None


def _return_axis(
    drawing: Drawing, x: Scale, top: float, bottom: float, ticks: Sequence[float] = TICKS
) -> None:
    for tick in ticks:
        drawing.line(x(tick), top, x(tick), bottom, "grid")
        kind = "tick" if tick == ticks[0] else "tick end" if tick == ticks[-1] else "tick middle"
        drawing.text(x(tick), bottom + 15, f"{tick:.0f}", kind)


def _reference_key(drawing: Drawing, beside: Sequence[References]) -> None:
    """Names of the references, each after a piece of its line; with the value where it is the same for all rows."""
    x = 4.0
    values: dict[str, dict[str, tuple[Row, Estimate]]] = {}
    for references in beside:
        for row, estimate in references:
            if estimate is not None:
                values.setdefault(row.name, {})[label_of(row)] = row, estimate
    for name, paces in values.items():
        row, estimate = next(iter(paces.values()))
        if len(paces) == 1:
            text, title = f"{name} {estimate.point:.0f}", f"{name}: {in_words(estimate)}"
        else:
            text, title = name, f"{name}, beside each entry at its action repeat"
        drawing.begin(title, style_of(row))
        drawing.line(x, 8, x + 12, 8, "reference")
        drawing.text(x + 15, 12, text, "reflabel")
        drawing.end()
        x += 22 + 6.1 * len(text)


def _reference_ticks(drawing: Drawing, x: Scale, references: References, top: float, bottom: float) -> None:
    """The references within one row of a plot, so that no line runs through a name."""
    for row, estimate in references:
        if estimate is not None:
            drawing.begin(f"{label_of(row)}: {in_words(estimate)}", style_of(row))
            drawing.line(x(estimate.point), top, x(estimate.point), bottom, "reference")
            drawing.end()
