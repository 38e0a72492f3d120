"""What a shell offers after Tab: names from file names and from the shipped settings, folders of runs; nothing heavy.

Each takes the beginning of a word and returns the words that begin so. Where there is none, the shell offers files.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fsrbench.core.errors import FsrbenchError

VALUES: dict[str, tuple[str, ...]] = {
    "models": ("embedded", "official"),
    "policy": ("paper", "guarded", "certified"),
    "certificate": ("shipped",),
}
"""Settings that take one of a few words, by the last part of their key."""
PLUGINS = {
    "auditor": "auditors",
    "backend": "backends",
    "judge": "judges",
    "knobs": "knobs",
    "metric": "metrics",
    "metrics": "metrics",
    "objective": "metrics",
    "way": "ways",
}
"""Settings that name plugins, likewise, and of which kind."""
DEVICES = ("auto", "cpu", "cuda", "mps")


def one_of(*words: str) -> Callable[[str], list[str]]:
    """Offers these words."""
    return lambda incomplete: _beginning(incomplete, words)


def family(incomplete: str) -> list[str]:
    """Names of families."""
    from fsrbench.core.values import FAMILIES

    return _beginning(incomplete, FAMILIES)


def families(incomplete: str) -> list[str]:
    """Names of families, or all of them."""
    return [*family(incomplete), *_beginning(incomplete, ("all",))]


def arms(incomplete: str) -> list[str]:
    """What `--arm` takes: the shipped settings' arms, auditors and ways."""
    return _beginning(incomplete, (*_shipped()["arms"], *_plugins("auditors"), *_plugins("ways")))


def recipes(incomplete: str) -> list[str]:
    """Names of recipes."""
    return _beginning(incomplete, _plugins("recipes"))


def judges(incomplete: str) -> list[str]:
    """Names of judges; an auditor that compares is one, too."""
    return _beginning(incomplete, (*_plugins("judges"), *_plugins("auditors")))


def metrics(incomplete: str) -> list[str]:
    """Names of metrics."""
    return _beginning(incomplete, _plugins("metrics"))


def knobs(incomplete: str) -> list[str]:
    """Names of knobs."""
    return _beginning(incomplete, _plugins("knobs"))


def presets(incomplete: str) -> list[str]:
    """Well-known sets of faces."""
    from fsrbench.case.presets import PRESETS

    return _beginning(incomplete, PRESETS)


def tolerances(incomplete: str) -> list[str]:
    """A metric to be followed by its size, or a size for all."""
    return _beginning(incomplete, (*(f"{name}=" for name in _plugins("metrics")), "interval"))


def kinds(incomplete: str) -> list[str]:
    """Kinds of plugin."""
    from fsrbench.core import plugins

    return _beginning(incomplete, plugins.KINDS)


def weights(incomplete: str) -> list[str]:
    """Names of the official weights, or all of them."""
    from fsrbench.models import published

    return _beginning(incomplete, (*published.TABLE, "all"))


def grids(incomplete: str) -> list[str]:
    """Grids that are shipped."""
    from fsrbench.core import plugins

    return _beginning(
        incomplete, (path.stem.removeprefix("sweep-") for path in plugins.shipped("configs").glob("sweep-*.yaml"))
    )


def settings(incomplete: str) -> list[str]:
    """A setting's key, and after `=` the names that it takes; of a list, the last one."""
    key, given, value = incomplete.partition("=")
    if not given:
        return _beginning(key, (f"{one}=" for one in _keys(_shipped())))
    last = key.rpartition(".")[2]
    before, comma, begun = value.rpartition(",")
    names = VALUES.get(last) or (_plugins(PLUGINS[last]) if last in PLUGINS else ())
    return [f"{key}={before}{comma}{name}" for name in _beginning(begun, names)]


def runs(incomplete: str) -> list[str]:
    """Folders of runs: those where the word points to, and those in `outputs` before it points anywhere."""
    begun = incomplete.rpartition("/")[0]
    places = [Path(begun or ".")] if "/" in incomplete else [Path(), Path("outputs")]
    found = (folder.as_posix() for place in places if place.is_dir() for folder in place.iterdir() if _is_run(folder))
    return _beginning(incomplete, found)


def _is_run(folder: Path) -> bool:
    """Does it hold a run, or an evaluation of plain folders? One that may not be looked into does not."""
    from fsrbench.study.paths import RunPaths

    paths = RunPaths(folder)
    return os.path.isfile(paths.study_file) or os.path.isfile(paths.summary_file)


def _beginning(incomplete: str, words: Iterable[str]) -> list[str]:
    return sorted({word for word in words if word.startswith(incomplete)})


def _plugins(kind: str) -> list[str]:
    """Names of a kind, the user's own among them; none where the folder of their own is not there."""
    from fsrbench.core import plugins

    try:
        return plugins.names(kind)
    except FsrbenchError:
        return []


def _shipped() -> dict[str, Any]:
    """The shipped settings, as their file has them."""
    from fsrbench.core import plugins
    from fsrbench.files import yamlfile

    return yamlfile.read(plugins.shipped("configs") / "default.yaml")[0]


def _keys(values: Mapping[str, Any], before: str = "") -> Iterator[str]:
    """The key of every single setting, with dots between its parts."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{before}{key}.")
        else:
            yield f"{before}{key}"
