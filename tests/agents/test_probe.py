from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from agents.studies import probe
from agents.studies.probe import ProbeConfig, main, probe_features, run_config, score
from agents.studies.probe_data import ProbeEpisodes, collect_episodes, held_out_r2
from agents.studies.supervised import Labelled

from .tiny import MODEL, make, random_batch, tiny_cvrl


def test_r2_finds_what_is_linear_and_not_what_is_not_there() -> None:
    rng = np.random.default_rng(0)
    x, held = rng.normal(size=(800, 10)), rng.normal(size=(400, 10))
    mix = rng.normal(size=(10, 2))

    def y(features: np.ndarray, noise: float) -> np.ndarray:
        linear = features @ mix + noise * rng.normal(size=(len(features), 2))
        return np.concatenate([linear, rng.normal(size=(len(features), 1))], 1)

    r2 = held_out_r2(x, y(x, 0.0), held, y(held, 0.0), groups=8)
    assert r2[:2] == pytest.approx(1, abs=1e-2)
    assert abs(r2[2]) < 0.1
    noisy = held_out_r2(x, y(x, 2.0), held, y(held, 2.0), groups=8)
    expected = (mix**2).sum(0) / ((mix**2).sum(0) + 4)  # the share of the variance that is not noise
    np.testing.assert_allclose(noisy[:2], expected, atol=0.1)


def test_r2_is_that_of_held_out_rows() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(200, 150)), rng.normal(size=(200, 1))
    assert held_out_r2(x, y, rng.normal(size=(200, 150)), rng.normal(size=(200, 1)), groups=4)[0] < 0.1


def test_a_constant_shift_between_the_halves_costs_r2() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(400, 3))
    assert held_out_r2(x, x, x, x, groups=4) == pytest.approx(1, abs=1e-2)
    assert (held_out_r2(x, x, x + 2, x, groups=4) < 0).all()


def episodes(seed: int, count: int = 3, steps: int = 8) -> ProbeEpisodes:
    """Episodes whose brightness is the first physical quantity; the second is constant."""
    batch = random_batch(seed, count, steps)
    rng = np.random.default_rng(seed)
    level = rng.uniform(0, 1, (count, steps))
    frames = (batch.frames.numpy() * 0.1 + 220 * level[..., None, None, None]).astype(np.uint8)
    states = np.stack([level, np.full_like(level, 3.0)], -1)
    return ProbeEpisodes(
        frames, batch.actions.numpy(), level.astype(np.float32), states, ("brightness", "constant")
    )


def test_an_encoder_that_sees_scores_and_constants_are_left_out() -> None:
    agent = make(tiny_cvrl())
    scores, again = score(agent, episodes(0, 16, 12), [episodes(1, 6, 12), episodes(0, 16, 12)])
    assert again["embedding"]["brightness"] > scores["embedding"]["brightness"]
    assert set(scores) == {"features", "embedding"}
    assert set(scores["embedding"]) == {"mean", "reward", "brightness"}
    assert scores["embedding"]["brightness"] > 0.5
    assert scores["embedding"]["mean"] == scores["embedding"]["brightness"]


def test_a_probes_replay_holds_every_episode_once_in_a_few_streams(tmp_path: Path) -> None:
    """A stream for each of hundreds of episodes would take the room of a thousand rows with each."""
    data = episodes(0, 48, 12)
    replay = probe._as_replay(data, tmp_path)
    assert replay.streams == 16
    recent, began = replay.recent(36)
    assert recent.first.sum() == 48
    rows = recent.rewards.reshape(16, 3, 12).transpose(0, 1).reshape(48, 12)
    np.testing.assert_array_equal(rows[:, 1:], data.rewards[:, 1:])
    assert (began >= 0).all()


def test_labels_are_those_of_the_frames_and_teach_the_world_model() -> None:
    """Brightness counts frames through all episodes, so that every frame tells its label."""
    data = episodes(0, 5, 12)
    count = np.arange(60.0).reshape(5, 12)
    frames = np.broadcast_to(count[..., None, None, None] * 4, data.frames.shape).astype(np.uint8)
    data = data._replace(frames=frames, states=np.stack([count, np.ones_like(count)], -1))
    model = replace(MODEL, learning_rate=1e-2, reward_weight=100.0, gradient_clip=1000.0)
    agent = make(tiny_cvrl(ablation="reward-only", model=model))
    labelled = Labelled(agent, data)
    batch, labels = labelled.draw(np.random.default_rng(0))
    assert labels.shape == (*batch.rewards.shape, 1)  # the constant has none
    shown = batch.frames[..., 0, 0, 0].float() / 4
    torch.testing.assert_close(labels[..., 0], (shown - 29.5) / float(count.std(ddof=1)))
    torch.testing.assert_close(batch.first, (shown % 12 == 0).float())
    before = {k: v.clone() for k, v in agent.world_model.state_dict().items()}
    losses = [float(labelled.update(np.random.default_rng(i))["model/label_error"]) for i in range(60)]
    assert np.mean(losses[-10:]) < 0.5 * np.mean(losses[:10])
    assert not torch.equal(
        before["encoder.convolutions.0.weight"], agent.world_model.encoder.convolutions[0].weight
    )


