"""Whole updates of each agent: who is trained by what, and that the fast path is the plain one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from agents.agent import Agent
from agents.model.networks import preprocess
from agents.model.pixels import random_shift
from agents.sac import StackedBatch
from agents.training.config import ContrastiveConfig
from agents.training.optimiser import NonFiniteGradient, Optimiser

from .tiny import MODEL, TRAINING, A, B, make, random_batch, tiny_cvrl, tiny_dreamer, tiny_repo, tiny_sac


def stacked_batch(seed: int = 0) -> StackedBatch:
    g = torch.Generator().manual_seed(seed)
    frames, following = torch.randint(0, 256, (2, B, 3, 64, 64, 3), generator=g, dtype=torch.uint8)
    return StackedBatch(
        frames, following, torch.rand(B, A, generator=g), torch.rand(B, generator=g), torch.zeros(B)
    )


AGENTS: dict[str, tuple[Callable[[], Any], Callable[[int], Any]]] = {
    "cvrl": (tiny_cvrl, random_batch),
    "cvrl-generative": (lambda: tiny_cvrl(ablation="generative"), random_batch),
    "cvrl-no-mpc": (lambda: tiny_cvrl(ablation="no-mpc"), random_batch),
    "cvrl-no-sac": (lambda: tiny_cvrl(ablation="no-sac"), random_batch),
    "cvrl-reward-only": (lambda: tiny_cvrl(ablation="reward-only"), random_batch),
    "dreamer": (tiny_dreamer, random_batch),
    "repo": (tiny_repo, random_batch),
    "sac": (tiny_sac, stacked_batch),
}


def parameters(agent: Agent[Any]) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in agent.state_dict().items()}


def changed(before: dict[str, torch.Tensor], agent: Agent[Any]) -> set[str]:
    return {k for k, v in agent.state_dict().items() if not torch.equal(before[k], v)}


@pytest.mark.parametrize("name", AGENTS)
def test_an_update_moves_every_parameter_and_gives_finite_metrics(name: str) -> None:
    config, batch = AGENTS[name]
    agent = make(config())
    before = parameters(agent)
    metrics = agent.update(batch(0))
    assert {k for k in before if k not in changed(before, agent)} == set()
    assert all(torch.isfinite(v) and v.dim() == 0 and not v.requires_grad for v in metrics.values())


def test_one_update_changes_actor_both_qs_and_temperature_by_sac_alone() -> None:
    agent = make(tiny_cvrl())
    before = parameters(agent)
    posterior = agent.model_loss(random_batch()).posterior
    loss, _ = agent._soft_actor_critic(agent.critic, random_batch(), posterior.features.detach())
    agent.optimisers["actor"].differentiate(agent.sac_weight * loss)
    for name in ("q", "temperature", "actor"):
        agent.optimisers[name].step()
    moved = changed(before, agent)
    expected = {k for k in before if k.startswith(("actor.", "critic.q.", "critic.log_temperature"))}
    assert {k for k in expected if "networks.0" in k}
    assert {k for k in expected if "networks.1" in k}
    assert moved == expected


def test_alpha_weighs_the_sac_gradient_that_reaches_the_actor() -> None:
    """The actor's gradient is L_Dreamer's plus α times L_SAC's (eq. 8): linear in α."""
    gradients = []
    for weight in (0.0, 1.0, 2.0):
        agent = make(tiny_cvrl(sac=replace(tiny_cvrl().sac, weight=weight or 1e-30)))
        agent.update_noise.manual_seed(0)
        kept: list[torch.Tensor] = []
        optimiser = agent.optimisers["actor"]
        optimiser.clip = 0.0
        step = optimiser.step

        def keep(_: Any, optimiser: Any = optimiser, kept: list = kept, step: Any = step) -> None:
            kept.extend(g.clone() for g in optimiser._gradients)
            step()

        optimiser.step = keep  # type: ignore[method-assign]
        agent.update(random_batch())
        gradients.append(torch.cat([g.flatten() for g in kept]))
    alone, once, twice = gradients
    assert (once - alone).norm() > 1e-3 * alone.norm()
    torch.testing.assert_close(twice - alone, 2 * (once - alone), rtol=1e-3, atol=1e-5)


GROUPS = {
    "model": ("world_model.",),
    "actor": ("actor.",),
    "value": ("value.",),
    "q": ("critic.q.",),
    "temperature": ("critic.log_temperature",),
}


