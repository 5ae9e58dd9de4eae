"""A probe's results on disk, written after every model, so that a probe can be resumed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from natural_mujoco import InvalidArgument, NaturalMujocoError, files

Result = dict[str, Any]  # {"variant", "model", "seed", "probes": [one record for each probe]}
# Settings that decide which models are trained and where, but not a model's scores.
FREE = ("models", "variants", "seeds", "device", "threads", "out")


class _Probe(BaseModel):
    """One record of a probe, as far as the picture needs it; the rest passes through."""

    model_config = ConfigDict(extra="allow", allow_inf_nan=False)
    update: Annotated[int, Field(ge=0, le=10**12)]
    seconds: Annotated[float, Field(ge=0)]
    r2: Annotated[dict[str, dict[str, float]], Field(max_length=20)]


class _Result(BaseModel):
    """One finished model."""

    variant: str
    model: str
    seed: int
    probes: Annotated[list[_Probe], Field(max_length=10_000)]


class _File(BaseModel):
    config: dict[str, Any]
    results: Annotated[list[_Result], Field(max_length=10_000)]


class ProbeResults:
    """The file TASK.json of a probe: {"task", "config", "results"}.

    Args:
        path: the file, which need not exist yet.
        task: the task's name.
        config: the probe's settings, with values that JSON can hold. Those in `FREE` may differ between calls.

    Raises:
        InvalidArgument: the file holds a probe with other settings; the message names them.
        NaturalMujocoError: the file is not that of a probe, or cannot be read.
    """

    def __init__(self, path: Path, task: str, config: dict[str, Any]) -> None:
        self.path = path
        fixed = {k: v for k, v in config.items() if k not in FREE}
        self.data: dict[str, Any] = {"task": task, "config": fixed, "results": []}
        if not path.exists():
            return
        try:
            found = _File.model_validate(files.read_json(path))
        except (NaturalMujocoError, ValidationError) as error:
            why = str(error)
            if isinstance(error, ValidationError):
                fault = error.errors(include_url=False)[0]
                why = f"{'.'.join(map(str, fault['loc'])) or 'the file'}: {fault['msg']}"
            raise NaturalMujocoError(
                f"{path} is not the results of a probe ({why}): move it away or give another --out."
            ) from error
        before, self.data["results"] = found.config, [r.model_dump() for r in found.results]
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
        """Adds a finished model and replaces the file atomically."""
        self.data["results"].append(result)
        files.write_bytes(self.path, json.dumps(self.data, indent=1).encode() + b"\n")
