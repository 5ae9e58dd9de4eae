"""Results that others report on the same tasks, with source, terms, protocol, and how they were checked.

- `ELSEWHERE`: the kinds of results. Each has its own protocol and is compared neither with other kinds nor with ours.
- `elsewhere_entries`: the entries. `UNCHECKED`: known results that are not shown yet.

All numbers come from the files that are named. If a source gives results by training seed, they are kept by seed.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Kind = Literal["elsewhere: video", "elsewhere: clean to video", "elsewhere: standard"]

Returns = dict[str, tuple[float, ...]]
"""Returns by task: one for each training seed, or only their mean."""


@dataclass(frozen=True)
class Source:
    """The source of numbers, and the terms under which they may be used."""

    name: str
    link: str
    terms: str


@dataclass(frozen=True)
class ElsewhereEntry:
    """The returns of a method as reported by a source."""

    name: str
    kind: Kind
    source: Source
    training_steps: int | None
    returns: Returns
    second_hand: bool = False
    """Whether the numbers were checked only against a quotation of the source."""


@dataclass(frozen=True)
class Protocol:
    """The protocol that all results of a kind share, in words."""

    title: str
    videos: str
    words: str


ELSEWHERE = MappingProxyType(
    {
        "elsewhere: video": Protocol(
            "Elsewhere: trained and tested on video",
            "Kinetics-400, class driving car",
            "Natural background videos in training and in testing, by DreamerPro's protocol: evaluations of ten "
            "episodes every 10,000 steps, the mean of the last ten of 99, for each of three training seeds. TPC and "
            "DreamerV2 are that repository's own runs.",
        ),
        "elsewhere: clean to video": Protocol(
            "Elsewhere: trained clean, tested on video",
            "DMC-GB, video easy",
            "Trained on the standard background for 500,000 frames, tested in front of DMC-GB's easy videos; means. "
            "Checked against a quotation of the table, not against the table.",
        ),
        "elsewhere: standard": Protocol(
            "Elsewhere: standard pixels",
            "no videos",
            "From pixels on the standard background: the evaluation at step 1,000,000 of the published files, for "
            "each of three training seeds. By the repository's trainer a step is an action, of two control steps.",
        ),
    }
)

_DREAMERPRO = Source(
    "DreamerPro's repository, plots/natural_background_dmc/runs.json",
    "https://github.com/fdeng18/dreamer-pro",
    "MIT",
)
_SVEA = Source("Hansen et al. 2021 (SVEA), table 1", "https://arxiv.org/abs/2107.00644", "cited")
_TDMPC2 = Source(
    "TD-MPC2's repository, results/tdmpc2-pixels", "https://github.com/nicklashansen/tdmpc2", "MIT"
)

_VIDEO: dict[str, Returns] = {
    "DreamerPro": {
        "cartpole-swingup": (681.3, 616.3, 561.4),
        "cheetah-run": (350.9, 262.7, 385.1),
        "walker-run": (392.0, 419.4, 367.6),
        "finger-spin": (925.4, 582.8, 893.6),
        "ball-in-cup-catch": (519.2, 524.6, 470.4),
        "reacher-easy": (589.9, 590.4, 735.5),
    },
    "TPC": {
        "cartpole-swingup": (483.4, 473.0, 651.8),
        "cheetah-run": (424.2, 401.9, 505.6),
        "walker-run": (142.6, 162.1, 144.8),
        "finger-spin": (566.7, 879.5, 553.6),
        "ball-in-cup-catch": (377.0, 413.1, 512.6),
        "reacher-easy": (512.6, 308.6, 472.8),
    },
    "DreamerV2": {
        "cartpole-swingup": (116.8, 129.7, 135.9),
        "cheetah-run": (26.0, 29.0, 26.4),
        "walker-run": (28.1, 41.7, 37.7),
        "finger-spin": (7.6, 4.5, 7.4),
        "ball-in-cup-catch": (57.6, 31.3, 74.0),
        "reacher-easy": (76.1, 80.4, 104.5),
    },
}
_CLEAN_TO_VIDEO: dict[str, Returns] = {
    "SVEA": {"walker-walk": (819,), "cartpole-swingup": (782,), "ball-in-cup-catch": (871,)},
    "DrQ": {"walker-walk": (682,), "cartpole-swingup": (485,), "ball-in-cup-catch": (318,)},
}
_STANDARD: Returns = {
    "walker-walk": (928.7, 948.7, 941.5),
    "walker-run": (629.6, 679.1, 707.0),
    "cheetah-run": (569.7, 452.8, 589.5),
    "finger-spin": (988.0, 982.2, 984.6),
    "reacher-easy": (978.4, 982.5, 985.6),
    "quadruped-walk": (460.9, 311.3, 198.4),
}

UNCHECKED = (
    "DMC-GB's other numbers (finger-spin; video hard of SAC, SVEA, SGQN and MaDi): no text of the tables was at hand.",
    "DreamerV3's and DrQ-v2's scores on standard pixels, which are compressed files in DreamerV3's repository.",
)
"""Results that are known, but not shown until somebody has compared them with their source."""


def elsewhere_entries() -> tuple[ElsewhereEntry, ...]:
    """All entries, the best first within each kind."""
    return (
        *(
            ElsewhereEntry(name, "elsewhere: video", _DREAMERPRO, 1_000_000, returns)
            for name, returns in _VIDEO.items()
        ),
        *(
            ElsewhereEntry(name, "elsewhere: clean to video", _SVEA, 500_000, returns, second_hand=True)
            for name, returns in _CLEAN_TO_VIDEO.items()
        ),
        ElsewhereEntry("TD-MPC2", "elsewhere: standard", _TDMPC2, None, _STANDARD),
    )
