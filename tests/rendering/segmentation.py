"""An independent view of the ten models: MuJoCo's own segmentation, which names the object at each sample.

Nothing here is imported from `natural_mujoco`: golden values, tests and the matte benchmark compare against it.

- `SCENERY`: the names of what video replaces, written down a second time.
- `Segmentation`: draws object ids at several samples a pixel and full tessellation.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt

SCENERY = frozenset(
    {"floor", "ground", "rail1", "rail2", "wall_x", "wall_y", "wall_neg_x", "wall_neg_y"},
)
"""Geoms of the ten models that are scenery. No model uses one of these names for anything else."""

SAMPLES = 8
"""Samples a pixel in each direction."""


class Segmentation:
    """Names of the objects that `physics` shows to `camera_id`, at `SAMPLES`×`SAMPLES` samples a pixel.

    It draws with `mujoco.Renderer` on a thread of its own: GL contexts are current for one thread, and dm_control
    believes that nobody but itself changes which one is.
    """

    def __init__(self, physics: Any, camera_id: int, size: int = 64) -> None:
        self._physics, self._camera_id, self._size = physics, camera_id, size
        self._thread = ThreadPoolExecutor(1)
        self._renderer = self._thread.submit(self._create).result()

    def coverage(self) -> npt.NDArray[np.float64]:
        """The share of each pixel that is no scenery: `float64[size, size]` in [0, 1]."""
        return self._pixels(np.isin(self._ids(), list(self._objects(foreground=True))))

    def object_coverage(self) -> dict[str, npt.NDArray[np.float64]]:
        """For each visible foreground object, `"geom torso"`, the share of each pixel that shows it."""
        ids = self._ids()
        seen = set(np.unique(ids).tolist())
        named = self._objects(foreground=True)
        return {named[code]: self._pixels(ids == code) for code in sorted(seen & named.keys())}

    def over(self, colour: tuple[int, int, int]) -> npt.NDArray[np.float64]:
        """The foreground without shadows before a plain background, colours averaged over the samples of a pixel.

        `float64[size, size, 3]`, 0 to 255.
        """
        foreground = np.isin(self._ids(), list(self._objects(foreground=True)))
        samples = np.where(foreground[..., None], self._draw(segmentation=False), np.array(colour))
        return np.stack([self._pixels(samples[..., channel]) for channel in range(3)], axis=-1)

    def close(self) -> None:
        """Frees the renderer and its thread."""
        self._thread.submit(self._renderer.close).result()
        self._thread.shutdown()

    def __enter__(self) -> Segmentation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _create(self) -> Any:
        import mujoco

        model = self._physics.model.ptr
        visual, side = model.vis, self._size * SAMPLES
        before = visual.global_.offwidth, visual.global_.offheight
        visual.global_.offwidth = visual.global_.offheight = side
        # One sample is one colour: without this MuJoCo would blend sky into the foreground's edges here.
        multisampling, visual.quality.offsamples = visual.quality.offsamples, 0
        renderer = mujoco.Renderer(model, side, side, max_geom=2000)
        visual.global_.offwidth, visual.global_.offheight = before
        visual.quality.offsamples = multisampling
        return renderer

    def _ids(self) -> npt.NDArray[np.int64]:
        """One number for each sample, `type << 32 | id`, -1 where there is nothing."""
        pairs = self._draw(segmentation=True).astype(np.int64)
        return np.where(pairs[..., 0] < 0, -1, pairs[..., 1] << 32 | pairs[..., 0])

    def _draw(self, segmentation: bool) -> npt.NDArray[Any]:
        import mujoco

        def draw() -> npt.NDArray[Any]:
            renderer = self._renderer
            if segmentation:
                renderer.enable_segmentation_rendering()
            else:
                renderer.disable_segmentation_rendering()
            renderer.update_scene(self._physics.data.ptr, camera=self._camera_id)
            for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
                renderer.scene.flags[flag] = 0
            return np.array(renderer.render())

        return self._thread.submit(draw).result()

    def _objects(self, foreground: bool) -> dict[int, str]:
        import mujoco

        model = self._physics.model
        kinds = (
            ("geom", mujoco.mjtObj.mjOBJ_GEOM, model.ngeom),
            ("site", mujoco.mjtObj.mjOBJ_SITE, model.nsite),
            ("tendon", mujoco.mjtObj.mjOBJ_TENDON, model.ntendon),
        )
        return {
            int(code) << 32 | index: f"{kind} {model.id2name(index, kind)}"
            for kind, code, count in kinds
            for index in range(count)
            if (model.id2name(index, kind) not in SCENERY) == foreground
        }

    def _pixels(self, samples: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
        blocks = samples.reshape(self._size, SAMPLES, self._size, SAMPLES)
        shares: npt.NDArray[np.float64] = blocks.mean(axis=(1, 3))
        return shares
