"""Names of entries that a reader would take for another's."""

from __future__ import annotations

import pytest

from natural_mujoco.evaluation.checking import check_results
from natural_mujoco.evaluation.names import name_fault, skeleton

from .made_up import make_results


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("mine ", "begins or ends with a space"),
        ("\u2003mine", "begins or ends with a space"),
        ("my  agent", "spaces that cannot be told from one"),
        ("my\u00a0agent", "spaces that cannot be told from one"),
        ("ran\u115fdom", "cannot be seen"),
        ("ran\u200bdom", "cannot be seen"),
        ("random\ufe0f", "cannot be seen"),
        ("r\u0430ndom", "mixes Cyrillic and Latin letters"),
        ("z\u0435ro", "mixes Cyrillic and Latin letters"),
    ],
)
def test_a_name_that_hides_something_is_refused(name: str, fault: str) -> None:
    assert fault in str(name_fault(name))


@pytest.mark.parametrize(
    "name", ["DreamerPro (β=1)", "β-VAE", "агент", "智能体 2", "Müller & Söhne", "R2-D2", "μZero"]
)
def test_names_that_people_give_are_taken(name: str) -> None:
    assert name_fault(name) is None
    assert not any(
        "name" in fault for fault in check_results(make_results(name, tasks=("walker-walk",))).faults
    )


@pytest.mark.parametrize(
    "name", ["Random", "rand0m", "ＲＡＮＤＯＭ", "𝐫𝐚𝐧𝐝𝐨𝐦", "rándom", "zer\u03bf", "ZERO", "r\u0430ndom"]
)
def test_what_looks_like_a_reference_is_refused(name: str) -> None:
    assert skeleton(name) in ("random", "zero")
    [entry] = [make_results(name, tasks=("walker-walk",))]
    assert any("is reserved for the policy of that name" in fault for fault in check_results(entry).faults)
