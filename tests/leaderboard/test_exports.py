"""Exports: the site's numbers, again from the records, in forms that others read."""

from __future__ import annotations

import csv
import re
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import eval_result_entries_to_yaml, parse_eval_result_entries

from natural_mujoco import InvalidArgument
from natural_mujoco.cli import main
from natural_mujoco.evaluation.conditions import TASK_NAMES
from natural_mujoco.evaluation.records import Results, write_results
from natural_mujoco.leaderboard.board import Board, make_board
from natural_mujoco.leaderboard.exports import COLUMNS, csv_table, latex_tables
from natural_mujoco.leaderboard.hub import benchmark_file, result_files
from tests.evaluation.made_up import make_results

from .test_headline import taught

HOSTILE = '[1] =A&B_{1}, "50%" of $x^2$ ~#<|\\input{/etc/passwd}'
FORMULA = '=HYPERLINK("https://example.org")'


@pytest.fixture(scope="module")
def entries() -> list[Results]:
    drawn = make_results("on a GPU", 0.9, training_seeds=1, episodes=3)
    return [
        make_results(HOSTILE, 0.7, episodes=3),
        make_results(FORMULA, 0.5, tasks=TASK_NAMES[:2], episodes=3),
        taught(make_results("student", 0.9, training_seeds=1, episodes=3)),
        make_results("elsewhere", 0.8, videos="ilsvrc-vid-mini", episodes=3),
        drawn.model_copy(update={"protocol": drawn.protocol.model_copy(update={"renderer": "warp"})}),
    ]


@pytest.fixture(scope="module")
def board(entries: list[Results]) -> Board:
    return make_board(entries)


def mean(results: Results, task: str, condition: str = "natural-test") -> float:
    by_seed: dict[int, list[float]] = {}
    for e in results.episodes:
        if (e.task, e.condition) == (task, condition):
            by_seed.setdefault(e.training_seed, []).append(e.return_)
    return float(np.mean([np.mean(returns) for returns in by_seed.values()]))


def test_csv_has_every_number_of_every_tab(entries: list[Results], board: Board) -> None:
    lines = list(csv.DictReader(StringIO(csv_table(board))))
    assert all(set(line) == set(COLUMNS) and None not in line.values() for line in lines)
    assert {(line["condition"], line["video_set"]) for line in lines} == {
        (tab.condition, tab.video_set.name if tab.video_set else "") for tab in board.tabs
    }
    means = {
        (line["condition"], line["entry"].lstrip("'"), line["task"]): line for line in lines if line["task"]
    }
    for results in entries:
        for task in results.runs[0].tasks:
            for condition in ("standard", "natural-train", "natural-test"):
                value = means[condition, results.entry.name, task]["value"]
                assert float(value) == pytest.approx(mean(results, task, condition), abs=1e-6)
    overall = [
        line for line in lines if line["statistic"] == "interquartile mean" and line["entry"] == HOSTILE
    ]
    assert [float(line["low"]) < float(line["value"]) < float(line["high"]) for line in overall] == [True] * 3
    assert {line["condition"] for line in csv.DictReader(StringIO(csv_table(board, "standard")))} == {
        "standard"
    }


def test_no_cell_of_the_csv_is_a_formula(board: Board) -> None:
    cells = [cell for line in csv.reader(StringIO(csv_table(board))) for cell in line]
    assert f"'{FORMULA}" in cells
    assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@")]


def test_latex_is_one_table_a_video_set_whatever_the_names(entries: list[Results], board: Board) -> None:
    tables = latex_tables(board).split("\\begin{tabular}")[1:]
    assert len(tables) == 2
    for table in tables:
        [columns] = re.findall(r"^{(l.*)}$", table, re.M)
        body = table.split("\\toprule\n")[1].split("\\bottomrule")[0]
        rows = [line for line in body.splitlines() if line != "\\midrule"]
        assert all(line.endswith(" \\\\") for line in rows)
        # No line begins with what `\\` would take for its argument, and none has more or fewer cells.
        assert not [line for line in rows if line.lstrip()[0] in "[*"]
        assert {len(re.findall(r"(?<!\\)&", line)) for line in rows} == {
            len(re.findall(r"[lr]", columns.replace("qquad", ""))) - 1
        }
        assert not re.search(r"(?<!\\)[$%#_]|[~^<|]", body)
        # Commands are the table's own and those that print a sign.
        known = {
            "scriptsize",
            "textsuperscript",
            "midrule",
            "textbackslash",
            "textasciitilde",
            "textasciicircum",
            "textless",
            "textbar",
        }
        assert set(re.findall(r"\\([a-zA-Z]+)", body)) <= known
        assert body.count("{") - body.count("\\{") == body.count("}") - body.count("\\}")
        notes = table.split("\\bottomrule\n")[1]
        marks = {
            mark for marks in re.findall(r"textsuperscript{([a-z,]+)}", body) for mark in marks.split(",")
        }
        assert set(re.findall(r"textsuperscript{([a-z]+)} \S", notes)) == marks
    assert f"walker-walk & {mean(entries[2], 'walker-walk'):.0f} {{\\scriptsize [" in tables[0]
    assert "interquartile mean & " in tables[1]


