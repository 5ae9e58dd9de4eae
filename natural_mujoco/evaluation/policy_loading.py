"""Loads a policy from its `PolicySource`, in the process that plays it.

- `load_policy`: loads the policy for one task.
- `agents_package`: the bundled agents, imported only if a run directory is played.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import inspect
import os
from pathlib import Path
from typing import Any

from ..errors import InvalidArgument, NaturalMujocoError, PolicyError
from ..experts.policy import ExpertPolicy
from .policy_errors import policy_failed
from .policy_source import PolicySource, make_importable
from .protocol import Policy, RandomPolicy, ZeroPolicy


def load_policy(source: PolicySource, task: str, action_size: int) -> Policy:
    """The policy that `source` names, for `task` with `action_size` numbers per action.

    A factory is called with the keyword arguments `task` (the paper's name) and `action_size`, as far as it accepts
    them. Raises `PolicyError`, which says what went wrong in the policy's own code, and `InvalidArgument` if there is
    no such factory.
    """
    if source.kind == "zero":
        return ZeroPolicy(action_size)
    if source.kind == "random":
        return RandomPolicy(action_size)
    if source.kind == "expert":
        return ExpertPolicy(task)
    make_importable(source.import_path)
    # An earlier policy may have changed the working directory (Hydra does); go back to where the command was given.
    with contextlib.suppress(OSError):
        os.chdir(source.import_path)
    what = f"The policy {source.name} could not be loaded for {task}"
    if source.kind == "run":
        policy = _load_run(source, what)
    else:
        policy = _call_factory(source.text, {"task": task, "action_size": action_size}, what)
    if not isinstance(policy, Policy):
        raise PolicyError(
            f"The policy {source.name} is a {type(policy).__name__} without the methods reset(num_envs) and act(obs)."
        )
    return policy


def _load_run(source: PolicySource, what: str) -> Any:
    try:
        policy = agents_package().load(source.text)
    except NaturalMujocoError:
        raise
    except Exception as error:
        raise policy_failed(what, error) from error
    if policy.digest != source.digest:  # the records must have the digest of the weights that were loaded
        raise PolicyError(
            f"The run {source.name} wrote a new checkpoint while it was evaluated, or its newest one is damaged. "
            "Evaluate it when it is done, or evaluate a copy of its folder."
        )
    return policy


def _call_factory(text: str, offered: dict[str, Any], what: str) -> Any:
    module_name, _, path = text.partition(":")
    missing = object()
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part, missing)
    except BaseException as error:  # including sys.exit() at import
        raise policy_failed(what, error) from error
    if found is missing:
        raise InvalidArgument(f"The module {module_name} has no {path}: --policy takes module:factory.")
    if not callable(found):
        raise InvalidArgument(f"{text} is a {type(found).__name__} and cannot be called to make a policy.")
    try:
        parameters = inspect.signature(found).parameters.values()
        takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters)
        return found(**{k: v for k, v in offered.items() if takes_all or k in {p.name for p in parameters}})
    except BaseException as error:
        raise policy_failed(what, error) from error


def agents_package() -> Any:
    """The package of the bundled agents: inside this package in a wheel, beside it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    name = "natural_mujoco.agents"
    if importlib.util.find_spec(name) is None:
        name = "agents"
        make_importable(str(package.parent))
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PolicyError(
            f"A run directory needs the agents and their dependencies ({error}). "
            "`pip install 'natural-mujoco[agents]'` installs them."
        ) from error
