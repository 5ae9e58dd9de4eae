"""A whole evaluation: plays the missing episodes, writes records block by block, and can be stopped at any time.

- `evaluate`: fills the results file of a request.
- `Progress`: callbacks for progress; override its methods to show it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import warnings
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

from .. import files
from ..backgrounds.cache import cache_home
from ..errors import EmbeddedVideosWarning, LockHeld, ResultsError
from .conditions import TASK_NAMES, place_of
from .durations import expected_seconds
from .machine import describe_machine
from .plan import Request, open_blocks, prepare, source_cells
from .records import Episode, Machine, Results, write_results
from .rollout import Block
from .scores import summarise
from .worker import POLICY_TIMEOUT_S, play_blocks

AGENT_STEPS = 500
"""Agent steps of an episode at action repeat 2."""


class Progress:
    """Callbacks for the progress of an evaluation. These do nothing."""

    def begin(self, episodes: int, finished: int) -> None:
        """Called at the start: of `episodes` that are requested, `finished` are in the file already."""

    def expected(self, seconds: float, processes: int) -> None:
        """Called before the first block with the expected duration on `processes` processes."""

    def played(self, steps: int) -> None:
        """Called with the number of agent steps done so far in blocks that are not finished."""

    def finished(self, block: Block, episodes: Sequence[Episode]) -> None:
        """Called when a block is finished and its records are on disk."""


def evaluate(
    request: Request,
    workers: int = 1,
    timeout: float = POLICY_TIMEOUT_S,
    ray_address: str | None = None,
    use_ray: bool = False,
    gpus_per_task: float = 0.25,
    progress: Progress | None = None,
) -> Results:
    """Plays the episodes that are missing in `request.out` and returns the complete results.

    The file is rewritten atomically after every block of up to ten episodes. If the evaluation ends early (a failing
    policy, Ctrl-C, a power cut), the same call continues from there. Runs without a finished episode are left out of
    the file, and without any episode there is no file.

    Args:
        request: what to evaluate and where to write it.
        workers: processes on this machine; the records do not depend on it.
        timeout: seconds that one call of the policy may take before it counts as hung.
        ray_address: a Ray cluster's address, with `use_ray`; by default a new cluster on this machine.
        use_ray: whether to play the blocks as Ray tasks instead of on `workers` processes.
        gpus_per_task: share of a GPU for each Ray task, if the cluster has GPUs.
        progress: is told about the progress.

    Raises:
        PolicyError: the policy cannot be loaded, raises, hangs, or returns something other than a batch of actions.
        ResultsError: the file holds another evaluation, is being written by another process, or cannot be written.
        VideoSetError, RenderingError, WorkerError: the environments do not work on this machine.
    """
    progress = progress or Progress()
    if os.environ.get("NATURAL_MUJOCO_HOME"):
        # Made absolute, because a policy may change the working directory (Hydra does).
        os.environ["NATURAL_MUJOCO_HOME"] = str(cache_home())
    with _only_writer(request.out):
        results = prepare(request)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EmbeddedVideosWarning)  # `prepare` has warned already
            blocks = open_blocks(request, results)
        missing = sum(len(block.wanted) for block in blocks)
        asked = request.episodes * sum(len(source_cells(request, source)) for source in request.sources)
        progress.begin(asked, asked - missing)
        machine = describe_machine(renderer=request.renderer)
        if blocks and not use_ray and request.renderer == "opengl":
            processes = min(workers, len(blocks))
            progress.expected(expected_seconds(blocks, processes, machine.gl_renderer), processes)
        if not missing and results.episodes:
            write_results(request.out, _in_order(results))
        if use_ray:
            from .ray_tasks import play_blocks_on_ray

            played = play_blocks_on_ray(blocks, ray_address, gpus_per_task, timeout)
        else:
            played = _play_here(blocks, workers, timeout, progress, machine)
        with contextlib.closing(played):
            for block, (episodes, where) in played:
                results = _add(results, episodes, where)
                write_results(request.out, results.without_empty_runs())
                progress.finished(block, episodes)
    return _in_order(results.without_empty_runs())


Played = Generator[tuple[Block, tuple[list[Episode], Machine]], None, None]


def _play_here(
    blocks: Sequence[Block], workers: int, timeout: float, progress: Progress, machine: Machine
) -> Played:
    with contextlib.closing(play_blocks(blocks, workers, timeout, progress.played)) as played:
        for block, episodes in played:
            yield block, (episodes, machine)


def _add(results: Results, episodes: Sequence[Episode], machine: Machine) -> Results:
    """`results` with `episodes` added, except those that are there already."""
    machines = list(results.machines)
    if machine not in machines:
        machines.append(machine)
    here = machines.index(machine)
    known = {episode.key for episode in results.episodes}
    new = [e.model_copy(update={"machine": here}) for e in episodes if e.key not in known]
    return _in_order(
        results.model_copy(update={"machines": tuple(machines), "episodes": (*results.episodes, *new)})
    )


def _in_order(results: Results) -> Results:
    """`results` with sorted records and the summary, so that the file does not depend on the order of finishing."""
    ordered = sorted(
        results.episodes,
        key=lambda e: (
            TASK_NAMES.index(e.task),
            place_of(e.condition),
            e.training_seed,
            e.episode_seed,
        ),
    )
    results = results.model_copy(update={"episodes": tuple(ordered)})
    return results.model_copy(update={"summary": summarise(results)})


@contextlib.contextmanager
def _only_writer(out: Path) -> Iterator[None]:
    """Locks `out` against a second evaluation, which would overwrite this one's records.

    Folders that were created for it and are empty at the end are removed again.
    """
    made = [folder for folder in out.parents if not folder.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):  # fail now rather than after an hour of episodes
            pass
    except OSError as error:
        raise ResultsError(files.write_fault(out, error, "give --out another place")) from error
    lock = out.with_name(f".{out.name}.lock")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(files.holding(lock, f"evaluate --out {out}"))
        except LockHeld as error:
            raise ResultsError(
                f"Another evaluation is writing {out}. Wait for it, or give --out another file. ({error})"
            ) from error
        try:
            yield
        finally:
            for path in (lock, lock.with_name(f"{lock.name}.holder")):
                path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):
                for folder in made:
                    folder.rmdir()
