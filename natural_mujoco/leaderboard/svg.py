"""Drawing plots as SVG text: a scale, a drawing, markers.

- `Scale`: from values to pixels, with ticks.
- `Drawing`: collects elements and escapes every text.
- `number`: coordinates without superfluous digits.

Colours, line styles and fonts come from the page's style sheet by class, so that one drawing serves light and dark.
Drawings are at most 440 units wide with 12-unit text: on a phone they shrink by a quarter and stay readable.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from ..evaluation.records import REFERENCES

MARKERS = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",  # circle
    "M-3.6-3.6h7.2v7.2h-7.2z",  # square
    "M0-4.8L4.6 3.4h-9.2z",  # triangle
    "M0-5.2L5.2 0L0 5.2L-5.2 0z",  # diamond
    "M0 4.8L4.6-3.4h-9.2z",  # triangle pointing down
    "M-1.6-4.6h3.2v3h3v3.2h-3v3h-3.2v-3h-3v-3.2h3z",  # cross
)


def number(value: float) -> str:
    """A coordinate with one decimal at most.

    >>> number(3.0), number(2.25), number(-0.01)
    ('3', '2.2', '0')
    """
    text = f"{value:.1f}"
    text = text.removesuffix(".0")
    return "0" if text == "-0" else text


@dataclass(frozen=True)
class Scale:
    """Maps `low`…`high` to pixels `start`…`end`; values outside land on the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1)
        return self.start + share * (self.end - self.start)


class Drawing:
    """An SVG drawing of `width` × `height` units, labelled for those who cannot see it."""

    def __init__(self, width: float, height: float, label: str, kind: str) -> None:
        self._open = (
            f'<svg class="plot {kind}" viewBox="0 0 {number(width)} {number(height)}" role="img" '
            f'aria-label="{escape(label)}">'
        )
        self._parts: list[str] = []

    def line(self, x1: float, y1: float, x2: float, y2: float, kind: str) -> None:
        """A straight line."""
        self._parts.append(
            f'<path class="{kind}" d="M{number(x1)} {number(y1)}L{number(x2)} {number(y2)}"/>'
            if x1 != x2 and y1 != y2
            else f'<path class="{kind}" d="M{number(x1)} {number(y1)}'
            + (f'H{number(x2)}"/>' if y1 == y2 else f'V{number(y2)}"/>')
        )

    def rect(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """A rectangle."""
        self._parts.append(
            f'<rect class="{kind}" x="{number(x)}" y="{number(y)}" width="{number(max(width, 0))}" '
            f'height="{number(height)}"/>'
        )

    def path(self, points: Sequence[tuple[float, float]], kind: str, closed: bool = False) -> None:
        """A line through points, or the area within them."""
        if points:
            steps = "L".join(f"{number(x)} {number(y)}" for x, y in points)
            self._parts.append(f'<path class="{kind}" d="M{steps}{"z" if closed else ""}"/>')

    def text(self, x: float, y: float, text: str, kind: str = "", limit: int = 0) -> None:
        """Text with its baseline at (x, y), cut to `limit` characters; the whole is shown on hovering."""
        shown = text if not limit or len(text) <= limit else text[: limit - 1] + "…"
        title = f"<title>{escape(text)}</title>" if shown != text else ""
        css = f' class="{kind}"' if kind else ""
        self._parts.append(f'<text{css} x="{number(x)}" y="{number(y)}">{escape(shown)}{title}</text>')

    def marker(self, x: float, y: float, shape: int, kind: str) -> None:
        """A filled marker of one of the shapes."""
        self._parts.append(
            f'<path class="{kind}" transform="translate({number(x)} {number(y)})" d="{MARKERS[shape % len(MARKERS)]}"/>'
        )

    def begin(self, title: str, kind: str = "", entry: str = "") -> None:
        """Begins a group, with a tooltip if there is a title; `entry` ties it to its other marks on the page."""
        css = f' class="{kind}"' if kind else ""
        data = f' data-e="{escape(entry)}"' if entry else ""
        self._parts.append(f"<g{css}{data}>" + (f"<title>{escape(title)}</title>" if title else ""))

    def end(self) -> None:
        """Ends the group."""
        self._parts.append("</g>")

    def render(self) -> Markup:
        """The drawing as markup for a page."""
        return Markup(self._open + "".join(self._parts) + "</svg>")


def swatch(css: str, shape: int | None) -> Markup:
    """A line and a marker for a legend."""
    kind = "reference" if shape is None or css in REFERENCES else "curve"
    mark = (
        ""
        if kind == "reference"
        else f'<path class="mark" transform="translate(15 7)" d="{MARKERS[shape or 0]}"/>'
    )
    return Markup(f'<g class="{css}"><path class="{kind}" d="M1 7H29"/>{mark}</g>')
