"""The world model: encoder, RSSM, reward head and one of four observation models; eqs. 2 and 6.

Letters of shapes: see networks.py.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from ..training.batch import Batch
from ..training.config import ContrastiveConfig, ModelConfig, ObservationModel
from .contrastive import Contrastive
from .distributions import normal_log_prob
from .networks import MLP, Decoder, Encoder
from .redundancy import RedundancyReduction
from .rssm import RSSM, Latent, kl_loss


class ModelLoss(NamedTuple):
    """The world model's loss on one batch, and what was computed for it."""

    loss: Tensor  # scalar, to be minimised
    posterior: Latent  # [B, T, ·], with its graph
    embeddings: Tensor  # [B, T, E]
    metrics: dict[str, Tensor]


class WorldModel(nn.Module):
    """p(s_t | s_{t−1}, a_{t−1}), q(s_t | h_t, o_t), p(r_t | s_t), and one of these observation models:

    - `"contrastive"`: the bilinear f(s, o) of eq. 5, so that `loss` is the negative CELBO (eq. 6);
    - `"redundancy-reduction"`: R2-Dreamer's term instead of eq. 5;
    - `"generative"`: a decoder, p(o | s) = N(decoder(s), I), so that `loss` is the negative ELBO (eq. 2);
    - `"none"`: only reward and dynamics (CVRL-reward-only of table 2).
    """

    def __init__(
        self,
        action_size: int,
        observation_model: ObservationModel,
        model: ModelConfig,
        contrastive: ContrastiveConfig | None = None,
        size: int = 64,
        fast: bool = True,
    ) -> None:
        super().__init__()
        self.config, self.observation_model, self.fast = model, observation_model, fast
        self.encoder = Encoder(size, depth=model.encoder_depth, output=model.encoder_output, fast=fast)
        self.rssm = RSSM(
            action_size, self.encoder.size, model.deterministic, model.stochastic, model.hidden, model.min_std
        )
        self.reward = MLP(self.rssm.feature_size, model.reward_units, model.reward_layers, 1)
        self.contrastive: Contrastive | None = None
        self.prediction_weight = 0.0
        self.decoder: Decoder | None = None
        self.redundancy: RedundancyReduction | None = None
        if observation_model == "contrastive":
            c = contrastive or ContrastiveConfig()
            self.contrastive = Contrastive(
                self.rssm.feature_size,
                self.encoder.size,
                c.state_units,
                c.observation_units,
                c.bilinear,
                c.activate_last,
            )
            self.prediction_weight = c.prediction_weight
        elif observation_model == "redundancy-reduction":
            self.redundancy = RedundancyReduction(self.rssm.feature_size, self.encoder.size)
        elif observation_model == "generative":
            self.decoder = Decoder(self.rssm.feature_size, depth=model.encoder_depth, fast=fast)

    def predicted_reward(self, features: Tensor) -> Tensor:
        """The mean of p(r | s): [..., F] → [...]. The reward is that of arriving at s."""
        return self.reward(features).squeeze(-1).float()

    def reward_log_prob(self, batch: Batch, features: Tensor) -> Tensor:
        """Mean log p(r | s) at features [B, T, F], in nats, a scalar.

        First frames of episodes are left out, since they have no reward.
        """
        rewarded = 1 - batch.first
        log_prob = normal_log_prob(batch.rewards, self.predicted_reward(features))
        return (rewarded * log_prob).sum() / rewarded.sum().clamp(min=1)

    def infer(self, batch: Batch, noise: Tensor, seen: Tensor | None = None) -> tuple[Latent, Latent, Tensor]:
        """(posterior, prior, embeddings) of whole sequences, noise [B, T, S] from N(0, I).

        The encoder reads `seen` [B, T, height, width, C] instead of the batch's frames, if it is given.
        """
        embeddings = self.encoder(batch.frames if seen is None else seen)
        observe = self.rssm.observe if self.fast else self.rssm.observe_plain
        posterior, prior = observe(embeddings, batch.actions, noise)
        return posterior, prior, embeddings

    def loss(self, batch: Batch, noise: Tensor, seen: Tensor | None = None) -> ModelLoss:
        """The negative of eq. 6 (contrastive), of eq. 2 (generative), or of either without its observation term.

        Every term is in nats per step, averaged over the B·T states (the reward term over those with a reward). `noise`
        is [B, T, S]; for `seen` see `infer`.
        """
        posterior, prior, embeddings = self.infer(batch, noise, seen)
        features = posterior.features
        reward = self.reward_log_prob(batch, features)
        dynamics, kl = kl_loss(posterior, prior, self.config.free_nats, self.config.prior_share)
        observation, metrics = self._observation_term(batch, features, prior, embeddings)
        loss = (
            self.config.kl_weight * dynamics
            - self.config.reward_weight * reward
            - self.config.observation_weight * observation
        )
        metrics |= {"model/loss": loss, "model/kl": kl, "model/reward_log_prob": reward}
        return ModelLoss(loss, posterior, embeddings, {k: v.detach() for k, v in metrics.items()})

    def _observation_term(
        self, batch: Batch, features: Tensor, prior: Latent, embeddings: Tensor
    ) -> tuple[Tensor | float, dict[str, Tensor]]:
        """The first term of eq. 6 or eq. 2, or its replacement: a scalar in nats, higher is better."""
        if self.contrastive is not None:
            contrast = self.contrastive(features, embeddings)
            metrics = {
                "model/info_nce": contrast.loss,
                "model/contrast_accuracy": contrast.accuracy,
                "model/contrast_accuracy_within": contrast.accuracy_within,
                "model/contrast_accuracy_across": contrast.accuracy_across,
            }
            if not self.prediction_weight:
                return -contrast.loss, metrics
            # The first step of a window follows no other, so that nothing predicts it.
            predicted = self.contrastive(prior.features[:, 1:], embeddings[:, 1:])
            metrics |= {
                "model/predicted_info_nce": predicted.loss,
                "model/predicted_contrast_accuracy": predicted.accuracy,
            }
            return -contrast.loss - self.prediction_weight * predicted.loss, metrics
        if self.redundancy is not None:
            redundancy = self.redundancy(features, embeddings)
            return -redundancy.loss, {
                "model/redundancy": redundancy.loss,
                "model/agreement": redundancy.agreement,
            }
        if self.decoder is not None:
            error = self.decoder.squared_error(features, batch.frames)
            pixels = batch.frames[0, 0].numel()
            log_prob = -0.5 * error - pixels * 0.9189385332046727
            return log_prob, {"model/reconstruction_error": error / pixels}
        return 0.0, {}


def reconstruct(model: WorldModel, features: Tensor) -> Tensor:
    """The decoder's mean as uint8 frames: [..., F] → [..., height, width, C].

    Raises ValueError for a world model without a decoder.
    """
    if model.decoder is None:
        raise ValueError(f"A {model.observation_model} world model has no decoder.")
    return ((model.decoder(features).float() + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
