"""What the Hugging Face Hub's community evaluations take, from the leaderboard's records.

- `benchmark_file`: `eval.yaml`, for the data set repository that is the benchmark.
- `result_files`: `.eval_results/natural-mujoco.yaml`, for the repository of each entry's model.

Their forms: https://huggingface.co/docs/hub/eval-results (hub-docs 064c754, read in November 2026). The Hub ranks
whatever shares a task by its value alone, so what takes no rank here has tasks of its own: each video set, what was
privileged, what another renderer drew.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import yaml

from ..evaluation.checking import shipped_manifest
from ..evaluation.conditions import TASK_NAMES
from .board import Board, Tab
from .headline import seeds_in_words
from .overview_charts import AGGREGATES
from .rows import Row

FRAMEWORK = "natural-mujoco"
REPOSITORY = "https://github.com/natural-mujoco/natural-mujoco"
RESULTS = PurePosixPath(".eval_results/natural-mujoco.yaml")
_OVERALL = "interquartile-mean"
_CONDITION = "natural-test"


def benchmark_file(board: Board) -> str:
    """`eval.yaml` of the benchmark: a task for each number that `result_files` writes of `board`."""
    tasks = {
        task: {"id": task, "config": _set_name(tab), "split": "test"}
        for tab in _tabs(board)
        for row in _rows(board, tab)
        for task, _ in _values(tab, row)
    }
    return _yaml(
        {
            "name": "Natural MuJoCo",
            "description": "Ten DeepMind Control tasks from 64×64 pixels in front of natural video that no training "
            "has seen. Values are returns, 0 to 1000, higher is better: of a task the mean over episodes, of all ten "
            f"the {_OVERALL}. Protocol, records and code: {REPOSITORY}",
            "evaluation_framework": FRAMEWORK,
            "tasks": list(tasks.values()),
        }
    )


def result_files(board: Board, dataset: str) -> dict[str, str]:
    """The text of each measured entry's results, by the entry's slug.

    `dataset` is the benchmark's id on the Hub, as `org/name`. Left out are video sets that are somebody's own.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    for tab in _tabs(board):
        for row in _rows(board, tab):
            assert row.slug is not None
            found.setdefault(row.slug, []).extend(_results(board, tab, row, dataset))
    return {slug: _yaml(results) for slug, results in found.items()}


def _tabs(board: Board) -> list[Tab]:
    return [tab for tab in board.tabs if tab.condition == _CONDITION and shipped_manifest(_set_name(tab))]


def _set_name(tab: Tab) -> str:
    return tab.video_set.name if tab.video_set else ""


def _rows(board: Board, tab: Tab) -> list[Row]:
    slugs = {entry.slug for entry in board.entries}
    return [row for row in tab.others if row.slug in slugs]


def _values(tab: Tab, row: Row) -> Iterator[tuple[str, float]]:
    """The id of each task that there is a value of, and the value."""
    apart = f"-privileged-{row.privileged.replace(' ', '-')}" if row.privileged else ""
    apart += "" if row.renderer == "opengl" else f"-{row.renderer}"
    overall = AGGREGATES[0].pick(row)
    if overall is not None:
        yield f"{_set_name(tab)}-{_OVERALL}{apart}", overall.point
    for task in TASK_NAMES:
        if task in row.tasks:
            yield f"{_set_name(tab)}-{task}{apart}", row.tasks[task].mean.point


def _results(board: Board, tab: Tab, row: Row, dataset: str) -> Iterator[dict[str, Any]]:
    link = next(entry.results.entry.link for entry in board.entries if entry.slug == row.slug)
    notes = "; ".join([f"videos {tab.videos}", seeds_in_words(row), *row.remarks])
    for task, value in _values(tab, row):
        yield {
            "dataset": {"id": dataset, "task_id": task},
            "value": round(value, 3),
            "source": {"url": link or REPOSITORY, "name": row.name},
            "notes": notes,
        }


def _yaml(data: Any) -> str:
    text: str = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)
    return text
