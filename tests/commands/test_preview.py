"""`natural-mujoco preview`: files that really are what their ending says."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import imageio.v3 as iio
import numpy as np
import pytest

from agents import load
from agents.training.config import EnvironmentConfig
from natural_mujoco.cli import main
from tests.agents.tiny import tiny_cvrl
from tests.agents.untrained import write_untrained_run

SMALL = ["--videos", "embedded", "--render-size", "64", "--steps", "6"]


@pytest.mark.parametrize("ending", ["png", "gif", "mp4"])
def test_writes_what_the_ending_says(tmp_path: Path, ending: str) -> None:
    out = tmp_path / "new" / f"walker.{ending}"
    assert main(["preview", "walker-walk", "--out", str(out), *SMALL]) == 0
    pictures = iio.imread(out)
    if ending == "png":
        assert pictures.shape == (64, 64, 3)
    else:
        assert pictures.shape[:3] == (6, 64, 64)
        assert (pictures[0] != pictures[-1]).mean() > 0.3, "the video behind the walker should move"


def test_standard_and_natural_differ_in_the_background_only_by_name(tmp_path: Path) -> None:
    for variant in ("standard", "natural"):
        out = str(tmp_path / f"{variant}.png")
        assert main(["preview", "finger-spin", "--variant", variant, "--out", out, *SMALL]) == 0
    standard, natural = (iio.imread(tmp_path / f"{name}.png") for name in ("standard", "natural"))
    assert (standard != natural).any(axis=-1).mean() > 0.5


def test_observations_are_the_agents_pixels_enlarged(tmp_path: Path) -> None:
    out = tmp_path / "seen.png"
    command = [
        "preview",
        "reacher-easy",
        "--out",
        str(out),
        "--observations",
        "--videos",
        "embedded",
        "--steps",
        "1",
    ]
    assert main([*command, "--render-size", "128"]) == 0
    picture = iio.imread(out)
    assert np.array_equal(picture, picture[::2, ::2].repeat(2, 0).repeat(2, 1))


def test_strength_and_the_number_of_videos_are_the_environments(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pictures = []
    for more in (["--variant", "standard"], ["--strength", "0"], ["--strength", "0.5"], []):
        out = str(tmp_path / "seen.png")
        command = ["preview", "pendulum-swingup", "--out", out, "--observations", *SMALL[:-1], "1", *more]
        assert main([*command, *([] if more else ["--num-videos", "1"])]) == 0
        pictures.append(iio.imread(out).astype(int))
    standard, none, half, whole = pictures
    assert np.array_equal(standard, none)
    assert 0 < np.abs(half - standard).mean() < np.abs(whole - standard).mean()
    assert (
        main(["preview", "pendulum-swingup", "--out", out, "--videos", "embedded", "--num-videos", "99"]) == 2
    )
    assert "num_videos" in capsys.readouterr().err


def test_an_unknown_ending_is_refused_before_the_work(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", "walker-walk", "--out", str(tmp_path / "walker.bmp")]) == 2
    error = capsys.readouterr().err
    assert ".bmp" in error
    assert ".mp4" in error
    assert not list(tmp_path.iterdir())


def test_an_unknown_task_lists_the_ten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "walker-fly", "--out", str(tmp_path / "x.png")]) == 2
    error = capsys.readouterr().err
    assert "walker-fly" in error
    assert "quadruped-walk" in error


def test_no_steps_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "x.gif"
    assert main(["preview", "walker-walk", "--out", str(out), "--videos", "embedded", "--steps", "0"]) == 2
    assert "at least one step" in capsys.readouterr().err
    assert not out.exists()


def test_a_folder_that_cannot_be_made_is_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["preview", "pendulum-swingup", "--out", str(tmp_path / "file" / "x.png"), *SMALL]) == 1
    error = capsys.readouterr().err
    assert "Traceback" not in error
    assert str(tmp_path / "file") in error


def test_the_expert_acts_where_it_is_asked_to(tmp_path: Path) -> None:
    """From the same state, half a second later: the pole that is balanced stands where random actions moved it."""
    for policy in ("random", "expert"):
        out = str(tmp_path / f"{policy}.png")
        command = ["preview", "cartpole-balance", "--variant", "standard", "--policy", policy, "--out", out]
        assert main([*command, "--render-size", "128", "--steps", "60"]) == 0
    random, expert = (iio.imread(tmp_path / f"{name}.png") for name in ("random", "expert"))
    assert (random != expert).any()


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A run directory of pendulum-swingup at action repeat 100."""
    return write_untrained_run(tmp_path / "run", tiny_cvrl(task="pendulum-swingup", variant="natural"))


