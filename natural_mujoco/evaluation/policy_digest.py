"""The sha256 of a policy's own Python source, by which a resumed evaluation notices an edit.

- `find_module`: finds a module's source file without running any of it.
- `source_digest`: the hash of the module and the user's modules that it imports, without comments.
- `file_digest`: the hash of only the module's file, as older versions recorded it.

Included are the module and all of the user's modules that it imports, directly or indirectly, by an `import` statement:
modules under the folder where the command is given, and those of the policy's own top-level package wherever that is
installed. Not included are installed packages (records have their versions), data, weights, and modules whose names are
only known at run time.
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.machinery
import importlib.util
import io
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

from ..errors import InvalidArgument

MOST_FILES = 2_000
_ELSEWHERE = {"site-packages", "dist-packages"}


def find_module(name: str) -> Path | None:
    """The file that `import name` would run; `None` for a module without a file. Imports nothing.

    Raises `InvalidArgument` if there is no such module.
    """
    importlib.invalidate_caches()
    spec = _spec(name)
    if spec is None:
        raise InvalidArgument(f"--policy: there is no module {name!r} here or among the installed packages.")
    return _file(spec)


def source_digest(module: str, folder: str) -> str | None:
    """The sha256 over `module` and its imports from `folder` or its own package; `None` if it has no source."""
    start = find_module(module)
    if start is None:
        return None
    own = module.partition(".")[0]
    found: dict[str, Path] = {}
    waiting = [*_parents(module), module]
    while waiting and len(found) < MOST_FILES:
        name = waiting.pop()
        if name in found or name.partition(".")[0] == "natural_mujoco":
            continue
        spec = _spec(name)
        path = None if spec is None else _file(spec)
        if path is None or not (name.partition(".")[0] == own or _is_local(path, Path(folder))):
            continue
        found[name] = path
        waiting += _imports(path, name, is_package=bool(spec and spec.submodule_search_locations))
    digest = hashlib.sha256()
    for name, path in sorted(found.items()):
        content = _without_comments(path.read_bytes())
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def file_digest(module: str) -> str | None:
    """The sha256 of only the module's file; `None` if it has no source."""
    path = find_module(module)
    return None if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def _spec(name: str) -> importlib.machinery.ModuleSpec | None:
    """The module's spec, found package by package, as `importlib.util.find_spec` would import parent packages."""
    spec: importlib.machinery.ModuleSpec | None = None
    parts = name.split(".")
    try:
        for depth in range(1, len(parts) + 1):
            where = None if spec is None else spec.submodule_search_locations
            if spec is not None and where is None:
                return None  # the module above is no package
            full = ".".join(parts[:depth])
            finders = (getattr(finder, "find_spec", None) for finder in sys.meta_path)
            spec = next(
                (found for find in finders if find is not None and (found := find(full, where)) is not None),
                None,
            )
            if spec is None:
                return None
    except (ImportError, ValueError, TypeError, AttributeError):
        return None
    return spec


def _file(spec: importlib.machinery.ModuleSpec) -> Path | None:
    path = Path(spec.origin) if spec.origin else None
    return path if path is not None and path.is_file() else None


def _is_local(path: Path, folder: Path) -> bool:
    path, folder = path.resolve(), folder.resolve()
    if not path.is_relative_to(folder) or path.is_relative_to(Path(sys.prefix).resolve()):
        return False
    return not _ELSEWHERE & set(path.relative_to(folder).parts)


def _imports(path: Path, name: str, is_package: bool) -> Iterator[str]:
    """The names of all modules that the file's import statements may refer to."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from (*_parents(alias.name), alias.name)
        elif isinstance(node, ast.ImportFrom):
            parts = name.split(".") if is_package else name.split(".")[:-1]
            above = parts[: len(parts) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            if base:
                yield from (*_parents(base), base, *(f"{base}.{alias.name}" for alias in node.names))


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:k]) for k in range(1, len(parts))]


def _without_comments(source: bytes) -> bytes:
    """Source without comments, blank lines and trailing spaces; unchanged if it is not valid Python."""
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
        lines = source.decode(tokens[0].string).splitlines()
    except (SyntaxError, ValueError, tokenize.TokenError, LookupError, IndexError):
        return source
    for token in tokens:
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    blank = {token.start[0] for token in tokens if token.type == tokenize.NL}
    return "\n".join(line for row, line in enumerate(lines, 1) if row not in blank or line.strip()).encode()
