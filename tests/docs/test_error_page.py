"""The page of error messages holds what the source raises."""

from __future__ import annotations

import ast
from pathlib import Path

from tools.site.error_page import Messages


def test_texts_of_all_shapes_are_found() -> None:
    module = ast.parse("""
HINT = "Install Mesa's software driver."
class ClipsMissing(VideoSetError): ...
def explained(cause) -> str:
    "A docstring that is no message."
    remedy = HINT
    return f"OpenGL does not start ({cause}). {remedy}"
def damaged(path, why) -> FileError:
    return FileError(f"{path} is damaged: {why}.")
raise InvalidArgument(f"size is {size!r}; it must be {low} to {high}.")
raise errors.VideoSetError("No clips. " + remedy)
raise unknown("split", split, SPLITS) from None
raise KeyError("not ours")
raise ClipsMissing("Three clips are missing.")
raise RenderingError(explained(cause))
raise damaged(path, "its hash is another")
""")
    assert set(Messages({"module": module}).of(module)) == {
        ("InvalidArgument", "size is …; it must be … to …."),
        ("VideoSetError", "No clips. …"),
        ("InvalidArgument", "Unknown split …. Valid: …."),
        ("ClipsMissing", "Three clips are missing."),
        ("RenderingError", "Install Mesa's software driver."),
        ("RenderingError", "OpenGL does not start (…). …"),
        ("FileError", "its hash is another"),
        ("FileError", "… is damaged: …."),
    }


def test_whatever_else_a_module_may_say_is_found() -> None:
    module = ast.parse("""
"A docstring of some words."
PATTERNS = {"digest": "must be 64 hexadecimal digits"}
_EPILOG = "what a command does with this"
def problems(entry) -> Iterator[str]:
    "Another docstring of words."
    if not entry:
        yield f"{entry}: no run in the header claims it"
    parser.add_argument("--n", help="how many there are of it")
    raise ValueError("videos must be sorted by id")
why = "it is damaged " + ("after frame 3" if n else "at its first frame")
""")
    assert list(Messages({"module": module}).said(module)) == [
        "must be 64 hexadecimal digits",
        "…: no run in the header claims it",
        "videos must be sorted by id",
        "it is damaged …",
    ]


def test_messages_that_users_meet_are_on_the_page(site: Path) -> None:
    page = " ".join((site / "errors.html").read_text().split())
    for words in (
        "There is nothing to render yet. Call reset() before render().",
        "Unknown task …. Valid: ….",
        "clips. Add videos (their names decide the split)",
        "Install Mesa's software driver",
        "contradict each other. Unset PYOPENGL_PLATFORM.",
        "no run in the header claims it",
        "videos must be sorted by id",
        "The server does not answer range requests",
        "is built without CUDA",
        "must be 64 hexadecimal digits",
        "has characters that cannot be seen",
        "is neither zero, random, expert, an importable module:factory, nor a run directory",
    ):
        assert words in page, words
