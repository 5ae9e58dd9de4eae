"""Computes the content of the leaderboard from records: one tab per condition and video set, one row per entry.

- `Board`: the whole content; `make_board` computes it.
- `Tab`: the entries that can be compared and ranked.

Only entries with the same condition and video set share a tab. Published entries have tabs of their own, except the
paper's on `standard`, where there are no videos that could differ; they are never ranked. The reference policies, whose
returns do not depend on videos, are in every tab, at every pace (action repeat by task) of the tab's entries.
"""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from ..errors import InvalidArgument
from ..evaluation.checking import frames_played
from ..evaluation.conditions import Condition
from ..evaluation.elsewhere import ELSEWHERE, elsewhere_entries
from ..evaluation.names import skeleton
from ..evaluation.published import NATURAL, published_entries
from ..evaluation.records import REFERENCES, Results, VideoSet
from ..evaluation.references import PROTOCOL_PACE, Pace, reference_at, reference_entries, stands_beside
from ..evaluation.scores import EntryScores
from .rows import MeasuredEntry, Row, elsewhere_row, measured_row, published_row

COLOURED = 6
"""Number of entries with a colour and a marker of their own, as readers cannot tell more apart."""

_TITLES = {
    "natural-test": "Natural, test videos",
    "natural-train": "Natural, training videos",
    "standard": "Standard",
    NATURAL: "Natural, as published",
}


@dataclass(frozen=True)
class Tab:
    """A condition on a video set. Rows are sorted: ranked entries, best first, then incomplete and published ones."""

    key: str
    condition: Condition
    """The condition, or for published entries `natural (as published)` or a kind of `elsewhere`."""
    title: str
    video_set: VideoSet | None
    rows: tuple[Row, ...]

    @property
    def references(self) -> tuple[Row, ...]:
        """The rows of the reference policies, at every pace of the tab's entries."""
        return tuple(row for row in self.rows if row.kind == "reference")

    def beside(self, row: Row | None) -> tuple[Row, ...]:
        """The rows of the reference policies at the pace of `row`, or at the protocol's without one."""
        pace = PROTOCOL_PACE if row is None else row.pace
        beside = [r for r in self.references if stands_beside(r.name, r.pace, pace)]
        return tuple(sorted(beside, key=lambda row: REFERENCES.index(row.name)))

    @property
    def others(self) -> tuple[Row, ...]:
        """All other rows."""
        return tuple(row for row in self.rows if row.kind != "reference")

    @property
    def videos(self) -> str:
        """The video set in words."""
        if self.condition == "standard":
            return "no videos"
        if self.condition in ELSEWHERE:
            return ELSEWHERE[self.condition].videos
        if self.video_set is None:
            return "ILSVRC videos, which and in which split unstated"
        return f"{self.video_set.name} ({self.video_set.manifest_hash[:8]})"


@dataclass(frozen=True)
class Board:
    """All tabs, and the entries behind their rows."""

    tabs: tuple[Tab, ...]
    entries: tuple[MeasuredEntry, ...]
    references: tuple[MeasuredEntry, ...]

    def tab_of(self, condition: Condition, entry: MeasuredEntry) -> Tab | None:
        """The tab in which `entry` stands for a condition."""
        return next(
            (
                tab
                for tab in self.tabs
                if tab.condition == condition and any(r.slug == entry.slug for r in tab.rows)
            ),
            None,
        )


def make_board(results: Sequence[Results], published: bool = True) -> Board:
    """Computes the leaderboard of checked `results`, with the paper's tables unless `published` is false.

    Raises `InvalidArgument` for two files of one entry on one video set.
    """
    entries: list[MeasuredEntry] = []
    seen: dict[tuple[str, str], str] = {}
    for file in results:
        videos, name = _set_key(file.video_set), file.entry.name
        before = seen.setdefault((skeleton(name), videos), name)
        if before != name:
            raise InvalidArgument(
                f"The entries {before!r} and {name!r} on {videos} look alike: give one of them another --entry name."
            )
        if any(entry.name == name and _set_key(entry.results.video_set) == videos for entry in entries):
            raise InvalidArgument(
                f"Two files hold the entry {name!r} on {videos}. Give one of them another --entry name, or "
                "evaluate both policies into one file."
            )
        entries.append(MeasuredEntry(file, EntryScores(file.episodes), _slug(file), False))
    references = _references(entries)
    colours = _colours(entries)
    sets = {_set_key(e.results.video_set): e.results.video_set for e in entries if e.results.video_set}
    popular = sorted(sets, key=lambda key: (-sum(_set_key(e.results.video_set) == key for e in entries), key))
    paper = published_entries() if published else ()
    tabs = []
    natural: tuple[Condition, Condition] = ("natural-test", "natural-train")
    for condition in natural:
        for key in popular:
            mine = [
                e for e in entries if _set_key(e.results.video_set) == key and condition in e.scores.returns
            ]
            if mine:
                tabs.append(_tab(condition, sets[key], mine, references, (), colours))
    if not tabs or tabs[0].condition != "natural-test":
        # The main condition comes first, even if nothing was measured on it yet.
        tabs.insert(0, _tab("natural-test", reference_entries()[0].video_set, (), references, (), colours))
    standard = [e for e in entries if "standard" in e.scores.returns]
    on_standard = [p for p in paper if p.condition == "standard"]
    tabs.append(
        _tab("standard", None, standard, references, [published_row(p) for p in on_standard], colours)
    )
    as_published = [p for p in paper if p.condition == NATURAL]
    if as_published:
        tabs.append(_tab(NATURAL, None, (), references, [published_row(p) for p in as_published], colours))
    for kind in ELSEWHERE if published else ():
        rows = [elsewhere_row(entry) for entry in elsewhere_entries() if entry.kind == kind]
        tabs.append(_tab(kind, None, (), references, rows, colours))
    return Board(tuple(tabs), tuple(entries), references)