@pytest.mark.parametrize("group", GROUPS)
def test_each_optimiser_moves_its_group_and_no_other(group: str) -> None:
    agent = make(tiny_cvrl())
    before = parameters(agent)
    for name, optimiser in agent.optimisers.items():
        if name != group:
            optimiser.step = lambda _: None  # type: ignore[method-assign]
    agent.critic.update_targets = lambda: None
    agent.update(random_batch())
    assert changed(before, agent) == {k for k in before if k.startswith(GROUPS[group])}


def test_the_fused_adam_steps_as_the_plain_one_whatever_the_layout() -> None:
    """It pairs parameter, gradient and moments by memory: other strides would train the wrong weights."""
    g = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(4, 3, 2, 2, generator=g), torch.randn(3, 4, 3, 2, 2, generator=g)
    ours = torch.nn.Parameter(start.clone().contiguous(memory_format=torch.channels_last))
    stock = torch.nn.Parameter(start.clone())
    optimiser, adam = Optimiser("x", [ours], 0.1), torch.optim.Adam([stock], lr=0.1, eps=1e-7)
    for i, gradient in enumerate(gradients):
        if i == 2:  # as if resumed from a file
            saved = {k: v.clone(memory_format=torch.contiguous_format) for k, v in optimiser.state().items()}
            optimiser = Optimiser("x", [ours], 0.1)
            optimiser.load(saved, "", "it")
        optimiser.differentiate((ours * gradient).sum())
        optimiser.step()
        stock.grad = gradient.clone()
        adam.step()
        torch.testing.assert_close(ours.detach(), stock.detach())


def test_gradients_are_clipped_to_their_global_norm() -> None:
    two = [torch.nn.Parameter(torch.zeros(1)), torch.nn.Parameter(torch.zeros(1))]
    optimiser = Optimiser("x", two, 0.1, clip=1.0)
    norm = optimiser.differentiate(3 * two[0].sum() + 4 * two[1].sum())
    assert norm.item() == 5
    assert optimiser._gradients is not None
    torch.testing.assert_close(
        torch.cat([g.flatten() for g in optimiser._gradients]), torch.tensor([0.6, 0.8])
    )


def test_the_groups_share_nothing_and_leave_out_the_targets_alone() -> None:
    agent = make(tiny_cvrl())
    owned = [id(p) for o in agent.optimisers.values() for p in o.parameters]
    assert len(owned) == len(set(owned))
    rest = {name for name, p in agent.named_parameters() if id(p) not in owned}
    assert rest == {name for name, _ in agent.named_parameters() if name.startswith("critic.target_q.")}


@pytest.mark.parametrize("make_config", [tiny_cvrl, tiny_dreamer])
def test_two_updates_of_the_fast_path_equal_two_of_the_plain_one(make_config: Any) -> None:
    results = []
    for fast in (True, False):
        agent = make(make_config(training=replace(TRAINING, fast=fast)))
        for optimiser in agent.optimisers.values():
            # Adam's first steps are the signs of the gradients; with this they follow their sizes.
            optimiser.epsilon = 1.0
        metrics = [agent.update(random_batch(i)) for i in range(2)]
        results.append((metrics, agent.state_dict()))
    (fast_metrics, fast_state), (plain_metrics, plain_state) = results
    for a, b in zip(fast_metrics, plain_metrics, strict=True):
        for key in a:
            torch.testing.assert_close(a[key], b[key], rtol=1e-3, atol=1e-4, msg=key)
    start = make(make_config()).state_dict()
    for key, value in fast_state.items():
        moved = (plain_state[key] - start[key]).norm() + 1e-6
        assert (value - plain_state[key]).norm() < 0.01 * moved, key


def test_bfloat16_learns_nearly_the_same_as_float32() -> None:
    losses = {}
    for precision in ("bfloat16", "float32"):
        agent = make(tiny_cvrl(training=replace(TRAINING, precision=precision)))
        losses[precision] = [agent.update(random_batch(i))["model/loss"].item() for i in range(5)]
    torch.testing.assert_close(
        torch.tensor(losses["bfloat16"]), torch.tensor(losses["float32"]), rtol=0.05, atol=0.05
    )


