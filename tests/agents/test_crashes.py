from __future__ import annotations

import subprocess
import sys


def test_runs_that_are_killed_at_random_moments_end_as_if_they_had_not_been() -> None:
    command = [sys.executable, "-m", "tests.agents.crashing", "--lives", "3", "--each", "3", "--seed", "4"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "all equal to runs that were never killed" in result.stdout
