"""The errors a user can mend. Each message is one sentence about what is wrong and one about the remedy.

- `NaturalMujocoError`: base class; the command line prints its message and never a traceback.
- `InvalidArgument`: an argument that cannot be meant (also a `ValueError`).
- `VideoSetError`: a video set that is missing, incomplete, unreadable or not what its manifest says.
- `RenderingError`: no usable OpenGL, or a context used where it cannot be.
- `WorkerError`: a worker of the vector environment died, hung or raised.
- `PolicyError`: a policy under evaluation that cannot be loaded, raises, hangs or returns no actions.
- `ExpertError`: a state expert that is not there, damaged, or asked about another task's observation.
- `ResultsError`: a results file that is malformed, tampered with or incomplete (also a `ValueError`).
- `FileError`: a file that cannot be written, cannot be read, or does not hold what it should.
- `LockHeld`: another process holds a lock (also a `FileError`).
"""

from __future__ import annotations

from collections.abc import Iterable


class NaturalMujocoError(Exception):
    """Base of every error of this package that the user can mend."""


class InvalidArgument(NaturalMujocoError, ValueError):
    """An argument with a value that cannot be meant."""


class VideoSetError(NaturalMujocoError, RuntimeError):
    """A video set, clip or cache that cannot be used as it is."""


class RenderingError(NaturalMujocoError, RuntimeError):
    """OpenGL is missing, broken, or used in a process that does not own it."""


class WorkerError(NaturalMujocoError, RuntimeError):
    """A worker process of the vector environment failed."""


class PolicyError(NaturalMujocoError, RuntimeError):
    """A policy that cannot be loaded, raised, hung, or returned something that is no batch of actions."""


class ExpertError(NaturalMujocoError, ValueError):
    """A state expert that is missing, damaged, or given what it cannot read."""


class ResultsError(NaturalMujocoError, ValueError):
    """A results file that cannot be trusted; the message names the file and the record."""


class FileError(NaturalMujocoError, RuntimeError):
    """A file that cannot be written, cannot be read, or does not hold what it should."""


class LockHeld(FileError):
    """Another process holds the lock that is asked for; the message says which, if that is known."""


def unknown(what: str, value: object, valid: Iterable[str]) -> InvalidArgument:
    """The error for a `value` that is none of the `valid` ones, all of which the message lists."""
    return InvalidArgument(f"Unknown {what} {value!r}. Valid: {', '.join(valid)}.")
