"""The leaderboard as static pages that open from the disk and load nothing from the network.

- `build_site`: writes a folder of pages from results files.

Every page contains its style and script. A content security policy allows only these, by their hashes, so that text
from entries could not run as a script even if escaping failed.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ..errors import ResultsError
from ..evaluation.records import Results
from ..evaluation.statistics import Estimate
from ..version import __version__
from .board import make_board
from .difficulty_page import difficulty_page
from .entry_charts import short_steps
from .entry_page import entry_page
from .learning_page import learning_page
from .overview_page import overview_page
from .site_folder import write_site

FILMS = (".mp4", ".webm")
PICTURES = (".gif", ".png", ".jpg", ".webp")
MAX_MEDIA_BYTES = 20 * 2**20

_TEMPLATES = Path(__file__).with_name("templates")


def build_site(
    files: Sequence[tuple[Path, Results]],
    out: Path,
    title: str = "Natural MuJoCo leaderboard",
    published: bool = True,
) -> list[Path]:
    """Writes the site of checked results `files` (path and content of each) to the folder `out`.

    Returns the files that were written, index.html first. A site that was built there before is replaced; a folder with
    anything else in it is refused. If the build ends early, every page is either the old or the new one.

    Raises `InvalidArgument` if `out` holds something else or is a link, and for entries that clash; `ResultsError` for
    media that are missing, too large or outside of the results file's folder, and if the pages cannot be written.
    """
    board = make_board([results for _, results in files], published)
    sources = {id(results): path for path, results in files}
    render = _Renderer(title)
    pages: dict[str, bytes] = {
        "index.html": render("index.html", overview_page(board)),
        "cost.html": render("cost.html", learning_page(board)),
        "difficulty.html": render("difficulty.html", difficulty_page(board)),
    }
    copies: dict[str, Path] = {}
    for entry in (*board.entries, *board.references):
        data = entry_page(board, entry)
        data["media"] = []
        if not entry.is_reference:
            data["media"] = _media(entry.results, sources[id(entry.results)], entry.slug, copies)
        pages[f"entries/{entry.slug}.html"] = render("entry.html", data)
    return write_site(out, pages, copies)


class _Renderer:
    def __init__(self, title: str) -> None:
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.filters.update(fixed=_fixed, sortable=_sortable, steps=short_steps)
        style, theme, page = (
            (_TEMPLATES / name).read_text(encoding="utf-8") for name in ("style.css", "theme.js", "page.js")
        )
        # These three are the package's own files; all else that templates print is escaped.
        self._shared = {
            "title": title,
            "version": __version__,
            "style": Markup(style),
            "theme_script": Markup(theme),
            "page_script": Markup(page),
            "policy": (
                f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(theme)} {_hash(page)}; "
                "img-src 'self' file: data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
            ),
        }

    def __call__(self, template: str, data: dict[str, Any]) -> bytes:
        if "episodes" in data:
            data = {**data, "episodes": _as_json(data["episodes"])}
        home = "../" if template == "entry.html" else ""
        return self._environment.get_template(template).render(**self._shared, home=home, **data).encode()


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _as_json(data: Any) -> Markup:
    """JSON that cannot end the script element that it stands in, nor begin another."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _fixed(value: float, digits: int = 0) -> str:
    text = f"{value:.{digits}f}"
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "−")


def _sortable(value: Estimate | None) -> str:
    return "" if value is None or value.point != value.point else f"{value.point:.6g}"


def _media(results: Results, source: Path, slug: str, copies: dict[str, Path]) -> list[dict[str, Any]]:
    """The entry's pictures and films, from beside its results file into the site."""
    shown = []
    folder = source.resolve().parent
    for number, media in enumerate(results.media):
        path = (folder / media.file).resolve()
        ending = path.suffix.lower()
        if not path.is_relative_to(folder):
            raise ResultsError(f"{source}: media {number} ({media.file}) leads out of the folder.")
        if ending not in (*FILMS, *PICTURES):
            raise ResultsError(
                f"{source}: media {number} ({media.file}) is no {', '.join((*FILMS, *PICTURES))} file."
            )
        if not path.is_file():
            raise ResultsError(f"{source}: media {number} ({media.file}) is not beside the results file.")
        if path.stat().st_size > MAX_MEDIA_BYTES:
            raise ResultsError(f"{source}: media {number} ({media.file}) is over {MAX_MEDIA_BYTES >> 20} MB.")
        name = f"media/{slug}-{number}{ending}"
        copies[name] = path
        caption = ", ".join(part for part in (media.task, media.condition, media.caption) if part)
        shown.append({"path": f"../{name}", "caption": caption, "is_film": ending in FILMS})
    return shown
