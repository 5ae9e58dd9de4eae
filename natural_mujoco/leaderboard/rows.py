"""One entry under one condition, as the leaderboard shows it.

- `MeasuredEntry`: a results file with its scores; `measured_row` computes its row.
- `Row`: what a table shows of an entry; `published_row` makes one of a column of the paper, `elsewhere_row` one of what
  others report.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np

from ..evaluation.conditions import ACTION_REPEAT, TASK_NAMES, Condition
from ..evaluation.elsewhere import ElsewhereEntry
from ..evaluation.published import PublishedEntry
from ..evaluation.records import REFERENCES, Results, Run, VideoSet
from ..evaluation.references import (
    PROTOCOL_PACE,
    Pace,
    pace_of,
    reference_at,
    reference_means,
    share_of_expert,
)
from ..evaluation.scores import EntryScores
from ..evaluation.statistics import (
    MAX_RETURN,
    Aggregates,
    Bootstrap,
    Estimate,
    Profile,
    TaskEstimate,
    aggregates,
    difference,
    performance_profile,
    ratio,
    task_estimates,
)
from ..options import Renderer
from .learning import Efficiency, Learner

Kind = Literal["measured", "reference", "published"]

DRAWS = 20_000
_PROFILE_DRAWS = 2_000


@dataclass(frozen=True)
class MeasuredEntry:
    """A results file with its scores."""

    results: Results
    scores: EntryScores
    slug: str
    is_reference: bool
    composed_at: Pace | None = None
    """For a reference, the pace for which its results were composed."""

    @property
    def pace(self) -> Pace:
        """The action repeat on each task."""
        return pace_of(self.results.runs) if self.composed_at is None else self.composed_at

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions under which there are records."""
        return tuple(self.scores.returns)

    @property
    def name(self) -> str:
        """The entry's name as its authors wrote it."""
        return self.results.entry.name

    @property
    def training_steps(self) -> int | None:
        """Control steps of the longest run, if it is known."""
        return max(
            (run.training_steps for run in self.results.runs if run.training_steps is not None), default=None
        )

    @property
    def steps_on(self) -> dict[str, int]:
        """Control steps of the longest run on each task, where they are known."""
        found: dict[str, int] = {}
        for run in self.results.runs:
            for task in run.tasks if run.training_steps is not None else ():
                found[task] = max(found.get(task, 0), run.training_steps or 0)
        return found

    @property
    def steps_differ(self) -> bool:
        """As `Row.steps_differ`."""
        return _differ(self.steps_on)

    @property
    def privileged(self) -> str | None:
        """What its policies, or their teachers, see beyond pixels, e.g. `state`; `None` if nothing."""
        return next((run.privileged for run in self.results.runs if run.privileged), None)

    @cached_property
    def video_gap(self) -> Estimate | None:
        """Interquartile mean on training minus on test videos; `None` for references, or if trained on other videos."""
        others = any(_other_set(run, self.results.video_set) for run in self.results.runs)
        return (
            None if self.is_reference or others else self._pair("natural-train", "natural-test", difference)
        )

    @cached_property
    def robustness(self) -> Estimate | None:
        """Interquartile mean on test videos ÷ on standard; `None` for the references."""
        return None if self.is_reference else self._pair("natural-test", "standard", ratio)

    def _pair(
        self, first: Condition, second: Condition, statistic: Callable[..., Estimate]
    ) -> Estimate | None:
        matrices = self.scores.matrix(first, second)
        return None if matrices is None else statistic(*matrices, shared_bootstrap(matrices[0].shape[1]))

    def remarks(self, condition: Condition) -> tuple[str, ...]:
        """Remarks that a reader should know before comparing the entry with others."""
        runs = [run for run in self.results.runs if condition in run.conditions]
        repeats = sorted({run.action_repeat for run in runs})
        remarks = (
            [] if repeats in ([], [ACTION_REPEAT]) else [f"action repeat {', '.join(map(str, repeats))}"]
        )
        if self.results.protocol.renderer != "opengl":
            remarks.insert(0, "drawn by MuJoCo Warp")
        if self.privileged:
            remarks.insert(0, f"privileged: {self.privileged}")
        if self.results.is_reference and not self.is_reference:
            remarks.append("own measurement")
        elif not self.is_reference and not any(reference_at(name, self.pace) for name in REFERENCES):
            remarks.append(f"no {', '.join(REFERENCES)} at this action repeat")
        if condition != "standard" and any(run.trained_on == "standard" for run in runs):
            remarks.append("trained on standard")
        if condition == "standard" and any(run.trained_on == "natural" for run in runs):
            remarks.append("trained on natural")
        remarks += self._training_remarks(condition)
        if self.results.protocol.seed:
            remarks.append(f"evaluation seed {self.results.protocol.seed}")
        return tuple(remarks)

    def _training_remarks(self, condition: Condition) -> list[str]:
        """Remarks about training that differed from the usual, for conditions with video."""
        runs = [run for run in self.results.runs if condition in run.conditions]
        sets = {s.name for run in runs if (s := _other_set(run, self.results.video_set)) is not None}
        videos = {run.num_videos for run in runs if run.num_videos is not None}
        strengths = {run.strength for run in runs if run.strength is not None}
        return [
            *(f"trained on {name}" for name in sorted(sets)),
            *(f"trained on {count} video{'s' * (count > 1)}" for count in sorted(videos)),
            *(f"trained at strength {strength:g}" for strength in sorted(strengths)),
        ]


