"""Silhouettes in integer coordinates: the leaves, and the parts that moving actors are put together from.

A silhouette has a half length r along its own axis, an angle in turns of `TURN`, and covers the texels for
which an integer inequality holds, so that its outline is the same everywhere.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.embedded.integer_noise import ONE, cosine, sine

# u runs along the silhouette's axis, v across it, both in 1/8 texels, like r.
Inside = Callable[[NDArray[np.int64], NDArray[np.int64], int], NDArray[np.bool_]]

SHAPES: dict[str, Inside] = {
    "disc": lambda u, v, r: u * u + v * v <= r * r,
    "ellipse": lambda u, v, r: 4 * u * u + 11 * v * v <= 4 * r * r,
    "pebble": lambda u, v, r: 2 * u**4 + 7 * v**4 <= 2 * r**4,
    "leaf": lambda u, v, r: 2 * abs(v) * r <= r * r - u * u,
    "blade": lambda u, v, r: (7 * abs(v) * r <= r * r - u * u) & (abs(u) <= r),
    "petal": lambda u, v, r: (4 * abs(v) * r * r <= (r + u) * (r * r - u * u)) & (abs(u) <= r),
    "square": lambda u, v, r: np.maximum(abs(u), abs(v)) * 10 <= r * 8,
    "wave": lambda u, v, r: u * u + 40 * v * v <= r * r,
    "slab": lambda u, v, r: (abs(u) <= r) & (5 * abs(v) <= 2 * r),
    "plank": lambda u, v, r: (abs(u) <= r) & (9 * abs(v) <= r),
    "triangle": lambda u, v, r: (u <= r) & (2 * abs(v) <= r + u) & (u >= -r),
    "stone": lambda u, v, r: (
        (abs(u) + abs(v) <= r + r // 3)
        & (np.maximum(abs(u), 5 * abs(v) // 4) <= r)
        & (3 * u + 2 * v <= 3 * r)
    ),
}


def silhouette(shape: str, radius: int, angle: int) -> NDArray[np.bool_]:
    """The texels a shape covers: `bool[2n+1, 2n+1]` about its centre, n a little over `radius` texels.

    `radius` is the half length in texels, `angle` in turns of `TURN`.
    """
    n = radius + radius // 3 + 1
    axis = np.arange(-n, n + 1, dtype=np.int64) * 8
    turn = np.array([angle], np.int32)
    c, s = int(cosine(turn)[0]), int(sine(turn)[0])
    x, y = axis[None, :], axis[:, None]
    u = (x * c + y * s) // ONE
    v = (y * c - x * s) // ONE
    return SHAPES[shape](u, v, radius * 8)
