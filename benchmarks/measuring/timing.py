"""Rows of the benchmark's table, the clock behind them, and the machine they were measured on."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from natural_mujoco.processes import usable_cores

PACKAGES = ("natural-mujoco", "torch", "numpy", "mujoco", "dm_control", "gymnasium")


@dataclass
class Row:
    """One line of the table; `ratio` compares with what `against` names. Minimum and maximum where they are known."""

    section: str
    what: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    ratio: float | None = None
    against: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        ratio = f"{self.ratio:6.2f} × {self.against}" if self.ratio is not None else ""
        if "ratio_low" in self.details:
            ratio += f" ({self.details['ratio_low']:.2f} – {self.details['ratio_high']:.2f})"
        spread = "" if self.low is None else f"({self.low:.4g} – {self.high:.4g})"
        return (
            f"{self.section:11} {self.what:46} {self.value:10.4g} {self.unit:15} {spread:19} {ratio}".rstrip()
        )


HEADER = f"{'section':11} {'what':46} {'median':>10} {'unit':15} {'(min – max)':19} ratio"


def synchronise(device: torch.device) -> None:
    """Wait for all work on a GPU, so that the clock sees it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def seconds_of(call: Callable[[], object], device: torch.device) -> float:
    """Wall-clock seconds of one call, its work on the device included."""
    synchronise(device)
    start = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - start


def sample(
    call: Callable[[], object], device: torch.device, budget: float, least: int = 1, most: int = 200
) -> list[float]:
    """Timings of repeated calls after one that warms up: at least `least`, then until `budget` seconds are spent."""
    seconds_of(call, device)
    timings: list[float] = []
    while len(timings) < least or (sum(timings) < budget and len(timings) < most):
        timings.append(seconds_of(call, device))
    return timings


def spread(values: list[float], factor: float = 1.0) -> dict[str, float]:
    """Median, minimum and maximum as the fields of a row."""
    scaled = [factor * v for v in values]
    return {"value": statistics.median(scaled), "low": min(scaled), "high": max(scaled)}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def machine(device: torch.device) -> dict[str, Any]:
    """What the numbers depend on: processor, cores, GPU, versions."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    usable = usable_cores()
    return {
        "processor": _processor(),
        "cores": usable,
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **versions,
    }