def _differ(steps_on: dict[str, int]) -> bool:
    """Whether training took more control steps on some tasks than on others, beyond the rounding to whole rollouts."""
    steps = steps_on.values()
    return bool(steps) and max(steps) > 1.01 * min(steps)


def _other_set(run: Run, video_set: VideoSet | None) -> VideoSet | None:
    """The set that a run was trained on, if it is known and not the one on which it is evaluated."""
    same = run.trained_set is None or video_set is None or run.trained_set == video_set
    return None if same else run.trained_set


BADGES = {"zero": "blind baseline", "random": "blind baseline"}
"""The badges of the reference policies."""


@dataclass(frozen=True)
class Row:
    """An entry in a tab. Estimates are `None` if the entry has too few results for them."""

    name: str
    kind: Kind
    tasks: dict[str, TaskEstimate]
    summary: Aggregates | None
    units: str
    """What its intervals are over, in words: `5 training seeds`, `10 episodes`."""
    count: int = 0
    """How many of them there are; 0 if that is not known."""
    training_steps: int | None = None
    """Control steps of the longest run; `steps_on` has those of each task."""
    steps_on: dict[str, int] = field(default_factory=dict)
    rank: int | None = None
    privileged: str | None = None
    """What the entry sees beyond pixels; such entries are not ranked."""
    renderer: Renderer = "opengl"
    """What drew its observations; entries drawn by anything but OpenGL are not ranked."""
    slug: str | None = None
    colour: int | None = None
    source: str = ""
    pace: Pace = PROTOCOL_PACE
    remarks: tuple[str, ...] = ()
    video_gap: Estimate | None = None
    robustness: Estimate | None = None
    profile: Profile | None = None
    efficiency: Efficiency | None = None
    """The cost of training, for entries with learning curves."""
    shares: dict[str, float] = field(default_factory=dict)
    """Its mean return on a scale from random (0) to the expert (1), on each task where both are known."""

    @property
    def steps_differ(self) -> bool:
        """Whether its runs on some tasks were longer than on others."""
        return _differ(self.steps_on)

    @property
    def competes(self) -> bool:
        """Whether it can lead and be ranked."""
        return self.privileged is None and self.renderer == "opengl"

    @property
    def share(self) -> float | None:
        """The mean of `shares`."""
        return float(np.mean(list(self.shares.values()))) if self.shares else None

    @property
    def badge(self) -> str:
        """A word or two about a reference policy."""
        return BADGES.get(self.name, "reference")


