"""What is said of a failing policy: its own lines, once, bounded, and nothing that a terminal would obey."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from natural_mujoco.errors import PolicyError
from natural_mujoco.evaluation.policy_errors import policy_failed
from natural_mujoco.evaluation.policy_loading import load_policy
from natural_mujoco.evaluation.policy_source import find_policy


def raising(text: Callable[[], str], name: str = "Error") -> BaseException:
    """An exception of a class `name` whose `__str__` does `text`, as caught where it was raised."""
    kind = type(name, (Exception,), {"__str__": lambda self: text()})
    try:
        raise kind
    except Exception as error:
        return error


def fail() -> str:
    raise RuntimeError


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (raising(lambda: "red \x1b[31m\u202e alert\n"), r"Error: red \x1b[31m\u202e alert\n"),
        (raising(lambda: "x" * 10**7), "Error: " + "x" * 600 + "…"),
        (raising(fail), "Error, whose own text cannot be had"),
        (raising(sys.exit), "Error, whose own text cannot be had"),
        (raising(lambda: 3), "Error, whose own text cannot be had"),  # type: ignore[arg-type,return-value]
        (raising(lambda: "", "\x1b]0;" * 1000), r"\x1b]0;\x1b]0;"),
        (KeyError("weights"), "KeyError: 'weights'"),
    ],
)
def test_a_strangers_text_is_bounded_and_printable(error: BaseException, said: str) -> None:
    message = str(policy_failed("The policy failed", error))
    assert message.startswith(f"The policy failed: {said}")
    assert len(message) < 1500
    assert all(c.isprintable() or c == "\n" for c in message)


def test_the_entry_and_the_innermost_lines_are_named() -> None:
    def deeper(n: int) -> None:
        if n == 0:
            raise ValueError("deep")
        deeper(n - 1)

    with pytest.raises(ValueError, match="deep") as caught:
        deeper(50)
    _, *places = str(policy_failed("failed", caught.value)).splitlines()
    assert [place.rpartition(" ")[2] for place in places] == [
        "test_the_entry_and_the_innermost_lines_are_named",
        *["deeper"] * 3,
    ]
    assert all(place.startswith(f"  at {__file__}, line ") for place in places)


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
        ("raise KeyboardInterrupt\n", "KeyboardInterrupt"),
        ("def make():\n    raise SystemExit('bye')\n", "SystemExit: bye"),
        ("def make(:\n", "SyntaxError: "),
        ("import natural_mujoco as n\ndef make(): raise n.InvalidArgument('mine')\n", "InvalidArgument: mine"),
    ],
)  # fmt: skip
def test_whatever_a_module_raises_is_the_policys_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"failing_{abs(hash(source))}"
    (tmp_path / f"{name}.py").write_text(source)
    with pytest.raises(PolicyError, match="could not be loaded for walker-walk") as caught:
        load_policy(find_policy(f"{name}:make"), "walker-walk", 6)
    assert said in str(caught.value)
