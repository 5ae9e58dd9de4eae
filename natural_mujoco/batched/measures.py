"""dm_control's rewards and vector observations as tensor code over many worlds, with one class for each domain.

- `State`: the quantities of a simulation that rewards and observations are computed from.
- `Measures`: reward and observation of one task.
- `make_measures`: the `Measures` of a task.

Each mirrors the class of the same domain in `dm_control.suite` and agrees with it to 1e-5 on the same states. Legend of
the shapes: N worlds; Q, V positions and velocities; B bodies; G geoms; S sites; M sensor numbers; A actions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import mujoco
import torch
from torch import Tensor

from ..tasks import Task


class State(NamedTuple):
    """The worlds of a simulation after a control step, as dm_control's physics holds one world."""

    qpos: Tensor  # [N, Q]
    qvel: Tensor  # [N, V]
    act: Tensor  # [N, activations]
    ctrl: Tensor  # [N, A]
    xpos: Tensor  # [N, B, 3]
    xmat: Tensor  # [N, B, 3, 3]
    geom_xpos: Tensor  # [N, G, 3]
    site_xpos: Tensor  # [N, S, 3]
    sensordata: Tensor  # [N, M]


class Measures(Protocol):
    """Computes the reward and the vector observation that dm_control's task gives for a state."""

    def reward(self, state: State) -> Tensor:
        """The reward of one control step that led to `state`: `[N]`, 0 to 1."""

    def observation(self, state: State) -> Tensor:
        """dm_control's observation, its parts concatenated in dm_control's order: `[N, D]`."""


def make_measures(task: Task, model: Any) -> Measures:
    """The measures of `task`, whose `mujoco.MjModel` is `model`."""
    return _MEASURES[task.domain, task.task](model)


def linear(x: Tensor, lower: float, margin: float, value_at_margin: float) -> Tensor:
    """`rewards.tolerance` of dm_control with bounds (lower, ∞): 1 there, falling linearly to 0 below."""
    distance = (lower - x) / margin * (1 - value_at_margin)
    return (1 - distance).clamp(0, 1)


def gaussian(x: Tensor, lower: float, upper: float, margin: float) -> Tensor:
    """`rewards.tolerance` of dm_control with its default sigmoid: 1 within the bounds, 0.1 at `margin` outside."""
    distance = torch.maximum(lower - x, x - upper).clamp(min=0) / margin
    return 0.1 ** (distance**2)


class Walker:
    """Rewards an upright torso at standing height, moving at `speed` (m/s) or faster."""

    def __init__(self, model: Any, speed: float) -> None:
        self.speed = speed
        self.torso = model.body("torso").id
        self.velocity = _sensor(model, "torso_subtreelinvel").start

    def reward(self, state: State) -> Tensor:
        standing = gaussian(state.xpos[:, self.torso, 2], 1.2, float("inf"), 0.6)  # [N]
        upright = (1 + state.xmat[:, self.torso, 2, 2]) / 2  # [N]
        stand = (3 * standing + upright) / 4
        move = linear(state.sensordata[:, self.velocity], self.speed, self.speed / 2, 0.5)
        return stand * (5 * move + 1) / 6

    def observation(self, state: State) -> Tensor:
        orientations = state.xmat[:, 1:, 0][..., [0, 2]].flatten(1)  # xx and xz of every body
        height = state.xpos[:, self.torso, 2:]
        return torch.cat([orientations, height, state.qvel], 1)


class Cheetah:
    """Rewards forward speed, up to 10 m/s."""

    def __init__(self, model: Any) -> None:
        self.velocity = _sensor(model, "torso_subtreelinvel").start

    def reward(self, state: State) -> Tensor:
        return linear(state.sensordata[:, self.velocity], 10, 10, 0)

    def observation(self, state: State) -> Tensor:
        return torch.cat([state.qpos[:, 1:], state.qvel], 1)


class Finger:
    """Rewards a spinner that turns at 15 rad/s or faster."""

    def __init__(self, model: Any) -> None:
        self.angles = _sensors(model, "proximal", "distal")
        self.velocities = _sensors(model, "proximal_velocity", "distal_velocity", "hinge_velocity")
        self.touch = _sensors(model, "touchtop", "touchbottom")
        self.tip, self.spinner = _sensors(model, "tip")[::2], _sensors(model, "spinner")[::2]

    def reward(self, state: State) -> Tensor:
        return (state.sensordata[:, self.velocities[-1]] <= -15).to(state.qpos.dtype)

    def observation(self, state: State) -> Tensor:
        sensors = state.sensordata
        tip = sensors[:, self.tip] - sensors[:, self.spinner]  # x and z
        touch = torch.log1p(sensors[:, self.touch])
        return torch.cat([sensors[:, self.angles], tip, sensors[:, self.velocities], touch], 1)


class Cartpole:
    """Rewards an upright, slow pole with the cart in the middle and little force."""

    def __init__(self, model: Any) -> None:
        self.slider = int(model.joint("slider").qposadr[0])

    def reward(self, state: State) -> Tensor:
        upright = (state.xmat[:, 2, 2, 2] + 1) / 2  # [N]
        centered = (1 + gaussian(state.qpos[:, self.slider], 0, 0, 2)) / 2
        small_control = (4 + (1 - state.ctrl[:, 0] ** 2).clamp(min=0)) / 5
        small_velocity = (1 + gaussian(state.qvel[:, 1], 0, 0, 5)) / 2
        return upright * small_control * small_velocity * centered

    def observation(self, state: State) -> Tensor:
        pole = state.xmat[:, 2]  # the only pole; its zz and xz
        position = [state.qpos[:, self.slider], pole[:, 2, 2], pole[:, 0, 2]]
        return torch.cat([torch.stack(position, 1), state.qvel], 1)


