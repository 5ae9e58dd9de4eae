"""Whole evaluations: the same file however the work is cut up, interrupted or spread, and never another one's."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from natural_mujoco import batched
from natural_mujoco.batched import requirements
from natural_mujoco.errors import BatchedError, InvalidArgument, PolicyError, ResultsError
from natural_mujoco.evaluation.checking import check_results
from natural_mujoco.evaluation.evaluate import Progress, evaluate
from natural_mujoco.evaluation.plan import Request
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.records import Entry, read_results, write_results

from .made_up import make_results
from .test_policy_source import write_run

TASKS = ("cartpole-swingup", "pendulum-swingup")


def test_what_the_batched_renderer_cannot_do_is_refused(
    tmp_path: Path, plain_clips: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "results.json"
    write_results(out, make_results("entry", tasks=TASKS, episodes=2, training_seeds=1, videos="embedded"))
    before = out.read_bytes()
    monkeypatch.setattr(batched, "best_device", lambda: None)
    asked = dataclasses.replace(make_request(out, plain_clips, renderer="warp"), videos="embedded")
    with pytest.raises(ResultsError, match="was drawn by --renderer opengl, not warp"):
        evaluate(asked)
    assert out.read_bytes() == before
    with pytest.raises(InvalidArgument, match="The expert sees no pixels: leave --renderer out"):
        evaluate(make_request(tmp_path / "expert.json", plain_clips, "expert", renderer="warp"))
    monkeypatch.setattr(batched, "best_device", requirements.best_device)
    monkeypatch.setattr(requirements, "_version", lambda package: None)
    with pytest.raises(BatchedError, match=r"pip install 'natural-mujoco\[gpu\]'"):
        evaluate(dataclasses.replace(asked, out=tmp_path / "other.json"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["results.json"]


def make_request(out: Path, videos: Path, policy: str = ":Steady", **changes: Any) -> Request:
    source = find_policy(policy if ":" not in policy else f"tests.evaluation.policies{policy}")
    request = Request(
        sources=[dataclasses.replace(source, action_repeat=100)],
        entry=Entry(name="entry"),
        out=out,
        tasks=TASKS,
        conditions=("natural-train", "natural-test"),
        episodes=2,
        seed=0,
        videos=str(videos),
    )
    return dataclasses.replace(request, **changes)


class Counting(Progress):
    """Remembers what was played."""

    def __init__(self) -> None:
        self.played_episodes = 0

    def finished(self, block: Any, episodes: Any) -> None:
        self.played_episodes += len(episodes)


def without_machine(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_bytes())
    assert len(data.pop("machines")) == 1
    return data


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, plain_clips: Path) -> Path:
    """An uninterrupted evaluation by one process."""
    out = tmp_path_factory.mktemp("whole") / "results.json"
    evaluate(make_request(out, plain_clips), workers=1)
    return out


def test_the_file_is_complete_and_passes_its_check(whole: Path) -> None:
    results = read_results(whole)
    assert len(results.episodes) == len({e.key for e in results.episodes}) == 8
    assert check_results(results).faults == ()
    assert results.video_set is not None
    assert results.summary.keys() == {"natural-train", "natural-test"}
    assert "mujoco" in results.machines[0].versions
    assert results.machines[0].gl_renderer
    assert results.runs[0].digest
    # What it is made of depends on the episode: nothing was copied or mixed up.
    assert len({e.return_ for e in results.episodes if e.task == "cartpole-swingup"}) == 4


def test_workers_change_nothing(whole: Path, plain_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    evaluate(make_request(out, plain_clips), workers=3)
    assert without_machine(out) == without_machine(whole)


def test_finished_episodes_are_never_played_again(whole: Path, plain_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    first, second, third = Counting(), Counting(), Counting()
    evaluate(make_request(out, plain_clips, tasks=TASKS[:1], episodes=1), progress=first)
    evaluate(make_request(out, plain_clips), workers=2, progress=second)
    evaluate(make_request(out, plain_clips), progress=third)
    assert (first.played_episodes, second.played_episodes, third.played_episodes) == (2, 6, 0)
    resumed, at_once = without_machine(out), without_machine(whole)
    # The header says in which portions the policy was evaluated; the records are the same.
    assert resumed.pop("runs") != at_once.pop("runs")
    assert resumed == at_once
    assert check_results(read_results(out)).faults == ()


def test_a_kill_at_any_moment_loses_no_finished_block(whole: Path, plain_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    program = (
        "from pathlib import Path\n"
        "from tests.evaluation.test_evaluate import evaluate, make_request\n"
        f"evaluate(make_request(Path({str(out)!r}), Path({str(plain_clips)!r})))\n"
    )
    for _ in range(2):
        with subprocess.Popen([sys.executable, "-c", program]) as process:
            before = len(read_results(out).episodes) if out.exists() else 0
            deadline = time.monotonic() + 120
            while process.poll() is None and time.monotonic() < deadline:
                if out.exists() and len(read_results(out).episodes) > before:
                    break
                time.sleep(0.02)
            os.kill(process.pid, signal.SIGKILL)
    kept = len(read_results(out).episodes)
    assert kept >= 4
    rest = Counting()
    evaluate(make_request(out, plain_clips), progress=rest)
    assert rest.played_episodes == 8 - kept
    assert without_machine(out) == without_machine(whole)


def test_a_policy_that_hangs_half_way_keeps_what_is_done(plain_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    request = make_request(out, plain_clips, ":SlowAfterwards", tasks=("pendulum-swingup",))
    evaluate(request)
    with pytest.raises(PolicyError, match="hung in cartpole-swingup"):
        evaluate(dataclasses.replace(request, tasks=TASKS), timeout=1.0)
    assert len(read_results(out).episodes) == 4
    # The run on the other task has no episode and claims nothing: a mended policy may play it.
    assert [run.tasks for run in read_results(out).runs] == [("pendulum-swingup",)]
    assert check_results(read_results(out)).faults == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entry": Entry(name="another")}, "is the entry 'entry', not 'another'"),
        ({"seed": 1}, "has evaluation seed 0, not 1"),
        ({"episodes": 1}, "has 2 episodes per condition already"),
        ({"videos": "embedded"}, "results on different videos stay apart"),
        (
            {"policy": "zero"},
            r"of another policy \(tests\.evaluation\.policies:Steady, sha256 \w+…, not zero\)",
        ),
    ],
)
def test_a_file_is_never_continued_as_another_one(
    whole: Path, plain_clips: Path, changes: dict[str, Any], message: str
) -> None:
    before = whole.read_bytes()
    policy = changes.get("policy", ":Steady")
    others = {k: v for k, v in changes.items() if k != "policy"}
    with pytest.raises(ResultsError, match=message):
        evaluate(dataclasses.replace(make_request(whole, plain_clips, policy), **others))
    assert whole.read_bytes() == before


def test_a_file_that_contradicts_itself_is_not_continued(
    whole: Path, plain_clips: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.json"
    out.write_text(whole.read_text().replace("pendulum-swingup", "walker-fly"))
    with pytest.raises(ResultsError, match=r"cannot be continued: run 0 .* unknown task 'walker-fly'"):
        evaluate(make_request(out, plain_clips))


def test_two_evaluations_never_write_one_file(plain_clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"

    class Intruding(Progress):
        def begin(self, episodes: int, finished: int) -> None:
            with pytest.raises(ResultsError, match="Another evaluation is writing"):
                evaluate(make_request(out, plain_clips))

    evaluate(make_request(out, plain_clips, "zero", tasks=TASKS[1:], episodes=1), progress=Intruding())
    assert os.listdir(tmp_path) == ["results.json"]


def test_nowhere_to_write_is_noticed_before_anything_is_played(plain_clips: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResultsError, match="Cannot write"):
        evaluate(make_request(tmp_path / "file" / "results.json", plain_clips))


def test_runs_are_evaluated_on_their_own_task(plain_clips: Path, tmp_path: Path) -> None:
    run = find_policy(str(write_run(tmp_path / "run", task="walker-walk")))
    with pytest.raises(InvalidArgument, match="was trained on walker-walk"):
        evaluate(make_request(tmp_path / "r.json", plain_clips, sources=[run]))


def test_runs_that_read_frames_of_another_size_are_refused(plain_clips: Path, tmp_path: Path) -> None:
    run = find_policy(str(write_run(tmp_path / "run", environment={"action_repeat": 4, "size": 84})))
    with pytest.raises(InvalidArgument, match="reads frames of 84×84 pixels, and the protocol's have 64×64"):
        evaluate(make_request(tmp_path / "r.json", plain_clips, sources=[run], tasks=None))


def test_two_runs_of_one_task_and_seed_are_refused(plain_clips: Path, tmp_path: Path) -> None:
    runs = [find_policy(str(write_run(tmp_path / name))) for name in ("a", "b")]
    with pytest.raises(InvalidArgument, match="are both training seed 3 on walker-walk"):
        evaluate(make_request(tmp_path / "r.json", plain_clips, sources=runs, tasks=None))


def test_the_names_of_the_references_are_taken(plain_clips: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="is the name of a reference policy"):
        evaluate(make_request(tmp_path / "r.json", plain_clips, entry=Entry(name="zero")))
