"""Estimates how long an evaluation takes, to be printed before it starts.

- `seconds_each`: for one episode on one core.
- `expected_seconds`: for all blocks on a number of processes.

Measured on two cores without a GPU, where most time goes into drawing full scenes: 100 standard episodes at action
repeat 2 take half an hour of one core, 100 natural ones a minute. The policy's own time is not included.
"""

from __future__ import annotations

from collections.abc import Sequence

from .conditions import Condition, strength_of
from .rollout import Block

_PHYSICS_S = 0.3
_STANDARD_FRAME_S, _NATURAL_FRAME_S = 0.034, 0.0007
_CREATION_S = 0.4
_SOFTWARE = ("llvmpipe", "softpipe", "swrast", "software")


def seconds_each(condition: Condition, action_repeat: int, gl_renderer: str = "llvmpipe") -> float:
    """Seconds of one core that an episode takes; with a GPU, standard frames cost about as much as natural ones."""
    software = any(name in gl_renderer.lower() for name in _SOFTWARE)
    frame = _STANDARD_FRAME_S if strength_of(condition) < 1 and software else _NATURAL_FRAME_S
    return _PHYSICS_S + 1000 / action_repeat * frame


def expected_seconds(blocks: Sequence[Block], processes: int, gl_renderer: str) -> float:
    """Seconds from the start to the last record, on `processes` processes with a core each."""
    total = sum(
        len(block.wanted)
        * (_CREATION_S + seconds_each(block.condition, block.source.action_repeat, gl_renderer))
        for block in blocks
    )
    return total / max(1, min(processes, len(blocks)))


def time_in_words(seconds: float) -> str:
    """A duration in words.

    >>> time_in_words(31), time_in_words(1700), time_in_words(9000)
    ('less than a minute', 'about 28 min', 'about 2.5 h')
    """
    if seconds < 60:
        return "less than a minute"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
