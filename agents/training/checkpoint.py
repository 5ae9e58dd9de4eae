"""Checkpoints: tensors in safetensors, all else in JSON, written so that a kill at any moment leaves a whole one.

A checkpoint is a folder `checkpoints/NUMBER/` with `checkpoint.safetensors` and `state.json`; the latter holds the
checksum of the former. It is written beside its place and renamed into it; the last two are kept. Nothing in it can
execute.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import safetensors.torch
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from natural_mujoco import NaturalMujocoError, files

from .run_folder import write_failed
from .state import PolicyState

TENSORS, STATE = "checkpoint.safetensors", "state.json"
KEPT = 2
StateT = TypeVar("StateT", bound=PolicyState)


class Checkpoint(NamedTuple, Generic[StateT]):
    """What was saved, and where it was found. The sha256 of the tensors' file is `state.sha256`."""

    path: Path
    tensors: dict[str, Tensor]
    state: StateT


def save_checkpoint(run: Path, number: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write checkpoint `number` (they grow) of the run directory `run` and drop all but the last two.

    Raises NaturalMujocoError where the disk is full or forbids it; what was there stays as it was.
    """
    parent = run / "checkpoints"
    final = parent / f"{number:012d}"
    data = safetensors.torch.save(
        {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}
    )
    body = {**state, "sha256": hashlib.sha256(data).hexdigest()}
    _remove_unfinished(parent)
    with files.replacing_folder(final, write_failed) as unfinished:
        files.write_bytes(unfinished / TENSORS, data, write_failed)
        files.write_bytes(unfinished / STATE, json.dumps(body, allow_nan=False).encode(), write_failed)
    for old in _numbered(parent)[:-KEPT]:
        with contextlib.suppress(OSError):  # what a user laid beside our two files keeps the folder
            for name in (TENSORS, STATE):
                (old / name).unlink(missing_ok=True)
            old.rmdir()
    return final


def load_checkpoint(
    run: Path, kind: type[StateT], say: Callable[[str], None] = print
) -> Checkpoint[StateT] | None:
    """The newest whole checkpoint of `run` with a state of this `kind`, or None where none was ever written.

    A damaged one is passed over for the one before it, and `say` is told so. Raises NaturalMujocoError where all
    are damaged, which names what is wrong with the newest.
    """
    faults: list[str] = []
    for folder in reversed(_numbered(run / "checkpoints")):
        if faults:
            say(f"{faults[-1]} Trying the checkpoint before it.")
        try:
            return _load(folder, kind)
        except (OSError, NaturalMujocoError) as error:
            faults.append(f"Checkpoint {folder} is damaged: {error}")
    if faults:
        raise NaturalMujocoError(
            f"{faults[0]} There is no whole one before it: remove {run} to start the run again."
        )
    return None


def _load(folder: Path, kind: type[StateT]) -> Checkpoint[StateT]:
    try:
        state = kind.model_validate(files.read_json(folder / STATE, 2**30))
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise NaturalMujocoError(
            f"{STATE}: {where}: {fault['msg']}, not {str(fault['input'])[:60]!r}."
        ) from error
    path = folder / TENSORS
    data = files.read_bytes(path, path.stat().st_size)
    if state.sha256 != hashlib.sha256(data).hexdigest():
        raise NaturalMujocoError(f"the checksum of {TENSORS} is not the one that was written.")
    try:
        return Checkpoint(folder, safetensors.torch.load(data), state)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise NaturalMujocoError(f"{TENSORS} holds no tensors ({str(error)[:200]}).") from error


def _numbered(parent: Path) -> list[Path]:
    if not parent.is_dir():
        return []
    return sorted(p for p in parent.iterdir() if re.fullmatch(r"\d{12}", p.name) and p.is_dir())


def _remove_unfinished(parent: Path) -> None:
    """What killed runs left half-written; the caller is the only writer."""
    for path in parent.glob(".*.tmp"):
        if re.fullmatch(r"\.\d{12}\.([0-9a-f]{16}\.)?tmp", path.name):
            shutil.rmtree(path, ignore_errors=True)


def save_failure(
    directory: Path, updates: int, error: Exception, tensors: dict[str, Tensor], batch: Any
) -> NaturalMujocoError:
    """Keep what led to a failed update; returns the error that names the file.

    Args:
        tensors: the agent's, with its parameters as they were before.
        batch: what it was learning from.
    """
    path = directory / f"failure-{updates}.safetensors"
    tensors = tensors | {f"batch.{k}": v for k, v in batch._asdict().items()}
    files.write_bytes(
        path, safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}), write_failed
    )
    return NaturalMujocoError(
        f"Update {updates} failed: {error} The batch, and parameters and random streams as of after drawing its "
        f"noise, are in {path}; a lower learning rate is the usual remedy."
    )
