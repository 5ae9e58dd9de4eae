"""What the leaderboard shows, computed from records: one view per condition and video set, one row per entry.

- `Board`: everything; `make_board` computes it.
- `View`: what may be compared, and therefore ranked.

Only entries on the same condition and the same frames share a view. Published entries stand in views of their own
condition, except `standard`, where there are no videos to differ; they are never ranked. The policies that do not look
stand in every view: no video changes what they do.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from ..errors import InvalidArgument
from ..evaluation.conditions import Condition
from ..evaluation.published import NATURAL, PublishedEntry, published_entries
from ..evaluation.records import Results, VideoSet
from ..evaluation.references import reference_entries
from ..evaluation.scores import EntryScores
from .rows import MeasuredEntry, Row, measured_row, published_row

COLOURED = 6
"""Entries with a colour and a marker of their own; people cannot tell more apart."""

_TITLES = {
    "natural-test": "Natural, test videos",
    "natural-train": "Natural, training videos",
    "standard": "Standard",
}


@dataclass(frozen=True)
class View:
    """A condition on a video set. Rows come best first: ranked entries, then incomplete and published ones."""

    key: str
    condition: Condition | Literal["natural (as published)"]
    title: str
    video_set: VideoSet | None
    rows: tuple[Row, ...]

    @property
    def references(self) -> tuple[Row, ...]:
        """The rows of `zero` and `random`."""
        return tuple(row for row in self.rows if row.kind == "reference")

    @property
    def others(self) -> tuple[Row, ...]:
        """All other rows."""
        return tuple(row for row in self.rows if row.kind != "reference")

    @property
    def videos(self) -> str:
        """The video set in words."""
        if self.condition == "standard":
            return "no videos"
        if self.video_set is None:
            return "ILSVRC videos, which and in which split unstated"
        return f"{self.video_set.name} ({self.video_set.manifest_hash[:8]})"


@dataclass(frozen=True)
class Board:
    """All views, and the entries behind their rows."""

    views: tuple[View, ...]
    entries: tuple[MeasuredEntry, ...]
    references: tuple[MeasuredEntry, ...]
    colours: dict[str, int] = field(default_factory=dict)
    """Colour number by slug."""

    def view_of(self, condition: Condition, entry: MeasuredEntry) -> View | None:
        """The view in which `entry` stands for a condition."""
        return next(
            (v for v in self.views if v.condition == condition and any(r.slug == entry.slug for r in v.rows)),
            None,
        )


def make_board(results: Sequence[Results], published: bool = True) -> Board:
    """Computes the leaderboard of checked `results`, with the paper's tables unless `published` is false.

    Raises `InvalidArgument` for two files of one entry on one video set.
    """
    entries: list[MeasuredEntry] = []
    seen = set()
    for file in results:
        if file.is_reference:
            continue  # the shipped ones stand in every view
        videos = _set_key(file.video_set)
        if (file.entry.name, videos) in seen:
            raise InvalidArgument(
                f"Two files hold the entry {file.entry.name!r} on {videos}. Give one of them another --entry name, or "
                "evaluate both policies into one file."
            )
        seen.add((file.entry.name, videos))
        entries.append(MeasuredEntry(file, EntryScores(file.episodes), _slug(file), False))
    references = tuple(
        MeasuredEntry(file, EntryScores(file.episodes), file.entry.name, True) for file in reference_entries()
    )
    colours = _colours(entries)
    views = []
    sets = {_set_key(e.results.video_set): e.results.video_set for e in entries if e.results.video_set}
    popular = sorted(sets, key=lambda key: (-sum(_set_key(e.results.video_set) == key for e in entries), key))
    paper = published_entries() if published else ()
    for key in popular:
        for condition in ("natural-test", "natural-train"):
            mine = [
                e for e in entries if _set_key(e.results.video_set) == key and condition in e.scores.returns
            ]
            if mine:
                views.append(_view(condition, sets[key], mine, references, (), colours))
    standard = [e for e in entries if "standard" in e.scores.returns]
    views.append(
        _view(
            "standard", None, standard, references, [p for p in paper if p.condition == "standard"], colours
        )
    )
    as_published = [p for p in paper if p.condition == NATURAL]
    if as_published:
        views.append(_view(NATURAL, None, (), references, as_published, colours))
    return Board(tuple(views), tuple(entries), references, colours)


def _view(
    condition: Condition | Literal["natural (as published)"],
    video_set: VideoSet | None,
    entries: Sequence[MeasuredEntry],
    references: Sequence[MeasuredEntry],
    paper: Sequence[PublishedEntry],
    colours: dict[str, int],
) -> View:
    measured = (
        []
        if condition == "natural (as published)"
        else [measured_row(e, condition, colours) for e in entries]
    )
    measured.sort(
        key=lambda row: (row.summary is None, -(row.summary.iqm.point if row.summary else 0), row.name)
    )
    ranked = [
        Row(**{**row.__dict__, "rank": number}) if row.summary else row
        for number, row in enumerate(measured, 1)
    ]
    # Blind policies do the same in front of any video: their returns are those of the standard condition.
    blind = [measured_row(entry, "standard", {}) for entry in references]
    rows = (*ranked, *(published_row(entry) for entry in paper), *blind)
    title = _TITLES.get(condition, "Natural, as published")
    key = re.sub(r"[^a-z0-9]+", "-", f"{condition} {_set_key(video_set) if video_set else ''}".lower()).strip(
        "-"
    )
    return View(key, condition, title, video_set, rows)


def _colours(entries: Sequence[MeasuredEntry]) -> dict[str, int]:
    """Colours by how well entries do where it matters most, so that an entry keeps its colour in all views."""

    def merit(entry: MeasuredEntry) -> tuple[float, str]:
        for condition in ("natural-test", "natural-train", "standard"):
            matrix = entry.scores.matrix(condition)
            if matrix is not None:
                return -float(matrix[0].mean()), entry.name
        return 1.0, entry.name

    return {entry.slug: number for number, entry in enumerate(sorted(entries, key=merit)[:COLOURED])}


def _set_key(video_set: VideoSet | None) -> str:
    return f"{video_set.name} {video_set.manifest_hash[:8]}" if video_set else "no videos"


def _slug(results: Results) -> str:
    """A file name for an entry's page: readable, and unique whatever the name holds."""
    plain = re.sub(r"[^a-z0-9]+", "-", results.entry.name.lower()).strip("-")[:40]
    digest = hashlib.sha256(f"{results.entry.name}\n{_set_key(results.video_set)}".encode()).hexdigest()[:8]
    return f"{plain}-{digest}" if plain else f"entry-{digest}"
