"""What results say of the machine: the commit of the policy's code as it is now."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from natural_mujoco.evaluation.machine import describe_machine

WHO = ("-c", "user.name=A", "-c", "user.email=a@example.org")


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *WHO, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def commit_of(folder: Path, text: str) -> str:
    (folder / "policy.py").write_text(text)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", text)
    return git(folder, "rev-parse", "HEAD")


def test_the_commit_is_that_of_the_folder_at_this_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A notebook evaluates, changes folder, edits, commits and evaluates again in one process."""
    outside, repository = tmp_path / "outside", tmp_path / "repository"
    outside.mkdir()
    git(tmp_path, "init", "-q", str(repository))
    first = commit_of(repository, "first")

    monkeypatch.chdir(outside)
    assert describe_machine().commit is None
    monkeypatch.chdir(repository)
    assert describe_machine().commit == first
    (repository / "policy.py").write_text("edited")
    assert describe_machine().commit == f"{first}-modified"
    second = commit_of(repository, "second")
    assert describe_machine().commit == second != first
    assert describe_machine(outside).commit is None
    assert describe_machine(outside) == describe_machine().model_copy(update={"commit": None})
