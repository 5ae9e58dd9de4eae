"""The models of a checkpoint's state.json, with bounds that refuse damaged or hostile files.

- `PolicyState`: the fields that acting needs.
- `RunState`: the fields that resuming needs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0, le=10**15)]
Rows = Annotated[list[Count], Field(max_length=10_000_000)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class PolicyState(_Strict):
    """The fields of a state that a policy needs; others are ignored."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    control_steps: Count
    action_size: Annotated[int, Field(ge=1, le=1000)]


class _PCG64(_Strict):
    state: Annotated[int, Field(ge=0, lt=2**128)]
    inc: Annotated[int, Field(ge=0, lt=2**128)]


class Stream(_Strict):
    """The state of a NumPy generator."""

    bit_generator: Literal["PCG64"]
    state: _PCG64
    has_uint32: Annotated[int, Field(ge=0, le=1)]
    uinteger: Annotated[int, Field(ge=0, lt=2**32)]


class CollectorState(_Strict):
    """The running round of episodes, the number of its rows in the replay, and the stream of random actions."""

    round: Annotated[int, Field(ge=-1, le=10**12)]
    row: Count
    random: Stream


class ReplayState(_Strict):
    """How many rows were ever added, and the episodes to which they belong; see replay.py."""

    rows: Count
    stream: Rows
    start: Rows
    end: Rows
    current: Annotated[list[Annotated[int, Field(ge=-1, le=10**12)]], Field(max_length=10_000)]

    def contradiction(self, streams: int) -> str | None:
        """The field that does not fit a replay with `streams` streams, and why; None if all fit."""
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
    """Everything of a run except its tensors. Fields with a default are missing in files of some older versions."""

    updates: Count
    warmups: Count
    evaluations: Count
    evaluated_at: Count = 0
    """Control steps of the last evaluation."""
    logged: Count
    seconds: Annotated[float, Field(ge=0)]
    unlearned: Count = 0
    """Control steps since the last update whose frames were on a device and are lost."""
    recent_returns: Annotated[list[float], Field(max_length=10)]
    sampler: Stream
    collector: CollectorState
    replay: ReplayState
    offsets: Annotated[dict[str, Count], Field(max_length=100)]
    metrics: Annotated[dict[str, Count], Field(max_length=1000)] = Field(default_factory=dict)
    """How many values the sum of each metric has since the last line."""
