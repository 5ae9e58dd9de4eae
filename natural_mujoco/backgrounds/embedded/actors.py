"""Actors, the things that move by themselves: small figures composed of silhouettes, and their paths.

- `FIGURES`: the parts of a bird, a fish, a butterfly, a car, a boat, a person, a dog, a leaf and a balloon.
- `figure`: one of them, painted; `cast`: an actor with a figure, colours and a path drawn from a stream.
"""

from __future__ import annotations

import numpy as np

from natural_mujoco.backgrounds.embedded.dead_leaves import Canvas, pack, soften
from natural_mujoco.backgrounds.embedded.integer_noise import ONE, TURN, IntArray, Stream, fractal_noise
from natural_mujoco.backgrounds.embedded.scene import (
    FRAMES,
    HEIGHT,
    UNIT,
    WIDTH,
    Actor,
    harmonic,
    travel,
    wander,
)
from natural_mujoco.backgrounds.embedded.shapes import silhouette

# Shape, centre x and y and half length (in 1/64 of the figure's radius), angle (in 1/64 turns), place on the
# colour ramp. Figures face right; later parts lie over earlier ones.
Part = tuple[str, int, int, int, int, int]

FIGURES: dict[str, tuple[Part, ...]] = {
    "bird": (
        ("triangle", -38, 4, 18, 32, 60),
        ("leaf", -4, -22, 30, 14, 40),
        ("leaf", 2, 0, 40, 0, 130),
        ("disc", 32, -8, 12, 0, 160),
        ("triangle", 48, -6, 7, 32, 250),
        ("disc", 35, -11, 3, 0, 0),
        ("leaf", -10, 10, 28, 24, 90),
    ),
    "fish": (
        ("triangle", -40, 0, 20, 32, 100),
        ("triangle", 0, -20, 14, 16, 60),
        ("ellipse", 4, 0, 42, 0, 150),
        ("plank", 14, 0, 20, 16, 245),
        ("plank", -8, 0, 22, 16, 245),
        ("petal", -2, 8, 12, 4, 70),
        ("disc", 32, -5, 5, 0, 255),
        ("disc", 33, -5, 3, 0, 0),
    ),
    "butterfly": (
        ("petal", 20, -22, 30, 56, 140),
        ("petal", -20, -22, 30, 40, 140),
        ("petal", 16, 20, 24, 8, 190),
        ("petal", -16, 20, 24, 24, 190),
        ("disc", 24, -26, 8, 0, 250),
        ("disc", -24, -26, 8, 0, 250),
        ("blade", 0, 0, 34, 16, 0),
    ),
    "car": (
        ("pebble", -4, -12, 34, 0, 110),
        ("slab", 10, -16, 12, 0, 30),
        ("slab", -18, -16, 12, 0, 30),
        ("slab", 0, 4, 56, 0, 150),
        ("plank", 0, 16, 58, 0, 70),
        ("disc", 30, 20, 13, 0, 0),
        ("disc", -30, 20, 13, 0, 0),
        ("disc", 30, 20, 6, 0, 230),
        ("disc", -30, 20, 6, 0, 230),
        ("disc", 54, 0, 5, 0, 255),
    ),
    "boat": (
        ("plank", 2, -16, 44, 16, 20),
        ("triangle", 18, -18, 30, 48, 250),
        ("triangle", -14, -12, 24, 48, 200),
        ("petal", 0, 30, 52, 32, 100),
        ("plank", 0, 24, 50, 0, 180),
    ),
    "person": (
        ("plank", -8, 38, 26, 18, 40),
        ("plank", 8, 38, 26, 14, 50),
        ("pebble", 0, -4, 30, 16, 140),
        ("plank", 12, 0, 22, 12, 170),
        ("plank", -12, 0, 22, 20, 110),
        ("disc", 0, -44, 13, 0, 225),
        ("pebble", -2, -51, 12, 0, 10),
    ),
    "dog": (
        ("plank", -26, 24, 22, 15, 60),
        ("plank", 22, 24, 22, 17, 60),
        ("plank", -18, 24, 22, 18, 120),
        ("plank", 30, 24, 22, 14, 120),
        ("blade", -46, -12, 20, 54, 150),
        ("ellipse", 0, 2, 40, 0, 140),
        ("leaf", 30, -8, 22, 52, 140),
        ("ellipse", 42, -18, 18, 6, 160),
        ("leaf", 34, -24, 13, 20, 40),
        ("disc", 57, -13, 4, 0, 0),
    ),
    "leaf": (("leaf", 0, 0, 56, 0, 150), ("plank", 0, 0, 50, 0, 220)),
    "balloon": (
        ("disc", 0, -12, 46, 0, 140),
        ("ellipse", 0, -12, 44, 16, 230),
        ("blade", 0, -12, 44, 16, 140),
        ("square", 0, 50, 10, 0, 20),
    ),
}


