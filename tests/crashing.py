"""Commands that are killed at random moments and run again, beside the same command that never was.

`python -m tests.crashing --kills 100 --seed 1` is the long form; test_crashes.py holds a short one. Training has its
own, tests/agents/crashing.py.

Each life is a fork of a process that has imported everything and runs the command's `main`. It is killed at a random
moment; its child processes are left to notice by themselves. Then what lies on the disk is checked, and at the end it
equals, byte for byte, what the undisturbed command left.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from natural_mujoco import cli, read_results

from .backgrounds.hub_server import HubServer
from .backgrounds.sets import prepared_under, write_archive, write_clips, write_manifest

REPO = "someone/clips"


class Counts(NamedTuple):
    """What became of the lives of one command."""

    kept: tuple[int, ...]
    """How many things lay there after each kill, of those that the undisturbed command leaves."""
    ended: int
    """Lives that came to their end before they were killed."""


@dataclass(frozen=True)
class Command:
    """What is run, what it may leave when it is killed, and what it leaves at its end."""

    arguments: Callable[[Path], list[str]]
    """Of the command line, for a folder of its own; the folder's `home` is the cache."""
    left: Callable[[Path], dict[str, bytes]]
    """What is promised to repeat, by name."""
    check: Callable[[Path, dict[str, bytes]], None]
    """Raises AssertionError if what a kill left is not part of what the undisturbed command leaves."""


def _is_part(folder: Path, found: dict[str, bytes], whole: dict[str, bytes]) -> None:
    strange = [name for name, content in found.items() if whole.get(name) != content]
    assert not strange, f"{folder}: {strange} are in no undisturbed run"


def _evaluate(material: Path) -> Command:
    def arguments(place: Path) -> list[str]:
        return [
            *("evaluate", "--policy", "random", "--tasks", "cartpole-balance", "--episodes", "4"),
            *("--conditions", "standard", "natural-test", "--videos", str(material / "films")),
            *("--action-repeat", "8", "--workers", "2", "--out", str(place / "results.json")),
        ]

    def left(place: Path) -> dict[str, bytes]:
        path = place / "results.json"
        if not path.exists():
            return {}
        read_results(path)  # whole, at any moment
        content = json.loads(path.read_text())
        # Of a file that is not yet finished, the episodes that it has are the promise.
        found = {f"{e['condition']} {e['episode_seed']}": json.dumps(e).encode() for e in content["episodes"]}
        if len(found) == 8:
            found["file"] = path.read_bytes()
        return found

    return Command(arguments, left, lambda place, whole: _is_part(place, left(place), whole))


def _prepared(place: Path) -> dict[str, bytes]:
    home = place / "home"
    found = {name: digest.encode() for name, digest in prepared_under(home).items()}
    if (home / "sources").exists():
        for path in sorted((home / "sources").rglob("*.mp4")):
            if not path.name.startswith("."):  # what is being written has a hidden name
                found[str(path.relative_to(home))] = path.read_bytes()
    return found


def _import(material: Path) -> Command:
    def arguments(place: Path) -> list[str]:
        return [
            *("videos", "import", str(material / "street.json"), "--from", str(material / "clips")),
            *("--size", "8", "--workers", "2"),
        ]

    return Command(
        arguments, _prepared, lambda place, whole: _is_part(place, _finished(_prepared(place), whole), whole)
    )


def _finished(found: dict[str, bytes], whole: dict[str, bytes]) -> dict[str, bytes]:
    """Without temporary files: what a killed command was writing lies under a name that no reader opens."""
    return {name: content for name, content in found.items() if name in whole or ".tmp" not in name}


def _download(material: Path) -> Command:
    def arguments(place: Path) -> list[str]:
        return [
            *("videos", "download", str(material / "street.json"), "--accept-licence"),
            *("--size", "8", "--workers", "1", "--connections", "2"),
        ]

    return Command(
        arguments, _prepared, lambda place, whole: _is_part(place, _finished(_prepared(place), whole), whole)
    )


def _build(material: Path) -> Command:
    def arguments(place: Path) -> list[str]:
        return ["leaderboard", "build", str(material / "results.json"), "--out", str(place / "site")]

    def left(place: Path) -> dict[str, bytes]:
        pages = sorted((place / "site").rglob("*.html")) if (place / "site").exists() else []
        names = {page: str(page.relative_to(place / "site")) for page in pages}
        return {name: page.read_bytes() for page, name in names.items() if not name.startswith(".")}

    return Command(arguments, left, lambda place, whole: _is_part(place, left(place), whole))


COMMANDS: dict[str, Callable[[Path], Command]] = {
    "evaluate": _evaluate,
    "import": _import,
    "download": _download,
    "build": _build,
}


