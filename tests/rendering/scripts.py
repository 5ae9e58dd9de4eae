"""Python code run in a process of its own, where OpenGL has not started yet."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap


def run_script(source: str, *arguments: str, **environment: str | None) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a process of its own, with some environment variables changed, or unset for `None`."""
    changed = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(source), *arguments],
        env={name: value for name, value in changed.items() if value is not None},
        capture_output=True,
        text=True,
        timeout=120,
    )
