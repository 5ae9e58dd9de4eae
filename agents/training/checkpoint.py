"""Checkpoints: tensors in safetensors and the rest in JSON, written so that a kill always leaves a whole one.

A checkpoint is a folder `checkpoints/NUMBER/` with `checkpoint.safetensors` and `state.json`; the latter holds the
checksum of the former. It is written under a temporary name and then renamed; the last two are kept. Loading one cannot
execute code.
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
    """A loaded checkpoint and its path. `state.sha256` is the hash of the tensors' file."""

    path: Path
    tensors: dict[str, Tensor]
    state: StateT


def save_checkpoint(run: Path, number: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Writes checkpoint `number` (larger than those before) of the run directory `run`; keeps only the last two.

    Raises NaturalMujocoError if it cannot be written, for example on a full disk; older checkpoints then stay.
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
        with contextlib.suppress(OSError):  # a folder to which the user has added files is kept
            for name in (TENSORS, STATE):
                (old / name).unlink(missing_ok=True)
            old.rmdir()
    return final


def load_checkpoint(
    run: Path, kind: type[StateT], say: Callable[[str], None] = print
) -> Checkpoint[StateT] | None:
    """The newest whole checkpoint of `run` with a state of this `kind`, or None if none was ever written.

    A damaged checkpoint is skipped for the one before it, which `say` is called to report. Raises NaturalMujocoError if
    all are damaged; the message says what is wrong with the newest.
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
    """Removes checkpoints that killed runs left half-written; the caller must be the only writer."""
    for path in parent.glob(".*.tmp"):
        if re.fullmatch(r"\.\d{12}\.([0-9a-f]{16}\.)?tmp", path.name):
            shutil.rmtree(path, ignore_errors=True)


def save_failure(
    directory: Path, updates: int, error: Exception, tensors: dict[str, Tensor], batch: Any
) -> NaturalMujocoError:
    """Saves what led to a failed update; returns an error that names the file.

    Args:
        tensors: the agent's tensors, with the parameters from before the update.
        batch: the batch of the update.
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
