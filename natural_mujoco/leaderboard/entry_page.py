"""What an entry's own page shows: facts, plots, numbers and every episode, as the template wants them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..evaluation.conditions import CONDITIONS, TASK_NAMES, Condition, episode_seeds, place_of
from ..evaluation.curves import Curve
from ..evaluation.records import REFERENCES, Machine, Results
from ..evaluation.references import reference_label, reference_means, share_of_expert, stands_beside
from ..evaluation.scores import EntryScores
from ..evaluation.statistics import Estimate, probability_of_improvement, task_estimates
from .board import Board, Tab
from .entry_charts import CONDITION_STYLES, conditions_chart, curve_chart, improvement_chart
from .overview_charts import AGGREGATES, as_return, in_words
from .rows import MeasuredEntry, Row, shared_bootstrap
from .svg import swatch

_RIVALS = 12
_DUEL_DRAWS = 2_000


def entry_page(board: Board, entry: MeasuredEntry) -> dict[str, Any]:
    """What the page of one entry shows."""
    results, scores = entry.results, entry.scores
    tasks = {
        condition: dict(
            zip(means, task_estimates([scores.units(condition, task) for task in means]), strict=True)
        )
        for condition, means in scores.returns.items()
    }
    own: dict[Condition, Tab] = {c: tab for c in CONDITIONS if (tab := board.tab_of(c, entry))}
    rows = {c: next(row for row in tab.rows if row.slug == entry.slug) for c, tab in own.items()}
    references = reference_means(entry.pace)
    main = next((c for c in ("natural-test", "natural-train", "standard") if c in own), None)
    rivals = _rivals(board, own[main], entry, main) if main else []
    gap = next((row.video_gap for row in rows.values() if row.video_gap), None)
    robustness = next((row.robustness for row in rows.values() if row.robustness), None)
    return {
        "entry": results.entry,
        "facts": _facts(entry),
        "units": next(iter(rows.values())).units if rows else scores.over,
        "video_gap": in_words(as_return(gap)) if gap else None,
        "robustness": in_words(robustness, 2)
        if robustness and robustness.point == robustness.point
        else None,
        "summary": [_summary(condition, row, own[condition], entry) for condition, row in rows.items()],
        "conditions": tuple(tasks),
        "conditions_plot": conditions_chart(tasks, references),
        "legend": [
            *({"name": c, "swatch": swatch(*CONDITION_STYLES[c])} for c in CONDITIONS if c in tasks),
            *({"name": reference_label(name), "swatch": swatch(name, None)} for name in references),
        ],
        "improvement": improvement_chart(results.entry.name, rivals) if rivals else None,
        "improvement_note": f"On {main}." if main else "",
        "curves": _curves(results, references),
        "references": tuple(map(reference_label, references)),
        "main": main,
        "numbers": [
            {
                "task": task,
                "cells": [tasks[c].get(task) for c in tasks],
                "references": [means.get(task) for means in references.values()],
                "share": share_of_expert(task, tasks[main][task].mean.point, references)
                if main and task in tasks[main]
                else None,
            }
            for task in TASK_NAMES
            if any(task in means for means in tasks.values())
        ],
        "episode_tasks": [
            (k, t) for k, t in enumerate(TASK_NAMES) if any(t in means for means in tasks.values())
        ],
        "episode_conditions": sorted(
            ((k, c) for k, c in enumerate(_numbered(scores)) if c in tasks),
            key=lambda pair: place_of(pair[1]),
            reverse=True,
        ),
        "episodes": _episodes(entry),
        "runs": results.runs[:500],
        "machines": [_machine(machine) for machine in results.machines[:50]],
    }


def _curves(results: Results, references: Mapping[str, Mapping[str, float]]) -> list[dict[str, Any]]:
    """A plot for each task, and another, with a label, for each way of playing that was not the protocol's."""
    grouped: dict[tuple[str, tuple[str, ...]], list[Curve]] = {}
    for curve in results.curves:
        grouped.setdefault((curve.task, curve.departures), []).append(curve)
    return [
        {"plot": curve_chart(task, curves, references), "label": ", ".join(departures)}
        for (task, departures), curves in sorted(
            grouped.items(), key=lambda item: (bool(item[0][1]), TASK_NAMES.index(item[0][0]), item[0][1])
        )
    ]


