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

from ..evaluation.statistics import MAX_RETURN, Estimate
from .rows import Row
from .svg import Canvas, Scale

TICKS = (0, 250, 500, 750, 1000)
MOST_ROWS = 12


def style_of(row: Row) -> str:
    """The class that gives a row its colour: its own, the muted one, the published one or a reference's."""
    if row.kind == "reference":
        return row.name
    if row.kind == "published":
        return "pub"
    return "cx" if row.colour is None else f"c{row.colour}"


def shape_of(row: Row) -> int:
    """The marker that goes with the colour; published entries have the diamond."""
    return 3 if row.kind == "published" else (row.colour or 0)


def label_of(row: Row) -> str:
    """The name in plots, where a published entry may stand beside a measured one of the same name."""
    return f"{row.name} (paper)" if row.kind == "published" else row.name


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


def interval_chart(aggregate: Aggregate, rows: Sequence[Row], references: Sequence[Row]) -> Markup:
    """One aggregate of each entry as a bar of its interval with the point marked; references as vertical lines."""
    drawn = [(row, estimate) for row in rows if (estimate := aggregate.pick(row)) is not None][:MOST_ROWS]
    width, step, top = 280.0, 36.0, 24.0
    height = top + step * max(len(drawn), 1) + 22
    canvas = Canvas(
        width, height, f"{aggregate.name} of {len(drawn)} entries, {aggregate.caption}", "intervals"
    )
    x = Scale(0, MAX_RETURN, 6, width - 10)
    _return_axis(canvas, x, top, height - 18)
    lines = [(reference, aggregate.pick(reference)) for reference in references]
    _reference_key(canvas, lines)
    for k, (row, estimate) in enumerate(drawn):
        y = top + step * k
        _reference_ticks(canvas, x, lines, y + 17, y + step - 3)
        canvas.begin(
            f"{label_of(row)}: {in_words(estimate)}, over {row.units}", style_of(row), row.slug or ""
        )
        canvas.text(6, y + 13, label_of(row), "name", 29)
        canvas.text(width - 10, y + 13, f"{estimate.point:.0f}", "value end")
        if estimate.has_interval:
            canvas.rect(x(estimate.low), y + 20, max(x(estimate.high) - x(estimate.low), 1.5), 10, "band")
        canvas.marker(x(estimate.point), y + 25, shape_of(row), "mark")
        canvas.end()
    if not drawn:
        canvas.text(width / 2, top + 24, "no entry covers all ten tasks", "muted middle")
    return canvas.render()


def task_chart(task: str, rows: Sequence[Row], references: Sequence[Row]) -> Markup:
    """Mean returns on one task as bars with intervals; references as vertical lines."""
    drawn = [(row, row.tasks[task].mean) for row in rows if task in row.tasks][:8]
    width, step, top = 230.0, 30.0, 22.0
    height = top + step * max(len(drawn), 1) + 20
    canvas = Canvas(width, height, f"Mean return on {task}", "task")
    x = Scale(0, MAX_RETURN, 4, width - 6)
    _return_axis(canvas, x, top, height - 16, ticks=(0, 500, 1000))
    lines = [(row, row.tasks[task].mean if task in row.tasks else None) for row in references]
    _reference_key(canvas, lines)
    for k, (row, mean) in enumerate(drawn):
        y = top + step * k
        canvas.begin(f"{label_of(row)} on {task}: {in_words(mean)}", style_of(row), row.slug or "")
        canvas.text(4, y + 12, label_of(row), "name", 24)
        canvas.text(width - 6, y + 12, f"{mean.point:.0f}", "value end")
        canvas.rect(x(0), y + 16, x(mean.point) - x(0), 9, "bar")
        if mean.has_interval:
            canvas.line(x(mean.low), y + 20.5, x(mean.high), y + 20.5, "whisker")
        canvas.end()
        _reference_ticks(canvas, x, lines, y + 14, y + 27)
    return canvas.render()


def profile_chart(rows: Sequence[Row]) -> Markup:
    """The share of runs that score above each return, one line per entry, bands for those that have a colour."""
    width, height = 440.0, 300.0
    canvas = Canvas(width, height, "Performance profiles: share of runs above each return", "profile")
    x, y = Scale(0, 1, 44, width - 12), Scale(0, 1, height - 40, 10)
    for tick in (0, 0.25, 0.5, 0.75, 1):
        canvas.line(x(0), y(tick), x(1), y(tick), "grid")
        canvas.text(38, y(tick) + 4, f"{tick * 100:.0f} %", "tick end")
        canvas.text(x(tick), height - 24, f"{tick * MAX_RETURN:.0f}", "tick middle")
    canvas.text(x(0.5), height - 6, "return", "tick middle")
    with_profile = [(row, row.profile) for row in rows if row.profile is not None]
    # Muted ones first, so that those with a colour lie on top.
    for row, profile in sorted(
        with_profile, key=lambda pair: (pair[0].kind != "measured", pair[0].colour is not None)
    ):
        canvas.begin(row.name, style_of(row), row.slug or "")
        taus = profile.thresholds
        if row.colour is not None and profile.low[0] == profile.low[0]:
            upper = [(x(t), y(v)) for t, v in zip(taus, profile.high, strict=True)]
            lower = [(x(t), y(v)) for t, v in zip(taus, profile.low, strict=True)]
            canvas.path([*upper, *reversed(lower)], "band", closed=True)
        canvas.path([(x(t), y(v)) for t, v in zip(taus, profile.share, strict=True)], "curve")
        canvas.end()
    return canvas.render()


