"""Eight kinds of scene, each a recipe from a stream and a light to a `Scene`.

Recipes share three ingredients: heaps of dead leaves in several depths, terrain, and actors. What differs from
clip to clip is drawn from the stream: palettes, shapes, density, the camera's path, who passes by.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from natural_mujoco.backgrounds.procedural.actors import cast
from natural_mujoco.backgrounds.procedural.dead_leaves import Canvas, Finish, Leaves, drop, paint
from natural_mujoco.backgrounds.procedural.integer_noise import ONE, TURN, IntArray, Stream, fractal_noise
from natural_mujoco.backgrounds.procedural.palettes import Mood, choose, hazy, ramp
from natural_mujoco.backgrounds.procedural.scene import (
    HEIGHT,
    UNIT,
    WIDTH,
    Actor,
    Camera,
    Layer,
    Scene,
    Sway,
    harmonic,
    wander,
)
from natural_mujoco.backgrounds.procedural.terrain import HORIZON, below_ridge, gradient, houses, sky, trunks


class Studio:
    """What the recipes of one clip draw from: its stream, its light and its texture."""

    def __init__(self, stream: Stream, mood: Mood) -> None:
        self.stream = stream
        self.mood = mood
        self.texture = fractal_noise(stream, HEIGHT // 2, WIDTH, coarsest=32, gain=16)
        self.bark = np.repeat(self.texture[: HEIGHT // 8], 4, axis=0)

    def colours(self, name: str) -> IntArray:
        """A ramp of the named palette under the clip's light."""
        return ramp(choose(self.stream, name), self.mood)

    def chance(self, one_in: int) -> bool:
        return self.stream.integer(1, one_in) == 1

    def zone(self, coarsest: int = 256, finest: int = 16, gain: int = 12) -> IntArray:
        """Where on its ramp a place lies: large patches with smaller ones in them."""
        noise = fractal_noise(self.stream, HEIGHT, WIDTH, coarsest=coarsest, finest=finest, gain=gain)
        return noise * np.int32(self.stream.integer(70, 110)) >> 7

    def patches(self, share: int, coarsest: int = 256) -> NDArray[np.bool_]:
        """A region of clumps that covers about `share`/128 of the torus."""
        noise = fractal_noise(self.stream, HEIGHT, WIDTH, coarsest=coarsest, finest=4, gain=12)
        return noise > 64 - share

    def leaves(
        self,
        colours: IntArray,
        leaves: Leaves,
        *,
        region: NDArray[np.bool_] | None = None,
        tilt: IntArray | None = None,
        finish: Finish | None = None,
    ) -> Canvas:
        """A painted heap. `tilt` is added to the place on the ramp (`int32[HEIGHT, 1]`, say)."""
        zone = self.zone()
        if tilt is not None:
            zone = zone + tilt
        heap = drop(self.stream, HEIGHT, WIDTH, leaves, region)
        return paint(self.stream, heap, colours, zone, finish or Finish(texture=self.texture))

    def camera(self, *, across: int, up: int, zoom: int = 14, roll: int = 20) -> Camera:
        """A drifting camera: reach `across` and `up` in texels, `zoom` in 1/128, `roll` in turns of `TURN`."""
        stream = self.stream
        shake = stream.integer(0, 2)
        zooming = harmonic(stream.integer(1, 2), stream.integer(0, TURN - 1)) * stream.integer(
            zoom // 3, zoom
        )
        rolling = harmonic(stream.integer(1, 3), stream.integer(0, TURN - 1)) * stream.integer(0, roll)
        return Camera(
            x=wander(stream, across) + wander(stream, shake, 17, 29),
            y=wander(stream, up) + wander(stream, shake, 17, 29),
            zoom=UNIT + zooming * UNIT // (128 * ONE),
            roll=rolling // ONE,
        )

    def wind(self, reach: int) -> Sway:
        return Sway(
            reach, self.stream.integer(2, 5), self.stream.integer(6, 14), self.stream.integer(0, TURN - 1)
        )

    def heading(self) -> int:
        """Left or right."""
        return 1 - 2 * self.stream.integer(0, 1)

    def cast(self, names: tuple[str, ...], count: int, **how: object) -> list[Actor]:
        """`count` actors with figures among `names`; `how` goes to `actors.cast`."""
        found = []
        for _ in range(count):
            name = names[self.stream.integer(0, len(names) - 1)]
            found.append(cast(self.stream, name, self.colours("coats"), **how))  # type: ignore[arg-type]
        return found