def test_latex_of_some_entries_in_their_order(board: Board) -> None:
    [table] = latex_tables(board, entries=["student", FORMULA]).split("\\begin{tabular}")[1:]
    head = table.split("\\toprule\n")[1].splitlines()[0]
    assert re.match(r" & student\S+ & =\S+.* & zero", head)
    assert "privileged: state in training" in table.split("\\bottomrule")[1]
    with pytest.raises(InvalidArgument, match=r"Unknown entry 'nobody'\. Valid: .*student"):
        latex_tables(board, entries=["nobody"])


def test_the_hubs_own_client_reads_the_results(entries: list[Results], board: Board) -> None:
    files = result_files(board, "someone/benchmark")
    assert len(files) == 5
    known = {task["id"] for task in yaml.safe_load(benchmark_file(board))["tasks"]}
    used: dict[str, set[str]] = {}
    for slug, text in files.items():
        data = yaml.safe_load(text)
        parsed = parse_eval_result_entries(data)
        assert eval_result_entries_to_yaml(parsed) == data
        [entry] = [e for e in board.entries if e.slug == slug]
        for one in parsed:
            assert (one.dataset_id, one.source_name) == ("someone/benchmark", entry.name)
            used.setdefault(one.task_id, set()).add(entry.name)
            [task] = [t for t in (*TASK_NAMES, "interquartile-mean") if t in one.task_id]
            if task in TASK_NAMES:
                assert one.value == pytest.approx(mean(entry.results, task), abs=1e-3)
    assert set(used) == known
    assert used["embedded-walker-walk"] == {HOSTILE, FORMULA}
    assert used["embedded-walker-walk-privileged-state-in-training"] == {"student"}
    assert used["embedded-walker-walk-warp"] == {"on a GPU"}
    assert used["ilsvrc-vid-mini-walker-walk"] == {"elsewhere"}


def test_the_benchmark_has_the_published_form(board: Board) -> None:
    """That of docs/hub/eval-results.md in huggingface/hub-docs at 064c754."""
    benchmark = yaml.safe_load(benchmark_file(board))
    assert set(benchmark) == {"name", "description", "evaluation_framework", "tasks"}
    assert all(set(task) == {"id", "config", "split"} for task in benchmark["tasks"])
    assert all(re.fullmatch(r"[a-z0-9-]+", task["id"]) for task in benchmark["tasks"])
    ids = [task["id"] for task in benchmark["tasks"]]
    assert len(ids) == len(set(ids))
    assert {(task["config"], task["split"]) for task in benchmark["tasks"]} == {
        ("embedded", "test"), ("ilsvrc-vid-mini", "test")
    }  # fmt: skip


def test_export_prints_or_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results = tmp_path / "mine.json"
    write_results(results, make_results("mine", training_seeds=1, tasks=TASK_NAMES[:1], episodes=2))
    assert main(["leaderboard", "export", str(results)]) == 0
    printed = capsys.readouterr().out
    assert main(["leaderboard", "export", str(results), "--out", str(tmp_path / "a.csv")]) == 0
    assert (tmp_path / "a.csv").read_text() == printed
    assert main(["leaderboard", "export", str(results), "--format", "latex", "--condition", "standard"]) == 0
    hub = ["leaderboard", "export", str(results), "--format", "hub", "--out", str(tmp_path / "hub")]
    assert main([*hub, "--dataset", "someone/benchmark"]) == 0
    assert len([*(tmp_path / "hub").glob("models/mine-*/.eval_results/natural-mujoco.yaml")]) == 1
    capsys.readouterr()
    wrong = [
        (hub, "--format hub takes --dataset ORG/NAME"),
        ([*hub, "--dataset", "benchmark"], "give ORG/NAME"),
        ([*hub, "--dataset", "a/b/../c"], "is no repository of the Hub"),
        (["leaderboard", "export", "--format", "hub", "--out", str(tmp_path), "--dataset", "a/b"], "nothing to export"),
        (["leaderboard", "export", "--format", "latex"], "No entry was measured under natural-test"),
        (["leaderboard", "export", "--condition", "dark"], "dark"),
        (["leaderboard", "export", str(results), "--entries", "mine"], "--entries goes with --format latex"),
        (["leaderboard", "export", str(results), "--dataset", "a/b"], "--dataset goes with"),
    ]  # fmt: skip
    for arguments, message in wrong:
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
