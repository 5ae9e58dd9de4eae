"""Learning curves from run directories: what was played otherwise than the protocol never passes for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from natural_mujoco.backgrounds.manifest import load_manifest
from natural_mujoco.evaluation.conditions import expected_background
from natural_mujoco.evaluation.curves import Setting, setting_of
from natural_mujoco.evaluation.fields import VideoSet
from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.training_curves import training_curves

from .test_policy_source import write_run

EMBEDDED = load_manifest("embedded")
VIDEOS = VideoSet(name="embedded", manifest_hash=EMBEDDED.content_hash)
DEFAULTS = {"action_repeat": 4, "size": 64, "playback": "loop", "rendering": "default", "matte": "semantic"}


def curves_of(run: Path, lines: list[dict[str, Any]]) -> list[Any]:
    text = "\n".join(map(json.dumps, lines)) + '\n{"condition": "natu'  # killed in the middle of a line
    (run / "evaluations.jsonl").write_text(text)
    return training_curves(find_policy(str(run)), VIDEOS, EMBEDDED)


def lines_of(setting: Setting | None, shown: bool = True) -> list[dict[str, Any]]:
    lines = []
    for step in (10_000, 20_000):
        for seed in (1_000_000, 1_000_001):
            line: dict[str, Any] = {"condition": "natural-test", "control_steps": step, "episode_seed": seed}
            line["return"] = step / 100 + seed % 2
            if shown:
                line["video"], line["frame"] = expected_background(EMBEDDED, "natural-test", seed)
            if setting is not None:
                line["setting"] = setting.model_dump()
            lines.append(line)
    return lines


def test_a_curve_by_the_protocol_stands_under_its_condition(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    [curve] = curves_of(run, lines_of(setting_of(True, videos="embedded", split="test", action_repeat=4)))
    assert (curve.task, curve.condition, curve.training_seed) == ("walker-walk", "natural-test", 3)
    assert (curve.steps, curve.returns) == ((10_000, 20_000), (100.5, 200.5))
    assert curve.departures == ()


@pytest.mark.parametrize(
    ("changes", "departure"),
    [
        ({"matte": "paper"}, "matte paper"),
        ({"playback": "still"}, "playback still"),
        ({"rendering": "reference"}, "rendering reference"),
        ({"action_repeat": 2}, "action repeat 2"),
        ({"size": 84}, "size 84"),
        ({"videos": "ilsvrc-vid-mini"}, "videos ilsvrc-vid-mini"),
        ({"num_videos": 4}, "num_videos 4"),
    ],
)
def test_a_curve_played_otherwise_says_so(tmp_path: Path, changes: dict[str, Any], departure: str) -> None:
    run = write_run(tmp_path / "run")
    [curve] = curves_of(
        run, lines_of(setting_of(True, **{"videos": "embedded", "action_repeat": 4, **changes}))
    )
    assert curve.condition == "as trained"
    assert any(found.startswith(departure) for found in curve.departures)


@pytest.mark.parametrize(
    ("changes", "departure"),
    [
        ({"matte": "paper"}, "matte paper"),
        ({"playback": "still"}, "playback still"),
        ({"size": 84}, "size 84"),
    ],
)
def test_an_older_curve_played_otherwise_says_so(
    tmp_path: Path, changes: dict[str, Any], departure: str
) -> None:
    run = write_run(tmp_path / "run", environment={**DEFAULTS, **changes})
    [curve] = curves_of(run, lines_of(None))
    assert curve.condition == "as trained"
    assert departure in curve.departures


def test_an_older_run_whose_clips_are_the_sets_stands_under_its_condition(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", environment=DEFAULTS)
    [curve] = curves_of(run, lines_of(None))
    assert curve.condition == "natural-test"
    elsewhere = [{**line, "video": "a clip of another set"} for line in lines_of(None)]
    for lines in (lines_of(None, shown=False), elsewhere):
        [unknown] = curves_of(run, lines)
        assert unknown.departures == ("videos unknown",)


def test_a_run_that_changed_in_between_has_two_curves(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    ours = lines_of(setting_of(True, videos="embedded", action_repeat=4))[:2]
    other = lines_of(setting_of(True, videos="embedded", action_repeat=4, matte="paper"))[2:]
    curves = curves_of(run, [*ours, *other])
    assert {(curve.condition, curve.steps) for curve in curves} == {
        ("natural-test", (10_000,)),
        ("as trained", (20_000,)),
    }
