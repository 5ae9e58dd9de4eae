"""Curves over the axes of difficulty, from records; and what a page says of what an entry was trained on."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from natural_mujoco.cli import main
from natural_mujoco.evaluation.checking import check_results
from natural_mujoco.evaluation.conditions import TASK_NAMES
from natural_mujoco.evaluation.records import Entry, Results, VideoSet, read_results
from natural_mujoco.experts import EXPERTS
from natural_mujoco.leaderboard.board import make_board
from natural_mujoco.leaderboard.difficulty import series, strength_band, video_bands
from natural_mujoco.leaderboard.site import build_site
from tests.evaluation import made_up
from tests.evaluation.made_up import make_results

STRENGTHS = ("standard", "natural-test@0.25", "natural-test@0.5", "natural-test")


@pytest.fixture(autouse=True)
def losses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        made_up, "LOSSES", {**made_up.LOSSES, "natural-test@0.25": 0.95, "natural-test@0.5": 0.9}
    )


def trained(name: str, level: float, **trained_on: object) -> Results:
    """An entry of two tasks, trained as said."""
    results = make_results(name, level, tasks=TASK_NAMES[:2], conditions=("natural-test",))
    runs = tuple(run.model_copy(update=trained_on) for run in results.runs)
    return results.model_copy(update={"runs": runs, "entry": Entry(name=name, series="grows")})


def test_strength_from_the_standard_background_to_the_whole_video(tmp_path: Path) -> None:
    tasks = tuple(EXPERTS)
    entry = make_results("mine", conditions=STRENGTHS, tasks=tasks)
    assert check_results(entry).faults == ()
    board = make_board([entry])
    assert [tab.condition for tab in board.tabs[:2]] == ["natural-test", "standard"]
    band = strength_band(board.entries[0].scores, TASK_NAMES[:1])
    assert band is not None
    assert list(band.x) == [0, 0.25, 0.5, 1]
    for condition, point in zip(STRENGTHS, band.point, strict=True):
        returns = [e.return_ for e in entry.episodes if (e.task, e.condition) == (TASK_NAMES[0], condition)]
        assert point == pytest.approx(np.mean(returns))
    build_site([(Path("a"), entry)], tmp_path / "site")
    source = (tmp_path / "site" / "difficulty.html").read_text()
    plots = re.findall(r'<svg class="plot learning".*?</svg>', source, re.S)
    assert len(plots) == 1 + len(tasks)
    assert all(f'<g class="{name}"' in plot for plot in plots for name in ("zero", "random", "expert"))
    page = next((tmp_path / "site" / "entries").glob("mine*.html")).read_text()
    assert '<th scope="col">natural-test@0.5</th>' in page
    assert '<option value="3">natural-test@0.25</option>' in page


def test_entries_of_a_series_by_the_number_of_their_training_videos() -> None:
    levels = {1: 0.2, 4: 0.4, None: 0.6}
    board = make_board([trained(f"on {n}", level, num_videos=n) for n, level in levels.items()])
    band = video_bands(series(board.entries)["grows"], 32, TASK_NAMES[:1])
    assert band is not None
    assert list(band.x) == [1, 4, 32]
    assert list(band.point) == sorted(band.point)
    rows = {row.name: row.remarks for row in board.tabs[0].rows if row.kind == "measured"}
    assert rows["on 1"] == ("trained on 1 video",)
    assert rows["on 4"] == ("trained on 4 videos",)


def test_a_page_says_what_an_entry_was_trained_on() -> None:
    other = VideoSet(name="davis-2017", manifest_hash="a" * 64)
    elsewhere = make_results("elsewhere", 0.5)
    runs = tuple(run.model_copy(update={"trained_set": other, "strength": 0.5}) for run in elsewhere.runs)
    own = make_board([elsewhere.model_copy(update={"runs": runs})])
    [row] = [row for row in own.tabs[0].rows if row.name == "elsewhere"]
    assert row.remarks == ("trained on davis-2017", "trained at strength 0.5")
    assert row.video_gap is None  # the training half of this set was never trained on


def test_an_evaluation_between_the_ends(
    plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(
        "import numpy as np\nclass P:\n    def __init__(self, action_size): self.n = action_size\n"
        "    def reset(self, num_envs): pass\n    def act(self, obs): return np.zeros((len(obs), self.n), np.float32)\n"
    )
    arguments = ["evaluate", "--policy", "own:P", "--tasks", "pendulum-swingup", "--episodes", "1"]
    arguments += [
        "--workers",
        "1",
        "--action-repeat",
        "100",
        "--videos",
        str(plain_clips),
        "--out",
        "mine.json",
    ]
    arguments += ["--training-videos", "embedded", "--num-videos", "1", "--training-strength", "0.5"]
    arguments += ["--conditions", "natural-test@0.50"]
    assert main(arguments) == 0
    results = read_results("mine.json")
    assert [e.condition for e in results.episodes] == ["natural-test@0.5"]
    [run] = results.runs
    assert (run.num_videos, run.strength, run.trained_set and run.trained_set.name) == (1, 0.5, "embedded")
    assert main(["leaderboard", "check", "mine.json"]) == 0
    capsys.readouterr()
    assert main([*arguments, "--conditions", "natural-test@0.125"]) == 2
    assert "two decimals at most" in capsys.readouterr().err
