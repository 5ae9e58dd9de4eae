"""The supervised ceiling of a probe: the same world model, taught the physical state by labels that no agent gets."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..agent import Metrics
from ..latent_agent import LatentAgent
from ..training.batch import Batch, on_device
from ..training.optimiser import Optimiser
from .probe_data import ProbeEpisodes


class Labelled:
    """Trains the world model of `agent` to tell the physical state from its posterior, by a linear map.

    The loss is that of the agent's world model, which should have no observation term, plus half of the squared error,
    summed over the quantities that vary, each in units of its standard deviation, times `reward_weight`.
    """

    def __init__(self, agent: LatentAgent, episodes: ProbeEpisodes) -> None:
        self.agent, self.episodes = agent, episodes
        states = torch.from_numpy(episodes.states.astype(np.float32))
        spread = states.flatten(0, 1).std(0)
        varies = spread > 1e-3
        self.labels = ((states - states.flatten(0, 1).mean(0)) / spread)[..., varies]
        features = agent.world_model.rssm.feature_size
        self.head = nn.Linear(features, self.labels.shape[-1]).to(agent.device)
        c, taught = agent.config.model, [*agent.world_model.parameters(), *self.head.parameters()]
        self.optimiser = Optimiser("model", taught, c.learning_rate, c.gradient_clip)

    def draw(self, rng: np.random.Generator) -> tuple[Batch, Tensor]:
        """B sequences of T steps, each within one episode, and their labels [B, T, quantities]."""
        t, (count, steps) = self.agent.config.training, self.episodes.rewards.shape
        episode = rng.integers(count, size=(t.batch_size, 1))
        start = rng.integers(steps - t.batch_length + 1, size=(t.batch_size, 1))
        step = start + np.arange(t.batch_length)

        def rows(array: NDArray) -> Tensor:
            return torch.from_numpy(array[episode, step])

        first = torch.from_numpy((step == 0).astype(np.float32))
        frames, actions, rewards = (rows(x) for x in self.episodes[:3])
        batch = Batch(frames, actions, rewards, torch.zeros_like(first), first)
        return on_device(batch, self.agent.device), self.labels[episode, step].to(self.agent.device)

    def update(self, rng: np.random.Generator) -> Metrics:
        """One update of the world model and the linear map."""
        batch, labels = self.draw(rng)
        with self.agent.autocast():
            model = self.agent.model_loss(batch)
        error = (self.head(model.posterior.features.float()) - labels).square().sum(-1).mean() / 2
        norm = self.optimiser.differentiate(model.loss + self.agent.config.model.reward_weight * error)
        self.optimiser.step()
        return model.metrics | {"model/label_error": error.detach(), "model/gradient_norm": norm}
