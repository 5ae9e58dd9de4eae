"""Playing episodes again: what was earned repeats, what was made up does not."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from natural_mujoco.cli import main
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.records import Episode, Results, read_results, write_results
from natural_mujoco.evaluation.references import reference_at, steady
from natural_mujoco.evaluation.replay import TOLERANCE, Replay, policies_at_hand, replay, verdict
from natural_mujoco.evaluation.rollout import Block
from natural_mujoco.evaluation.scores import summarise
from tests.evaluation.made_up import make_results

STEADY = "tests.evaluation.policies:Steady"


def shipped(name: str, action_repeat: int = 2) -> Results:
    results = reference_at(name, steady(action_repeat))
    assert results is not None
    return results


def with_returns(results: Results, change: float) -> Results:
    episodes = tuple(
        e.model_copy(update={"return_": round(min(max(e.return_ + change, 0), 1000), 6)})
        for e in results.episodes
    )
    results = results.model_copy(update={"episodes": episodes})
    return results.model_copy(update={"summary": summarise(results)})


def only(results: Results, task: str, condition: str = "natural-test") -> Results:
    """Its episodes of one task and condition, as a file of its own."""
    [run] = [run for run in results.runs if task in run.tasks and condition in run.conditions][:1]
    episodes = tuple(e for e in results.episodes if (e.task, e.condition) == (task, condition))
    results = results.model_copy(
        update={
            "runs": (run.model_copy(update={"tasks": (task,), "conditions": (condition,)}),),
            "episodes": episodes,
        }
    )
    return results.model_copy(update={"summary": summarise(results)})


def test_check_refuses_what_was_not_earned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Consistent in itself, and 150 better than what the policy earns at the entry's own action repeat."""
    invented = tmp_path / "invented.json"
    write_results(invented, with_returns(only(shipped("random", 8), "cartpole-swingup"), 150))
    assert main(["leaderboard", "check", str(invented)]) == 0
    capsys.readouterr()
    assert main(["leaderboard", "check", str(invented), "--replay", "2"]) == 1
    printed = capsys.readouterr().out
    assert re.search(rf"^REFUSED {re.escape(str(invented))}", printed, re.M)
    # On the versions of the record each episode is named, elsewhere the mean.
    one_by_one = re.findall(r"returns ([\d.]+) in 1000 control steps .* not ([\d.]+) in 1000", printed)
    changes = [float(then) - float(now) for now, then in one_by_one]
    assert changes == [pytest.approx(150, abs=1e-3)] * 2 or "on average -150.0" in printed


