"""Copies the repository's Markdown into a folder that Sphinx builds, with links that hold there.

- `stage`: the pages of `docs/` and those that stand elsewhere in the repository (`ELSEWHERE`).
- `BrokenLink`: what a link to nothing raises.

On GitHub a page links to its neighbours as files. In the copy a link to another page stays a link between pages, and a
link to anything else in the repository becomes one to GitHub.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

REPOSITORY = "https://github.com/natural-mujoco/natural-mujoco"

# Pages that stand outside docs/, and where the site has them.
ELSEWHERE = {
    "agents/README.md": "agents/implementation.md",
    "ARCHITECTURE.md": "architecture.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
}
ASSETS = (".png", ".gif", ".webp", ".svg", ".json")

_LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s]+)(\))")
_FENCED = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)


class BrokenLink(Exception):
    """A page links to a file that is not there."""


def stage(root: Path, target: Path) -> None:
    """Fills `target` with the site's sources from the repository at `root`. Raises `BrokenLink`."""
    docs = root / "docs"
    pages = {path: _staged_name(path.relative_to(docs)) for path in docs.rglob("*.md")}
    pages |= {root / origin: Path(place) for origin, place in ELSEWHERE.items()}
    for origin, place in pages.items():
        _write(target / place, rewrite_links(origin.read_text(), origin, place, pages, root))
    # Tutorials show the scripts themselves, by the same relative path as in the repository.
    shutil.copytree(root / "examples", target.parent / "examples", dirs_exist_ok=True)
    for path in docs.rglob("*"):
        if path.suffix in (*ASSETS, ".css", ".py"):
            copy = target / path.relative_to(docs)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)


def rewrite_links(text: str, origin: Path, place: Path, pages: dict[Path, Path], root: Path) -> str:
    """`text` of the page `origin` as it must read at `place` of the site. Fenced code is left alone."""

    def resolve(match: re.Match[str]) -> str:
        opening, link, closing = match.groups()
        if re.match(r"[a-z]+:|#", link):
            return match.group()
        file, _, anchor = link.partition("#")
        found = Path(os.path.normpath(origin.parent / file))
        if not found.exists() and not _is_generated(found, root):
            raise BrokenLink(f"{origin.relative_to(root)} links to {link}, which does not exist.")
        anchor = f"#{anchor}" if anchor else ""
        inside = root / "docs"
        if found in pages:
            return f"{opening}{_relative(pages[found], place)}{anchor}{closing}"
        if found.is_relative_to(inside) and (found.suffix in ASSETS or _is_generated(found, root)):
            return f"{opening}{_relative(found.relative_to(inside), place)}{anchor}{closing}"
        kind = "tree" if found.is_dir() else "blob"
        return f"{opening}{REPOSITORY}/{kind}/main/{found.relative_to(root).as_posix()}{anchor}{closing}"

    parts = _FENCED.split(text)
    return "".join(part if number % 2 else _LINK.sub(resolve, part) for number, part in enumerate(parts))


def _is_generated(path: Path, root: Path) -> bool:
    """Whether the build writes this page or picture (`task_pages`, `error_page`, `pictures`)."""
    return any(path.is_relative_to(root / "docs" / made) for made in ("tasks", "pictures", "errors.md"))


def _staged_name(path: Path) -> Path:
    return path.with_name("index.md") if path.name == "README.md" else path


def _relative(target: Path, place: Path) -> str:
    return Path(os.path.relpath(target, place.parent)).as_posix()


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
