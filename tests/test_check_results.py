"""`make check-results`: which files a pull request brings, what is played again, and the summary of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest

from natural_mujoco.evaluation.policy_source import find_policy
from natural_mujoco.evaluation.records import write_results
from tests.agents.tiny import tiny_cvrl
from tests.agents.untrained import write_untrained_run
from tests.evaluation.made_up import make_results
from tools import check_results


def git(*arguments: str) -> None:
    who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
    subprocess.run(["git", *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def pull_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout whose branch adds an entry with an awkward name, a note and a film."""
    monkeypatch.chdir(tmp_path)
    git("init", "--initial-branch=main")
    write_results(Path("results/before.json"), make_results("before", training_seeds=1, episodes=1))
    git("add", "."), git("commit", "-m", "before")
    git("checkout", "-b", "mine")
    entry = make_results("Mine | `<b>` --replay", training_seeds=1, episodes=1)
    write_results(Path("results/--help; $(touch here) é.json"), entry)
    Path("results/notes.md").write_text("notes")
    Path("results/plans").mkdir()
    Path("results/plans/other.json").write_text("{}")
    git("add", "."), git("commit", "-m", "mine")
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["check_results", *arguments])
    return check_results.main()


def test_what_a_branch_adds_is_checked_and_shown(
    pull_request: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--base", "main", "--summary", "summary.md") == 0
    printed = capsys.readouterr().out
    assert "ok results/--help; $(touch here) é.json: Mine | `<b>` --replay, 30 episodes" in printed
    assert "before" not in printed
    assert not Path("here").exists()
    page = Path("site/index.html").read_text()
    assert "before" in page
    assert "Mine | `&lt;b&gt;` --replay" in page
    summary = Path("summary.md").read_text()
    assert "\n    ok results/--help" in summary
    assert "| Mine \\| \\`\\<b\\>\\`" in summary
    assert run(monkeypatch, "--base", "mine") == 0
    assert "No results file differs." in capsys.readouterr().out


def test_a_file_that_is_refused_ends_it_before_the_page(
    pull_request: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("results/broken.json").write_text("{}")
    assert run(monkeypatch, "--summary", "summary.md") == 1
    assert "REFUSED results/broken.json" in capsys.readouterr().out
    assert "REFUSED results/broken.json" in Path("summary.md").read_text()
    assert not Path("site").exists()


def test_weights_that_an_entry_links_are_played(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only those that are the entry's own; a repository that is gone is no fault."""
    runs = [
        write_untrained_run(tmp_path / name, tiny_cvrl(task="pendulum-swingup", seed=k))
        for k, name in enumerate("ab")
    ]
    asked = []

    def download(name: str, allow_patterns: list[str]) -> str:
        asked.append(name)
        assert all(part.endswith((".json", ".safetensors")) for part in allow_patterns)
        if name == "gone/away":
            raise OSError("offline")
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    digest = find_policy(str(runs[1])).digest

    def linking(link: str | None) -> list[str]:
        results = make_results("mine", training_seeds=1, tasks=("pendulum-swingup",), episodes=1, link=link)
        run = results.runs[0].model_copy(update={"digest": digest})
        return check_results.public_runs(results.model_copy(update={"runs": (run,)}))

    assert linking("https://huggingface.co/someone/model") == [str(runs[1])]
    assert linking("https://huggingface.co/gone/away") == []
    assert asked == ["someone/model", "gone/away"]
    for other in (None, "https://huggingface.co/datasets/someone/model", "https://example.org/someone/model",
                  "https://huggingface.co/../model"):  # fmt: skip
        assert linking(other) == []
    assert len(asked) == 2
