"""Error messages for policies that fail: the policy's error, shortened and printable, and the lines that raised it.

- `policy_failed`: the `PolicyError` for anything that a policy raised, including `SystemExit`.
- `printable`: an untrusted text, shortened and without control characters.
"""

from __future__ import annotations

import traceback
from pathlib import Path

from ..errors import PolicyError

MESSAGE = 600
"""How many characters of an untrusted message are shown."""
FRAMES = 4
"""How many lines of the traceback are shown: where the policy was entered, and the innermost ones."""

_OWN = str(Path(__file__).parent)


def policy_failed(what: str, error: BaseException) -> PolicyError:
    """A `PolicyError` with `what` (a clause such as "The policy zero raised in …"), the error and where it arose."""
    frames = [
        f"\n  at {printable(frame.f_code.co_filename, 200)}, line {line}, in {printable(frame.f_code.co_name, 80)}"
        for frame, line in traceback.walk_tb(error.__traceback__)
        if not frame.f_code.co_filename.startswith((_OWN, "<frozen importlib"))
    ]
    shown = frames if len(frames) <= FRAMES else [frames[0], *frames[1 - FRAMES :]]
    return PolicyError(f"{what}: {_described(error)}{''.join(shown)}")


def printable(text: str, most: int = MESSAGE) -> str:
    r"""At most `most` characters of `text`, with control and direction characters escaped.

    >>> print(printable("red \x1b[31m alert", 12))
    red \x1b[31m al…
    """
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:most])
    return f"{shown}…" if len(text) > most else shown


def _described(error: BaseException) -> str:
    name = printable(type(error).__name__, 80)
    try:
        message = printable(str.__str__(str(error)))
    except BaseException:  # an untrusted __str__ may raise anything
        return f"{name}, whose own text cannot be had"
    return f"{name}: {message}" if message else name
