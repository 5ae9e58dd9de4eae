"""End to end: control steps/s of short training runs, and where the time goes."""

from __future__ import annotations

import dataclasses
import itertools
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from agents.table import preset_config
from agents.training.trainer import Trainer

from .timing import Row, synchronise

PARTS = ("collection", "sampling", "update", "logging")


class Stopwatch:
    """Seconds inside each part of a trainer, from the end of its first update on."""

    def __init__(self, trainer: Trainer) -> None:
        self.trainer, self.seconds = trainer, dict.fromkeys(PARTS, 0.0)
        self.began: float | None = None
        self.began_steps = self.updates = 0
        self.moments: list[tuple[float, int]] = []
        self._wrap(trainer.collector, "step", "collection")
        self._wrap(trainer.agent, "draw", "sampling")
        self._wrap(trainer.agent, "learn", "update")
        for name in ("_log_if_due", "_save_if_due", "_save"):
            self._wrap(trainer, name, "logging")
        self._inside = False

    def _wrap(self, owner: Any, name: str, part: str) -> None:
        function: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            if self._inside:  # a part within a part counts once
                return function(*args, **kwargs)
            self._inside, start = True, time.perf_counter()
            try:
                result = function(*args, **kwargs)
                synchronise(self.trainer.device)
            finally:
                self._inside = False
            if self.began is not None:
                self.seconds[part] += time.perf_counter() - start
                if part == "update":
                    self.updates += 1
                    self.moments.append((time.perf_counter(), self.trainer.control_steps))
            elif part == "update":
                self.began, self.began_steps = time.perf_counter(), self.trainer.control_steps
                self.moments.append((self.began, self.began_steps))
            return result

        setattr(owner, name, timed)


def training_rows(
    runs: list[tuple[str, str, int, dict[str, Any]]], device: str, num_envs: int, steps: int
) -> Iterator[Row]:
    """Control steps/s of (agent, preset, prefill, other training settings) on natural WalkerWalk.

    Every part waits for the device before its time is taken, so that a GPU's work counts where it was asked for.
    """
    for agent, preset, prefill, settings in runs:
        with tempfile.TemporaryDirectory() as folder:
            config = preset_config(agent, preset)
            training = dataclasses.replace(
                config.training, prefill=prefill, warmup_updates=0, evaluate_every=0, **settings
            )
            config = dataclasses.replace(
                config, task="walker-walk", variant="natural", videos="embedded", device=device,
                num_envs=num_envs, logdir=Path(folder), steps=prefill + steps, training=training,
                replay=dataclasses.replace(config.replay, capacity=20_000),
            )  # fmt: skip
            trainer = Trainer(config)
            watch = Stopwatch(trainer)
            trainer.run()
            assert watch.began is not None, "the run ended before its first update"
            seconds = time.perf_counter() - watch.began
            rate = (trainer.control_steps - watch.began_steps) / seconds
            # Spread over thirds of the run, where each holds some updates.
            thirds = [watch.moments[i * (len(watch.moments) - 1) // 3] for i in range(4)]
            rates = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.pairwise(thirds)]
            shares = {part: watch.seconds[part] / seconds for part in PARTS}
            shares["other"] = 1 - sum(shares.values())
            name = f"{agent} {preset}, {num_envs} environments"
            name += "".join(f" {k}" for k, v in settings.items() if v is True)
            yield Row(
                "training", name, rate, "control steps/s",
                min([rate, *rates]), max([rate, *rates]), None, "",
                {"shares": shares, "updates_per_second": watch.updates / seconds,
                 "median_third": statistics.median(rates)},
            )  # fmt: skip
            for part, share in shares.items():
                yield Row("training", f"{name}: {part}", 100 * share, "%")
