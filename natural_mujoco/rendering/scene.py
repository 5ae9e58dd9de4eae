"""Draws a physics state, whole as dm_control does, or supersampled, whole or only the foreground.

- `FAST`, `REFERENCE`: the two qualities. They are part of what `v0` means: changing them changes pixels.
- `SceneRenderer`: draws one physics in RGBA, supersampled.
- `ReferenceRenderer`: dm_control's own picture, bit for bit.

How the numbers were chosen is in `docs/rendering.md`; `benchmarks/rendering.py` measures them again.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from ..tasks import Task
from .framebuffer import Framebuffer, Quality
from .matting import Pixels, downsample

FAST = Quality(slices=12, stacks=6, shadow_map=0)
"""12 segments around a limb: more of them change coverage by less than 0.005 and take twice the time."""
REFERENCE = Quality(slices=28, stacks=16, shadow_map=2048)
"""dm_control's own tessellation and shadow map."""

# The scenery is moved to group 2, which only this renderer hides. The group is shown by default and none of the ten
# models uses it, so that all other pictures of the physics stay as they were.
_SCENERY_GROUP = 2


class _Renderer:
    """MuJoCo's scene of one physics, seen from the task's camera, and the framebuffer that it is drawn in."""

    def __init__(
        self,
        physics: Any,
        task: Task,
        size: int,
        quality: Quality | None,
        channels: int,
        textures: frozenset[int] | None = None,
    ) -> None:
        import mujoco
        from dm_control.mujoco import wrapper

        # dm_control's wrappers own these; they live as long as the physics does.
        self._model, self._data = physics.model.ptr, physics.data.ptr
        self._option = wrapper.MjvOption()
        self._perturb = mujoco.MjvPerturb()
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = task.camera_id
        self._scene = mujoco.MjvScene(self._model, maxgeom=_scene_capacity(self._model))
        self._viewport = mujoco.MjrRect(0, 0, size, size)
        self._samples: Pixels = np.empty((size, size, channels), np.uint8)
        self._update, self._everything = mujoco.mjv_updateScene, mujoco.mjtCatBit.mjCAT_ALL.value
        # Tasks of the same domain have the same model.
        self._framebuffer = Framebuffer(self._model, size, quality, task.domain, textures)

    def _draw_samples(self) -> None:
        """Draws the current state into `_samples`, bottom row first."""
        self._update(
            self._model, self._data, self._option, self._perturb, self._camera, self._everything, self._scene
        )
        self._framebuffer.draw(self._viewport, self._scene, self._samples)

    def close(self) -> None:
        """Frees the GL context and drops the reference to the physics. May be called again."""
        self._framebuffer.close()
        self._model = self._data = self._scene = None


class SceneRenderer(_Renderer):
    """Draws the `physics` of `task` from the task's camera in `size`×`size` pixels.

    The task's scenery and the sky are left out, and alpha is the coverage of what remains; with `whole`, the whole
    scene is drawn and alpha has no meaning. Shadows need a `quality` with a shadow map; reflections are never drawn. A
    pixel is the mean of `supersampling`² samples; `supersampling` is a power of two, by default `task.samples`.
    """

    def __init__(
        self,
        physics: Any,
        task: Task,
        size: int,
        quality: Quality,
        whole: bool = False,
        supersampling: int | None = None,
    ) -> None:
        import mujoco

        self._supersampling = supersampling or task.samples
        textures = None if whole else _textures_of_the_foreground(physics.model.ptr, task)
        super().__init__(physics, task, size * self._supersampling, quality, channels=4, textures=textures)
        flag = mujoco.mjtRndFlag
        hidden = {flag.mjRND_REFLECTION}
        if not quality.shadow_map:
            hidden.add(flag.mjRND_SHADOW)
        if not whole:
            hidden |= {flag.mjRND_SKYBOX, flag.mjRND_FOG, flag.mjRND_HAZE}
            for name in task.scenery:
                self._model.geom_group[physics.model.name2id(name, "geom")] = _SCENERY_GROUP
            self._option.geomgroup[_SCENERY_GROUP] = 0
        for index in hidden:
            self._scene.flags[index] = 0

    def draw(self) -> Pixels:
        """The current state as premultiplied RGBA, `uint8[size, size, 4]`, top row first; a new array."""
        self._draw_samples()
        # OpenGL's first row is the bottom one.
        image: Pixels = cv2.flip(downsample(self._samples, self._supersampling), 0)
        return image


class ReferenceRenderer(_Renderer):
    """Gives the pixels of `physics.render(size, size, camera_id)`, but keeps scene and buffers between frames."""

    def __init__(self, physics: Any, task: Task, size: int) -> None:
        super().__init__(physics, task, size, quality=None, channels=3)

    def draw(self) -> Pixels:
        """The current state as `uint8[size, size, 3]`, top row first; a new array."""
        self._draw_samples()
        image: Pixels = cv2.flip(self._samples, 0)
        return image


def _textures_of_the_foreground(model: Any, task: Task) -> frozenset[int]:
    """The numbers of the textures that the foreground needs, that is all but those of the sky and the scenery."""
    geoms = [number for number in range(model.ngeom) if model.geom(number).name not in task.scenery]
    materials = {
        *model.geom_matid[geoms],
        *model.site_matid,
        *model.tendon_matid,
        *model.skin_matid,
    }
    return frozenset(int(t) for m in materials if m >= 0 for t in np.ravel(model.mat_texid[m]) if t >= 0)


def _scene_capacity(model: Any) -> int:
    """An upper bound on the number of geoms in a scene; MuJoCo silently drops those that do not fit."""
    tendon_segments = model.nwrap * 32
    return int(100 + 2 * model.ngeom + 2 * model.nsite + tendon_segments + 4 * model.nbody)
