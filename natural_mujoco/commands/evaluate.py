"""`natural-mujoco evaluate`: plays a policy on tasks and conditions and writes a results file."""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..arguments import share
from ..errors import InvalidArgument, NaturalMujocoError
from ..options import RENDERERS

_DESCRIPTION = """\
Plays a policy on tasks and conditions with the protocol's fixed episode seeds and writes one record for each episode
to a results file. Rerun the command to resume: finished episodes are never played again.
"""
_EPILOG = """\
policies:
  zero, random         blind baselines: actions of zero, and random actions
  expert               privileged: it reads the physical state, not the pixels
  module:factory       a function that is called with the keywords `task` and `action_size`, as far as it takes them,
                       and returns an object with reset(num_envs) and act(obs uint8[N,H,W,3]) -> float32[N,A]
  RUN_DIR ...          run directories of the bundled agents

Without a GPU for OpenGL, 100 standard episodes take half an hour of one core, and 100 natural ones a minute; --quick
gives a first look. docs/evaluation.md has the protocol.
"""


def add_parser(subparsers: Any) -> None:
    """Declares `evaluate`."""
    parser = subparsers.add_parser(
        "evaluate",
        help="play a policy and write its results file",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--policy",
        nargs="+",
        required=True,
        metavar="POLICY",
        help="the policy to evaluate, see below; may be several run directories",
    )
    add("--out", required=True, type=Path, metavar="FILE", help="the results file to begin or to continue")
    add(
        "--tasks",
        nargs="+",
        metavar="TASK",
        help="names of tasks, or `all`; by default all, or the task that a run directory was trained on",
    )
    add(
        "--conditions",
        nargs="+",
        metavar="CONDITION",
        help="standard, natural-train, natural-test, or `all`, the default; natural-test@0.5 is half-way between "
        "standard and natural-test",
    )
    add(
        "--episodes",
        type=int,
        metavar="N",
        help="episodes per task, condition and training seed (default: 10)",
    )
    add(
        "--quick",
        action="store_true",
        help="play only two episodes of each task on natural-test; the full command later continues the same file",
    )
    add(
        "--videos",
        default="auto",
        metavar="SET",
        help="video set of the natural conditions: its name, a manifest, a folder of videos, or `auto` (default: "
        "ilsvrc-vid where it is prepared, else embedded)",
    )
    add(
        "--seed",
        type=int,
        default=0,
        metavar="SEED",
        help="the evaluation seed; the leaderboard's is 0, the default",
    )
    add("--entry", metavar="NAME", help="name of the entry on the leaderboard (default: the policy's)")
    add("--authors", nargs="+", default=[], metavar="NAME", help="names of the entry's authors")
    add("--link", metavar="URL", help="address of the paper or the code")
    add("--description", default="", metavar="TEXT", help="one line about the entry")
    add(
        "--series",
        metavar="NAME",
        help="name shared by entries that differ only in the number of training videos",
    )
    add(
        "--training-seed",
        type=int,
        metavar="SEED",
        help="the policy's training seed (for a run directory it is known)",
    )
    add("--training-steps", type=int, metavar="STEPS", help="control steps that the policy was trained for")
    add("--trained-on", choices=("standard", "natural"), help="the variant that the policy was trained on")
    add("--training-videos", metavar="SET", help="the video set that the policy was trained on")
    add(
        "--num-videos",
        type=int,
        metavar="N",
        help="number of training videos that the policy was trained on, if not all",
    )
    add(
        "--training-strength",
        type=float,
        metavar="S",
        help="strength of the video in training, if less than 1",
    )
    add(
        "--action-repeat", type=int, metavar="N", help="control steps per action, as in training (default: 2)"
    )
    add(
        "--renderer",
        choices=RENDERERS,
        default=RENDERERS[0],
        help="what draws: opengl, the default, or warp, the batched environment, on a GPU if there is one (extra "
        "`gpu`); results of warp are marked and not ranked",
    )
    add("--workers", type=int, metavar="N", help="processes that play (default: one per core, at most 16)")
    add(
        "--timeout",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="how long one call of the policy may take before it counts as hung (default: 120)",
    )
    add(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="play on the Ray cluster at ADDRESS; without ADDRESS, start one on this machine",
    )
    add("--gpus-per-task", type=float, default=0.25, metavar="F",
        help="share of a GPU for each Ray task, if the cluster has GPUs (default: 0.25)")  # fmt: skip
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluates the policy and prints its means beside those of zero, random and expert."""
    from ..evaluation.conditions import select_conditions, select_tasks
    from ..evaluation.evaluate import evaluate
    from ..evaluation.plan import Request
    from ..processes import usable_cores
    from .evaluation_progress import EvaluationProgress, print_results

    if args.workers is not None and args.workers < 1:
        raise InvalidArgument(f"--workers {args.workers}: at least one process must play.")
    if not args.timeout > 0:
        raise InvalidArgument(f"--timeout {args.timeout:g}: give the policy some seconds.")
    if not 0 <= args.gpus_per_task <= 8:
        raise InvalidArgument(f"--gpus-per-task {args.gpus_per_task:g} must be 0 to 8.")
    if args.ray is not None:
        from ..evaluation.ray_tasks import connect

        connect(args.ray or None)  # before anything is written
    conditions, episodes = _amount(args)
    sources = _sources(args)
    request = Request(
        sources=sources,
        entry=_entry(args, sources),
        out=args.out,
        tasks=None if args.tasks is None else select_tasks(args.tasks),
        conditions=select_conditions(conditions),
        episodes=episodes,
        seed=args.seed,
        videos=args.videos,
        renderer=args.renderer,
    )
    workers = args.workers or min(16, usable_cores())
    with EvaluationProgress() as progress:
        try:
            results = evaluate(
                request,
                workers=workers,
                timeout=args.timeout,
                ray_address=args.ray or None,
                use_ray=args.ray is not None,
                gpus_per_task=args.gpus_per_task,
                progress=progress,
            )
        except (NaturalMujocoError, KeyboardInterrupt):
            progress.stop()
            if progress.asked:
                kept = f"Kept {progress.done} of {progress.asked} episodes in {args.out}; rerun the command to resume."
                print(
                    kept if progress.done else "No episode was finished, so nothing was written.",
                    file=sys.stderr,
                )
            raise
    print_results(results, args.out)
    return 0


def _amount(args: argparse.Namespace) -> tuple[list[str], int]:
    """The conditions and the episodes of each that are asked for."""
    if not args.quick:
        return args.conditions or ["all"], 10 if args.episodes is None else args.episodes
    if args.conditions is not None or args.episodes is not None:
        raise InvalidArgument("--quick decides --conditions and --episodes: leave these out, or --quick.")
    return ["natural-test"], 2


def _sources(args: argparse.Namespace) -> list[Any]:
    from ..evaluation.plan import resolve_videos
    from ..evaluation.policy_source import find_policy

    sources = [find_policy(text) for text in args.policy]
    if len(sources) > 1 and any(source.kind != "run" for source in sources):
        raise InvalidArgument("--policy takes several run directories, or one policy of another kind.")
    said: dict[str, Any] = {
        "training_seed": args.training_seed,
        "training_steps": args.training_steps,
        "trained_on": args.trained_on,
        "training_videos": args.training_videos,
        "num_videos": args.num_videos,
        "training_strength": args.training_strength,
        "action_repeat": args.action_repeat,
    }
    said = {name: value for name, value in said.items() if value is not None}
    if said and sources[0].kind == "run":
        flag = next(iter(said)).replace("_", "-")
        raise InvalidArgument(f"--{flag}: a run directory knows its own, so leave it out.")
    limits = {"training_seed": 2**40, "training_steps": 2**40, "num_videos": 10**6, "action_repeat": 1000}
    for name, most in limits.items():
        least = 0 if name.startswith("training") else 1
        if name in said and not least <= said[name] <= most:
            raise InvalidArgument(
                f"--{name.replace('_', '-')} {said[name]} is out of range: {least} to {most}."
            )
    if "training_videos" in said:
        said["trained_set"] = resolve_videos(said.pop("training_videos"))
    if "training_strength" in said:
        said["strength"] = share("--training-strength", said.pop("training_strength"))
    return [dataclasses.replace(source, **said) for source in sources]


def _entry(args: argparse.Namespace, sources: Sequence[Any]) -> Any:
    from pydantic import ValidationError

    from ..evaluation.records import Entry

    agents = {source.agent for source in sources}
    name = args.entry or (sources[0].name if agents == {None} else " and ".join(sorted(map(str, agents))))
    try:
        return Entry(
            name=name,
            authors=tuple(args.authors),
            link=args.link,
            description=args.description,
            series=args.series,
        )
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        option = {"name": "--entry"}.get(str(fault["loc"][0]), f"--{fault['loc'][0]}")
        raise InvalidArgument(
            f"{option}: {str(fault['input'])[:60]!r} cannot be shown on a leaderboard: one line of printable text, "
            "and for --link an http(s) address."
        ) from None