def canopy(studio: Studio) -> Scene:
    """Leaves before leaves, with light through the gaps, wind, and birds or butterflies among them."""
    s = studio
    light = s.colours("sky")
    green = s.colours("leaves")
    shapes = (("leaf", "ellipse"), ("leaf", "blade"), ("ellipse", "disc", "leaf"))[s.stream.integer(0, 2)]
    far = s.leaves(hazy(green, light[128], 44), Leaves(shapes, 2, 71, 12), region=s.patches(90))
    middle = s.leaves(green, Leaves(shapes, 3, 102, 10), region=s.patches(54))
    near = s.leaves(
        green * 3 >> 2,
        Leaves(shapes, 16, 146, 6),
        region=s.patches(22),
        finish=Finish(jitter=20, texture=s.texture),
    )
    flyer = ("bird",) if s.chance(2) else ("butterfly", "bird")
    return Scene(
        s.camera(across=190, up=130, roll=40),
        (
            Layer(sky(s.stream, light, light[255], 60), 24),
            Layer(far, 90, wind=s.wind(3)),
            *s.cast(flyer, 4, radius=s.stream.integer(14, 26), parallax=130, reach=(160, 110), flap=True),
            Layer(middle, 170, wind=s.wind(6)),
            *s.cast(
                flyer,
                1,
                radius=s.stream.integer(26, 40),
                parallax=0,
                reach=(70, 60),
                flap=True,
                followed=True,
            ),
            Layer(near, 300, wind=s.wind(12)),
        ),
    )


