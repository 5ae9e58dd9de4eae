"""`natural-mujoco leaderboard build | check | table | export`: a static site, checks and tables of results files."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, ResultsError


def add_parser(subparsers: Any) -> None:
    """Declares `leaderboard` and its actions."""
    about = "Checks results files, and makes tables and a static site of them."
    parser = subparsers.add_parser(
        "leaderboard", help="check results, build a site, print tables", description=about
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    build = actions.add_parser(
        "build",
        help="write the site",
        description="Writes a site of static pages that open from the disk and load nothing from the network. A site "
        "that was built in the same folder before is replaced.",
    )
    _add_files(build)
    build.add_argument("--out", required=True, type=Path, metavar="DIR", help="folder for the site")
    build.add_argument(
        "--title", default="Natural MuJoCo leaderboard", metavar="TEXT", help="heading of the site's pages"
    )
    build.set_defaults(run=_build)

    check = actions.add_parser(
        "check",
        help="check results files",
        description="Checks whether results files are complete and consistent and agree with the protocol and the "
        "video set; exits with status 1 if one does not. With --replay, plays some of their episodes again and "
        "compares the returns: to the sixth digit with the same versions as in the record, else on average.",
    )
    check.add_argument("results", nargs="+", type=Path, metavar="FILE", help="results files to check")
    check.add_argument(
        "--replay",
        type=int,
        default=0,
        metavar="N",
        help="play N random episodes of each file again, of the policies that are available: zero, random, expert and "
        "those of --policy",
    )
    check.add_argument(
        "--policy",
        nargs="+",
        default=[],
        metavar="POLICY",
        help="run directories, or module:factory, to replay",
    )
    check.add_argument(
        "--another-processor",
        action="store_true",
        help="compare means, as the files come from another kind of processor, where networks give slightly other "
        "actions",
    )
    check.add_argument(
        "--videos", metavar="SET", help="where the video set is, if it does not ship with this package"
    )
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
        help="print only one condition: standard, natural-train or natural-test",
    )
    table.set_defaults(run=_table)

    export = actions.add_parser(
        "export",
        help="write the numbers for spreadsheets, papers and the Hugging Face Hub",
        description="Writes the site's numbers as CSV, with one line for each number; as LaTeX tables for booktabs; or "
        "in the format of the Hugging Face Hub's community evaluations: eval.yaml for the benchmark and a file for "
        "each entry's model.",
    )
    _add_files(export)
    export.add_argument(
        "--format", choices=("csv", "latex", "hub"), default="csv", help="what to write (default: csv)"
    )
    export.add_argument(
        "--condition",
        metavar="CONDITION",
        help="for csv: only this condition (default: all); for latex: this condition (default: natural-test)",
    )
    export.add_argument(
        "--entries",
        nargs="+",
        default=[],
        metavar="NAME",
        help="for latex: only these entries, in this order, and zero, random and expert (default: all)",
    )
    export.add_argument(
        "--dataset", metavar="ORG/NAME", help="for hub: the data set repository that is the benchmark"
    )
    export.add_argument(
        "--out", type=Path, metavar="PATH", help="file to write instead of printing; for hub, the folder"
    )
    export.set_defaults(run=_export)


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
    from ..evaluation.policy_source import find_policy
    from ..evaluation.records import read_results

    if args.replay < 0 or ((args.policy or args.videos or args.another_processor) and not args.replay):
        raise InvalidArgument(
            "--replay takes a number of episodes; --policy, --videos and --another-processor go with it."
        )
    given = [find_policy(text) for text in args.policy]
    refused, used = 0, set()
    for path in args.results:
        try:
            results = read_results(path)
        except ResultsError as error:
            print(f"REFUSED {error}")
            refused += 1
            continue
        verdict = check_results(results)
        faults, remarks = list(verdict.faults), list(verdict.remarks)
        if args.replay and not faults:
            again, played = _replayed(results, given, args)
            faults += again.faults
            remarks += again.remarks
            used |= played
        refused += bool(faults)
        runs = len({(run.policy, run.digest, run.training_seed) for run in results.runs})
        policies = f"{runs} {'policy' if runs == 1 else 'policies'}"
        state = "REFUSED" if faults else "ok"
        print(f"{state} {path}: {results.entry.name}, {len(results.episodes)} episodes of {policies}")
        for fault in faults:
            print(f"  {fault}")
        for remark in remarks:
            print(f"  note: {remark}")
    if refused:
        print(f"{refused} of {len(args.results)} files refused", file=sys.stderr)
        return 1
    for source in given:
        if source not in used:
            raise InvalidArgument(
                f"--policy {source.name} is no policy of these files: its sha256 is another."
            )
    return 0


def _replayed(results: Any, given: Sequence[Any], args: argparse.Namespace) -> tuple[Any, set[Any]]:
    """The result of playing episodes again, and the policies that were played."""
    from ..evaluation.checking import Verdict
    from ..evaluation.replay import policies_at_hand, replay, verdict
    from ..processes import usable_cores

    policies = policies_at_hand(results, given)
    replays = replay(
        results,
        policies,
        args.replay,
        args.videos,
        min(16, usable_cores()),
        same_processor=not args.another_processor,
    )
    found = verdict(replays)
    remarks = list(found.remarks)
    if not replays:
        why = "its videos are not (--videos)" if policies else "none of its policies is (--policy)"
        remarks.append(f"nothing was played again: {why} at hand")
    elif len(policies) < len(results.runs):
        remarks.append(f"the policies of {len(policies)} of {len(results.runs)} runs are at hand")
    return Verdict(found.faults, tuple(remarks)), set(policies.values())


def _table(args: argparse.Namespace) -> int:
    from ..leaderboard.tables import markdown_tables, text_tables

    tables = markdown_tables if args.format == "markdown" else text_tables
    print(tables(_board(args), args.condition), end="")
    return 0


def _board(args: argparse.Namespace) -> Any:
    from ..errors import unknown
    from ..evaluation.conditions import CONDITIONS
    from ..leaderboard.board import make_board

    if args.condition is not None and args.condition not in CONDITIONS:
        raise unknown("condition", args.condition, CONDITIONS)
    return make_board([results for _, results in _load(args.results)], not args.no_published)


def _export(args: argparse.Namespace) -> int:
    from .. import files
    from ..leaderboard.exports import csv_table, latex_tables

    if args.format == "hub":
        return _export_to_hub(args)
    if args.dataset is not None:
        raise InvalidArgument("--dataset goes with --format hub.")
    if args.entries and args.format != "latex":
        raise InvalidArgument("--entries goes with --format latex.")
    if args.format == "csv":
        text = csv_table(_board(args), args.condition)
    else:
        text = latex_tables(_board(args), args.condition or "natural-test", args.entries)
    if args.out is None:
        print(text, end="")
    else:
        files.write_bytes(args.out, text.encode())
        print(f"wrote {args.out}")
    return 0


def _export_to_hub(args: argparse.Namespace) -> int:
    from .. import files
    from ..leaderboard.hub import RESULTS, benchmark_file, result_files

    if args.out is None or args.dataset is None or args.condition is not None or args.entries:
        raise InvalidArgument(
            "--format hub takes --dataset ORG/NAME and a folder as --out, and is of natural-test alone."
        )
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", args.dataset, re.ASCII):
        raise InvalidArgument(f"--dataset {args.dataset[:120]!r} is no repository of the Hub: give ORG/NAME.")
    board = _board(args)
    written = result_files(board, args.dataset)
    for entry in board.entries:
        if entry.slug not in written:
            print(
                f"{entry.name} is left out: no natural-test records on a video set that ships with this package.",
                file=sys.stderr,
            )
    if not written:
        raise InvalidArgument("There is nothing to export.")
    files.write_bytes(args.out / "eval.yaml", benchmark_file(board).encode())
    print(f"{args.out / 'eval.yaml'}: for the data set {args.dataset}")
    names = {entry.slug: entry.name for entry in board.entries}
    for slug, text in written.items():
        path = args.out / "models" / slug / RESULTS
        files.write_bytes(path, text.encode())
        print(f"{path}: for the model of {names[slug]}")
    return 0


def _load(paths: Sequence[Path]) -> list[tuple[Path, Any]]:
    """The paths and results of all files and folders, checked."""
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
