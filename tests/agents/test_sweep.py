from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


def test_ctrl_c_reaches_every_run(tmp_path: Path) -> None:
    script = (
        "import sys; from agents.studies.sweep import Job, main; "
        "Job.command = lambda self: [sys.executable, '-c', "
        '\'import signal, sys, time\\nsignal.signal(signal.SIGINT, lambda *_: (print("saved"), sys.exit(130)))\\n'
        'print("up", flush=True)\\ntime.sleep(60)\']; '
        f"sys.exit(main(['--seeds', '0', '1', '2', '--parallel', '2', '--logdir', {str(tmp_path)!r}]))"
    )
    process = subprocess.Popen([sys.executable, "-c", script], start_new_session=True)
    logs = [tmp_path / "walker-walk-natural" / f"cvrl-{i}" / "output.log" for i in range(3)]
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not all(p.exists() and p.read_text() for p in logs[:2]):
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) == 130
    assert [p.read_text() for p in logs[:2]] == ["up\nsaved\n"] * 2
    assert not logs[2].exists()


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
        main(["--agents", "ppo"])


def test_a_missing_ray_names_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["--ray", "--logdir", str(tmp_path)]) == 2
    assert "natural-mujoco[ray]" in capsys.readouterr().err


def test_on_ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a stand-in for Ray that runs tasks at once: what is asked of it, and that results find their jobs."""
    from types import SimpleNamespace

    asked: dict[str, object] = {}

    def remote(**kwargs: object) -> object:
        asked.update(kwargs)
        return lambda function: SimpleNamespace(remote=lambda job: (job.seed, function(job)))

    fake = SimpleNamespace(
        init=lambda **kwargs: asked.update(kwargs),
        cluster_resources=lambda: {"CPU": 8.0},
        remote=remote,
        wait=lambda refs, num_returns: (refs[-1:], refs[:-1]),
        get=lambda ref: ref[1],
        shutdown=lambda: asked.update(shut=True),
    )
    monkeypatch.setitem(sys.modules, "ray", fake)
    monkeypatch.setattr(sweep, "run_job", lambda job: job.seed + 10)
    told: dict[int, int] = {}
    run_on_ray(
        [job(tmp_path / str(s), seed=s) for s in range(3)],
        "auto",
        lambda j, status: told.update({j.seed: status}),
    )
    assert told == {0: 10, 1: 11, 2: 12}
    assert asked["address"] == "auto"
    assert asked["num_gpus"] == 0
    assert asked["shut"]
