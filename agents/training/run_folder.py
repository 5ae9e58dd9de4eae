"""The folder of a run: checks that it belongs to the run, locks it for one writer, and holds its config.json.

- `run_directory`: the path of a run's folder.
- `held`: locks the folder for as long as the run is trained; refuses folders with other content.
- `save_config`, `read_config`, `differing_fields`: the settings of the run.

The folder contains config.json, metrics.jsonl, episodes.jsonl, evaluations.jsonl, checkpoints/, replay/, TensorBoard's
events, and pictures and films. No other file in it is ever touched.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from natural_mujoco import InvalidArgument, NaturalMujocoError, files
from natural_mujoco.errors import FileError
from natural_mujoco.evaluation.fields import VideoSet

from ..table import AGENTS, agent_name
from .config import RESUMABLE, RunConfig, flatten
from .earlier import FORMAT, upgraded
from .limits import first_fault

CONFIG = "config.json"
LOCK = ".run.lock"
# Files that a run, or its sweep, may have written before config.json.
_BEFORE_CONFIG = re.compile(
    rf"{re.escape(LOCK)}(\.holder)?|output\.log|\.({re.escape(LOCK)}\.holder|config\.json)\.([0-9a-f]{{16}}\.)?tmp"
)


def run_directory(config: RunConfig) -> Path:
    """The path of a run's folder: `--logdir`, or runs/TASK-VARIANT/AGENT-PRESET-SEED."""
    if config.logdir is not None:
        return config.logdir
    ablation = getattr(config, "ablation", "none")
    name = agent_name(config) if ablation == "none" else f"{agent_name(config)}-{ablation}"
    return Path("runs") / f"{config.task}-{config.variant}" / f"{name}-{config.preset}-{config.seed}"


@contextmanager
def held(
    directory: Path, config: RunConfig, video_set: VideoSet | None, wait_s: float = 0.0
) -> Iterator[None]:
    """Locks `directory` as the only writer of the run `config`, and writes its config.json.

    Args:
        video_set: the set that `config.videos` names on this machine; None for the standard variant.
        wait_s: seconds to wait if another process holds the lock.

    Raises:
        InvalidArgument: the folder is not empty and not that of a run, or of a run with other settings or videos;
            nothing is written then.
        LockHeld: another process trains there.
        FileError: the folder cannot be written to.
    """
    _require_ours(directory, config, video_set)
    what = f"Training {config.task} {config.variant} with {agent_name(config)}"
    with files.holding(directory / LOCK, what, wait_s, fault=write_failed):
        _require_ours(directory, config, video_set)  # its last holder may have begun another run
        save_config(directory, config, video_set)
        yield


def write_failed(path: Path, error: OSError) -> NaturalMujocoError:
    """The error to raise for an `OSError` while writing to a run's folder."""
    return NaturalMujocoError(
        files.write_fault(path, error, "give another --logdir")
        + " Rerun the same command to resume from the last checkpoint."
    )


def _require_ours(directory: Path, config: RunConfig, video_set: VideoSet | None) -> None:
    if require_run_folder(directory):
        differing = differing_fields(read_config(directory), config)
        before = read_video_set(directory)
        if before is not None and before != video_set and config.variant == "natural":
            differing.append(f"videos: {_named(before)} there, {_named(video_set)} here")
        if differing:
            raise InvalidArgument(
                f"{directory} holds a run of another configuration ({'; '.join(differing)}). "
                "Give its settings to resume it, or another --logdir."
            )


def require_run_folder(directory: Path) -> bool:
    """Whether `directory` holds a run; false if it is empty or does not exist. Writes nothing.

    Raises InvalidArgument if the folder holds something else, FileError if it is not a folder or cannot be read.
    """
    try:
        names = [path.name for path in directory.iterdir()]
    except FileNotFoundError:
        return False
    except OSError as error:
        raise FileError(files.write_fault(directory, error, "give another --logdir")) from error
    if CONFIG in names:
        return True
    foreign = sorted(name for name in names if not _BEFORE_CONFIG.fullmatch(name))
    if foreign:
        raise InvalidArgument(
            f"{directory} is not empty and holds no run (there is {foreign[0][:80]!r} and no {CONFIG}): "
            "give --logdir a new folder."
        )
    return False


