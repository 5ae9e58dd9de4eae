"""Episodes in front of clips that no manifest pins say on which frames they were played; others are not mixed in."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from natural_mujoco import open_videos
from natural_mujoco.errors import ResultsError
from natural_mujoco.evaluation.checking import check_results
from natural_mujoco.evaluation.evaluate import evaluate
from natural_mujoco.evaluation.records import Results, read_results
from natural_mujoco.leaderboard.board import make_board

from ..clips import write_plain_clips
from .made_up import make_results
from .test_evaluate import make_request


@pytest.fixture
def clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A manifest whose clips are prepared in a cache of their own."""
    monkeypatch.setenv("NATURAL_MUJOCO_HOME", str(tmp_path / "home"))
    (tmp_path / "clips").mkdir()
    return write_plain_clips(tmp_path / "clips")


def test_records_say_it_and_other_frames_are_refused(
    clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "results.json"
    request = {"tasks": ("pendulum-swingup",), "conditions": ("standard", "natural-test")}
    evaluate(make_request(out, clips, episodes=1, **request))
    standard, natural = json.loads(out.read_text())["episodes"]
    assert "frames_sha256" not in standard
    frames = open_videos(clips).frames("grey", 64)
    assert natural["frames_sha256"] == hashlib.sha256(frames.tobytes()).hexdigest()

    before = out.read_bytes()
    monkeypatch.setenv("NATURAL_MUJOCO_HOME", str(tmp_path / "elsewhere"))
    shutil.copytree(clips.parent / "red", clips.parent / "grey", dirs_exist_ok=True)
    open_videos(clips).frames("grey", 64)
    with pytest.raises(ResultsError, match=r"evaluated on other frames of the clip grey \([0-9a-f]{12}…\)"):
        evaluate(make_request(out, clips, **request))
    assert out.read_bytes() == before


def test_a_file_with_two_preparations_of_a_clip_is_refused(clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    evaluate(make_request(out, clips, tasks=("pendulum-swingup",), conditions=("natural-test",)))
    assert not check_results(read_results(out)).faults
    text = out.read_text()
    sha256 = read_results(out).episodes[0].frames_sha256
    assert sha256 is not None
    out.write_text(text.replace(sha256, "0" * 64, 1))
    assert (
        "clip grey: episodes were played on 2 different preparations of it"
        in check_results(read_results(out)).faults
    )


def test_sets_whose_manifest_pins_every_clip_need_no_word(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    evaluate(
        make_request(
            out, Path("embedded"), tasks=("pendulum-swingup",), conditions=("natural-test",), episodes=1
        )
    )
    assert "frames_sha256" not in out.read_text()


def test_the_leaderboard_marks_an_entry_that_saw_other_frames() -> None:
    def played(name: str, sha256: str) -> Results:
        results = make_results(name)
        episodes = (
            e.model_copy(update={"frames_sha256": sha256}) if e.video else e for e in results.episodes
        )
        return results.model_copy(update={"episodes": tuple(episodes)})

    entries = [played("one", "a" * 64), played("two", "a" * 64), played("other", "b" * 64)]
    clips = len({e.video for e in entries[0].episodes if e.video})
    for tab in make_board(entries).tabs:
        marked = {row.name: row.remarks for row in tab.others if row.name in ("one", "two", "other")}
        if tab.condition == "natural-test":
            assert marked["other"][-1] == f"other frames than most entries on {clips} clips"
            assert not any("frames" in remark for remark in (*marked["one"], *marked["two"]))
