"""Which code and settings made a result: digests that rerun the stages an edit concerns, and no others."""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from revisit import __version__

PACKAGE = Path(__file__).parent
DATA_SUFFIXES = (".yaml", ".csv", ".j2")


def code(*modules: str) -> dict[str, str]:
    """Digest of every file of this package that ``modules`` import, directly or not.

    The digest is of the syntax tree without docstrings: comments, layout, docstrings and times do
    not change it. A data file beside a module that names it in a string counts as part of it.
    Keys are parameter names, ``code_revisit_cube_stack``; values ``file digest``.
    """
    found: dict[str, Path] = {}
    for module in modules:
        if _source(module) is None:
            raise ValueError(f"no module {module!r} in {PACKAGE}")
        _follow(module, found)
    return {
        "code_" + name.replace(".", "_"): f"{path.relative_to(PACKAGE)} {_digest(path)}"
        for name, path in sorted(found.items())
    }


def _follow(module: str, found: dict[str, Path]) -> None:
    path = _source(module)
    if path is None or module in found:
        return
    found[module] = path
    parent = module.rpartition(".")[0]
    for name in (parent, *_imports(path)):
        _follow(name, found)
    for data in _data(path):
        found[f"{parent}.{data.name.replace('.', '_')}"] = data


def _source(module: str) -> Path | None:
    """The file of one of our modules, or None for a name that is no module of ours."""
    top, *rest = module.split(".")
    if top != PACKAGE.name:
        return None
    base = PACKAGE.joinpath(*rest)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _imports(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _data(path: Path) -> list[Path]:
    """Data files beside a module that its strings name (``providers.yaml``, ``page.html.j2``)."""
    beside = [entry for entry in path.parent.iterdir() if entry.suffix in DATA_SUFFIXES]
    if not beside:
        return []
    strings = {node.value for node in ast.walk(_tree(path)) if isinstance(node, ast.Constant)}
    return sorted(entry for entry in beside if entry.name in strings)


def _digest(path: Path) -> str:
    if path.suffix in DATA_SUFFIXES:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return _tree_digest(path, path.stat().st_mtime_ns)


def _tree(path: Path) -> ast.Module:
    return _parsed(path, path.stat().st_mtime_ns)


# A plan asks for the same files some hundred times; an edited file has another time.
@cache
def _parsed(path: Path, time: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _tree_digest(path: Path, time: int) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = node.body[1:]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16]


def config_hash(settings: Any) -> str:
    """Digest of settings, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12]


@cache
def code_version() -> str:
    """The package version, with a digest of the package's files as they are."""
    content = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        content.update(path.read_bytes())
    return f"{__version__}+{content.hexdigest()[:8]}"
