"""Checks whether a results file is complete and consistent and agrees with the protocol and the video set.

- `check_results`: all faults of a parsed file, and remarks that are not faults.
- `contradictions`: the faults that unfinished results must not have either.
- `load_entry`: reads and checks a file; raises an error for the first fault.

A file cannot prove that its returns were earned. But which episodes it must have, which clip and frame each seed leads
to, and all aggregates can be recomputed. A record that disagrees is refused, and the error names it.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice, pairwise

from ..backgrounds.manifest import MAX_FRAMES, Manifest, load_manifest, manifest_folders
from ..errors import ResultsError
from .conditions import TASK_NAMES, Condition, episode_seeds, expected_background, place_of, video_split
from .curves import AS_TRAINED
from .names import name_fault, skeleton
from .records import REFERENCES, Results, Run, read_results
from .scores import summarise

_MOST_FAULTS = 20


@dataclass(frozen=True)
class Verdict:
    """The result of a check: `faults` (at most twenty), for which the file is refused, and `remarks` for readers."""

    faults: tuple[str, ...]
    remarks: tuple[str, ...]


def load_entry(path: str | os.PathLike[str]) -> Results:
    """Reads and checks the results file at `path`. Raises `ResultsError` with the file's name and its first fault."""
    results = read_results(path)
    verdict = check_results(results)
    if verdict.faults:
        raise ResultsError(f"{path}: {verdict.faults[0]}")
    return results


def check_results(results: Results) -> Verdict:
    """Finds everything in `results` that contradicts other records, the protocol or the video set."""
    faults = list(islice(_faults(results), _MOST_FAULTS))
    return Verdict(tuple(faults), tuple(_remarks(results)))


def contradictions(results: Results) -> Iterator[str]:
    """The faults that matter even in unfinished results: records that no evaluation writes."""
    yield from _run_faults(results)
    yield from _record_faults(results)
    yield from _video_faults(results)
    yield from _frame_faults(results)
    yield from _curve_faults(results)


def frames_played(results: Results) -> set[tuple[str, str]]:
    """Pairs (clip, sha256 of the frames that were played), for clips whose hash the manifest does not have."""
    return {(e.video, e.frames_sha256) for e in results.episodes if e.video and e.frames_sha256}


def _faults(results: Results) -> Iterator[str]:
    yield from contradictions(results)
    yield from _missing_records(results)
    yield from _summary_faults(results)


def _run_faults(results: Results) -> Iterator[str]:
    claimed: dict[tuple[str, Condition, int], int] = {}
    for number, run in enumerate(results.runs):
        for task in run.tasks:
            if task not in TASK_NAMES:
                yield f"run {number} ({run.policy}): unknown task {task!r}; valid: {', '.join(TASK_NAMES)}"
        for key in _cells(run):
            if key in claimed:
                yield (
                    f"run {number} ({run.policy}): {key[0]}, {key[1]}, training seed {key[2]} is claimed by run "
                    f"{claimed[key]} as well"
                )
            claimed[key] = number
    yield from _entry_name_faults(results)
    if results.video_set is None and any(set(run.conditions) - {"standard"} for run in results.runs):
        yield "natural conditions without a video set in the header"


def _entry_name_faults(results: Results) -> Iterator[str]:
    name = results.entry.name
    fault = name_fault(name)
    if fault:
        yield f"the entry's name {name!r} {fault}"
    for reference in REFERENCES:
        if skeleton(name) == skeleton(reference) and not results.is_reference:
            same = "" if name == reference else f"looks like {reference!r}, which "
            yield f"the entry's name {name!r} {same}is reserved for the policy of that name"


def _record_faults(results: Results) -> Iterator[str]:
    covered = {cell for run in results.runs for cell in _cells(run)}
    seeds = set(_seeds(results))
    for key, times in Counter(episode.key for episode in results.episodes).items():
        if times > 1:
            yield f"{_name(key)}: this episode is there {times} times"
    for number, episode in enumerate(results.episodes):
        here = f"episode record {number} ({episode})"
        if (episode.task, episode.condition, episode.training_seed) not in covered:
            yield f"{here}: no run in the header claims it"
        if episode.episode_seed not in seeds:
            yield f"{here}: not one of the protocol's episode seeds, {min(seeds)} to {max(seeds)}"
        if episode.return_ > episode.length:
            yield (
                f"{here}: return {episode.return_:g} is out of range for {episode.length} control steps, each of "
                "which pays 1 at most"
            )
        if episode.machine >= len(results.machines):
            yield f"{here}: machine {episode.machine} is not in the header"
        standard = episode.condition == "standard"
        if standard != (episode.video is None) or standard != (episode.frame is None):
            yield f"{here}: {'a video in the standard condition' if standard else 'no video or frame'}"


def _missing_records(results: Results) -> Iterator[str]:
    present = {episode.key for episode in results.episodes}
    if not present:
        yield "there is no episode in it: evaluate again, or remove it"
        return
    for run in results.without_empty_runs().runs:
        for cell in _cells(run):
            missing = [seed for seed in _seeds(results) if (*cell, seed) not in present]
            if missing:
                wanted = results.protocol.episodes
                yield (
                    f"{cell[0]}, {cell[1]}, training seed {cell[2]}: {len(missing)} of {wanted} episodes are missing, "
                    f"the first is episode seed {missing[0]} (`natural-mujoco evaluate` with the same --out runs them)"
                )


def _frame_faults(results: Results) -> Iterator[str]:
    for video, times in sorted(Counter(video for video, _ in frames_played(results)).items()):
        if times > 1:
            yield f"clip {video}: episodes were played on {times} different preparations of it"


