"""Draws many worlds with MuJoCo Warp's ray tracer: foreground and matte in one pass, blended over the video.

- `make_renderer`: the renderer for an environment's settings.
- `Renderer`: draws the present state of a `Simulation`.
- `FadedRenderer`: mixes the standard picture with one in front of video (`strength` below 1).

A ray that misses everything leaves alpha 0 and black, so that the mean over a pixel's samples is its colour multiplied
by its coverage, and the blend is that of `rendering/matting.py`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import mujoco_warp
import torch
import warp
from torch import Tensor

from ..rendering.matting import RED_THRESHOLD
from ..settings import Settings
from .composite import PAPER, SEMANTIC, WHOLE, composite
from .drawn_model import SCENERY, SHOWN, STRING_SEGMENTS, DrawnModel
from .hanging_string import hang, segment_poses
from .launching import Kernels, on_stream
from .simulation import Simulation

WHOLE_SAMPLES = 2
"""Samples per pixel in each direction, in full renders."""


class Renderer:
    """Draws the worlds of `simulation` in `settings.size` pixels, as `settings` says.

    Full renders have shadows with `rendering="reference"`; reflections are never drawn.
    """

    def __init__(self, simulation: Simulation, drawn: DrawnModel, settings: Settings) -> None:
        whole, size = settings.shows_whole_scene, settings.size
        self._simulation, self._drawn, self._size = simulation, drawn, size
        self._mode = WHOLE if not settings.natural else PAPER if whole else SEMANTIC
        self._samples = WHOLE_SAMPLES if whole else settings.task.samples
        n, model = simulation.num_envs, drawn.model
        with on_stream(simulation.device):
            self._model: Any = mujoco_warp.put_model(model, batch_sizes={"geom_size": n, "geom_rgba": n})
            self._data: Any = mujoco_warp.make_data(model, nworld=n, nconmax=1, njmax=1)
            self._context: Any = mujoco_warp.create_render_context(
                model,
                nworld=n,
                cam_res=(size * self._samples, size * self._samples),
                cam_active=[settings.task.camera_id],
                render_rgb=True,
                render_depth=False,
                render_seg=whole,
                use_textures=whole,
                render_skybox=whole,
                use_shadows=whole and settings.rendering == "reference",
                enabled_geom_groups=[SHOWN, SCENERY] if whole else [SHOWN],
                background_color=(0.0, 0.0, 0.0, 0.0),
            )
        # Cameras and lights are the simulation's own.
        for name in ("cam_xpos", "cam_xmat", "light_xpos", "light_xdir"):
            setattr(self._data, name, getattr(simulation.data, name))
        self._geom_xpos: Tensor = warp.to_torch(self._data.geom_xpos)
        self._geom_xmat: Tensor = warp.to_torch(self._data.geom_xmat)
        self._geom_size: Tensor = warp.to_torch(self._model.geom_size)
        physics = simulation.data
        self._sources: list[tuple[Tensor, Tensor]] = [
            (warp.to_torch(physics.geom_xpos), warp.to_torch(physics.geom_xmat)),
            (warp.to_torch(physics.site_xpos), warp.to_torch(physics.site_xmat)),
        ]
        self._geom_rgba: Tensor = warp.to_torch(self._model.geom_rgba)
        self._site_numbers = list(drawn.sites), list(drawn.sites.values())
        self._strings = [
            _String(model, tendon, numbers, simulation.device) for tendon, numbers in drawn.strings.items()
        ]
        self._matte: Tensor = torch.zeros((n, size, size), dtype=torch.uint8, device=simulation.device)
        scenery = {drawn.geoms[k] for k in drawn.scenery}
        foreground = [k not in scenery for k in range(model.ngeom)]
        with on_stream(simulation.device):
            self._foreground = warp.array(foreground, dtype=bool)
        self._no_video = torch.zeros((n, 1, 1, 3), dtype=torch.uint8, device=simulation.device)
        self._tracing = Kernels(simulation.device, partial(_trace, self._model, self._data, self._context))

    def draw(self, video: Tensor | None) -> Tensor:
        """Draws the present states, over `video` (`uint8[N, size, size, 3]`) on natural ids.

        Returns a new tensor `uint8[N, size, size, 3]`.
        """
        self._place()
        simulation = self._simulation
        image = torch.empty(
            (simulation.num_envs, self._size, self._size, 3), dtype=torch.uint8, device=simulation.device
        )
        self._matte = torch.empty(image.shape[:3], dtype=torch.uint8, device=simulation.device)
        behind = self._no_video if video is None else video.contiguous()
        self._tracing.run()
        with on_stream(simulation.device):
            warp.launch(
                composite,
                dim=tuple(image.shape[:3]),
                inputs=[
                    self._context.rgb_data,
                    self._context.seg_data,
                    self._foreground,
                    warp.from_torch(behind),
                    self._samples,
                    self._mode,
                    RED_THRESHOLD,
                ],
                outputs=[warp.from_torch(image), warp.from_torch(self._matte)],
            )
        return image

    def matte(self) -> Tensor:
        """Coverage of the foreground in what was drawn last: `uint8[N, size, size]`, a new tensor."""
        return self._matte.clone()

    def _place(self) -> None:
        """Moves every geom that is drawn to where its source in the physics is now."""
        (geom_xpos, geom_xmat), (site_xpos, site_xmat) = self._sources
        drawn = self._drawn
        self._geom_xpos[:, drawn.geoms], self._geom_xmat[:, drawn.geoms] = geom_xpos, geom_xmat
        if drawn.sites:
            sites, numbers = self._site_numbers
            self._geom_xpos[:, numbers] = site_xpos[:, sites]
            self._geom_xmat[:, numbers] = site_xmat[:, sites]
        for string in self._strings:
            first, last = (site_xpos[:, end] for end in string.ends)  # [N, 3]
            middle, rotation, half = segment_poses(hang(first, last, string.length, STRING_SEGMENTS))
            numbers = string.numbers
            self._geom_xpos[:, numbers], self._geom_xmat[:, numbers] = middle, rotation
            self._geom_size[:, numbers, 1] = half
            taut = (last - first).norm(dim=1) > string.length  # [N]
            self._geom_rgba[:, numbers] = string.colours[taut.long()][:, None]


def _trace(model: Any, data: Any, context: Any) -> None:
    mujoco_warp.refit_bvh(model, data, context)
    mujoco_warp.render(model, data, context)


class FadedRenderer:
    """The pictures of two renderers, mixed as by `rendering.matting.fade`: two renders a frame."""

    def __init__(self, standard: Renderer, natural: Renderer, strength: float) -> None:
        self._standard, self._natural, self._weight = standard, natural, round(strength * 65536)

    def draw(self, video: Tensor | None) -> Tensor:
        """See `Renderer.draw`."""
        standard, natural = self._standard.draw(None).int(), self._natural.draw(video).int()
        mixed = standard * (65536 - self._weight) + natural * self._weight
        return ((mixed + 32768) >> 16).to(torch.uint8)

    def matte(self) -> Tensor:
        """See `Renderer.matte`."""
        return self._natural.matte()


def make_renderer(simulation: Simulation, drawn: DrawnModel, settings: Settings) -> Renderer | FadedRenderer:
    """The renderer for the observations that `settings` ask for."""
    if settings.strength == 1:
        return Renderer(simulation, drawn, settings)
    standard = Renderer(simulation, drawn, replace(settings, natural=False, rendering=settings.behind))
    if settings.strength == 0 and settings.matte != "paper":
        return standard
    return FadedRenderer(standard, Renderer(simulation, drawn, settings), settings.strength)


class _String:
    """A tendon between two sites: its ends, its length, and its colours when slack and when taut."""

    def __init__(self, model: Any, tendon: int, numbers: list[int], device: torch.device) -> None:
        self.numbers = numbers
        first = int(model.tendon_adr[tendon])
        self.ends = int(model.wrap_objid[first]), int(model.wrap_objid[first + 1])
        # A tendon without a length limit is always drawn straight and never counts as taut.
        self.length = float(model.tendon_range[tendon, 1]) if model.tendon_limited[tendon] else 0.0
        slack = torch.tensor(model.tendon_rgba[tendon])
        # MuJoCo blends a taut tendon's colour with that of active constraints, in proportion to its impedance.
        mix = float(model.tendon_solimp_lim[tendon, 1]) if self.length else 0.0
        taut = mix * torch.tensor(model.vis.rgba.constraint) + (1 - mix) * slack
        self.colours = torch.stack([slack, taut]).float().to(device)  # [2, 4]