def test_celbo_is_contrast_plus_reward_minus_kl() -> None:
    """Eq. 6, term by term, with the weights of the configuration."""
    model = replace(MODEL, reward_weight=3.0, observation_weight=0.5, kl_weight=2.0, free_nats=0.0)
    agent = make(tiny_cvrl(model=model))
    m = {k: v.item() for k, v in agent.model_loss(random_batch()).metrics.items()}
    expected = 0.5 * m["model/info_nce"] - 3 * m["model/reward_log_prob"] + 2 * m["model/kl"]
    assert m["model/loss"] == pytest.approx(expected, rel=1e-5)


def test_elbo_is_reconstruction_plus_reward_minus_kl() -> None:
    """Eq. 2 with unit Gaussians over 64·64·3 values."""
    agent = make(tiny_dreamer())
    m = {k: v.item() for k, v in agent.model_loss(random_batch()).metrics.items()}
    pixels = 64 * 64 * 3
    log_likelihood = -0.5 * m["model/reconstruction_error"] * pixels - 0.5 * pixels * 1.8378770664093453
    expected = -log_likelihood - m["model/reward_log_prob"] + m["model/kl"]
    assert m["model/loss"] == pytest.approx(expected, rel=1e-5)


def test_reward_only_has_no_observation_term_but_still_trains_the_encoder() -> None:
    agent = make(tiny_cvrl(ablation="reward-only"))
    m = {k: v.item() for k, v in agent.model_loss(random_batch()).metrics.items()}
    assert m["model/loss"] == pytest.approx(m["model/kl"] - m["model/reward_log_prob"], rel=1e-5)
    before = agent.world_model.encoder.convolutions[0].weight.clone()
    agent.update(random_batch())
    assert not torch.equal(before, agent.world_model.encoder.convolutions[0].weight)


def test_the_prediction_is_asked_for_the_observation_that_it_did_not_see() -> None:
    """The prior's states from the second step on, by the same f; nothing precedes the first."""
    weight = 0.5
    predicting = ContrastiveConfig(prediction_weight=weight)
    losses = {}
    for contrastive in (ContrastiveConfig(), predicting):
        agent = make(tiny_cvrl(training=replace(TRAINING, precision="float32"), contrastive=contrastive))
        noise = torch.randn(B, 6, MODEL.stochastic, generator=torch.Generator().manual_seed(0))
        model = agent.world_model
        loss = model.loss(random_batch(), noise)
        _, prior, embeddings = model.infer(random_batch(), noise)
        assert model.contrastive is not None
        following, states = embeddings[:, 1:].flatten(0, 1), prior.features[:, 1:].flatten(0, 1)
        log_shares = model.contrastive.scores(states, following).log_softmax(1)
        losses[contrastive.prediction_weight] = (loss.loss, -log_shares.diagonal().mean(), loss.metrics)
    (plain, _, without), (both, predicted, metrics) = losses[0.0], losses[weight]
    assert both.item() == pytest.approx(plain.item() + weight * predicted.item(), rel=1e-5)
    assert metrics["model/predicted_info_nce"].item() == pytest.approx(predicted.item(), rel=1e-5)
    assert "model/predicted_info_nce" not in without


def test_the_reward_of_a_first_frame_is_no_target() -> None:
    """The replay holds 0 there, which nobody was given: whatever it is, nothing follows from it."""
    batch = random_batch()._replace(first=torch.eye(B, 6))
    losses, gradients = [], []
    for reward in (0.0, 5.0):
        agent = make(tiny_cvrl(training=replace(TRAINING, precision="float32")))
        model = agent.model_loss(batch._replace(rewards=torch.where(batch.first > 0, reward, batch.rewards)))
        losses.append(model.metrics["model/reward_log_prob"])
        gradients.append(torch.autograd.grad(model.loss, agent.world_model.reward.output.weight)[0])
    assert torch.equal(*losses)
    assert torch.equal(*gradients)


def test_warm_up_moves_the_world_model_alone() -> None:
    agent = make(tiny_cvrl())
    before = parameters(agent)
    agent.warm_up(random_batch())
    assert changed(before, agent) == {k for k in before if k.startswith("world_model.")}


def test_imagination_starts_can_be_fewer_than_the_batch() -> None:
    agent = make(tiny_dreamer(behaviour=replace(tiny_dreamer().behaviour, imagination_starts=5)))
    posterior = agent.model_loss(random_batch()).posterior
    assert agent.imagine_from(posterior).features.shape[1] == 5
    agent.behaviour = tiny_dreamer().behaviour
    assert agent.imagine_from(posterior).features.shape[1] == B * 6


