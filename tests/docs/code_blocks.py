"""The code blocks of the pages, and the commands in them.

- `PAGES`; `blocks`: those of a page that claim to work here. `<!-- needs: … -->` above a block names what the tests
  have not: it is left alone. `<!-- takes: … -->` names what they do not spend on it: it is understood, not executed.
- `commands`: the words of each command of a shell block, as bash itself would run them.
"""

from __future__ import annotations

import re
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(
        page
        for pattern in ("*.md", "agents/*.md", "results/*.md", "examples/*.md")
        for page in ROOT.glob(pattern)
    ),
]
# An opening fence, its info string, the block, and the fence of the same length that closes it.
BLOCK = re.compile(
    r"(?:<!-- (needs|takes): [^>]+ -->\n\s*)?^ *(`{3,})([^\n`]*)\n(.*?)^ *\2 *$", re.MULTILINE | re.DOTALL
)
# Every command becomes a record of its words; nothing is run, since nothing is found.
RECORDER = """PATH=/nowhere
command_not_found_handle() { printf '%s\\37' "$@"; printf '\\36'; }
"""


@dataclass(frozen=True)
class Block:
    page: Path
    kind: str
    text: str
    executed: bool = True


def blocks(page: Path) -> list[Block]:
    """The blocks of a page that do not say that they need more than there is."""
    return [
        Block(page, kind.strip(), textwrap.dedent(text), executed=mark != "takes")
        for mark, _, kind, text in BLOCK.findall(page.read_text())
        if mark != "needs"
    ]


def commands(block: Block) -> list[list[str]]:
    """The words of each command, with variables and loops as bash expands them."""
    script = RECORDER + block.text.replace(".venv/bin/", "")
    ran = subprocess.run(["bash", "-u", "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert not ran.stderr, f"{block.page}: {ran.stderr}"
    return [record.split("\37")[:-1] for record in ran.stdout.split("\36") if "\37" in record]


def having(kind: str, executed: bool = False) -> list[Path]:
    """The pages with blocks of a kind; with ones that are to be executed, where that is asked for."""
    return [
        page
        for page in PAGES
        if any(block.kind == kind and (block.executed or not executed) for block in blocks(page))
    ]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))
