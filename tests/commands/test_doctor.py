"""`natural-mujoco doctor`: on this machine, and on machines where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from natural_mujoco.cli import main


def doctor_after(code: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Runs `doctor` in a fresh process that first runs `code`."""
    program = (
        textwrap.dedent(code)
        + "\nimport sys\nfrom natural_mujoco.cli import main\nsys.exit(main(['doctor']))"
    )
    inherited = {key: value for key, value in os.environ.items() if key not in ("MUJOCO_GL", "DISPLAY")}
    return subprocess.run(
        [sys.executable, "-c", program],
        env={**inherited, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_machine_that_draws_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    report = capsys.readouterr().out
    for word in ("natural-mujoco", "mujoco 3.", "opengl", "speed", "embedded", "cache", "All is well."):
        assert word in report
    assert "FAIL" not in report
    if "llvmpipe" in report:
        assert "software driver" in report


def test_without_egl_it_names_the_packages_and_fails() -> None:
    result = doctor_after(
        """
        import ctypes.util
        ctypes.util.find_library = lambda name: None
        """
    )
    assert result.returncode == 1
    assert "libegl1 libgl1-mesa-dri" in result.stdout
    assert "FAIL" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_a_backend_that_does_not_start_is_named_with_the_remedy() -> None:
    result = doctor_after("", MUJOCO_GL="egl", MUJOCO_EGL_DEVICE_ID="99")
    assert result.returncode == 1
    assert "MUJOCO_EGL_DEVICE_ID is '99', which is no device of this machine. Usable: " in result.stdout
    assert "libegl1" not in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_a_mujoco_that_dm_control_does_not_know_is_named_with_the_remedy() -> None:
    result = doctor_after(
        """
        import natural_mujoco.conversion as conversion
        def load(domain, task):
            raise AttributeError("'MjModel' object has no attribute 'flex_vertedge'")
        conversion.suite.load = load
        """
    )
    assert result.returncode == 1
    assert "mujoco>=3.17,<4" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr
