"""The recurrent state-space model: section 2.2, appendix B.

`observe_step` and `imagine_step` are the paper's equations, one step at a time; `observe` runs a sequence and
gives the same numbers with everything that needs no recurrence taken out of the loop.
Letters of shapes: see networks.py.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .distributions import normal_kl


class Latent(NamedTuple):
    """A latent state s: the Gaussian it was drawn from, the draw, and the deterministic part h."""

    mean: Tensor  # [..., S]
    std: Tensor  # [..., S]
    stochastic: Tensor  # [..., S]
    deterministic: Tensor  # [..., D]

    @property
    def features(self) -> Tensor:
        """What every head reads: (s, h), [..., F]."""
        return torch.cat([self.stochastic, self.deterministic], -1)

    def detach(self) -> Latent:
        return Latent(*(x.detach() for x in self))

    def flatten(self) -> Latent:
        """[B, T, ·] → [N, ·]."""
        return Latent(*(x.flatten(0, 1) for x in self))


class RSSM(nn.Module):
    """h_t = GRU(h_{t−1}, s_{t−1}, a_{t−1}); prior p(s_t | h_t), posterior q(s_t | h_t, o_t), both diagonal Gaussians.

    Actions are stored with the observation that they led to (replay.py), so that step t uses `actions[:, t]`.
    """

    def __init__(
        self,
        action_size: int,
        embedding_size: int,
        deterministic: int = 200,
        stochastic: int = 30,
        hidden: int = 200,
        min_std: float = 0.1,
    ) -> None:
        super().__init__()
        self.stochastic_size, self.deterministic_size, self.min_std = stochastic, deterministic, min_std
        self.feature_size = stochastic + deterministic
        self.input = nn.Linear(stochastic + action_size, hidden)
        self.cell = nn.GRUCell(hidden, deterministic)
        self.prior_hidden = nn.Linear(deterministic, hidden)
        self.prior_statistics = nn.Linear(hidden, 2 * stochastic)
        self.posterior_hidden = nn.Linear(deterministic + embedding_size, hidden)
        self.posterior_statistics = nn.Linear(hidden, 2 * stochastic)

    def initial(self, batch: int) -> Latent:
        """The state before the first observation: all zero, [batch, ·]."""
        device = self.input.weight.device
        s = torch.zeros(batch, self.stochastic_size, device=device)
        return Latent(s, torch.ones_like(s), s, torch.zeros(batch, self.deterministic_size, device=device))

    def _gaussian(self, statistics: Tensor) -> tuple[Tensor, Tensor]:
        mean, raw = statistics.float().chunk(2, -1)
        return mean, F.softplus(raw) + self.min_std

    def prior_of(self, deterministic: Tensor) -> tuple[Tensor, Tensor]:
        """p(s | h) as (mean, std): [..., D] → [..., S] each."""
        return self._gaussian(self.prior_statistics(F.elu(self.prior_hidden(deterministic))))

    def imagine_step(self, previous: Latent, action: Tensor, noise: Tensor) -> Latent:
        """The prior at the next step, drawn with `noise` [..., S] from N(0, I): no observation is seen."""
        x = F.elu(self.input(torch.cat([previous.stochastic, action], -1)))
        h = self.cell(x, previous.deterministic).float()
        mean, std = self.prior_of(h)
        return Latent(mean, std, mean + std * noise, h)

    def observe_step(
        self, previous: Latent, action: Tensor, embedding: Tensor, noise: Tensor
    ) -> tuple[Latent, Latent]:
        """(posterior, prior) after `action` [B, A] and the observation whose embedding is `embedding` [B, E]."""
        prior = self.imagine_step(previous, action, noise)
        x = F.elu(self.posterior_hidden(torch.cat([prior.deterministic, embedding], -1)))
        mean, std = self._gaussian(self.posterior_statistics(x))
        return Latent(mean, std, mean + std * noise, prior.deterministic), prior

    def observe_plain(
        self, embeddings: Tensor, actions: Tensor, noise: Tensor, start: Latent | None = None
    ) -> tuple[Latent, Latent]:
        """Posterior and prior of whole sequences, one `observe_step` after the other; the reference for `observe`."""
        latent = start or self.initial(len(embeddings))
        steps = []
        for t in range(embeddings.shape[1]):
            latent, prior = self.observe_step(latent, actions[:, t], embeddings[:, t], noise[:, t])
            steps.append((latent, prior))
        posteriors, priors = zip(*steps, strict=True)
        return (
            Latent(*(torch.stack(x, 1) for x in zip(*posteriors, strict=True))),
            Latent(*(torch.stack(x, 1) for x in zip(*priors, strict=True))),
        )

    def observe(
        self, embeddings: Tensor, actions: Tensor, noise: Tensor, start: Latent | None = None
    ) -> tuple[Latent, Latent]:
        """A faster `observe_plain`: embeddings [B, T, E], actions [B, T, A], noise [B, T, S] → two Latents [B, T, ·].

        The linear maps of actions and embeddings are computed for all steps at once. The prior is not needed inside the
        loop, so that it is computed from all h at the end.
        """
        batch, length = embeddings.shape[:2]
        latent = start or self.initial(batch)
        s, h = latent.stochastic, latent.deterministic
        s_weight, a_weight = self.input.weight.split([self.stochastic_size, actions.shape[-1]], 1)
        h_weight, e_weight = self.posterior_hidden.weight.split(
            [self.deterministic_size, embeddings.shape[-1]], 1
        )
        from_action = F.linear(actions, a_weight, self.input.bias).unbind(1)
        from_embedding = F.linear(embeddings, e_weight, self.posterior_hidden.bias).unbind(1)
        noises = noise.unbind(1)
        columns: tuple[list[Tensor], ...] = ([], [], [], [])  # means, stds, stochastic, deterministic
        for t in range(length):
            h = self.cell(F.elu(F.linear(s, s_weight) + from_action[t]), h).float()
            x = F.elu(F.linear(h, h_weight) + from_embedding[t])
            mean, std = self._gaussian(self.posterior_statistics(x))
            s = mean + std * noises[t]
            for column, value in zip(columns, (mean, std, s, h), strict=True):
                column.append(value)
        posterior = Latent(*(torch.stack(column, 1) for column in columns))
        mean, std = self.prior_of(posterior.deterministic)
        return posterior, Latent(mean, std, mean + std * noise, posterior.deterministic)


def kl_loss(
    posterior: Latent, prior: Latent, free_nats: float, prior_share: float = 0.0
) -> tuple[Tensor, Tensor]:
    """The dynamics term of eqs. 2 and 6: (the loss, the KL itself), scalars in nats.

    The KL is first averaged over the batch and then bounded below by `free_nats`; below the bound there is no gradient.
    This is Dreamer's rule, which the released code follows.

    With a `prior_share` the gradient is divided (DreamerV2, Hafner and others 2021, algorithm 2): the prior gets this
    share of it, below the bound too, so that it follows the posterior faster, and the posterior the rest.
    """
    if not prior_share:
        kl = normal_kl(posterior.mean, posterior.std, prior.mean, prior.std).mean()
        return kl.clamp(min=free_nats), kl
    to_prior = normal_kl(posterior.mean.detach(), posterior.std.detach(), prior.mean, prior.std).mean()
    to_posterior = normal_kl(posterior.mean, posterior.std, prior.mean.detach(), prior.std.detach()).mean()
    return prior_share * to_prior + (1 - prior_share) * to_posterior.clamp(
        min=free_nats
    ), to_posterior.detach()