@dataclass(frozen=True)
class Pair:
    """An entry under two conditions: returns on `standard` and on natural videos."""

    row: Row
    standard: Estimate
    natural: Estimate


def scatter_chart(pairs: Sequence[Pair], across: str) -> Markup:
    """Standard against natural: on the diagonal nothing is lost to the videos."""
    size = 440.0
    canvas = Canvas(size, size, f"Return on standard against return on natural, {across}", "scatter")
    x, y = Scale(0, MAX_RETURN, 48, size - 14), Scale(0, MAX_RETURN, size - 44, 12)
    for tick in TICKS:
        canvas.line(x(0), y(tick), x(MAX_RETURN), y(tick), "grid")
        canvas.line(x(tick), y(0), x(tick), y(MAX_RETURN), "grid")
        canvas.text(42, y(tick) + 4, str(tick), "tick end")
        canvas.text(x(tick), size - 28, str(tick), "tick middle")
    canvas.line(x(0), y(0), x(MAX_RETURN), y(MAX_RETURN), "diagonal")
    canvas.text(x(500), size - 8, f"standard, {across}", "tick middle")
    canvas.text(x(0) + 6, y(MAX_RETURN) + 14, f"natural, {across}", "tick")
    marks = [(x(pair.standard.point), y(pair.natural.point)) for pair in pairs]
    taken: list[tuple[float, float, float, float]] = []
    for pair in sorted(pairs, key=lambda p: (p.row.colour is None, p.row.name)):
        here = x(pair.standard.point), y(pair.natural.point)
        row = pair.row
        canvas.begin(
            f"{row.name}: standard {in_words(pair.standard)}, natural {in_words(pair.natural)}",
            style_of(row),
            row.slug or "",
        )
        if pair.standard.has_interval:
            canvas.line(x(pair.standard.low), here[1], x(pair.standard.high), here[1], "whisker")
        if pair.natural.has_interval:
            canvas.line(here[0], y(pair.natural.low), here[0], y(pair.natural.high), "whisker")
        canvas.marker(*here, shape_of(row), "mark")
        if row.colour is not None or row.kind != "measured":
            _label(canvas, here, label_of(row), size, marks, taken)
        canvas.end()
    return canvas.render()


def _label(
    canvas: Canvas,
    here: tuple[float, float],
    name: str,
    size: float,
    marks: Sequence[tuple[float, float]],
    taken: list[tuple[float, float, float, float]],
) -> None:
    """A name beside, above or below its mark, wherever it covers nothing; none if there is no such place.

    Colours and tooltips tell the rest.
    """
    limit = 22
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
            canvas.text(
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


def _return_axis(canvas: Canvas, x: Scale, top: float, bottom: float, ticks: Sequence[float] = TICKS) -> None:
    for tick in ticks:
        canvas.line(x(tick), top, x(tick), bottom, "grid")
        kind = "tick" if tick == ticks[0] else "tick end" if tick == ticks[-1] else "tick middle"
        canvas.text(x(tick), bottom + 15, f"{tick:.0f}", kind)


References = Sequence[tuple[Row, Estimate | None]]


def _reference_key(canvas: Canvas, references: References) -> None:
    """Names and values of the references, each after a piece of its line."""
    x = 4.0
    for row, estimate in references:
        if estimate is not None:
            text = f"{row.name} {estimate.point:.0f}"
            canvas.begin(f"{row.name}: {in_words(estimate)}", style_of(row))
            canvas.line(x, 8, x + 16, 8, "reference")
            canvas.text(x + 20, 12, text, "muted")
            canvas.end()
            x += 34 + 6.2 * len(text)


def _reference_ticks(canvas: Canvas, x: Scale, references: References, top: float, bottom: float) -> None:
    """The references within one row of a plot, so that no line runs through a name."""
    for row, estimate in references:
        if estimate is not None:
            canvas.begin("", style_of(row))
            canvas.line(x(estimate.point), top, x(estimate.point), bottom, "reference")
            canvas.end()
