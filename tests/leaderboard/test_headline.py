"""What stands above the tabs: the leader on each task, again from the records."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pytest

from natural_mujoco.evaluation.conditions import TASK_NAMES
from natural_mujoco.evaluation.records import Results, read_results
from natural_mujoco.evaluation.references import reference_means, steady
from natural_mujoco.leaderboard.board import make_board
from natural_mujoco.leaderboard.exports import csv_table
from natural_mujoco.leaderboard.headline import headline
from natural_mujoco.leaderboard.site import build_site
from tests.evaluation.made_up import make_results

from .test_learning import COMMITTED, learned


def taught(results: Results) -> Results:
    runs = tuple(run.model_copy(update={"privileged": "state in training"}) for run in results.runs)
    return results.model_copy(update={"runs": runs})


def test_the_best_entry_leads_and_what_was_taught_stands_beside_it() -> None:
    first, second = make_results("first", 0.6), make_results("second", 0.3, tasks=TASK_NAMES[:3])
    found = headline(make_board([second, first, taught(make_results("student", 0.95, tasks=TASK_NAMES[:1]))]))
    assert found is not None
    assert [line.first.row.name for line in found["lines"]] == ["first"] * len(TASK_NAMES)
    lines = {line.task: line for line in found["lines"]}
    assert lines["walker-walk"].taught.row.name == "student"
    assert lines["walker-run"].taught is None
    assert lines["cheetah-run"].second.row.name == "second"
    assert lines["finger-spin"].ahead is None
    assert lines["finger-spin"].first.seeds == "2 training seeds"
    assert found["sentence"].startswith("first leads in front of unseen video: interquartile mean return ")
    assert "2 training seeds; a run cost 1M steps." in found["sentence"]


def test_what_another_renderer_drew_is_marked_and_neither_leads_nor_ranks() -> None:
    first, best = make_results("first", 0.6), make_results("best", 0.9)
    drawn = best.model_copy(update={"protocol": best.protocol.model_copy(update={"renderer": "warp"})})
    board = make_board([first, drawn])
    for tab in board.tabs:
        rows = {row.name: row for row in tab.rows if row.kind == "measured"}
        if rows:
            assert (rows["first"].rank, rows["best"].rank) == (1, None)
            assert "drawn by MuJoCo Warp" in rows["best"].remarks
            assert "drawn by MuJoCo Warp" not in rows["first"].remarks
    found = headline(board)
    assert found is not None
    assert [line.first.row.name for line in found["lines"]] == ["first"] * len(TASK_NAMES)


def test_without_an_entry_there_is_no_headline_and_without_all_tasks_no_rank() -> None:
    assert headline(make_board([])) is None
    some = headline(make_board([make_results("some", tasks=TASK_NAMES[:2], training_seeds=1)]))
    assert some is not None
    assert "none is ranked" in some["sentence"]
    assert some["lines"][0].first.seeds == "1 training seed, 10 episodes"
    assert some["open"] == list(TASK_NAMES[2:])


def test_what_was_taught_is_named_where_nothing_else_covers_all_tasks() -> None:
    student = taught(make_results("student", 0.9, training_seeds=1))
    some = make_results("some", tasks=TASK_NAMES[:2], training_seeds=1)
    found = headline(make_board([some, student]))
    assert found is not None
    returns = sorted(e.return_ for e in student.episodes if e.condition == "natural-test")
    iqm = np.mean(returns[25:75])
    assert found["sentence"].startswith(
        "No entry from pixels alone covers all tasks yet, so none is ranked. student, privileged (state in training), "
        f"covers them: interquartile mean return {iqm:.0f} (95 % interval "
    )
    assert found["sentence"].endswith("; 1 training seed, 10 episodes; a run cost 1M steps.")


def test_a_run_says_what_it_cost(tmp_path: Path) -> None:
    entry = learned("mine")
    found = headline(make_board([entry]))
    assert found is not None
    assert found["lines"][0].first.cost == "1M steps, 20 core-hours"
    build_site([(Path("a"), entry)], tmp_path / "site")
    source = (tmp_path / "site" / "index.html").read_text()
    assert source.index('class="headline"') < source.index('role="tablist"')
    assert len(re.findall("<meter", source)) == len(TASK_NAMES)


def test_a_task_says_what_its_own_run_cost(tmp_path: Path) -> None:
    entry = learned("mine")
    [run] = entry.runs[:1]
    short = run.model_copy(update={"tasks": run.tasks[:1], "training_steps": 350_000})
    others = [r.model_copy(update={"tasks": r.tasks[1:]}) for r in entry.runs]
    entry = entry.model_copy(update={"runs": (short, *others)})
    board = make_board([entry])
    found = headline(board)
    assert found is not None
    assert [line.first.cost for line in found["lines"][:2]] == ["350k steps", "1M steps"]
    assert found["sentence"].endswith("a run cost 350k to 1M steps, 20 core-hours in the middle.")
    lines = [
        line
        for line in csv.DictReader(csv_table(board, "natural-test").splitlines())
        if line["entry"] == "mine"
    ]
    steps = {line["task"]: line["training_steps"] for line in lines}
    assert (steps[""], steps[run.tasks[0]], steps[run.tasks[1]]) == ("1000000", "350000", "1000000")
    build_site([(Path("a"), entry)], tmp_path / "site")
    assert ">≤ 1M<" in (tmp_path / "site" / "index.html").read_text()


def test_the_headline_of_the_committed_records_is_theirs() -> None:
    entries = [read_results(path) for path in COMMITTED]
    found = headline(make_board(entries))
    for line in found["lines"] if found else ():
        for standing, privileged in ((line.first, False), (line.taught, True)):
            means = {}
            for entry in entries:
                if any(run.privileged is not None for run in entry.runs) == privileged:
                    by_seed: dict[int, list[float]] = {}
                    for e in entry.episodes:
                        if (e.task, e.condition) == (line.task, "natural-test"):
                            by_seed.setdefault(e.training_seed, []).append(e.return_)
                    if by_seed and found and entry.video_set and entry.video_set.name in found["videos"]:
                        means[entry.entry.name] = float(np.mean([np.mean(v) for v in by_seed.values()]))
            if not means:
                assert standing is None
                continue
            best = max(means, key=lambda name: means[name])
            assert (standing.row.name, standing.mean.point) == (best, pytest.approx(means[best]))
            entry = next(entry for entry in entries if entry.entry.name == best)
            references = reference_means(steady(entry.runs[0].action_repeat))
            random, expert = references["random"][line.task], references["expert"][line.task]
            assert standing.share == pytest.approx((means[best] - random) / (expert - random))
