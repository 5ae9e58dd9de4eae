"""A copy of a task's model for drawing, in which everything that MuJoCo's own renderer shows is a geom.

MuJoCo Warp's ray tracer draws only geoms. The quadruped's pupils and the cup's knot are sites, and the cup's string is
a tendon; the copy has geoms in their places. Physics run on dm_control's unchanged model.

- `DrawnModel`: the copy, and which element of the physics model each of its geoms stands for.
- `load_task`: dm_control's task and its `DrawnModel`.
"""

from __future__ import annotations

import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from ..conversion import ConvertedTask, save_model
from ..tasks import Task

SHOWN, SCENERY, HIDDEN = 0, 1, 5
"""Groups of geoms: robot and task objects, scenery, and what is never drawn."""
VISIBLE_GROUPS = 3
"""MuJoCo shows the first three groups of geoms, sites and tendons."""
# OpenGL approximates round geoms by inscribed prisms of twelve sides; the ray tracer draws them truly round. They are
# shrunk a little here so that both cover the same area. Seen from the side, such a prism is on average sin(x)/x as
# wide, x = π/12; its end has the area of a circle whose radius is √(sin(2x)/2x) times as large.
_SIDE, _FACE = math.sin(math.pi / 12) / (math.pi / 12), math.sqrt(math.sin(math.pi / 6) / (math.pi / 6))
_SHRINKING = {
    mujoco.mjtGeom.mjGEOM_CAPSULE: (_SIDE, 1, 1),
    mujoco.mjtGeom.mjGEOM_CYLINDER: (_FACE, 1, 1),
    mujoco.mjtGeom.mjGEOM_SPHERE: (_FACE, 1, 1),
    mujoco.mjtGeom.mjGEOM_ELLIPSOID: (_FACE, _FACE, _FACE),
}
STRING_SEGMENTS = 28
"""Segments of a tendon, as many as MuJoCo draws."""


@dataclass(frozen=True)
class DrawnModel:
    """A model of what is drawn. The ids below are those of geoms of `model`, in the order of what they stand for."""

    model: Any
    geoms: list[int]
    """The geoms that stand for the physics model's geoms."""
    scenery: list[int]
    """Those of them that are scenery."""
    sites: dict[int, int]
    """The geom that stands for each visible site: `{site id: geom id}`."""
    strings: dict[int, list[int]]
    """The geoms that stand for the segments of each visible spatial tendon: `{tendon id: geom ids}`."""


def load_task(task: Task) -> tuple[ConvertedTask, DrawnModel]:
    """dm_control's `task`, reset once, and its `DrawnModel`."""
    converted = ConvertedTask(task)
    physics = converted.dm_control_env.physics.model.ptr
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.xml"
        save_model(task, path)
        specification = mujoco.MjSpec.from_file(str(path))
    converted.reset(seed=0)  # tasks hide sites and size targets when an episode begins
    return converted, _draw_everything(specification, physics, task)


def _draw_everything(specification: Any, physics: Any, task: Task) -> DrawnModel:
    sites = {
        site: f"site {site}"
        for site in range(physics.nsite)
        if physics.site_group[site] < VISIBLE_GROUPS and physics.site_rgba[site, 3] > 0
    }
    strings = {
        tendon: [f"tendon {tendon} {k}" for k in range(STRING_SEGMENTS)]
        for tendon in range(physics.ntendon)
        if physics.tendon_group[tendon] < VISIBLE_GROUPS and _is_string(physics, tendon)
    }
    for site, name in sites.items():
        kind, size = mujoco.mjtGeom(int(physics.site_type[site])), physics.site_size[site]
        material = _material(physics, int(physics.site_matid[site]))
        _add(specification, name, kind, size, physics.site_rgba[site], material)
    for tendon, names in strings.items():
        width = float(physics.tendon_width[tendon])
        material = _material(physics, int(physics.tendon_matid[tendon]))
        for name in names:
            _add(
                specification,
                name,
                mujoco.mjtGeom.mjGEOM_CAPSULE,
                [width, width, 0],
                physics.tendon_rgba[tendon],
                material,
            )
    drawn = specification.compile()
    named = {drawn.geom(k).name: k for k in range(drawn.ngeom)}
    geoms = [named[physics.geom(k).name] for k in range(physics.ngeom)]
    # XML keeps six digits, and tasks change sizes and colours after it is read.
    drawn.geom_size[geoms], drawn.geom_rgba[geoms] = physics.geom_size, physics.geom_rgba
    for kind, shares in _SHRINKING.items():
        drawn.geom_size[drawn.geom_type == int(kind)] *= shares
    drawn.mat_rgba[:] = physics.mat_rgba
    drawn.vis.map.znear, drawn.vis.map.zfar = physics.vis.map.znear, physics.vis.map.zfar
    drawn.stat.extent = physics.stat.extent
    for k, name in enumerate(physics.geom(k).name for k in range(physics.ngeom)):
        kind = SCENERY if name in task.scenery else SHOWN
        drawn.geom_group[geoms[k]] = kind if physics.geom_group[k] < VISIBLE_GROUPS else HIDDEN
    return DrawnModel(
        drawn,
        geoms,
        [k for k in range(physics.ngeom) if physics.geom(k).name in task.scenery],
        {site: named[name] for site, name in sites.items()},
        {tendon: [named[name] for name in names] for tendon, names in strings.items()},
    )


def _add(specification: Any, name: str, kind: Any, size: Any, rgba: Any, material: str) -> None:
    """Adds a geom without mass or contacts; the renderer sets its pose before each frame."""
    specification.worldbody.add_geom(
        name=name,
        type=kind,
        size=np.asarray(size, np.float64),
        rgba=np.asarray(rgba, np.float32),
        material=material,
        contype=0,
        conaffinity=0,
        mass=0,
        group=SHOWN,
    )


def _is_string(physics: Any, tendon: int) -> bool:
    """Whether a tendon runs straight between two sites, as the cup's string does; fixed tendons are never drawn."""
    first, number = int(physics.tendon_adr[tendon]), int(physics.tendon_num[tendon])
    kinds = physics.wrap_type[first : first + number]
    return number == 2 and bool((kinds == int(mujoco.mjtWrap.mjWRAP_SITE)).all())


def _material(physics: Any, number: int) -> str:
    return "" if number < 0 else str(physics.mat(number).name)
