"""The parts the clips are made of, held against other sources: published vectors, exact mathematics, brute force."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from natural_mujoco.backgrounds.embedded import (
    actors,
    dead_leaves,
    families,
    generate,
    integer_noise,
    palettes,
    scene,
    shapes,
    studio,
    terrain,
)
from natural_mujoco.backgrounds.embedded.dead_leaves import Leaves, drop, lay_over, soften
from natural_mujoco.backgrounds.embedded.integer_noise import ONE, TURN, Stream, cosine, fractal_noise, sine
from natural_mujoco.backgrounds.embedded.scene import RASTER, Actor, Layer, Scene
from natural_mujoco.backgrounds.embedded.shapes import silhouette

MODULES = (generate, actors, dead_leaves, families, integer_noise, palettes, scene, shapes, studio, terrain)


def test_the_stream_is_splitmix64() -> None:
    # The first outputs for seed 1234567 that Rosetta Code lists ("Pseudo-random numbers/Splitmix64").
    expected = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    assert Stream(1234567).bits(5).tolist() == expected
    stream = Stream(1234567)
    assert stream.bits(2).tolist() + stream.bits(3).tolist() == expected


def test_drawn_integers_fill_their_range_evenly() -> None:
    drawn = Stream(1).integers(-3, 6, 100_000)
    assert sorted(set(drawn.tolist())) == list(range(-3, 7))
    assert np.abs(np.bincount(drawn + 3) - 10_000).max() < 500
    assert sorted(Stream(2).permutation(1000).tolist()) == list(range(1000))
    assert np.abs(np.bincount(Stream(3).octets(256_000), minlength=256) - 1000).max() < 160


def test_sine_and_cosine_are_those_of_mathematics_to_a_fifth_of_a_percent() -> None:
    angles = np.arange(-TURN, 2 * TURN, 7, dtype=np.int32)
    radians = angles * (2 * math.pi / TURN)
    assert np.abs(sine(angles) / ONE - np.sin(radians)).max() < 0.002
    assert np.abs(cosine(angles) / ONE - np.cos(radians)).max() < 0.002


def test_noise_of_full_gain_has_the_spectrum_of_one_over_f_squared() -> None:
    size = 256
    power = np.zeros((size, size))
    for seed in range(8):
        field = fractal_noise(Stream(seed), size, size, coarsest=64)
        assert 40 < field.std() < 90
        assert abs(field.mean()) <= 1
        power += np.abs(np.fft.fft2(field)) ** 2
    axis = np.fft.fftfreq(size) * size
    radius = np.hypot(axis[:, None], axis[None, :])
    cycles = np.arange(6, 64)
    ring = [power[(radius >= c - 0.5) & (radius < c + 0.5)].mean() for c in cycles]
    assert -2.4 < np.polyfit(np.log(cycles), np.log(ring), 1)[0] < -1.6


def test_radii_follow_the_inverse_cube() -> None:
    heap = drop(Stream(4), 512, 1024, Leaves(("disc",), 2, 102, 300))
    radii = heap.radius[1:]
    # Density 1/r³ means that the number of leaves of at least radius R goes as 1/R².
    sizes = np.unique(radii)[:-4]
    larger = [np.count_nonzero(radii >= size) for size in sizes]
    slope = np.polyfit(np.log(sizes), np.log(larger), 1)[0]
    assert -2.25 < slope < -1.85


def test_leaves_hide_those_below_them_as_if_painted_one_by_one() -> None:
    heap = drop(Stream(5), 64, 128, Leaves(("petal",), 2, 23, 250, spread=0))
    painted = np.zeros((64, 128), np.int32)
    for level in range(1, heap.x.size):
        mask = silhouette("petal", int(heap.radius[level]), 0)
        half = mask.shape[0] // 2
        for dy, dx in np.argwhere(mask) - half:
            painted[(heap.y[level] + dy) % 64, (heap.x[level] + dx) % 128] = level
    assert (heap.top == painted).all()
    assert len(np.unique(painted)) > 50


def test_coverage_leaves_the_share_bare_that_its_percentage_says() -> None:
    for coverage in (50, 100, 200):
        bare = (drop(Stream(6), 512, 1024, Leaves(("disc",), 2, 16, coverage)).top == 0).mean()
        # Discs cover pi r², a little over the 3/2 r² that leaves of other shapes cover on average.
        assert math.exp(-2.4 * coverage / 100) < bare < math.exp(-0.9 * coverage / 100)


def test_laying_over_is_compositing_of_premultiplied_colours() -> None:
    rng = np.random.default_rng(0)
    alpha = rng.integers(0, 256, 4096)
    alpha[:2] = 0, 255
    above = np.stack([alpha, *(rng.integers(0, alpha + 1) for _ in range(3))])
    below = np.stack([np.full(4096, 255), *rng.integers(0, 256, (3, 4096))])
    packed = [
        np.sum(c.astype(np.uint32) << np.array([[24], [16], [8], [0]], np.uint32), 0, dtype=np.uint32)
        for c in (above, below)
    ]
    lay_over(packed[1], packed[0])
    result = np.stack([packed[1] >> np.uint32(shift) & np.uint32(255) for shift in (24, 16, 8, 0)])
    expected = above + below * (1 - alpha / 255)
    assert np.abs(result - expected).max() <= 1.5
    assert (result[:, 0] == below[:, 0]).all()
    assert (result[:, 1] == above[:, 1]).all()


def test_softening_averages_four_texels() -> None:
    canvas = np.zeros((8, 8), np.uint32)
    canvas[3, 3] = 0xFF804020
    soft = soften(canvas)
    assert soft[2:4, 2:4].tolist() == [[0x3F201008] * 2] * 2
    assert np.count_nonzero(soft) == 4


@pytest.mark.parametrize("shape", shapes.SHAPES)
def test_silhouettes_have_their_size_and_turn(shape: str) -> None:
    mask = silhouette(shape, 40, 0)
    assert 30 <= np.ptp(np.argwhere(mask)[:, 1]) // 2 <= 54
    assert mask[1:-1, 1:-1].sum() == mask.sum()  # nothing is cut off by the edge of the array
    assert (silhouette(shape, 40, TURN // 2) != mask[::-1, ::-1]).mean() < 0.01
    assert (silhouette(shape, 40, TURN // 4) != mask.T[:, ::-1]).mean() < 0.01


@pytest.mark.parametrize("number", range(8))
def test_actors_are_seen_and_move_against_the_scenery(number: int) -> None:
    clip_id = f"embedded-test-{number:02d}"
    full = generate.clip_scene(clip_id)
    scenery = Scene(full.camera, tuple(c for c in full.contents if isinstance(c, Layer)))
    moving = [c for c in full.contents if isinstance(c, Actor)]
    assert moving
    seen = [(full.render(t) != scenery.render(t)).mean() for t in range(0, 500, 50)]
    assert np.mean(np.array(seen) > 0.002) >= 0.5
    for actor in moving:
        assert np.ptp(actor.x) + np.ptp(actor.y) > 10 * scene.UNIT


@pytest.mark.parametrize("number", range(8))
def test_near_layers_move_more_than_far_ones(number: int) -> None:
    full = generate.clip_scene(f"embedded-train-{number:02d}")
    depths = [c.parallax for c in full.contents if isinstance(c, Layer)]
    assert len(depths) >= 3
    assert depths == sorted(depths)
    assert depths[-1] >= 2 * depths[0]


def test_no_frame_has_a_hole() -> None:
    for number in range(16):
        full = generate.clip_scene(f"embedded-test-{number:02d}")
        for time in (0, 170, 340):
            frame = full.render(time)
            assert frame.shape == (RASTER, RASTER)
            # Each soft edge that is laid over a pixel may round its coverage down by one.
            assert (frame >> np.uint32(24)).min() >= 245


FLOATING = {"mean", "std", "var", "average", "sqrt", "linspace", "random", "linalg", "fft", "float", "math"}


def _floating_syntax(source: str) -> list[str]:
    """What in a program could make a float: true division, float constants, and names of floating functions."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.Div):
            found.append(f"line {node.lineno}: /")
        elif isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
            found.append(f"line {node.lineno}: {node.value}")
        elif isinstance(node, ast.Attribute | ast.Name):
            name = node.attr if isinstance(node, ast.Attribute) else node.id
            if name in FLOATING or (
                name.startswith(("float", "complex", "half", "double")) and name != "half"
            ):
                found.append(f"line {node.lineno}: {name}")
    return found


