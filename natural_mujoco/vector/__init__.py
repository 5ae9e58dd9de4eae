"""The vector environment: `environment` steps a `team` of `worker` processes over a `shared_block` of memory."""

from .environment import NaturalMujocoVectorEnv

__all__ = ["NaturalMujocoVectorEnv"]
