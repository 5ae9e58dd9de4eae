from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from agents.training.replay import ROWS_BETWEEN_CHECKPOINTS, Replay
from agents.training.sampling import Recency
from natural_mujoco import InvalidArgument, NaturalMujocoError

SHAPE = (2, 2, 3)


def make_replay(folder: Path, streams: int = 2, capacity: int = 400, **kwargs: object) -> Replay:
    return Replay(folder, streams, capacity, SHAPE, 1, **kwargs)  # type: ignore[arg-type]


def add_rows(replay: Replay, rows: int, episode: int = 10) -> None:
    """Rows that say where they are from: action = row number, reward = stream, frame = row number mod 256."""
    for _ in range(rows):
        row, n = replay.rows, replay.streams
        replay.add(
            np.full((n, *SHAPE), row % 256, np.uint8),
            np.full((n, 1), row, np.float32),
            np.arange(n, dtype=np.float32),
            np.full(n, row % episode == episode - 1),
            np.full(n, row % episode == 0),
        )


def test_sequences_are_consecutive_and_within_one_episode_of_one_stream(tmp_path: Path) -> None:
    replay = make_replay(tmp_path)
    add_rows(replay, 95)
    batch = replay.sample(500, 4, np.random.default_rng(0))
    rows = batch.frames[:, :, 0, 0, 0].numpy().astype(int)
    assert (np.diff(rows, axis=1) == 1).all()
    assert (rows[:, 0] // 10 == rows[:, -1] // 10).all()
    first = rows % 10 == 0
    # What led to a frame is stored with it; nothing led to the first.
    assert (batch.actions[..., 0].numpy() == np.where(first, 0, rows)).all()
    assert (batch.terminals.numpy() == (rows % 10 == 9)).all()
    inner = ~first.any(1)
    streams = batch.rewards[inner].numpy()
    assert (streams == streams[:, :1]).all()
    assert set(streams[:, 0]) == {0, 1}


def test_sampling_is_uniform_over_valid_starts(tmp_path: Path) -> None:
    replay = make_replay(tmp_path, streams=3)
    add_rows(replay, 47)  # four episodes of 10, one of 7 that is still running
    stream, start, *_ = replay.draw(60_000, 4, np.random.default_rng(1))
    valid = [(s, r) for s in range(3) for r in range(47) if r % 10 <= (6 if r < 40 else 3)]
    assert replay.windows(4) == len(valid) == 3 * (4 * 7 + 4)
    counts = np.array([np.sum((stream == s) & (start == r)) for s, r in valid])
    assert counts.sum() == 60_000
    assert chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("edges", [False, True])
def test_a_share_is_drawn_from_recent_episodes_alone(tmp_path: Path, edges: bool) -> None:
    replay = make_replay(tmp_path, streams=2, recency=Recency(0.5, 40))
    add_rows(replay, 195)  # nineteen episodes of 10, and one of 5 that is still running
    _, start, low, _ = replay.draw(60_000, 4, np.random.default_rng(1), edge_windows=edges)
    assert ((start >= low) & (start % 10 <= 6)).all()
    # The last 40 steps of two streams are rows 175 to 194: three episodes lasted into them.
    recent = (start >= 170).mean()
    of_all = (7 * 2 + 2 + 2 * edges * 3) / (
        7 * 19 + 2 + 2 * edges * 20
    )  # windows, and margins of one at each end
    assert recent == pytest.approx(0.5 + 0.5 * of_all, abs=0.01)
    valid = [row for row in range(170, 192) if row % 10 <= 6]
    counts = np.array([np.sum(start == row) for row in valid])
    assert edges or chisquare(counts).pvalue > 1e-3


def test_where_no_recent_episode_is_long_enough_all_are_drawn_from(tmp_path: Path) -> None:
    replay = make_replay(tmp_path, recency=Recency(1.0, 2))
    add_rows(replay, 22)  # the running episodes have two rows
    _, start, *_ = replay.draw(1000, 4, np.random.default_rng(1))
    assert set(start // 10) == {0, 1}


def test_simultaneous_windows_are_the_same_rows_of_different_streams(tmp_path: Path) -> None:
    replay = make_replay(tmp_path, streams=4)
    add_rows(replay, 95)
    batch = replay.sample(30, 4, np.random.default_rng(1), edge_windows=True, simultaneous=3)
    rows = batch.frames[:, :, 0, 0, 0].numpy().astype(int).reshape(10, 3, 4)
    assert (rows == rows[:, :1]).all()
    streams = batch.rewards[:, -1].numpy().reshape(10, 3)
    assert all(len(set(group)) == 3 for group in streams)
    assert set(streams.ravel()) == {0, 1, 2, 3}
    assert len({group[0, 0] for group in rows}) > 3
    assert replay.sample(8, 4, np.random.default_rng(1), simultaneous=3).frames.shape[0] == 8
    all_streams, more = (
        replay.sample(8, 4, np.random.default_rng(1), simultaneous=n).actions for n in (replay.streams, 50)
    )
    assert torch.equal(all_streams, more)  # with fewer environments a preset's eight are all there are


def test_edge_windows_show_the_ends_of_episodes_without_filling_batches_with_them(tmp_path: Path) -> None:
    """An episode at action repeat 8 and windows of 24: the first window was drawn 16 % of the time, now 5 %."""
    replay = make_replay(tmp_path, streams=1)
    add_rows(replay, 126, episode=126)
    shares = {}
    for edges in (False, True):
        _, start, low, _ = replay.draw(40_000, 24, np.random.default_rng(2), edge_windows=edges)
        assert ((start >= low) & (start + 24 <= 126)).all()
        counts = np.bincount(start, minlength=103) / len(start)
        shares[edges] = counts[[0, -1]]
        assert counts[1:-1].max() < 0.02
    assert shares[False].max() < 0.02
    assert ((shares[True] > 0.04) & (shares[True] < 0.08)).all()


def test_the_ring_forgets_what_is_beyond_its_capacity(tmp_path: Path) -> None:
    replay = make_replay(tmp_path, streams=1, capacity=25)
    add_rows(replay, 3000)
    assert replay.steps == 25
    _, start, *_ = replay.draw(2000, 4, np.random.default_rng(3))
    assert start.min() >= 2975
    assert len(replay._start) <= 4
    rows = replay.sample(200, 4, np.random.default_rng(3)).actions[..., 0].numpy()
    assert set(rows[rows > 0].astype(int)) <= set(range(2975, 3000))


def test_memory_is_bounded_by_the_capacity() -> None:
    # 1M steps of 64×64×3 must fit in 13 GB: counted from the layout, the arrays themselves would fill the machine.
    bytes_per_step = 64 * 64 * 3 + 12 * 4 + 4 + 1
    for streams in (1, 8):
        stored = streams * (1_000_000 // streams + 2 * ROWS_BETWEEN_CHECKPOINTS)
        assert stored * bytes_per_step < 13e9


def test_its_bytes_are_what_the_layout_says(tmp_path: Path) -> None:
    replay = make_replay(tmp_path, streams=2, capacity=100)
    rows = 2 * (50 + 2 * ROWS_BETWEEN_CHECKPOINTS)
    assert sum(column.data.nbytes for column in replay._columns) == rows * (12 + 4 + 4 + 1)


@pytest.mark.parametrize("storage", ["memory", "mapped"])
def test_it_is_restored_to_the_last_sync_whatever_came_after(tmp_path: Path, storage: str) -> None:
    replay = make_replay(tmp_path, capacity=60, storage=storage)
    add_rows(replay, 4000)
    state = replay.sync()
    expected = replay.sample(50, 4, np.random.default_rng(4))
    for _ in range(2):  # what a killed run wrote later, synced or not
        add_rows(replay, ROWS_BETWEEN_CHECKPOINTS // 2)
        replay.sync()
    again = make_replay(tmp_path, capacity=60, storage=storage)
    again.restore(state, replay.tensors(), "state.json")
    assert again.rows == 4000
    for a, b in zip(expected, again.sample(50, 4, np.random.default_rng(4)), strict=True):
        assert torch.equal(a, b)
    add_rows(again, 7)
    assert again.sample(50, 4, np.random.default_rng(5)).frames.shape == (50, 4, *SHAPE)


def test_mapped_and_memory_replays_give_the_same(tmp_path: Path) -> None:
    batches = []
    for storage in ("memory", "mapped"):
        replay = make_replay(tmp_path / storage, storage=storage)
        add_rows(replay, 95)
        batches.append(replay.sample(20, 5, np.random.default_rng(6)))
    assert all(torch.equal(a, b) for a, b in zip(*batches, strict=True))


def test_stacked_transitions_repeat_the_first_frame_and_stay_in_the_episode(tmp_path: Path) -> None:
    replay = make_replay(tmp_path)
    add_rows(replay, 95)
    frames, following, row = replay.sample_stacked(400, 3, np.random.default_rng(7))
    now, then = (x[..., 0, 0, 0].numpy().astype(int) for x in (frames, following))
    low = now[:, -1] // 10 * 10
    expected = np.maximum(now[:, -1:] + np.arange(-2, 1), low[:, None])
    assert (now == expected).all()
    assert (then[:, -1] == now[:, -1] + 1).all()
    assert (then[:, 0] == now[:, 1]).all()
    assert (row.actions[:, 0, 0].numpy() == then[:, -1]).all()
    assert (now[:, 0] == now[:, -1]).any()  # some are at the beginning


def test_stacked_pieces_of_several_steps_hold_every_step_on_the_way_within_one_episode(
    tmp_path: Path,
) -> None:
    replay = make_replay(tmp_path)
    add_rows(replay, 95)
    frames, later, way = replay.sample_stacked(400, 3, np.random.default_rng(7), steps=4)
    now, then = (x[..., 0, 0, 0].numpy().astype(int) for x in (frames, later))
    assert (then[:, -1] == now[:, -1] + 4).all()
    assert (now[:, -1] // 10 == then[:, -1] // 10).all()
    assert (way.actions[..., 0].numpy() == now[:, -1:] + np.arange(1, 5)).all()
    assert (now[:, -1] % 10 == 5).any()  # the last one of an episode that has four steps after it


def test_windows_of_one_episode_come_in_a_row_and_all_windows_come_equally_often(tmp_path: Path) -> None:
    """An episode is ten rows: seven windows of four."""
    replay = make_replay(tmp_path, streams=1)
    add_rows(replay, 40)
    stream, start, low, _ = replay.draw(8000, 4, np.random.default_rng(9), per_episode=4)
    assert len(stream) == len(start) == 8000
    assert (low.reshape(-1, 4) == low.reshape(-1, 4)[:, :1]).all()
    assert (np.diff(start.reshape(-1, 4)) != 0).any()
    places, counts = np.unique(start, return_counts=True)
    assert set(places % 10) == set(range(7))
    assert counts.max() / counts.min() < 1.35
    assert len(replay.draw(6, 4, np.random.default_rng(9), per_episode=4)[0]) == 6


def test_rows_know_whether_they_began_an_episode(tmp_path: Path) -> None:
    """Episodes are ten rows; one whose beginning the ring has lost has none."""
    replay = make_replay(tmp_path, streams=1, capacity=25)
    add_rows(replay, 3000)
    batch = replay.sample(300, 4, np.random.default_rng(8))
    row = batch.frames[..., 0, 0, 0].int()  # a row's number, in a byte
    recent, began = replay.recent(25)
    assert torch.equal(recent.first[0].nonzero().flatten(), torch.tensor([5, 15]))
    assert began[0].tolist() == [-5] * 5 + [5] * 10 + [15] * 10
    numbers = (torch.arange(2975, 3000) % 256).int()
    expected = torch.isin(row, numbers[recent.first[0] > 0])
    assert torch.equal(batch.first > 0, expected)
    assert expected.any()


def test_recent_actions_and_frames(tmp_path: Path) -> None:
    replay = make_replay(tmp_path)
    add_rows(replay, 25)
    assert replay.recent_actions(3)[:, :, 0].tolist() == [[22, 22], [23, 23], [24, 24]]
    assert replay.last_frames()[0, 0, 0, 0] == 24


def test_too_little_data_is_said(tmp_path: Path) -> None:
    replay = make_replay(tmp_path)
    with pytest.raises(NaturalMujocoError, match="No episode in the replay is 4 steps long"):
        replay.sample(1, 4, np.random.default_rng(0))
    add_rows(replay, 3)
    with pytest.raises(NaturalMujocoError, match="batch-length"):
        replay.sample(1, 4, np.random.default_rng(0))


def test_a_capacity_below_the_environments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="capacity 1"):
        make_replay(tmp_path, capacity=1)


def test_files_of_another_size_are_refused(tmp_path: Path) -> None:
    make_replay(tmp_path, capacity=100)
    with pytest.raises(NaturalMujocoError, match="or was cut off"):
        make_replay(tmp_path, capacity=200)


def test_a_full_disk_is_said_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(NaturalMujocoError, match=r"No space left on device.*--replay\.capacity"):
        make_replay(tmp_path, storage="mapped")
