"""`natural-mujoco list`."""

from __future__ import annotations

import gymnasium as gym
import pytest

from natural_mujoco import TASKS
from natural_mujoco.cli import main


def test_ids_are_the_registered_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--ids"]) == 0
    ids = capsys.readouterr().out.split()
    assert len(ids) == len(set(ids)) == 2 * len(TASKS)
    assert all(gym.spec(env_id).entry_point for env_id in ids)


def test_the_table_fits_a_terminal_and_names_every_id_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    table = capsys.readouterr().out
    main(["list", "--ids"])
    for env_id in capsys.readouterr().out.split():
        assert env_id in table
    assert "cartpole-swingup" in table
    assert max(map(len, table.splitlines())) <= 100


def test_an_unknown_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["dance"])
    assert stopped.value.code == 2
    assert "dance" in capsys.readouterr().err
