"""The rooms of the package, as `docs/rooms.md` lists them and `docs/rooms.svg` draws them.

Run it when a file came or went: `python scripts/rooms.py`. The order of the rooms is that of `tests/test_layers.py`,
which holds it; a file's line is the first sentence of its docstring; what imports what is read from the syntax trees,
imports inside functions and for types included.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))
from test_layers import PACKAGE, PLUGINS, ROOMS, room_of, used  # noqa: E402

PAGE, PICTURE = ROOT / "docs" / "rooms.md", ROOT / "docs" / "rooms.svg"
ORDER = ["plugins" if room == PLUGINS else room[0] for room in reversed(ROOMS)]
"""From the highest to the lowest; the kinds of plugin that stand on one level are one room here."""
WIDE, HIGH, DARK, PALE, THIN, BLUE = 0.94, 0.62, "#1d2733", "#b8c4d0", "#a9b7c6", "#2f6db5"
"""Of the picture: a room's size, colours."""
HEAD = """# The rooms, file by file

Made by `python scripts/rooms.py` from the first sentence of every file. A room may use those below it, never one above;
its `__init__.py` says what lives there, what it may use and what does not belong. The number of imports between them:

![Rooms on the diagonal, imports to the right of them and above what they use](rooms.svg)
"""


def sentence(path: Path) -> str:
    """The first sentence of a file's docstring, on one line."""
    text = " ".join((ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split())
    return re.split(r"(?<=[.?!])(?<!e\.g\.) |(?<=…) (?=[A-Z])", text, maxsplit=1)[0]


def page() -> str:
    """All of `docs/rooms.md`."""
    doors = [f"- `{path.name}` {sentence(path)}" for path in sorted(PACKAGE.glob("*.py"))]
    parts = [HEAD, "## The doors\n", *doors]
    for rooms in reversed(ROOMS):
        for room in sorted(rooms):
            parts += [f"\n## `{room}/`\n", sentence(PACKAGE / room / "__init__.py"), "", *lines(PACKAGE / room)]
    return "\n".join(parts) + "\n"


def lines(folder: Path, indent: str = "") -> Iterator[str]:
    """One for each file of a folder, and for those of the folders in it."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and (path / "__init__.py").is_file():
            yield f"{indent}- `{path.name}/` {sentence(path / '__init__.py')}"
            yield from lines(path, indent + "  ")
        elif path.suffix == ".py" and path.name != "__init__.py":
            yield f"{indent}- `{path.name}` {sentence(path)}"


def box(room: str) -> str:
    """The room as it is drawn."""
    return "plugins" if room in PLUGINS else room


def imports() -> Counter[tuple[str, str]]:
    """(room, room that it uses) → how many of its files' imports go there; a module that a file names counts once."""
    found: Counter[tuple[str, str]] = Counter()
    for path in PACKAGE.rglob("*.py"):
        if path.parent != PACKAGE:
            own = box(room_of(path))
            modules = {(box(room), module) for room, module in used(path) if box(room) in ORDER}
            found.update((own, room) for room, module in modules if room != own and module.count("."))
    return found


def draw(*pictures: Path) -> None:
    """Rooms on the diagonal. What a room uses stands in its row, above the room that is used: nothing runs upward."""
    import matplotlib as mpl
    from matplotlib import pyplot as plt

    mpl.rcParams.update({"svg.hashsalt": "rooms", "font.family": "DejaVu Sans"})
    found, places = imports(), {room: number for number, room in enumerate(ORDER)}
    files = Counter(box(room_of(path)) for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE)
    figure, axes = plt.subplots(figsize=(13, 8.2))
    for room, place in places.items():
        rows = [places[upper] for upper, lower in found if lower == room]
        columns = [places[lower] for upper, lower in found if upper == room]
        assert all(row < place for row in rows), f"{room} is imported from below"
        axes.plot([place, max(columns, default=place)], [place, place], color=THIN, lw=1, zorder=0)
        if rows:
            arrow = {"arrowstyle": "-|>", "color": THIN, "lw": 1, "shrinkA": 0, "shrinkB": 0}
            axes.annotate("", (place, place - HIGH / 2), (place, min(rows)), arrowprops=arrow, zorder=0)
        axes.add_patch(plt.Rectangle((place - WIDE / 2, place - HIGH / 2), WIDE, HIGH, color=DARK))
        middle = {"ha": "center", "va": "center"}
        axes.text(place, place - 0.07, room, color="white", fontsize=9, weight="bold", **middle)
        axes.text(place, place + 0.18, f"{files[room]} files", color=PALE, fontsize=7.5, **middle)
    for (upper, lower), number in found.items():
        size = 340 + 1200 * number / max(found.values())
        axes.scatter(places[lower], places[upper], s=size, color=BLUE, edgecolor="white", zorder=2)
        axes.text(places[lower], places[upper] + 0.01, str(number), color="white", fontsize=9, zorder=3, **middle)
    told = (
        f"{sum(files.values())} files; {sum(found.values())} imports between rooms, none of them upward.\n"
        "From a room go right to a number, then down to the room that it uses.\n"
        f"Plugins ({', '.join(sorted(PLUGINS))})\nand ways are loaded by name: nobody imports them."
    )
    axes.text(-0.46, len(ORDER) - 3.4, "The rooms of fsrbench", fontsize=20, weight="bold", color=DARK, va="top")
    axes.text(-0.46, len(ORDER) - 2.6, told, fontsize=10.5, color=DARK, va="top", linespacing=1.6)
    axes.set(xlim=(-0.55, len(ORDER) - 0.45), ylim=(len(ORDER) - 0.55, -0.55))
    axes.set_axis_off()
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.99)
    for picture in pictures:
        figure.savefig(picture, dpi=150, metadata={"Date": None} if picture.suffix == ".svg" else None)
    plt.close(figure)


def main() -> None:
    """Write both, and the picture also to a file that was named (`slide.png`)."""
    PAGE.write_text(page(), encoding="utf-8")
    draw(PICTURE, *map(Path, sys.argv[1:]))


if __name__ == "__main__":
    main()
