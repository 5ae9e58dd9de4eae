"""`python -m agents.open_loop RUN_DIR` writes figure 3 of the paper, open_loop.png and open_loop.gif, into RUN_DIR.

Training does so at every evaluation.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from natural_mujoco import InvalidArgument
from natural_mujoco.cli import exit_status

from ..training.loading import load, load_replay
from ..training.open_loop_prediction import CONTEXT, STEPS, write_open_loop


def main(arguments: list[str] | None = None) -> int:
    """Writes figure 3 for a run directory; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m agents.open_loop", description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, metavar="RUN_DIR", help="a run with a generative world model")
    parser.add_argument("--device", default="auto", help="cpu, cuda, cuda:1, … (default: auto)")
    chosen = parser.parse_args(arguments)
    return exit_status("agents.open_loop", lambda: _run(chosen.run, chosen.device))


def _run(run: Path, device: str) -> int:
    policy = load(run, device)
    if write_open_loop(policy.agent, load_replay(run, policy), run) is None:
        raise InvalidArgument(
            f"{run} has no decoder, or no episode of {CONTEXT + STEPS} steps yet: figure 3 is for Dreamer "
            "and CVRL-generative."
        )
    print(run / "open_loop.png", run / "open_loop.gif", sep="\n")
    return 0
