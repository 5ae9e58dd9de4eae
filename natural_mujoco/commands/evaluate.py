"""`natural-mujoco evaluate`: plays a policy on tasks and conditions and writes a results file."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, NaturalMujocoError

_EPILOG = """\
Policies: zero, random, expert (privileged: it reads the physics, not the pixels), module:factory (called with those of
the keywords task and action_size that it takes; it returns an object with reset(num_envs) and
act(obs uint8[N,H,W,3]) -> float32[N,A]), or run directories of the bundled agents. The same command goes on where an
interrupted one stopped. docs/evaluation.md has the protocol.
"""


def add_parser(subparsers: Any) -> None:
    """Declares `evaluate`."""
    parser = subparsers.add_parser(
        "evaluate", help="play a policy and write its results file", epilog=_EPILOG
    )
    parser.add_argument(
        "--policy",
        nargs="+",
        required=True,
        metavar="POLICY",
        help="what to evaluate; several run directories at once",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FILE", help="the results file, begun or continued"
    )
    parser.add_argument(
        "--tasks", nargs="+", metavar="TASK", help="`all` (default; a run directory's is its own) or names"
    )
    parser.add_argument(
        "--conditions", nargs="+", default=["all"], metavar="CONDITION",
        help="`all` (default), standard, natural-train, natural-test",
    )  # fmt: skip
    parser.add_argument(
        "--episodes", type=int, default=10, help="per task, condition and training seed (default 10)"
    )
    parser.add_argument(
        "--videos",
        default="auto",
        help="video set of the natural conditions: a name, manifest, folder, or auto (default)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="evaluation seed; the leaderboard's is 0 (default)"
    )
    parser.add_argument("--entry", metavar="NAME", help="the entry's name (default: the policy's)")
    parser.add_argument("--authors", nargs="+", default=[], metavar="NAME")
    parser.add_argument("--link", metavar="URL", help="paper or code")
    parser.add_argument("--description", default="", metavar="TEXT", help="one line")
    parser.add_argument(
        "--training-seed", type=int, metavar="SEED", help="of the policy (a run directory knows its own)"
    )
    parser.add_argument(
        "--training-steps", type=int, metavar="STEPS", help="control steps it was trained for"
    )
    parser.add_argument("--trained-on", choices=("standard", "natural"), help="the variant it was trained on")
    parser.add_argument("--action-repeat", type=int, metavar="N", help="control steps per action (default 2)")
    parser.add_argument(
        "--workers", type=int, metavar="N", help="processes (default: one per core, 16 at most)"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="a policy's call may take (default 120)",
    )
    parser.add_argument(
        "--ray",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="run on a Ray cluster; without ADDRESS, one on this machine",
    )
    parser.add_argument(
        "--gpus-per-task",
        type=float,
        default=0.25,
        metavar="F",
        help="share of a GPU for a Ray task (default 0.25)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Evaluates and prints the means beside those of zero and random."""
    from ..evaluation.conditions import select_conditions, select_tasks
    from ..evaluation.evaluate import evaluate
    from ..evaluation.plan import Request
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
    sources = _sources(args)
    request = Request(
        sources=sources,
        entry=_entry(args, sources),
        out=args.out,
        tasks=None if args.tasks is None else select_tasks(args.tasks),
        conditions=select_conditions(args.conditions),
        episodes=args.episodes,
        seed=args.seed,
        videos=args.videos,
    )
    workers = args.workers or min(16, _usable_cores())
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
                print(
                    f"Kept {progress.done} of {progress.asked} episodes in {args.out}; the same command goes on.",
                    file=sys.stderr,
                )
            raise
    print_results(results, args.out)
    return 0


def _sources(args: argparse.Namespace) -> list[Any]:
    from ..evaluation.policy_source import find_policy

    sources = [find_policy(text) for text in args.policy]
    if len(sources) > 1 and any(source.kind != "run" for source in sources):
        raise InvalidArgument("--policy takes several run directories, or one policy of another kind.")
    said: dict[str, Any] = {
        "training_seed": args.training_seed,
        "training_steps": args.training_steps,
        "trained_on": args.trained_on,
        "action_repeat": args.action_repeat,
    }
    said = {name: value for name, value in said.items() if value is not None}
    for name, value in said.items():
        if sources[0].kind == "run":
            raise InvalidArgument(
                f"--{name.replace('_', '-')}: a run directory knows its own, so leave it out."
            )
        if isinstance(value, int) and not (1 if name == "action_repeat" else 0) <= value < 2**40:
            raise InvalidArgument(f"--{name.replace('_', '-')} {value} is out of range.")
    if said.get("action_repeat", 1) > 1000:
        raise InvalidArgument("--action-repeat must be 1 to 1000.")
    return [dataclasses.replace(source, **said) for source in sources]


def _entry(args: argparse.Namespace, sources: Sequence[Any]) -> Any:
    from pydantic import ValidationError

    from ..evaluation.records import Entry

    agents = {source.agent for source in sources}
    name = args.entry or (sources[0].name if agents == {None} else " and ".join(sorted(map(str, agents))))
    try:
        return Entry(name=name, authors=tuple(args.authors), link=args.link, description=args.description)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        option = {"name": "--entry"}.get(str(fault["loc"][0]), f"--{fault['loc'][0]}")
        raise InvalidArgument(
            f"{option}: {str(fault['input'])[:60]!r} cannot be shown on a leaderboard: one line of printable text, "
            "and for --link an http(s) address."
        ) from None


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
