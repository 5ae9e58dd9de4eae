"""Environment steps/s: each task against dm_control's own render, and vector environments of growing width."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.environment import compare_vector, compare_with_dm_control
from natural_mujoco import find_task
from natural_mujoco.processes import usable_cores

from .timing import Row


def task_rows(tasks: list[str], rounds: int) -> Iterator[Row]:
    """Two rows a task, standard and natural, each ÷ dm_control's own 64×64 render of the same task."""
    for name in tasks:
        row = compare_with_dm_control(find_task(name), rounds)
        own = row["dm_control"]
        ratios = {"ratio_low": row["ratio_min"], "ratio_high": row["ratio_max"]}
        standard = row["standard"]
        yield Row(
            "environment", f"{name} standard", standard, "steps/s", ratio=standard / own, against="dm_control",
            details={"dm_control": own},
        )  # fmt: skip
        yield Row(
            "environment", f"{name} natural", row["natural"], "steps/s", ratio=row["ratio"], against="dm_control",
            details={"dm_control": own, **ratios},
        )  # fmt: skip


def vector_rows(rounds: int) -> Iterator[Row]:
    """One environment a worker, 1 … 2 × cores workers, natural WalkerWalk, ÷ one environment without workers."""
    cores = usable_cores()
    widths = sorted({1, max(1, cores // 2), cores, 2 * cores})
    for workers in widths:
        row = compare_vector(workers, workers, rounds)
        yield Row(
            "vector", f"walker-walk natural, {workers} workers", row["vector"], "steps/s", ratio=row["ratio"],
            against="single", details={"single": row["single"]},
        )  # fmt: skip
