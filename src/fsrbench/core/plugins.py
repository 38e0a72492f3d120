"""Plugins are found by file: one file, one declared object, no list to edit.

`backends/realesrgan.py` declares `BACKEND`, `knobs/dehalo.py` declares `KNOB`, and so on. `names` reads file names
only; `load` imports one file. Folders named in FSRBENCH_PLUGINS (separated like PATH) are searched after the package's
own, so that a user's plugin is one file anywhere: `my-plugins/metrics/sharpness.py`. The contracts are in
`contracts.py`.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from pathlib import Path
from typing import Any, Literal

from fsrbench.core.auditing import Auditor
from fsrbench.core.contracts import Backend, Instrument, Knob, Metric, Recipe, Tool
from fsrbench.core.errors import SettingsError, out_of_memory
from fsrbench.core.judging import Judge
from fsrbench.core.near import among
from fsrbench.core.ways import Way

KINDS = {
    "backends": "BACKEND",
    "knobs": "KNOB",
    "auditors": "AUDITOR",
    "instruments": "INSTRUMENT",
    "metrics": "METRIC",
    "recipes": "RECIPE",
    "ways": "WAY",
    "judges": "JUDGE",
    "tools": "TOOL",
}

CONTRACTS: dict[str, Any] = {
    "backends": Backend,
    "knobs": Knob,
    "auditors": Auditor,
    "instruments": Instrument,
    "metrics": Metric,
    "recipes": Recipe,
    "ways": Way,
    "judges": Judge,
    "tools": Tool,
}


def names(kind: str) -> list[str]:
    """Names of all plugins of a kind, without importing any."""
    package = _package(kind)
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if not m.name.startswith("_"))


def load(kind: str, name: str) -> Any:
    """Import one plugin's file and return the object it declares.

    `NAME:ARGUMENT` asks a plugin that stands for many (its `named`) for the one that is meant.
    """
    name, _, argument = name.partition(":")
    known = names(kind)
    if name not in known:
        raise SettingsError(f"There is no {kind[:-1]} named {name!r}.{among(name, known)}")
    try:
        module = importlib.import_module(f"fsrbench.{kind}.{name}")
    except Exception as error:  # a user's file may raise anything; what is shipped is tested not to
        if out_of_memory(error):
            raise
        raise SettingsError(f"The {kind[:-1]} {name} cannot be imported: {type(error).__name__}: {error}") from error
    declared = getattr(module, KINDS[kind], None)
    if not isinstance(declared, CONTRACTS[kind]):
        raise SettingsError(
            f"{module.__file__} must declare {KINDS[kind]} = {CONTRACTS[kind].__name__}(…): see docs/plugins.md."
        )
    if not argument:
        return declared
    if getattr(declared, "named", None) is None:
        raise SettingsError(f"The {kind[:-1]} {name} takes no ':{argument}': leave that out.")
    return declared.named(argument)


def shipped(folder: Literal["configs", "prompts"]) -> Path:
    """The folder of shipped text files: inside an installed package, or at the top of a checkout."""
    here = Path(__file__).resolve().parents[1]
    packaged = here / "_shipped" / folder
    return packaged if packaged.is_dir() else here.parents[1] / folder


def _package(kind: str) -> Any:
    """The package of a kind, its path extended by the user's plugin folders."""
    package = importlib.import_module(f"fsrbench.{kind}")
    for root in filter(None, os.environ.get("FSRBENCH_PLUGINS", "").split(os.pathsep)):
        if not Path(root).is_dir():
            raise SettingsError(f"FSRBENCH_PLUGINS names {root}, which is not a folder. Correct or unset it.")
        folder = str(Path(root, kind).absolute())
        if folder not in package.__path__ and Path(folder).is_dir():
            package.__path__.append(folder)
    return package
