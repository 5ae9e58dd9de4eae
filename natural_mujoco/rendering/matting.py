"""Compositing: a premultiplied foreground over a video frame, and the released code's matte.

Everything is 8-bit. Coverage `a` is 0…255. The foreground's colour is already multiplied by it (premultiplied), because
a pixel is the mean of its samples, and samples without foreground have the clear colour: black with alpha 0. So

    out = rgb + (255 - a) / 255 * video

and neither the clear colour nor the sky or the floor can bleed into an edge.
"""

from __future__ import annotations

from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[np.uint8]

RED_THRESHOLD = 100
"""The released code keeps a pixel of the full render iff its red channel exceeds this."""


def downsample(samples: Pixels, factor: int) -> Pixels:
    """Mean over blocks of `factor`×`factor` samples: `uint8[h, w, c]` → `uint8[h/factor, w/factor, c]`.

    `factor` is a power of two. Repeated halving is several times as fast as one area resize and differs from it by at
    most two grey levels.
    """
    while factor > 1:
        samples = cv2.resize(
            samples, (samples.shape[1] // 2, samples.shape[0] // 2), interpolation=cv2.INTER_AREA
        )
        factor //= 2
    return samples


def composite(foreground: Pixels, video: Pixels) -> Pixels:
    """`foreground`, premultiplied RGBA `uint8[h, w, 4]`, over `video`, RGB `uint8[h, w, 3]`: RGB `uint8[h, w, 3]`."""
    uncovered = cv2.bitwise_not(cv2.extractChannel(foreground, 3))
    visible = cv2.multiply(video, cv2.cvtColor(uncovered, cv2.COLOR_GRAY2RGB), scale=1 / 255)
    image: Pixels = cv2.add(visible, cv2.cvtColor(foreground, cv2.COLOR_RGBA2RGB))
    return image


def fade(standard: Pixels, natural: Pixels, strength: float) -> Pixels:
    """(1 - `strength`) · `standard` + `strength` · `natural`, both `uint8[h, w, 3]`, rounded: a new array.

    In integers, with `strength` in units of 1/65536, so that every processor gives the same picture.
    """
    weight = np.uint32(round(strength * 65536))
    mixed = standard.astype(np.uint32) * (65536 - weight) + natural.astype(np.uint32) * weight
    return ((mixed + 32768) >> 16).astype(np.uint8)


def paper_matte(image: Pixels) -> Pixels:
    """The released code's matte of a full render `uint8[h, w, 3]`: 255 where red > 100, else 0; `uint8[h, w]`."""
    return (image[..., 0] > RED_THRESHOLD).astype(np.uint8) * np.uint8(255)