def meadow(studio: Studio) -> Scene:
    """Sky, hills behind hills, a field of grass and flowers; a dog or butterflies in it."""
    s = studio
    light, hill, green, bloom = (
        s.colours("sky"),
        s.colours("hills"),
        s.colours("leaves"),
        s.colours("flowers"),
    )
    row = HORIZON + s.stream.integer(-50, 0)
    hills = []
    for depth, share in ((40, 70), (80, 36)):
        region = below_ridge(s.stream, row, 46 - depth // 4)
        painted = s.leaves(
            hazy(hill, light[200], share), Leaves(("disc", "ellipse"), 2, 59, 16), region=region
        )
        hills.append(Layer(painted, depth))
        row += s.stream.integer(20, 44)
    grass = Leaves(("blade", "leaf"), 3, 85, 18, lie=TURN // 4, spread=TURN // 5)
    field = s.leaves(green, grass, region=below_ridge(s.stream, row, 8), tilt=gradient(row, 470) // 4 - 40)
    flowers = Leaves(("disc", "petal", "ellipse"), 3, 28, 5)
    flowers_region = below_ridge(s.stream, row + 40, 10) & s.patches(60, 128)
    near = s.leaves(bloom, flowers, region=flowers_region, tilt=np.full((1, 1), 30, np.int32))
    return Scene(
        s.camera(across=220, up=60),
        (
            Layer(sky(s.stream, light, light[255], s.stream.integer(10, 110)), 14),
            *s.cast(("bird",), 3, radius=14, parallax=20, row=150, reach=(150, 40), flap=True),
            *hills,
            Layer(field, 150, wind=s.wind(4)),
            *s.cast(
                ("dog",),
                1,
                radius=30,
                parallax=150,
                row=row + 60,
                reach=(150, 16),
                gait=(40, 9),
                followed=True,
            ),
            Layer(near, 210, wind=s.wind(6)),
            *s.cast(("butterfly",), 3, radius=16, parallax=230, row=row + 20, reach=(140, 60), flap=True),
        ),
    )


def street(studio: Studio) -> Scene:
    """Houses before houses along a road, cars both ways, people on the pavement."""
    s = studio
    light, wall, road = s.colours("sky"), s.colours("city"), s.colours("road")
    lamp = np.array([255, 222, 150], np.int32)
    foot = HORIZON + s.stream.integer(30, 60)
    far = houses(s.stream, hazy(wall, light[160], 64), lamp, count=60, foot=foot, tallest=180, widest=60)
    near = houses(s.stream, s.colours("city"), lamp, count=16, foot=foot, tallest=280, widest=130)
    paving = Leaves(("slab", "square"), 2, 71, 14, spread=TURN // 64)
    ground = s.leaves(
        road,
        paving,
        region=below_ridge(s.stream, foot, 1),
        finish=Finish(grain=40, texture=s.texture, shadow=110),
    )
    trees = s.leaves(
        s.colours("leaves"),
        Leaves(("leaf", "disc"), 3, 41, 12),
        region=s.patches(26) & ~below_ridge(s.stream, foot - 30, 20) & below_ridge(s.stream, 150, 20),
    )
    way, wraps = s.heading(), s.stream.integer(0, 1)
    return Scene(
        s.camera(across=170, up=40, roll=12),
        (
            Layer(sky(s.stream, light, light[255], s.stream.integer(20, 128)), 10),
            Layer(far, 60),
            Layer(near, 130, (way * wraps, 0)),
            Layer(trees, 140, (way * wraps, 0), wind=s.wind(3)),
            Layer(ground, 150, (way * wraps, 0)),
            *s.cast(("person",), 7, radius=26, parallax=150, row=foot + 6, reach=(90, 2), gait=(60, 3)),
            *s.cast(("car",), 3, radius=40, parallax=160, row=foot + 40, reach=(60, 2), wraps=(2, 0)),
            *s.cast(("car",), 3, radius=56, parallax=190, row=foot + 84, reach=(60, 3), wraps=(-3, 0)),
        ),
    )


def reef(studio: Studio) -> Scene:
    """Under water: blue depth, corals in two distances, everything wavering, fish near and far."""
    s = studio
    sea, coral = s.colours("sea"), s.colours("reef")
    water = Sway(3, s.stream.integer(3, 6), s.stream.integer(7, 12))
    depth = sky(s.stream, sea[::-1] * 7 >> 3, sea[230], 44)
    row = HORIZON + s.stream.integer(-30, 30)
    shapes = (("disc", "petal"), ("stone", "ellipse"), ("disc", "leaf", "stone"))[s.stream.integer(0, 2)]
    far = s.leaves(
        hazy(coral, sea[120], 60), Leaves(shapes, 2, 102, 16), region=below_ridge(s.stream, row, 60)
    )
    near_region = below_ridge(s.stream, row + 80, 70)
    near = s.leaves(
        coral, Leaves(shapes, 3, 122, 14), region=near_region, finish=Finish(relief=50, texture=s.texture)
    )
    weed = Leaves(("blade",), 34, 146, 3, lie=TURN // 4, spread=TURN // 8)
    return Scene(
        s.camera(across=200, up=90, zoom=20, roll=60),
        (
            Layer(depth, 20, (0, 0), water=water),
            *s.cast(("fish",), 6, radius=14, parallax=60, row=210, reach=(120, 50), wraps=(s.heading(), 0)),
            Layer(far, 100, water=water, wind=s.wind(3)),
            *s.cast(("fish",), 5, radius=24, parallax=130, row=240, reach=(160, 80)),
            Layer(near, 180, water=water),
            *s.cast(("fish",), 1, radius=44, parallax=0, reach=(60, 40), followed=True),
            Layer(s.leaves(s.colours("leaves"), weed, region=s.patches(24)), 280, wind=s.wind(16)),
        ),
    )


def woodland(studio: Studio) -> Scene:
    """Autumn trunks in three depths over a floor of leaves, more leaves falling, an animal now and then."""
    s = studio
    light, autumn, wood = s.colours("sky"), s.colours("autumn"), s.colours("bark")
    row = HORIZON + s.stream.integer(0, 50)
    back = s.leaves(hazy(autumn, light[200], 30), Leaves(("disc", "leaf"), 2, 85, 14), region=s.patches(104))
    floor = s.leaves(autumn, Leaves(("leaf", "ellipse"), 2, 71, 18), region=below_ridge(s.stream, row, 14))
    crown = s.leaves(
        s.colours("autumn"),
        Leaves(("leaf", "disc"), 3, 71, 9),
        region=s.patches(40) & ~below_ridge(s.stream, row - 60, 40),
    )
    return Scene(
        s.camera(across=210, up=70, roll=30),
        (
            Layer(sky(s.stream, light, light[255], 90), 16),
            Layer(back, 50, wind=s.wind(2)),
            Layer(trunks(s.stream, hazy(wood, light[160], 50), count=30, widest=30), 80),
            Layer(floor, 130),
            *s.cast(
                ("dog", "person"), 4, radius=26, parallax=130, row=row + 20, reach=(160, 6), gait=(44, 5)
            ),
            Layer(trunks(s.stream, wood, count=9, widest=64), 170),
            Layer(crown, 200, wind=s.wind(7)),
            *s.cast(("leaf",), 7, radius=12, parallax=200, reach=(110, 30), wraps=(0, 2), spin=3, flap=True),
            *s.cast(("dog",), 1, radius=38, parallax=0, reach=(60, 30), gait=(36, 8), followed=True),
            Layer(trunks(s.stream, wood * 5 >> 3, count=2, widest=120), 300),
        ),
    )


def shore(studio: Studio) -> Scene:
    """Sea with swell and boats, a beach of stones of all sizes, gulls."""
    s = studio
    light, sea, stone = s.colours("sky"), s.colours("sea"), s.colours("stones")
    row = HORIZON - s.stream.integer(20, 70)
    edge = row + s.stream.integer(70, 120)
    swell = Leaves(("blade", "leaf", "ellipse"), 3, 122, 16, spread=TURN // 24)
    flat = Finish(jitter=34, relief=12, texture=s.texture, shadow=112)
    waves = s.leaves(
        sea, swell, region=below_ridge(s.stream, row, 0), tilt=gradient(row - 60, 470) // -3 + 50, finish=flat
    )
    round_ = ("pebble", "ellipse", "disc") if s.chance(2) else ("stone", "pebble")
    beach = s.leaves(
        stone,
        Leaves(round_, 2, 102, 18),
        region=below_ridge(s.stream, edge, 24),
        finish=Finish(relief=54, texture=s.texture),
    )
    rocks_region = below_ridge(s.stream, edge + 60, 30) & s.patches(26)
    rocks = s.leaves(stone * 3 >> 2, Leaves(("stone",), 13, 146, 8), region=rocks_region)
    return Scene(
        s.camera(across=200, up=70, roll=30),
        (
            Layer(sky(s.stream, light, light[255], s.stream.integer(10, 120)), 12),
            *s.cast(("bird",), 4, radius=16, parallax=24, row=150, reach=(180, 50), flap=True),
            Layer(waves, 60, (s.heading(), 0), water=Sway(6, 7, s.stream.integer(10, 16))),
            *s.cast(("boat",), 4, radius=28, parallax=64, row=row + 14, reach=(120, 3), gait=(14, 4)),
            Layer(beach, 150),
            *s.cast(
                ("dog", "person"), 3, radius=28, parallax=160, row=edge + 40, reach=(150, 10), gait=(40, 6)
            ),
            Layer(rocks, 230),
            *s.cast(("bird",), 1, radius=38, parallax=0, reach=(70, 50), flap=True, followed=True),
        ),
    )


def market(studio: Studio) -> Scene:
    """Indoors: shelves of bright boxes and round goods, a counter in front, people walking between."""
    s = studio
    goods, wood = s.colours("goods"), s.colours("stones")
    upright = Leaves(("slab", "square", "disc"), 2, 122, 18, spread=TURN // 40)
    wall = s.leaves(goods * 13 >> 4, upright, finish=Finish(jitter=34, mottle=110, texture=s.texture))
    row = HORIZON + s.stream.integer(50, 90)
    front = s.leaves(
        s.colours("goods"),
        Leaves(("disc", "ellipse", "pebble", "square"), 3, 85, 16),
        region=below_ridge(s.stream, row, 20, 64),
        finish=Finish(mottle=90, relief=50, texture=s.texture),
    )
    posts = trunks(s.stream, wood, count=5, widest=44)
    way = s.heading()
    return Scene(
        s.camera(across=210, up=80, zoom=22, roll=30),
        (
            Layer(wall, 90, (way, 0)),
            *s.cast(("person",), 6, radius=48, parallax=120, row=HORIZON + 30, reach=(130, 6), gait=(50, 5)),
            Layer(posts, 150, (way, 0)),
            Layer(front, 190, (way, 0)),
            *s.cast(
                ("person",),
                2,
                radius=76,
                parallax=220,
                row=HORIZON + 60,
                reach=(120, 8),
                wraps=(-2 * way, 0),
                gait=(44, 7),
            ),
            *s.cast(("balloon",), 1, radius=36, parallax=0, reach=(70, 50), followed=True),
        ),
    )


def winter(studio: Studio) -> Scene:
    """Snow on the ground and in the air, dark wood, houses behind, people in bright coats."""
    s = studio
    light, snow, wood = s.colours("sky"), s.colours("snow"), s.colours("bark")
    row = HORIZON + s.stream.integer(-20, 40)
    lamp = np.array([255, 206, 120], np.int32)
    village = houses(
        s.stream, hazy(s.colours("city"), snow[200], 40), lamp, count=20, foot=row, tallest=110, widest=90
    )
    firs_region = below_ridge(s.stream, row - 70, 60) & s.patches(70, 128)
    firs = s.leaves(
        s.colours("leaves") * 3 >> 2,
        Leaves(("triangle", "leaf"), 3, 59, 14, lie=-TURN // 4, spread=TURN // 10),
        region=firs_region,
    )
    drifts = Leaves(("ellipse", "leaf", "disc"), 2, 122, 16, spread=TURN // 8)
    ground = s.leaves(
        snow, drifts, region=below_ridge(s.stream, row + 20, 22), finish=Finish(shadow=104, texture=s.texture)
    )
    flakes = s.leaves(
        np.full((256, 3), 244, np.int32) * 7 >> 3, Leaves(("disc",), 2, 5, 1), region=s.patches(20, 64)
    )
    return Scene(
        s.camera(across=210, up=60, roll=24),
        (
            Layer(sky(s.stream, light, light[255], 120), 12),
            Layer(village, 70),
            Layer(firs, 110, wind=s.wind(2)),
            Layer(ground, 150),
            *s.cast(
                ("person", "dog"), 6, radius=30, parallax=160, row=row + 24, reach=(160, 12), gait=(48, 6)
            ),
            Layer(trunks(s.stream, wood, count=7, widest=60), 210),
            *s.cast(("person",), 1, radius=46, parallax=0, reach=(60, 20), gait=(44, 7), followed=True),
            Layer(flakes, 260, (s.heading(), 4), wind=s.wind(14)),
        ),
    )


FAMILIES: dict[str, Callable[[Studio], Scene]] = {
    "canopy": canopy,
    "meadow": meadow,
    "street": street,
    "reef": reef,
    "woodland": woodland,
    "shore": shore,
    "market": market,
    "winter": winter,
}
