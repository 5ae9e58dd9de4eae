"""The dead leaves model: opaque textured shapes of all sizes dropped on one another.

Lee, Mumford & Huang (2001) show that occluding shapes whose radii have density 1/r³ give images with the
scale invariance of natural ones, among it a power spectrum near 1/f². Here the shapes fall on a torus of texels
(two to a pixel of the video), then each gets a colour, a slope of light, a texture and the shadow of what
lies on it.

- `Leaves` describes what falls; `drop` makes a heap of it; `paint` colours the heap with a `Finish`.
- Packed canvases are `uint32`: alpha, red, green, blue from the top byte down, colours premultiplied by alpha.
  `pack`, `soften` and `lay_over` work on them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.embedded.integer_noise import TURN, IntArray, Stream, cosine, sine
from natural_mujoco.backgrounds.embedded.shapes import silhouette

Canvas = NDArray[np.uint32]

# Radii in texels, each some 20 % above the last: the 1/r³ law is drawn by its exact counts on these steps.
RADII = (2, 3, 4, 5, 6, 7, 9, 11, 13, 16, 19, 23, 28, 34, 41, 49, 59, 71, 85, 102, 122, 146, 175)
_ORIENTATIONS = 16
_SCATTER_CHUNK = 1 << 19


@dataclass(frozen=True)
class Leaves:
    """The shapes that fall and how many. Radii are in texels, angles in turns of `TURN`.

    `coverage` is the area of all leaves over the area they fall on, in percent: 300 leave 5 % bare, 100 leave
    37 %. `lie` and `spread` are the axis they tend to lie along and how far from it they turn. `edge` is what
    they do at the border of the region they fall in: "leafy" (they alone are seen, reaching over it), "filled"
    (likewise, with ground between them) or "sharp" (ground between them, all cut off at the border).
    """

    shapes: tuple[str, ...]
    smallest: int = 2
    largest: int = 122
    coverage: int = 400
    lie: int = 0
    spread: int = TURN
    edge: str = "leafy"


@dataclass(frozen=True)
class Heap:
    """Fallen leaves: for every texel the uppermost leaf (0: ground), and for every leaf where and how it lies."""

    top: IntArray  # [height, width]
    opaque: NDArray[np.bool_]  # [height, width]
    x: IntArray  # per leaf; entry 0 stands for the ground
    y: IntArray
    radius: IntArray


@dataclass(frozen=True)
class Finish:
    """How a heap is coloured, with brightness in 1/128 of a leaf's own colour.

    `jitter` is how much leaves differ in brightness, `mottle` how much in their place on the ramp, `relief` the slope
    of light across a leaf, `bulge` how dark its rim is, `grain` the strength of the texture (a leaf has from a quarter
    to twice as much), `shadow` how much light a covered edge keeps, within `reach` texels.
    """

    texture: IntArray  # [h, w], powers of two, w the canvas' width
    jitter: int = 26
    mottle: int = 40
    relief: int = 30
    bulge: int = 0
    grain: int = 40
    shadow: int = 80
    reach: int = 3


def _counts(leaves: Leaves, area: int) -> list[tuple[int, int]]:
    """How many leaves of which radius: density 1/r³, so the share of each step is 1/low² − 1/high²."""
    radii = [r for r in RADII if leaves.smallest <= r <= leaves.largest]
    steps = [(r, 5 * r * 5 * r, 6 * r * 6 * r) for r in radii]
    weights = [((high - low) << 40) // (low * high) for _, low, high in steps]
    covered = sum(w * r * r for w, r in zip(weights, radii, strict=True))
    wanted = leaves.coverage * area * 2 // 300  # most shapes cover about 3/2 r² texels
    return [(r, max(1, wanted * w // covered)) for w, r in zip(weights, radii, strict=True)]


def drop(
    stream: Stream,
    height: int,
    width: int,
    leaves: Leaves,
    region: NDArray[np.bool_] | None = None,
    horizon: int | None = None,
) -> Heap:
    """Let leaves fall on a torus of `height` × `width` texels, both powers of two.

    Only leaves with their centre inside `region` (`bool[height, width]`) are kept. With a `horizon` (a row) the
    ground recedes: a leaf is kept only if its radius is at most half its distance below that row, and nothing
    that reaches around the torus from below is seen above it.
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
    if horizon is not None:
        keep &= 2 * radius <= y - horizon + 4

    top: IntArray = np.zeros(area, np.int32)
    template = (radius * np.int32(len(leaves.shapes)) + kind) * np.int32(_ORIENTATIONS) + turned
    members = np.flatnonzero(keep)
    members = members[np.argsort(template[members], kind="stable")]
    starts = np.flatnonzero(np.diff(template[members], prepend=np.int32(-(1 << 30))))
    for group in np.split(members, starts[1:]):
        if not group.size:
            continue
        first = group[0]
        angle = leaves.lie + leaves.spread * int(turned[first]) // _ORIENTATIONS
        mask = silhouette(leaves.shapes[kind[first]], int(radius[first]), angle)
        dy, dx = (axis.astype(np.int32) - np.int32(mask.shape[0] // 2) for axis in np.nonzero(mask))
        batch = max(1, _SCATTER_CHUNK // max(1, dy.size))
        for begin in range(0, group.size, batch):
            some = group[begin : begin + batch]
            rows = (y[some, None] + dy) & np.int32(height - 1)
            columns = (x[some, None] + dx) & np.int32(width - 1)
            # The highest leaf wins in whatever order they are written; plain assignment would leave it open.
            np.maximum.at(top, (rows * np.int32(width) + columns).ravel(), np.repeat(level[some], dy.size))

    by_level = np.empty(total, np.int32)
    by_level[level - 1] = np.arange(total, dtype=np.int32)
    x, y, radius = (np.concatenate([np.ones(1, np.int32), a[by_level]]) for a in (x, y, radius))
    top = top.reshape(height, width)
    ground = np.ones((height, width), np.bool_) if region is None else region
    opaque = {"leafy": top > 0, "filled": (top > 0) | ground, "sharp": ground.copy()}[leaves.edge]
    if horizon is not None:
        opaque[: max(0, horizon - 8)] = False
    return Heap(top, opaque, x, y, radius)


def paint(stream: Stream, heap: Heap, ramp: IntArray, zone: IntArray, finish: Finish) -> Canvas:
    """Colour a heap into a packed canvas `uint32[height, width]`.

    `ramp` is `int32[256, 3]`. `zone` (`int32[height, width]`, -128 to 127) says where on the ramp a leaf's colour
    lies, so that neighbours are alike and the picture has large structures too.
    """
    height, width = heap.top.shape
    count = heap.x.size
    place = 128 + zone[heap.y, heap.x] + (finish.mottle * stream.integers(-128, 127, count) >> 7)
    colour = ramp[np.clip(place, 0, 255)]
    jitter = stream.integers(-64, 63, count) + stream.integers(-64, 63, count)
    bright = 128 + (finish.jitter * jitter >> 6)
    light = stream.integers(-TURN // 6, TURN // 6, count) + np.int32(5 * TURN // 8)
    slope_x = finish.relief * (cosine(light) >> 2) // heap.radius
    slope_y = finish.relief * (sine(light) >> 2) // heap.radius
    rim = (np.int32(finish.bulge) << 12) // (heap.radius * heap.radius)
    grain = finish.grain * stream.integers(32, 240, count) >> 7
    texture = finish.texture.ravel()
    offset = stream.integers(0, texture.size - 1, count)
    for of_leaf in (slope_x, slope_y, rim):
        of_leaf[0] = 0  # the ground is flat

    top = heap.top.ravel()
    index = np.arange(height * width, dtype=np.int32)
    x = _around((index & np.int32(width - 1)) - heap.x[top], width)
    y = _around(index // np.int32(width) - heap.y[top], height)
    level = (slope_x[top] * x + slope_y[top] * y) >> 12
    if finish.bulge:
        level += np.int32(finish.bulge // 2) - (rim[top] * (x * x + y * y) >> 12)
    index += offset[top]
    index &= np.int32(texture.size - 1)
    level += texture[index] * grain[top] >> 7
    level += bright[top]
    above = np.roll(heap.top, (finish.reach, finish.reach), (0, 1)).ravel()
    level = np.where(above > top, level * np.int32(finish.shadow) >> 7, level)
    np.clip(level, 12, 300, out=level)
    red, green, blue = (np.minimum(colour[:, c][top] * level >> 7, 255) for c in range(3))
    return soften(pack(red, green, blue, heap.opaque.ravel()).reshape(height, width))


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
            other = np.roll(canvas, -1, axis)
            # The mean of each of the four bytes, rounded down, without unpacking them.
            canvas = (canvas & other) + (((canvas ^ other) & np.uint32(0xFEFEFEFE)) >> np.uint32(1))
    return canvas


def lay_over(below: Canvas, above: Canvas) -> None:
    """Lay premultiplied `above` over `below`, in place: red and blue, and green and alpha, two at a time."""
    alpha = above >> np.uint32(24)
    keep = np.uint32(256) - alpha - (alpha >> np.uint32(7))  # 256 at alpha 0, 0 at alpha 255
    lanes = np.uint32(0x00FF00FF)
    even = below & lanes
    even *= keep
    even >>= np.uint32(8)
    even &= lanes
    odd = below >> np.uint32(8)
    odd &= lanes
    odd *= keep
    odd &= ~lanes
    np.add(above, even, out=below)
    below += odd


def _around(offset: IntArray, circumference: int) -> IntArray:
    """Offsets on a torus, as their nearest images to 0."""
    half = np.int32(circumference // 2)
    return ((offset + half) & np.int32(circumference - 1)) - half
