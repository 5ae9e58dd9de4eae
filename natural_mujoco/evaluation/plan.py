"""Plans an evaluation: its runs, and the blocks of episodes that are still missing.

- `Request`: what the user asked for.
- `prepare`: the results to fill, new or from an existing file.
- `open_blocks`: the blocks with missing episodes.
"""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from .. import batched
from ..backgrounds.library import VideoLibrary, open_videos
from ..backgrounds.manifest import shipped_names
from ..errors import InvalidArgument, ResultsError
from ..options import Renderer
from .checking import contradictions, frames_played
from .conditions import SIZE, TASK_NAMES, Condition, episode_seeds, strength_of
from .curves import Curve, video_set_of
from .names import require_own_name
from .policy_source import PolicySource
from .records import REFERENCES, Entry, Protocol, Results, Run, VideoSet, read_results
from .rollout import BLOCK, Block
from .training_curves import training_curves


@dataclasses.dataclass(frozen=True)
class Request:
    """The arguments of `natural-mujoco evaluate`. If `tasks` is `None`, a run is played on its own task, others on all.

    `out` and a path in `videos` are made absolute here, because a policy may change the working directory later.
    """

    sources: Sequence[PolicySource]
    entry: Entry
    out: Path
    tasks: tuple[str, ...] | None
    conditions: tuple[Condition, ...]
    episodes: int
    seed: int
    videos: str
    renderer: Renderer = "opengl"

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", self.out.expanduser().absolute())
        object.__setattr__(self, "videos", _absolute_videos(self.videos))


def _absolute_videos(videos: str) -> str:
    if videos == "auto" or videos in shipped_names() or not videos:
        return videos
    path = Path(videos).expanduser()
    return str(path.absolute()) if path.exists() else videos


def prepare(request: Request) -> Results:
    """The results to fill: those in the file at `request.out` if there is one, with this request's runs added.

    Raises `ResultsError` if the file contradicts itself or belongs to another entry, video set or seed, or has another
    policy for the same task, condition and training seed.
    """
    library = open_videos(request.videos) if set(request.conditions) != {"standard"} else None
    video_set = None if library is None else video_set_of(library)
    episode_seeds(request.seed, request.episodes)  # raises for invalid numbers
    asked = [_run(request, source) for source in request.sources]
    _refuse_twins(asked)
    if {s.name for s in request.sources} != {request.entry.name} or request.entry.name not in REFERENCES:
        require_own_name(request.entry.name)
    if request.renderer == "warp":
        batched.best_device()  # raises if the batched environment cannot run
        if any(source.privileged == "state" for source in request.sources):
            raise InvalidArgument("The expert sees no pixels: leave --renderer out.")
    protocol = Protocol(episodes=request.episodes, seed=request.seed, renderer=request.renderer)
    before = read_results(request.out).without_empty_runs() if request.out.exists() else None
    if before is not None and before.episodes:
        for fault in contradictions(before):
            raise ResultsError(f"{request.out} cannot be continued: {fault}. Give --out another file.")
        _require_same(request, before, video_set)
        _require_same_frames(request, before, library)
        asked = [_continued(before, run, source) for run, source in zip(asked, request.sources, strict=True)]
        runs = _merge(request.out, before.runs, asked)
        begun = before.model_copy(
            update={"runs": tuple(runs), "protocol": protocol, "video_set": before.video_set or video_set}
        )
    else:
        runs = _merge(request.out, (), asked)
        begun = Results(entry=request.entry, protocol=protocol, video_set=video_set, runs=tuple(runs))
    curves = {_curve_key(curve): curve for curve in begun.curves}
    claimed = {cell for run in runs for cell in _cells(run)}
    trained = {(task, seed) for task, _, seed in claimed}
    # Runs evaluate themselves with OpenGL, so that only those results get their learning curves.
    for source in request.sources if request.renderer == "opengl" else ():
        for curve in training_curves(source, begun.video_set, None if library is None else library.manifest):
            cell = (curve.task, curve.condition, curve.training_seed)
            known = (curve.task, curve.training_seed) in trained if curve.departures else cell in claimed
            if known:
                curves[_curve_key(curve)] = curve
    return begun.model_copy(update={"curves": tuple(curves.values())})


def _curve_key(curve: Curve) -> tuple[object, ...]:
    return curve.task, curve.condition, curve.training_seed, curve.departures


def _continued(before: Results, run: Run, source: PolicySource) -> Run:
    """`run`, with the digest that an older version computed for the same source if such a version began the file."""
    earlier = source.earlier_digest
    if earlier is not None and any((r.policy, r.digest) == (run.policy, earlier) for r in before.runs):
        return run.model_copy(update={"digest": earlier})
    return run


def resolve_videos(videos: str) -> VideoSet:
    """The name and content hash of the video set for the natural conditions."""
    return video_set_of(open_videos(videos))


