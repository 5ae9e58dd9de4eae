"""Views turn a physics state into an observation, with one class for each kind of observation.

- `View`: the interface of all views.
- `ReferenceView`: dm_control's own picture, bit for bit.
- `FastView`: the whole scene without shadows and reflections.
- `NaturalView`: the foreground over a video frame, with soft edges.
- `PaperView`: the matte of the paper's released code: pixels of the full render with red > 100, over video.
- `FadedView`: a mixture of the standard picture and one in front of video (`strength` below 1).
- `make_view`: creates the view for an environment's arguments.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np

from ..options import Matte, Rendering
from ..tasks import Task
from .matting import Pixels, composite, fade, paper_matte
from .scene import FAST, REFERENCE, ReferenceRenderer, SceneRenderer


class View(Protocol):
    """Draws observations of one physics at one size."""

    def draw(self, video: Pixels | None) -> Pixels:
        """Draws the current state, over `video` (`uint8[size, size, 3]`) if the view uses one, else `None`.

        Returns a new array `uint8[size, size, 3]`.
        """

    def matte(self) -> Pixels:
        """Coverage of the foreground in the state drawn last: `uint8[size, size]`, a new array."""

    def close(self) -> None:
        """Frees what the view holds on the GPU. May be called again."""


class ReferenceView:
    """dm_control's own picture."""

    def __init__(self, physics: Any, task: Task, size: int) -> None:
        self._scene = ReferenceRenderer(physics, task, size)
        self._foreground = _LazyForeground(physics, task, size)

    def draw(self, video: Pixels | None) -> Pixels:
        return self._scene.draw()

    def matte(self) -> Pixels:
        return self._foreground.matte()

    def close(self) -> None:
        self._scene.close()
        self._foreground.close()


class FastView:
    """The whole scene without shadows, reflections and multisampling, supersampled instead."""

    def __init__(self, physics: Any, task: Task, size: int) -> None:
        self._scene = SceneRenderer(physics, task, size, FAST, whole=True, supersampling=2)
        self._foreground = _LazyForeground(physics, task, size)

    def draw(self, video: Pixels | None) -> Pixels:
        image: Pixels = cv2.cvtColor(self._scene.draw(), cv2.COLOR_RGBA2RGB)
        return image

    def matte(self) -> Pixels:
        return self._foreground.matte()

    def close(self) -> None:
        self._scene.close()
        self._foreground.close()


class NaturalView:
    """The foreground over the video frame; one pass draws the foreground's colour and coverage."""

    def __init__(self, physics: Any, task: Task, size: int, rendering: Rendering) -> None:
        if rendering == "fast":
            self._scene = SceneRenderer(physics, task, size, FAST)
        else:
            self._scene = SceneRenderer(physics, task, size, REFERENCE, supersampling=4)
        self._drawn: Pixels = np.zeros((size, size, 4), np.uint8)

    def draw(self, video: Pixels | None) -> Pixels:
        assert video is not None
        self._drawn = self._scene.draw()
        return composite(self._drawn, video)

    def matte(self) -> Pixels:
        coverage: Pixels = self._drawn[..., 3].copy()
        return coverage

    def close(self) -> None:
        self._scene.close()


class PaperView:
    """The full render where its red channel exceeds 100, the video frame elsewhere, without blending."""

    def __init__(self, full: ReferenceView | FastView, size: int) -> None:
        self._full = full
        self._matte: Pixels = np.zeros((size, size), np.uint8)

    def draw(self, video: Pixels | None) -> Pixels:
        assert video is not None
        image = self._full.draw(None)
        self._matte = paper_matte(image)
        shown: Pixels = np.where(self._matte[..., None], image, video)
        return shown

    def matte(self) -> Pixels:
        return self._matte.copy()

    def close(self) -> None:
        self._full.close()


class FadedView:
    """The standard and the natural picture, mixed with weights 1 - `strength` and `strength`; renders twice a frame."""

    def __init__(
        self, standard: ReferenceView | FastView, natural: NaturalView | PaperView, strength: float
    ) -> None:
        self._standard, self._natural, self._strength = standard, natural, strength

    def draw(self, video: Pixels | None) -> Pixels:
        return fade(self._standard.draw(None), self._natural.draw(video), self._strength)

    def matte(self) -> Pixels:
        return self._natural.matte()

    def close(self) -> None:
        self._standard.close()
        self._natural.close()


class _LazyForeground:
    """The matte for views that draw without one; its renderer is created when the matte is first asked for."""

    def __init__(self, physics: Any, task: Task, size: int) -> None:
        self._physics, self._task, self._size = physics, task, size
        self._scene: SceneRenderer | None = None

    def matte(self) -> Pixels:
        if self._scene is None:
            self._scene = SceneRenderer(self._physics, self._task, self._size, FAST)
        coverage: Pixels = self._scene.draw()[..., 3].copy()
        return coverage

    def close(self) -> None:
        if self._scene is not None:
            self._scene.close()
        self._physics = None


def make_view(
    physics: Any,
    task: Task,
    *,
    natural: bool,
    size: int,
    rendering: Rendering,
    matte: Matte | None = None,
    strength: float = 1.0,
    behind: Rendering = "reference",
) -> View:
    """The view for an environment's `rendering` (`"reference"`, `"fast"`) and `matte` (`"semantic"`, `"paper"`).

    `matte` and `strength` apply only if `natural` is true; `behind` is the rendering of the standard picture that is
    mixed in if `strength` is below 1.
    """
    if not natural:
        return _whole(physics, task, size, rendering)
    if strength == 0 and matte != "paper":
        return _whole(physics, task, size, behind)
    view: NaturalView | PaperView
    if matte == "paper":
        view = PaperView(_whole(physics, task, size, rendering), size)
    else:
        view = NaturalView(physics, task, size, rendering)
    return view if strength == 1 else FadedView(_whole(physics, task, size, behind), view, strength)


def _whole(physics: Any, task: Task, size: int, rendering: Rendering) -> ReferenceView | FastView:
    return (ReferenceView if rendering == "reference" else FastView)(physics, task, size)
