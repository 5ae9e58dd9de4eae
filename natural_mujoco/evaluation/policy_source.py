"""What `--policy` names: `zero`, `random`, `expert`, `module:factory`, or a run directory of the bundled agents.

- `PolicySource`: what is known of a policy before it is loaded.
- `find_policy`: resolves what the user wrote.
- `newest_checkpoint`, `training_curve`: what a run directory tells.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from ..errors import InvalidArgument
from ..experts import experts_digest
from ..tasks import find_task
from .conditions import ACTION_REPEAT
from .records import Curve


@dataclass(frozen=True)
class PolicySource:
    """Where a policy comes from, and what is known of it without loading it. Pickles; loads in any process.

    `text` is what the user wrote (for a run directory its absolute path), `name` what records call it.
    `digest` is the sha256 of the weights, or of the module's source. For a run directory `agent`, `task`,
    `training_seed`, `training_steps`, `trained_on` and `action_repeat` are read from it.
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
    action_repeat: int = ACTION_REPEAT
    privileged: Literal["state"] | None = None
    """What the policy is shown beyond pixels; only the package's own expert is."""

    @property
    def looks(self) -> bool:
        """Whether what is drawn can matter to the policy."""
        return self.kind in ("factory", "run")


def find_policy(text: str) -> PolicySource:
    """What `--policy text` names.

    Raises `InvalidArgument` if it is none of `zero`, `random`, `expert`, `module:factory` and a run directory.
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
        return PolicySource("factory", text, text, here, digest=_source_digest(module, here))
    raise InvalidArgument(
        f"--policy {text!r} is neither zero, random, expert, an importable module:factory, nor a run directory."
    )


def _describe_run(path: Path, here: str) -> PolicySource:
    """A run directory of the bundled agents, as its config.json and newest checkpoint describe it."""
    try:
        data = json.loads((path / "config.json").read_bytes())
        agent, config = str(data["agent"]), data["config"]
        task, variant, seed = find_task(config["task"]).name, config["variant"], int(config["seed"])
        action_repeat = int(config["environment"]["action_repeat"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidArgument(
            f"--policy {path} is a folder but no run directory: there is no config.json that names its agent, task, "
            "variant and seed. Give the --logdir of a training run."
        ) from error
    digest, steps = newest_checkpoint(path)
    return PolicySource(
        kind="run",
        text=str(path),
        name=f"{path.parent.name}/{path.name}",
        import_path=here,
        digest=digest,
        agent=agent,
        task=task,
        training_seed=seed,
        training_steps=steps,
        trained_on=variant if variant in ("standard", "natural") else None,
        action_repeat=action_repeat,
    )


def newest_checkpoint(path: Path) -> tuple[str, int]:
    """sha256 of the weights of a run's newest checkpoint, and the control steps they were trained for."""
    folders = (folder for folder in (path / "checkpoints").glob("*") if folder.name.isdigit())
    for folder in sorted(folders, reverse=True):
        try:
            state = json.loads((folder / "state.json").read_bytes())
            return str(state["sha256"]), int(state["control_steps"])
        except (OSError, ValueError, KeyError, TypeError):
            continue  # damaged: loading falls back to the one before it as well
    raise InvalidArgument(f"--policy {path} holds no checkpoint yet. Train it for longer, then evaluate it.")


def make_importable(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _source_digest(module: str, folder: str) -> str | None:
    """sha256 of the module's source, so that a resumed evaluation notices that the policy was edited."""
    make_importable(folder)
    importlib.invalidate_caches()
    try:
        spec = importlib.util.find_spec(module)
    except Exception as error:  # the package around it is imported, and may do anything
        raise InvalidArgument(f"--policy: there is no module {module!r} ({error}).") from error
    if spec is None:
        raise InvalidArgument(
            f"--policy: there is no module {module!r} here or among the installed packages."
        )
    if spec.origin is None or not Path(spec.origin).is_file():
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


def training_curve(source: PolicySource) -> list[Curve]:
    """The evaluations that a run made while it trained: mean return by control steps, from its evaluations.jsonl."""
    if source.kind != "run":
        return []
    try:
        lines = (Path(source.text) / "evaluations.jsonl").read_text().splitlines()
    except OSError:
        return []
    points: dict[str, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for line in lines:
        try:
            record = json.loads(line)
            points[record["condition"]][int(record["control_steps"])].append(float(record["return"]))
        except (ValueError, KeyError, TypeError):
            continue  # the last line of a run that was killed
    curves = []
    for condition, at in points.items():
        steps = sorted(at)
        try:
            curve = Curve.model_validate(
                {
                    "task": source.task,
                    "condition": condition,
                    "training_seed": source.training_seed,
                    "steps": tuple(steps),
                    "returns": tuple(sum(at[step]) / len(at[step]) for step in steps),
                }
            )
        except ValidationError:
            continue  # not this package's numbers; the episodes are what counts
        curves.append(curve)
    return curves
