"""What reruns after an edit of code: a digest of every file that a stage imports, for its rule's params."""

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

PACKAGE = Path(__file__).parent
DATA_SUFFIXES = (".yaml", ".csv", ".j2")


def code(*modules: str) -> dict[str, str]:
    """Digest of every file of this package that ``modules`` import, directly or not.

    A module from outside the package, a part of somebody's own, counts with what it imports of its own
    top-level package and of this one. The digest is of the syntax tree without docstrings: comments, layout,
    docstrings and times do not change it. A data file beside a module that names it in a string counts as
    part of it; a file without code, as most packages' own are, does not count. Keys are
    parameter names, ``code_revisit_cube_grid``; values ``file digest``.
    Raises ValueError for a module that does not exist.
    """
    found: dict[str, Path] = {}
    for module in modules:
        packages = frozenset((PACKAGE.name, module.partition(".")[0]))
        if _source(module, packages) is None:
            raise ValueError(f"no module {module!r} can be found")
        _follow(module, found, set(), packages)
    return {
        "code_" + name.replace(".", "_"): f"{_shown(path)} {digest}"
        for name, path in sorted(found.items())
        if (digest := _digest(path))
    }


def _shown(path: Path) -> str:
    return str(path.relative_to(PACKAGE)) if path.is_relative_to(PACKAGE) else path.name


def _follow(module: str, found: dict[str, Path], seen: set[str], packages: frozenset[str]) -> None:
    if module in seen:
        return
    seen.add(module)
    path = _source(module, packages)
    if path is None or module in found:
        return
    found[module] = path
    parent = module.rpartition(".")[0]
    for name in (parent, *_imports(path)):
        _follow(name, found, seen, packages)
    for data in _data(path):
        found[f"{parent}.{data.name.replace('.', '_')}"] = data


def _source(module: str, packages: frozenset[str]) -> Path | None:
    """The file of a module of these packages, or None for a name that is no module of theirs."""
    top, *rest = module.split(".")
    if top not in packages or (folder := PACKAGE if top == PACKAGE.name else _folder(top)) is None:
        return None
    base = folder.joinpath(*rest)
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _folder(package: str) -> Path | None:
    """The folder of a package from outside; of a module on its own the file, without its suffix."""
    spec = find_spec(package)  # imports nothing, as a name without a dot has no parent
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin).with_suffix("") if spec.has_location and spec.origin else None


class _Source(NamedTuple):
    """What a file of code says: the modules it imports, its strings that may name a data file, its digest."""

    imports: tuple[str, ...]
    named: frozenset[str]
    digest: str


def _imports(path: Path) -> tuple[str, ...]:
    return _read(path, path.stat().st_mtime_ns).imports


def _data(path: Path) -> list[Path]:
    """Data files beside a module that its strings name (``providers.yaml``, ``page.html.j2``)."""
    named = _read(path, path.stat().st_mtime_ns).named
    return sorted(path.with_name(name) for name in named if path.with_name(name).is_file())


def _digest(path: Path) -> str:
    if path.suffix in DATA_SUFFIXES:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return _read(path, path.stat().st_mtime_ns).digest


# A plan asks for the same files some hundred times; an edited file has another time.
@cache
def _read(path: Path, time: int) -> _Source:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports: list[str] = []
    named: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imports += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if "/" not in node.value and node.value.endswith(DATA_SUFFIXES):
                named.add(node.value)
        elif isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            # Docstrings, those below the fields of a record too.
            node.body = [line for line in node.body if not _is_text(line)]
    # Each file is a param of each job, which costs time at planning: none for a file without code.
    digest = hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:16] if tree.body else ""
    return _Source(tuple(imports), frozenset(named), digest)


def _is_text(line: ast.stmt) -> bool:
    return (
        isinstance(line, ast.Expr)
        and isinstance(line.value, ast.Constant)
        and isinstance(line.value.value, str)
    )