class BallInCup:
    """Rewards a ball that is inside the cup."""

    def __init__(self, model: Any) -> None:
        self.target, self.ball = model.site("target").id, model.body("ball").id
        room = model.site("target").size[[0, 2]] - model.geom("ball").size[0]
        self.room = [float(r) for r in room]

    def reward(self, state: State) -> Tensor:
        offset: Tensor = (state.site_xpos[:, self.target] - state.xpos[:, self.ball]).abs()  # [N, 3]
        inside = (offset[:, 0] < self.room[0]) & (offset[:, 2] < self.room[1])
        return inside.to(state.qpos.dtype)

    def observation(self, state: State) -> Tensor:
        return torch.cat([state.qpos, state.qvel], 1)


class Reacher:
    """Rewards a finger that touches the target."""

    def __init__(self, model: Any) -> None:
        self.target, self.finger = model.geom("target").id, model.geom("finger").id
        # The size that the easy task gives its target when an episode begins.
        self.reach = 0.05 + float(model.geom("finger").size[0])

    def _to_target(self, state: State) -> Tensor:
        to_target: Tensor = state.geom_xpos[:, self.target, :2] - state.geom_xpos[:, self.finger, :2]
        return to_target  # [N, 2]

    def reward(self, state: State) -> Tensor:
        distance: Tensor = torch.linalg.vector_norm(self._to_target(state), dim=1)  # [N]
        return (distance <= self.reach).to(state.qpos.dtype)

    def observation(self, state: State) -> Tensor:
        return torch.cat([state.qpos, self._to_target(state), state.qvel], 1)


class Quadruped:
    """Rewards an upright torso that moves at 0.5 m/s or faster."""

    def __init__(self, model: Any) -> None:
        hinges = [j for j in range(model.njnt) if model.jnt_type[j] == mujoco.mjtJoint.mjJNT_HINGE]
        self.positions = [int(model.jnt_qposadr[j]) for j in hinges]
        self.velocities = [int(model.jnt_dofadr[j]) for j in hinges]
        self.torso = model.body("torso").id
        self.velocity = _sensors(model, "velocimeter")
        kinds = mujoco.mjtSensor
        self.imu = _sensors_of(model, kinds.mjSENS_GYRO, kinds.mjSENS_ACCELEROMETER)
        self.force_torque = _sensors_of(model, kinds.mjSENS_FORCE, kinds.mjSENS_TORQUE)

    def reward(self, state: State) -> Tensor:
        upright = linear(state.xmat[:, self.torso, 2, 2], 1, 2, 0)  # [N]
        return upright * linear(state.sensordata[:, self.velocity[0]], 0.5, 0.5, 0.5)

    def observation(self, state: State) -> Tensor:
        sensors = state.sensordata
        return torch.cat(
            [
                state.qpos[:, self.positions],
                state.qvel[:, self.velocities],
                state.act,
                sensors[:, self.velocity],
                state.xmat[:, self.torso, 2, 2:],
                sensors[:, self.imu],
                torch.asinh(sensors[:, self.force_torque]),
            ],
            1,
        )


class Pendulum:
    """Rewards a pole within 8° of upright."""

    def __init__(self, model: Any) -> None:
        self.pole = model.body("pole").id

    def reward(self, state: State) -> Tensor:
        return (state.xmat[:, self.pole, 2, 2] >= _COS_8_DEGREES).to(state.qpos.dtype)

    def observation(self, state: State) -> Tensor:
        pole = state.xmat[:, self.pole]
        return torch.cat([pole[:, 2, 2:], pole[:, 0, 2:], state.qvel], 1)


_COS_8_DEGREES = 0.9902680687415704

_MEASURES: dict[tuple[str, str], Callable[[Any], Measures]] = {
    ("walker", "walk"): lambda model: Walker(model, 1),
    ("walker", "run"): lambda model: Walker(model, 8),
    ("cheetah", "run"): Cheetah,
    ("finger", "spin"): Finger,
    ("cartpole", "balance"): Cartpole,
    ("cartpole", "swingup"): Cartpole,
    ("ball_in_cup", "catch"): BallInCup,
    ("reacher", "easy"): Reacher,
    ("quadruped", "walk"): Quadruped,
    ("pendulum", "swingup"): Pendulum,
}


def _sensor(model: Any, name: str) -> range:
    """The indices in `sensordata` of a sensor's numbers."""
    sensor = model.sensor(name)
    return range(int(sensor.adr[0]), int(sensor.adr[0] + sensor.dim[0]))


def _sensors(model: Any, *names: str) -> list[int]:
    return [number for name in names for number in _sensor(model, name)]


def _sensors_of(model: Any, *kinds: Any) -> list[int]:
    """The indices in `sensordata` of all sensors of the given kinds, in the model's order, as dm_control reads them."""
    numbers = [int(kind) for kind in kinds]
    names = [model.sensor(k).name for k in range(model.nsensor) if int(model.sensor_type[k]) in numbers]
    return _sensors(model, *names)
