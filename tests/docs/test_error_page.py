"""The page of error messages holds what the source raises."""

from __future__ import annotations

import ast
from pathlib import Path

from tools.site.error_page import messages


def test_texts_of_all_shapes_are_found() -> None:
    source = """
raise InvalidArgument(f"size is {size!r}; it must be {low} to {high}.")
raise errors.VideoSetError("No clips. " + remedy)
raise unknown("split", split, SPLITS) from None
raise KeyError("not ours")
"""
    assert list(messages(ast.parse(source))) == [
        ("InvalidArgument", "size is …; it must be … to …."),
        ("VideoSetError", "No clips. …"),
        ("InvalidArgument", "Unknown split …. Valid: …."),
    ]


def test_messages_that_users_meet_are_on_the_page(site: Path) -> None:
    page = " ".join((site / "errors.html").read_text().split())
    for words in (
        "There is nothing to render yet. Call reset() before render().",
        "Unknown task …. Valid: ….",
        "clips. Add videos (their names decide the split)",
        "is neither zero, random, expert, an importable module:factory, nor a run directory",
    ):
        assert words in page, words
