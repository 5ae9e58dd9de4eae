"""The interface between the trainer and an agent, and what all agents share.

An agent is one `nn.Module` with its optimisers and two streams of random numbers. It gets uint8 frames, acts in any
number of environments at once, and learns from batches that it draws from the replay.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from natural_mujoco import InvalidArgument

from .model.distributions import Generators
from .model.networks import precision
from .training.batch import BatchT
from .training.config import RunConfig
from .training.optimiser import Optimiser
from .training.replay import Replay
from .training.saved_tensors import refuse_others, take, take_stream

Metrics = dict[str, Tensor]
Memory = dict[str, Tensor]  # what an agent carries from step to step, each [num_envs, …]


def choose_device(name: str) -> torch.device:
    """The device called `name`; `"auto"` is a GPU if there is one. Raises InvalidArgument if the device is absent."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InvalidArgument(f"Unknown device {name!r}. Valid: auto, cpu, cuda, cuda:0, ….") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise InvalidArgument(f"--device {name}: PyTorch sees no CUDA GPU here. Use --device cpu or auto.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InvalidArgument(
            f"--device {name}: this machine has {torch.cuda.device_count()} CUDA GPUs, from cuda:0."
        )
    return device


def choose_precision(name: str, device: torch.device) -> str:
    """The precision called `name`; `"auto"` is bfloat16 if the hardware supports it natively, else float32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # PyTorch's own checks, which not every version has; without them, float32 is used, which always works.
    probes = (
        getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return "bfloat16" if any(probe is not None and probe() for probe in probes) else "float32"


class Agent(nn.Module, Generic[BatchT]):
    """Base of every agent.

    Args:
        config: the run's settings.
        action_size: A.
        device: the device of the parameters.
    """

    def __init__(self, config: RunConfig, action_size: int, device: torch.device) -> None:
        super().__init__()
        self.device, self.action_size = device, action_size
        self.precision = choose_precision(config.training.precision, device)
        self.optimisers: dict[str, Optimiser] = {}
        # Two streams, so that random numbers for updates do not affect those for actions, nor the other way round.
        seeds = np.random.SeedSequence([config.seed, 1]).generate_state(2)
        self.update_noise = torch.Generator(device).manual_seed(int(seeds[0]))
        self.acting_noise = torch.Generator(device).manual_seed(int(seeds[1]))

    def autocast(self):  # type: ignore[no-untyped-def]
        """The autocast context for forward passes."""
        return precision(self.precision, self.device)

    recordable = False
    """Whether an update is the same work on the device each time, so that a CUDA graph can record it."""

    on_policy = False
    """Whether it learns only from experience since its last update, so that older rows need not be kept."""

    def experience_lost(self, rows: int) -> None:
        """Called when a run resumes whose replay was on the device: the replay begins again, empty, at row `rows`."""

    @property
    def state_size(self) -> int:
        """Size of the physical state that the replay keeps beside each frame; 0 for agents that see only pixels."""
        return 0

    def overrule(
        self,
        actions: NDArray[np.float32],
        states: NDArray[np.float32],
        rows: int,
        turns: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """The actions taken in training instead of the agent's own; called only if `state_size` is not 0.

        Args:
            actions: the agent's actions [N, A].
            states: the physical states [N, state_size] in which the actions were chosen.
            rows: steps of each environment so far, including resets.
            turns: [N] uniform in [0, 1), drawn again after a fixed number of steps.
        """
        return actions

    def normal(self, *shape: int) -> Tensor:
        """Standard normal random numbers for an update, of the given shape."""
        return torch.randn(*shape, generator=self.update_noise, device=self.device)

    @abstractmethod
    def draw(self, replay: Replay, rng: np.random.Generator) -> BatchT:
        """Draws a batch to learn from, on the agent's device."""

    @abstractmethod
    def update(self, batch: BatchT) -> Metrics:
        """One step of every optimiser; returns what to log, as scalars; those of losses stay on the device."""

    def warm_up(self, batch: BatchT) -> Metrics:
        """One step of what is learned in the warm-up, before behaviour is learned; by default a whole `update`."""
        return self.update(batch)

    @abstractmethod
    def begin(self, num_envs: int) -> Memory:
        """The memory of `num_envs` environments before their first observation."""

    @abstractmethod
    def act(
        self, frames: Tensor, memory: Memory, generators: Generators, exploring: bool
    ) -> tuple[Tensor, Memory]:
        """Actions for uint8 frames [N, height, width, C]: [N, A] in [−1, 1], and the memory for the next call."""

    def forget(self, memory: Memory, first: Tensor) -> Memory:
        """Resets the memory of environments where `first` [N] is true, as a new episode begins there."""
        fresh = self.begin(len(first))
        return {k: torch.where(first.view(-1, *[1] * (v.dim() - 1)), fresh[k], v) for k, v in memory.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Everything that resuming needs, as named tensors: parameters, optimisers, random streams."""
        result = {f"parameters.{k}": v for k, v in self.state_dict().items()}
        for name, optimiser in self.optimisers.items():
            result |= {f"optimiser.{name}.{k}": v for k, v in optimiser.state().items()}
        result["random.update"] = self.update_noise.get_state()
        result["random.acting"] = self.acting_noise.get_state()
        return result

    def load_parameters(self, tensors: dict[str, Tensor], source: str) -> None:
        """Loads only the parameters, for acting.

        Raises NaturalMujocoError, which names the file `source` and the tensor, if they do not fit this agent.
        """
        own = self.state_dict()
        for name, value in own.items():
            take(tensors, f"parameters.{name}", value, source)
        found = _under(tensors, "parameters.")
        refuse_others(found, own, source)
        self.load_state_dict(found)

    def load_tensors(self, tensors: dict[str, Tensor], source: str) -> None:
        """Restores the state that `tensors` returned. Raises as `load_parameters` does."""
        self.load_parameters(tensors, source)
        for name, optimiser in self.optimisers.items():
            optimiser.load(tensors, f"optimiser.{name}.", source)
        take_stream(tensors, "random.update", self.update_noise, source)
        take_stream(tensors, "random.acting", self.acting_noise, source)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
