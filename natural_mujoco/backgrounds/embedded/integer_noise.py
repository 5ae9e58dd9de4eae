"""Integer building blocks: a random stream, sines, and 1/f noise on a torus.

Nothing here (or anywhere on the way from a clip's seed to its bytes) uses floating point or NumPy's random
generators: floats round differently between machines and generator methods change between NumPy versions,
while 64-bit unsigned arithmetic is the same everywhere. Every dtype is spelled out for the same reason.

- `Stream`: SplitMix64, the random numbers.
- `sine`, `cosine`: fixed-point trigonometry; a full turn is `TURN`, the amplitude `ONE`.
- `fractal_noise`: a toroidal field with a power-law spectrum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int32]

TURN = 4096
ONE = 1 << 14

_MASK64 = (1 << 64) - 1
_GAMMA = 0x9E3779B97F4A7C15


class Stream:
    """A reproducible stream of random integers: SplitMix64 (Steele, Lea & Flood 2014).

    Draw number n is a fixed function of the seed and n, so a block is computed at once, and the first ten of
    a block of twenty are the block of ten.
    """

    def __init__(self, seed: int) -> None:
        self._state = seed & _MASK64

    def bits(self, count: int) -> NDArray[np.uint64]:
        """`count` draws of 64 bits."""
        z = np.arange(1, count + 1, dtype=np.uint64)
        z *= np.uint64(_GAMMA)
        z += np.uint64(self._state)
        self._state = (self._state + count * _GAMMA) & _MASK64
        z ^= z >> np.uint64(30)
        z *= np.uint64(0xBF58476D1CE4E5B9)
        z ^= z >> np.uint64(27)
        z *= np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
        return z

    def integers(self, low: int, high: int, count: int) -> IntArray:
        """`count` integers from `low` to `high`, both included. The range must be narrower than 2**31."""
        top = self.bits(count) >> np.uint64(33)
        drawn: IntArray = ((top * np.uint64(high - low + 1)) >> np.uint64(31)).astype(np.int32)
        return drawn + np.int32(low)

    def integer(self, low: int, high: int) -> int:
        """One integer from `low` to `high`, both included."""
        return int(self.integers(low, high, 1)[0])

    def octets(self, count: int) -> NDArray[np.uint8]:
        """`count` integers from 0 to 255, eight to a draw."""
        words = self.bits((count + 7) // 8)
        lanes = words[:, None] >> np.arange(0, 64, 8, dtype=np.uint64)
        drawn: NDArray[np.uint8] = (lanes & np.uint64(255)).astype(np.uint8).ravel()[:count]
        return drawn

    def permutation(self, count: int) -> IntArray:
        """The integers below `count` in random order."""
        return np.argsort(self.bits(count), kind="stable").astype(np.int32)

    def split(self) -> Stream:
        """A new stream that shares nothing with what this one draws later."""
        return Stream(int(self.bits(1)[0]))


def _sine_table() -> IntArray:
    # Bhaskara's rational approximation of a half wave: exact at 0, 30, 90, 150 and 180 degrees, off by at most
    # 0.2 % between.
    half = TURN // 2
    x = np.arange(half, dtype=np.int64)
    p = x * (half - x)
    wave = (16 * p * ONE) // (5 * half * half - 4 * p)
    return np.concatenate([wave, -wave]).astype(np.int32)


_SINE = _sine_table()


def sine(angle: IntArray) -> IntArray:
    """`ONE` times the sine of `angle`, in turns of `TURN`, element by element."""
    table: IntArray = _SINE[angle & (TURN - 1)]
    return table


def cosine(angle: IntArray) -> IntArray:
    """`ONE` times the cosine of `angle`, in turns of `TURN`, element by element."""
    return sine(angle + np.int32(TURN // 4))


def _doubled(field: IntArray, axis: int) -> IntArray:
    """`field` at twice the resolution along `axis`: the weights 3/4 and 1/4 of its two nearest samples."""
    before, after = np.roll(field, 1, axis), np.roll(field, -1, axis)
    pair = np.stack([(3 * field + before + 2) >> 2, (3 * field + after + 2) >> 2], axis=axis + 1)
    shape = list(field.shape)
    shape[axis] *= 2
    return pair.reshape(shape)


def fractal_noise(
    stream: Stream, height: int, width: int, *, coarsest: int, finest: int = 1, gain: int = 16
) -> IntArray:
    """A toroidal noise field, `int32[height, width]`, mean 0, standard deviation near 64.

    Octaves from structures of `coarsest` down to `finest` pixels (powers of two that divide both sides); each
    has `gain`/16 times the amplitude of the next coarser one. Gain 16 gives the spectrum 1/f² in two dimensions.
    """
    cell = coarsest
    rows, columns = height // cell, width // cell
    amplitude, energy = 1 << 10, 0
    field = np.zeros((rows, columns), np.int32)
    while True:
        step = stream.octets(rows * columns).astype(np.int32).reshape(rows, columns) - np.int32(128)
        field += (step * np.int32(amplitude)) >> 4
        energy += amplitude * amplitude
        if cell == finest:
            break
        amplitude = amplitude * gain >> 4
        cell >>= 1
        rows, columns = rows * 2, columns * 2
        field = _doubled(_doubled(field, 0), 1)
    while cell > 1:
        field = _doubled(_doubled(field, 0), 1)
        cell >>= 1
    # An octave's uniform octets have standard deviation 74, of which smoothing leaves some 60 %.
    scale = _integer_root(energy) * 44 >> 4
    field -= np.int32(int(field.sum(dtype=np.int64)) // field.size)
    normal: IntArray = (field * np.int32(64)) // np.int32(scale)
    return normal


def _integer_root(value: int) -> int:
    """The largest integer whose square does not exceed `value`."""
    root = 1 << ((value.bit_length() + 1) // 2)
    while root * root > value:
        root = (root + value // root) // 2
    return root
