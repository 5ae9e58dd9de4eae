"""A results file: a header for one entry, and one record for each episode.

- `Results` and its parts: `Entry`, `Run`, `Machine`, `VideoSet`, `Protocol`, `Episode`, `Curve`, `Media`.
- `read_results`: parses an untrusted file within bounds; `write_results`: writes a file, whole or not at all.
- `Results.rows`: the records as flat dictionaries, for pandas and the like.

The file is JSON with one record per line. What many records share (versions, GL renderer, policy, video set) is written
once in the header; records refer to it by number or key. The schema is strict: unknown fields, NaN and numbers outside
their range are refused. `natural_mujoco.evaluation.checking` checks whether a file is complete and agrees with its
protocol.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from .. import files
from ..errors import FileError, ResultsError
from ..options import Renderer
from .conditions import ACTION_REPEAT, MAX_EPISODES, MAX_SEED, SIZE, Condition
from .curves import Curve
from .fields import (
    MEANINGS,
    ActionRepeat,
    Commit,
    Line,
    Link,
    LongLine,
    MediaPath,
    Privileged,
    Return,
    Seed,
    Sha256,
    Steps,
    Strict,
    VideoSet,
)

__all__ = ["Curve", "VideoSet"]

FORMAT = "natural-mujoco-results"
MAX_FILE_BYTES = 64 * 2**20
MAX_EPISODE_RECORDS = 200_000


class Entry(Strict):
    """Describes the entry that is evaluated; shown on the leaderboard unchanged."""

    name: Line
    authors: Annotated[tuple[Line, ...], Field(max_length=50)] = ()
    link: Link | None = None
    description: LongLine = ""
    series: Line | None = None
    """Name shared by entries that differ only in the number of training videos."""


class Run(Strict):
    """One policy and what it is evaluated on. No two runs may claim the same task, condition and training seed.

    `policy` is the policy's name as the user gave it; `digest` is the sha256 of its weights or source, if it has any;
    `training_steps` counts control steps; `privileged` says what the policy, or its teacher in training, sees beyond
    pixels.
    """

    policy: LongLine
    training_seed: Seed
    tasks: Annotated[tuple[Line, ...], Field(min_length=1, max_length=100)]
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1, max_length=200)]
    digest: Sha256 | None = None
    training_steps: Steps | None = None
    trained_on: Literal["standard", "natural"] | None = None
    trained_set: VideoSet | None = None
    """The video set that the policy was trained on, if it is known."""
    num_videos: Annotated[int, Field(ge=1, le=10**6)] | None = None
    """How many of the set's training videos were used in training; `None` for all of them."""
    strength: Annotated[float, Field(ge=0, le=1)] | None = None
    """The strength of the video in training; `None` for full strength."""
    action_repeat: ActionRepeat = ACTION_REPEAT
    privileged: Privileged | None = None


class Machine(Strict):
    """What episodes were played on: package versions, renderer, platform, and the commit of the policy's code.

    `gl_renderer` is the OpenGL driver, or with MuJoCo Warp the device.
    """

    versions: Annotated[dict[Line, Line], Field(max_length=50)]
    gl_renderer: LongLine
    platform: LongLine
    commit: Commit | None = None


class Protocol(Strict):
    """What every run is evaluated on: episodes per task and condition, their seed, the size of observations."""

    episodes: Annotated[int, Field(ge=1, le=MAX_EPISODES)]
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = 0
    size: Literal[64] = SIZE
    renderer: Renderer = "opengl"
    """What drew the observations. Files say it only if it is not OpenGL, the only renderer of older versions."""
    environment_version: Literal["v0"] = "v0"


class Episode(Strict):
    """One episode. `return` is the sum of rewards, `length` the control steps, `machine` an index into the header.

    `video` and `frame` say what the first observation showed; both are null in the standard condition.
    """

    task: Line
    condition: Condition
    training_seed: Seed
    episode_seed: Seed
    return_: Annotated[Return, Field(alias="return")]
    length: Annotated[int, Field(ge=1, le=1000)]
    video: LongLine | None
    frame: Annotated[int, Field(ge=0, lt=1000)] | None
    machine: Annotated[int, Field(ge=0, lt=1000)] = 0
    frames_sha256: Sha256 | None = None
    """Hash of the video's prepared frames in this episode, if the set's manifest does not have it."""

    @property
    def key(self) -> tuple[str, str, int, int]:
        """Task, condition, training seed and episode seed, which together identify a record."""
        return self.task, self.condition, self.training_seed, self.episode_seed

    def __str__(self) -> str:
        return f"{self.task}, {self.condition}, training seed {self.training_seed}, episode seed {self.episode_seed}"


class Media(Strict):
    """A picture or film of an episode, in a file beside the results file."""

    task: Line
    condition: Condition
    file: MediaPath
    caption: LongLine = ""


class TaskSummary(Strict):
    """Mean returns of a condition by task, and the interquartile mean return if all tasks were evaluated."""

    tasks: dict[Line, Return]
    iqm: Return | None = None