def open_blocks(request: Request, results: Results) -> list[Block]:
    """The blocks of this request with episodes that `results` lacks, slow conditions first."""
    done = {episode.key for episode in results.episodes}
    seeds = episode_seeds(request.seed, -(-request.episodes // BLOCK) * BLOCK)
    # Resolved once for all processes, as `auto` may mean another set a minute later.
    videos = open_videos(request.videos).name if request.videos == "auto" else request.videos
    blocks = []
    for source in request.sources:
        for task, condition, training_seed in source_cells(request, source):
            for start in range(0, request.episodes, BLOCK):
                block_seeds = seeds[start : start + BLOCK]
                wanted = tuple(
                    row
                    for row, seed in enumerate(block_seeds)
                    if start + row < request.episodes and (task, condition, training_seed, seed) not in done
                )
                if wanted:
                    cell = task, condition, training_seed
                    blocks.append(Block.of(results, source, cell, block_seeds, wanted, videos))
    # Blocks with full renders take longest. They begin first, so that no process works alone at the end.
    return sorted(blocks, key=lambda block: strength_of(block.condition) == 1)


def source_cells(request: Request, source: PolicySource) -> list[tuple[str, Condition, int]]:
    """All combinations of task, condition and training seed on which `request` evaluates one policy."""
    return _cells(_run(request, source))


def _run(request: Request, source: PolicySource) -> Run:
    own = (source.task,) if source.task else TASK_NAMES
    tasks = own if request.tasks is None else request.tasks
    if source.task and tasks != own:
        raise InvalidArgument(
            f"The run {source.name} was trained on {source.task}: leave --tasks out, or give that task alone."
        )
    if source.size != SIZE:
        raise InvalidArgument(
            f"The run {source.name} reads frames of {source.size}×{source.size} pixels, and the protocol's have "
            f"{SIZE}×{SIZE}: evaluate a run of --environment.size {SIZE}."
        )
    return Run(
        policy=source.name,
        training_seed=source.training_seed,
        tasks=tasks,
        conditions=request.conditions,
        digest=source.digest,
        training_steps=source.training_steps,
        trained_on=source.trained_on,
        trained_set=source.trained_set,
        num_videos=source.num_videos,
        strength=source.strength,
        action_repeat=source.action_repeat,
        privileged=source.privileged,
    )


def _refuse_twins(runs: Sequence[Run]) -> None:
    claimed: dict[tuple[str, Condition, int], Run] = {}
    for run in runs:
        for cell in _cells(run):
            if cell in claimed:
                raise InvalidArgument(
                    f"{claimed[cell].policy} and {run.policy} are both training seed {run.training_seed} on {cell[0]}: "
                    "evaluate runs that differ in their seed, or write them to two entries."
                )
            claimed[cell] = run


def _require_same_frames(request: Request, before: Results, library: VideoLibrary | None) -> None:
    """Raises `ResultsError` if clips on which `before` was played were prepared with other frames on this machine."""
    if library is None:
        return
    ids = {video.id for video in library.manifest.videos}
    for video, sha256 in sorted(item for item in frames_played(before) if item[0] in ids):
        here = library.unpinned_hash(video, SIZE)
        if here not in (None, sha256):
            raise ResultsError(
                f"{request.out} was evaluated on other frames of the clip {video} ({sha256[:12]}…) than were prepared "
                f"here ({here[:12]}…). Give --out another file, or prepare the clips as they were there."
            )


def _require_same(request: Request, before: Results, video_set: VideoSet | None) -> None:
    out, advice = request.out, "Give --out another file."
    if before.entry.name != request.entry.name:
        raise ResultsError(f"{out} is the entry {before.entry.name!r}, not {request.entry.name!r}. {advice}")
    if video_set is not None and before.video_set is not None and before.video_set != video_set:
        raise ResultsError(
            f"{out} was evaluated on {before.video_set.name} ({before.video_set.manifest_hash[:12]}…), which is not "
            f"{video_set.name} ({video_set.manifest_hash[:12]}…): results on different videos stay apart. {advice}"
        )
    if before.protocol.renderer != request.renderer:
        raise ResultsError(
            f"{out} was drawn by --renderer {before.protocol.renderer}, not {request.renderer}: results of different "
            f"renderers stay apart. {advice}"
        )
    if before.protocol.seed != request.seed:
        raise ResultsError(f"{out} has evaluation seed {before.protocol.seed}, not {request.seed}. {advice}")
    if before.protocol.episodes > request.episodes:
        raise ResultsError(
            f"{out} has {before.protocol.episodes} episodes per condition already: ask for as many or more. {advice}"
        )


def _merge(out: Path, before: Sequence[Run], asked: Sequence[Run]) -> list[Run]:
    """The runs of a file and those asked for, with each task, condition and training seed in only one run."""
    runs = list(before)
    claimed = {cell: run for run in runs for cell in _cells(run)}
    for run in asked:
        new: dict[str, list[Condition]] = defaultdict(list)
        for task, condition, training_seed in _cells(run):
            owner = claimed.get((task, condition, training_seed))
            if owner is None:
                new[task].append(condition)
            elif _identity(owner) != _identity(run):
                raise ResultsError(
                    f"{out} holds {task}, {condition}, training seed {training_seed} of another policy "
                    f"({owner.policy}{_weights(owner)}, not {run.policy}{_weights(run)}). Give --out another file, or "
                    "this policy another --training-seed."
                )
        tasks_by_conditions: dict[tuple[Condition, ...], list[str]] = defaultdict(list)
        for task, conditions in new.items():
            tasks_by_conditions[tuple(conditions)].append(task)
        for these, tasks in tasks_by_conditions.items():
            runs.append(run.model_copy(update={"tasks": tuple(tasks), "conditions": these}))
    return runs


def _identity(run: Run) -> tuple[object, ...]:
    return run.policy, run.digest, run.action_repeat


def _weights(run: Run) -> str:
    return f", sha256 {run.digest[:12]}…" if run.digest else ""


def _cells(run: Run) -> list[tuple[str, Condition, int]]:
    return [(task, condition, run.training_seed) for task in run.tasks for condition in run.conditions]
