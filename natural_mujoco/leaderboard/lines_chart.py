"""Returns of several entries against one quantity: control steps, core-hours, strength, training videos.

- `Line`: what is drawn of one entry.
- `lines_chart`: the plot; the reference policies are horizontal lines, whose levels `reference_lines` gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..evaluation.records import REFERENCES
from ..evaluation.statistics import MAX_RETURN, interquartile_mean
from .learning import Band
from .svg import Drawing, Scale


@dataclass(frozen=True)
class Line:
    """An entry's band, with the class that gives it its colour and the words that belong to its last point."""

    name: str
    slug: str
    css: str
    shape: int
    band: Band
    title: str


@dataclass(frozen=True)
class Frame:
    """What a plot is of: its title, the quantity across, how far it goes, and how that is written."""

    title: str
    across: str
    most: float
    ticks: Sequence[tuple[float, str]]
    large: bool = False
    dots: bool = False
    """Mark the points themselves: there are few, and between them nothing was measured."""


def lines_chart(frame: Frame, lines: Sequence[Line], references: Mapping[str, Sequence[float]]) -> Markup:
    """Bands and lines, best last so that it lies on top. `references` are returns by name."""
    width, height = (440.0, 290.0) if frame.large else (230.0, 176.0)
    drawing = Drawing(width, height, f"{frame.title} against {frame.across}", "learning")
    left, top, bottom = 40.0, 24.0, height - 36
    x, y = Scale(0, frame.most, left, width - 14), Scale(0, MAX_RETURN, bottom, top)
    drawing.text(left, 13, frame.title, "name", 56 if frame.large else 26)
    for level in (0, 250, 500, 750, 1000) if frame.large else (0, 500, 1000):
        drawing.line(x(0), y(level), x(frame.most), y(level), "grid")
        drawing.text(left - 6, y(level) + 4, str(level), "tick end")
    for k, (place, text) in enumerate(frame.ticks):
        last = k == len(frame.ticks) - 1 and place >= frame.most
        drawing.text(x(place), bottom + 15, text, "tick end" if last else "tick middle")
    drawing.text(x(frame.most / 2), height - 5, frame.across, "tick middle")
    for name, values in references.items():
        for value in values:
            drawing.begin(f"{name}: {value:.0f}", name)
            drawing.line(x(0), y(value), x(frame.most), y(value), "reference")
            drawing.end()
    for line in sorted(lines, key=lambda line: float(line.band.point[-1])):
        band = line.band
        drawing.begin(line.title, line.css, line.slug)
        if band.has_interval:
            upper = [(x(a), y(b)) for a, b in zip(band.x, band.high, strict=True)]
            lower = [(x(a), y(b)) for a, b in zip(band.x, band.low, strict=True)]
            drawing.path([*upper, *reversed(lower)], "band", closed=True)
        points = [(x(a), y(b)) for a, b in zip(band.x, band.point, strict=True)]
        drawing.path(points, "curve")
        for point in points if frame.dots else points[-1:]:
            drawing.marker(*point, line.shape, "mark")
        drawing.end()
    if not lines:
        words = f"all tasks share no number of {frame.across}" if frame.large else "no curves yet"
        drawing.text((left + width) / 2, (top + bottom) / 2, words, "muted middle")
    return drawing.render()


def reference_lines(
    means: Sequence[Mapping[str, Mapping[str, float]]], tasks: Sequence[str]
) -> dict[str, list[float]]:
    """Levels of the reference policies over `tasks` (one: its mean; several: interquartile means).

    `means` are theirs by name and task, one for each entry drawn: they differ where action repeats do.
    """
    return {
        name: sorted({_level(by[name], tasks) for by in means if _covers(by, name, tasks)})
        for name in REFERENCES
    }


def _covers(means: Mapping[str, Mapping[str, float]], name: str, tasks: Sequence[str]) -> bool:
    return bool(tasks) and set(tasks) <= set(means.get(name, ()))


def _level(means: Mapping[str, float], tasks: Sequence[str]) -> float:
    return interquartile_mean([[means[task]] for task in tasks]) if len(tasks) > 1 else means[tasks[0]]