def measured_row(entry: MeasuredEntry, condition: Condition, colours: dict[str, int]) -> Row:
    """The row of an entry that has records under `condition`."""
    scores = entry.scores
    present = [task for task in TASK_NAMES if task in scores.returns[condition]]
    estimates = task_estimates([scores.units(condition, task) for task in present])
    matrix = scores.matrix(condition)
    summary = profile = None
    count = max(len(scores.units(condition, task)) for task in present)
    if matrix is not None:
        count = matrix[0].shape[1]
        summary = aggregates(matrix[0], shared_bootstrap(count))
        profile = performance_profile(
            matrix[0], np.linspace(0, 1, 51), shared_bootstrap(count, _PROFILE_DRAWS)
        )
    references = reference_means(entry.pace)
    shares = {
        task: share
        for task, estimate in zip(present, estimates, strict=True)
        if (share := share_of_expert(task, estimate.mean.point, references)) is not None
    }
    return Row(
        name=entry.name,
        kind="reference" if entry.is_reference else "measured",
        tasks=dict(zip(present, estimates, strict=True)),
        summary=summary,
        units=f"{count} {scores.over}" if count != 1 else f"1 {scores.over[:-1]}",
        count=count,
        training_steps=entry.training_steps,
        steps_on=entry.steps_on,
        privileged=entry.privileged,
        renderer=entry.results.protocol.renderer,
        slug=entry.slug,
        pace=entry.pace,
        colour=colours.get(entry.slug),
        remarks=entry.remarks(condition),
        video_gap=entry.video_gap if condition != "standard" else None,
        robustness=entry.robustness if condition == "natural-test" else None,
        profile=profile,
        efficiency=Learner(entry.results, condition).efficiency(),
        shares=shares,
    )


def published_row(entry: PublishedEntry) -> Row:
    """The row of a column of the paper's tables, which has only means."""
    known = {task: value for task, value in entry.returns.items() if value is not None}
    summary = None
    if set(known) >= set(TASK_NAMES):
        means = np.array(list(known.values())) / MAX_RETURN
        nothing = Estimate(float("nan"))
        mean = float(means.mean())
        # Scores never exceed 1, so the gap to it is 1 − mean. An interquartile mean would need the single runs.
        summary = Aggregates(nothing, Estimate(float(np.median(means))), Estimate(mean), Estimate(1 - mean))
    return Row(
        name=entry.name,
        kind="published",
        tasks={task: TaskEstimate(Estimate(value), float("nan"), 3) for task, value in known.items()},
        summary=summary,
        units="3 training seeds, spread unpublished",
        training_steps=entry.training_steps,
        source=entry.source,
    )


def elsewhere_row(entry: ElsewhereEntry) -> Row:
    """The row of an entry from elsewhere: means, and intervals if its source gives results by training seed."""
    estimates = task_estimates(list(entry.returns.values()))
    seeds = max(map(len, entry.returns.values()))
    return Row(
        name=entry.name,
        kind="published",
        tasks=dict(zip(entry.returns, estimates, strict=True)),
        summary=None,
        units=f"{seeds} training seeds" if seeds > 1 else "spread not at hand",
        training_steps=entry.training_steps,
        source=f"{entry.source.name} ({entry.source.terms})",
        remarks=("checked second-hand",) if entry.second_hand else (),
    )


@lru_cache(maxsize=64)
def shared_bootstrap(units: int, draws: int = DRAWS, seed: int = 0) -> Bootstrap | None:
    """The draws for all tasks × `units`, made once for the whole board; `None` for one unit, which has no spread."""
    return Bootstrap(len(TASK_NAMES), units, draws, seed) if units > 1 else None
