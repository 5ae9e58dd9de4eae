"""The shipped experts: the trained networks themselves, with true cards, and nothing that is damaged gets through."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from natural_mujoco import TASKS, InvalidArgument, find_task
from natural_mujoco.errors import ExpertError
from natural_mujoco.experts import EXPERTS, Expert, load_expert
from natural_mujoco.experts.expert import FOLDER
from natural_mujoco.rendering.gl import import_dm_control

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "experts"
MAX_BYTES = 500_000

ALL = [task.name for task in TASKS.values()]
every_expert = pytest.mark.parametrize("name", EXPERTS)


def observation_of(name: str, seed: int = 0) -> dict[str, Any]:
    task = find_task(name)
    env = import_dm_control().load(task.domain, task.task, task_kwargs={"random": seed})
    return dict(env.reset().observation)


@every_expert
def test_it_acts_as_the_network_that_was_trained(name: str) -> None:
    """The golden actions are the training library's own answers, written down when the expert was exported."""
    golden = load_file(GOLDEN / f"{name}.safetensors")
    actions = load_expert(name).act(golden["states"])
    assert actions.dtype == np.float32
    np.testing.assert_allclose(actions, golden["actions"], atol=2e-5)
    assert len(np.unique(golden["states"], axis=0)) > 32
    assert np.abs(golden["actions"]).max() <= 1


@every_expert
def test_it_reads_dm_controls_observation_flat_or_whole_or_in_batches(name: str) -> None:
    expert = load_expert(find_task(name).natural_id)
    observation = observation_of(name)
    assert list(expert.card.observation) == list(observation)
    assert [np.size(part) for part in observation.values()] == list(expert.card.observation.values())
    flat = np.concatenate([np.ravel(part) for part in observation.values()])
    whole = expert.act(observation)
    assert whole.shape == (expert.card.action_size,)
    np.testing.assert_array_equal(whole, expert.act(flat))
    np.testing.assert_allclose(np.stack([whole, whole]), expert.act([flat, flat]), atol=1e-6)
    with pytest.raises(ExpertError, match=rf"reads {len(flat)} numbers .* of shape \[{len(flat) - 1}\]"):
        expert.act(flat[1:])


@every_expert
def test_its_card_is_about_it(name: str) -> None:
    card = load_expert(name).card
    assert (card.task, card.privileged) == (name, "state")
    assert {returns.action_repeat for returns in card.returns} == {1, 2, 4}
    assert all(returns.episodes >= 20 for returns in card.returns)
    assert next(returns.episodes for returns in card.returns if returns.action_repeat == 2) == 50
    assert card.training.control_steps > 0
    assert (FOLDER / f"{name}.safetensors").stat().st_size <= MAX_BYTES


@every_expert
def test_it_earns_what_its_card_says(name: str) -> None:
    """Two episodes of physics alone, at the card's coarsest repeat: within what single episodes vary by."""
    expert = load_expert(name)
    said = next(returns for returns in expert.card.returns if returns.action_repeat == 4)
    task = find_task(name)
    total = 0.0
    for seed in (20_000, 20_001):
        env = import_dm_control().load(task.domain, task.task, task_kwargs={"random": seed})
        time_step = env.reset()
        while not time_step.last():
            action = expert.act(time_step.observation)
            for _ in range(4):
                time_step = env.step(action)
                total += time_step.reward
    assert total / 2 >= said.lowest - 30


@pytest.mark.parametrize("name", ALL)
def test_a_task_has_an_expert_or_a_sentence(name: str) -> None:
    if name in EXPERTS:
        assert load_expert(name).task == name
    else:
        with pytest.raises(ExpertError, match=rf"No expert of {name} is shipped\. Shipped are those of: "):
            load_expert(name)


def test_experts_are_listed_as_the_tasks_are() -> None:
    assert list(EXPERTS) == [name for name in ALL if name in EXPERTS]
    assert {path.stem for path in FOLDER.glob("*.*")} == set(EXPERTS)
    with pytest.raises(InvalidArgument, match="Unknown task 'walker-fly'"):
        load_expert("walker-fly")


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A folder with the first expert's files."""
    for ending in (".safetensors", ".json"):
        shutil.copy(FOLDER / f"{EXPERTS[0]}{ending}", tmp_path)
    return tmp_path


def test_a_copy_loads(copied: Path) -> None:
    assert isinstance(load_expert(EXPERTS[0], copied), Expert)
    with pytest.raises(ExpertError, match=f"No expert of {EXPERTS[1]} is in {copied}"):
        load_expert(EXPERTS[1], copied)


def _flip_a_weight(weights: Path, card: Path) -> None:
    data = bytearray(weights.read_bytes())
    data[-100] ^= 1
    weights.write_bytes(data)


def _cut_in_half(weights: Path, card: Path) -> None:
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def _pickle_instead(weights: Path, card: Path) -> None:
    weights.write_bytes(b"\x80\x04cos\nsystem\n(S'true'\ntR.")


def _lose_a_layer(weights: Path, card: Path) -> None:
    tensors = load_file(weights)
    del tensors["bias1"]
    save_file(tensors, weights, metadata={"task": EXPERTS[0]})


def _weights_of_another(weights: Path, card: Path) -> None:
    shutil.copy(FOLDER / f"{EXPERTS[1]}.safetensors", weights)


def _card_of_another(weights: Path, card: Path) -> None:
    shutil.copy(FOLDER / f"{EXPERTS[1]}.json", card)


def _lose_the_card(weights: Path, card: Path) -> None:
    card.unlink()


def _cut_the_card(weights: Path, card: Path) -> None:
    card.write_bytes(card.read_bytes()[:100])


def _add_to_the_card(weights: Path, card: Path) -> None:
    card.write_text(json.dumps(json.loads(card.read_text()) | {"rank": 1}))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_flip_a_weight, "is damaged"),
        (_cut_in_half, "is damaged"),
        (_pickle_instead, "is damaged"),
        (_lose_a_layer, "is damaged"),
        (_weights_of_another, "holds the weights of"),
        (_card_of_another, "is the card of"),
        (_lose_the_card, "Cannot read the expert's card"),
        (_cut_the_card, "is damaged"),
        (_add_to_the_card, "is damaged"),
    ],
)
def test_what_is_damaged_or_anothers_is_refused_in_a_sentence(
    copied: Path, damage: Any, message: str
) -> None:
    damage(copied / f"{EXPERTS[0]}.safetensors", copied / f"{EXPERTS[0]}.json")
    with pytest.raises(ExpertError, match=message) as caught:
        load_expert(EXPERTS[0], copied)
    assert "\n" not in str(caught.value)


@every_expert
def test_the_page_says_what_the_card_says(name: str) -> None:
    card = load_expert(name).card
    said = next(returns for returns in card.returns if returns.action_repeat == 2)
    row = (
        f"| {name} | {said.mean:.0f} | {said.lowest:.0f} | {card.target:.0f} | "
        f"{card.training.control_steps / 1e6:.2f} million | {card.training.processor_minutes:.0f} |"
    )
    page = (Path(__file__).resolve().parents[2] / "docs" / "experts.md").read_text(encoding="utf-8")
    assert row in page
