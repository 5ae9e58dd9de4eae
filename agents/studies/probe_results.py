"""A probe's results on disk: written after every model, so that a probe that was stopped goes on where it was."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from natural_mujoco import InvalidArgument, NaturalMujocoError

Result = dict[str, Any]  # {"variant", "model", "seed", "probes": [one record for each probe]}
# What decides which models there are and where they are trained, and never what one of them scores.
FREE = ("models", "variants", "seeds", "device", "threads", "out")


class ProbeResults:
    """The file TASK.json of a probe: {"task", "config", "results"}.

    Args:
        path: where it is, or will be.
        task: the task's name.
        config: the probe's settings, as JSON keeps them. Those in `FREE` may differ from one call to the next.

    Raises:
        InvalidArgument: the file holds a probe of other settings; they are named.
        NaturalMujocoError: the file is not a probe's, or cannot be read.
    """

    def __init__(self, path: Path, task: str, config: dict[str, Any]) -> None:
        self.path = path
        fixed = {k: v for k, v in config.items() if k not in FREE}
        self.data: dict[str, Any] = {"task": task, "config": fixed, "results": []}
        if not path.exists():
            return
        try:
            found = json.loads(path.read_text())
            before, self.data["results"] = dict(found["config"]), list(found["results"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise NaturalMujocoError(
                f"{path} is not the results of a probe; move it away or give another --out."
            ) from error
        differing = [
            f"{k}: {before.get(k)!r} there, {v!r} now" for k, v in fixed.items() if before.get(k) != v
        ]
        if differing:
            raise InvalidArgument(
                f"{path} holds a probe of other settings ({'; '.join(differing)}). Give another --out."
            )

    def has(self, variant: str, model: str, seed: int) -> bool:
        """Whether this model has been trained and probed."""
        return any(
            (r["variant"], r["model"], r["seed"]) == (variant, model, seed) for r in self.data["results"]
        )

    def add(self, result: Result) -> None:
        """Keep a finished model. A reader never sees half a file."""
        self.data["results"].append(result)
        unfinished = self.path.with_suffix(".unfinished")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(self.data, indent=1) + "\n")
            os.replace(unfinished, self.path)
        except OSError as error:
            raise NaturalMujocoError(f"Cannot write {self.path}: {error.strerror}.") from error