def _video_faults(results: Results) -> Iterator[str]:
    if results.video_set is None:
        return
    manifest = shipped_manifest(results.video_set.name)
    if manifest is None:
        return
    if manifest.content_hash != results.video_set.manifest_hash:
        yield (
            f"video set {results.video_set.name}: manifest hash {results.video_set.manifest_hash[:12]}… is not that of "
            f"the set ({manifest.content_hash[:12]}…): evaluated on other videos, or another version of the set"
        )
        return
    frames = {video.id: min(video.frames or MAX_FRAMES, MAX_FRAMES) for video in manifest.videos}
    expected: dict[tuple[Condition, int], tuple[str, int | None]] = {}
    for number, episode in enumerate(results.episodes):
        if video_split(episode.condition) is None or episode.video is None or episode.frame is None:
            continue
        key = (episode.condition, episode.episode_seed)
        if key not in expected:
            expected[key] = expected_background(manifest, *key)
        video, frame = expected[key]
        if episode.video != video or (frame is not None and episode.frame != frame):
            shown = video if frame is None else f"{video} from frame {frame}"
            yield (
                f"episode record {number} ({episode}): shows {episode.video} from frame {episode.frame}, but this seed "
                f"leads to {shown}"
            )
        elif episode.frame >= frames[video]:
            yield f"episode record {number} ({episode}): {video} has no frame {episode.frame}"


def _summary_faults(results: Results) -> Iterator[str]:
    if not results.summary:
        return
    actual = summarise(results)
    for condition in sorted({*results.summary, *actual}, key=place_of):
        said, true = results.summary.get(condition), actual.get(condition)
        if said is None or true is None:
            if said is not true:
                yield f"summary of {condition}: {'no records are behind it' if said else 'it is missing'}"
            continue
        for task in sorted({*said.tasks, *true.tasks}):
            if not _close(said.tasks.get(task), true.tasks.get(task), 1e-3):
                yield (
                    f"summary of {condition}, {task}: says {said.tasks.get(task)}, the records' mean is "
                    f"{true.tasks.get(task)}"
                )
        if true.iqm is None and said.iqm is not None:
            # The file may be from before a task was added; its aggregate is then over the tasks of that time.
            true = summarise(results, tuple(true.tasks))[condition]
        if not _close(said.iqm, true.iqm, 1e-3):
            yield f"summary of {condition}: says interquartile mean {said.iqm}, the records give {true.iqm}"


def _curve_faults(results: Results) -> Iterator[str]:
    repeats = {cell: run.action_repeat for run in results.runs for cell in _cells(run)}
    trained = {(task, seed) for task, _, seed in repeats}
    for number, curve in enumerate(results.curves):
        here = f"curve {number} ({curve.task}, {curve.condition}, training seed {curve.training_seed})"
        if curve.condition == AS_TRAINED:
            claimed = (curve.task, curve.training_seed) in trained
            if not curve.departures:
                yield f"{here}: does not say in what it differs from the protocol"
        else:
            cell = (curve.task, curve.condition, curve.training_seed)
            claimed = cell in repeats
            if claimed and curve.setting is not None:
                differs = curve.setting.departures(curve.condition, results.video_set, repeats[cell])
                if differs or curve.departures:
                    yield f"{here}: was not played by the protocol ({', '.join(differs or curve.departures)})"
        if not claimed:
            yield f"{here}: no run in the header claims it"
        if len(curve.steps) != len(curve.returns):
            yield f"{here}: {len(curve.steps)} steps but {len(curve.returns)} returns"
        if any(a >= b for a, b in zip(curve.steps, curve.steps[1:], strict=False)):
            yield f"{here}: steps must increase"
        hours = curve.cost.hours if curve.cost else ()
        if hours and len(hours) != len(curve.steps):
            yield f"{here}: {len(curve.steps)} steps but {len(hours)} hours"
        if any(a > b for a, b in pairwise(hours)):
            yield f"{here}: hours must not decrease"


def _remarks(results: Results) -> Iterator[str]:
    tasks = {task for run in results.runs for task in run.tasks}
    if len(tasks) < len(TASK_NAMES):
        yield f"covers {len(tasks)} of {len(TASK_NAMES)} tasks, so it gets no aggregate and no rank"
    if results.protocol.episodes < 10:
        yield f"{results.protocol.episodes} episodes per condition; the protocol's default is 10"
    if results.protocol.seed != 0:
        yield f"evaluation seed {results.protocol.seed}; the leaderboard's is 0"
    if results.protocol.renderer != "opengl":
        yield "drawn by MuJoCo Warp and not by OpenGL, so it gets no rank"
    if results.video_set is not None and shipped_manifest(results.video_set.name) is None:
        yield f"the video set {results.video_set.name} does not ship with this package, so its hash cannot be checked"
    repeats = sorted({run.action_repeat for run in results.runs} - {2})
    if repeats:
        yield f"action repeat {', '.join(map(str, repeats))}; the paper's is 2"


@lru_cache(maxsize=64)
def shipped_manifest(name: str) -> Manifest | None:
    """The manifest that ships with the package under `name`, or `None`."""
    folder = manifest_folders()[0]
    # The name is untrusted, so it is compared with a listing of the folder before a file is opened.
    if name not in {path.stem for path in folder.glob("*.json")}:
        return None
    return load_manifest(folder / f"{name}.json")


def _cells(run: Run) -> Iterator[tuple[str, Condition, int]]:
    for task in run.tasks:
        for condition in run.conditions:
            yield task, condition, run.training_seed


def _seeds(results: Results) -> tuple[int, ...]:
    return episode_seeds(results.protocol.seed, results.protocol.episodes)


def _name(key: tuple[str, str, int, int]) -> str:
    return f"{key[0]}, {key[1]}, training seed {key[2]}, episode seed {key[3]}"


def _close(a: float | None, b: float | None, tolerance: float) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= tolerance
