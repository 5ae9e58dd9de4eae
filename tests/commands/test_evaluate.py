"""`natural-mujoco evaluate` as a user runs it: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from natural_mujoco.cli import main
from natural_mujoco.evaluation.records import read_results

FAST = ["--tasks", "pendulum-swingup", "--conditions", "natural-test", "--episodes", "2", "--action-repeat", "100",
        "--workers", "1"]  # fmt: skip


def evaluate(policy: str, out: Path, videos: Path, *more: str) -> int:
    if policy.startswith(":"):
        policy = f"tests.evaluation.policies{policy}"
    return main(["evaluate", "--policy", policy, "--out", str(out), "--videos", str(videos), *FAST, *more])


def test_it_plays_says_so_and_writes_a_file_that_passes(
    plain_clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    more = [
        "--entry",
        "Mine <b>",
        "--authors",
        "A. B.",
        "--link",
        "https://example.org",
        "--training-steps",
        "7",
    ]
    assert evaluate(":Steady", out, plain_clips, *more) == 0
    printed = capsys.readouterr()
    assert "evaluating 2 episodes\nless than a minute on one process" in printed.err
    assert "2/2 episodes  pendulum-swingup, natural-test, training seed 0: mean return" in printed.err
    assert "Mine <b>: mean return [95 % interval over episodes]" in printed.out
    assert "zero" in printed.out
    assert "random" in printed.out
    entry = read_results(out).entry
    assert (entry.name, entry.authors, entry.link) == ("Mine <b>", ("A. B.",), "https://example.org")
    assert read_results(out).runs[0].training_steps == 7
    assert main(["leaderboard", "check", str(out)]) == 0
    assert "ok" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (":Raises", "raised in pendulum-swingup, natural-test, training seed 0: KeyError: 'weights'\n  at "),
        (":leaves", "could not be loaded for pendulum-swingup: SystemExit: 0"),
        (":Hangs", "hung in pendulum-swingup"),
    ],
)
def test_a_failing_policy_ends_with_1_says_where_and_leaves_nothing_behind(
    plain_clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], policy: str, reason: str
) -> None:
    patience = "2" if policy == ":Hangs" else "600"
    assert evaluate(policy, tmp_path / "new" / "results.json", plain_clips, "--timeout", patience) == 1
    message = capsys.readouterr().err
    assert reason in message
    assert message.count(reason) == 1
    assert "No episode was finished, so nothing was written." in message
    assert "Traceback" not in message
    assert list(tmp_path.iterdir()) == []


def test_a_mended_policy_is_taken_where_the_broken_one_failed_at_once(
    plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    module = tmp_path / "mended_policy.py"
    module.write_text("def make(action_size):\n    raise ValueError('no weights')\n")
    out = tmp_path / "results.json"
    assert evaluate("mended_policy:make", out, plain_clips) == 1
    module.write_text("from natural_mujoco.evaluation.protocol import ZeroPolicy as make\n")
    assert evaluate("mended_policy:make", out, plain_clips) == 0
    assert len(read_results(out).episodes) == 2


def test_a_package_that_exits_when_imported_never_runs_in_the_command(
    plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "leaving").mkdir()
    (tmp_path / "leaving" / "__init__.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "leaving" / "policy.py").write_text("make = None\n")
    assert evaluate("leaving.policy:make", tmp_path / "results.json", plain_clips) == 1
    assert "SystemExit: 0" in capsys.readouterr().err


def test_a_policy_that_changes_directory_changes_nothing(
    plain_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Hydra does. The video set and the cache are named relatively, and each task loads the policy anew."""
    from natural_mujoco.backgrounds.cache import cache_home

    home = cache_home()
    monkeypatch.setenv("NATURAL_MUJOCO_HOME", os.path.relpath(home, tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "weights.txt").write_text("0.5")
    (tmp_path / "hydra_like.py").write_text(
        "import os\n"
        "from tests.evaluation.policies import Steady\n"
        "class Policy(Steady):\n"
        "    def __init__(self, action_size):\n"
        "        super().__init__(action_size)\n"
        "        self.weights = self.weights * float(open('weights.txt').read())\n"
        "        os.chdir('elsewhere')\n"
    )
    videos = Path(os.path.relpath(plain_clips, tmp_path))
    tasks = ["--tasks", "pendulum-swingup", "cartpole-swingup"]
    assert evaluate("hydra_like:Policy", Path("results.json"), videos, *tasks) == 0
    assert len(read_results(tmp_path / "results.json").episodes) == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--policy", "nonsense"], "neither zero, random"),
        (["--tasks", "walker-fly"], "Unknown task 'walker-fly'. Valid: walker-walk"),
        (["--conditions", "natural"], "Unknown condition 'natural'. Valid: standard"),
        (["--episodes", "0"], "episodes=0"),
        (["--seed", "-1"], "seed=-1"),
        (["--videos", "no-such-set"], "Unknown video set 'no-such-set'"),
        (["--workers", "0"], "--workers 0"),
        (["--timeout", "0"], "--timeout 0"),
        (["--timeout", "nan"], "--timeout nan"),
        (["--training-seed", "-3"], "--training-seed -3 is out of range"),
        (["--action-repeat", "0"], "--action-repeat 0 is out of range"),
        (["--link", "javascript:alert(1)"], "--link"),
        (["--entry", "two\nlines"], "--entry"),
        (["--entry", "zero"], "is the name of a reference policy"),
        (["--policy", "random", "zero"], "several run directories"),
        (["--quick", "--episodes", "3"], "--quick decides --conditions and --episodes"),
        (["--entry", "Zero"], "looks like the name of a reference policy"),
        (["--entry", "r\u0430ndom"], "mixes Cyrillic and Latin letters"),
        (["--entry", "mine "], "ends with a space"),
        (["--policy", "tests.evaluation.policies:Missing"], "tests.evaluation.policies has no Missing"),
    ],
)
def test_wrong_usage_ends_with_2_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    out = tmp_path / "results.json"
    defaults = ["evaluate", "--policy", "random", "--out", str(out), "--videos", "embedded"]
    assert main([*defaults, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_ray_that_is_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["evaluate", "--policy", "zero", "--out", str(tmp_path / "r.json"), "--ray"]) == 2
    assert "pip install 'natural-mujoco[ray]'" in capsys.readouterr().err


def test_interrupted_it_says_what_it_kept_and_leaves_no_process(plain_clips: Path, tmp_path: Path) -> None:
    """Ctrl-C reaches the whole process group, as in a terminal."""
    import psutil

    out = tmp_path / "results.json"
    command = [sys.executable, "-m", "natural_mujoco", "evaluate", "--policy", "tests.evaluation.policies:Hangs",
               "--out", str(out), "--videos", str(plain_clips), *FAST]  # fmt: skip
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True) as process:
        deadline = time.monotonic() + 120
        children: list[psutil.Process] = []
        while not children and time.monotonic() < deadline:
            found = psutil.Process(process.pid).children()
            children = [child for child in found if "natural_mujoco.processes" in " ".join(child.cmdline())]
            time.sleep(0.1)
        assert children
        os.killpg(process.pid, signal.SIGINT)
        _, message = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "No episode was finished" in message
    assert "Traceback" not in message
    assert not any(child.is_running() for child in children)


def test_auto_videos_are_named_in_the_file(
    tmp_path: Path, plain_clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "results.json"
    assert evaluate("zero", out, plain_clips) == 0
    data = json.loads(out.read_bytes())
    assert data["video_set"]["name"] == "plain"
    assert data["entry"]["name"] == "zero"
    assert f"natural conditions on {data['video_set']['name']}" in capsys.readouterr().out