class _OnlyIntegers:
    """Stands in for the module `numpy`: every array that one of its functions returns must hold integers."""

    def __getattr__(self, name: str) -> Any:
        value = getattr(np, name)
        if isinstance(value, type) or not callable(value):
            return value
        return _checked(value)


def _checked(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        for array in result if isinstance(result, tuple | list) else [result]:
            assert np.asarray(array).dtype.kind in "biu", f"{function} returned {np.asarray(array).dtype}"
        return result

    if isinstance(function, np.ufunc):
        call.at = function.at  # type: ignore[attr-defined]
    return call


@pytest.fixture
def only_integers(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    for module in MODULES:
        if hasattr(module, "np"):
            monkeypatch.setattr(module, "np", _OnlyIntegers())
    return generate


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__.rpartition(".")[2])
def test_no_module_on_the_way_from_seed_to_bytes_can_make_a_float(module: ModuleType) -> None:
    assert module.__file__ is not None
    assert _floating_syntax(Path(module.__file__).read_text(encoding="utf-8")) == []


def test_all_modules_of_the_generator_are_checked() -> None:
    folder = Path(scene.__file__).parent
    assert {path.stem for path in folder.glob("*.py")} - {"__init__"} == {
        module.__name__.rpartition(".")[2] for module in MODULES
    }


@pytest.mark.parametrize("number", range(8))
def test_no_numpy_function_returns_floats_while_a_clip_is_drawn(
    number: int, only_integers: ModuleType
) -> None:
    for size in (64, 84, 128, 200):
        frames = only_integers.generate_frames(f"embedded-test-{number:02d}", size, [number * 50])
        assert frames.dtype == np.uint8


def test_the_checks_for_floats_find_them() -> None:
    assert _floating_syntax("a = b / c\nd = 0.5\ne = x.mean()\nf = np.float32(1)\ng /= 2") != []
    assert len(_floating_syntax("a = b / c\nd = 0.5\ne = x.mean()\nf = np.float32(1)\ng /= 2")) == 5
    with pytest.raises(AssertionError, match="float64"):
        _OnlyIntegers().linspace(0, 1, 3)
    assert _OnlyIntegers().arange(3).tolist() == [0, 1, 2]