def live(arguments: list[str], place: Path, until: Callable[[], bool] | None) -> bool:
    """Run the command in a fork, killed once `until()` holds; returns whether it came to its end before."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            log = os.open(place / "log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
            os.dup2(log, 1)
            os.dup2(log, 2)
            os.environ["NATURAL_MUJOCO_HOME"] = str(place / "home")
            os.environ["HF_HOME"] = str(place / "hub")
            code = cli.main(arguments)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    while until is not None and not os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT | os.WNOHANG):
        if until():
            os.kill(child, signal.SIGKILL)
            break
        time.sleep(0.002)
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    assert status == 0, (place / "log").read_text()[-4000:]
    return True


def _moment(command: Command, place: Path, took: float, rng: np.random.Generator) -> Callable[[], bool]:
    """A random moment of a life: within `took` seconds, or shortly after one, two or three more things lie there.

    Most of the time goes by before anything is written, so that moments drawn evenly would say little.
    """
    goal = len(command.left(place)) + int(rng.integers(4))
    late = float(rng.exponential(0.02))
    due = time.monotonic() + took * float(rng.random())

    def reached() -> bool:
        nonlocal due
        if len(command.left(place)) < goal:
            due = time.monotonic() + late
        return time.monotonic() > due

    return reached


def crash(name: str, material: Path, folder: Path, seed: int, kills: int) -> Counts:
    """Kill a command `kills` times, let it end, and compare it with one that was let be. Raises AssertionError.

    Neither may leave a process behind.
    """
    before = set(psutil.pids())
    rng = np.random.default_rng(seed)
    command = COMMANDS[name](material)
    whole, place = folder / "whole", folder / "killed"
    whole.mkdir()
    place.mkdir()
    began = time.monotonic()
    live(command.arguments(whole), whole, None)
    took, expected = time.monotonic() - began, command.left(whole)
    assert expected, f"{name} leaves nothing to compare"
    kept, ended = [], 0
    for _ in range(kills):
        done = live(command.arguments(place), place, _moment(command, place, took, rng))
        command.check(place, expected)
        if not done:
            kept.append(len(command.left(place)))
        else:  # and again from nothing
            ended += 1
            place = folder / f"killed-{ended}"
            place.mkdir()
    live(command.arguments(place), place, None)
    found = command.left(place)
    differing = sorted(key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key))
    assert not differing, f"{name}, seed {seed}: {differing} differ after {len(kept)} kills"
    _expect_no_more(before, folder)
    return Counts(tuple(kept), ended)


def _expect_no_more(before: set[int], folder: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        orphans = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                home = process.environ().get("NATURAL_MUJOCO_HOME", "")
                if process.pid not in before and home.startswith(str(folder)):
                    orphans.append(process.cmdline())
        if not orphans:
            return
        time.sleep(0.1)
    raise AssertionError(f"These outlived the command that started them: {orphans}")


def write_material(folder: Path) -> str:
    """What the commands work on, and a Hub in a process of its own; returns the Hub's address."""
    clips = write_clips(folder / "clips", 6)
    write_clips(folder / "films", 4)
    write_archive(folder / "part1.zip", clips)
    source = {"kind": "hub", "repo": REPO, "archives": ["part1.zip"]}
    write_manifest(folder / "street.json", list(clips), source, frames=24)
    reading, writing = os.pipe()
    if os.fork() == 0:
        with HubServer({"part1.zip": folder / "part1.zip"}, repo=REPO) as hub:
            os.write(writing, hub.url.encode())
            parent = os.getppid()
            while os.getppid() == parent:
                time.sleep(0.2)
        os._exit(0)
    return os.read(reading, 100).decode()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100, help="over all commands (default: 100)")
    parser.add_argument("--each", type=int, default=10, help="kills of one command in a row (default: 10)")
    parser.add_argument("--only", choices=sorted(COMMANDS), nargs="+", default=list(COMMANDS))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        material = Path(scratch) / "material"
        material.mkdir()
        os.environ["HF_ENDPOINT"] = write_material(material)
        evaluation = _evaluate(material)
        live(evaluation.arguments(material), material, None)  # what `build` builds from
        tried = killed = rounds = 0
        while tried < options.kills:
            name = options.only[rounds % len(options.only)]
            folder = Path(scratch) / f"{rounds}"
            folder.mkdir()
            kills = min(options.each, options.kills - tried)
            counts = crash(name, material, folder, options.seed + rounds, kills)
            tried, killed, rounds = tried + kills, killed + len(counts.kept), rounds + 1
            print(
                f"{name}: {len(counts.kept)} kills, files or episodes then {counts.kept}: equal", flush=True
            )
        print(f"{killed} kills in {rounds} rounds, all equal to commands that were never killed")


if __name__ == "__main__":
    main()
