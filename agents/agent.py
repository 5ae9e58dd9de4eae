"""What the trainer asks of an agent, and what all three share.

An agent is one `nn.Module` with its optimisers and two streams of random numbers. It sees uint8 frames, acts for any
number of environments at once, and learns from batches that it draws itself from the replay.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from natural_mujoco import InvalidArgument

from .model.distributions import Generators
from .model.networks import precision
from .training.config import RunConfig
from .training.optimiser import Optimiser
from .training.replay import Replay
from .training.saved_tensors import refuse_others, take, take_stream

Metrics = dict[str, Tensor]
BatchT = TypeVar("BatchT", bound=NamedTuple)
Memory = dict[str, Tensor]  # what an agent carries from step to step, each [num_envs, …]


def choose_device(name: str) -> torch.device:
    """The device called `name`; `"auto"` is a GPU where there is one. Raises InvalidArgument where it is absent."""
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
    """`"auto"` resolved: bfloat16 where the hardware multiplies it natively, else float32."""
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    # PyTorch's own probes, which are not in every version of it: where they are missing, float32 is always right.
    probes = (
        getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    )
    return "bfloat16" if any(probe is not None and probe() for probe in probes) else "float32"


class Agent(nn.Module, Generic[BatchT]):
    """Base of every agent.

    Args:
        config: the run's; the agent reads its own sections.
        action_size: A.
        device: where parameters live.
    """

    def __init__(self, config: RunConfig, action_size: int, device: torch.device) -> None:
        super().__init__()
        self.device, self.action_size = device, action_size
        self.precision = choose_precision(config.training.precision, device)
        self.optimisers: dict[str, Optimiser] = {}
        # Streams of their own: what is drawn for updates moves no action, and the other way round.
        seeds = np.random.SeedSequence([config.seed, 1]).generate_state(2)
        self.update_noise = torch.Generator(device).manual_seed(int(seeds[0]))
        self.acting_noise = torch.Generator(device).manual_seed(int(seeds[1]))

    def autocast(self):  # type: ignore[no-untyped-def]
        """The context that forward passes run in."""
        return precision(self.precision, self.device)

    on_policy = False
    """Whether it learns from what came since its last update and from nothing older, which then need not be kept."""

    def experience_lost(self, rows: int) -> None:
        """The replay begins anew at row `rows`: a run resumes whose replay was on the device."""

    @property
    def state_size(self) -> int:
        """How many numbers of the physical state the replay keeps beside a frame; 0 for those who see pixels alone."""
        return 0

    def overrule(
        self,
        actions: NDArray[np.float32],
        states: NDArray[np.float32],
        rows: int,
        turns: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        """What is done in training instead of this agent's own `actions` [N, A]; asked where there is a `state_size`.

        Args:
            states: the physical states [N, state_size] that the actions were chosen in.
            rows: steps of each environment so far, resets too.
            turns: [N] uniform in [0, 1), drawn anew every some steps.
        """
        return actions

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers for an update."""
        return torch.randn(*shape, generator=self.update_noise, device=self.device)

    @abstractmethod
    def draw(self, replay: Replay, rng: np.random.Generator) -> BatchT:
        """A batch to learn from, on the agent's device."""

    @abstractmethod
    def update(self, batch: BatchT) -> Metrics:
        """One step of every optimiser; returns what to log, as scalars on the device."""

    def warm_up(self, batch: BatchT) -> Metrics:
        """One step of what should be learned before there is a behaviour worth learning; by default all."""
        return self.update(batch)

    @abstractmethod
    def begin(self, num_envs: int) -> Memory:
        """The memory before any observation."""

    @abstractmethod
    def act(
        self, frames: Tensor, memory: Memory, generators: Generators, exploring: bool
    ) -> tuple[Tensor, Memory]:
        """Actions for uint8 frames [N, height, width, C]: [N, A] in [−1, 1], and the memory for the next call."""

    def forget(self, memory: Memory, first: Tensor) -> Memory:
        """Start afresh in the environments where `first` [N] is true."""
        fresh = self.begin(len(first))
        return {k: torch.where(first.view(-1, *[1] * (v.dim() - 1)), fresh[k], v) for k, v in memory.items()}

    def tensors(self) -> dict[str, Tensor]:
        """Everything that a resumed run needs: parameters, optimisers, random streams."""
        result = {f"parameters.{k}": v for k, v in self.state_dict().items()}
        for name, optimiser in self.optimisers.items():
            result |= {f"optimiser.{name}.{k}": v for k, v in optimiser.state().items()}
        result["random.update"] = self.update_noise.get_state()
        result["random.acting"] = self.acting_noise.get_state()
        return result

    def load_parameters(self, tensors: dict[str, Tensor], source: str) -> None:
        """Take the parameters alone, for acting.

        Raises NaturalMujocoError where they are not this agent's; it names the file `source` and the tensor.
        """
        own = self.state_dict()
        for name, value in own.items():
            take(tensors, f"parameters.{name}", value, source)
        found = _under(tensors, "parameters.")
        refuse_others(found, own, source)
        self.load_state_dict(found)

    def load_tensors(self, tensors: dict[str, Tensor], source: str) -> None:
        """Take up what `tensors` gave. Raises as `load_parameters`."""
        self.load_parameters(tensors, source)
        for name, optimiser in self.optimisers.items():
            optimiser.load(tensors, f"optimiser.{name}.", source)
        take_stream(tensors, "random.update", self.update_noise, source)
        take_stream(tensors, "random.acting", self.acting_noise, source)


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
