"""A run's progress in one line: its present phase, its speed, and the time left at this speed."""

from __future__ import annotations

import time
from typing import NamedTuple


class Stand(NamedTuple):
    """The counters of a run."""

    control_steps: int
    warmups: int
    updates: int


class Progress:
    """Makes progress lines for a run.

    Args:
        label: task, variant and agent.
        steps, prefill, warmups: control steps of the run, control steps of the prefill, and updates of the warm-up.
        stand: the run's counters when this process begins.
    """

    def __init__(self, label: str, steps: int, prefill: int, warmups: int, stand: Stand) -> None:
        self.label, self.steps, self.prefill, self.warmups = label, steps, prefill, warmups
        self._phase, self._since, self._from = "", time.monotonic(), stand

    def line(self, stand: Stand, mean_return: float | None) -> str:
        """The line to show. Rates and the time left are those of the present phase only."""
        phase = self._phase_of(stand)
        if phase != self._phase:
            self._phase, self._since, self._from = phase, time.monotonic(), stand
        seconds = max(time.monotonic() - self._since, 1e-9)
        steps_rate = (stand.control_steps - self._from.control_steps) / seconds
        if phase == "prefill":
            doing = f"acting at random for the first {self.prefill:,} steps, {steps_rate:.0f} steps/s"
        elif phase == "warm-up":
            rate = (stand.warmups - self._from.warmups) / seconds
            left = (self.warmups - stand.warmups) / rate if rate else float("inf")
            doing = (
                f"warming up the model, {stand.warmups:,}/{self.warmups:,} updates  {rate:.2f} updates/s  "
                f"{duration(left)} left of it"
            )
        else:
            left = (self.steps - stand.control_steps) / steps_rate if steps_rate else float("inf")
            doing = (
                f"{(stand.updates - self._from.updates) / seconds:.2f} updates/s  {steps_rate:.0f} steps/s  "
                f"{duration(max(left, 0))} left"
            )
        mean = "–" if mean_return is None else f"{mean_return:.1f}"
        return f"{self.label}  {stand.control_steps:,}/{self.steps:,} steps  return {mean}  {doing}"

    def _phase_of(self, stand: Stand) -> str:
        if stand.control_steps < min(self.prefill, self.steps):
            return "prefill"
        return "warm-up" if stand.warmups < self.warmups else "training"


def duration(seconds: float) -> str:
    """A duration in hours and minutes, in words."""
    if seconds == float("inf"):
        return "?"
    hours, rest = divmod(int(max(seconds, 0)), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min"
