"""Every number of the tables and plots, from the committed JSON alone, by code that shares nothing with the page's.

What training cost is `test_learning`'s, who leads `test_headline`'s, what the paper says `test_published`'s.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

import natural_mujoco
from natural_mujoco.evaluation.conditions import TASK_NAMES
from natural_mujoco.evaluation.records import REFERENCES, read_results, write_results
from natural_mujoco.leaderboard.board import make_board
from natural_mujoco.leaderboard.overview_page import overview_page
from natural_mujoco.leaderboard.site import build_site
from tests.evaluation.made_up import make_results

from .test_learning import COMMITTED

ENTRIES = Path(natural_mujoco.__file__).parent / "evaluation" / "entries"
CONDITIONS = ("standard", "natural-train", "natural-test")
Number = tuple[float, float, float]
"""A value and its interval; NaN where there is none."""
NONE = float("nan")
EXACT, DRAWN = 0.51, 12.0
"""How far a rounded number, and the end of a bootstrap interval of other draws, may be from ours."""
DRAWS = 1_000


class Records:
    """A results file, read as JSON."""

    def __init__(self, path: Path) -> None:
        self.data = json.loads(path.read_text())
        self.name: str = self.data["entry"]["name"]
        self.repeat: int = self.data["runs"][0]["action_repeat"]
        self._over: dict[tuple[str, ...], Number | None] = {}
        seeds = {(e["task"], e["training_seed"]) for e in self.data["episodes"]}
        tasks = {task for task, _ in seeds}  # one seed on each, though not the same, is one
        self.unit = "training_seed" if len(seeds) > len(tasks) else "episode_seed"

    @property
    def trained_elsewhere(self) -> bool:
        """Whether it was trained in front of other videos than it is measured on."""
        sets = [run.get("trained_set") for run in self.data["runs"]]
        return any(one not in (None, self.data["video_set"]) for one in sets)

    @cached_property
    def units(self) -> dict[str, dict[str, np.ndarray]]:
        """Returns by condition and task."""
        found: dict[str, dict[str, dict[int, list[float]]]] = {}
        for e in self.data["episodes"]:
            found.setdefault(e["condition"], {}).setdefault(e["task"], {}).setdefault(
                e[self.unit], []
            ).append(e["return"])
        return {c: {t: np.array([np.mean(v) for v in by.values()]) for t, by in tasks.items()}
                for c, tasks in found.items()}  # fmt: skip

    def task(self, condition: str, task: str) -> Number:
        values = self.units[condition][task]
        half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values) if len(values) > 1 else np.nan
        return (values.mean(), *np.clip([values.mean() - half, values.mean() + half], 0, 1000))

    def over(self, name: str, *conditions: str) -> Number | None:
        """A statistic of `STATISTICS` under the conditions, with an interval of draws of our own."""
        key = (name, *conditions)
        if key not in self._over:
            self._over[key] = self._drawn(STATISTICS[name], *conditions)
        return self._over[key]

    def _drawn(self, statistic: Callable[..., Any], *conditions: str) -> Number | None:
        if any(set(self.units.get(c, ())) != set(TASK_NAMES) for c in conditions):
            return None
        arrays = [np.array([self.units[c][t] for t in TASK_NAMES]) for c in conditions]
        places = np.random.default_rng(7).integers(0, arrays[0].shape[1], (DRAWS, *arrays[0].shape))
        drawn = statistic(*(np.take_along_axis(a[None], places, 2) for a in arrays))
        return (float(statistic(*arrays)), *np.quantile(drawn, [0.025, 0.975]))


def iqm(scores: np.ndarray) -> np.ndarray:
    """Of `[..., tasks, units]`."""
    flat = np.sort(scores.reshape(*scores.shape[:-2], -1))
    cut = flat.shape[-1] // 4
    return flat[..., cut : flat.shape[-1] - cut].mean(-1)


STATISTICS: dict[str, Callable[..., Any]] = {
    "Interquartile mean": iqm,
    "Mean": lambda a: a.mean((-2, -1)),
    "Median over tasks": lambda a: np.median(a.mean(-1), -1),
    "Optimality gap": lambda a: 1000 - a.mean((-2, -1)),
    "Video gap": lambda a, b: iqm(a) - iqm(b),
    "Natural ÷ standard": lambda a, b: iqm(a) / iqm(b),
}
AGGREGATES = tuple(STATISTICS)[:4]


class Cells(HTMLParser):
    """The tables of a page, by id or class: rows of cells, each a list of its texts."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tables: list[tuple[str, list[list[list[str]]]]] = []
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.tables.append((dict(attrs).get("class") or "", []))
        elif tag == "tr" and self.tables:
            self.tables[-1][1].append([])
        elif tag in ("td", "th") and self.tables:
            self.tables[-1][1][-1].append([])

    def handle_data(self, data: str) -> None:
        if self.tables and self.tables[-1][1] and self.tables[-1][1][-1] and data.strip():
            self.tables[-1][1][-1][-1].append(data.strip().replace("−", "-"))


