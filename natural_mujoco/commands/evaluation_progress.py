"""What `natural-mujoco evaluate` shows: a bar on a terminal, else a line for each block, and a table at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import rich.console
import rich.progress
import rich.table
from rich.text import Text

from ..evaluation.conditions import TASK_NAMES
from ..evaluation.durations import time_in_words
from ..evaluation.evaluate import Progress
from ..evaluation.records import Episode, Results
from ..evaluation.references import pace_of, reference_label, reference_means
from ..evaluation.rollout import Block
from ..evaluation.scores import EntryScores
from ..evaluation.statistics import task_estimates


class EvaluationProgress(Progress):
    """Shows the progress of an evaluation on standard error."""

    def __init__(self) -> None:
        self.asked = 0
        self.done = 0
        self._started = time.monotonic()
        self._console = rich.console.Console(file=sys.stderr, soft_wrap=True)
        self._bar: rich.progress.Progress | None = None
        self._task: rich.progress.TaskID | None = None

    def __enter__(self) -> EvaluationProgress:
        if self._console.is_terminal:
            self._bar = rich.progress.Progress(
                rich.progress.TextColumn("{task.description}"),
                rich.progress.BarColumn(),
                rich.progress.TextColumn("{task.fields[episodes]}"),
                rich.progress.TimeElapsedColumn(),
                rich.progress.TextColumn("left"),
                rich.progress.TimeRemainingColumn(),
                console=self._console,
                transient=True,
            )
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Removes the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def begin(self, episodes: int, finished: int) -> None:
        """Draws the empty bar, or prints how many episodes there are to play."""
        self.asked, self.done = episodes, finished
        if self._bar is not None:
            self._task = self._bar.add_task(
                "evaluating", total=episodes, completed=finished, episodes=self._count()
            )
        else:
            already = f", {finished} of them finished before" if finished else ""
            self._console.print(f"evaluating {episodes} episodes{already}", highlight=False)

    def expected(self, seconds: float, processes: int) -> None:
        """Prints how long the evaluation is expected to take."""
        on = "one process" if processes == 1 else f"{processes} processes"
        self._console.print(
            f"{time_in_words(seconds)} on {on}; what the policy itself needs comes on top", highlight=False
        )

    def played(self, steps: int) -> None:
        """Moves the bar by `steps` agent steps, of which 500 count as an episode."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=min(self.asked, self.done + steps / 500))

    def finished(self, block: Block, episodes: Sequence[Episode]) -> None:
        """Counts the episodes of a finished block."""
        self.done += len(episodes)
        mean = sum(episode.return_ for episode in episodes) / len(episodes)
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.done, episodes=self._count(), description=str(block))
        else:
            seconds = time.monotonic() - self._started
            self._console.print(
                Text(f"{self._count()}  {block}: mean return {mean:.1f}  ({seconds:.0f} s)"), highlight=False
            )

    def _count(self) -> str:
        return f"{self.done}/{self.asked} episodes"


def print_results(results: Results, out: Path) -> None:
    """Prints the mean of every task beside those of the reference policies at the same action repeat."""
    scores = EntryScores(results.episodes)
    conditions = list(scores.returns)
    table = rich.table.Table("task", box=None, header_style="bold", pad_edge=False)
    for condition in conditions:
        table.add_column(condition, justify="right", no_wrap=True)
    references = reference_means(pace_of(results.runs))
    for name in references:
        table.add_column(
            reference_label(name).replace(" (", "\n("), justify="right", style="dim", no_wrap=True
        )
    for task in TASK_NAMES:
        cells = []
        for condition in conditions:
            units = scores.units(condition, task)
            if len(units) == 0:
                cells.append("")
                continue
            mean = task_estimates([units])[0].mean
            cells.append(
                f"{mean.point:.1f} [{mean.low:.0f}, {mean.high:.0f}]"
                if mean.has_interval
                else f"{mean.point:.1f}"
            )
        if any(cells):
            table.add_row(
                task,
                *map(Text, cells),
                *(f"{means[task]:.0f}" if task in means else "–" for means in references.values()),
            )
    console = rich.console.Console(soft_wrap=True)
    if not console.is_terminal:
        console.width = 200  # a file has no width, and numbers must not be cut off
    console.print(Text(f"{results.entry.name}: mean return [95 % interval over {scores.over}]"))
    console.print(table)
    videos = f", natural conditions on {results.video_set.name}" if results.video_set else ""
    console.print(Text(f"{len(results.episodes)} episodes in {out}{videos}"), highlight=False)