def test_a_policy_is_known_by_its_source_and_plays_in_its_row(
    plain_clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A policy with memory, on somebody's own videos, in the second block of ten."""
    out = tmp_path / "mine.json"
    arguments = ["--policy", STEADY, "--videos", str(plain_clips)]
    played = ["--tasks", "cartpole-swingup", "--conditions", "natural-test", "--action-repeat", "100"]
    assert (
        main(["evaluate", *arguments, *played, "--episodes", "12", "--workers", "1", "--out", str(out)]) == 0
    )
    capsys.readouterr()
    check = ["leaderboard", "check", str(out), "--replay", "12"]
    assert main([*check, *arguments]) == 0
    assert "played again on the same versions: 12 of 12 repeat" in capsys.readouterr().out
    # On another kind of processor a policy that computes need not repeat, and what it did is compared on average.
    write_results(out, with_returns(read_results(out), 1))
    assert main([*check[:-1], "2", *arguments, "--another-processor"]) == 0
    assert "0 of 2 repeat, on average -1.0 (up to ±100 is accepted)" in capsys.readouterr().out
    # Without its videos, or its policy, there is nothing to play; another policy is refused by name.
    assert main([*check, "--policy", STEADY]) == 0
    assert "nothing was played again: its videos are not (--videos) at hand" in capsys.readouterr().out
    assert main(check) == 0
    assert "none of its policies is (--policy) at hand" in capsys.readouterr().out
    assert main([*check, "--policy", "tests.evaluation.policies:Drawing", "--videos", str(plain_clips)]) == 2
    assert "is no policy of these files" in capsys.readouterr().err
    assert main(["leaderboard", "check", str(out), "--policy", STEADY]) == 2
    assert main(["leaderboard", "check", str(out), "--replay", "-1"]) == 2
    assert main(["leaderboard", "check", str(out), "--another-processor"]) == 2


def test_a_name_is_no_policy(tmp_path: Path) -> None:
    """Neither the expert with other weights, nor a run under the name of another, nor another task's weights."""
    results = make_results("mine", training_seeds=1, tasks=("walker-walk",), episodes=1)
    [run] = results.runs

    def at_hand(change: dict[str, object], source: object = None) -> bool:
        altered = results.model_copy(update={"runs": (run.model_copy(update=change),)})
        return bool(policies_at_hand(altered, [source] if source else []))  # type: ignore[list-item]

    assert at_hand({"policy": "zero"})
    assert not at_hand({"policy": "zero", "digest": "0" * 64})
    assert not at_hand({"policy": "expert", "digest": "0" * 64})
    assert not at_hand({})
    module = find_policy(STEADY)
    assert at_hand({"policy": STEADY, "digest": module.digest}, module)
    assert not at_hand({"policy": "tests.evaluation.policies:Drawing", "digest": module.digest}, module)
    trained = replace(module, kind="run", task="walker-walk", digest="1" * 64)
    assert at_hand({"policy": "anything", "digest": "1" * 64}, trained)
    assert not at_hand({"policy": trained.name, "digest": "2" * 64}, trained)
    assert not at_hand({"digest": "1" * 64}, replace(trained, task="walker-run"))


def test_a_file_cannot_name_videos_that_are_opened(tmp_path: Path) -> None:
    results = only(shipped("zero"), "pendulum-swingup")
    assert results.video_set is not None
    elsewhere = results.video_set.model_copy(update={"name": str(tmp_path)})
    results = results.model_copy(update={"video_set": elsewhere})
    assert replay(results, policies_at_hand(results), 1) == []


def test_what_another_renderer_drew_is_played_by_it_and_compared_on_average(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = only(shipped("zero"), "pendulum-swingup")
    results = results.model_copy(
        update={"protocol": results.protocol.model_copy(update={"renderer": "warp"})}
    )
    played = []

    def play(blocks: Sequence[Block], *_: object) -> Iterator[tuple[Block, list[Episode]]]:
        played.extend(blocks)
        episodes = {episode.key: episode for episode in results.episodes}
        for block in blocks:
            keys = [(block.task, block.condition, block.training_seed, block.seeds[k]) for k in block.wanted]
            yield block, [episodes[key] for key in keys]

    monkeypatch.setattr("natural_mujoco.evaluation.replay.play_blocks", play)
    monkeypatch.setattr(
        "natural_mujoco.evaluation.replay.describe_machine", lambda renderer: results.machines[0]
    )
    found = replay(results, policies_at_hand(results), 3)
    assert {block.renderer for block in played} == {"warp"}
    assert [one.exact for one in found] == [False] * 3


def replays(differences: Sequence[float], exact: bool) -> list[Replay]:
    episode = only(shipped("zero"), "pendulum-swingup").episodes[0]
    then = episode.model_copy(update={"return_": 500.0})
    return [Replay(then, _returning(then, 500 + d), exact) for d in differences]


def _returning(episode: Episode, value: float) -> Episode:
    return episode.model_copy(update={"return_": value})


def test_returns_repeat_to_the_sixth_digit_or_are_compared_on_average() -> None:
    assert verdict(replays([0.000001, 0], True)).faults == ()
    [fault] = verdict(replays([0, 0.00001], True)).faults
    assert "returns 500.000010 in 1000 control steps when it is played again, not 500.000000" in fault
    # Elsewhere single episodes may go another way; the mean may not, unless that can be chance.
    assert verdict(replays([-300, 0, 250, 10], False)).faults == ()
    assert verdict(replays([-400, 0, -250, 10], False)).faults == ()
    [fault] = verdict(replays([-TOLERANCE - 1] * 4, False)).faults
    assert "0 of 4 repeat, on average -101.0" in fault
    assert verdict(replays([-TOLERANCE] * 4, False)).faults == ()
    assert verdict(replays([-500], False)).faults == ()


def test_another_clip_is_a_fault_on_every_machine() -> None:
    [one] = replays([0], False)
    other = one.played.model_copy(update={"video": "test-00", "frame": 499})
    [fault] = verdict([Replay(one.recorded, other, False)]).faults
    assert "shows test-00 from frame 499, not " in fault