def test_features_are_filtered_over_whole_episodes() -> None:
    agent = make(tiny_cvrl())
    data = episodes(0)
    features = probe_features(agent, data)["features"]
    assert features.shape == (3, 8, 16)
    changed = data._replace(frames=data.frames.copy())
    changed.frames[:, 2] = 0
    differs = (features != probe_features(agent, changed)["features"]).any((0, 2))
    assert differs.tolist() == [False] * 2 + [True] * 6
    assert np.array_equal(features, probe_features(agent, data)["features"])  # no noise


def test_a_probe_has_the_agents_own_world_model() -> None:
    config = ProbeConfig(task="CheetahRun", preset="laptop", videos="embedded")
    shared = run_config(replace(config, shared_background=True, prediction_weight=0.5), "cvrl", "natural", 3)
    assert (shared.environment.shared_background, shared.replay.simultaneous_windows) == (True, 8)
    assert shared.contrastive.prediction_weight == 0.5
    generative = run_config(config, "generative", "natural", 3)
    contrastive = run_config(config, "cvrl", "natural", 3)
    assert (generative.ablation, contrastive.ablation) == ("generative", "none")
    assert generative.model == contrastive.model
    assert (generative.task, generative.seed, generative.videos) == ("cheetah-run", 3, "embedded")
    plain = run_config(replace(config, fast=False), "cvrl", "natural", 3)
    assert contrastive.training.fast
    assert plain == replace(contrastive, training=replace(contrastive.training, fast=False))


def test_real_episodes_have_the_same_motion_in_front_of_any_background(plain_clips: Path) -> None:
    config = run_config(ProbeConfig(videos=str(plain_clips)), "cvrl", "natural", 0)
    config = replace(config, environment=replace(config.environment, action_repeat=50))
    told: list[int] = []
    train = collect_episodes(config, "train", 7, 2, told.append)
    test = collect_episodes(config, "test", 7, 2, told.append)
    assert told == [1, 2, 1, 2]
    assert train.frames.shape == (2, 21, 64, 64, 3)
    np.testing.assert_array_equal(train.states, test.states)
    np.testing.assert_array_equal(train.actions, test.actions)
    np.testing.assert_array_equal(train.rewards, test.rewards)
    assert (train.frames != test.frames).any()
    assert train.names == ("position[0]", "position[1]", "position[2]", "velocity[0]", "velocity[1]")
    np.testing.assert_allclose(
        train.states[..., 1] ** 2 + train.states[..., 2] ** 2, 1
    )  # cos and sin of the pole
    assert not np.array_equal(train.states[0], train.states[1])


def test_episodes_that_share_a_background_differ_by_the_robot_alone(plain_clips: Path) -> None:
    config = run_config(ProbeConfig(videos=str(plain_clips)), "cvrl", "natural", 0)
    config = replace(config, environment=replace(config.environment, action_repeat=100))
    shared = collect_episodes(config, "train", 0, 6, lambda done: None, alike=3)
    corners = shared.frames[:, :, :4, :4].reshape(2, 3, -1)  # in two groups
    assert (corners == corners[:, :1]).all()
    assert (corners[0] != corners[1]).any()
    assert len({tuple(state) for state in shared.states[:, 0]}) == 6
    alone = collect_episodes(config, "train", 0, 6, lambda done: None)
    np.testing.assert_array_equal(alone.states, shared.states)
    np.testing.assert_array_equal(alone.frames[::3], shared.frames[::3])
    assert (alone.frames != shared.frames).any()


