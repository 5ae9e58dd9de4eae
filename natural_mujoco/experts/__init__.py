"""State experts: what a policy earns that reads the physics, for each of the ten tasks.

>>> from dm_control import suite
>>> from natural_mujoco.experts import load_expert
>>> expert = load_expert("cartpole-swingup")
>>> time_step = suite.load("cartpole", "swingup").reset()
>>> expert.act(time_step.observation).shape
(1,)

- `load_expert`, `Expert`: a trained network in NumPy, and the card that says where it comes from.
- `flatten`: dm_control's observation, an ordered mapping of parts, as the vector that an expert reads.
- `EXPERTS`: the tasks that have one.
- `Card`: algorithm, versions, steps, seed, layout of the observation, returns.
"""

from __future__ import annotations

from .card import Card
from .expert import EXPERTS, Expert, experts_digest, load_expert
from .observation import flatten

__all__ = ["EXPERTS", "Card", "Expert", "experts_digest", "flatten", "load_expert"]
