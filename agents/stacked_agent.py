"""The base of the agents without a world model, whose only memory is the last few frames."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from .agent import Agent, Memory
from .model.distributions import Generators, standard_normal
from .training.batch import BatchT
from .training.config import RunConfig


class StackedAgent(Agent[BatchT]):
    """An `Agent` whose memory is the last `frame_stack` frames; an episode's first frame fills the stack."""

    def __init__(self, config: RunConfig, action_size: int, device: torch.device, frame_stack: int) -> None:
        super().__init__(config, action_size, device)
        self.frame_stack, self.size = frame_stack, config.environment.size

    @abstractmethod
    def choose(self, stacks: Tensor, noise: Tensor | None) -> Tensor:
        """Actions [N, A] for stacks of frames uint8 [N, stack, height, width, C]; called under `autocast`.

        Without `noise` the greedy actions, for evaluation; else actions that explore, with `noise` [N, A] from N(0, I).
        """

    def begin(self, num_envs: int) -> Memory:
        shape = (num_envs, self.frame_stack, self.size, self.size, 3)
        return {
            "frames": torch.zeros(shape, dtype=torch.uint8, device=self.device),
            "empty": torch.ones(num_envs, dtype=torch.bool, device=self.device),
        }

    def act(
        self, frames: Tensor, memory: Memory, generators: Generators, exploring: bool
    ) -> tuple[Tensor, Memory]:
        """See `choose`."""
        stack = torch.cat([memory["frames"][:, 1:], frames[:, None]], 1)
        repeated = frames[:, None].expand_as(stack)
        stack = torch.where(memory["empty"].view(-1, 1, 1, 1, 1), repeated, stack)
        noise = standard_normal(generators, len(frames), self.action_size) if exploring else None
        with torch.no_grad(), self.autocast():
            action = self.choose(stack, noise)
        return action, {"frames": stack, "empty": torch.zeros_like(memory["empty"])}
