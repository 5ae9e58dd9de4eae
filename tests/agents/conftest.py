"""What the tests of agents share: a simulator that costs nothing."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import pytest

from .fake_envs import FakeEnvs


@pytest.fixture
def fake_simulator(monkeypatch: pytest.MonkeyPatch) -> list[FakeEnvs]:
    """Puts `FakeEnvs` in place of all vector environments; those that were made."""
    made: list[FakeEnvs] = []

    def make_vec(env_id: str, num_envs: int, **kwargs: Any) -> FakeEnvs:
        made.append(FakeEnvs(num_envs, **kwargs))
        return made[-1]

    monkeypatch.setattr(gym, "make_vec", make_vec)
    return made


@pytest.fixture(autouse=True)
def _one_thread(one_thread: None) -> None:
    """All agents' tests."""
