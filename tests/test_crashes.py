from __future__ import annotations

import subprocess
import sys


def test_commands_that_are_killed_at_random_moments_end_as_if_they_had_not_been() -> None:
    only = ["--only", "evaluate"]
    command = [sys.executable, "-m", "tests.crashing", "--kills", "2", "--each", "1", "--seed", "7", *only]
    result = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "all equal to commands that were never killed" in result.stdout