def test_a_batch_of_a_shared_background_is_of_the_same_moments(tmp_path: Path) -> None:
    data = episodes(0, 48, 12)
    replay = probe._as_replay(data, tmp_path, 8)
    assert replay.streams == 8
    moments = replay.sample(16, 4, np.random.default_rng(0), simultaneous=8).rewards
    where = [np.argwhere(data.rewards == reward.item())[0] for reward in moments[:, -1]]
    groups = {(int(episode) // 8, int(step)) for episode, step in where[:8]}
    assert len(groups) == 1
    assert len({int(episode) for episode, _ in where[:8]}) == 8


@pytest.fixture
def tiny_probe(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Makes probes tiny; the flags of one, and their data is made up."""

    def tiny_run(config: ProbeConfig, model: str, variant: str, seed: int) -> Any:
        ablation = {"cvrl": "none", "supervised": "reward-only"}.get(model, model)
        return tiny_cvrl(task="cartpole-swingup", variant=variant, seed=seed, ablation=ablation)

    monkeypatch.setattr(probe, "run_config", tiny_run)
    monkeypatch.setattr(
        probe, "collect_episodes", lambda run, split, first, n, say, alike: episodes(first, n, 12)
    )
    return [
        "--updates",
        "6",
        "--probes",
        "2",
        "--train-episodes",
        "4",
        "--test-episodes",
        "2",
        "--threads",
        "1",
    ]


def test_the_command_trains_probes_and_draws(tiny_probe: list[str], tmp_path: Path) -> None:
    assert main([*tiny_probe, "--seeds", "0", "1", "--out", str(tmp_path)]) == 0
    result = json.loads((tmp_path / "cartpole-swingup.json").read_text())
    assert len(result["results"]) == 2 * 3 * 2
    assert {r["model"] for r in result["results"]} == {"cvrl", "generative", "reward-only"}
    assert [p["update"] for p in result["results"][0]["probes"]] == [0, 3, 6]
    assert all(np.isfinite(p["r2"]["features"]["mean"]) for r in result["results"] for p in r["probes"])
    assert (tmp_path / "cartpole-swingup.png").stat().st_size > 10_000
    assert {"r2", "r2_train_videos"} <= result["results"][0]["probes"][0].keys()
    trained = {r["model"]: r["probes"][-1]["r2"]["features"]["mean"] for r in result["results"]}
    assert len(set(trained.values())) == 3


def test_a_stopped_probe_goes_on_where_it_was_and_takes_more_models(
    tiny_probe: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trained: list[str] = []
    real = probe.train_and_probe

    def stop_at_the_second(config: Any, run: Any, train: Any, test: Any, seen: Any, model: str) -> Any:
        if len(trained) == 1:
            raise KeyboardInterrupt
        trained.append(model)
        return real(config, run, train, test, seen, model)

    monkeypatch.setattr(probe, "train_and_probe", stop_at_the_second)
    two = [*tiny_probe, "--variants", "natural", "--models", "cvrl", "reward-only"]
    assert main([*two, "--out", str(tmp_path)]) == 130
    first = json.loads((tmp_path / "cartpole-swingup.json").read_text())["results"]
    assert [(r["model"], r["variant"]) for r in first] == [("cvrl", "natural")]

    def note(config: Any, run: Any, train: Any, test: Any, seen: Any, model: str) -> Any:
        trained.append(model)
        return real(config, run, train, test, seen, model)

    monkeypatch.setattr(probe, "train_and_probe", note)
    assert main([*two, "--seeds", "0", "1", "--out", str(tmp_path)]) == 0
    assert len(trained) == 4
    results = json.loads((tmp_path / "cartpole-swingup.json").read_text())["results"]
    assert results[0] == first[0]
    assert len({(r["model"], r["seed"]) for r in results}) == len(results) == 4
    assert main([*tiny_probe, "--variants", "natural", "--models", "supervised", "--out", str(tmp_path)]) == 0
    ceiling = json.loads((tmp_path / "cartpole-swingup.json").read_text())["results"][-1]
    assert ceiling["model"] == "supervised"
    assert "model/label_error" in ceiling["probes"][-1]

    assert main([*two, "--updates", "7", "--out", str(tmp_path)]) == 2
    assert "updates: 6 there, 7 now" in capsys.readouterr().err
    (tmp_path / "cartpole-swingup.json").write_text("[]")
    assert main([*two, "--out", str(tmp_path)]) == 1
    assert "is not the results of a probe" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--task", "walker-fly"], "Unknown task"),
        (["--train-episodes", "1"], "--train-episodes is 1"),
        (["--updates", "-1"], "--updates must be at least 0"),
        (["--device", "toaster"], "Unknown device"),
        (["--shared-background", "--train-episodes", "12"], "a multiple of 8"),
    ],
)
def test_wrong_usage_is_one_sentence(
    flags: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(flags) == 2
    assert message in capsys.readouterr().err


def test_probing_changes_no_random_stream() -> None:
    agent = make(tiny_cvrl())
    before = agent.update_noise.get_state()
    score(agent, episodes(0), [episodes(1)])
    assert torch.equal(before, agent.update_noise.get_state())
