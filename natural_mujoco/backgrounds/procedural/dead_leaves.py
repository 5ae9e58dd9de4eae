"""The dead leaves model: opaque textured shapes of all sizes dropped on one another.

Lee, Mumford & Huang (2001) show that occluding shapes whose radii have density 1/r³ give images with the scale
invariance of natural ones, among it a power spectrum near 1/f². Here the shapes fall on a torus of texels (two
to a pixel of the video), then each gets a colour, a slope of light, a texture and the shadow of what lies on it.

- `Leaves`: what falls; `drop` lets it fall; `paint` colours the heap into a packed canvas.
- Packed canvases are `uint32` with alpha, red, green, blue from the top byte down, colours premultiplied by alpha.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.procedural.integer_noise import TURN, IntArray, Stream, cosine, sine
from natural_mujoco.backgrounds.procedural.shapes import silhouette

Canvas = NDArray[np.uint32]

# Radii in texels, each some 20 % above the last: the 1/r³ law is drawn by its exact counts on these steps.
RADII = (2, 3, 4, 5, 6, 7, 9, 11, 13, 16, 19, 23, 28, 34, 41, 49, 59, 71, 85, 102, 122, 146, 175)
_ORIENTATIONS = 16
_SCATTER_CHUNK = 1 << 19


@dataclass(frozen=True)
class Leaves:
    """What falls. Radii in texels, angles in turns of `TURN`.

    `coverage` is the area of all leaves over the area they fall on, in quarters: 12 leaves 5 % bare, 4 leaves 37 %.
    `lie` and `spread` are the axis they tend to lie along and how far from it they turn.
    """

    shapes: tuple[str, ...]
    smallest: int = 2
    largest: int = 122
    coverage: int = 16
    lie: int = 0
    spread: int = TURN


@dataclass(frozen=True)
class Heap:
    """Fallen leaves: for every texel the uppermost leaf (0 is none), and for every leaf where and how it lies."""

    top: IntArray  # [height, width]
    x: IntArray  # per leaf, entry 0 unused
    y: IntArray
    radius: IntArray


@dataclass(frozen=True)
class Finish:
    """How a heap is coloured; brightness in 1/128, all of it relative to the leaf's own colour.

    `jitter` is how much leaves differ in brightness, `mottle` in their place on the ramp, `relief` the slope of light
    across a leaf, `grain` the strength of the texture, `shadow` how much light a covered edge keeps.
    """

    jitter: int = 26
    mottle: int = 40
    relief: int = 30
    grain: int = 60
    shadow: int = 80
    shadow_reach: int = 3
    texture: IntArray = field(default_factory=lambda: np.zeros((64, 64), np.int32))


def _counts(leaves: Leaves, area: int) -> list[tuple[int, int]]:
    """How many leaves of which radius: density 1/r³, so the share of each step is 1/low² − 1/high²."""
    radii = [r for r in RADII if leaves.smallest <= r <= leaves.largest]
    steps = [(r, 5 * r * 5 * r, 6 * r * 6 * r) for r in radii]
    weights = [((high - low) << 40) // (low * high) for _, low, high in steps]
    covered = sum(w * r * r for w, r in zip(weights, radii, strict=True))
    # Most shapes cover about 3/2 r² texels.
    wanted = leaves.coverage * area * 2 // (4 * 3)
    return [(r, max(1, wanted * w // covered)) for w, r in zip(weights, radii, strict=True)]


def drop(
    stream: Stream, height: int, width: int, leaves: Leaves, region: NDArray[np.bool_] | None = None
) -> Heap:
    """Let leaves fall on a torus of `height` × `width` texels, both powers of two.

    Only leaves with their centre inside `region` (`bool[height, width]`) are kept; their outlines reach over its edge.
    """
    area = height * width
    counts = _counts(leaves, area)
    total = sum(count for _, count in counts)
    radius = np.repeat(np.array([r for r, _ in counts], np.int32), [count for _, count in counts])
    x, y = stream.integers(0, width - 1, total), stream.integers(0, height - 1, total)
    turned = stream.integers(-(_ORIENTATIONS // 2), _ORIENTATIONS // 2 - 1, total)
    kind = stream.integers(0, len(leaves.shapes) - 1, total)
    level = stream.permutation(total) + np.int32(1)
    keep = np.ones(total, np.bool_) if region is None else region[y, x]

    top = np.zeros(area, np.int32)
    template = (radius * np.int32(len(leaves.shapes)) + kind) * np.int32(_ORIENTATIONS) + turned
    members = np.flatnonzero(keep)
    members = members[np.argsort(template[members], kind="stable")]
    starts = np.flatnonzero(np.diff(template[members], prepend=np.int32(-(1 << 30))))
    for group in np.split(members, starts[1:]):
        first = group[0]
        angle = leaves.lie + leaves.spread * int(turned[first]) // _ORIENTATIONS
        mask = silhouette(leaves.shapes[kind[first]], int(radius[first]), angle)
        dy, dx = (axis.astype(np.int32) - np.int32(mask.shape[0] // 2) for axis in np.nonzero(mask))
        batch = max(1, _SCATTER_CHUNK // max(1, dy.size))
        for begin in range(0, group.size, batch):
            some = group[begin : begin + batch]
            rows = (y[some, None] + dy) & np.int32(height - 1)
            columns = (x[some, None] + dx) & np.int32(width - 1)
            # The highest leaf wins whatever the order of writing: plain assignment would leave that undefined.
            np.maximum.at(top, (rows * np.int32(width) + columns).ravel(), np.repeat(level[some], dy.size))

    by_level = np.empty(total, np.int32)
    by_level[level - 1] = np.arange(total, dtype=np.int32)
    x, y, radius = (np.concatenate([[np.int32(0)], a[by_level]]).astype(np.int32) for a in (x, y, radius))
    return Heap(top.reshape(height, width), x, y, np.maximum(radius, 1))


def paint(stream: Stream, heap: Heap, ramp: IntArray, zone: IntArray, finish: Finish) -> Canvas:
    """Colour a heap into a packed canvas `uint32[height, width]`, transparent where nothing lies.

    `ramp` is `int32[256, 3]`. `zone` (`int32[height, width]`, -128 to 127) says where on the ramp a leaf's colour lies,
    so that neighbours are alike and the picture has large structures too.
    """
    height, width = heap.top.shape
    count = heap.x.size
    place = 128 + zone[heap.y, heap.x] + (finish.mottle * stream.integers(-128, 127, count) >> 7)
    colour = ramp[np.clip(place, 0, 255)]
    bright = 128 + (finish.jitter * (stream.integers(-64, 63, count) + stream.integers(-64, 63, count)) >> 6)
    light = stream.integers(-TURN // 6, TURN // 6, count) + np.int32(5 * TURN // 8)
    slope_x = finish.relief * (cosine(light) >> 2) // heap.radius
    slope_y = finish.relief * (sine(light) >> 2) // heap.radius
    texture = finish.texture.ravel()
    offset = stream.integers(0, texture.size - 1, count)

    top = heap.top.ravel()
    index = np.arange(height * width, dtype=np.int32)
    x, y = index & np.int32(width - 1), index // np.int32(width)
    x -= heap.x[top]
    y -= heap.y[top]
    x = ((x + np.int32(width // 2)) & np.int32(width - 1)) - np.int32(width // 2)
    y = ((y + np.int32(height // 2)) & np.int32(height - 1)) - np.int32(height // 2)
    level = (slope_x[top] * x + slope_y[top] * y) >> 12
    index += offset[top]
    index &= np.int32(texture.size - 1)
    level += texture[index] * np.int32(finish.grain) >> 7
    level += bright[top]
    reach = finish.shadow_reach
    above = np.roll(heap.top, (reach, reach), (0, 1)).ravel()
    level = np.where(above > top, level * np.int32(finish.shadow) >> 7, level)
    np.clip(level, 12, 300, out=level)
    channels = [np.minimum(colour[:, c][top] * level >> 7, 255) for c in range(3)]
    return soften(pack(*channels, top > 0).reshape(height, width))


def pack(red: IntArray, green: IntArray, blue: IntArray, opaque: NDArray[np.bool_]) -> Canvas:
    """Pack three channels (0 to 255) into a canvas, transparent black where not `opaque`."""
    packed = (red.astype(np.uint32) << np.uint32(16)) | (green.astype(np.uint32) << np.uint32(8))
    packed |= blue.astype(np.uint32) | np.uint32(0xFF000000)
    return np.where(opaque, packed, np.uint32(0))


def soften(canvas: Canvas, passes: int = 1) -> Canvas:
    """Average every texel with its right, lower and lower right neighbours, `passes` times.

    One pass turns texels into the footprint of a pixel (two by two texels), which is what makes edges soft.
    """
    for _ in range(passes):
        for axis in (1, 0):
            canvas = _mean(canvas, np.roll(canvas, -1, axis))
    return canvas


def _mean(a: Canvas, b: Canvas) -> Canvas:
    """The mean of each of the four bytes, rounded down, without unpacking them."""
    return (a & b) + (((a ^ b) & np.uint32(0xFEFEFEFE)) >> np.uint32(1))
