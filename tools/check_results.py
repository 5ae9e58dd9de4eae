"""What a pull request that adds results must pass, and the page as it would be.

    python -m tools.check_results [--base REVISION] [--policy POLICY ...] [--another-processor] [--summary FILE]

Checks the files of `results/` that differ from REVISION, all of them without one; plays some of their episodes again
where the policy is at hand; and builds the site of all entries together in `site/`. Exits with 1 if a file is refused.
The summary, in Markdown, is what the check said and the table of natural-test.

At hand are zero, random, the shipped expert, what --policy names, and the run directories in the model repository of
the Hugging Face Hub that an entry's link leads to. Those hold settings and tensors: no code of a stranger is run.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HfHubHTTPError

from natural_mujoco import NaturalMujocoError
from natural_mujoco.cli import main as command
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.records import Results, read_results
from natural_mujoco.leaderboard.board import make_board
from natural_mujoco.leaderboard.tables import markdown_tables

RESULTS = Path("results")
_MODEL = re.compile(r"https://huggingface\.co/([\w-][\w.-]*/[\w-][\w.-]*)/?", re.ASCII)
_PARTS = ["config.json", "checkpoints/*/state.json", "checkpoints/*/checkpoint.safetensors"]


def changed(base: str) -> list[Path]:
    """The results files that were added or changed since `base` left the present branch."""
    listed = subprocess.run(
        ["git", "diff", "-z", "--name-only", "--no-renames", "--diff-filter=AM", f"{base}...HEAD", "--", str(RESULTS)],
        capture_output=True,
        check=True,
    ).stdout.decode()  # fmt: skip
    found = [Path(name) for name in listed.split("\0") if name]
    return [path for path in found if path.parent == RESULTS and path.suffix == ".json"]


def public_runs(results: Results) -> list[str]:
    """The run directories of `results` in the Hub's repository that its entry links, downloaded."""
    model = _MODEL.fullmatch(results.entry.link or "")
    if model is None:
        return []
    try:
        parts = [*_PARTS, *(f"*/{part}" for part in _PARTS)]
        folder = Path(huggingface_hub.snapshot_download(model[1], allow_patterns=parts))
    except (HfHubHTTPError, OSError) as error:
        print(f"note: {model[0]} cannot be downloaded ({error})", file=sys.stderr)
        return []
    digests = {run.digest for run in results.runs}
    found = []
    for config in sorted(folder.rglob("config.json")):
        with contextlib.suppress(NaturalMujocoError):
            if find_policy(str(config.parent)).digest in digests:
                found.append(str(config.parent))
    return found


def check(
    files: Sequence[Path], replay: int, policies: Sequence[str], another_processor: bool = False
) -> tuple[int, str]:
    """The exit status of `leaderboard check --replay` for `files`, and what it said."""
    given = list(policies)
    for path in files:
        with contextlib.suppress(NaturalMujocoError):  # which the check then says
            given += public_runs(read_results(path))
    arguments = ["leaderboard", "check", *map(str, files), "--replay", str(replay)]
    arguments += ["--another-processor"] * another_processor
    with contextlib.redirect_stdout(io.StringIO()) as said:
        status = command([*arguments, *(["--policy", *dict.fromkeys(given)] if given else [])])
    return status, said.getvalue()


def main() -> int:
    """Checks, plays again, builds."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", help="what to compare with, such as origin/main (default: check all files)")
    parser.add_argument("--replay", type=int, default=10, help="episodes of each file to play again")
    parser.add_argument("--policy", nargs="+", default=[], help="run directories or module:factory to replay")
    parser.add_argument("--another-processor", action="store_true", help="as for `leaderboard check`")
    parser.add_argument("--site", type=Path, default=Path("site"), help="folder for the page")
    parser.add_argument("--summary", type=Path, help="file to append the summary to")
    args = parser.parse_args()
    everything = sorted(RESULTS.glob("*.json"))
    files = changed(args.base) if args.base else everything
    status, said = (
        check(files, args.replay, args.policy, args.another_processor)
        if files
        else (0, "No results file differs.\n")
    )
    print(said, end="", flush=True)
    if status == 0:
        status = command(["leaderboard", "build", *map(str, everything), "--out", str(args.site)])
    if args.summary:
        # Indented, so that nothing in it is markup.
        lines = ["## Results", "", *(f"    {line}" for line in said.splitlines()), ""]
        if status == 0:
            board = make_board([read_results(path) for path in everything], published=False)
            lines += [markdown_tables(board, "natural-test")]
        with args.summary.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines))
    return status


if __name__ == "__main__":
    raise SystemExit(main())
