from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from agents.studies import sweep
from agents.studies.sweep import Job, main, parse, plan, run_on_ray

from .tiny import write_tiny_flags


def job(folder: Path, agent: str = "cvrl", **changes: object) -> Job:
    values = {"ablation": "none", "task": "walker-walk", "variant": "natural", "seed": 0, "flags": ()}
    return Job(agent=agent, logdir=folder, **{**values, **changes})  # type: ignore[arg-type]


def test_every_combination_once_and_ablations_for_cvrl_alone(tmp_path: Path) -> None:
    options = parse(
        [
            *(
                "--agents",
                "cvrl",
                "dreamer",
                "--ablations",
                "none",
                "no-mpc",
                "--tasks",
                "walker-walk",
                "CheetahRun",
            ),
            *("--seeds", "0", "1", "--logdir", str(tmp_path), "--", "--preset", "laptop"),
        ]
    )
    jobs = plan(options)
    assert len(jobs) == len({j.logdir for j in jobs}) == 3 * 2 * 2
    assert {(j.agent, j.ablation) for j in jobs} == {
        ("cvrl", "none"),
        ("cvrl", "no-mpc"),
        ("dreamer", "none"),
    }
    assert {j.task for j in jobs} == {"walker-walk", "cheetah-run"}
    assert all(j.flags == ("--preset", "laptop") for j in jobs)


def test_a_job_is_the_command_a_user_would_type(tmp_path: Path) -> None:
    command = job(tmp_path, ablation="no-sac", seed=3, flags=("--steps", "9")).command()
    assert command[1:3] == ["-m", "agents.cvrl"]
    line = " ".join(command)
    assert (
        f"--task walker-walk --variant natural --seed 3 --logdir {tmp_path} --ablation no-sac --steps 9"
        in line
    )


def test_runs_in_parallel_and_tells_failures_from_successes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = "import sys, time; time.sleep(0.3); print('seed', sys.argv[1]); sys.exit(int(sys.argv[1]) == 1)"
    monkeypatch.setattr(Job, "command", lambda self: [sys.executable, "-c", script, str(self.seed)])
    assert main(["--seeds", "0", "1", "2", "--parallel", "3", "--logdir", str(tmp_path)]) == 1
    statuses = json.loads((tmp_path / "sweep.json").read_text())
    assert {Path(k).name: v for k, v in statuses.items()} == {"cvrl-0": 0, "cvrl-1": 1, "cvrl-2": 0}
    assert (tmp_path / "walker-walk-natural" / "cvrl-2" / "output.log").read_text() == "seed 2\n"
    output = capsys.readouterr().out
    assert "failed with status 1, see" in output
    assert "3/3" in output


RUN = """
import signal, sys, time
from agents.training.interruption import follow_sweep
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(143)))
follow_sweep()
print("up", flush=True)
time.sleep(60)
"""
SWEEP = """
import sys
from agents.studies.sweep import Job, main
Job.command = lambda self: [sys.executable, "-c", sys.argv[2]]
sys.exit(main(["--seeds", "0", "1", "2", "--parallel", "2", "--logdir", sys.argv[1]]))
"""


@pytest.mark.parametrize(
    ("number", "status"),
    [
        (signal.SIGINT, 130),
        (signal.SIGTERM, 143),
        (signal.SIGHUP, 129),
        pytest.param(
            signal.SIGKILL,
            -9,
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="only Linux tells children of a killed parent"
            ),
        ),
    ],
)
def test_whatever_ends_a_sweep_makes_every_run_save_and_stop(
    tmp_path: Path, number: signal.Signals, status: int
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SWEEP, str(tmp_path), RUN], start_new_session=True
    ) as process:
        logs = [tmp_path / "walker-walk-natural" / f"cvrl-{i}" / "output.log" for i in range(3)]
        wait_until(lambda: all(p.exists() and p.read_text() for p in logs[:2]))
        process.send_signal(number)
        assert process.wait(timeout=60) == status
    wait_until(lambda: all("saved" in p.read_text() for p in logs[:2]))
    assert not logs[2].exists()


def wait_until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_sweep_touches_nothing_of_a_users(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mine = tmp_path / "walker-walk-natural" / "cvrl-1" / "data.csv"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    assert main(["--seeds", "0", "1", "--logdir", str(tmp_path)]) == 2
    assert "is not empty and holds no run (there is 'data.csv'" in capsys.readouterr().err
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["data.csv"]
    mine.unlink()
    (tmp_path / "sweep.json").write_text('{"my": "sweep"}')
    assert main(["--logdir", str(tmp_path)]) == 2
    assert "holds something else than a sweep's results" in capsys.readouterr().err
    assert (tmp_path / "sweep.json").read_text() == '{"my": "sweep"}'


@pytest.mark.parametrize("call", ["mkdir", "write"])
def test_a_sweep_on_a_read_only_disk_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Job, "command", lambda self: [sys.executable, "-c", ""])
    if call == "mkdir":
        monkeypatch.setattr(Path, "mkdir", read_only)
    else:
        monkeypatch.setattr("os.fsync", read_only)
    assert main(["--logdir", str(tmp_path / "sweep")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("agents.sweep: Cannot write")
    assert "The file system is read-only: make it writable, or give another --logdir." in error
    assert len(error.splitlines()) == 1


def test_real_runs_end_to_end(tmp_path: Path) -> None:
    flags = write_tiny_flags(tmp_path, "cvrl")
    kept = [
        flags[i : i + 2]
        for i in range(0, len(flags), 2)
        if flags[i] not in ("--task", "--variant", "--logdir")
    ]
    flat = [word for pair in kept for word in pair]
    arguments = ["--tasks", "cartpole-swingup", "--variants", "standard", "--logdir", str(tmp_path)]
    assert main([*arguments, "--", *flat, "--steps", "300"]) == 0
    assert list((tmp_path / "cartpole-swingup-standard" / "cvrl-0" / "checkpoints").iterdir())


def test_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--tasks", "walker-fly"]) == 2
    assert "Unknown task 'walker-fly'" in capsys.readouterr().err
    assert main(["--parallel", "0"]) == 2
    assert "--parallel is 0" in capsys.readouterr().err
    assert main(["--", "--seed=3"]) == 2
    assert "--seed after --" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["--agents", "rainbow"])


def test_a_missing_ray_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["--ray", "--logdir", str(tmp_path)]) == 2
    assert "natural-mujoco[ray]" in capsys.readouterr().err


def test_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, object] = {}

    def run_tasks(
        function: Any, items: dict[Any, Any], address: str | None, **kwargs: object
    ) -> Iterator[Any]:
        asked.update(kwargs, address=address, function=function)
        yield from ((key, key.seed + 10) for key in reversed(items))

    monkeypatch.setattr(sweep, "run_tasks", run_tasks)
    jobs = [job(tmp_path / str(s), seed=s) for s in range(3)]
    told: list[tuple[int, int]] = []
    run_on_ray(jobs, "auto", lambda j, status: told.append((j.seed, status)))
    assert told == [(2, 12), (1, 11), (0, 10)]
    assert asked == {"address": "auto", "gpus": 1, "function": sweep.run_job}
