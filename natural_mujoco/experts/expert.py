"""A trained policy on the physical state, in NumPy alone.

- `Expert`: the policy: observation in, action out.
- `load_expert`: loads the expert of a task, as shipped or from a folder.
- `EXPERTS`: the tasks that have an expert; `experts_digest`: a sha256 over all shipped weights.

Weights are stored as safetensors: `weight0 [in, out]`, `bias0 [out]`, `weight1`, … with the task's name in the
metadata. The network has linear layers with ReLU between them and tanh after the last. Nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import safetensors.numpy

from ..errors import ExpertError
from ..tasks import TASKS, find_task
from .card import Card, read_card
from .observation import flatten

FOLDER = Path(__file__).with_name("trained")
MAX_WEIGHTS_BYTES = 16 * 2**20

EXPERTS: tuple[str, ...] = tuple(
    task.name for task in TASKS.values() if (FOLDER / f"{task.name}.safetensors").is_file()
)
"""The tasks with an expert, by the paper's names, in the order of `TASKS`."""

Array = npt.NDArray[np.float32]


class Expert:
    """The greedy policy of one task on dm_control's own observation of it.

    `card` says how it was trained and lists its returns at action repeats 1, 2 and 4.
    """

    def __init__(self, task: str, card: Card, layers: tuple[tuple[Array, Array], ...]) -> None:
        self.task = task
        """The paper's name of the task."""
        self.card = card
        self._layers = layers

    def __repr__(self) -> str:
        return f"<expert of {self.task}: mean return {self.card.mean_return():.0f}, privileged: state>"

    def act(self, observation: Mapping[str, Any] | npt.ArrayLike) -> Array:
        """The greedy action `float32[A]` in [-1, 1], or `float32[N, A]` for a batch.

        Args:
            observation: dm_control's observation of the task, an ordered mapping of its parts; or these parts as one
                flat vector `[D]` in the same order; or a batch of such vectors, `[N, D]`.

        Raises `ExpertError` for an observation of another size, for example of another task.
        """
        flat = flatten(observation) if isinstance(observation, Mapping) else observation
        states = np.asarray(flat, np.float32)
        size = self.card.observation_size
        if states.ndim not in (1, 2) or states.shape[-1] != size:
            raise ExpertError(
                f"The expert of {self.task} reads {size} numbers ({', '.join(self.card.observation)}), not an "
                f"observation of shape {list(states.shape)}. Give it dm_control's observation of this task."
            )
        x = states
        for weight, bias in self._layers[:-1]:
            x = np.maximum(x @ weight + bias, 0)
        weight, bias = self._layers[-1]
        return np.tanh(x @ weight + bias)  # type: ignore[no-any-return]


def load_expert(task: str, folder: str | os.PathLike[str] | None = None) -> Expert:
    """The expert of `task` (any of its names), as shipped, or from `TASK.safetensors` and `TASK.json` in `folder`.

    Raises `InvalidArgument` for an unknown task, `ExpertError` if it has no expert, or if the files are damaged or
    those of another task.
    """
    name = find_task(task).name
    path = (FOLDER if folder is None else Path(folder)) / f"{name}.safetensors"
    if not path.is_file():
        known = ", ".join(EXPERTS) or "none yet"
        where = "is shipped" if folder is None else f"is in {folder}"
        raise ExpertError(f"No expert of {name} {where}. Shipped are those of: {known}.")
    card = read_card(path.with_suffix(".json"))
    if card.task != name:
        raise ExpertError(f"{path.with_suffix('.json')} is the card of {card.task}, not of {name}.")
    return Expert(name, card, _read_layers(path, card))


def experts_digest() -> str:
    """The sha256 over the weights of all shipped experts, by which an evaluation records which experts it played."""
    digest = hashlib.sha256()
    for name in EXPERTS:
        digest.update(f"{name} {read_card(FOLDER / f'{name}.json').sha256}\n".encode())
    return digest.hexdigest()


def _read_layers(path: Path, card: Card) -> tuple[tuple[Array, Array], ...]:
    """The layers in the file at `path`, checked against `card`."""
    try:
        if path.stat().st_size > MAX_WEIGHTS_BYTES:
            raise ExpertError(f"{path} is far larger than the weights of an expert.")
        data = path.read_bytes()
        tensors = safetensors.numpy.load(data)
        metadata = _metadata(data)
    except OSError as error:
        raise ExpertError(f"Cannot read {path}: {error.strerror}.") from error
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError) as error:
        raise ExpertError(_damaged(path, str(error))) from error
    if metadata.get("task") != card.task:
        raise ExpertError(f"{path} holds the weights of {metadata.get('task')!r}, not of {card.task}.")
    if hashlib.sha256(data).hexdigest() != card.sha256:
        raise ExpertError(_damaged(path, "its sha256 is not the card's"))
    layers = []
    size = card.observation_size
    for k in range(len(tensors) // 2):
        weight, bias = tensors.get(f"weight{k}"), tensors.get(f"bias{k}")
        if weight is None or bias is None or weight.ndim != 2 or weight.shape != (size, len(bias)):
            raise ExpertError(_damaged(path, f"layer {k} does not fit"))
        size = len(bias)
        layers.append((weight.astype(np.float32), bias.astype(np.float32)))
    if not layers or size != card.action_size:
        raise ExpertError(_damaged(path, f"it gives {size} numbers, an action has {card.action_size}"))
    return tuple(layers)


def _metadata(data: bytes) -> dict[str, str]:
    """The text fields of a safetensors file's header, which `safetensors.numpy.load` has accepted."""
    length = int.from_bytes(data[:8], "little")
    fields = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return {str(key): str(value) for key, value in fields.items()}


def _damaged(path: Path, what: str) -> str:
    return f"{path} is damaged ({what}). Install the package anew, or export the expert again."
