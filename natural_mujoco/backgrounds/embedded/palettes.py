"""Colours: ramps through anchor colours, and the light of the hour that tints them.

- `ramp`: 256 colours through a few anchors; `tinted`: the same under a `Mood`.
- `MOODS`: noon, golden hour, overcast, dusk.
- `PALETTES`: anchor colours from dark to light for everything that a scene is made of.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from natural_mujoco.backgrounds.embedded.integer_noise import IntArray, Stream

Anchors = tuple[int, ...]  # 0xRRGGBB


@dataclass(frozen=True)
class Mood:
    """Light: gain of red, green and blue and the saturation kept, all in 1/128."""

    red: int
    green: int
    blue: int
    saturation: int


MOODS = (
    Mood(138, 134, 126, 132),  # noon
    Mood(156, 124, 92, 140),  # golden hour
    Mood(118, 122, 128, 74),  # overcast
    Mood(94, 94, 116, 100),  # dusk
)

PALETTES: dict[str, tuple[Anchors, ...]] = {
    "leaves": (
        (0x0C160A, 0x26401A, 0x4C7028, 0x86983C, 0xCFCB7A),
        (0x08140E, 0x1C3C2C, 0x3E6E4C, 0x78A068, 0xC6DCA4),
        (0x14160A, 0x3A441A, 0x6A6E28, 0xA8923A, 0xE2C878),
    ),
    "autumn": (
        (0x1A0E08, 0x4E2812, 0x96481A, 0xD08A2C, 0xEFD488),
        (0x200C0A, 0x5C1E16, 0xA03A22, 0xCC7038, 0xE8B884),
        (0x16120C, 0x46361E, 0x806034, 0xB89858, 0xE4D6AA),
    ),
    "flowers": (
        (0x18240E, 0x4A6A26, 0xD0402E, 0xF0B02A, 0xFBF0D8),
        (0x14260F, 0x4C7A2E, 0x8A4EA8, 0xE07CB4, 0xFFF2C4),
        (0x122410, 0x3E702A, 0x4A62C0, 0xF2F2E8, 0xF6D23C),
    ),
    "sky": (
        (0x2E6CB8, 0x7EB0DC, 0xD8E6EC),
        (0x4A7CA8, 0xA8C4D0, 0xF2E4CC),
        (0x6A8298, 0xA6B2BC, 0xD6D8D6),
        (0x3A4E8C, 0xC88C9C, 0xF6C890),
    ),
    "hills": (
        (0x1E3430, 0x3E5C4A, 0x6E8462, 0xA4A97C),
        (0x2C3448, 0x50607A, 0x8294A2, 0xB6C2C0),
        (0x3A2C20, 0x705438, 0xA8885C, 0xD6C096),
    ),
    "city": (
        (0x1C1E22, 0x4C4A4A, 0x8A7E72, 0xB8A894, 0xE6DCCC),
        (0x20181A, 0x5E3A32, 0x9C6650, 0xC89A7C, 0xEAD6C0),
        (0x161C26, 0x38485C, 0x6C8298, 0xA4B4C0, 0xE2E8EA),
    ),
    "road": (
        (0x202022, 0x44444A, 0x6C6A6C, 0x96928E),
        (0x2A2622, 0x524A42, 0x7C7266, 0xA89E8E),
    ),
    "reef": (
        (0x0A1E30, 0x20506A, 0xB0503E, 0xE09A5A, 0xF4DCB0),
        (0x10182E, 0x3A3E76, 0x9C4A88, 0xE28CA0, 0xF8E4C8),
        (0x0A221E, 0x1E5A50, 0x5A9A5E, 0xD2B040, 0xF6F0C0),
    ),
    "sea": (
        (0x061C34, 0x0E4468, 0x1E7A9A, 0x5AB8C0, 0xC8F0E4),
        (0x08202A, 0x145058, 0x2C8A86, 0x78C0A4, 0xD8F0D0),
        (0x141E2C, 0x32485C, 0x5C7888, 0x98ACB2, 0xE4ECEC),
    ),
    "stones": (
        (0x1E1C1C, 0x565250, 0x8C8680, 0xBAB2A6, 0xECE6DC),
        (0x241A14, 0x644C3A, 0x9A7E62, 0xC6AE8E, 0xF0E4D0),
        (0x181E22, 0x46545C, 0x7A8A90, 0xAEBABA, 0xE6ECEA),
    ),
    "bark": (
        (0x140E0A, 0x34261C, 0x5E4838, 0x8E7660),
        (0x1A1A1A, 0x46423E, 0x827A72, 0xC8C0B6),
    ),
    "goods": (
        (0x1A1214, 0xA82420, 0xE8A428, 0xF4E8CC, 0x2A7A8C),
        (0x141A26, 0x2A4E9A, 0xD05A34, 0xF2DCA0, 0x7A3A6A),
        (0x1C140E, 0x7A4A24, 0x4A8A4A, 0xE8D070, 0xD84A5A),
    ),
    "snow": (
        (0x76869E, 0xB0BECE, 0xDCE4EC, 0xFAFCFC),
        (0x807C8C, 0xBCBCC8, 0xE4E4EA, 0xFEFCF8),
    ),
    "fur": (
        (0x140E0A, 0x6A4426, 0xB88A56),
        (0x0E0E10, 0x2E2A2A, 0x8A8078),
        (0x3A2A1C, 0xB89468, 0xF2E6D2),
        (0x1C1C1E, 0x86827E, 0xE8E6E2),
    ),
    "plumage": (
        (0x0A0A0E, 0x26262E, 0x7A7A84),
        (0x2A2018, 0x7C624A, 0xE2D2B8),
        (0x30363C, 0xB8BEC4, 0xFCFCFA),
        (0x10202E, 0x2C6AA0, 0xF0D890),
        (0x200A08, 0xB8382A, 0xF2C8A0),
    ),
    "wings": (
        (0x140C08, 0xE07A1C, 0xFCE8B0),
        (0x0A0E1C, 0x3A6AC8, 0xD6E8FA),
        (0x1C1A10, 0xF0D848, 0xFFFCE4),
        (0x180A10, 0xC03A4A, 0xF8D8C8),
    ),
    "coats": (
        (0x201814, 0x8A3A22, 0xE0A25A),
        (0x141414, 0x4C4C50, 0xD8D4CC),
        (0x16203A, 0x2E5AA8, 0xE6D84C),
        (0x2A0E10, 0xC02A2A, 0xF4E4DA),
        (0x1A2A12, 0xE07818, 0xFCF0A0),
        (0x2A1830, 0xB04A9A, 0xF0D0E8),
    ),
}


def choose(stream: Stream, name: str) -> Anchors:
    """One of the palettes called `name`, its anchors a little off, so that no two clips share it exactly."""
    palettes = PALETTES[name]
    anchors = palettes[stream.integer(0, len(palettes) - 1)]
    cast = stream.integers(-10, 10, 3)
    shifted = []
    for anchor in anchors:
        rgb = [anchor >> 16, anchor >> 8 & 255, anchor & 255]
        rgb = [
            min(255, max(0, c + int(a) + int(b)))
            for c, a, b in zip(rgb, cast, stream.integers(-9, 9, 3), strict=True)
        ]
        shifted.append(rgb[0] << 16 | rgb[1] << 8 | rgb[2])
    return tuple(shifted)


def ramp(anchors: Anchors, mood: Mood) -> IntArray:
    """`int32[256, 3]`: colours through equally spaced anchors, under the light of `mood`."""
    rgb: IntArray = np.array([[a >> 16, a >> 8 & 255, a & 255] for a in anchors], np.int32)
    grey = (rgb[:, :1] * 77 + rgb[:, 1:2] * 151 + rgb[:, 2:] * 28) >> 8
    rgb = grey + ((rgb - grey) * np.int32(mood.saturation) >> 7)
    rgb = np.clip(rgb * np.array([mood.red, mood.green, mood.blue], np.int32) >> 7, 0, 255)
    position = np.arange(256, dtype=np.int32) * np.int32(len(anchors) - 1)
    segment = np.minimum(position // 255, len(anchors) - 2)
    part = (position - 255 * segment)[:, None]
    blend: IntArray = (rgb[segment] * (255 - part) + rgb[segment + 1] * part + 127) // 255
    return blend


def hazy(colours: IntArray, haze: IntArray, share: int) -> IntArray:
    """A ramp seen through air: `share`/128 of it replaced by the colour `haze` (`int32[3]`)."""
    seen: IntArray = (colours * np.int32(128 - share) + haze * np.int32(share)) >> 7
    return seen
