"""Layers with a structure that leaves alone do not give: sky, ridges, houses, trunks. All in texels on the torus.

- `sky`: a gradient with clouds; `gradient_zone`: a field that darkens or lightens from top to bottom.
- `below_ridge`: the region under a mountain line, for leaves to fall in.
- `houses`, `trunks`: columns that stand before one another.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.procedural.dead_leaves import Canvas, pack, soften
from natural_mujoco.backgrounds.procedural.integer_noise import IntArray, Stream, fractal_noise
from natural_mujoco.backgrounds.procedural.scene import HEIGHT, WIDTH

HORIZON = HEIGHT // 2


def gradient(upper: int, lower: int) -> IntArray:
    """`int32[HEIGHT, 1]`: 0 down to row `upper`, 255 from row `lower` on, straight between them."""
    rows = np.arange(HEIGHT, dtype=np.int32)[:, None]
    fall: IntArray = np.clip((rows - upper) * 255 // (lower - upper), 0, 255)
    return fall


def sky(stream: Stream, colours: IntArray, cloud: IntArray, cover: int) -> Canvas:
    """A sky that runs through the ramp `colours` towards the horizon, with clouds of colour `cloud` (`int32[3]`).

    `cover` from 0 (clear) to 128 (overcast).
    """
    half = fractal_noise(stream, HEIGHT, WIDTH // 2, coarsest=128, gain=11)
    wide = np.repeat(half, 2, axis=1)
    base = colours[np.clip(gradient(90, HORIZON + 40) + (wide >> 3), 0, 255)]
    density = np.clip((wide + (cover - 96)) * 3, 0, 255)
    # Clouds are darker below: the slope of the noise from top to bottom is their light.
    light = 128 + np.clip((np.roll(wide, -12, 0) - wide) >> 1, -44, 30)
    lit = np.minimum(cloud * light[..., None] >> 7, 255)
    rgb = base + ((lit - base) * density[..., None] >> 8)
    opaque = np.ones((HEIGHT, WIDTH), np.bool_)
    return soften(pack(rgb[..., 0], rgb[..., 1], rgb[..., 2], opaque))


def below_ridge(stream: Stream, row: int, relief: int, coarsest: int = 256) -> NDArray[np.bool_]:
    """`bool[HEIGHT, WIDTH]`: what lies under a ridge about `row`, which rises and falls by about `relief` texels."""
    line = fractal_noise(stream, coarsest, WIDTH, coarsest=coarsest, gain=9)[0]
    region: NDArray[np.bool_] = np.arange(HEIGHT, dtype=np.int32)[:, None] > row + (line * relief >> 6)
    return region


def houses(
    stream: Stream, colours: IntArray, lamp: IntArray, *, count: int, foot: int, tallest: int, widest: int
) -> Canvas:
    """A street of `count` houses on the row `foot`, in ramp `colours`, some windows lit in `lamp` (`int32[3]`)."""
    red, green, blue = (np.zeros((HEIGHT, WIDTH), np.int32) for _ in range(3))
    opaque = np.zeros((HEIGHT, WIDTH), np.bool_)
    grain = fractal_noise(stream, HEIGHT, WIDTH, coarsest=64, gain=15) >> 3
    for _ in range(count):
        size = stream.integer(8, 64)
        width = 14 + (widest * 8 // size >> 1) + stream.integer(0, widest // 4)
        top = foot - stream.integer(tallest // 4, tallest)
        left = stream.integer(0, WIDTH - 1)
        columns = np.arange(left, left + width, dtype=np.int32)
        x, y = (columns - left)[None, :], np.arange(top, HEIGHT, dtype=np.int32)[:, None] - top
        # A wall in light, another in shade, and a cornice; then windows on a grid of the house's own.
        edge = width * stream.integer(2, 7) // 8
        level = np.where(x < edge, 128, 92) + np.where(y < 5, 28, 0) + 0 * x
        grid_x, grid_y = stream.integer(7, 18), stream.integer(9, 22)
        pane = (x % grid_x > grid_x // 3) & (y % grid_y > grid_y // 2) & (y > 8)
        lit = stream.octets((x.size // grid_x + 1) * (y.size // grid_y + 1)).reshape(y.size // grid_y + 1, -1)
        shining = pane & (lit[y // grid_y, x // grid_x] < stream.integer(4, 60))
        level = np.where(pane, level * stream.integer(40, 104) >> 7, level)
        wall = colours[stream.integer(20, 235)]
        at = (slice(max(top, 0), HEIGHT), columns & (WIDTH - 1))
        cut = slice(max(-top, 0), None)
        shade = level[cut] + grain[at]
        for channel, c in ((red, 0), (green, 1), (blue, 2)):
            value = np.clip(wall[c] * shade >> 7, 0, 255)
            channel[at] = np.where(shining[cut], lamp[c], value)
        opaque[at] = True
    return soften(pack(red, green, blue, opaque))


def trunks(stream: Stream, colours: IntArray, *, count: int, widest: int) -> Canvas:
    """`count` trees from top to bottom, round in the light from one side, with bark, at most `widest` texels wide."""
    red, green, blue = (np.zeros((HEIGHT, WIDTH), np.int32) for _ in range(3))
    opaque = np.zeros((HEIGHT, WIDTH), np.bool_)
    bark = np.repeat(fractal_noise(stream, HEIGHT // 4, WIDTH, coarsest=32, gain=15), 4, axis=0)
    bend = fractal_noise(stream, HEIGHT, 256, coarsest=256, finest=32, gain=8)
    for _ in range(count):
        size = stream.integer(16, 96)
        width = max(5, widest * 16 // size)
        left = stream.integer(0, WIDTH - 1)
        middle = left + width + (bend[:, stream.integer(0, 255)] * stream.integer(2, 12) >> 6)
        lean = stream.integer(-20, 20) * (np.arange(HEIGHT, dtype=np.int32) - HORIZON) >> 8
        columns = np.arange(left - 40, left + 2 * width + 40, dtype=np.int32)
        away = columns[None, :] - (middle + lean)[:, None]  # from the trunk's axis, in texels
        inside = 2 * abs(away) <= width
        at = (slice(None), columns & (WIDTH - 1))
        round_light = 124 - 72 * away // width - 90 * away * away // (width * width)
        shade = np.clip(round_light + (bark[at] >> 1), 20, 260)
        wood = colours[stream.integer(60, 235)]
        for channel, c in ((red, 0), (green, 1), (blue, 2)):
            channel[at] = np.where(inside, np.minimum(wood[c] * shade >> 7, 255), channel[at])
        opaque[at] |= inside
    return soften(pack(red, green, blue, opaque))
