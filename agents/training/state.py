"""What a checkpoint's state.json holds beside the tensors: bounded, so that nothing damaged or hostile gets further.

- `PolicyState`: what acting needs.
- `RunState`: what resuming needs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, le=10**15)]
Rows = Annotated[list[Count], Field(max_length=10_000_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class PolicyState(_Strict):
    """The part of a state that a policy has; other fields are left unread."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    control_steps: Count
    action_size: Annotated[int, Field(ge=1, le=1000)]


class _PCG64(_Strict):
    state: Annotated[int, Field(ge=0, lt=2**128)]
    inc: Annotated[int, Field(ge=0, lt=2**128)]


class Stream(_Strict):
    """Where one of NumPy's generators stands."""

    bit_generator: Literal["PCG64"]
    state: _PCG64
    has_uint32: Annotated[int, Field(ge=0, le=1)]
    uinteger: Annotated[int, Field(ge=0, lt=2**32)]


class CollectorState(_Strict):
    """The round of episodes that is running, the rows of it that are stored, and the stream of random actions."""

    round: Annotated[int, Field(ge=-1, le=10**12)]
    row: Count
    random: Stream


class ReplayState(_Strict):
    """How many rows were ever added, and the episodes they belong to: see replay.py."""

    rows: Count
    stream: Rows
    start: Rows
    end: Rows
    current: Annotated[list[Annotated[int, Field(ge=-1, le=10**12)]], Field(max_length=10_000)]

    def contradiction(self, streams: int) -> str | None:
        """Which field cannot be of a replay of that many streams and why, or None."""
        episodes = len(self.stream)
        if not len(self.start) == len(self.end) == episodes:
            return f"start and end have {len(self.start)} and {len(self.end)} numbers for {episodes} episodes"
        if len(self.current) != streams:
            return f"current has {len(self.current)} numbers for {streams} environments"
        if any(stream >= streams for stream in self.stream):
            return f"stream names an environment beyond the {streams} there are"
        if any(not a <= b <= self.rows for a, b in zip(self.start, self.end, strict=True)):
            return f"start and end do not lie in order within {self.rows} rows"
        if any(episode >= episodes for episode in self.current):
            return f"current names an episode beyond the {episodes} there are"
        return None


class RunState(PolicyState):
    """All of a run that is no tensor. What has a default was not yet written by some version."""

    updates: Count
    warmups: Count
    evaluations: Count
    evaluated_at: Count = 0
    """Control steps of the last evaluation."""
    logged: Count
    seconds: Annotated[float, Field(ge=0)]
    unlearned: Count = 0
    """Control steps since the last update, where their frames were on a device and are gone."""
    recent_returns: Annotated[list[float], Field(max_length=10)]
    sampler: Stream
    collector: CollectorState
    replay: ReplayState
    offsets: Annotated[dict[str, Count], Field(max_length=100)]
    metrics: Annotated[dict[str, Count], Field(max_length=1000)] = Field(default_factory=dict)
    """Of each metric since the last line: how many values its sum has."""
