"""Layers with more structure than heaps of leaves have: sky, ridges, houses, roads, trees.

Coordinates are texels on the torus of `HEIGHT` × `WIDTH`; `HORIZON` is the row in the middle of the frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.embedded.dead_leaves import Canvas, pack, soften
from natural_mujoco.backgrounds.embedded.integer_noise import IntArray, Stream, fractal_noise
from natural_mujoco.backgrounds.embedded.scene import HEIGHT, WIDTH

HORIZON = HEIGHT // 2

Region = NDArray[np.bool_]


class _Picture:
    """Three colour channels and a coverage, into which things are painted, later ones over earlier ones."""

    def __init__(self) -> None:
        self.channels = [np.zeros((HEIGHT, WIDTH), np.int32) for _ in range(3)]
        self.opaque = np.zeros((HEIGHT, WIDTH), np.bool_)

    def put(
        self, rows: slice, columns: IntArray, shade: IntArray, colour: IntArray, inside: Region | None = None
    ) -> None:
        """Paint `colour` (`int32[3]`) times `shade`/128 at `rows` and `columns` (mod `WIDTH`), where `inside`."""
        at = (rows, columns & np.int32(WIDTH - 1))
        where = np.ones(shade.shape, np.bool_) if inside is None else inside
        for channel, part in zip(self.channels, colour, strict=True):
            channel[at] = np.where(where, np.clip(part * shade >> 7, 0, 255), channel[at])
        self.opaque[at] |= where

    def canvas(self) -> Canvas:
        red, green, blue = self.channels
        return soften(pack(red, green, blue, self.opaque))


def gradient(upper: int, lower: int) -> IntArray:
    """`int32[HEIGHT, 1]`: 0 down to row `upper`, 255 from row `lower` on, straight between them."""
    rows = np.arange(HEIGHT, dtype=np.int32)[:, None]
    fall: IntArray = np.clip((rows - upper) * 255 // (lower - upper), 0, 255)
    return fall


def sky(stream: Stream, colours: IntArray, cloud: IntArray, cover: int) -> Canvas:
    """A sky through the ramp `colours` down to the horizon, with clouds of the colour `cloud` (`int32[3]`).

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


def below_ridge(stream: Stream, row: int, relief: int, coarsest: int = 256) -> Region:
    """`bool[HEIGHT, WIDTH]`: what lies under a ridge about `row` that rises and falls by some `relief` texels."""
    line = fractal_noise(stream, coarsest, WIDTH, coarsest=coarsest, gain=9)[0]
    region: Region = np.arange(HEIGHT, dtype=np.int32)[:, None] > row + (line * relief >> 6)
    return region