def test_a_nan_stops_before_any_parameter_moves() -> None:
    agent = make(tiny_cvrl())
    before = parameters(agent)
    batch = random_batch()
    poisoned = batch._replace(rewards=torch.full_like(batch.rewards, float("nan")))
    with pytest.raises(NonFiniteGradient, match="model loss is nan"):
        agent.update(poisoned)
    assert changed(before, agent) == set()


def test_terminal_states_cut_the_soft_bootstrap() -> None:
    targets = []
    for terminal in (0.0, 1.0):
        agent = make(tiny_cvrl())
        batch = random_batch()
        batch = batch._replace(terminals=torch.full_like(batch.terminals, terminal))
        features = torch.zeros(B, 6, 16)
        _, metrics = agent._soft_actor_critic(agent.critic, batch, features)
        targets.append(metrics["sac/q_target"].item())
    assert targets[1] == pytest.approx(random_batch().rewards[:, 1:].mean().item(), rel=1e-5)
    assert targets[0] != pytest.approx(targets[1])


def test_acting_and_training_encode_a_frame_to_the_same_embedding() -> None:
    for config in (tiny_cvrl(), tiny_sac()):
        agent = make(config)
        seen: list[torch.Tensor] = []
        encoder = agent.world_model.encoder if hasattr(agent, "world_model") else agent.encoder
        encoder.register_forward_hook(lambda _, inputs, output, seen=seen: seen.append(output.detach()))
        if hasattr(agent, "world_model"):
            batch = random_batch()
            agent.update(batch)
            make_same = make(config)  # parameters as before the update
            agent.load_state_dict(make_same.state_dict())
            agent.act(batch.frames[:, 2], agent.begin(B), agent.acting_noise, exploring=True)
            torch.testing.assert_close(seen[-1], seen[0][:, 2], rtol=1e-5, atol=1e-6)
        else:
            stack = stacked_batch().frames
            memory = agent.begin(B)
            for t in range(3):
                _, memory = agent.act(stack[:, t], memory, agent.acting_noise, exploring=True)
            acting = seen[-1]
            torch.testing.assert_close(acting, encoder(stack), rtol=1e-5, atol=1e-6)


def test_pixels_are_centred_in_acting_as_in_training() -> None:
    """The mistake of a port: images normalised in training and not when acting."""
    agent = make(tiny_cvrl())
    seen: list[torch.Tensor] = []
    first = agent.world_model.encoder.convolutions[0]
    first.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    frames = random_batch().frames[:, 0]
    agent.act(frames, agent.begin(B), agent.acting_noise, exploring=False)
    torch.testing.assert_close(seen[0].permute(0, 2, 3, 1), preprocess(frames))


def test_random_shift_moves_whole_stacks_and_repeats_the_edge() -> None:
    frames = (
        torch.arange(5 * 64 * 64 * 3)
        .remainder(251)
        .to(torch.uint8)
        .view(5, 1, 64, 64, 3)
        .repeat(1, 3, 1, 1, 1)
    )
    assert torch.equal(random_shift(frames, 0, torch.Generator().manual_seed(0)), frames)
    moved = random_shift(frames, 4, torch.Generator().manual_seed(0))
    assert moved.shape == frames.shape
    assert torch.equal(moved[:, 0], moved[:, 2])
    assert not torch.equal(moved, frames)
    padded = torch.nn.functional.pad(frames[0, 0].permute(2, 0, 1)[None].float(), [4] * 4, mode="replicate")
    places = [
        torch.equal(moved[0, 0].float(), padded[0, :, y : y + 64, x : x + 64].permute(1, 2, 0))
        for y in range(9)
        for x in range(9)
    ]
    assert sum(places) == 1


def test_q_counts_entropy_unless_it_is_told_not_to() -> None:
    """The flag reaches the critic: at one temperature, targets differ by what the entropy is worth."""
    targets = []
    for backup in (True, False):
        config = tiny_cvrl()
        agent = make(replace(config, sac=replace(config.sac, entropy_backup=backup)))
        targets.append(agent.update(random_batch())["sac/q_target"].item())
    assert targets[0] != pytest.approx(targets[1])
