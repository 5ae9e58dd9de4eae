"""Checks of tensors from a file that may be damaged or untrusted; errors name the tensor."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from natural_mujoco import NaturalMujocoError


def take(tensors: Mapping[str, Tensor], name: str, like: Tensor, source: str, finite: bool = True) -> Tensor:
    """The tensor `name` of the file `source`, which must have the shape and type of `like` and, if asked, be `finite`.

    Raises NaturalMujocoError, which names the file and the tensor.
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
    """Sets the state of `generator` to the tensor `name` of the file `source`.

    States of different kinds of devices do not fit each other; the generator then keeps its seed.
    """
    own = generator.get_state()
    if name in tensors and tensors[name].dtype == own.dtype and tensors[name].shape != own.shape:
        return
    try:
        generator.set_state(take(tensors, name, own, source).cpu())
    except (RuntimeError, TypeError) as error:
        raise NaturalMujocoError(f"{source}: {name} is no state of a generator. {_REASON}") from error


def refuse_others(tensors: Collection[str], known: Collection[str], source: str) -> None:
    """Raises NaturalMujocoError if `tensors` has a name that is not in `known`."""
    others = sorted(set(tensors) - set(known))
    if others:
        raise NaturalMujocoError(f"{source}: {others[0][:100]} is no tensor of this agent. {_REASON}")


_REASON = "It was written by another agent or version, or is damaged."
