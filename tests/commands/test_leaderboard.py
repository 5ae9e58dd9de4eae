"""`natural-mujoco leaderboard build | check | table`."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from natural_mujoco import TASKS
from natural_mujoco.cli import main
from natural_mujoco.evaluation.records import REFERENCES, read_results, write_results
from tests.evaluation.made_up import make_results


@pytest.fixture
def results(tmp_path: Path) -> Path:
    path = tmp_path / "results" / "mine.json"
    write_results(path, make_results("Mine", training_seeds=1))
    return path


def test_build_takes_files_and_folders(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for argument in (results, results.parent):
        site = tmp_path / "site"
        assert main(["leaderboard", "build", str(argument), "--out", str(site), "--title", "Ours <i>"]) == 0
        assert f"open {site / 'index.html'}" in capsys.readouterr().out
        assert "Ours &lt;i&gt;" in (site / "index.html").read_text()
        assert len(list((site / "entries").glob("mine-*.html"))) == 1


def test_a_file_without_episodes_is_left_out_and_blocks_nothing(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Versions before left such files where a policy failed at once."""
    empty = make_results("Empty", training_seeds=1).model_copy(update={"episodes": (), "summary": {}})
    write_results(results.with_name("empty.json"), empty)
    assert main(["leaderboard", "build", str(results.parent), "--out", str(tmp_path / "site")]) == 0
    assert "empty.json is left out: there is no episode in it" in capsys.readouterr().err
    assert main(["leaderboard", "check", str(results.with_name("empty.json"))]) == 1


def test_build_without_entries_shows_references_and_the_paper(tmp_path: Path) -> None:
    assert main(["leaderboard", "build", "--out", str(tmp_path / "site")]) == 0
    assert "CVRL-reward-only" in (tmp_path / "site" / "index.html").read_text()
    assert main(["leaderboard", "build", "--no-published", "--out", str(tmp_path / "site")]) == 0
    assert "CVRL-reward-only" not in (tmp_path / "site" / "index.html").read_text()


def test_make_builds_the_example_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What `make leaderboard` runs in this checkout builds the site of all entries that lie in `results/`."""
    root = Path(__file__).resolve().parents[2]
    steps = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "leaderboard"],
        cwd=root,
        # These tests may run under `make test` themselves, whose flags would be taken for this one's.
        env={name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    python, *command = shlex.split(steps.splitlines()[-1])
    assert (python, command[:4]) == (".venv/bin/python", ["-m", "natural_mujoco", "leaderboard", "build"])
    monkeypatch.chdir(root)
    assert command[-2:] == ["--out", "site"]
    assert main([*command[2:-1], str(tmp_path / "site")]) == 0
    files = [read_results(path) for path in (root / "results").glob("*.json")]
    pages = {path.name for path in (tmp_path / "site" / "entries").glob("*.html")}
    # Zero and random have further pages, at the action repeats of the entries.
    others = {name for name in pages if not name.startswith(REFERENCES)}
    assert len(others) == len(files)
    assert {f"{name}.html" for name in REFERENCES} <= pages


def test_check_accepts_and_refuses(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", "check", str(results)]) == 0
    assert capsys.readouterr().out == f"ok {results}: Mine, {30 * len(TASKS)} episodes of 1 policy\n"
    tampered, junk = results.with_name("tampered.json"), results.with_name("junk.json")
    tampered.write_text(results.read_text().replace('"return":', '"return":1e9,"x":', 1))
    junk.write_bytes(b"\0" * 1000)
    assert main(["leaderboard", "check", str(results), str(tampered), str(junk)]) == 1
    printed = capsys.readouterr()
    assert f"REFUSED {tampered}: episode record 0" in printed.out
    assert f"REFUSED {junk}: no valid results file" in printed.out
    assert "2 of 3 files refused" in printed.err


def test_check_lists_faults_and_notes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = make_results("Short", training_seeds=1, episodes=3, tasks=("walker-walk",))
    path = tmp_path / "short.json"
    write_results(path, short.model_copy(update={"episodes": short.episodes[:-1], "summary": {}}))
    assert main(["leaderboard", "check", str(path)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("  walker-walk, natural-test, training seed 0: 1 of 3 episodes are missing")
    assert any(line.startswith(f"  note: covers 1 of {len(TASKS)} tasks") for line in lines)


def test_build_and_table_refuse_what_check_refuses(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results.write_text(results.read_text().replace('"walker-walk"', '"walker-fly"'))
    for action in (["build", "--out", str(tmp_path / "site")], ["table"]):
        assert main(["leaderboard", action[0], str(results), *action[1:]]) == 1
        assert "mine.json: run 0 (runs/0): unknown task 'walker-fly'" in capsys.readouterr().err
    assert not (tmp_path / "site").exists()


def test_table_prints_text_and_markdown(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["leaderboard", "table", str(results), "--condition", "natural-test"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("Natural, test videos: embedded")
    assert "Mine" in text
    assert main(["leaderboard", "table", str(results), "--format", "markdown"]) == 0
    assert "| 1 | Mine | 10 episodes |" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["table", "--condition", "natural"], "Unknown condition 'natural'"),
        (["build", "--out", "site", "--title", " "], "--title"),
        (["table", "empty"], "holds no .json files"),
    ],
)
def test_wrong_usage_ends_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["leaderboard", *arguments]) == 2
    assert message in capsys.readouterr().err
