"""What is done to frames before a world model's encoder reads them: alike over a sequence, and to no target."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from agents.model.augmentation import augmented, overlay
from agents.model.pixels import random_shift
from agents.training.config import AugmentationConfig

from .tiny import CPU, B, T, make, random_batch, tiny_cvrl, tiny_dreamer, tiny_repo

ALL = AugmentationConfig(random_shift=3, overlay_probability=0.75, overlay_weight=0.6)


def test_a_sequence_is_shifted_as_one_with_its_edge_repeated() -> None:
    frames = torch.arange(8 * 8, dtype=torch.uint8).view(1, 1, 8, 8, 1).expand(64, 5, 8, 8, 3)
    shifted = random_shift(frames, 2, torch.Generator(CPU).manual_seed(0))
    assert torch.equal(shifted, shifted[:, :1].expand_as(shifted))
    seen = set()
    for picture in shifted[:, 0, :, :, 0].int():
        rows, columns = picture[3, 3] // 8 - 3, picture[3, 3] % 8 - 3
        expected = (torch.arange(8) + rows).clamp(0, 7)[:, None] * 8 + (torch.arange(8) + columns).clamp(0, 7)
        assert torch.equal(picture, expected.int())
        seen.add((int(rows), int(columns)))
    assert len(seen) > 15
    assert max(map(max, seen)) == 2
    assert min(map(min, seen)) == -2


def test_an_overlay_is_one_frame_of_another_sequence_and_never_weighs_more_than_it_may() -> None:
    """Sequence b is grey level 10·b + its step."""
    level = (10 * torch.arange(4)[:, None] + torch.arange(6)).to(torch.uint8)
    frames = level[:, :, None, None, None].expand(4, 6, 2, 2, 3)
    generator = torch.Generator(CPU).manual_seed(1)
    touched = 0
    for _ in range(50):
        mixed = overlay(frames, 0.75, 0.6, generator).float()[:, :, 0, 0, 0]
        change = mixed - level
        touched += int((change.abs() > 0.5).any(1).sum())
        # (1 − w)·own + w·other, with one w and one other for the whole sequence.
        slope = (mixed[:, -1] - mixed[:, 0]) / 5
        assert (slope >= 0.4 - 0.2).all()
        assert (slope <= 1).all()
    assert 100 < touched < 170  # 150 of 200 are drawn; light ones round to nothing
    assert torch.equal(overlay(frames, 0.0, 0.6, generator), frames)


def test_with_everything_off_no_number_is_drawn() -> None:
    """So that runs of versions that knew no augmentation go on as they were."""
    generator = torch.Generator(CPU).manual_seed(2)
    before, frames = generator.get_state(), random_batch().frames
    assert augmented(frames, AugmentationConfig(), generator) is frames
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("tiny", [tiny_cvrl, tiny_dreamer, tiny_repo])
def test_encoders_see_what_was_done_and_decoders_are_asked_for_what_was_filmed(tiny: object) -> None:
    agent = make(tiny(augmentation=ALL))  # type: ignore[operator]
    batch, read = random_batch(), []
    encode = agent.world_model.encoder.forward
    agent.world_model.encoder.forward = lambda frames: (read.append(frames), encode(frames))[1]
    targets = []
    if agent.world_model.decoder is not None:
        error = agent.world_model.decoder.squared_error
        agent.world_model.decoder.squared_error = lambda f, x: (targets.append(x), error(f, x))[1]
    agent.update(batch)
    assert read[0].shape == batch.frames.shape
    assert not torch.equal(read[0], batch.frames)
    assert all(torch.equal(target, batch.frames) for target in targets)
    assert len(targets) == (tiny is tiny_dreamer)


def test_what_batches_are_made_of_reaches_the_replay() -> None:
    asked = []

    class Replay:
        def sample(self, *arguments: object) -> object:
            asked.append(arguments)
            return random_batch()

    config = tiny_cvrl()
    agent = make(
        replace(config, replay=replace(config.replay, windows_per_episode=4, simultaneous_windows=2))
    )
    agent.draw(Replay(), None)  # type: ignore[arg-type]
    assert asked == [(B, T, None, False, 4, 2)]