def video_set(path: Path) -> str:
    return str((json.loads(path.read_text())["video_set"] or {"name": "embedded"})["name"])


@pytest.fixture(scope="module", params=sorted(set(map(video_set, COMMITTED))))
def files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """What is committed on a video set, and an entry with several training seeds, as there is none yet."""
    path = tmp_path_factory.mktemp("made") / "several.json"
    write_results(path, make_results("several", 0.6, training_seeds=3, videos=request.param))
    return [*(path for path in COMMITTED if video_set(path) == request.param), path]


@pytest.fixture(scope="module")
def site(files: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("numbers") / "site"
    build_site([(path, read_results(path)) for path in files], out)
    return out


@pytest.fixture(scope="module")
def known(files: list[Path]) -> dict[tuple[str, int], Records]:
    """By name and action repeat."""
    found = {(r.name, r.repeat): r for r in map(Records, files)}
    references = map(Records, sorted(ENTRIES.glob("*.json")))
    return found | {(r.name, r.repeat): r for r in references}


def same(shown: str | list[str], number: Number | None, ends: float = EXACT) -> bool:
    """Whether a cell or a title says `number`, rounded, with its interval if it has one."""
    words = " ".join(shown) if isinstance(shown, list) else shown
    if number is None:
        return words == "–"
    said = [float(n) for n in re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?! %)", words)]
    scale = 0.01 if "." in words else 1.0
    tolerances = [EXACT * scale, ends * scale, ends * scale][: len(said)]
    wanted = [n for n in number if n == n]
    return len(said) == len(wanted) and all(
        abs(a - b) <= t for a, b, t in zip(said, wanted, tolerances, strict=True)
    )


def where(condition: str, records: Records) -> str:
    """What is behind a reference policy changes nothing."""
    return condition if condition in records.units else "natural-test"


def shares(records: Records, known: dict[tuple[str, int], Records], condition: str) -> list[float]:
    random, expert = known["random", records.repeat], known["expert", 2]
    found = []
    for task, values in records.units[condition].items():
        low = random.units["natural-test"][task].mean()
        found.append((values.mean() - low) / (expert.units["natural-test"][task].mean() - low))
    return found


def views(site: Path) -> Iterator[tuple[str, str]]:
    """Condition and HTML of each tab of measured entries."""
    source = (site / "index.html").read_text()
    for key, part in re.findall(r'<section class="view" id="view-([^"]*)"(.*?)</section>', source, re.S):
        condition = next((c for c in CONDITIONS if key == c or key.startswith(f"{c}-")), None)
        if condition is not None:
            yield condition, part


def test_every_cell_of_the_main_tables(
    files: list[Path], site: Path, known: dict[tuple[str, int], Records]
) -> None:
    rows = 0
    for condition, part in views(site):
        [table] = [table for style, table in Cells(part).tables if style.startswith("entries")]
        heads = [" ".join(cell) for cell in table[0]]
        for row in table[1:]:
            words = " ".join(row[0])
            if "published" in words:
                continue
            rows += 1
            [repeat] = re.findall(r"action repeat (\d+)", words) or ["2"]
            records = known[row[0][0], int(repeat)]
            played = where(condition, records)
            wanted = {
                "IQM": (records.over("Interquartile mean", played), DRAWN),
                "Mean": (records.over("Mean", played), DRAWN),
                "Median": (records.over("Median over tasks", played), 2 * DRAWN),
                "Gap to 1000": (records.over("Optimality gap", played), DRAWN),
                "Video gap": (records.over("Video gap", "natural-train", "natural-test"), DRAWN),
                "Natural ÷ standard": (records.over("Natural ÷ standard", "natural-test", "standard"), 3.0),
                "To expert": ((float(np.mean(shares(records, known, played))), NONE, NONE), EXACT),
            }
            if row[0][0] in REFERENCES:
                wanted |= {"Video gap": (None, 0), "Natural ÷ standard": (None, 0)}
            if records.trained_elsewhere:
                wanted["Video gap"] = None, 0
            for task in TASK_NAMES:
                wanted[task] = (records.task(played, task) if task in records.units[played] else None, EXACT)
            for head, cell in zip(heads, row, strict=True):
                if head in wanted:
                    assert same(cell, *wanted[head]), (condition, words, head, cell, wanted[head])
                else:
                    assert head in (
                        "Entry",
                        "Rank",
                        "Half-way, steps",
                        "Half-way, core-hours",
                        "Core-hours",
                        "Steps",
                    )
    assert rows >= len(files) + 3 * 3


def test_every_mark_of_the_main_plots(site: Path, known: dict[tuple[str, int], Records]) -> None:
    """Each has its number as its title."""
    marks = 0
    for condition, part in views(site):
        for head, plot in re.findall(r"<figure><h3>([^<]*).*?</h3>(.*?)</figure>", part, re.S):
            for title in re.findall(r"<title>(.*?)</title>", plot):
                found = re.fullmatch(
                    r"(.*?)(?: \(action repeat (\d)\))?(?: on [\w-]+)?: (\d.*?)(?:, over.*)?", title
                )
                if found is None or "(paper)" in title:
                    assert (
                        found is not None
                        or "beside each entry" in title
                        or title.startswith("Mean return on")
                    )
                    continue
                name, repeat, said = found.groups()
                key = name, int(repeat or 2)
                records = (
                    known[key] if name in REFERENCES else next(r for (n, _), r in known.items() if n == name)
                )
                played = where(condition, records)
                if head.strip() in AGGREGATES:
                    number = records.over(head.strip(), played)
                    assert same(said.replace("95 % interval", ""), number, 2 * DRAWN), (
                        condition,
                        head,
                        title,
                    )
                else:
                    number = records.task(played, head.strip())
                    assert same(said.replace("95 % interval", ""), number), (condition, head, title, number)
                marks += 1
    assert marks > 100


def test_every_number_of_an_entrys_page(
    files: list[Path], site: Path, known: dict[tuple[str, int], Records]
) -> None:
    for records in map(Records, files):
        [path] = (site / "entries").glob(f"{re.sub('[^a-z0-9]+', '-', records.name.lower())}-{'?' * 8}.html")
        source = path.read_text()
        tables = Cells(source).tables
        for row in tables[0][1][1:]:
            condition = row[0][0]
            for name, cell in zip(AGGREGATES, row[2:6], strict=True):
                assert same(cell, records.over(name, condition), 2 * DRAWN), (records.name, row)
            assert int(row[6][0]) == sum(e["condition"] == condition for e in records.data["episodes"])
        [numbers] = [table for style, table in tables if style == "numbers"]
        played = [head[0] for head in numbers[0] if head[0] in records.units]
        main = next(c for c in reversed(CONDITIONS) if c in played)
        beside = [known["zero", records.repeat], known["random", records.repeat], known["expert", 2]]
        share = dict(zip(records.units[main], shares(records, known, main), strict=True))
        assert set(played) == set(records.units)
        for row in numbers[1:]:
            task = row[0][0]
            wanted: list[Number | None] = []
            for condition in played:
                values = records.units[condition].get(task)
                median = None if values is None else (float(np.median(values)), NONE, NONE)
                wanted += [None if values is None else records.task(condition, task), median]
            wanted += [(r.units["natural-test"][task].mean(), NONE, NONE) for r in beside]
            wanted.append((share[task], NONE, NONE) if task in share else None)
            found = [same(cell, number) for cell, number in zip(row[1:], wanted, strict=True)]
            assert all(found), (records.name, row, wanted)
        duels = re.findall(r"<title>[^<]*against (\w+): (\d+) %", source)
        for name, percent in duels:
            rival = known.get((name, records.repeat)) or known[name, 2]
            theirs = rival.units[where(main, rival)]
            wins = [
                np.mean(np.sign(mine[:, None] - theirs[task][None]) / 2 + 0.5)
                for task, mine in records.units[main].items()
            ]
            assert float(percent) == pytest.approx(100 * np.mean(wins), abs=EXACT)
        [packed] = re.findall(r'<script type="application/json" id="episodes">(.*?)</script>', source)
        shown = [(g["t"], g["s"], value) for g in json.loads(packed)["groups"] for value in g["r"]]
        assert sorted(shown) == sorted(
            (TASK_NAMES.index(e["task"]), e["training_seed"], round(e["return"], 1))
            for e in records.data["episodes"]
        )


def test_what_covers_all_tasks_has_its_interquartile_mean_even_without_a_rank() -> None:
    first = make_results("first", training_seeds=1)
    run = first.runs[0].model_copy(update={"privileged": "state in training"})
    for results in (first, first.model_copy(update={"runs": (run,)})):
        tabs = {v["key"].partition("-embedded")[0]: v for v in overview_page(make_board([results]))["views"]}
        assert tabs["natural-test"]["ranked"] is (results is first)
        assert all(tabs[c]["has_iqm"] for c in CONDITIONS)
        assert all("stratified bootstrap intervals" in tabs[c]["intervals_note"] for c in CONDITIONS)
        assert not tabs["natural-as-published"]["has_iqm"]
        assert tabs["natural-as-published"]["intervals_note"].startswith(
            "Published means over three training seeds;"
        )
        # A task that nobody has is no panel.
        assert "quadruped-walk" not in [plot["name"] for plot in tabs["elsewhere-video"]["task_plots"]]
