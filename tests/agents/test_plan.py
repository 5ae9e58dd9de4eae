"""Plans of runs: what is refused, what is done, and that work stops and goes on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agents.studies import plan as plans
from agents.studies import pursuit
from agents.studies.plan import Book, main, planned_runs, read_plan
from agents.studies.pursuit import STOPPED, Step, Work, commit_of, frozen_code, pursue
from agents.training.config import RunConfig, TrainingConfig
from agents.training.run_folder import require_run_folder
from natural_mujoco import InvalidArgument, NaturalMujocoError

ROOT = Path(__file__).parents[2]
PLAN = """
[[groups]]
name = "one"
entry = "tiny"
agent = "sac"
tasks = ["CartpoleSwingup", "finger-spin"]
seeds = [0, 1]
steps = 400
flags = ["--preset", "laptop"]
series = "by videos"
"""


def write(folder: Path, text: str = PLAN) -> Path:
    path = folder / "plan.toml"
    path.write_text(text)
    return path


def test_the_plan_of_the_repository_is_one() -> None:
    runs = planned_runs(read_plan(ROOT / "results" / "plan.toml"))
    assert len({run.name for run in runs}) == len(runs) > 100
    assert runs[0].name == "cvrl-shared-cartpole-swingup-0"
    for entry, count in (
        ("cvrl-shared", 10),
        ("dreamer-laptop", 10),
        ("sac-laptop", 10),
        ("repo-laptop", 7),
        ("drqv2-laptop", 7),
        ("ppo-laptop", 10),
    ):
        natural = [r for r in runs if r.group.entry == entry]
        assert len({r.task for r in natural}) == count


def test_runs_come_in_the_order_of_the_plan_with_the_flags_of_their_command(tmp_path: Path) -> None:
    plan = read_plan(write(tmp_path))
    runs = planned_runs(plan)
    assert [run.name for run in runs] == [
        "tiny-cartpole-swingup-0",
        "tiny-finger-spin-0",
        "tiny-cartpole-swingup-1",
        "tiny-finger-spin-1",
    ]
    flags = " ".join(runs[2].flags(plan))
    for part in ("--task cartpole-swingup", "--seed 1", "--steps 400", "--threads 1", "--videos embedded"):
        assert part in flags
    assert "--training.evaluate-every 20" in flags


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('agent = "sac"', 'agent = "sack"'), "unknown agent 'sack'"),
        (("finger-spin", "finger-spun"), "Unknown task 'finger-spun'"),
        (('"laptop"]', '"desktop"]'), "Unknown preset 'desktop'"),
        (('"--preset"', '"--presto"'), "does not take its flags"),
        (("steps = 400", "steps = 0"), r"groups\.0\.steps: Input should be greater than 0"),
        (("steps = 400", "stops = 400"), r"groups\.0\."),
        (("[[groups]]", "[[groups]"), "is no plan"),
        (("seeds = [0, 1]", "seeds = [1, 1]"), "more than once"),
    ],
)
def test_what_is_no_plan_is_one_sentence(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        read_plan(write(tmp_path, PLAN.replace(*change)))


def python_work(folder: Path, name: str, *sources: str, alone: bool = False) -> Work:
    steps = [Step([sys.executable, "-c", source], alone) for source in sources]
    return Work(name, folder / name, folder, steps, lambda: (folder / name / "finished").touch())


def test_steps_follow_each_other_and_a_failure_stops_its_own_work_alone(tmp_path: Path) -> None:
    told: dict[str, int] = {}
    works = [
        python_work(tmp_path, "good", "print('one')", "import os; print('two', os.environ['PYTHONPATH'])"),
        python_work(tmp_path, "bad", "raise SystemExit(3)", "print('never')"),
        python_work(tmp_path, "later", "print('three')"),
    ]
    statuses = pursue(works, 2, lambda work, status: told.update({work.name: status}), nice=0)
    assert statuses == told == {"good": 0, "bad": 3, "later": 0}
    assert (tmp_path / "good" / "output.log").read_text() == f"one\ntwo {tmp_path}\n"
    assert (tmp_path / "bad" / "output.log").read_text() == ""
    assert [(tmp_path / name / "finished").exists() for name in told] == [name != "bad" for name in told]


def test_time_that_is_up_lets_runs_save_and_begins_no_more(tmp_path: Path) -> None:
    save_and_stop = (
        "import signal, sys, time\n"
        "signal.signal(signal.SIGINT, lambda *_: (print('saved'), sys.exit(130)))\n"
        "time.sleep(60)"
    )
    works = [python_work(tmp_path, name, save_and_stop, "print('never')") for name in ("a", "b", "c")]
    told: list[str] = []
    statuses = pursue(works, 2, lambda work, _: told.append(work.name), minutes=2 / 60, nice=0)
    assert set(statuses.values()) == {STOPPED}
    assert told == []
    assert "never" not in "".join(p.read_text() for p in tmp_path.glob("*/output.log"))
    assert not (tmp_path / "c").exists() or not (tmp_path / "c" / "finished").exists()


def test_a_run_saves_and_ends_when_who_pursues_it_is_killed(tmp_path: Path) -> None:
    child = (
        "import os, signal, sys, time\n"
        "from agents.training.interruption import follow_sweep\n"
        "signal.signal(signal.SIGTERM, lambda *_: (open('saved', 'w').close(), sys.exit(130)))\n"
        "assert follow_sweep()\n"
        "open('begun', 'w').close()\n"
        "time.sleep(60)"
    )
    pursuer = (
        "import sys\n"
        "from pathlib import Path\n"
        "from agents.studies.pursuit import Step, Work, pursue\n"
        "here = Path.cwd()\n"
        f"pursue([Work('a', here, here, [Step([sys.executable, '-c', {child!r}])])], 1, print, nice=0)"
    )
    # The work's code is this folder: it finds `agents` through it.
    for name in ("agents", "natural_mujoco"):
        (tmp_path / name).symlink_to(ROOT / name)
    process = subprocess.Popen([sys.executable, "-c", pursuer], cwd=tmp_path)
    try:
        assert _appears(tmp_path / "begun")
    finally:
        process.kill()
        process.wait()
    assert _appears(tmp_path / "saved")


def _appears(path: Path) -> bool:
    deadline = time.monotonic() + 60
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return path.exists()


def test_steps_that_share_a_file_run_one_at_a_time(tmp_path: Path) -> None:
    check = (
        "import os, time\n"
        f"os.mkdir({str(tmp_path / 'held')!r})\n"  # fails where another is inside
        "time.sleep(.2)\n"
        f"os.rmdir({str(tmp_path / 'held')!r})"
    )
    works = [python_work(tmp_path, str(i), check, alone=True) for i in range(3)]
    assert set(pursue(works, 3, lambda *_: None, nice=0).values()) == {0}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository of one commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    (folder / "code.py").write_text("one\n")
    for arguments in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "-qm", "One"],
    ):
        subprocess.run(["git", "-C", str(folder), *arguments], check=True)
    return folder


def test_runs_are_made_from_committed_code_and_keep_it(checkout: Path, tmp_path: Path) -> None:
    commit = commit_of(checkout)
    code = frozen_code(checkout, commit, tmp_path / "code")
    (checkout / "code.py").write_text("two\n")
    with pytest.raises(NaturalMujocoError, match=r"these files differ from it: code\.py\. Commit them first"):
        commit_of(checkout)
    assert (frozen_code(checkout, commit, tmp_path / "code") / "code.py").read_text() == "one\n"
    assert code.name == commit[:12]
    with pytest.raises(NaturalMujocoError, match="a checkout of the repository"):
        commit_of(tmp_path / "nowhere")


def test_commands_side_by_side_freeze_the_code_once(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit, folder, read = commit_of(checkout), tmp_path / "code", pursuit._run_git

    def slow_read(*arguments: Any) -> bytes:
        archive = read(*arguments)
        monkeypatch.setattr(pursuit, "_run_git", read)
        monkeypatch.setattr(os, "getpid", lambda: 1)
        frozen_code(checkout, commit, folder)  # the other command, meanwhile
        return archive

    monkeypatch.setattr(pursuit, "_run_git", slow_read)
    assert (frozen_code(checkout, commit, folder) / "code.py").read_text() == "one\n"
    assert os.listdir(folder) == [commit[:12]]


def test_a_run_keeps_the_commit_it_began_with_and_is_written_down_when_it_ends(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").mkdir()
    path = write(tmp_path / "results")
    book = Book(path, checkout, tmp_path / "runs")
    run = planned_runs(book.plan)[0]
    first = commit_of(checkout)
    work = book.work(run, first)
    assert work.steps[0].command[1:3] == ["-m", "agents.sac"]
    assert [step.alone for step in work.steps] == [False, True]  # evaluations share a results file
    assert str(tmp_path / "results" / "tiny.json") in work.steps[1].command
    assert work.steps[1].command[-2:] == ["--series", "by videos"]
    assert book.work(run, "f" * 40).code == work.code

    assert book.state(run) == "missing"
    assert not require_run_folder(work.folder), "a run begins in no folder that holds something else"
    work.folder.mkdir()
    (work.folder / "config.json").write_text("{}")
    (work.folder / "replay").mkdir()
    assert book.state(run) == "begun"
    curve = {"steps": [400], "minutes": [30.0], "updates": [50], "returns": [[1.0, 3.0]]}
    config = RunConfig(device="cpu", training=TrainingConfig(precision="float32"))
    monkeypatch.setattr(plans, "read_config", lambda _: config)
    monkeypatch.setattr(plans, "read_curve", lambda *_: curve)
    (work.folder / "replay/frames.bin").write_bytes(bytes(10))
    work.finish()
    assert (work.folder / "replay").exists(), "a small replay stays, for the run to go on with more steps"
    with open(work.folder / "replay/frames.bin", "r+b") as frames:
        frames.truncate(600_000_000)  # a sparse file
    work.finish()
    card = json.loads(book.card(run).read_text())
    assert (card["commit"], card["hours"], card["curve"]) == (first, 0.5, curve)
    assert card["precision"] == "float32"
    assert card["command"].startswith("python -m agents.sac --task cartpole-swingup")
    assert not (work.folder / "replay").exists()

    assert main([str(path), "--status", "--runs", str(tmp_path / "runs")]) == 0
    out = capsys.readouterr().out
    assert "done     tiny-cartpole-swingup-0" in out
    assert "2.0 at 400" in out
    assert out.endswith("1 of 4 runs are done.\n")
    assert main([str(path), "--groups", "two"]) == 2
