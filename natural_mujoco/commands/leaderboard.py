"""`natural-mujoco leaderboard build | check | table`: results files in, a static site or a table out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, ResultsError


def add_parser(subparsers: Any) -> None:
    """Declares `leaderboard` and its three actions."""
    about = "Checks results files, and makes tables and a static site of them."
    parser = subparsers.add_parser(
        "leaderboard", help="check results, build a site, print tables", description=about
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    build = actions.add_parser(
        "build",
        help="write the site",
        description="Writes a site of static pages that open from the disk and load nothing from anywhere. A site that "
        "was built in the same folder before is replaced.",
    )
    _add_files(build)
    build.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the site")
    build.add_argument(
        "--title", default="Natural MuJoCo leaderboard", metavar="TEXT", help="heading of the site's pages"
    )
    build.set_defaults(run=_build)

    check = actions.add_parser(
        "check",
        help="say whether results files can be believed",
        description="Says whether results files are complete, consistent and true to the protocol and the video set; "
        "exits with 1 if one is not.",
    )
    check.add_argument("results", nargs="+", type=Path, metavar="FILE", help="results files to check")
    check.set_defaults(run=_check)

    table = actions.add_parser(
        "table", help="print the tables", description="Prints the site's tables as text or as Markdown."
    )
    _add_files(table)
    table.add_argument(
        "--format", choices=("text", "markdown"), default="text", help="how to print them (default: text)"
    )
    table.add_argument(
        "--condition",
        metavar="CONDITION",
        help="print one condition alone: standard, natural-train or natural-test",
    )
    table.set_defaults(run=_table)


def _add_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "results",
        nargs="*",
        type=Path,
        metavar="RESULTS",
        help="results files, or folders of them; zero, random and expert come with the package",
    )
    parser.add_argument(
        "--no-published", action="store_true", help="leave out the numbers that the paper published"
    )


def _build(args: argparse.Namespace) -> int:
    from ..leaderboard.site import build_site

    if not args.title.strip() or len(args.title) > 200:
        raise InvalidArgument("--title must be 1 to 200 characters.")
    entries = _load(args.results)
    written = build_site(entries, args.out, args.title, not args.no_published)
    size = sum(path.stat().st_size for path in written)
    print(f"{len(written)} files, {size / 2**20:.1f} MB; open {written[0]}")
    return 0


def _check(args: argparse.Namespace) -> int:
    from ..evaluation.checking import check_results
    from ..evaluation.records import read_results

    refused = 0
    for path in args.results:
        try:
            results = read_results(path)
        except ResultsError as error:
            print(f"REFUSED {error}")
            refused += 1
            continue
        verdict = check_results(results)
        refused += bool(verdict.faults)
        runs = len({(run.policy, run.digest, run.training_seed) for run in results.runs})
        policies = f"{runs} {'policy' if runs == 1 else 'policies'}"
        state = "REFUSED" if verdict.faults else "ok"
        print(f"{state} {path}: {results.entry.name}, {len(results.episodes)} episodes of {policies}")
        for fault in verdict.faults:
            print(f"  {fault}")
        for remark in verdict.remarks:
            print(f"  note: {remark}")
    if refused:
        print(f"{refused} of {len(args.results)} files refused", file=sys.stderr)
    return 1 if refused else 0


def _table(args: argparse.Namespace) -> int:
    from ..errors import unknown
    from ..evaluation.conditions import CONDITIONS
    from ..leaderboard.board import make_board
    from ..leaderboard.tables import markdown_tables, text_tables

    if args.condition is not None and args.condition not in CONDITIONS:
        raise unknown("condition", args.condition, CONDITIONS)
    board = make_board([results for _, results in _load(args.results)], not args.no_published)
    tables = markdown_tables if args.format == "markdown" else text_tables
    print(tables(board, args.condition), end="")
    return 0


def _load(paths: Sequence[Path]) -> list[tuple[Path, Any]]:
    """The entries of files and folders, all checked."""
    from ..evaluation.checking import load_entry
    from ..evaluation.records import read_results

    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob("*.json"))
            if not found:
                raise InvalidArgument(f"{path} holds no .json files.")
            files += found
        else:
            files.append(path)
    entries = []
    for path in files:
        results = read_results(path)
        if not results.episodes:
            print(f"{path} is left out: there is no episode in it.", file=sys.stderr)
            continue
        entries.append((path, load_entry(path)))
    return entries
