"""The command `natural-mujoco` (also `python -m natural_mujoco`).

- `main`: parses, runs one command, turns errors into one sentence and an exit status.

Exit status: 0 done, 1 failed, 2 used wrongly, 130 interrupted.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from .errors import InvalidArgument, NaturalMujocoError
from .version import __version__

COMMANDS = ("list", "doctor", "preview", "videos", "evaluate", "leaderboard")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (by default the process') and returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="natural-mujoco",
        description="Ten DeepMind Control tasks in front of natural video.",
        epilog="Environments: gymnasium.make('NaturalMujoco/WalkerWalk-v0') after `import natural_mujoco`.",
    )
    parser.add_argument("--version", action="version", version=f"natural-mujoco {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name in COMMANDS:
        importlib.import_module(f"natural_mujoco.commands.{name}").add_parser(subparsers)
    args = parser.parse_args(argv)
    try:
        status: int = args.run(args)
        sys.stdout.flush()
        return status
    except NaturalMujocoError as error:
        print(f"natural-mujoco {args.command}: {error}", file=sys.stderr)
        return 2 if isinstance(error, InvalidArgument) else 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):  # the reader (head, less) has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 1
        print(f"natural-mujoco {args.command}: {error.strerror}: {error.filename}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"natural-mujoco {args.command}: interrupted", file=sys.stderr)
        return 130