class Results(Strict):
    """A whole results file. `summary` is for people who open the file; it is only checked against the records."""

    format: Literal["natural-mujoco-results"] = "natural-mujoco-results"
    version: Literal[1] = 1
    entry: Entry
    protocol: Protocol
    video_set: VideoSet | None
    runs: Annotated[tuple[Run, ...], Field(min_length=1, max_length=10_000)]
    machines: Annotated[tuple[Machine, ...], Field(max_length=1000)] = ()
    summary: dict[Condition, TaskSummary] = Field(default_factory=dict)
    curves: Annotated[tuple[Curve, ...], Field(max_length=10_000)] = ()
    media: Annotated[tuple[Media, ...], Field(max_length=300)] = ()
    episodes: Annotated[tuple[Episode, ...], Field(max_length=MAX_EPISODE_RECORDS)] = ()

    @property
    def is_reference(self) -> bool:
        """Whether this is one of the reference policies `zero`, `random` and `expert`."""
        return {run.policy for run in self.runs} == {self.entry.name} and self.entry.name in REFERENCES

    def without_empty_runs(self) -> Results:
        """These results without the runs that have no episodes."""
        played = {episode.key[:3] for episode in self.episodes}
        claims = {
            run: {(task, c, run.training_seed) for task in run.tasks for c in run.conditions}
            for run in self.runs
        }
        return self.model_copy(update={"runs": tuple(run for run in self.runs if claims[run] & played)})

    def rows(self) -> Iterator[dict[str, Any]]:
        """Each record as one flat dictionary, together with everything that the header says about it."""
        for episode in self.episodes:
            machine = self.machines[episode.machine]
            natural = episode.condition != "standard"
            yield {
                "entry": self.entry.name,
                **episode.model_dump(by_alias=True, exclude={"machine"}),
                "video_set": self.video_set.name if natural and self.video_set else None,
                "manifest_hash": self.video_set.manifest_hash if natural and self.video_set else None,
                "renderer": self.protocol.renderer,
                "versions": machine.versions,
                "gl_renderer": machine.gl_renderer,
                "commit": machine.commit,
            }

    def to_json(self) -> str:
        """The file's text: the header indented, then one record per line."""
        header = self.model_dump(mode="json", by_alias=True, exclude={"episodes"})
        if self.protocol.renderer == "opengl":
            del header["protocol"]["renderer"]
        head = json.dumps(header, indent=1, ensure_ascii=False)[:-2]
        lines = (
            json.dumps(_record(episode), ensure_ascii=False, separators=(",", ":"))
            for episode in self.episodes
        )
        return head + ',\n "episodes": [\n' + ",\n".join(lines) + "\n ]\n}\n"


def _record(episode: Episode) -> dict[str, Any]:
    left_out = {"frames_sha256"} if episode.frames_sha256 is None else None
    return episode.model_dump(mode="json", by_alias=True, exclude=left_out)


REFERENCES = ("zero", "random", "expert")
"""The reference policies, whose names are reserved. None of them sees pixels."""


def read_results(path: str | os.PathLike[str]) -> Results:
    """Parses the results file at `path`, without the checks of `natural_mujoco.evaluation.checking`.

    Raises `ResultsError`, which names the file, the record and what is wrong with it.
    """
    path = Path(path)
    try:
        data = files.read_bytes(path, MAX_FILE_BYTES)
    except OSError as error:
        raise ResultsError(f"Cannot read {path}: {error.strerror}.") from error
    except FileError as error:
        raise ResultsError(f"{error} Give the JSON file that `evaluate` wrote.") from error
    try:
        results = Results.model_validate_json(data)
        files.parse_json(data, str(path))  # refuses duplicate keys, which pydantic accepts
        return results
    except ValidationError as error:
        raise ResultsError(f"{path}: {_first_fault(error, data)}") from error
    except FileError as error:
        raise ResultsError(str(error)) from error


def write_results(path: str | os.PathLike[str], results: Results) -> None:
    """Writes a results file atomically: if the process is killed, either the old file or the new one is there.

    Raises `ResultsError` if it cannot be written.
    """
    files.write_bytes(Path(path), results.to_json().encode(), _not_written)


def _not_written(path: Path, error: OSError) -> ResultsError:
    sentence = files.write_fault(path, error, "give --out another place")
    return ResultsError(f"{sentence} The finished episodes that were written before are safe.")


def _first_fault(error: ValidationError, data: bytes) -> str:
    """One line about the first fault: its place, its record, and what is wrong."""
    fault = error.errors(include_url=False)[0]
    where = [str(part) for part in fault["loc"]]
    what = fault["msg"][0].lower() + fault["msg"][1:]
    if not where:
        return f"no valid results file: {what}."
    if fault["type"] == "extra_forbidden":
        what = f"unknown field {where[-1]!r}"
        where = where[:-1]
    elif fault["type"] == "string_pattern_mismatch":
        what = f"{MEANINGS.get(fault['ctx']['pattern'], what)}, not {str(fault['input'])[:60]!r}"
    elif not isinstance(fault["input"], (dict, list, tuple)):
        what = f"{what}, not {str(fault['input'])[:60]!r}"
    record = ""
    if where and where[0] == "episodes" and len(where) > 1:
        record = f" ({_name_record(data, int(where[1]))})"
        where = [f"episode record {where[1]}", *where[2:]]
    return f"{' → '.join(where) or 'header'}{record}: {what}."


def _name_record(data: bytes, index: int) -> str:
    """The name of the record at `index`, as far as it can be read."""
    try:
        record = json.loads(data)["episodes"][index]
        return ", ".join(
            f"{label}{str(record.get(field))[:40]}"
            for field, label in (
                ("task", ""),
                ("condition", ""),
                ("training_seed", "training seed "),
                ("episode_seed", "episode seed "),
            )
        )
    except (ValueError, LookupError, AttributeError, TypeError, RecursionError):
        return "unreadable"