def _rivals(
    board: Board, tab: Tab, entry: MeasuredEntry, condition: Condition
) -> list[tuple[str, str, Estimate]]:
    """Up to twelve others of a tab: the references, the best, and those next in rank."""
    matrix = entry.scores.matrix(condition)
    if matrix is None:
        return []
    ranked = [row.slug for row in tab.rows if row.rank and row.slug != entry.slug]
    place = next(k for k, row in enumerate(tab.rows) if row.slug == entry.slug)
    near = sorted(range(len(ranked)), key=lambda k: (k != 0, abs(k - place)))[: _RIVALS - len(REFERENCES)]
    rivals = []
    others = {other.slug: other for other in board.entries}
    chosen = [(others[str(ranked[k])], condition) for k in sorted(near)]
    blind: list[tuple[MeasuredEntry, Condition]] = [
        (reference, reference.conditions[0])
        for reference in board.references
        if reference.slug != entry.slug and stands_beside(reference.name, reference.pace, entry.pace)
    ]
    for other, where in [*chosen, *blind]:
        theirs = other.scores.matrix(where)
        if theirs is not None:
            mine = shared_bootstrap(matrix[0].shape[1], _DUEL_DRAWS, 1)
            its = shared_bootstrap(theirs[0].shape[1], _DUEL_DRAWS, 2)
            draws = (mine, its) if mine and its else None
            estimate = probability_of_improvement(matrix[0], theirs[0], draws)
            rivals.append((other.name, other.name if other.is_reference else "c0", estimate))
    return rivals


def _summary(condition: Condition, row: Row, tab: Tab, entry: MeasuredEntry) -> dict[str, Any]:
    picked = [aggregate.pick(row) for aggregate in AGGREGATES]
    ranked = sum(other.rank is not None for other in tab.rows)
    return {
        "condition": condition,
        "rank": f"{row.rank} of {ranked}" if row.rank else "–",
        "iqm": picked[0],
        "median": picked[1],
        "mean": picked[2],
        "gap": picked[3],
        "episodes": sum(episode.condition == condition for episode in entry.results.episodes),
    }


def _facts(entry: MeasuredEntry) -> list[tuple[str, str]]:
    results = entry.results
    protocol = results.protocol
    seeds = sorted({run.training_seed for run in results.runs})
    facts = [
        (
            "Training seeds",
            f"{len(seeds)} ({', '.join(map(str, seeds[:12]))}{', …' if len(seeds) > 12 else ''})",
        ),
        (
            "Episodes",
            f"{protocol.episodes} per task, condition and training seed; evaluation seed {protocol.seed}",
        ),
    ]
    if entry.training_steps is not None:
        most = "at most " if entry.steps_differ else ""
        facts.insert(0, ("Training", f"{most}{entry.training_steps:,} control steps"))
    if entry.privileged:
        who = "its teacher was" if entry.privileged == "state in training" else "its policy is"
        facts.insert(0, ("Privileged", f"{entry.privileged}: {who} shown more than pixels"))
    if results.video_set:
        facts.append(
            ("Videos", f"{results.video_set.name}, manifest sha256 {results.video_set.manifest_hash[:16]}")
        )
    repeats = sorted({run.action_repeat for run in results.runs})
    facts.append(("Action repeat", ", ".join(map(str, repeats))))
    return facts


def _machine(machine: Machine) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    commit = f"; commit {machine.commit[:12]}" if machine.commit else ""
    return f"{machine.platform}; {machine.gl_renderer}; {versions}{commit}"


def _episodes(entry: MeasuredEntry) -> dict[str, Any]:
    """The records for the page's script, packed: clips and frames follow from condition and seed and stand once."""
    results = entry.results
    seeds = episode_seeds(results.protocol.seed, results.protocol.episodes)
    numbers = _numbered(entry.scores)
    videos: dict[str, int] = {}
    shown: dict[int, dict[int, tuple[int, int]]] = {}
    groups: dict[tuple[int, int, int], dict[int, tuple[float, int]]] = {}
    for e in results.episodes:
        key = (TASK_NAMES.index(e.task), numbers.index(e.condition), e.training_seed)
        groups.setdefault(key, {})[e.episode_seed] = (round(e.return_, 1), e.length)
        if e.video is not None and e.frame is not None:
            place = videos.setdefault(e.video, len(videos))
            shown.setdefault(key[1], {})[e.episode_seed] = (place, e.frame)
    return {
        "first": seeds[0],
        "videos": list(videos),
        "shown": {str(c): [at.get(seed) for seed in seeds] for c, at in shown.items()},
        "groups": [_group(key, [at[seed] for seed in seeds]) for key, at in sorted(groups.items())],
    }


def _numbered(scores: EntryScores) -> list[Condition]:
    """Conditions by the number that stands for them in the page: the usual three, then the entry's others."""
    return [*CONDITIONS, *(condition for condition in scores.returns if condition not in CONDITIONS)]


def _group(key: tuple[int, int, int], episodes: Sequence[tuple[float, int]]) -> dict[str, Any]:
    task, condition, training_seed = key
    returns = [int(value) if value == int(value) else value for value, _ in episodes]
    group: dict[str, Any] = {"t": task, "c": condition, "s": training_seed, "r": returns}
    lengths = [length for _, length in episodes]
    if set(lengths) != {1000}:
        group["l"] = lengths
    return group
