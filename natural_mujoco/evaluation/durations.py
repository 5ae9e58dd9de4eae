"""How long an evaluation takes, roughly, said before it starts.

- `seconds_each`: one episode on one core.
- `expected_seconds`: all blocks on some processes.

Measured on two cores without a GPU, where drawing a full scene is what takes time: 100 standard episodes at action
repeat 2 are half an hour of one core, 100 natural ones a minute. What the policy itself needs comes on top.
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
    """Seconds of one core that an episode takes; with a GPU a standard frame costs about what a natural one does."""
    software = any(name in gl_renderer.lower() for name in _SOFTWARE)
    frame = _STANDARD_FRAME_S if strength_of(condition) < 1 and software else _NATURAL_FRAME_S
    return _PHYSICS_S + 1000 / action_repeat * frame


def expected_seconds(blocks: Sequence[Block], processes: int, gl_renderer: str) -> float:
    """Seconds from the start to the last record, on `processes` that each have a core."""
    total = sum(
        len(block.wanted)
        * (_CREATION_S + seconds_each(block.condition, block.source.action_repeat, gl_renderer))
        for block in blocks
    )
    return total / max(1, min(processes, len(blocks)))


def time_in_words(seconds: float) -> str:
    """A time as one says it.

    >>> time_in_words(31), time_in_words(1700), time_in_words(9000)
    ('less than a minute', 'about 28 min', 'about 2.5 h')
    """
    if seconds < 60:
        return "less than a minute"
    return f"about {seconds / 60:.0f} min" if seconds < 5400 else f"about {seconds / 3600:.1f} h"