def save_config(run: Path, config: RunConfig, video_set: VideoSet | None = None) -> None:
    """Writes config.json, whole or not at all. Raises NaturalMujocoError if it cannot be written."""
    data = {
        "format": FORMAT,
        "agent": agent_name(config),
        "video_set": video_set and video_set.model_dump(),
        "config": dataclasses.asdict(config),
    }
    text = json.dumps(data, indent=1, default=str) + "\n"
    files.write_bytes(run / CONFIG, text.encode(), write_failed)


def read_config(run: Path) -> RunConfig:
    """The configuration of a run's folder, with all numbers checked against their ranges.

    Raises NaturalMujocoError, which names the file and the field, if config.json is missing or cannot be read, or if a
    setting is missing, unknown, of another type or out of range.
    """
    path, data = run / CONFIG, _read(run)
    if not isinstance(data.get("config"), dict):
        raise _unreadable(path, "it has no section config")
    agent = data.get("agent")
    if not isinstance(agent, str) or agent not in AGENTS:
        raise _unreadable(path, f"agent is {str(agent)[:40]!r}; there are {', '.join(AGENTS)}")
    section = upgraded(data["config"], agent, data.get("format"))
    try:
        # Validated as JSON: strict about types, but lists become tuples and strings become paths.
        config = TypeAdapter(AGENTS[agent].config).validate_json(json.dumps(section), strict=True)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(["config", *map(str, fault["loc"])])
        raise _unreadable(path, f"{where}: {fault['msg']}, not {str(fault['input'])[:60]!r}") from error
    unknown = sorted(
        _names(section) - _names(json.loads(json.dumps(dataclasses.asdict(config), default=str)))
    )
    if unknown:
        raise _unreadable(path, f"config.{unknown[0][:80]} is no setting of {agent}")
    wrong = first_fault(config)
    if wrong:
        raise _unreadable(path, f"config.{wrong[0]} {wrong[1]}")
    return config


def read_video_set(run: Path) -> VideoSet | None:
    """The video set with which a run began; None for the standard variant and in folders of earlier versions."""
    found = _read(run).get("video_set")
    try:
        return None if found is None else VideoSet.model_validate(found)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(["video_set", *map(str, fault["loc"])])
        raise _unreadable(run / CONFIG, f"{where}: {fault['msg']}") from error


def _named(video_set: VideoSet | None) -> str:
    return "none" if video_set is None else f"{video_set.name} ({video_set.manifest_hash[:12]}…)"


def _read(run: Path) -> dict[str, Any]:
    path = run / CONFIG
    try:
        data = files.read_json(path, 2**20)
    except FileNotFoundError as error:
        raise NaturalMujocoError(
            f"{run} is no run directory: it has no {CONFIG}. Give the --logdir of a training run."
        ) from error
    if not isinstance(data, dict):
        raise _unreadable(path, "it is no object")
    return data


def _unreadable(path: Path, why: str) -> NaturalMujocoError:
    return NaturalMujocoError(
        f"{path} cannot be read as a run's configuration ({why}): it was written by another version or is damaged."
    )


def _names(section: dict[str, Any], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for key, value in section.items():
        found |= _names(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key}
    return found


def differing_fields(a: RunConfig, b: RunConfig) -> list[str]:
    """The fields that affect what is learned and differ between `a` and `b`, as "name: a's value, b's value"."""
    left, right = {"agent": agent_name(a), **flatten(a)}, {"agent": agent_name(b), **flatten(b)}
    names = [name for name in {**left, **right} if name not in RESUMABLE]
    return [
        f"{name}: {left.get(name)!r} there, {right.get(name)!r} here"
        for name in names
        if left.get(name) != right.get(name)
    ]
