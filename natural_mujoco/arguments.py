"""Checks of what users pass, the same for single and for vector environments.

- `parse_seed`, `parse_seeds`: seeds of one and of several environments.
- `parse_actions`: an action, or one for each row.
- `whole_number`, `share`, `seconds`: sizes and counts, shares of a whole, time-outs.

Each raises `InvalidArgument` (`parse_actions` its subclass `InvalidAction`), and the message quotes the invalid value.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InvalidAction, InvalidArgument


def parse_seed(seed: Any, name: str = "seed") -> int | None:
    """A seed: any Python or NumPy integer from 0 on, or `None`.

    >>> parse_seed(np.uint8(7)), parse_seed(None)
    (7, None)
    """
    if seed is None:
        return None
    try:
        number = -1 if isinstance(seed, bool | np.bool_) else operator.index(seed)
    except TypeError:
        number = -1
    if number < 0:
        raise InvalidArgument(f"{name} is {seed!r}; it must be a whole number, 0 or more, or None.")
    return number


def parse_seeds(seed: Any, count: int) -> list[int | None]:
    """The seeds of `count` environments: `seed`, `seed + 1`, …, or the entries of a list, tuple or array.

    >>> parse_seeds(5, 3), parse_seeds([None, 4], 2)
    ([5, 6, 7], [None, 4])
    """
    if isinstance(seed, Sequence | np.ndarray) and not isinstance(seed, str | bytes) and np.ndim(seed) != 0:
        if len(seed) != count:
            raise InvalidArgument(f"seed has {len(seed)} entries for {count} sub-environments.")
        return [parse_seed(entry, f"seed[{row}]") for row, entry in enumerate(seed)]
    first = parse_seed(seed)
    return [None if first is None else first + row for row in range(count)]


def parse_actions(
    actions: Any, shape: tuple[int, ...], taker: str, name: str = "action"
) -> npt.NDArray[np.float64]:
    """`actions` as a `float64` array of `shape`; integers and booleans are accepted.

    `taker` is who takes them, for the error's sentence: `"walker-walk takes"`. Raises `InvalidAction` for what is not
    numeric, for another shape and for NaN.
    """
    has, is_, holds = ("have", "are", "hold") if name.endswith("s") else ("has", "is", "holds")
    try:
        array = np.asarray(actions)
    except (TypeError, ValueError, RuntimeError):  # ragged; a tensor on a GPU
        array = np.asarray(None)
    if array.dtype.kind not in "fiub":
        raise InvalidAction(f"{name} {is_} {actions!r}; {taker} numbers of shape {shape}.")
    if array.shape != shape:
        kind = "shape " if name == "action" else ""
        raise InvalidAction(f"{name} {has} shape {array.shape}; {taker} {kind}{shape}.")
    numbers: npt.NDArray[np.float64] = array.astype(np.float64)
    if np.isnan(numbers).any():
        raise InvalidAction(f"{name} {holds} NaN: {actions!r}. Check the policy's output.")
    return numbers


def whole_number(name: str, value: Any, low: int, high: int | None = None) -> int:
    """A whole number from `low` to `high`."""
    whole = not isinstance(value, bool) and isinstance(value, int | np.integer)
    if not whole or value < low or (high is not None and value > high):
        bounds = f"{low} or more" if high is None else f"from {low} to {high}"
        raise InvalidArgument(
            f"{name} is {value!r}; it must be a whole number{',' * (high is None)} {bounds}."
        )
    return int(value)


def share(name: str, value: Any) -> float:
    """A number from 0 to 1.

    >>> share("strength", np.float32(0.5))
    0.5
    """
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not 0 <= value <= 1:
        raise InvalidArgument(f"{name} is {value!r}; it must be a number from 0 to 1.")
    return float(value)


def seconds(name: str, value: Any) -> float | None:
    """A time-out in seconds, more than 0; `None` for none, which infinity means as well.

    >>> seconds("timeout", 10), seconds("timeout", math.inf)
    (10.0, None)
    """
    if value is None:
        return None
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not real or not value > 0:
        raise InvalidArgument(f"{name} is {value!r}; it must be a number of seconds above 0, or None.")
    return None if math.isinf(value) else float(value)
