"""A student from pixels that imitates the state expert (DAgger). Run with `python -m agents.distil`.

The student acts in front of training videos. The task's shipped expert gives the action that it would have taken in
each state that the student visits, and the student learns this action from its last frames. The expert reads the
physical state, but only in training: such a run is *privileged in training*. Its return on held-out videos shows what
can be achieved from pixels.

The replay keeps the physical state beside each frame, so that a label is the expert's action in exactly that state.
"""

from __future__ import annotations

import sys
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from natural_mujoco.experts import Expert, load_expert

from .agent import Metrics
from .behaviour.imitation import Bins, OneNumber
from .model.networks import MLP
from .model.pixels import PixelEncoder, random_shift
from .stacked_agent import StackedAgent
from .training.batch import on_device
from .training.optimiser import Optimiser
from .training.pixel_config import DistilConfig
from .training.replay import Replay


class Lesson(NamedTuple):
    """Frames of visited states, as the student sees them, and the expert's actions in these states."""

    frames: Tensor  # [B, stack, height, width, C] uint8, oldest first
    actions: Tensor  # [B, A], the expert's greedy ones


class Distil(StackedAgent[Lesson]):
    """The student, a `StackedAgent`. While exploring it acts with noise of fixed standard deviation."""

    updates_made: Tensor

    def __init__(self, config: DistilConfig, action_size: int, device: torch.device) -> None:
        super().__init__(config, action_size, device, config.frame_stack)
        self.config, c = config, config
        self.encoder = PixelEncoder(c.environment.size, c.frame_stack, c.channels, c.units)
        self.told = Bins(c.bins) if c.loss == "categorical" else OneNumber(c.loss)
        self.mean = MLP(c.units, c.units, c.layers, action_size * self.told.outputs)
        self.register_buffer("updates_made", torch.zeros((), dtype=torch.int64))
        self.to(device)
        self.optimisers = {
            "student": Optimiser("student", self.parameters(), c.learning_rate, c.gradient_clip)
        }

    @cached_property
    def expert(self) -> Expert:
        """The teacher, loaded when it is first needed: a run that is loaded only to act needs none."""
        return load_expert(self.config.task)

    @property
    def state_size(self) -> int:
        return self.expert.card.observation_size

    def choose(self, stacks: Tensor, noise: Tensor | None) -> Tensor:
        return self.told.action(
            self.answer(stacks), None if noise is None else self.config.exploration_noise * noise
        )

    def answer(self, stacks: Tensor) -> Tensor:
        """The network's outputs for stacks of frames, K for each action: [B, A, K]."""
        return self.mean(self.encoder(stacks)).float().unflatten(-1, (self.action_size, -1))

    def overrule(
        self,
        actions: NDArray[np.float32],
        states: NDArray[np.float32],
        rows: int,
        turns: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """Lets the expert act in a share of the environments, which falls from all to `least_guidance`."""
        c = self.config
        control_steps = rows * c.num_envs * c.environment.action_repeat
        share = max(c.least_guidance, 1 - control_steps / c.guidance_steps) if c.guidance_steps else 0.0
        return np.where((turns < share)[:, None], self.expert.act(states), actions)

    def draw(self, replay: Replay, rng: np.random.Generator) -> Lesson:
        """Draws B visited states, each with the expert's action in it."""
        frames, states = replay.sample_states(self.config.training.batch_size, self.frame_stack, rng)
        actions = torch.from_numpy(self.expert.act(states.numpy()))
        return on_device(Lesson(frames, actions), self.device)

    def update(self, batch: Lesson) -> Metrics:
        """One step towards the expert's actions."""
        learning_rate = self._anneal()
        self.updates_made += 1
        frames = batch.frames
        if self.config.random_shift:
            frames = random_shift(frames, self.config.random_shift, self.update_noise)
        with self.autocast():
            answer = self.answer(frames)
        loss = self.told.loss(answer, batch.actions)
        norm = self.optimisers["student"].differentiate(loss)
        self.optimisers["student"].step()
        error = self.told.action(answer.detach()) - batch.actions  # [B, A]
        deviation = batch.actions - batch.actions.mean(0)
        return {
            "distil/loss": loss.detach(),
            "distil/explained_variance": 1
            - error.square().mean() / deviation.square().mean().clamp(min=1e-8),
            "distil/gradient_norm": norm,
            "distil/learning_rate": torch.tensor(learning_rate),
        }

    def _anneal(self) -> float:
        """Sets the learning rate, which falls linearly from `learning_rate` to a twentieth of it at `anneal_steps`."""
        c = self.config
        behind = 1000 * int(self.updates_made) / max(c.training.updates_per_1000_steps, 1e-9) / c.anneal_steps
        rate = c.learning_rate * max(0.05, 1 - behind)
        self.optimisers["student"].learning_rate = rate
        return rate


if __name__ == "__main__":
    from .training.command_line import main

    sys.exit(main("distil"))
