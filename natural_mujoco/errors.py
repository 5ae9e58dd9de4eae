"""The errors of this package that users can mend. Each message says what is wrong and what to do.

- `NaturalMujocoError`: base class; the command line prints its message and never a traceback.
- `InvalidArgument`: an invalid argument (also a `ValueError`).
- `InvalidAction`: an action of the wrong shape or kind, or with NaN (also Gymnasium's `InvalidAction`).
- `UnsupportedMode`: an unknown render mode (also Gymnasium's).
- `ResetNeeded`: there is no running episode (also Gymnasium's).
- `ClosedEnvironmentError`: the environment was closed (also Gymnasium's).
- `VideoSetError`: a video set that is missing, incomplete, unreadable or not what its manifest says.
- `RenderingError`: OpenGL is missing or broken, or was used in a forked process.
- `WorkerError`: a worker of the vector environment died, hung or raised.
- `FileError`: a file that cannot be written, cannot be read, or does not hold what it should.
- `LockHeld`: another process holds a lock (also a `FileError`).
- `PolicyError`: a policy under evaluation that cannot be loaded, raises, hangs or returns no actions.
- `ExpertError`: a state expert that is missing, damaged, or given what it cannot read (also a `ValueError`).
- `BatchedError`: the batched environment cannot run on this machine, or not with so many worlds.
- `ResultsError`: a results file that is malformed, tampered with or incomplete (also a `ValueError`).
- `EmbeddedVideosWarning`: `videos="auto"` fell back to the embedded clips.
"""

from __future__ import annotations

from collections.abc import Iterable

from gymnasium import error as gymnasium_error


class NaturalMujocoError(Exception):
    """Base of every error of this package that the user can mend."""


class InvalidArgument(NaturalMujocoError, ValueError):
    """An argument with an invalid value."""


class InvalidAction(InvalidArgument, gymnasium_error.InvalidAction):
    """An action of the wrong shape or kind, or one that holds NaN."""


class UnsupportedMode(InvalidArgument, gymnasium_error.UnsupportedMode):
    """A render mode other than `None` and `"rgb_array"`."""


class ResetNeeded(NaturalMujocoError, gymnasium_error.ResetNeeded):
    """There is no running episode: `reset` was not called yet, or the episode is over."""


class ClosedEnvironmentError(NaturalMujocoError, gymnasium_error.ClosedEnvironmentError):
    """The environment was closed."""


class VideoSetError(NaturalMujocoError, RuntimeError):
    """A video set, clip or cache that cannot be used as it is."""


class RenderingError(NaturalMujocoError, RuntimeError):
    """OpenGL is missing or broken, or its context was used in a forked process, which cannot use it."""


class WorkerError(NaturalMujocoError, RuntimeError):
    """A worker process of the vector environment failed."""


class PolicyError(NaturalMujocoError, RuntimeError):
    """A policy that cannot be loaded, raises, hangs, or returns something other than a batch of actions."""


class ExpertError(NaturalMujocoError, ValueError):
    """A state expert that is missing, damaged, or given what it cannot read."""


class BatchedError(NaturalMujocoError, RuntimeError):
    """The batched environment lacks a package, a GPU, a driver or memory."""


class ResultsError(NaturalMujocoError, ValueError):
    """A results file that cannot be trusted; the message names the file and the record."""


class FileError(NaturalMujocoError, RuntimeError):
    """A file that cannot be written, cannot be read, or does not hold what it should."""


class LockHeld(FileError):
    """Another process holds a lock that is needed; the message names the process, if it is known."""


class EmbeddedVideosWarning(UserWarning):
    """`videos="auto"` plays the embedded clips because `ilsvrc-vid` is not prepared on this machine."""


def unknown(what: str, value: object, valid: Iterable[str]) -> InvalidArgument:
    """The error for a `value` that is none of the `valid` ones, all of which the message lists."""
    return InvalidArgument(f"Unknown {what} {value!r}. Valid: {', '.join(valid)}.")
