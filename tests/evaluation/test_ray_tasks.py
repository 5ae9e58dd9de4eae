"""Evaluation on a real Ray cluster, one of whose two workers is killed in the middle of its work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from natural_mujoco.errors import InvalidArgument, PolicyError, WorkerError
from natural_mujoco.evaluation.evaluate import evaluate
from natural_mujoco.evaluation.ray_tasks import connect, run_tasks
from natural_mujoco.evaluation.records import read_results

from .ray_cluster import LOOPBACK, PATIENCE_S, ROOT, Cluster, running_cluster, wait_for, without_ray
from .test_evaluate import make_request, without_machine

TOKEN = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    import ray

    # Ray is part of this process from here on and cannot learn of a token later: no token, whoever runs the tests.
    with running_cluster(RAY_AUTH_MODE="disabled") as cluster:
        try:
            connect(cluster.address)
            yield cluster
        finally:
            ray.shutdown()


@pytest.fixture(scope="module")
def token_cluster() -> Iterator[Cluster]:
    with running_cluster(RAY_AUTH_TOKEN=TOKEN) as cluster:
        yield cluster


def test_every_episode_is_there_once_although_a_worker_was_killed(
    cluster: Cluster, plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATE", str(cluster.gate))
    out = tmp_path / "results.json"
    request = make_request(out, plain_clips, ":WaitsAtTheGate")
    killed: list[int] = []

    def kill_one_at_the_gate() -> None:
        try:
            wait_for(lambda: len(cluster.workers("play_block_task")) == 2)
            victim = cluster.workers("play_block_task")[0]
            os.kill(victim.pid, signal.SIGKILL)
            # Only when another worker has taken its place does the gate open: the retry is what finishes.
            wait_for(lambda: len([w for w in cluster.workers("play_block_task") if w.pid != victim.pid]) == 2)
            killed.append(victim.pid)
        finally:
            cluster.gate.touch()

    killer = threading.Thread(target=kill_one_at_the_gate)
    killer.start()
    evaluate(request, use_ray=True, ray_address=cluster.address, timeout=PATIENCE_S)
    killer.join()
    assert len(killed) == 1
    results = read_results(out)
    assert len(results.episodes) == len({e.key for e in results.episodes}) == 8

    here = tmp_path / "here.json"
    evaluate(make_request(here, plain_clips, ":WaitsAtTheGate"))
    assert without_machine(out) == without_machine(here)


def test_a_failing_policy_is_reported_and_what_was_done_is_kept(
    cluster: Cluster, plain_clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    request = make_request(out, plain_clips, ":SlowAfterwards")
    with pytest.raises(PolicyError, match="hung in cartpole-swingup"):
        evaluate(request, use_ray=True, ray_address=cluster.address, timeout=10.0)
    # Which task came first is Ray's choice; where it was the hung one there is nothing to keep.
    done = read_results(out).episodes if out.exists() else ()
    assert {e.task for e in done} <= {"pendulum-swingup"}


def double(number: int) -> int:
    return 2 * number


def crash(number: int) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return number


def fail(number: int) -> int:
    raise ZeroDivisionError(f"number {number}")


def test_tasks_of_any_kind_run_and_fail_by_name(cluster: Cluster) -> None:
    items = {f"run {k}": (k,) for k in range(4)}
    assert dict(run_tasks(double, items, cluster.address)) == {f"run {k}": 2 * k for k in range(4)}
    with pytest.raises(WorkerError, match=r"failed for run 0[\s\S]*ZeroDivisionError: number 0"):
        list(run_tasks(fail, {"run 0": (0,)}, cluster.address))
    with pytest.raises(WorkerError, match="gave up on run 1 after 1 retries"):
        list(run_tasks(crash, {"run 1": (1,)}, cluster.address, retries=1))


def run_apart(home: Path, address: str | None, **environ: str) -> str:
    """What a fresh process of a user with the home folder `home` finds at `address`: the node's and the results."""
    program = (
        "from natural_mujoco.evaluation.ray_tasks import connect, run_tasks\n"
        "from tests.evaluation.test_ray_tasks import double\n"
        f"print(connect({address!r}).nodes()[0]['NodeManagerAddress'])\n"
        "print(dict(run_tasks(double, {'run': (4,)})))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**without_ray(), "HOME": str(home), "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_without_an_address_ray_starts_here_and_for_this_machine_alone(tmp_path: Path) -> None:
    assert run_apart(tmp_path, None) == f"{LOOPBACK}\n{{'run': 8}}\n"


@pytest.mark.parametrize("place", ["home", "RAY_AUTH_TOKEN_PATH", "RAY_AUTH_TOKEN"])
def test_a_cluster_that_asks_for_a_token_gets_the_users_own(
    token_cluster: Cluster, tmp_path: Path, place: str
) -> None:
    environ = {}
    if place == "home":
        (tmp_path / ".ray").mkdir()
        (tmp_path / ".ray" / "auth_token").write_text(TOKEN)
    elif place == "RAY_AUTH_TOKEN":
        environ = {place: TOKEN}
    else:
        (tmp_path / "token").write_text(TOKEN)
        environ = {place: str(tmp_path / "token")}
    assert run_apart(tmp_path, token_cluster.address, **environ) == f"{LOOPBACK}\n{{'run': 8}}\n"


def test_without_ray_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidArgument, match=r"pip install 'natural-mujoco\[ray\]'"):
        connect()


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1"])
def test_a_cluster_that_is_not_there_is_named(address: str) -> None:
    program = (
        "from natural_mujoco.evaluation.ray_tasks import connect\n"
        "from natural_mujoco.errors import NaturalMujocoError\n"
        f"try: connect({address!r})\n"
        "except NaturalMujocoError as error: print(error)\n"
    )
    environ = {**os.environ, "RAY_ADDRESS": "", "RAY_TMPDIR": "/nonexistent"}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=environ
    )
    assert f"There is no Ray cluster at {address}" in done.stdout, done.stderr
