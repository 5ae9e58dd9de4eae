"""Tensors out of a file that may be damaged or somebody else's: each is what it should be, or an error names it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from natural_mujoco import NaturalMujocoError


def take(tensors: Mapping[str, Tensor], name: str, like: Tensor, source: str, finite: bool = True) -> Tensor:
    """The tensor `name` of the file `source`, which must be as `like` in shape and type, and `finite` where asked.

    Raises NaturalMujocoError naming the file and the tensor.
    """
    if name not in tensors:
        raise NaturalMujocoError(f"{source}: {name} is missing. {_REASON}")
    found = tensors[name]
    if found.shape != like.shape or found.dtype != like.dtype:
        raise NaturalMujocoError(
            f"{source}: {name} is {found.dtype} {list(found.shape)}, not {like.dtype} {list(like.shape)}. {_REASON}"
        )
    if finite and found.is_floating_point() and not bool(torch.isfinite(found).all()):
        raise NaturalMujocoError(f"{source}: {name} holds numbers that are not finite. {_REASON}")
    return found


def take_stream(tensors: Mapping[str, Tensor], name: str, generator: torch.Generator, source: str) -> None:
    """Put `generator` where the state `name` of the file `source` says.

    States differ between kinds of devices: one of another kind leaves the generator as it was seeded.
    """
    own = generator.get_state()
    if name in tensors and tensors[name].dtype == own.dtype and tensors[name].shape != own.shape:
        return
    try:
        generator.set_state(take(tensors, name, own, source).cpu())
    except (RuntimeError, TypeError) as error:
        raise NaturalMujocoError(f"{source}: {name} is no state of a generator. {_REASON}") from error


def refuse_others(tensors: Collection[str], known: Collection[str], source: str) -> None:
    """Raises NaturalMujocoError where `tensors` has a name that is not `known`."""
    others = sorted(set(tensors) - set(known))
    if others:
        raise NaturalMujocoError(f"{source}: {others[0][:100]} is no tensor of this agent. {_REASON}")


_REASON = "It was written by another agent or version, or is damaged."
