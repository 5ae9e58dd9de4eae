"""An evaluation on the batched environment itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from natural_mujoco.cli import main
from natural_mujoco.evaluation.checking import check_results
from natural_mujoco.evaluation.records import read_results

pytestmark = pytest.mark.batched


def test_it_earns_what_opengl_earns_and_says_what_drew_it(tmp_path: Path, plain_clips: Path) -> None:
    """A blind policy in a smooth task: the physics alone are compared."""
    found = []
    for renderer in ("opengl", "warp"):
        out = tmp_path / f"{renderer}.json"
        flags = ["--tasks", "cartpole-balance", "--conditions", "natural-test", "--episodes", "2"]
        flags += ["--action-repeat", "50", "--videos", str(plain_clips), "--renderer", renderer]
        assert main(["evaluate", "--policy", "zero", "--out", str(out), "--entry", "none", *flags]) == 0
        found.append(read_results(out))
    gl, warp = found
    assert (gl.protocol.renderer, warp.protocol.renderer) == ("opengl", "warp")
    assert not check_results(warp).faults
    assert warp.machines[0].gl_renderer.startswith("MuJoCo Warp on ")
    assert "mujoco-warp" in warp.machines[0].versions
    for one, other in zip(gl.episodes, warp.episodes, strict=True):
        assert (one.key, one.video, one.frame, one.length) == (
            other.key,
            other.video,
            other.frame,
            other.length,
        )
        assert other.return_ == pytest.approx(one.return_, rel=0.02)
