"""An evaluation from beginning to end: play what is missing, write it down block by block, stop cleanly.

- `evaluate`: fills the results file of a request.
- `Progress`: who is told how far it is.
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
    """Told how an evaluation goes; this one keeps it to itself."""

    def begin(self, episodes: int, finished: int) -> None:
        """`episodes` are asked for, of which `finished` were there already."""

    def expected(self, seconds: float, processes: int) -> None:
        """About how long it will take on so many processes; told before the first block."""

    def played(self, steps: int) -> None:
        """Agent steps done in blocks that are not finished."""

    def finished(self, block: Block, episodes: Sequence[Episode]) -> None:
        """A block is done and its records are on disk."""


def evaluate(
    request: Request,
    workers: int = 1,
    timeout: float = POLICY_TIMEOUT_S,
    ray_address: str | None = None,
    use_ray: bool = False,
    gpus_per_task: float = 0.25,
    progress: Progress | None = None,
) -> Results:
    """Plays the episodes that `request.out` lacks and returns the whole results.

    The file is rewritten, whole or not at all, after every block of up to ten episodes, so whatever ends the
    evaluation early (a failing policy, Ctrl-C, a power cut), the same call goes on from there. A run of which no
    episode was finished is not in it, and without any episode there is no file.

    Args:
        request: what to evaluate and where to write it.
        workers: processes on this machine; the records do not depend on it.
        timeout: seconds a policy may take for one call before it counts as hung.
        ray_address: a Ray cluster's address, with `use_ray`; by default a new one on this machine.
        use_ray: play the blocks as Ray tasks instead of on `workers` processes.
        gpus_per_task: share of a GPU for each Ray task, where the cluster has GPUs.
        progress: told how it goes.

    Raises:
        PolicyError: the policy cannot be loaded, raises, hangs, or returns something that is no batch of actions.
        ResultsError: the file holds another evaluation, is being written by another process, or cannot be written.
        VideoSetError, RenderingError, WorkerError: the environments do not work here.
    """
    progress = progress or Progress()
    if os.environ.get("NATURAL_MUJOCO_HOME"):
        # Where a policy goes (Hydra changes the directory) must not change where the clips are.
        os.environ["NATURAL_MUJOCO_HOME"] = str(cache_home())
    with _only_writer(request.out):
        results = prepare(request)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", EmbeddedVideosWarning)  # `prepare` has said it
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
    """`results` with more records. Episodes that are there already are left as they are."""
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
    """Records sorted as the tables are and the summary computed: the same bytes whatever finished first."""
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
    """Holds `out` against a second evaluation, which would overwrite this one's records.

    Folders that were made for it and are empty in the end are removed again.
    """
    made = [folder for folder in out.parents if not folder.exists()]
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):  # an hour of episodes with nowhere to go helps nobody
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
