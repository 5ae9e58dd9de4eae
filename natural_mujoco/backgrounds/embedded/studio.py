"""The steps that the recipes in `families` share, with one clip's random stream, light and texture."""

from __future__ import annotations

from typing import Any

import numpy as np

from natural_mujoco.backgrounds.embedded.actors import cast
from natural_mujoco.backgrounds.embedded.dead_leaves import Canvas, Finish, Leaves, drop, paint
from natural_mujoco.backgrounds.embedded.integer_noise import ONE, TURN, IntArray, Stream, fractal_noise
from natural_mujoco.backgrounds.embedded.palettes import Mood, choose, ramp
from natural_mujoco.backgrounds.embedded.scene import (
    HEIGHT,
    UNIT,
    WIDTH,
    Actor,
    Camera,
    Sway,
    harmonic,
    wander,
)
from natural_mujoco.backgrounds.embedded.terrain import Region

# The palette of a figure's colours.
WARDROBE = {
    "bird": "plumage",
    "fish": "coats",
    "butterfly": "wings",
    "car": "coats",
    "boat": "coats",
    "person": "coats",
    "dog": "fur",
    "leaf": "autumn",
    "balloon": "coats",
}


class Studio:
    """Draws the ingredients of one clip. The order of calls matters: reordering a recipe changes its clips."""

    def __init__(self, stream: Stream, mood: Mood) -> None:
        self.stream = stream
        self.mood = mood
        self.texture = fractal_noise(stream, HEIGHT // 2, WIDTH, coarsest=32, gain=16)

    def number(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both included."""
        return self.stream.integer(low, high)

    def pick(self, *options: Any) -> Any:
        """One of the options."""
        return options[self.number(0, len(options) - 1)]

    def colours(self, name: str) -> IntArray:
        """A ramp of the named palette under the clip's light: `int32[256, 3]`."""
        return ramp(choose(self.stream, name), self.mood)

    def patches(self, share: int, coarsest: int = 256) -> Region:
        """A region of clumps that covers about `share`/128 of the torus."""
        return fractal_noise(self.stream, HEIGHT, WIDTH, coarsest=coarsest, finest=4, gain=12) > 64 - share

    def leaves(
        self,
        colours: IntArray,
        leaves: Leaves,
        region: Region | None = None,
        horizon: int | None = None,
        tilt: IntArray | int = 0,
        **finish: int,
    ) -> Canvas:
        """A painted heap; `finish` goes to `Finish`. `tilt` moves it along the ramp (`int32[HEIGHT, 1]`, say)."""
        patches = fractal_noise(self.stream, HEIGHT, WIDTH, coarsest=256, finest=16, gain=12)
        zone = patches * np.int32(self.number(70, 110)) >> 7
        heap = drop(self.stream, HEIGHT, WIDTH, leaves, region, horizon)
        return paint(self.stream, heap, colours, zone + tilt, Finish(self.texture, **finish))

    def camera(self, *, across: int, up: int, zoom: int = 14, roll: int = 20) -> Camera:
        """A drifting camera: reach `across` and `up` in texels, `zoom` in 1/128, `roll` in turns of `TURN`."""
        shake = self.number(0, 2)
        zooming = harmonic(self.number(1, 2), self.number(0, TURN - 1)) * self.number(zoom // 3, zoom)
        rolling = harmonic(self.number(1, 3), self.number(0, TURN - 1)) * self.number(0, roll)
        return Camera(
            x=wander(self.stream, across) + wander(self.stream, shake, 17, 29),
            y=wander(self.stream, up) + wander(self.stream, shake, 17, 29),
            zoom=UNIT + zooming * UNIT // (128 * ONE),
            roll=rolling // ONE,
        )

    def wind(self, reach: int) -> Sway:
        """Gusts that sway a layer by `reach` texels."""
        return Sway(reach, self.number(2, 5), self.number(6, 14), self.number(0, TURN - 1))

    def heading(self) -> int:
        """Left or right: -1 or 1."""
        return 1 - 2 * self.number(0, 1)

    def cast(self, names: tuple[str, ...], count: int, **how: Any) -> list[Actor]:
        """`count` actors with figures among `names`, in their colours; `how` goes to `actors.cast`."""
        found = []
        for _ in range(count):
            name = self.pick(*names)
            found.append(cast(self.stream, name, self.colours(WARDROBE[name]), **how))
        return found
