"""Environment steps/s: each task against dm_control's own render, and vector environments of growing width."""

from __future__ import annotations

import os
from collections.abc import Iterator

from benchmarks.environment import compare_vector, compare_with_dm_control
from natural_mujoco import find_task

from .timing import Row


def task_rows(tasks: list[str], rounds: int) -> Iterator[Row]:
    """Two rows a task, standard and natural, each ÷ dm_control's own 64×64 render of the same task."""
    for name in tasks:
        row = compare_with_dm_control(find_task(name), rounds)
        own = row["dm_control"]
        details = {"dm_control": own}
        yield Row(
            "environment", f"{name} standard", row["standard"], "steps/s", row["standard"], row["standard"],
            row["standard"] / own, "dm_control", details,
        )  # fmt: skip
        yield Row(
            "environment", f"{name} natural", row["natural"], "steps/s",
            row["ratio_min"] * own, row["ratio_max"] * own, row["ratio"], "dm_control", details,
        )  # fmt: skip


def vector_rows(rounds: int, widest: int | None = None) -> Iterator[Row]:
    """One environment a worker, 1 … 2 × cores workers, natural WalkerWalk, ÷ one environment without workers."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    widths = sorted({1, max(1, cores // 2), cores, 2 * cores})
    for workers in widths:
        if widest is not None and workers > widest:
            continue
        row = compare_vector(workers, workers, rounds)
        yield Row(
            "vector", f"walker-walk natural, {workers} workers", row["vector"], "steps/s", row["vector"],
            row["vector"], row["ratio"], "single", {"single": row["single"]},
        )  # fmt: skip
