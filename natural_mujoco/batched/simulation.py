"""The physics of many worlds on a device, with MuJoCo Warp and dm_control's own model.

- `Simulation`: the worlds; begins episodes, steps, and exposes the state as tensors.
- `Start`: the states in which episodes begin.
"""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import mujoco
import mujoco_warp
import torch
import warp
from torch import Tensor

from .launching import Kernels, on_stream
from .measures import State

CONTACTS = 64
"""Most contacts in one world; the ten tasks need at most a third of it."""
CONSTRAINTS = 256
"""Most constraint rows in one world (joint limits, and four for each contact)."""
FAR = 1e10
"""A world with a position, velocity or activation beyond this counts as diverged (MuJoCo's mjMAXVAL)."""


class Start(NamedTuple):
    """States in which the episodes of N worlds begin, as drawn by dm_control's `initialize_episode`; N rows each."""

    qpos: Any
    qvel: Any
    act: Any
    qacc_warmstart: Any
    sensordata: Any
    geom_pos: Any
    """Positions of geoms: the reacher's target is at another place in every episode."""


class Simulation:
    """`num_envs` worlds of `model` (a `mujoco.MjModel`), `substeps` physics steps in a control step.

    A control step is dm_control's: positions and velocities are those after it, contact forces and accelerations
    those of the last physics step. Tensors share memory with Warp's arrays: they show the present state, and writing
    to them changes it.
    """

    def __init__(self, model: Any, num_envs: int, substeps: int, device: torch.device) -> None:
        self.num_envs, self.substeps, self.device = num_envs, substeps, device
        with on_stream(device):
            self.model = mujoco_warp.put_model(model, batch_sizes={"geom_pos": num_envs})
            self.data = mujoco_warp.make_data(model, nworld=num_envs, nconmax=CONTACTS, njmax=CONSTRAINTS)
        tensor = warp.to_torch
        data = self.data
        self.qpos, self.qvel, self.act, self.ctrl = map(tensor, (data.qpos, data.qvel, data.act, data.ctrl))
        self.warmstart, self.sensordata = tensor(data.qacc_warmstart), tensor(data.sensordata)
        self.geom_pos: Tensor = tensor(self.model.geom_pos)
        poses = (data.xpos, data.xmat, data.geom_xpos, data.site_xpos)
        self._poses: list[Tensor] = [tensor(pose) for pose in poses]
        self._geom_xpos = self._poses[2]
        self._fixed_geoms = torch.from_numpy((model.geom_bodyid == 0).nonzero()[0]).to(device)
        self._acceleration_stage = _acceleration_sensors(model, device)
        self._memory = (self.qpos, self.qvel, self.act, self.warmstart, self.ctrl, self.sensordata)
        runge_kutta = model.opt.integrator == mujoco.mjtIntegrator.mjINT_RK4
        self._control_step = Kernels(
            device, partial(_control_step, self.model, self.data, substeps, runge_kutta)
        )
        self._first_half = Kernels(device, partial(mujoco_warp.step1, self.model, self.data))

    def state(self) -> State:
        """The present state; its tensors share the simulation's memory and change with every step."""
        xpos, xmat, geom_xpos, site_xpos = self._poses
        return State(
            self.qpos, self.qvel, self.act, self.ctrl, xpos, xmat, geom_xpos, site_xpos, self.sensordata
        )

    def begin(self, rows: Tensor, start: Start) -> None:
        """Puts the worlds `rows` (`int64[k]`) into the states of `start`, whose tensors have k rows."""
        self.qpos[rows], self.qvel[rows], self.act[rows] = start.qpos, start.qvel, start.act
        self.warmstart[rows], self.geom_pos[rows] = start.qacc_warmstart, start.geom_pos
        self.sensordata[rows] = start.sensordata
        self.ctrl[rows] = 0
        # Warp computes the positions of geoms fixed to the world only once, so that they must be written here.
        self._geom_xpos[rows[:, None], self._fixed_geoms] = start.geom_pos[:, self._fixed_geoms]
        self._refresh()

    def step(self, actions: Tensor) -> None:
        """One control step with `actions` (`float32[N, A]`)."""
        self.ctrl.copy_(actions)
        self._control_step.run()
        self._refresh()

    def diverged(self) -> Tensor:
        """Which worlds have diverged, that is hold NaN or a number beyond `FAR`: `bool[N]`."""
        state = torch.cat([self.qpos, self.qvel, self.act], 1)
        return ~(state.abs() < FAR).all(1)

    def snapshot(self) -> tuple[Tensor, ...]:
        """A copy of everything that determines how the worlds go on, for `restore`."""
        return tuple(part.clone() for part in self._memory)

    def restore(self, rows: Tensor, snapshot: tuple[Tensor, ...]) -> None:
        """Puts the worlds of the mask `rows` (`bool[N]`) back to their state in `snapshot`."""
        for part, kept in zip(self._memory, snapshot, strict=True):
            part[rows] = kept[rows]
        self._refresh()

    def _refresh(self) -> None:
        """Computes all that follows from positions and velocities."""
        kept = self.sensordata[:, self._acceleration_stage]
        self._first_half.run()  # which sets all sensors to 0
        self.sensordata[:, self._acceleration_stage] = kept


def _control_step(model: Any, data: Any, substeps: int, runge_kutta: bool) -> None:
    """dm_control's: what follows from positions and velocities is known at its beginning."""
    if runge_kutta:
        for _ in range(substeps):
            mujoco_warp.step(model, data)
    else:
        mujoco_warp.step2(model, data)
        for _ in range(substeps - 1):
            mujoco_warp.step(model, data)


def _acceleration_sensors(model: Any, device: torch.device) -> Tensor:
    """Indices in `sensordata` of sensors that depend on forces: touch, force, torque, accelerometers."""
    numbers = [
        int(address) + k
        for address, size, stage in zip(
            model.sensor_adr, model.sensor_dim, model.sensor_needstage, strict=True
        )
        for k in range(size)
        if stage == mujoco.mjtStage.mjSTAGE_ACC
    ]
    return torch.tensor(numbers, dtype=torch.int64, device=device)
