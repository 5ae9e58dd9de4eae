"""The learning ladder: which runs a rung lacks, and what its table says of those that are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agents.table import AGENTS
from agents.training.command_line import parse as parse_agent
from benchmarks.ladder import RUNGS, main, parse, rows, works


def write_rung(folder: Path, name: str, train: float, test: float, episodes: int = 10) -> None:
    records = [
        {"condition": condition, "return": value}
        for condition, value in (("natural-train", train), ("natural-test", test))
        for _ in range(episodes)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps({"episodes": records}))
    run = folder / name.rsplit("-", 1)[0]
    run.mkdir(exist_ok=True)
    lines = [
        {"control_steps": s, "train/seconds": s / 1000, "train/updates": s // 100}
        for s in (400_000, 500_000, 900_000)
    ]
    (run / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_a_rung_lacks_what_has_no_whole_evaluation(tmp_path: Path) -> None:
    options = parse(["--name", "now", "--folder", str(tmp_path), "--agents", "cvrl", "ppo"])
    assert len(works(options, "500k")) == 2 * 3 * 2
    write_rung(tmp_path / "now", "cvrl-walker-walk-0-500k", 200, 100)
    write_rung(tmp_path / "now", "cvrl-walker-walk-1-500k", 200, 100, episodes=9)
    names = [work.name for work in works(options, "500k")]
    assert "cvrl-walker-walk-0 500k" not in names
    assert "cvrl-walker-walk-1 500k" in names
    assert len(names) == 11


@pytest.mark.parametrize("agent", list(AGENTS))
def test_every_command_of_the_ladder_is_one_of_its_agent(agent: str, tmp_path: Path) -> None:
    """And a run that goes on from one rung to the next differs in nothing but its steps."""
    options = parse(["--folder", str(tmp_path), "--agents", agent, "--tasks", "finger-spin", "--seeds", "0"])
    configs = {}
    for rung in RUNGS:
        (work,) = works(options, rung)
        configs[rung] = vars(parse_agent(agent, work.steps[0].command[3:]))
    for rung in RUNGS:
        differing = {key for key, value in configs[rung].items() if value != configs["2M"][key]}
        assert differing == ({"steps"} if rung != "2M" else set())


def test_the_table_has_both_halves_of_the_videos_and_what_they_cost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_rung(tmp_path / "before", "cvrl-walker-walk-0-500k", 210, 100)
    write_rung(tmp_path / "before", "cvrl-walker-walk-1-500k", 230, 140)
    (row,) = rows(tmp_path / "before")
    assert (row["natural-train"], row["natural-test"], row["spread"], row["seeds"]) == (220, 120, 40, 2)
    assert (row["updates"], row["minutes"]) == (5000, pytest.approx(500 / 60))
    probe = {
        "task": "finger-spin",
        "results": [
            {
                "model": "cvrl",
                "probes": [
                    {
                        "update": 2000,
                        "seconds": 600,
                        "r2": {"features": {"mean": 0.25}},
                        "r2_train_videos": {"features": {"mean": 0.5}},
                    }
                ],
            }
        ],
    }
    write_rung(tmp_path / "after", "cvrl-walker-walk-0-100k", 40, 30)
    (tmp_path / "before" / "probe").mkdir()
    (tmp_path / "before" / "probe" / "finger-spin.json").write_text(json.dumps(probe))
    assert main(["--folder", str(tmp_path), "--table", "before", "after"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[1].split() == [
        "before",
        "cvrl",
        "finger-spin",
        "probe",
        "1",
        "0.50",
        "0.25",
        "0.00",
        "2000",
        "10",
    ]
    assert out[2].split()[:7] == ["after", "cvrl", "walker-walk", "100k", "1", "40", "30"]
    assert out[3].split() == ["before", "cvrl", "walker-walk", "500k", "2", "220", "120", "40", "5000", "8"]
