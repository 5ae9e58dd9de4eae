"""`natural-mujoco preview TASK --out FILE`: shows what a task looks like, as a picture or a film."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument
from ..options import PLAYBACKS
from ..tasks import find_task


def add_parser(subparsers: Any) -> None:
    """Declares `preview`."""
    parser = subparsers.add_parser(
        "preview",
        help="write a picture, GIF or MP4 of a task",
        description="Plays a task with smooth random actions, its expert, or a policy of yours, and writes the middle "
        "frame as PNG, or all frames as GIF or MP4.",
    )
    parser.add_argument("task", metavar="TASK", help="a task, e.g. walker-walk, or an environment id")
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="FILE.png, FILE.gif or FILE.mp4"
    )
    parser.add_argument(
        "--variant",
        choices=("natural", "standard"),
        default="natural",
        help="which of the task's two ids (default: natural)",
    )
    parser.add_argument("--videos", default="auto", help="video set, manifest file or folder (default: auto)")
    parser.add_argument(
        "--split", choices=("train", "test"), default="train", help="half of the video set (default: train)"
    )
    parser.add_argument("--num-videos", type=int, metavar="N", help="use only the first N training videos")
    parser.add_argument(
        "--strength",
        type=float,
        metavar="S",
        help="how strongly the video shows, 0 to 1 (default: 1)",
    )
    parser.add_argument(
        "--playback", choices=PLAYBACKS, default="loop", help="how clips are played (default: loop)"
    )
    parser.add_argument(
        "--matte",
        choices=("semantic", "paper"),
        default="semantic",
        help="what counts as foreground (default: semantic)",
    )
    parser.add_argument("--size", type=int, help="pixels of observations (default: the run's, or 64)")
    parser.add_argument("--render-size", type=int, default=480, help="pixels of the picture (default: 480)")
    parser.add_argument("--observations", action="store_true", help="show the agent's observations, enlarged")
    parser.add_argument(
        "--policy",
        default="random",
        metavar="POLICY",
        help="who acts: `random`, smooth random actions (default); `expert`, the task's state expert; `zero`; a run "
        "directory of the bundled agents, whose action repeat is then used; or a module:factory, as for `evaluate`",
    )
    parser.add_argument(
        "--action-repeat",
        type=int,
        metavar="N",
        help="control steps of each action (default: the run's, or 2)",
    )
    parser.add_argument("--steps", type=int, default=100, help="agent steps to roll out (default: 100)")
    parser.add_argument("--seed", type=int, default=0, help="seed of physics, video and actions (default: 0)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Rolls the task out and writes the file."""
    import cv2
    import gymnasium as gym

    from ..evaluation.policy_source import find_policy
    from ..pictures.recording import ACTORS, check_format, roll_out, visitor, write_pictures

    check_format(args.out)  # before the work, not after it
    task = find_task(args.task)
    source = find_policy(args.policy)
    options = {"render_mode": "rgb_array", "render_size": args.render_size}
    for name in ("size", "action_repeat"):
        given = getattr(args, name)
        if given is not None and source.kind == "run":
            flag = name.replace("_", "-")
            raise InvalidArgument(f"--{flag}: a run directory knows its own, so leave it out.")
        options[name] = getattr(source, name) if given is None else given
    if args.variant == "natural" and args.task != task.standard_id:
        env_id = task.natural_id
        for name in ("videos", "split", "num_videos", "strength", "playback", "matte"):
            options[name] = getattr(args, name)
    else:
        env_id = task.standard_id
    with contextlib.closing(gym.make(env_id, **options)) as env:
        acting = args.policy if args.policy in ACTORS else visitor(env, source)
        pixels = "observation" if args.observations else "render"
        frames, rate = roll_out(env, args.steps, args.seed, pixels, acting), env.metadata["render_fps"]
    if args.observations:
        side = (args.render_size, args.render_size)
        frames = [cv2.resize(frame, side, interpolation=cv2.INTER_NEAREST) for frame in frames]
    write_pictures(args.out, frames, rate)
    print(f"{args.out}: {env_id}, {len(frames)} steps")
    return 0
