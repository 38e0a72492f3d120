"""Imports run downward only, nothing heavy loads where `--help` would pay, plugins do not know each other.

The order of the rooms is the architecture; what lives in each is said in its `__init__`. Imports inside functions
count.
"""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import ROOT

PACKAGE = ROOT / "src" / "fsrbench"
PLUGINS = ("auditors", "backends", "instruments", "judges", "knobs", "metrics", "recipes", "tools")
ROOMS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("files",),
    ("models",),
    ("imaging",),
    ("asking",),
    PLUGINS,
    ("case",),
    ("ways",),
    ("study",),
    ("measure",),
    ("experiments",),
    ("show",),
    ("cli",),
)
"""From the lowest to the highest; a room may use those before it and itself."""
LEVEL = {room: number for number, rooms in enumerate(ROOMS) for room in rooms}
FACADES = ("__init__.py", "__main__.py", "api.py", "plugins.py", "values.py")
"""What stands at the top of the package: for people outside, and used by no room; but commands call what `api` has."""
HEAVY = {
    "torch", "torchvision", "cv2", "pandas", "matplotlib", "scipy", "PIL", "openai", "ray", "lpips", "insightface",
    "onnxruntime", "spandrel", "pyiqa", "piq", "skimage", "httpx", "httpx2", "diffusers",
}  # fmt: skip
SITTING = 305
"""Lines of a file, at most."""
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)


def room_of(path: Path) -> str:
    """The room that a file stands in."""
    return path.relative_to(PACKAGE).parts[0]


@functools.cache
def imported(path: Path, *, top_only: bool) -> tuple[str, ...]:
    """Dotted names of the modules a file imports; with `top_only` those that run when it is imported."""
    return tuple(_imports(path, top_only))


def _imports(path: Path, top_only: bool) -> Iterator[str]:
    def walk(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
                if not top_only:
                    yield from walk(child)
                for other in child.orelse:
                    yield from walk(other)
                continue
            if top_only and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            yield child
            yield from walk(child)

    for node in walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def used(path: Path, *, top_only: bool = False) -> Iterator[tuple[str, str]]:
    """(room, module) of everything that a file takes from the package."""
    for name in imported(path, top_only=top_only):
        parts = name.split(".")
        if parts[0] == "fsrbench" and len(parts) > 1:
            yield parts[1], ".".join(parts[1:3])


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downward(path: Path) -> None:
    own = room_of(path)
    assert own in LEVEL, f"{own} is no room: give it a place in this test and in docs/architecture.md"
    for room, module in used(path):
        if room == "__version__" or (room, own) == ("api", "cli"):
            continue
        assert room in LEVEL, f"{path.name} imports {module}, which is for people outside of the package"
        assert LEVEL[room] <= LEVEL[own], f"{own} imports {module}, which is above it"
        if own in PLUGINS and room != own:
            assert room not in PLUGINS, f"plugin folder {own} imports {module}: use plugins.load"


def test_plugin_files_of_a_kind_share_only_what_begins_with_an_underscore() -> None:
    for kind in (*PLUGINS, "ways"):
        for path in (PACKAGE / kind).glob("*.py"):
            beside = {module.split(".")[1] for room, module in used(path) if room == kind and "." in module}
            others = {name for name in beside if not name.startswith("_") and (PACKAGE / kind / f"{name}.py").is_file()}
            assert not others, f"{kind}/{path.name} imports {', '.join(sorted(others))}"


def test_test_files_share_only_what_stands_in_support() -> None:
    """Not even what `conftest.py` has, which is fixtures and hooks; what stands in support knows no test."""
    for path in (ROOT / "tests").rglob("*.py"):
        taken = {name.split(".")[0] for name in imported(path, top_only=False)}
        files = {name for name in taken if name.startswith("test_") or name in ("conftest", "tests")}
        assert not files, f"{path.name} imports {', '.join(sorted(files))}: move what both use into tests/support"


def test_every_room_says_what_it_is() -> None:
    for room in LEVEL:
        said = ast.get_docstring(ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8")))
        assert said, f"{room}/__init__.py does not say what lives there, what it may use and what does not belong"


def test_at_the_top_stand_only_the_doors() -> None:
    assert sorted(path.name for path in PACKAGE.glob("*.py")) == sorted(FACADES)


def test_what_commands_call_knows_no_command() -> None:
    """`api` stands between the commands and everything that people look at."""
    used_rooms = {room for room, _ in used(PACKAGE / "api.py")}
    assert "show" in used_rooms
    assert "cli" not in used_rooms


def test_no_file_is_longer_than_a_sitting() -> None:
    long = {str(p.relative_to(PACKAGE)): n for p in FILES if (n := len(p.read_text("utf-8").splitlines())) > SITTING}
    assert not long, f"split them by what they are about: {long}"


def test_one_name_is_one_thing() -> None:
    """Public types; those of `cli/options.py` are options, and are called `options.NAME` wherever they are used."""
    places: dict[str, list[str]] = {}
    for path in FILES:
        if path == PACKAGE / "cli" / "options.py":
            continue
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            alias = isinstance(node, ast.AnnAssign) and "TypeAlias" in ast.unparse(node.annotation)
            name = node.name if isinstance(node, ast.ClassDef) else ast.unparse(node.target) if alias else "_"  # type: ignore[attr-defined]
            if not name.startswith("_"):
                places.setdefault(name, []).append(str(path.relative_to(PACKAGE)))
    twice = {name: where for name, where in places.items() if len(where) > 1}
    assert not twice, f"give one of them another name: {twice}"


def test_no_import_cycles() -> None:
    """Between modules, as far as they import each other when they are loaded."""
    graph = {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): {
            name.removeprefix("fsrbench.") for name in imported(path, top_only=True) if name.startswith("fsrbench.")
        }
        for path in FILES
    }
    seen: set[str] = set()

    def visit(node: str, trail: tuple[str, ...]) -> None:
        assert node not in trail, f"cycle: {' → '.join((*trail, node))}"
        if node in seen or node not in graph:
            return
        for child in graph[node] - {node}:
            visit(child, (*trail, node))
        seen.add(node)

    for node in graph:
        visit(node, ())


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_heavy_at_the_top(path: Path) -> None:
    heavy = {m.split(".")[0] for m in imported(path, top_only=True)} & HEAVY
    assert not heavy, f"{path.name} imports {', '.join(sorted(heavy))} when it is imported: move it into the function"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom fsrbench.cli.app import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"heavy = set({sorted(HEAVY | {'numpy', 'pydantic', 'yaml'})!r})\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert "Usage:" in done.stdout
    assert done.stdout.strip().endswith("HEAVY []")
