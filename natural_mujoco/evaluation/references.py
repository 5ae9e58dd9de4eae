"""The policies that do not look at pixels, as shipped: what every score is read against.

- `reference_entries`: the results of `zero`, `random` and `expert` on the embedded video set.
- `reference_means`: their mean return by task.
- `reference_label`: their names as people read them.

`zero` and `random` act without seeing, `expert` reads the physical state: it is privileged. The physics of an episode
depends on its seed alone, so their returns are the same in front of any video and of none. That is why they may stand
beside entries on every video set.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from .conditions import TASK_NAMES
from .records import REFERENCES, Results, read_results
from .scores import EntryScores

FOLDER = Path(__file__).with_name("entries")


@lru_cache(maxsize=1)
def reference_entries() -> tuple[Results, ...]:
    """The shipped results of `zero`, `random` and `expert`, in this order."""
    return tuple(read_results(FOLDER / f"{name}.json") for name in REFERENCES)


def reference_label(reference: str) -> str:
    """The name of a reference policy, with what it is shown beyond pixels.

    >>> reference_label("random"), reference_label("expert")
    ('random', 'expert (privileged: state)')
    """
    return f"{reference} (privileged: state)" if reference == "expert" else reference


@lru_cache(maxsize=1)
def reference_means() -> dict[str, dict[str, float]]:
    """Mean return of each reference policy on each task: `{"zero": {"walker-walk": …}, "random": …, "expert": …}`."""
    means = {}
    for results in reference_entries():
        scores = EntryScores(results.episodes)
        means[results.entry.name] = {
            task: float(scores.units("standard", task).mean()) for task in TASK_NAMES
        }
    return means
