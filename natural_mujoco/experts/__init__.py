"""Experts: trained policies that read the physical state, for each of the ten tasks.

>>> from dm_control import suite
>>> from natural_mujoco.experts import load_expert
>>> expert = load_expert("cartpole-swingup")
>>> time_step = suite.load("cartpole", "swingup").reset()
>>> expert.act(time_step.observation).shape
(1,)

- `load_expert`, `Expert`: a trained network in NumPy, with its card.
- `flatten`: turns dm_control's observation, an ordered mapping of parts, into the vector that an expert reads.
- `EXPERTS`: the tasks that have an expert.
- `Card`: algorithm, versions, steps, seed, layout of the observation, returns.
"""

from __future__ import annotations

from .card import Card
from .expert import EXPERTS, Expert, experts_digest, load_expert
from .observation import flatten

__all__ = ["EXPERTS", "Card", "Expert", "experts_digest", "flatten", "load_expert"]