def test_a_run_directory_shows_what_its_agent_does(trained: Path, tmp_path: Path) -> None:
    """The frame after its first action, at its own action repeat."""
    out = tmp_path / "seen.png"
    command = ["preview", "pendulum-swingup", "--policy", str(trained), "--seed", "5", "--out", str(out)]
    assert (
        main([*command, "--videos", "embedded", "--split", "test", "--render-size", "96", "--steps", "3"])
        == 0
    )

    look = {"render_mode": "rgb_array", "render_size": 96, "videos": "embedded", "split": "test"}
    env = gym.make("NaturalMujoco/PendulumSwingup-v0", action_repeat=100, **look)
    policy = load(trained)
    observation, _ = env.reset(seed=5)
    policy.seed([5])
    policy.reset(1)
    env.step(policy.act(observation[None])[0])
    assert np.array_equal(iio.imread(out), env.render())
    env.close()


def test_a_run_is_shown_frames_of_the_size_it_reads(tmp_path: Path) -> None:
    look = EnvironmentConfig(size=84)
    run = write_untrained_run(
        tmp_path / "run", tiny_cvrl(task="pendulum-swingup", variant="natural", environment=look)
    )
    command = ["preview", "pendulum-swingup", "--policy", str(run), "--out", str(tmp_path / "x.gif")]
    assert main([*command, *SMALL]) == 0
    assert iio.imread(tmp_path / "x.gif").shape[:3] == (6, 64, 64)


def test_a_policy_of_ones_own_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`zero` holds the balanced pole for as long as `module:factory` that gives zeros does, and random actions not."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "preview_policy.py").write_text(
        "import numpy as np\n"
        "class Still:\n"
        "    def reset(self, num_envs): pass\n"
        "    def act(self, obs): return np.zeros((len(obs), 1), np.float32)\n"
    )
    pictures = []
    for policy in ("zero", "preview_policy:Still", "random"):
        command = [
            "preview",
            "cartpole-balance",
            "--variant",
            "standard",
            "--policy",
            policy,
            "--out",
            "x.png",
        ]
        assert main([*command, "--render-size", "64", "--steps", "40", "--action-repeat", "4"]) == 0
        pictures.append(iio.imread(tmp_path / "x.png"))
    zero, own, random = pictures
    assert np.array_equal(zero, own)
    assert (zero != random).any()


def test_policies_that_cannot_be_shown_are_one_sentence(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "x.png"
    for policy, more, status, said in (
        (str(trained), ["walker-walk"], 2, "was trained on pendulum-swingup"),
        (str(trained), ["pendulum-swingup", "--action-repeat", "4"], 2, "leave it out"),
        (str(trained), ["pendulum-swingup", "--size", "84"], 2, "leave it out"),
        ("exprt", ["walker-walk"], 2, "neither zero, random, expert"),
        (
            "tests.evaluation.policies:WrongShape",
            ["pendulum-swingup", "--steps", "60"],
            1,
            "returned actions of shape",
        ),
        ("zero", ["pendulum-swingup", "--action-repeat", "0"], 2, "action_repeat"),
    ):
        assert (
            main(["preview", *more, "--policy", policy, "--out", str(out), "--videos", "embedded"]) == status
        )
        error = capsys.readouterr().err
        assert said in error
        assert "Traceback" not in error
        assert not out.exists()


def test_ctrl_c_while_a_policy_acts_is_no_fault_of_the_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "interrupted_policy.py").write_text(
        "class Interrupted:\n"
        "    def reset(self, num_envs): pass\n"
        "    def act(self, obs): raise KeyboardInterrupt\n"
    )
    command = ["preview", "pendulum-swingup", "--policy", "interrupted_policy:Interrupted", "--out", "x.png"]
    assert main([*command, *SMALL]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not (tmp_path / "x.png").exists()
