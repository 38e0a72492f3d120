"""Imports run downward only, nothing heavy loads where `--help` would pay, plugins do not know each other."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT

PACKAGE = ROOT / "src" / "fsrbench"
LAYERS = (
    ("errors", "values", "foreign", "plugins"),
    (
        "opening",
        "names",
        "decode",
        "png",
        "images",
        "jsonfile",
        "shapes",
        "locks",
        "downloads",
        "weights",
        "faces",
        "prompts",
        "choice",
        "reply",
        "artifacts",
        "checkpoints",
        "allowance",
        "networks",
        "execute",
        "yamlfile",
        "csvfile",
    ),
    ("backends", "knobs", "auditors", "metrics", "recipes"),
    ("degrade", "restore", "evidence", "policy", "supervise"),
    (
        "config",
        "inputs",
        "record",
        "journal",
        "store",
        "ledger",
        "unit",
        "workshop",
        "rayworker",
        "raycluster",
        "study",
        "provenance",
        "subjects",
        "scores",
        "evaluate",
        "ranks",
        "signs",
        "stats",
        "results",
        "mishaps",
        "summary",
        "baseline",
        "check",
        "variants",
        "grid",
        "sweep",
        "liveness",
        "preview",
        "headroom",
    ),
    (
        "drawing",
        "panels",
        "wording",
        "tables",
        "findings",
        "caveats",
        "imprint",
        "verdicts",
        "plots",
        "report",
        "publish",
        "overviews",
        "sweep_views",
        "demo",
        "doctor",
    ),
    ("interrupts", "options", "console", "probes", "evidence_commands", "cli", "__main__"),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
HEAVY = {
    "torch", "torchvision", "cv2", "pandas", "matplotlib", "scipy", "PIL", "openai", "ray", "lpips", "insightface",
    "piq", "onnxruntime", "spandrel", "pyiqa", "skimage", "httpx",
}  # fmt: skip
FILES = sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    """The part of the package a file belongs to: its folder, or itself."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported(path: Path, *, top_only: bool) -> Iterator[str]:
    """Dotted names of the modules a file imports; with `top_only` those that run when it is imported."""

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


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downward(path: Path) -> None:
    own = name_of(path)
    if own == "__init__":
        return
    assert own in LAYER, f"{own} stands in no layer: name it in this test and in the README"
    for module in imported(path, top_only=False):
        parts = module.split(".")
        if parts[0] != "fsrbench" or len(parts) < 2 or parts[1] not in LAYER:
            continue
        assert LAYER[parts[1]] <= LAYER[own], f"{own} imports {parts[1]}, which is above it"
        if LAYER[own] == 2 and parts[1] != own:
            assert LAYER[parts[1]] < 2, f"plugin folder {own} imports {parts[1]}: use plugins.load"


def test_no_import_cycles() -> None:
    graph = {
        name_of(p): {
            m.split(".")[1] for m in imported(p, top_only=True) if m.startswith("fsrbench.") and len(m.split(".")) > 1
        }
        for p in FILES
    }
    seen: dict[str, int] = {}

    def visit(node: str, trail: tuple[str, ...]) -> None:
        assert node not in trail, f"cycle: {' → '.join((*trail, node))}"
        if node in seen or node not in graph:
            return
        for child in graph[node] - {node}:
            visit(child, (*trail, node))
        seen[node] = 1

    for node in graph:
        visit(node, ())


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_nothing_heavy_at_the_top(path: Path) -> None:
    heavy = {m.split(".")[0] for m in imported(path, top_only=True)} & HEAVY
    assert not heavy, f"{path.name} imports {', '.join(sorted(heavy))} when it is imported: move it into the function"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom fsrbench.cli import app\n"
        "try:\n    app(['--help'])\nexcept SystemExit:\n    pass\n"
        f"heavy = set({sorted(HEAVY | {'numpy', 'pydantic', 'yaml'})!r})\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert "Usage:" in done.stdout
    assert done.stdout.strip().endswith("HEAVY []")
