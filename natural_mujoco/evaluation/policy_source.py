"""Resolves `--policy`: `zero`, `random`, `expert`, `module:factory`, or a run directory of the bundled agents.

- `PolicySource`: what is known about a policy before it is loaded.
- `find_policy`: the `PolicySource` for what the user wrote.
- `newest_checkpoint`: the weights of a run directory that are loaded.
"""

from __future__ import annotations

import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from .. import files
from ..errors import InvalidArgument, NaturalMujocoError
from ..experts import experts_digest
from ..tasks import find_task
from .conditions import ACTION_REPEAT, SIZE
from .fields import ActionRepeat, Line, Privileged, Seed, Sha256, Steps, VideoSet
from .policy_digest import file_digest, source_digest
from .policy_errors import printable


@dataclass(frozen=True)
class PolicySource:
    """Where a policy comes from, and what is known about it without loading it. Can be pickled, to load it elsewhere.

    `text` is what the user wrote (for a run directory its absolute path), `name` the policy's name in records. `digest`
    is the sha256 of the weights, or of the policy's own source (`policy_digest`). For a run directory, `agent`, `task`,
    `training_seed`, `training_steps`, `action_repeat`, `size` and the fields about training are read from its files.
    """

    kind: Literal["zero", "random", "expert", "factory", "run"]
    text: str
    name: str
    import_path: str
    digest: str | None = None
    agent: str | None = None
    task: str | None = None
    training_seed: int = 0
    training_steps: int | None = None
    trained_on: Literal["standard", "natural"] | None = None
    trained_set: VideoSet | None = None
    num_videos: int | None = None
    strength: float | None = None
    action_repeat: int = ACTION_REPEAT
    size: int = SIZE
    """Height and width of the observations that it reads, in pixels."""
    earlier_digest: str | None = None
    """The `digest` that older versions recorded, so that their files can be continued."""
    privileged: Privileged | None = None
    """What the policy, or its teacher in training, sees beyond pixels."""

    @property
    def looks(self) -> bool:
        """Whether the policy uses the observations' pixels."""
        return self.kind in ("factory", "run")


def find_policy(text: str) -> PolicySource:
    """The source of the policy that `--policy text` names.

    Raises `InvalidArgument` if `text` is neither `zero`, `random`, `expert`, `module:factory` nor a run directory.
    """
    here = str(Path.cwd())
    if text == "zero":
        return PolicySource("zero", text, text, here)
    if text == "random":
        return PolicySource("random", text, text, here)
    if text == "expert":
        return PolicySource("expert", text, text, here, digest=experts_digest(), privileged="state")
    path = Path(text).expanduser()
    if path.is_dir():
        return _describe_run(path.resolve(), here)
    module, colon, factory = text.partition(":")
    if colon and all(part.isidentifier() for part in (*module.split("."), *factory.split("."))):
        make_importable(here)
        digest, earlier = source_digest(module, here), file_digest(module)
        return PolicySource(
            "factory", text, printable(text, 200), here, digest=digest, earlier_digest=earlier
        )
    raise InvalidArgument(
        f"--policy {text!r} is neither zero, random, expert, an importable module:factory, nor a run directory."
    )


class _Environment(BaseModel):
    action_repeat: ActionRepeat = ACTION_REPEAT
    size: Annotated[int, Field(ge=1, le=4096)] = SIZE
    num_videos: Annotated[int, Field(ge=1)] | None = None
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0


class _Config(BaseModel):
    task: str
    variant: Literal["standard", "natural"]
    seed: Seed
    environment: _Environment = Field(default_factory=_Environment)


class _RunConfig(BaseModel):
    """The fields that config.json of a run must have for an evaluation."""

    agent: Line
    config: _Config
    video_set: VideoSet | None = None


class _State(BaseModel):
    """The fields that state.json of a checkpoint must have."""

    sha256: Sha256
    control_steps: Steps


def _describe_run(path: Path, here: str) -> PolicySource:
    """The source for a run directory of the bundled agents, from its config.json and newest whole checkpoint."""
    try:
        described = _RunConfig.model_validate(files.read_json(path / "config.json"))
        config, task = described.config, find_task(described.config.task).name
    except (OSError, NaturalMujocoError, ValidationError) as error:
        raise InvalidArgument(
            f"--policy {path} is a folder but no run directory: config.json does not name its agent, task, variant "
            f"and seed ({_reason(error)}). Give the --logdir of a training run."
        ) from error
    digest, steps = newest_checkpoint(path)
    natural = config.variant == "natural"
    # Its teacher in training, the expert, reads the state; the policy itself sees only pixels.
    taught = described.agent == "distil"
    return PolicySource(
        kind="run",
        text=str(path),
        name=printable(f"{path.parent.name}/{path.name}", 200),
        import_path=here,
        digest=digest,
        agent=described.agent,
        task=task,
        training_seed=config.seed,
        training_steps=steps,
        trained_on=config.variant,
        trained_set=described.video_set if natural else None,
        num_videos=config.environment.num_videos if natural else None,
        strength=config.environment.strength if natural and config.environment.strength < 1 else None,
        action_repeat=config.environment.action_repeat,
        size=config.environment.size,
        privileged="state in training" if taught else None,
    )


def newest_checkpoint(path: Path) -> tuple[str, int]:
    """The sha256 of the weights of a run's newest whole checkpoint, and the control steps that they were trained for.

    A checkpoint is whole if its weights have the checksum that was written beside them. Raises `InvalidArgument` if
    there is none.
    """
    folders = (folder for folder in (path / "checkpoints").glob("*") if folder.name.isdigit())
    for folder in sorted(folders, reverse=True):
        try:
            state = _State.model_validate(files.read_json(folder / "state.json"))
            weights = (folder / "checkpoint.safetensors").read_bytes()
        except (OSError, NaturalMujocoError, ValidationError):
            continue  # damaged; loading, too, then uses the previous checkpoint
        if hashlib.sha256(weights).hexdigest() == state.sha256:
            return state.sha256, state.control_steps
    raise InvalidArgument(
        f"--policy {path} holds no whole checkpoint. Train it for longer, then evaluate it."
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        return printable(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}", 200)
    return printable(str(error), 200)


def make_importable(folder: str) -> None:
    """Makes modules in `folder` importable."""
    if folder not in sys.path:
        sys.path.insert(0, folder)
