"""How an entry looks in every plot, and the legends that say so.

- `style_of`, `shape_of`: colour and marker of a row.
- `legend_of`: items for rows. `REFERENCE_LINES`: items for the lines of the reference policies.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..evaluation.records import REFERENCES
from ..evaluation.references import reference_label
from .rows import Row
from .svg import swatch


def style_of(row: Row) -> str:
    """The class that gives a row its colour: its own, the muted one, the published one or a reference's."""
    if row.kind == "reference":
        return row.name
    if row.kind == "published":
        return "pub"
    return "cx" if row.colour is None else f"c{row.colour}"


def shape_of(row: Row) -> int:
    """The marker that goes with the colour; published entries have the diamond."""
    return 3 if row.kind == "published" else (row.colour or 0)


def legend_of(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """An item for each row, marked with its entry."""
    return [
        {"name": row.name, "slug": row.slug or "", "swatch": swatch(style_of(row), shape_of(row))}
        for row in rows
    ]


REFERENCE_LINES: tuple[dict[str, Any], ...] = tuple(
    {"name": reference_label(name), "slug": "", "swatch": swatch(name, None)} for name in REFERENCES
)
