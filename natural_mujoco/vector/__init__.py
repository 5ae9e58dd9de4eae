"""The vector environment: `environment` steps worker processes (`worker`) over shared memory (`shared_block`)."""

from .environment import NaturalMujocoVectorEnv

__all__ = ["NaturalMujocoVectorEnv"]
