from __future__ import annotations

import numpy as np
import pytest
import torch

from agents.behaviour.policies import TanhNormal
from agents.behaviour.soft_actor_critic import SoftCritic, Transitions, transitions
from agents.model.distributions import tanh_normal_log_prob

F_SIZE, A = 3, 2


@pytest.fixture
def critic() -> SoftCritic:
    torch.manual_seed(0)
    return SoftCritic(F_SIZE, A, 8, 2, discount=0.9, target_rate=0.1, initial_temperature=0.5)


def test_transitions_pair_neighbours_in_time_with_what_led_to_the_later_one() -> None:
    # Every number says where it is from: sequence · 10 + step.
    where = torch.tensor([[0.0, 1, 2], [10, 11, 12]])
    t = transitions(where[..., None], where[..., None], where, where)
    assert t.features.flatten().tolist() == [0, 1, 10, 11]
    assert t.next_features.flatten().tolist() == [1, 2, 11, 12]
    for later in (t.actions.flatten(), t.rewards, t.terminals):
        assert later.tolist() == [1, 2, 11, 12]


def test_no_transition_joins_two_sequences() -> None:
    sequence = torch.arange(4.0)[:, None].expand(4, 6)
    t = transitions(sequence[..., None], sequence[..., None], sequence, sequence)
    assert (t.features == t.next_features).all()
    assert len(t.features) == 4 * 5


@pytest.mark.parametrize("backup", [True, False])
@pytest.mark.parametrize("unit", [1.0, 30.0])
def test_td_target_by_hand(critic: SoftCritic, unit: float, backup: bool) -> None:
    critic.entropy_backup = backup
    g = torch.Generator().manual_seed(1)
    t = Transitions(
        torch.randn(3, F_SIZE, generator=g),
        torch.rand(3, A, generator=g),
        torch.tensor([1.0, 2.0, 3.0]),
        torch.tensor([0.0, 0.0, 1.0]),
        torch.randn(3, F_SIZE, generator=g),
    )
    policy = TanhNormal(torch.randn(3, A, generator=g), torch.rand(3, A, generator=g) + 0.5)
    noise = torch.randn(3, A, generator=g)
    targets = critic.targets(t, policy, noise, unit).numpy()

    raw = policy.mean + policy.std * noise
    log_prob = tanh_normal_log_prob(raw, policy.mean, policy.std).numpy()
    x = torch.cat([t.next_features, torch.tanh(raw)], 1)
    one, two = (network(x).detach().numpy()[:, 0] for network in critic.target_q.networks)
    for i in range(2):
        entropy = -0.5 * unit * log_prob[i] if backup else 0.0
        expected = t.rewards[i].item() + 0.9 * (min(one[i], two[i]) + entropy)
        assert targets[i] == pytest.approx(expected, rel=1e-5)
    assert targets[2] == 3.0  # nothing follows a terminal state


def test_the_critics_learn_a_known_value(critic: SoftCritic) -> None:
    # Reward 1 for ever, no entropy: Q = 1 / (1 − 0.9) = 10.
    with torch.no_grad():
        critic.log_temperature.fill_(-30.0)
    optimiser = torch.optim.Adam(critic.q.parameters(), 1e-2)
    critic.target_rate = 0.2
    n = 32
    state = torch.zeros(n, F_SIZE)
    policy = TanhNormal(torch.zeros(n, A), torch.full((n, A), 0.3))
    for _ in range(600):
        action, _ = policy.sample(torch.randn(n, A))
        t = Transitions(state, action, torch.ones(n), torch.zeros(n), state)
        loss = critic.q_loss(t, critic.targets(t, policy, torch.randn(n, A)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        critic.update_targets()
    q = critic.q(state, torch.zeros(n, A))
    np.testing.assert_allclose(q.detach().numpy(), 10, atol=0.5)


def test_the_temperature_rises_below_the_target_entropy_and_falls_above(critic: SoftCritic) -> None:
    assert critic.target_entropy == -A
    for log_prob, sign in (
        (torch.tensor(5.0), -1),
        (torch.tensor(-5.0), 1),
    ):  # entropy −5 < −2; entropy 5 > −2
        (gradient,) = torch.autograd.grad(critic.temperature_loss(log_prob), [critic.log_temperature])
        assert torch.sign(gradient).item() == sign


def test_targets_follow_slowly(critic: SoftCritic) -> None:
    before = critic.target_q.networks[0].output.weight.clone()
    with torch.no_grad():
        for p in critic.q.parameters():
            p.add_(1)
    critic.update_targets()
    torch.testing.assert_close(critic.target_q.networks[0].output.weight, before + 0.1)


def test_the_two_critics_differ(critic: SoftCritic) -> None:
    one, two = critic.q(torch.ones(1, F_SIZE), torch.ones(1, A))
    assert one != two
