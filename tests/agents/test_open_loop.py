from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
import pytest
import torch

from agents.studies.open_loop import main
from agents.training.open_loop_prediction import CONTEXT, STEPS, open_loop, write_open_loop
from agents.training.replay import Replay

from .test_loading import write_run
from .tiny import make, random_batch, tiny_cvrl, tiny_dreamer


def filled_replay(folder: Path, config: object, rows: int) -> Replay:
    replay = Replay(folder, 1, config.replay.capacity, (64, 64, 3), 2)  # type: ignore[attr-defined]
    rng = np.random.default_rng(0)
    for row in range(rows):
        frame = rng.integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
        replay.add(frame, np.zeros((1, 2), np.float32), np.zeros(1), np.zeros(1, bool), np.array([row == 0]))
    return replay


def test_rows_are_truth_model_and_error() -> None:
    agent = make(tiny_dreamer())
    batch = random_batch(t=8)
    films = open_loop(agent, batch, context=3)
    assert films.shape == (3, 8, 192, 64, 3)
    truth, believed, error = (films[:, :, i * 64 : (i + 1) * 64].astype(int) for i in range(3))
    assert (truth == batch.frames.numpy()).all()
    assert np.abs(error - (believed - truth + 255) // 2).max() <= 1


def outspoken_dreamer() -> Any:
    """An agent whose few channels show in the picture what the latent says."""
    agent = make(tiny_dreamer())
    with torch.no_grad():
        for layer in agent.world_model.decoder.layers:
            layer.weight *= 8
    return agent


def test_after_the_context_the_model_sees_nothing() -> None:
    agent = outspoken_dreamer()
    batch = random_batch(t=8)
    changed = batch.frames.clone()
    changed[:, 3:] = 255 - changed[:, 3:]
    one, two = (
        open_loop(agent, batch._replace(frames=f), context=3)[:, :, 64:128] for f in (batch.frames, changed)
    )
    assert (one == two).all()
    changed = batch.frames.clone()
    changed[:, 2] = 255 - changed[:, 2]
    assert (one != open_loop(agent, batch._replace(frames=changed), context=3)[:, :, 64:128]).any()


def test_what_it_imagines_follows_the_recorded_actions() -> None:
    agent = outspoken_dreamer()
    batch = random_batch(t=8)
    changed = batch.actions.clone()
    changed[:, 5] *= -1
    believed = [
        open_loop(agent, batch._replace(actions=a), context=3)[:, :, 64:128] for a in (batch.actions, changed)
    ]
    differs = (believed[0] != believed[1]).any((0, 2, 3, 4))
    assert not differs[:5].any()
    assert differs[5:].any()


@pytest.mark.parametrize("ablation", ["generative", "none"])
def test_files_are_written_for_generative_models_alone(tmp_path: Path, ablation: str) -> None:
    config = tiny_cvrl(ablation=ablation)
    replay = filled_replay(tmp_path / "replay", config, CONTEXT + STEPS + 3)
    picture = write_open_loop(make(config), replay, tmp_path)
    if ablation == "none":
        assert picture is None
        assert not (tmp_path / "open_loop.png").exists()
        return
    assert picture is not None
    assert (imageio.imread(tmp_path / "open_loop.png") == picture).all()
    assert len(imageio.imread(tmp_path / "open_loop.gif", index=None)) == CONTEXT + STEPS


def test_the_command_works_on_a_run_and_refuses_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from agents.training.checkpoint import save_checkpoint

    config = tiny_dreamer()
    agent = write_run(tmp_path, config)
    replay = filled_replay(tmp_path / "replay", config, CONTEXT + STEPS + 3)
    state = {"action_size": 2, "control_steps": 1, "replay": replay.sync().model_dump()}
    save_checkpoint(tmp_path, 2, agent.tensors(), state)
    assert main([str(tmp_path), "--device", "cpu"]) == 0
    assert (tmp_path / "open_loop.png").stat().st_size > 0

    config = tiny_cvrl()
    other = tmp_path / "contrastive"
    agent = write_run(other, config)
    replay = filled_replay(other / "replay", config, CONTEXT + STEPS + 3)
    save_checkpoint(other, 2, agent.tensors(), {**state, "replay": replay.sync().model_dump()})
    assert main([str(other), "--device", "cpu"]) == 2
    assert "has no decoder" in capsys.readouterr().err
    assert main([str(tmp_path / "nowhere")]) == 1
    assert "no run directory" in capsys.readouterr().err


def test_it_draws_the_same_picture_every_time() -> None:
    agent = make(tiny_dreamer())
    torch.manual_seed(1)
    one = open_loop(agent, random_batch(t=8), context=3)
    torch.manual_seed(2)
    assert (one == open_loop(agent, random_batch(t=8), context=3)).all()
