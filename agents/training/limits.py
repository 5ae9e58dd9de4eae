"""The ranges of numeric settings, by name, for flags and for an untrusted config.json alike.

A rule applies to every field whose own name matches, in every section of every agent. command_line.py checks how
settings fit together.
"""

from __future__ import annotations

import math
import re

from .config import RunConfig, flatten

# (pattern of the field's own name, least, most); the first rule that matches applies.
_RULES: tuple[tuple[str, float, float], ...] = (
    (r"num_envs|evaluation_envs", 0, 4096),
    (r"threads", 0, 4096),
    (r"action_repeat", 1, 1000),
    (r"size", 46, 1024),
    (r"batch_length|horizon|rollout|n_step", 1, 100_000),
    (r"frame_stack|epochs|prefill_hold", 1, 1000),
    (r"bins", 2, 1000),
    (r"capacity", 1, 10**9),
    (r"(.*_)?depth", 1, 512),
    (r"(.*_)?layers", 0, 64),
    (r"(.*_)?(units|hidden|deterministic|stochastic|latent|channels)", 1, 8192),
    (r"(.*_)?(batch_size|minibatch|episodes|starts)", 0, 1_000_000),
    (r"random_shift|iterations", 0, 1000),
    (r"num_videos", 1, 1_000_000),
    (r"strength", 0, 1),
    (r"windows_per_episode|simultaneous_windows", 1, 1_000_000),
    (r"recent_share", 0, 1),
    (r"recent_steps", 1, 10**9),
    (r"overlay_(probability|weight)", 0, 1),
    (r"noise_steps", 1, 10**15),
    (r"discount|lambda_|least_guidance|(.*_)?target_rate", 0, 1),
    (r"seed", 0, 2**63 - 1),
    (r"(.*_)?log_std", -20, 20),
    (r"prior_share", 0, 1),
    (r"initial_multiplier", 1e-12, 1e12),
    (r"target", 0, 1e12),
    (r"(.*_)?(std|learning_rate|noise|clip|temperature)", 0, 1e300),
)
_WHOLE, _REAL, _TEXT, _MANY = 10**15, 1e300, 4096, 64


def first_fault(config: RunConfig) -> tuple[str, str] | None:
    """The first setting outside its range as (dotted name, what is wrong with it); None where all are inside."""
    for name, value in flatten(config).items():
        if isinstance(value, str) and len(value) > _TEXT:
            return name, f"has {len(value):,} characters; it may have {_TEXT:,}"
        values = value if isinstance(value, list) else [value]
        if len(values) > _MANY:
            return name, f"has {len(values)} numbers; it may have {_MANY}"
        for number in values:
            fault = _fault(name.rsplit(".", 1)[-1], number)
            if fault:
                return name, fault
    return None


def _fault(name: str, number: object) -> str | None:
    if isinstance(number, bool) or not isinstance(number, (int, float)):
        return None
    widest = _WHOLE if isinstance(number, int) else _REAL
    low, high = next((r[1:] for r in _RULES if re.fullmatch(r[0], name)), (-widest, widest))
    if math.isfinite(number) and low <= number <= high:
        return None
    if number < low:
        return f"is {number:.12g}; it must be at least {low:.12g}"
    return f"is {number:.12g}; it must be at most {high:.12g}"
