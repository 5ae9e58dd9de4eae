"""An expert's card: where its weights come from and what they earn.

- `Card`, `Training`, `Returns`: the card, a JSON file beside the weights.
- `read_card`: reads and checks a card.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import ExpertError

_Line = Annotated[str, Field(min_length=1, max_length=200)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Training(_Strict):
    """How the weights were trained. `control_steps` counts dm_control's steps; `settings` has the library's names."""

    algorithm: _Line
    library: _Line
    versions: dict[_Line, _Line]
    seed: int
    action_repeat: Annotated[int, Field(ge=1)]
    control_steps: Annotated[int, Field(ge=1)]
    updates: Annotated[int, Field(ge=1)]
    processor_minutes: Annotated[float, Field(ge=0)]
    settings: dict[_Line, Any]


class Returns(_Strict):
    """Undiscounted returns of episodes of 1000 control steps with greedy actions, at one action repeat."""

    action_repeat: Annotated[int, Field(ge=1)]
    episodes: Annotated[int, Field(ge=1)]
    mean: Annotated[float, Field(ge=0, le=1000)]
    standard_deviation: Annotated[float, Field(ge=0)]
    lowest: Annotated[float, Field(ge=0, le=1000)]


class Card(_Strict):
    """Describes an expert. `sha256` is the hash of its weights file.

    `target` is the return at action repeat 2 that training aimed at, whether or not it was reached. `observation` maps
    the parts of dm_control's observation, in order, to their sizes.
    """

    format: Literal["natural-mujoco-expert"] = "natural-mujoco-expert"
    version: Literal[1] = 1
    task: _Line
    privileged: Literal["state"] = "state"
    observation: dict[_Line, Annotated[int, Field(ge=1)]]
    action_size: Annotated[int, Field(ge=1)]
    training: Training
    target: Annotated[float, Field(ge=0, le=1000)]
    returns: Annotated[tuple[Returns, ...], Field(min_length=1)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

    @property
    def observation_size(self) -> int:
        """Size of the flat observation vector."""
        return sum(self.observation.values())

    def mean_return(self, action_repeat: int = 2) -> float:
        """The mean return at `action_repeat`. Raises `ExpertError` if it was not measured."""
        for returns in self.returns:
            if returns.action_repeat == action_repeat:
                return returns.mean
        measured = ", ".join(str(returns.action_repeat) for returns in self.returns)
        raise ExpertError(
            f"The expert of {self.task} was not measured at action repeat {action_repeat}, only at {measured}."
        )


def read_card(path: Path) -> Card:
    """The card in the file at `path`. Raises `ExpertError` if there is none or it is damaged."""
    try:
        return Card.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ExpertError(f"Cannot read the expert's card {path}: {error.strerror}.") from error
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "the file"
        raise ExpertError(
            f"The expert's card {path} is damaged ({where}: {fault['msg']}). Install the package anew, or export the "
            "expert again."
        ) from error
