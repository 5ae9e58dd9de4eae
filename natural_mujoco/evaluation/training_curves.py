"""Reads learning curves from a run's evaluations.jsonl, each with the condition in which it was actually played.

- `training_curves`: one curve for each setting in which the run evaluated itself.

A line of evaluations.jsonl is an episode record with `control_steps` and `setting` (`curves.Setting`). Lines of older
versions have no setting; it is taken from the run's config.json, and the video set is found by the clips that the lines
name. The cost of training comes from metrics.jsonl (`train/seconds`) and config.json (`threads`, `device`).
"""

from __future__ import annotations

import bisect
import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from .. import files
from ..backgrounds.manifest import Manifest
from ..errors import NaturalMujocoError
from .conditions import Condition, expected_background
from .curves import AS_TRAINED, Cost, Curve, Setting
from .fields import Return, Seed, Steps, VideoSet
from .policy_source import PolicySource

MOST_BYTES = 256 * 2**20
NVIDIA = Path("/proc/driver/nvidia")
"""There where a GPU may have been what the device `auto` of a run on this machine meant."""


class _Line(BaseModel):
    control_steps: Steps
    condition: Condition
    return_: Annotated[Return, Field(alias="return")]
    episode_seed: Seed | None = None
    video: str | None = None
    frame: int | None = None
    setting: Setting | None = None


class _Metrics(BaseModel):
    """The fields of a line of metrics.jsonl that tell the time."""

    control_steps: Steps
    seconds: Annotated[float | None, Field(alias="train/seconds", ge=0, le=10**10)] = None


LineT = TypeVar("LineT", bound=BaseModel)


def training_curves(
    source: PolicySource, video_set: VideoSet | None, manifest: Manifest | None
) -> list[Curve]:
    """The learning curves of a run: mean return of its evaluations during training, by control steps.

    `video_set` and `manifest` are those of the evaluation to which the curves are added. A curve that was played by its
    protocol has one of its conditions; any other has the condition `as trained` and lists how it differs.
    """
    if source.kind != "run":
        return []
    lines, cost = _read(Path(source.text) / "evaluations.jsonl", _Line), _cost(Path(source.text))
    older = [line for line in lines if line.setting is None]
    assumed = _assumed(Path(source.text), older, video_set, manifest) if older else Setting()
    points: dict[tuple[Condition, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    settings: dict[str, Setting] = {}
    for line in lines:
        setting = line.setting or assumed
        name = setting.model_dump_json()
        settings[name] = setting
        points[line.condition, name][line.control_steps].append(line.return_)
    curves = []
    for (condition, name), at in points.items():
        steps = sorted(at)[-5000:]
        departures = settings[name].departures(condition, video_set, source.action_repeat)
        curves.append(
            Curve(
                task=source.task or "",
                condition=AS_TRAINED if departures else condition,
                training_seed=source.training_seed,
                steps=tuple(steps),
                returns=tuple(sum(at[step]) / len(at[step]) for step in steps),
                setting=settings[name],
                departures=departures,
                cost=cost(steps),
            )
        )
    return curves


def _cost(run: Path) -> Callable[[Sequence[int]], Cost | None]:
    """A function that gives the cost of `run` up to control steps; `None` if time, threads or device are unknown."""
    try:
        config: Any = files.read_json(run / "config.json")["config"]
        cores, device = config["threads"], config["device"]
    except (OSError, NaturalMujocoError, LookupError, TypeError):
        return lambda steps: None
    if device == "auto" and not NVIDIA.exists():
        device = "cpu"
    lines = _read(run / "metrics.jsonl", _Metrics)
    times = sorted((line.control_steps, line.seconds) for line in lines if line.seconds is not None)
    latest = list(itertools.accumulate((seconds for _, seconds in times), max))

    def cost(steps: Sequence[int]) -> Cost | None:
        counts = [bisect.bisect(times, step, key=lambda time: time[0]) for step in steps]
        hours = tuple(round(latest[count - 1] / 3600, 4) if count else 0.0 for count in counts)
        try:
            return Cost(hours=hours, cores=cores, device=device) if times else None
        except ValidationError:  # with threads 0, PyTorch chose the number, which is not recorded
            return None

    return cost


def _read(path: Path, kind: type[LineT]) -> list[LineT]:
    """The valid lines of a file; others, such as half a line of a run that was killed, are skipped."""
    try:
        text = files.read_bytes(path, MOST_BYTES).decode("utf-8", "replace")
    except (OSError, NaturalMujocoError):
        return []
    lines = []
    for line in text.splitlines():
        try:
            lines.append(kind.model_validate_json(line))
        except ValidationError:
            continue
    return lines


def _assumed(run: Path, lines: list[_Line], video_set: VideoSet | None, manifest: Manifest | None) -> Setting:
    """The setting for lines without one: from the run's configuration, and the evaluation's set if all clips fit."""
    try:
        environment: Any = files.read_json(run / "config.json")["config"]["environment"]
        told = {name: environment[name] for name in ("matte", "playback", "action_repeat", "size")}
        rendering = environment["rendering"]
        natural = any(line.condition != "standard" for line in lines)
        if rendering == "default":
            rendering = "fast" if natural and told["matte"] == "semantic" else "reference"
        same = manifest is not None and all(_shows(manifest, line) for line in lines)
        return Setting(**told, rendering=rendering, video_set=video_set if natural and same else None)
    except (OSError, NaturalMujocoError, LookupError, TypeError, ValidationError):
        return Setting()


def _shows(manifest: Manifest, line: _Line) -> bool:
    """Whether the line's clip and frame are those that its seed leads to in this set."""
    if line.condition == "standard":
        return True
    if line.episode_seed is None or line.video is None or line.frame is None:
        return False
    video, frame = expected_background(manifest, line.condition, line.episode_seed)
    return line.video == video and (frame is None or line.frame == frame)
