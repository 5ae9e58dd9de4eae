"""Checkpoints: tensors in safetensors, all else in JSON, written so that a kill at any moment leaves a whole one.

A checkpoint is a folder `checkpoints/NUMBER/` with `checkpoint.safetensors` and `state.json`; the latter holds the
checksum of the former. It is written beside its place and renamed into it; the last two are kept. Nothing in it can
execute.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from natural_mujoco import NaturalMujocoError

TENSORS, STATE = "checkpoint.safetensors", "state.json"
KEPT = 2


class Checkpoint(NamedTuple):
    """What was saved, and where it was found."""

    path: Path
    tensors: dict[str, Tensor]
    state: dict[str, Any]


def save_checkpoint(run: Path, number: int, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> Path:
    """Write checkpoint `number` (they grow) of the run directory `run` and drop all but the last two.

    Raises NaturalMujocoError where the disk is full or forbids it; what was there stays as it was.
    """
    parent = run / "checkpoints"
    final, unfinished = parent / f"{number:012d}", parent / f".{number:012d}.tmp"
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        data = safetensors.torch.save(
            {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in tensors.items()}
        )
        _write(unfinished / TENSORS, data)
        body = {"sha256": hashlib.sha256(data).hexdigest(), **state}
        _write(unfinished / STATE, json.dumps(body).encode())
        if final.exists():
            shutil.rmtree(final)
        os.replace(unfinished, final)
        _sync_folder(parent)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise NaturalMujocoError(
            f"Cannot write a checkpoint to {parent}: {error.strerror}. Free some space and give the same command "
            "again; it resumes from the last checkpoint."
        ) from error
    for old in _numbered(parent)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load_checkpoint(run: Path, say: Callable[[str], None] = print) -> Checkpoint | None:
    """The newest whole checkpoint of `run`, or None where none was ever written.

    A corrupted one is passed over for the one before it, and `say` is told so. Raises NaturalMujocoError where all
    are corrupted.
    """
    folders = _numbered(run / "checkpoints")
    for folder in reversed(folders):
        try:
            data = (folder / TENSORS).read_bytes()
            state = json.loads((folder / STATE).read_bytes())
            if state["sha256"] != hashlib.sha256(data).hexdigest():
                raise ValueError("its checksum is not the one that was written")
            return Checkpoint(folder, safetensors.torch.load(data), state)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            say(f"Checkpoint {folder} is damaged ({error}); trying the one before it.")
    if folders:
        raise NaturalMujocoError(
            f"Every checkpoint in {run / 'checkpoints'} is damaged. Remove {run} to start the run again."
        )
    return None


def _numbered(parent: Path) -> list[Path]:
    return sorted(p for p in parent.glob("*") if p.name.isdigit()) if parent.is_dir() else []


def _write(path: Path, data: bytes) -> None:
    with open(path, "wb") as f:
        f.write(data)
        f.flush()
        os.fsync(f.fileno())


def _sync_folder(path: Path) -> None:
    """Make renames in `path` last through a power cut, where the system lets folders be opened."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(path, os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


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
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    return NaturalMujocoError(
        f"Update {updates} failed: {error} The batch, and parameters and random streams as of after drawing its "
        f"noise, are in {path}; a lower learning rate is the usual remedy."
    )
