"""`python -m tools.site --out DIR`: the whole site, from the repository's pages and tables.

Pictures are kept in `DIR/pictures` and drawn again only where they are missing; `--quick` draws them small and short.
Warnings are errors, and so is a link to nothing.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from sphinx.cmd.build import main as sphinx_build

from .difficulty import draw_strength_curves, draw_video_curves
from .error_page import write_error_page
from .pictures import draw_pictures
from .staging import BrokenLink, stage
from .task_pages import write_task_pages

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Builds `DIR/html` and returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tools.site", description=str(__doc__).split("\n\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "docs")
    parser.add_argument("--quick", action="store_true", help="small, short pictures: for tests")
    args = parser.parse_args()
    source, pictures, html = (args.out / name for name in ("source", "pictures", "html"))
    shutil.rmtree(source, ignore_errors=True)
    try:
        stage(ROOT, source)
    except BrokenLink as error:
        print(f"docs: {error}", file=sys.stderr)
        return 1
    draw_pictures(pictures, quick=args.quick)
    shutil.copytree(pictures, source / "pictures", dirs_exist_ok=True)
    draw_strength_curves(ROOT / "docs" / "difficulty", source / "pictures" / "strength-curves.png")
    draw_video_curves(
        sorted((ROOT / "results").glob("distil-*-video*.json")),
        "walker-walk",
        source / "pictures" / "video-curves.png",
    )
    write_task_pages(ROOT, source / "tasks")
    write_error_page(ROOT, source / "errors.md")
    status = sphinx_build(["-W", "--keep-going", "-q", "-b", "html", str(source), str(html)])
    if status == 0:
        print(f"{html / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