def figure(stream: Stream, name: str, colours: IntArray, radius: int) -> Canvas:
    """Paints a figure that reaches about `radius` texels from the centre of a square canvas of 2**n texels."""
    side = 1 << (3 * radius + 2).bit_length()
    rgb = np.zeros((side, side, 3), np.int32)
    opaque = np.zeros((side, side), np.bool_)
    grain = fractal_noise(stream, side, side, coarsest=16, gain=16) >> 3
    y = np.arange(side, dtype=np.int32)[:, None] - np.int32(side // 2)
    for shape, x_part, y_part, length, angle, place in FIGURES[name]:
        mask = silhouette(shape, max(1, length * radius // 64), angle * TURN // 64)
        half = mask.shape[0] // 2
        row, column = side // 2 + y_part * radius // 64 - half, side // 2 + x_part * radius // 64 - half
        at = (slice(row, row + mask.shape[0]), slice(column, column + mask.shape[1]))
        level = 132 - 52 * (y[at[0]] - np.int32(y_part * radius // 64)) // radius + grain[at]
        colour = colours[place]
        rgb[at] = np.where(mask[..., None], np.clip(colour * level[..., None] >> 7, 0, 255), rgb[at])
        opaque[at] |= mask
    return soften(pack(rgb[..., 0], rgb[..., 1], rgb[..., 2], opaque))


def cast(
    stream: Stream,
    name: str,
    colours: IntArray,
    *,
    radius: int,
    parallax: int,
    row: int = HEIGHT // 2,
    reach: tuple[int, int] = (60, 40),
    wraps: tuple[int, int] = (0, 0),
    gait: tuple[int, int] = (0, 0),
    spin: int = 0,
    flap: bool = False,
    followed: bool = False,
) -> Actor:
    """An actor of `radius` texels, about `row` texels from the top of the torus and at a random column.

    `reach`: how far it wanders horizontally and vertically, in texels. `wraps`: how often it goes around the torus in a
    clip, to the right and down. `gait`: steps in a clip, and their height in texels. `spin`: turns in a clip. `flap`:
    whether it beats its wings. `followed`: whether the camera moves along with it.
    """
    start = 0 if followed else stream.integer(0, WIDTH - 1)
    x = wander(stream, reach[0]) + travel(wraps[0], WIDTH) + start * UNIT
    y = wander(stream, reach[1]) + travel(wraps[1], HEIGHT) + (row - HEIGHT // 2) * UNIT
    steps, height = gait
    y = y - abs(harmonic(steps, stream.integer(0, TURN - 1))) * (height * UNIT // ONE)
    # A figure turns round by a smooth change of its width, which gets small but never zero.
    ahead = (np.roll(x, -4) - np.roll(x, 4) + WIDTH * UNIT // 2) % (WIDTH * UNIT) - WIDTH * UNIT // 2
    facing = np.clip(ahead * 160 // UNIT, -256, 256)
    facing = np.where(abs(facing) < 64, np.where(facing < 0, -64, 64), facing)
    tall = np.full(FRAMES, 256, np.int64)
    if flap:
        beat = harmonic(stream.integer(36, 60), stream.integer(0, TURN - 1)) * 80 // ONE
        tall += beat - 80
    turning = np.zeros(FRAMES, np.int64)
    if spin:
        turning += np.arange(FRAMES, dtype=np.int64) * (spin * TURN) // FRAMES + stream.integer(0, TURN - 1)
    return Actor(figure(stream, name, colours, radius), parallax, x, y, facing, tall, turning, followed)