def _references(entries: Sequence[MeasuredEntry]) -> tuple[MeasuredEntry, ...]:
    """The reference policies at the protocol's pace, and at every entry's pace at which they were measured."""
    paces = dict.fromkeys((PROTOCOL_PACE, *(entry.pace for entry in entries)))
    found: list[MeasuredEntry] = []
    for pace in paces:
        for name in REFERENCES:
            reference = _reference(name, pace)
            # The same expert can be compared with entries at several paces.
            if reference is not None and not any(reference.results is one.results for one in found):
                found.append(reference)
    return tuple(found)


@lru_cache(maxsize=64)
def _reference(name: str, pace: Pace) -> MeasuredEntry | None:
    file = reference_at(name, pace)
    if file is None:
        return None
    slug = name if pace == PROTOCOL_PACE else f"{name}-{_digest(repr(pace))}"
    return MeasuredEntry(file, EntryScores(file.episodes), slug, True, pace)


@lru_cache(maxsize=64)
def _reference_row(name: str, pace: Pace) -> Row:
    """The row of a reference policy, which fits every condition, as its returns do not depend on videos."""
    entry = _reference(name, pace)
    assert entry is not None
    return measured_row(entry, entry.conditions[0], {})


def _tab(
    condition: Condition,
    video_set: VideoSet | None,
    entries: Sequence[MeasuredEntry],
    references: Sequence[MeasuredEntry],
    published: Sequence[Row],
    colours: dict[str, int],
) -> Tab:
    usual = _usual_frames(entries)
    measured = [_remarking(measured_row(entry, condition, colours), entry, usual) for entry in entries]
    measured.sort(
        key=lambda row: (
            row.summary is None,
            -(row.summary.iqm.point if row.summary else len(row.tasks)),
            -(row.share or 0),
            row.name,
        )
    )
    ranks = itertools.count(1)
    ranked = [replace(row, rank=next(ranks)) if row.summary and row.competes else row for row in measured]
    paces = {PROTOCOL_PACE, *(entry.pace for entry in entries)}
    blind = [_reference_row(entry.name, entry.pace) for entry in references if entry.pace in paces]
    rows = (*ranked, *published, *blind)
    title = ELSEWHERE[condition].title if condition in ELSEWHERE else _TITLES[condition]
    videos = _set_key(video_set) if video_set else ""
    key = re.sub(r"[^a-z0-9]+", "-", f"{condition} {videos}".lower()).strip("-")
    return Tab(key, condition, title, video_set, rows)


def _usual_frames(entries: Sequence[MeasuredEntry]) -> dict[str, str]:
    """The most frequent frames' hash of each clip among the entries, for clips without a hash in the manifest."""
    seen = Counter(item for entry in entries for item in frames_played(entry.results))
    return dict(sorted(seen, key=lambda item: (seen[item], item)))


def _remarking(row: Row, entry: MeasuredEntry, usual: Mapping[str, str]) -> Row:
    """`row`, with a remark if its entry was played on other frames of the same clips than most entries."""
    other = sum(usual[video] != sha256 for video, sha256 in frames_played(entry.results))
    remark = f"other frames than most entries on {other} clip{'s' * (other > 1)}"
    return replace(row, remarks=(*row.remarks, remark)) if other else row


def _colours(entries: Sequence[MeasuredEntry]) -> dict[str, int]:
    """Colours by how well entries do where it matters most, so that an entry keeps its colour in all tabs.

    Entries that lack tasks come by how many they have, those from pixels alone before privileged ones, then by mean
    return.
    """

    def merit(entry: MeasuredEntry) -> tuple[float, bool, float, str]:
        for condition in ("natural-test", "natural-train", "standard"):
            matrix = entry.scores.matrix(condition)
            if matrix is not None:
                return -float(matrix[0].mean()), False, 0.0, entry.name
        played = entry.scores.returns
        tasks = {task for returns in played.values() for task in returns}
        units = [u for returns in played.values() for by_unit in returns.values() for u in by_unit.values()]
        return 1 / (1 + len(tasks)), entry.privileged is not None, -sum(units) / len(units), entry.name

    return {entry.slug: number for number, entry in enumerate(sorted(entries, key=merit)[:COLOURED])}


def _set_key(video_set: VideoSet | None) -> str:
    return f"{video_set.name} {video_set.manifest_hash[:8]}" if video_set else "no videos"


def _slug(results: Results) -> str:
    """A file name for an entry's page: readable, and unique whatever the name holds."""
    plain = re.sub(r"[^a-z0-9]+", "-", results.entry.name.lower()).strip("-")[:40]
    own = f"{results.entry.name}\n{_set_key(results.video_set)}"
    return f"{plain or 'entry'}-{_digest(own)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
