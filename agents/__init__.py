"""The reference agents of the benchmark: CVRL, Dreamer, RePo, SAC, DrQ-v2, PPO and a student from pixels.

- `python -m agents.cvrl`, `agents.dreamer`, `agents.repo`, `agents.sac`, `agents.drqv2`, `agents.ppo`, `agents.distil`:
  train an agent. (From an installed wheel: `natural_mujoco.agents.cvrl` and so on.)
- `load`: loads the policy of a run directory.
- `python -m agents.probe`: measures what a world model represents. `agents.sweep`: trains many runs.
  `agents.open_loop`: draws figure 3. `agents.curves`: draws learning curves. `agents.plan`: trains the runs of a plan.

The agents use the suite through Gymnasium, the policy protocol, and the shared loop that plays episodes.
agents/README.md maps the paper's equations to functions.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .training.loading import TrainedPolicy

__all__ = ["load"]


def load(run: str | os.PathLike[str], device: str = "auto") -> TrainedPolicy:
    """The trained policy in a run directory: an object with `reset(num_envs)` and `act(observations)`.

    Args:
        run: a run directory of an agent.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`, …, or `"auto"`; need not be the device that it was trained on.

    Raises:
        NaturalMujocoError: `run` is not a run directory, has no checkpoint or only damaged ones, or PyTorch is not
            installed.
        InvalidArgument: the device does not exist.
    """
    try:
        from .training.loading import load as load_run
    except ModuleNotFoundError as error:
        from natural_mujoco import NaturalMujocoError

        raise NaturalMujocoError(
            f"The agents need {error.name}: pip install 'natural-mujoco[agents]'."
        ) from error
    return load_run(run, device)
