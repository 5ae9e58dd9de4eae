"""The page on difficulty: what the axes look like, and what has been measured along them.

- `draw_strengths`: one observation at every strength, a row a task.
- `draw_first_videos`: the first training videos of `embedded`, in the order in which `num_videos` takes them.
- `draw_strength_curves`: return against strength, from the results files in `docs/difficulty/`.
- `draw_video_curves`: return against the number of training videos, from a series of entries in `results/`.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import gymnasium as gym
import numpy as np

from natural_mujoco.backgrounds.library import open_videos
from natural_mujoco.evaluation.conditions import TASK_NAMES, Condition
from natural_mujoco.evaluation.records import read_results
from natural_mujoco.evaluation.references import reference_means
from natural_mujoco.evaluation.scores import EntryScores
from natural_mujoco.leaderboard.difficulty import estimate, strength_band, strengths
from natural_mujoco.rendering.matting import Pixels
from natural_mujoco.tasks import find_task

GAP = 4
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
COLOURS = ("#1f6f50", "#c2571a", "#3b6fb6", "#8a5fb0")


def draw_strengths(tasks: Sequence[str], side: int, values: Sequence[float] = STRENGTHS) -> Pixels:
    """Observations after one reset, magnified to `side` pixels: a row a task, a column a strength."""
    return np.vstack(
        _spaced(
            [np.hstack(_spaced([_observed(task, value, side) for value in values], 1)) for task in tasks], 0
        )
    )


def draw_first_videos(count: int, side: int, columns: int) -> Pixels:
    """A frame of each of the first `count` training videos of `embedded`, numbered, in rows of `columns`."""
    library = open_videos("embedded")
    cells = []
    for number, clip in enumerate(library.ids("train")[:count], 1):
        cell = cv2.resize(library.frames(clip, 64)[0], (side, side), interpolation=cv2.INTER_AREA)
        for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 1)):
            cv2.putText(
                cell, str(number), (4, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, colour, thickness, cv2.LINE_AA
            )
        cells.append(cell)
    rows = [np.hstack(_spaced(cells[k : k + columns], 1)) for k in range(0, len(cells), columns)]
    return np.vstack(_spaced(rows, 0))


def draw_strength_curves(folder: Path, path: Path) -> None:
    """Mean return by strength with 95 % intervals: a panel a task, a line for each of the results files in `folder`."""
    import matplotlib.pyplot as plt

    entries = [read_results(file) for file in sorted(folder.glob("*.json"))]
    scores = [EntryScores(entry.episodes) for entry in entries]
    tasks = [
        task for task in TASK_NAMES if any(task in s.returns.get("natural-test@0.5", ()) for s in scores)
    ]
    figure, panels = plt.subplots(
        1, len(tasks), figsize=(3.8 * len(tasks) + 2.2, 3.2), sharey=True, squeeze=False, layout="constrained"
    )
    for axes, task in zip(panels[0], tasks, strict=True):
        for entry, score, colour in zip(entries, scores, COLOURS, strict=False):
            band = strength_band(score, [task]) if strengths(score) else None
            if band is not None:
                axes.plot(band.x, band.point, "o-", color=colour, label=entry.entry.name)
                axes.fill_between(band.x, band.low, band.high, color=colour, alpha=0.15, linewidth=0)
        _finish_panel(axes, task)
        axes.set(xlabel="strength", xticks=STRENGTHS)
    _finish(figure, path)


def draw_video_curves(files: Sequence[Path], task: str, path: Path) -> None:
    """Mean return by the number of training videos with 95 % intervals over episodes, a line a condition."""
    import matplotlib.pyplot as plt

    entries = [read_results(file) for file in files]
    counts = [entry.runs[0].num_videos or 0 for entry in entries]
    assert all(counts), files
    figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
    conditions: tuple[Condition, ...] = ("natural-test", "natural-train", "standard")
    for condition, colour in zip(conditions, COLOURS, strict=False):
        returns = [estimate(EntryScores(entry.episodes), condition, [task]) for entry in entries]
        points = sorted((count, value) for count, value in zip(counts, returns, strict=True) if value)
        x, (point, low, high) = [count for count, _ in points], zip(*(v[:3] for _, v in points), strict=True)
        axes.plot(x, point, "o-", color=colour, label=condition)
        axes.fill_between(x, low, high, color=colour, alpha=0.15, linewidth=0)
    _finish_panel(axes, task)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="training videos", xticks=sorted(counts), xticklabels=sorted(counts))
    _finish(figure, path)


def _finish_panel(axes: Any, task: str) -> None:
    """The levels of the references, title and frame."""
    for name, style in (("random", ":"), ("expert", "--")):
        axes.axhline(
            reference_means()[name][task], color="#777777", linestyle=style, linewidth=1.2, label=name
        )
    axes.set(title=task, ylim=(-20, 1020))
    axes.grid(axis="y", alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def _finish(figure: Any, path: Path) -> None:
    """One legend for all panels, and the file."""
    figure.axes[0].set_ylabel("return")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", frameon=False, fontsize=9)
    figure.savefig(path, dpi=110)
    figure.clear()


def _observed(task: str, strength: float, side: int) -> Any:
    env = gym.make(find_task(task).natural_id, videos="embedded", strength=strength)
    observation, _ = env.reset(seed=0, options={"video": "embedded-train-02", "frame": 100})
    env.close()
    return cv2.resize(observation, (side, side), interpolation=cv2.INTER_NEAREST)


def _spaced(cells: Sequence[Any], axis: int) -> list[Any]:
    """`cells` with a grey gap between neighbours along `axis`."""
    shape = list(cells[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 128, np.uint8)
    return [part for cell in cells for part in (gap, cell)][1:]
