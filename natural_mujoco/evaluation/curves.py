"""Learning curves: the returns of a run's evaluations during training, and the setting in which they were played.

- `Setting`: everything about an environment that changes the meaning of a score. `setting_of` makes one.
- `Setting.departures`: how it differs from the protocol.
- `Curve`: mean returns by control steps, with their setting. `Cost`: the cost of training up to each evaluation.
- `AS_TRAINED`: the condition of a curve that was not played by the protocol.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from ..backgrounds.library import VideoLibrary, open_videos
from .conditions import SIZE, Condition, strength_of
from .fields import ActionRepeat, Hours, Line, LongLine, Return, Seed, Steps, Strict, VideoSet

AS_TRAINED: Literal["as trained"] = "as trained"
"""Played under the run's own settings, which differ from the protocol: not comparable with other scores."""

_UNUSED = {"render_mode", "render_size", "split"}  # they change no observation of a condition


class Setting(Strict):
    """How an evaluation was played, apart from task and condition. A field is `None` if it was not recorded.

    `matte`, `playback` and `video_set` do not apply to the standard variant.
    """

    matte: Line | None = None
    playback: Line | None = None
    rendering: Line | None = None
    action_repeat: ActionRepeat | None = None
    size: Annotated[int, Field(ge=1, le=4096)] | None = None
    video_set: VideoSet | None = None
    others: Annotated[dict[Line, LongLine], Field(max_length=20)] = Field(default_factory=dict)
    """Further arguments of the environment that were not left at their defaults."""

    def departures(
        self, condition: Condition, video_set: VideoSet | None, action_repeat: int
    ) -> tuple[str, ...]:
        """The differences from the protocol, in words; empty if there are none.

        `video_set` is the set on which the evaluation's other records were played, `action_repeat` the policy's.
        """
        natural, others = condition != "standard", dict(self.others)
        wanted: list[tuple[str, object, object]] = [
            ("rendering", self.rendering, "fast" if natural else "reference"),
            ("action repeat", self.action_repeat, action_repeat),
            ("size", self.size, SIZE),
        ]
        if natural:
            wanted += [("matte", self.matte, "semantic"), ("playback", self.playback, "loop")]
        found = [f"{name} {is_ or 'unknown'}" for name, is_, should in wanted if is_ != should]
        if natural and (self.video_set is None or self.video_set != video_set):
            found.append(f"videos {_named(self.video_set)}")
        strength = f"{strength_of(condition):g}"
        if natural and others.get("strength", "1") == strength:
            others.pop("strength", None)
        elif natural and "strength" not in others:
            found.append("strength 1")
        return (*found, *(f"{name} {value}" for name, value in sorted(others.items())))


def setting_of(natural: bool, **arguments: Any) -> Setting:
    """The setting of an environment that is created with these keyword arguments.

    Opens the video set to get its content hash. Raises as `open_videos` does.

    >>> setting_of(False, action_repeat=4).departures("standard", None, 4)
    ()
    """
    given = {name: value for name, value in arguments.items() if value is not None and name not in _UNUSED}
    if "strength" in given and f"{given['strength']:g}" == "1":
        del given["strength"]
    library = open_videos(given.pop("videos", "auto")) if natural else None
    matte = given.pop("matte", "semantic")
    playback = given.pop("playback", "loop")
    default = "fast" if natural and matte == "semantic" else "reference"
    return Setting(
        matte=matte if natural else None,
        playback=playback if natural else None,
        rendering=given.pop("rendering", default),
        action_repeat=given.pop("action_repeat", 2),
        size=given.pop("size", SIZE),
        video_set=None if library is None else video_set_of(library),
        others={name: f"{value:g}" if name == "strength" else str(value) for name, value in given.items()},
    )


def video_set_of(library: VideoLibrary) -> VideoSet:
    """The name and content hash of a library's video set."""
    return VideoSet(name=library.name, manifest_hash=library.content_hash)


class Cost(Strict):
    """The cost of a run up to each of its evaluations: wall-clock hours of training, and the device.

    `cores` is the number of threads of the run's networks, so that two runs that share two cores count one core each.
    `device` is what the networks ran on.
    """

    hours: Annotated[tuple[Hours, ...], Field(min_length=1, max_length=5000)]
    cores: Annotated[int, Field(ge=1, le=10_000)]
    device: Annotated[str, Field(pattern=r"^[a-z]{2,12}$")]

    @property
    def core_hours(self) -> tuple[float, ...] | None:
        """Hours times cores up to each evaluation; `None` if the device was not a CPU."""
        return tuple(hours * self.cores for hours in self.hours) if self.device == "cpu" else None


class Curve(Strict):
    """Mean return of evaluations during a run's training, by control steps.

    `setting` and `cost` are missing in files of older versions, which did not record them.
    """

    task: Line
    condition: Condition | Literal["as trained"]
    training_seed: Seed
    steps: Annotated[tuple[Steps, ...], Field(min_length=1, max_length=5000)]
    returns: Annotated[tuple[Return, ...], Field(min_length=1, max_length=5000)]
    setting: Setting | None = None
    departures: Annotated[tuple[LongLine, ...], Field(max_length=30)] = ()
    """For a curve `as trained`: how it differs from the protocol, e.g. `matte paper`."""
    cost: Cost | None = None

    @property
    def core_hours(self) -> tuple[float, ...] | None:
        """Core-hours of training up to each evaluation, or `None` if they are not known."""
        return None if self.cost is None else self.cost.core_hours


def _named(video_set: VideoSet | None) -> str:
    return f"{video_set.name} ({video_set.manifest_hash[:8]})" if video_set else "unknown"
