"""From layers to frames: a camera that drifts over layers at several depths, with actors moving between them.

Positions are in texels (two to a pixel at zoom 1) with 16 fractional bits, on a torus of `HEIGHT` × `WIDTH`
texels. Every path closes after `FRAMES` frames, so a clip that is played in a loop never jumps.

- `Layer`: a canvas that the camera moves past; `Actor`: a small canvas with a path of its own.
- `Scene.render`: one frame as packed `uint32`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.embedded.dead_leaves import Canvas, lay_over
from natural_mujoco.backgrounds.embedded.integer_noise import ONE, TURN, Stream, cosine, sine

FRAMES = 500
RASTER = 128  # pixels: height and width of a rendered frame
HEIGHT, WIDTH = 512, 1024  # texels: the torus that layers cover
UNIT = 1 << 16  # one texel
TEXELS_PER_PIXEL = 2

Path = NDArray[np.int64]  # [FRAMES]


def harmonic(cycles: int, phase: int) -> Path:
    """A sine of `cycles` whole cycles a clip, amplitude `ONE`: `int64[FRAMES]`. `phase` in turns of `TURN`."""
    time = np.arange(FRAMES, dtype=np.int32)
    return sine(time * np.int32(cycles * TURN) // np.int32(FRAMES) + np.int32(phase)).astype(np.int64)


def wander(stream: Stream, reach: int, slowest: int = 1, fastest: int = 5) -> Path:
    """A smooth closed path of changing direction, mostly within ±`reach` texels, in `UNIT`s."""
    path = np.zeros(FRAMES, np.int64)
    for cycles in range(slowest, fastest + 1):
        share = stream.integer(24, 64) * slowest * UNIT * reach // (cycles * 96)
        path += harmonic(cycles, stream.integer(0, TURN - 1)) * share // ONE
    return path


def travel(wraps: int, circumference: int) -> Path:
    """Steady motion `wraps` times around the torus in one clip, in `UNIT`s."""
    return np.arange(FRAMES, dtype=np.int64) * (wraps * circumference * UNIT) // FRAMES


@dataclass(frozen=True)
class Camera:
    """Where the camera looks: `x`, `y` in `UNIT`s at parallax 256, `zoom` in 1/65536, `roll` in turns of `TURN`."""

    x: Path
    y: Path
    zoom: Path
    roll: Path


@dataclass(frozen=True)
class Sway:
    """A travelling wave that shifts rows sideways (wind) or columns up and down (water), by `reach` texels."""

    reach: int
    waves: int  # along the torus
    cycles: int  # in a clip
    phase: int = 0

    def shift(self, position: Path, circumference: int, time: int) -> Path:
        """Displacement in `UNIT`s at positions given in `UNIT`s."""
        angle = (position >> 8) * self.waves * TURN // (circumference << 8)
        angle += self.cycles * TURN * time // FRAMES + self.phase
        return sine(angle.astype(np.int32)).astype(np.int64) * (self.reach * (UNIT // ONE))


@dataclass(frozen=True)
class Layer:
    """A canvas `uint32[HEIGHT, WIDTH]` that the camera moves past.

    `parallax` is its share of the camera's motion in 1/256 (what is near has more), `wraps` how many times around
    the torus it moves by itself in a clip, to the left and up.
    """

    canvas: Canvas
    parallax: int
    wraps: tuple[int, int] = (0, 0)
    wind: Sway | None = None
    water: Sway | None = None

    def draw(self, frame: Canvas, camera: Camera, time: int) -> None:
        """Draw the layer over `frame` (`uint32[RASTER, RASTER]`, in place)."""
        u0 = (self.parallax * int(camera.x[time]) >> 8) + self.wraps[0] * WIDTH * UNIT * time // FRAMES
        v0 = (self.parallax * int(camera.y[time]) >> 8) + self.wraps[1] * HEIGHT * UNIT * time // FRAMES
        along, across = _axes(camera, self.parallax, time)
        pixel = np.arange(RASTER, dtype=np.int64) * 2 - (RASTER - 1)  # in half pixels from the centre
        u_column = (u0 + WIDTH * UNIT // 2) + (along * pixel >> 1)
        u_row = -across * pixel >> 1
        v_row = (v0 + HEIGHT * UNIT // 2) + (along * pixel >> 1)
        v_column = across * pixel >> 1
        if self.wind is not None:
            u_row += self.wind.shift(v_row, HEIGHT, time)
        if self.water is not None:
            v_column += self.water.shift(u_column, WIDTH, time)
        u = u_row[:, None] + u_column[None, :]
        u >>= 16
        u &= WIDTH - 1
        v = v_row[:, None] + v_column[None, :]
        v >>= 16
        v &= HEIGHT - 1
        v *= WIDTH
        v += u
        lay_over(frame, self.canvas.ravel().take(v))


@dataclass(frozen=True)
class Actor:
    """A figure that moves by itself, on a square canvas, within a third of the canvas' side from its centre.

    `x` and `y` are in `UNIT`s on the torus. If it is `followed`, the camera moves along with it, and `x` is relative to
    the middle of the frame. `stretch_x` (its sign tells where the figure faces) and `stretch_y` are in 1/256 and never
    0, `spin` is in turns of `TURN`.
    """

    canvas: Canvas
    parallax: int
    x: Path
    y: Path
    stretch_x: Path
    stretch_y: Path
    spin: Path
    followed: bool = False

    def draw(self, frame: Canvas, camera: Camera, time: int) -> None:
        """Draw the actor over `frame` (`uint32[RASTER, RASTER]`, in place), if it is in view."""
        along, across = _axes(camera, self.parallax, time)
        dx, dy = int(self.x[time]), int(self.y[time])
        if not self.followed:
            dx = _around(dx - (self.parallax * int(camera.x[time]) >> 8), WIDTH * UNIT)
        dy = _around(dy - (self.parallax * int(camera.y[time]) >> 8), HEIGHT * UNIT)
        squared = along * along + across * across
        # Centre in 1/256 pixels from the middle of the frame: the inverse of the camera's turn and zoom.
        centre_x = (dx * along + dy * across) * 256 // squared
        centre_y = (dy * along - dx * across) * 256 // squared
        side = self.canvas.shape[0]
        reach = (side // 3 * UNIT) // along + 2
        left, upper = (centre_x >> 8) + RASTER // 2 - reach, (centre_y >> 8) + RASTER // 2 - reach
        right, lower = min(left + 2 * reach, RASTER), min(upper + 2 * reach, RASTER)
        left, upper = max(left, 0), max(upper, 0)
        if left >= right or upper >= lower:
            return
        middle = RASTER * 128 - 128
        x = (np.arange(left, right, dtype=np.int64) << 8) - (centre_x + middle)
        y = (np.arange(upper, lower, dtype=np.int64) << 8) - (centre_y + middle)
        turn = self.spin[time : time + 1].astype(np.int32)
        c, s = int(cosine(turn)[0]) * along // ONE, int(sine(turn)[0]) * along // ONE
        u = ((c * x >> 8)[None, :] + (s * y >> 8)[:, None]) * 256 // int(self.stretch_x[time])
        v = ((c * y >> 8)[:, None] - (s * x >> 8)[None, :]) * 256 // int(self.stretch_y[time])
        u = np.clip((u >> 16) + side // 2, 0, side - 1)
        v = np.clip((v >> 16) + side // 2, 0, side - 1)
        lay_over(frame[upper:lower, left:right], self.canvas[v, u])


@dataclass(frozen=True)
class Scene:
    """A whole clip before it is rendered: a camera and what it sees, from back to front; the first is opaque."""

    camera: Camera
    contents: tuple[Layer | Actor, ...]

    def render(self, time: int) -> Canvas:
        """Frame number `time` as packed `uint32[RASTER, RASTER]`."""
        frame = np.zeros((RASTER, RASTER), np.uint32)
        for content in self.contents:
            content.draw(frame, self.camera, time)
        return frame


def _axes(camera: Camera, parallax: int, time: int) -> tuple[int, int]:
    """Texels (in `UNIT`s) along and across for one pixel to the right. A zoom enlarges near layers more."""
    zoom = UNIT + ((int(camera.zoom[time]) - UNIT) * (64 + parallax) >> 8)
    turn = camera.roll[time : time + 1].astype(np.int32)
    step = TEXELS_PER_PIXEL * zoom
    return int(cosine(turn)[0]) * step // ONE, int(sine(turn)[0]) * step // ONE


def _around(position: int, circumference: int) -> int:
    """`position` on a torus, as its nearest image to 0."""
    return (position + circumference // 2) % circumference - circumference // 2
