"""Eight kinds of scene, each a recipe from a `Studio` to a `Scene`.

Recipes share three ingredients: heaps of dead leaves in several depths, terrain, and actors. What differs from
clip to clip is drawn from the stream: palettes, shapes, density, the camera's path, who passes by. Rows are
texels from the top of the torus; `HORIZON` is the middle of the frame.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from natural_mujoco.backgrounds.embedded.dead_leaves import Leaves, lay_over
from natural_mujoco.backgrounds.embedded.integer_noise import TURN
from natural_mujoco.backgrounds.embedded.palettes import hazy
from natural_mujoco.backgrounds.embedded.scene import WIDTH, Layer, Scene, Sway
from natural_mujoco.backgrounds.embedded.studio import Studio
from natural_mujoco.backgrounds.embedded.terrain import (
    HORIZON,
    below_ridge,
    crowns,
    gradient,
    houses,
    road,
    sky,
    stems,
    trunks,
)

UPRIGHT = TURN // 4


def canopy(s: Studio) -> Scene:
    """Leaves before leaves, with light through the gaps, wind, and birds or butterflies among them."""
    light, green = s.colours("sky"), s.colours("leaves")
    shapes = s.pick(("leaf", "ellipse"), ("leaf", "blade"), ("ellipse", "disc", "leaf"))
    far = s.leaves(hazy(green, light[128], 44), Leaves(shapes, 2, 71, 300), s.patches(108))
    middle = s.leaves(green, Leaves(shapes, 2, 71, 250), s.patches(54))
    near = s.leaves(green * 3 >> 2, Leaves(("leaf", "blade"), 13, 122, 150), s.patches(20), jitter=20)
    flyer = s.pick(("bird",), ("butterfly", "bird"))
    return Scene(
        s.camera(across=190, up=130, roll=40),
        (
            Layer(sky(s.stream, light, light[255], 60), 24),
            Layer(far, 90, wind=s.wind(3)),
            *s.cast(flyer, 4, radius=s.number(14, 26), parallax=130, reach=(160, 110), flap=True),
            Layer(middle, 170, wind=s.wind(6)),
            *s.cast(flyer, 1, radius=s.number(26, 40), parallax=60, reach=(70, 60), flap=True, followed=True),
            Layer(near, 300, wind=s.wind(12)),
        ),
    )


def meadow(s: Studio) -> Scene:
    """Sky, hills behind hills, a field of grass and flowers; dogs and butterflies in it."""
    light, hill, green, bloom = (
        s.colours("sky"),
        s.colours("hills"),
        s.colours("leaves"),
        s.colours("flowers"),
    )
    row = HORIZON + s.number(-60, -10)
    hills = []
    for depth, share in ((40, 70), (80, 36)):
        woods = Leaves(("disc", "ellipse"), 2, 23, 350, edge="filled")
        region = below_ridge(s.stream, row, 46 - depth // 4)
        hills.append(
            Layer(
                s.leaves(hazy(hill, light[200], share), woods, region, tilt=-36, relief=20, bulge=24), depth
            )
        )
        row += s.number(20, 44)
    grass = Leaves(("blade", "leaf"), 3, 85, 450, lie=UPRIGHT, spread=TURN // 5, edge="filled")
    field = s.leaves(green, grass, below_ridge(s.stream, row, 8), row - 20, gradient(row, 470) // 4 - 40)
    flowers = Leaves(("disc", "petal", "ellipse"), 3, 28, 120)
    near = s.leaves(
        bloom, flowers, below_ridge(s.stream, row + 40, 10) & s.patches(60, 128), row - 20, tilt=30
    )
    return Scene(
        s.camera(across=220, up=60),
        (
            Layer(sky(s.stream, light, light[255], s.number(10, 110)), 14),
            *s.cast(("bird",), 3, radius=14, parallax=20, row=150, reach=(150, 40), flap=True),
            *hills,
            Layer(field, 150, wind=s.wind(4)),
            *s.cast(
                ("dog",),
                1,
                radius=34,
                parallax=150,
                row=row + 40,
                reach=(90, 14),
                gait=(40, 9),
                followed=True,
            ),
            *s.cast(
                ("person", "dog"), 2, radius=30, parallax=150, row=row + 30, reach=(160, 10), gait=(40, 6)
            ),
            Layer(near, 210, wind=s.wind(6)),
            *s.cast(("butterfly",), 4, radius=16, parallax=230, row=row + 20, reach=(140, 60), flap=True),
        ),
    )


def street(s: Studio) -> Scene:
    """Houses before houses along a road with trees, cars both ways, people on the pavement."""
    light, wall = s.colours("sky"), s.colours("city")
    lamp = np.array([255, 222, 150], np.int32)
    kerb = HORIZON + s.number(50, 80)
    foot = kerb - 36
    far = houses(s.stream, hazy(wall, light[160], 64), lamp, count=60, foot=foot, tallest=200, widest=60)
    near = houses(
        s.stream, s.colours("city"), lamp, count=s.number(12, 20), foot=foot, tallest=250, widest=130
    )
    places = s.stream.integers(0, WIDTH - 1, s.number(3, 8))
    trees = stems(s.stream, s.colours("bark"), places, [12] * places.size, slice(foot - 120, foot + 20))
    foliage = Leaves(("leaf", "disc"), 2, 16, 350)
    lay_over(trees, s.leaves(s.colours("leaves"), foliage, crowns(s.stream, places, foot - 130, 44)))
    way = (s.heading() * s.number(0, 1), 0)
    return Scene(
        s.camera(across=170, up=40, roll=12),
        (
            Layer(sky(s.stream, light, light[255], s.number(20, 128)), 10),
            Layer(far, 60),
            Layer(near, 130, way),
            Layer(road(s.stream, s.colours("road"), kerb=kerb, lane=kerb + 62), 150, way),
            Layer(trees, 152, way, wind=s.wind(2)),
            *s.cast(("person",), 7, radius=30, parallax=150, row=kerb - 30, reach=(110, 2), gait=(60, 3)),
            *s.cast(("car",), 3, radius=44, parallax=160, row=kerb + 30, reach=(60, 2), wraps=(2, 0)),
            *s.cast(("car",), 3, radius=60, parallax=180, row=kerb + 80, reach=(60, 3), wraps=(-3, 0)),
        ),
    )


def reef(s: Studio) -> Scene:
    """Under water: blue depth, corals in two distances, everything wavering, fish near and far."""
    sea, coral = s.colours("sea"), s.colours("reef")
    water = Sway(3, s.number(3, 6), s.number(7, 12))
    row = HORIZON + s.number(-30, 30)
    shapes = s.pick(("disc", "petal"), ("stone", "ellipse"), ("disc", "leaf", "stone"))
    far = s.leaves(
        hazy(coral, sea[120], 60), Leaves(shapes, 2, 102, 400), below_ridge(s.stream, row, 60), row - 160
    )
    near_region = below_ridge(s.stream, row + 80, 70)
    near = s.leaves(
        coral, Leaves(shapes, 3, 122, 400, edge="filled"), near_region, row - 120, relief=44, bulge=40
    )
    weed = Leaves(("blade",), 34, 146, 75, lie=UPRIGHT, spread=TURN // 8)
    return Scene(
        s.camera(across=200, up=90, zoom=20, roll=60),
        (
            Layer(sky(s.stream, sea[::-1] * 7 >> 3, sea[230], 30), 20, water=water),
            *s.cast(("fish",), 6, radius=14, parallax=60, row=210, reach=(120, 50), wraps=(s.heading(), 0)),
            Layer(far, 100, water=water, wind=s.wind(3)),
            *s.cast(("fish",), 5, radius=24, parallax=130, row=240, reach=(160, 80)),
            Layer(near, 180, water=water),
            *s.cast(("fish",), 1, radius=44, parallax=80, reach=(60, 40), followed=True),
            Layer(s.leaves(s.colours("leaves"), weed, s.patches(24)), 280, wind=s.wind(16)),
        ),
    )


def woodland(s: Studio) -> Scene:
    """Trunks in three depths over a floor of autumn leaves, more leaves falling, animals between."""
    light, autumn, wood = s.colours("sky"), s.colours("autumn"), s.colours("bark")
    row = HORIZON + s.number(0, 50)
    back = s.leaves(hazy(autumn, light[200], 30), Leaves(("disc", "leaf"), 2, 49, 170))
    fallen = Leaves(("leaf", "ellipse"), 2, 71, 450, edge="filled")
    floor = s.leaves(autumn, fallen, below_ridge(s.stream, row, 14), row - 30, grain=36)
    twigs = s.patches(40) & ~below_ridge(s.stream, row - 60, 40)
    crown = s.leaves(s.colours("autumn"), Leaves(("leaf", "disc"), 3, 41, 225), twigs)
    return Scene(
        s.camera(across=210, up=70, roll=30),
        (
            Layer(sky(s.stream, light, light[255], 90), 16),
            Layer(back, 50, wind=s.wind(2)),
            Layer(trunks(s.stream, hazy(wood, light[160], 50), count=30, widest=30), 80),
            Layer(floor, 130),
            *s.cast(("dog", "person"), 4, radius=28, parallax=130, row=row, reach=(160, 6), gait=(44, 5)),
            Layer(trunks(s.stream, wood, count=9, widest=54), 170),
            Layer(crown, 200, wind=s.wind(7)),
            *s.cast(("leaf",), 7, radius=12, parallax=200, reach=(110, 30), wraps=(0, 2), spin=3, flap=True),
            *s.cast(
                ("dog",),
                1,
                radius=40,
                parallax=190,
                row=row + 50,
                reach=(60, 14),
                gait=(36, 8),
                followed=True,
            ),
            Layer(trunks(s.stream, wood * 6 >> 3, count=2, widest=84), 300),
        ),
    )


def shore(s: Studio) -> Scene:
    """Sea with swell and boats, a beach of stones of all sizes, gulls."""
    light, sea, stone = s.colours("sky"), s.colours("sea"), s.colours("stones")
    row = HORIZON - s.number(20, 70)
    edge = row + s.number(70, 120)
    swell = Leaves(("wave", "blade", "wave"), 4, 122, 500, spread=TURN // 40, edge="sharp")
    waves = s.leaves(
        sea,
        swell,
        below_ridge(s.stream, row, 0),
        row,
        gradient(row, 400) // -4 + 40,
        relief=12,
        shadow=108,
        jitter=34,
    )
    shingle = Leaves(s.pick(("pebble", "ellipse", "disc"), ("stone", "pebble")), 2, 85, 450, edge="filled")
    beach = s.leaves(stone, shingle, below_ridge(s.stream, edge, 20), edge - 50, relief=40, bulge=50)
    rocky = below_ridge(s.stream, edge + 60, 30) & s.patches(26)
    rocks = s.leaves(stone * 3 >> 2, Leaves(("stone",), 13, 146, 200), rocky, edge - 120, relief=50, bulge=40)
    return Scene(
        s.camera(across=200, up=70, roll=30),
        (
            Layer(sky(s.stream, light, light[255], s.number(10, 120)), 12),
            *s.cast(("bird",), 4, radius=16, parallax=24, row=130, reach=(180, 50), flap=True),
            Layer(waves, 60, (s.heading(), 0), water=Sway(3, 9, s.number(10, 16))),
            *s.cast(("boat",), 4, radius=28, parallax=64, row=row - 4, reach=(120, 2), gait=(14, 3)),
            Layer(beach, 150),
            *s.cast(
                ("dog", "person"), 3, radius=30, parallax=150, row=edge + 30, reach=(150, 10), gait=(40, 6)
            ),
            Layer(rocks, 230),
            *s.cast(("bird",), 1, radius=38, parallax=40, row=220, reach=(70, 50), flap=True, followed=True),
        ),
    )


def market(s: Studio) -> Scene:
    """Under a roof: walls of bright boxes, round goods on a counter, people walking between."""
    goods, wood = s.colours("goods"), s.colours("stones")
    boxes = Leaves(("slab", "square", "slab", "disc"), 2, 71, 450, spread=TURN // 40, edge="filled")
    wall = s.leaves(goods * 13 >> 4, boxes, jitter=34, mottle=110, relief=20)
    row = HORIZON + s.number(50, 90)
    heaped = Leaves(("disc", "ellipse", "pebble"), 3, 49, 400, edge="filled")
    ridge = below_ridge(s.stream, row, 20, 64)
    front = s.leaves(s.colours("goods"), heaped, ridge, mottle=80, relief=30, bulge=70, grain=30)
    way = s.heading()
    how = {"parallax": 120, "row": HORIZON + 30, "reach": (130, 6), "gait": (50, 5)}
    near = {"parallax": 220, "row": HORIZON + 60, "reach": (120, 8), "gait": (44, 7)}
    return Scene(
        s.camera(across=180, up=70, zoom=22, roll=30),
        (
            Layer(wall, 90),
            *s.cast(("person",), 6, radius=52, **how),
            Layer(trunks(s.stream, wood, count=5, widest=44), 150),
            *s.cast(("dog", "balloon"), 1, radius=36, parallax=150, row=row, reach=(60, 30), followed=True),
            Layer(front, 190),
            *s.cast(("person",), 2, radius=80, wraps=(-2 * way, 0), **near),
        ),
    )


def winter(s: Studio) -> Scene:
    """Snow on the ground and in the air, dark wood, a village behind, people in bright coats."""
    light, snow, wood = s.colours("sky"), s.colours("snow"), s.colours("bark")
    row = HORIZON + s.number(-20, 40)
    lamp = np.array([255, 206, 120], np.int32)
    cottages = hazy(s.colours("city"), snow[200], 30)
    village = houses(s.stream, cottages, lamp, count=9, foot=row + 24, tallest=80, widest=70)
    firs = Leaves(("triangle", "leaf"), 3, 41, 400, lie=UPRIGHT, spread=TURN // 12)
    dark = hazy(s.colours("leaves") * 3 >> 2, light[160], 20)
    forest = s.leaves(dark, firs, below_ridge(s.stream, row - 50, 50), 0)
    drifts = Leaves(("ellipse", "wave", "leaf"), 4, 122, 350, spread=TURN // 10, edge="filled")
    ground = s.leaves(
        snow,
        drifts,
        below_ridge(s.stream, row + 20, 16),
        row - 10,
        36,
        shadow=116,
        grain=26,
        mottle=20,
        jitter=14,
    )
    white = np.full((256, 3), 236, np.int32)
    flakes = s.leaves(white, Leaves(("disc",), 2, 4, 2), grain=0)
    return Scene(
        s.camera(across=210, up=60, roll=24),
        (
            Layer(sky(s.stream, light, light[255], 120), 12),
            Layer(forest, 70, wind=s.wind(1)),
            Layer(village, 100),
            Layer(ground, 150),
            *s.cast(
                ("person", "dog"), 6, radius=32, parallax=150, row=row + 24, reach=(160, 12), gait=(48, 6)
            ),
            Layer(flakes, 180, (0, 3), wind=s.wind(10)),
            Layer(trunks(s.stream, wood, count=7, widest=60), 210),
            *s.cast(
                ("person",),
                1,
                radius=46,
                parallax=210,
                row=row + 40,
                reach=(60, 14),
                gait=(44, 7),
                followed=True,
            ),
            Layer(flakes, 280, (s.heading(), 5), wind=s.wind(14)),
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
