"""dm_control's observation of a task as one vector.

- `flatten`: concatenates the parts into the vector that an expert's network reads.
- `layout`: the names and sizes of the parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt


def flatten(observation: Mapping[str, Any]) -> npt.NDArray[np.float32]:
    """The parts of `observation` (numbers or arrays), raveled and concatenated in dm_control's order: `float32[n]`."""
    return np.concatenate([np.ravel(part) for part in observation.values()]).astype(np.float32)


def layout(observation: Mapping[str, Any]) -> dict[str, int]:
    """How many numbers each part contributes to the vector, in order."""
    return {name: int(np.size(part)) for name, part in observation.items()}
