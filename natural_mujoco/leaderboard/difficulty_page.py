"""What difficulty.html shows: return against the video's strength, and against the number of training videos."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.checking import shipped_manifest
from ..evaluation.conditions import TASK_NAMES
from ..evaluation.records import VideoSet
from ..evaluation.references import reference_means
from .board import Board, Tab
from .difficulty import series, strength_band, strengths, tasks_of, video_bands
from .learning import Band
from .legend import REFERENCE_LINES, legend_of, shape_of, style_of
from .lines_chart import Frame, Line, lines_chart, reference_lines
from .rows import MeasuredEntry
from .svg import swatch

_STRENGTHS = [(0.0, "0"), (0.5, "0.5"), (1.0, "1")]


def difficulty_page(board: Board) -> dict[str, Any]:
    """A view for each video set on which some entry was measured along an axis of difficulty."""
    tabs = [tab for tab in board.tabs if tab.condition == "natural-test" and tab.others]
    return {"views": [view for tab in tabs if (view := _view(board, tab)) is not None]}


def _view(board: Board, tab: Tab) -> dict[str, Any] | None:
    styles = {row.slug: (style_of(row), shape_of(row)) for row in tab.others}
    here = [entry for entry in board.entries if entry.slug in styles]
    faded = [entry for entry in here if strengths(entry.scores)]
    groups = series(here)
    plots = {"strength": _by_strength(styles, faded), "videos_plots": _by_videos(groups, tab.video_set)}
    if not any(plots.values()):
        return None
    return {
        "key": tab.key,
        "title": tab.title,
        "videos": tab.videos,
        **plots,
        "legend": [
            *legend_of(row for row in tab.others if row.slug in {entry.slug for entry in faded}),
            *REFERENCE_LINES,
        ],
        "series_legend": [{"name": name, "swatch": swatch(f"c{k % 6}", k % 6)} for k, name in enumerate(groups)],
    }  # fmt: skip


def _by_strength(styles: Mapping[str | None, tuple[str, int]], entries: Sequence[MeasuredEntry]) -> list[Any]:
    """Over the tasks that all of them have, then task by task."""
    conditions = sorted({c for entry in entries for c in strengths(entry.scores).values()})
    common = tasks_of(entries, conditions)
    each = [(task,) for task in TASK_NAMES if any(task in tasks_of([one], conditions) for one in entries)]
    plots = []
    for tasks in (common, *each) if len(common) > 1 else each:
        lines = [
            _line(entry.name, entry.slug, styles[entry.slug], band, f"over {entry.scores.over}")
            for entry in entries
            if (band := strength_band(entry.scores, tasks)) is not None
        ]
        frame = Frame(_title(tasks), "strength of the video", 1.0, _STRENGTHS, len(tasks) > 1, dots=True)
        if lines:
            plots.append(lines_chart(frame, lines, _references(entries, tasks)))
    return plots


def _by_videos(groups: dict[str, list[MeasuredEntry]], video_set: VideoSet | None) -> list[Any]:
    manifest = shipped_manifest(video_set.name) if video_set else None
    counts = {run.num_videos or 0 for members in groups.values() for e in members for run in e.results.runs}
    available = len(manifest.ids("train")) if manifest else 2 * max(counts, default=1)
    everybody = [member for members in groups.values() for member in members]
    common = tasks_of(everybody, ["natural-test"])
    plots = []
    for tasks in (common, *((task,) for task in common)) if len(common) > 1 else [(task,) for task in common]:
        lines = [
            _line(name, "", (f"c{k % 6}", k % 6), band, "on test videos")
            for k, (name, members) in enumerate(groups.items())
            if (band := video_bands(members, available, tasks)) is not None
        ]
        ticks = sorted({float(n) for line in lines for n in line.band.x})
        frame = Frame(
            _title(tasks),
            "training videos" if manifest else "training videos, all of them at the right",
            max(ticks, default=1.0),
            [(0.0, "0"), *((n, f"{n:.0f}") for n in ticks[-1:])],
            len(tasks) > 1,
            dots=True,
        )
        if lines:
            plots.append(lines_chart(frame, lines, _references(everybody, tasks)))
    return plots


def _title(tasks: Sequence[str]) -> str:
    return tasks[0] if len(tasks) == 1 else f"Interquartile mean over {len(tasks)} tasks"


def _line(name: str, slug: str, style: tuple[str, int], band: Band, over: str) -> Line:
    points = ", ".join(f"{y:.0f} at {x:g}" for x, y in zip(band.x, band.point, strict=True))
    return Line(name, slug, *style, band, f"{name}: {points}, {over}")


def _references(entries: Sequence[MeasuredEntry], tasks: Sequence[str]) -> dict[str, list[float]]:
    return reference_lines([reference_means(entry.pace) for entry in entries], tasks)
