"""`natural-mujoco episodes record TASK`: records demonstrations as a dataset that Minari reads."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from ..demonstrations import Kind, Recording, record
from ..demonstrations.recording import Progress
from ..errors import NaturalMujocoError

_EPILOG = """\
example, a third each of random, noisy and undisturbed:
  natural-mujoco episodes record walker-walk --policy random expert --noise 0.0 0.3 --episodes 300 --out sets/walk-v0
  MINARI_DATASETS_PATH=sets python -c "import minari; print(minari.load_dataset('walk-v0'))"

Rerun the command to go on where it was stopped, or with more --episodes. docs/demonstrations.md says what is in a set.
"""
PLAIN_EVERY_S = 5.0


def add_parser(subparsers: Any) -> None:
    """Declares `episodes` and its subcommands."""
    parser = subparsers.add_parser(
        "episodes",
        help="record episodes of experts, random actions and agents for Minari",
        description="Writes demonstrations for offline learning, imitation and studies of representations.",
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    action = actions.add_parser(
        "record",
        help="write episodes as a Minari dataset",
        description="Plays a task and writes, for each step, observation, action, reward, physical state and matte, "
        "and which frame of which video is behind it.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = action.add_argument
    add("task", metavar="TASK", help="a task, e.g. walker-walk")
    add(
        "--policy",
        nargs="+",
        default=["expert"],
        metavar="POLICY",
        help="expert (default), random, zero, or run directories of the bundled agents; several alternate",
    )
    add(
        "--noise",
        nargs="+",
        type=float,
        default=[0.0],
        metavar="STD",
        help="standard deviation of the noise on the actions of experts and runs; several alternate (default: 0)",
    )
    add("--episodes", type=int, default=100, metavar="N", help="total number of episodes (default: 100)")
    add("--out", type=Path, required=True, metavar="DIR", help="folder of the dataset, named NAME-v0")
    add(
        "--variant",
        choices=("natural", "standard"),
        default="natural",
        help="with video behind the robot, or as dm_control draws it (default: natural)",
    )
    add("--split", choices=("train", "test"), default="train", help="half of the video set (default: train)")
    add("--videos", default="auto", metavar="SET", help="video set, manifest file or folder (default: auto)")
    add("--size", type=int, default=64, metavar="PIXELS", help="height and width of the frames (default: 64)")
    add(
        "--action-repeat",
        type=int,
        metavar="N",
        help="control steps per action (default: the run's, or 2)",
    )
    add("--seed", type=int, default=0, metavar="SEED", help="decides all episodes' seeds (default: 0)")
    action.set_defaults(run=run_record)


def run_record(args: argparse.Namespace) -> int:
    """Records the episodes and prints how to load them."""
    recording = Recording.of(
        args.task,
        args.policy,
        args.noise,
        args.action_repeat,
        variant=args.variant,
        split=args.split,
        videos=args.videos,
        size=args.size,
        seed=args.seed,
    )
    try:
        from ..demonstrations.dataset import dataset_id
    except ImportError as error:
        raise NaturalMujocoError(
            f"Recording needs Minari ({error}). `pip install 'natural-mujoco[demonstrations]'` installs it."
        ) from error
    with _Shown() as progress:
        count = record(recording, args.episodes, args.out, progress)
    name = dataset_id(args.out)
    root = str(args.out.expanduser().resolve()).removesuffix(f"/{name}")
    print(f"{count} episodes in {args.out}: MINARI_DATASETS_PATH={root}, minari.load_dataset({name!r})")
    return 0


class _Shown(Progress):
    """Shows progress on standard error: a bar on a terminal, else a line now and then."""

    def __enter__(self) -> _Shown:
        import rich.console
        import rich.progress

        self._console = rich.console.Console(file=sys.stderr, soft_wrap=True)
        self._bar = rich.progress.Progress(console=self._console, transient=True)
        self._done, self._told = 0, time.monotonic()
        return self

    def __exit__(self, *reason: object) -> None:
        self._bar.stop()

    def begin(self, episodes: int, present: int, size: int) -> None:
        already = f", {present} of them there" if present else ""
        self._console.print(
            f"recording {episodes} episodes{already}: at most {size / 1e6:,.0f} MB, less as it is compressed",
            highlight=False,
        )
        self._episodes, self._done = episodes, present
        if self._console.is_terminal:
            self._task = self._bar.add_task("recording", total=episodes, completed=present)
            self._bar.start()

    def finished(self, kind: Kind, return_: float) -> None:
        self._done += 1
        if self._console.is_terminal:
            self._bar.update(self._task, completed=self._done, description=str(kind))
        elif time.monotonic() - self._told > PLAIN_EVERY_S:
            self._told = time.monotonic()
            self._console.print(
                f"{self._done}/{self._episodes} episodes  {kind}: return {return_:.1f}", highlight=False
            )
