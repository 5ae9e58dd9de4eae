"""Which windows of a replay a batch is made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Recency(NamedTuple):
    """How much of what is drawn is recent."""

    share: float
    """The share that is from recent episodes alone; the rest is from all."""
    steps: int
    """Steps of all streams together: episodes that lasted into the last so many are recent."""


def draw_windows(
    windows: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
    margin: int = 0,
    per_episode: int = 1,
    recent: NDArray[np.bool_] | None = None,
    recent_share: float = 0.0,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draws `count` of the windows that lie within episodes: (index of the episode, index of its window), [count] each.

    Args:
        windows: the number of windows of each episode, not all 0.
        margin: windows by which one may first extend beyond either end of its episode; it is then moved inside.
        per_episode: how many consecutive draws are of the same episode.
        recent: which episodes are recent.
        recent_share: the share of draws that is from recent episodes alone, where they have a window.
    """
    margins = np.where(windows > 0, margin, 0)
    extent = windows + 2 * margins
    draws = -(-count // per_episode)
    episode, offset = _draw(extent, draws, rng)
    if recent_share and recent is not None and extent[recent].any():
        chosen_episode, chosen_offset = _draw(np.where(recent, extent, 0), draws, rng)
        chosen = rng.random(draws) < recent_share
        episode = np.where(chosen, chosen_episode, episode)
        offset = np.where(chosen, chosen_offset, offset)
    if per_episode > 1:
        episode = np.repeat(episode, per_episode)[:count]
        offset = rng.integers(extent[episode])
    return episode, np.clip(offset - margins[episode], 0, windows[episode] - 1)


def groups(streams: int, least: int) -> list[NDArray[np.int64]]:
    """The streams 0, 1, … as groups of neighbours, as many as can have `least` each; all in one if there are fewer."""
    return np.array_split(np.arange(streams), max(1, streams // least))


def draw_streams(streams: int, each: int, draws: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """For each of `draws`, `each` different ones of one of the `groups`, one after the other: [draws · each]."""
    found = groups(streams, each)
    chosen = rng.integers(len(found), size=draws)
    return np.stack([rng.permutation(found[i])[:each] for i in chosen]).ravel()


def _draw(
    extent: NDArray[np.int64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draws `count` of all pairs (i, j) with j < extent[i], which are equally likely."""
    total = np.cumsum(extent)
    drawn = rng.integers(total[-1], size=count)
    index = np.searchsorted(total, drawn, side="right")
    return index, drawn - (total[index] - extent[index])
