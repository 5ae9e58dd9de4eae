from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from agents.training.checkpoint import STATE, TENSORS, load_checkpoint, save_checkpoint
from agents.training.state import PolicyState
from natural_mujoco import NaturalMujocoError


def save(run: Path, number: int) -> Path:
    return save_checkpoint(
        run, number, {"x": torch.full((3,), float(number))}, {"control_steps": number, "action_size": 1}
    )


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(2, 3), "b": torch.arange(4, dtype=torch.uint8), "c": torch.tensor(1.5)}
    save_checkpoint(tmp_path, 7, tensors, {"control_steps": 3, "action_size": 1, "big": 2**100})

    class State(PolicyState):
        big: int

    loaded = load_checkpoint(tmp_path, State)
    assert loaded is not None
    assert all(torch.equal(loaded.tensors[k], v) for k, v in tensors.items())
    assert loaded.state.big == 2**100
    assert loaded.path.name == "000000000007"


def test_the_last_two_are_kept_and_the_newest_is_loaded(tmp_path: Path) -> None:
    for number in (5, 20, 100):
        save(tmp_path, number)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == ["000000000020", "000000000100"]
    loaded = load_checkpoint(tmp_path, PolicyState)
    assert loaded is not None
    assert loaded.state.control_steps == 100


def test_nothing_saved_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, PolicyState) is None


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("file", [TENSORS, STATE])
@pytest.mark.parametrize("damage", [truncate, flip_a_bit, empty, os.remove])
def test_a_damaged_one_is_passed_over_for_the_one_before_and_said(
    tmp_path: Path, file: str, damage: object
) -> None:
    save(tmp_path, 1)
    damage(save(tmp_path, 2) / file)  # type: ignore[operator]
    said: list[str] = []
    loaded = load_checkpoint(tmp_path, PolicyState, said.append)
    assert loaded is not None
    assert loaded.state.control_steps == 1
    assert loaded.tensors["x"].tolist() == [1, 1, 1]
    assert len(said) == 1
    assert "000000000002" in said[0]
    assert "damaged" in said[0]


def test_all_damaged_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    for number in (1, 2):
        truncate(save(tmp_path, number) / TENSORS)
    with pytest.raises(NaturalMujocoError, match="start the run again"):
        load_checkpoint(tmp_path, PolicyState, lambda _: None)


def test_state_of_another_checkpoint_is_damage(tmp_path: Path) -> None:
    one, two = save(tmp_path, 1), save(tmp_path, 2)
    (two / STATE).write_bytes((one / STATE).read_bytes())
    loaded = load_checkpoint(tmp_path, PolicyState, lambda _: None)
    assert loaded is not None
    assert loaded.state.control_steps == 1


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_checkpoint_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    save(tmp_path, 1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, full)
    with pytest.raises(NaturalMujocoError, match=r"The disk is full: free some space.*resume from the last"):
        save(tmp_path, 2)
    monkeypatch.undo()
    assert [p.name for p in (tmp_path / "checkpoints").iterdir()] == ["000000000001"]
    loaded = load_checkpoint(tmp_path, PolicyState)
    assert loaded is not None
    assert loaded.state.control_steps == 1


def test_an_unfinished_write_of_a_killed_run_is_no_checkpoint(tmp_path: Path) -> None:
    save(tmp_path, 1)
    left = tmp_path / "checkpoints" / ".000000000002.tmp"
    left.mkdir()
    (left / TENSORS).write_bytes(b"half")
    loaded = load_checkpoint(tmp_path, PolicyState)
    assert loaded is not None
    assert loaded.state.control_steps == 1
    save(tmp_path, 2)
    assert not left.exists()


def test_no_file_of_a_checkpoint_can_execute(tmp_path: Path) -> None:
    folder = save(tmp_path, 1)
    assert sorted(p.name for p in folder.iterdir()) == [TENSORS, STATE]
    json.loads((folder / STATE).read_text())
    assert b"pickle" not in (folder / TENSORS).read_bytes()
