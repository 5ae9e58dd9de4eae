"""What the tests of agents share: a simulator that costs nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import pytest
import torch

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
def one_thread() -> Iterator[None]:
    """Small networks gain nothing from more threads, which wait for each other on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
