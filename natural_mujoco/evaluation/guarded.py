"""`Guarded`: a policy that cannot be trusted, of which every fault is a `PolicyError` that says where."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import PolicyError
from .policy_errors import policy_failed, printable
from .protocol import Actions, Observations, Policy


class Guarded:
    """Turns the errors of a policy into `PolicyError` and checks its actions.

    Args:
        policy: what is guarded.
        name: the policy's name in errors.
        where: what is played, for errors: "… raised in `where`".
        shape: (N, A), the shape of its actions.
        entering: called with `policy` when the policy's own code begins, and with `environment` when it ends.
        passed: exceptions that are let through, since they are not the policy's: Ctrl-C where a person waits.
    """

    def __init__(
        self,
        policy: Policy,
        name: str,
        where: str,
        shape: tuple[int, int],
        entering: Callable[[str], None] = lambda phase: None,
        passed: tuple[type[BaseException], ...] = (),
    ) -> None:
        self._policy, self._name, self._where = policy, name, where
        self._shape, self._entering, self._passed = shape, entering, passed

    def seed(self, episode_seeds: Sequence[int]) -> None:
        """Seeds the policy, if it can be."""
        seed = getattr(self._policy, "seed", None)
        if callable(seed):
            self._ask(lambda: seed(episode_seeds))

    def reset(self, num_envs: int) -> None:
        """Resets the policy."""
        self._ask(lambda: self._policy.reset(num_envs))

    def act(self, obs: Observations) -> Actions:
        """The policy's actions, finite `float32[N, A]`."""
        array: Actions | str = self._ask(lambda: _as_actions(self._policy.act(obs)))
        if isinstance(array, str):
            raise self._wrong(f"returned a {array}")
        if array.shape != self._shape:
            raise self._wrong(f"returned actions of shape {list(array.shape)}")
        if not np.isfinite(array).all():
            raise self._wrong("returned NaN or infinite actions")
        return array

    def _ask(self, call: Callable[[], Any]) -> Any:
        self._entering("policy")
        try:
            return call()
        except self._passed:
            raise
        except BaseException as error:
            raise policy_failed(f"The policy {self._name} raised in {self._where}", error) from error
        finally:
            self._entering("environment")

    def _wrong(self, what: str) -> PolicyError:
        wanted = f"it must return float32 {list(self._shape)}"
        return PolicyError(f"The policy {self._name} {what} in {self._where}; {wanted}.")


def _as_actions(returned: object) -> Actions | str:
    """`returned` as an array, or the name of its type if it is not an array of numbers."""
    try:
        return np.asarray(returned, dtype=np.float32)
    except (TypeError, ValueError, RuntimeError):
        return printable(type(returned).__name__, 80)