def houses(
    stream: Stream, colours: IntArray, lamp: IntArray, *, count: int, foot: int, tallest: int, widest: int
) -> Canvas:
    """A row of `count` houses down to the row `foot`, in ramp `colours`, some windows lit in `lamp` (`int32[3]`)."""
    picture = _Picture()
    grain = fractal_noise(stream, HEIGHT, WIDTH, coarsest=64, gain=15) >> 3
    for _ in range(count):
        width = 14 + (widest * 4 // stream.integer(8, 64)) + stream.integer(0, widest // 4)
        top = max(0, foot - stream.integer(tallest // 4, tallest))
        left = stream.integer(0, WIDTH - 1)
        columns = np.arange(left, left + width, dtype=np.int32)
        x, y = (columns - np.int32(left))[None, :], np.arange(foot - top, dtype=np.int32)[:, None]
        # One wall in light, the other in shade, a cornice; windows on a grid of the house's own.
        edge = width * stream.integer(2, 7) // 8
        shade = np.where(x < edge, 128, 92) + np.where(y < 5, 28, 0)
        grid_x, grid_y = stream.integer(7, 18), stream.integer(9, 22)
        pane = (x % grid_x > grid_x // 3) & (y % grid_y > grid_y // 2) & (y > 8)
        across = x.size // grid_x + 1
        lit = stream.octets((y.size // grid_y + 1) * across).reshape(-1, across)
        shining = pane & (lit[y // grid_y, x // grid_x] < stream.integer(4, 60))
        shade = np.where(pane, shade * stream.integer(40, 104) >> 7, shade).astype(np.int32)
        rows = slice(top, foot)
        shade += grain[rows, columns & np.int32(WIDTH - 1)]
        picture.put(rows, columns, shade, colours[stream.integer(20, 235)])
        picture.put(rows, columns, np.full(shade.shape, 128, np.int32), lamp, shining)
    return picture.canvas()


def road(stream: Stream, colours: IntArray, *, kerb: int, lane: int) -> Canvas:
    """A pavement from row `kerb` - 40 to `kerb`, below it a road with a dashed line at row `lane`."""
    picture = _Picture()
    rough = fractal_noise(stream, HEIGHT, WIDTH // 2, coarsest=128, gain=14)
    rough = np.repeat(rough, 2, axis=1) * np.int32(stream.integer(30, 70)) >> 7
    everywhere = np.arange(WIDTH, dtype=np.int32)
    row = np.arange(HEIGHT, dtype=np.int32)[:, None]
    seam = ((everywhere + row) % stream.integer(24, 48) < 2) | (row % 13 == 0)
    pavement = slice(kerb - 40, kerb)
    picture.put(pavement, everywhere, (132 - 30 * seam + rough)[pavement], colours[230])
    picture.put(slice(kerb, kerb + 5), everywhere, (150 + rough)[kerb : kerb + 5], colours[255])
    asphalt = slice(kerb + 5, HEIGHT)
    picture.put(asphalt, everywhere, (120 + (row - kerb) // 8 + rough)[asphalt], colours[110])
    dash = np.broadcast_to(everywhere % 128 < 72, (5, WIDTH))
    picture.put(
        slice(lane, lane + 5), everywhere, (128 + rough)[lane : lane + 5], np.full(3, 225, np.int32), dash
    )
    return picture.canvas()


def trunks(
    stream: Stream, colours: IntArray, *, count: int, widest: int, rows: slice | None = None
) -> Canvas:
    """`count` trees with bark, round in the light from one side, at most `widest` texels wide.

    They reach over all `rows`, by default from top to bottom of the torus.
    """
    places = stream.integers(0, WIDTH - 1, count)
    widths = [max(5, widest * 16 // stream.integer(16, 96)) for _ in range(count)]
    return stems(stream, colours, places, widths, rows or slice(0, HEIGHT))


def stems(stream: Stream, colours: IntArray, places: IntArray, widths: list[int], rows: slice) -> Canvas:
    """Trees at the columns `places`, `widths` texels wide, over `rows`."""
    picture = _Picture()
    bark = np.repeat(fractal_noise(stream, HEIGHT // 4, WIDTH, coarsest=32, gain=15), 4, axis=0)
    bend = fractal_noise(stream, HEIGHT, 256, coarsest=256, finest=32, gain=8)
    row = np.arange(HEIGHT, dtype=np.int32)
    for place, width in zip(places, widths, strict=True):
        sway = bend[:, stream.integer(0, 255)] * stream.integer(2, 12) >> 6
        lean = stream.integer(-20, 20) * (row - HORIZON) >> 8
        columns = np.arange(-width - 40, width + 40, dtype=np.int32) + place
        away = columns[None, :] - (place + sway + lean)[rows, None]  # texels from the trunk's axis
        shade = 124 - 72 * away // width - 90 * away * away // (width * width)
        shade = np.clip(shade + (bark[rows, columns & np.int32(WIDTH - 1)] * 5 >> 3), 20, 260)
        picture.put(rows, columns, shade, colours[stream.integer(60, 235)], 2 * abs(away) <= width)
    return picture.canvas()


def crowns(stream: Stream, places: IntArray, row: int, radius: int) -> Region:
    """The crowns of trees at the columns `places`, about `row`, some `radius` texels in size: `bool[HEIGHT, WIDTH]`."""
    region = np.zeros((HEIGHT, WIDTH), np.bool_)
    y = np.arange(HEIGHT, dtype=np.int32)[:, None]
    for place in places:
        for _ in range(4):
            r = stream.integer(radius // 2, radius)
            middle = row + stream.integer(-radius // 2, radius // 2)
            x = np.arange(-r, r + 1, dtype=np.int32)
            inside = x * x + (y - middle) * (y - middle) <= r * r
            columns = (x + place + np.int32(stream.integer(-radius // 2, radius // 2))) & np.int32(WIDTH - 1)
            region[:, columns] |= inside
    return region
