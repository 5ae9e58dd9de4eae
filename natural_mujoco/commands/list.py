"""`natural-mujoco list`: prints the tasks and their environment ids."""

from __future__ import annotations

import argparse
from typing import Any

from ..tasks import TASKS


def add_parser(subparsers: Any) -> None:
    """Declares `list`."""
    parser = subparsers.add_parser(
        "list", help="the tasks and their ids", description="Prints every task with its two environment ids."
    )
    parser.add_argument("--ids", action="store_true", help="print only the ids, one per line, for scripts")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prints the table of tasks, or only the ids."""
    if args.ids:
        for task in TASKS.values():
            print(task.natural_id)
            print(task.standard_id)
        return 0
    rows = [("task", "natural (video background)", "standard")]
    rows += [(task.name, task.natural_id, task.standard_id) for task in TASKS.values()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0
