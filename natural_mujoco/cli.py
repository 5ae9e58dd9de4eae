"""The command `natural-mujoco` (also `python -m natural_mujoco`).

- `main`: parses and runs one command.
- `exit_status`: turns errors into one sentence and an exit status, for the agents' programs too.

Exit status: 0 done, 1 failed, 2 used wrongly, 130 interrupted, 143 terminated.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from .errors import InvalidArgument, NaturalMujocoError
from .processes import Stopped, stop_on_signals
from .version import __version__

COMMANDS = ("list", "doctor", "preview", "videos", "evaluate", "episodes", "leaderboard")


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
    return exit_status(f"natural-mujoco {args.command}", lambda: args.run(args))


def exit_status(program: str, work: Callable[[], int]) -> int:
    """Calls `work` and returns its exit status; an error becomes one sentence on standard error and its own status.

    The same for every program of the project: 2 for an invalid argument, 1 for every other error that a user can mend
    and for the system's errors, 130 for Ctrl-C, 143 for TERM, 129 for HUP. If the reader of standard output (`head`,
    `less`) has closed the pipe, the status is 1 and nothing is printed.
    """
    try:
        with stop_on_signals():
            status = work()
            sys.stdout.flush()
            return status
    except NaturalMujocoError as error:
        message, status = str(error), 2 if isinstance(error, InvalidArgument) else 1
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain about the same pipe.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        message, status = (
            ": ".join(str(part) for part in (error.strerror or error, error.filename) if part),
            1,
        )
    except Stopped as stop:
        message, status = str(stop), stop.status
    except KeyboardInterrupt:
        message, status = "interrupted", 130
    print(f"{program}: {message}", file=sys.stderr)
    return status
