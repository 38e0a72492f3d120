"""Every plugin that a setting can name, the user's own among them, each with the sentence that it declares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fsrbench.core import plugins
from fsrbench.core.contracts import Metric
from fsrbench.core.errors import FsrbenchError

KINDS = tuple(dict.fromkeys(("ways", "judges", "auditors", *plugins.KINDS)))
"""In the order in which they are listed: what an arm is made of comes first."""


@dataclass(frozen=True, slots=True)
class ListedPlugin:
    """One plugin."""

    kind: str
    """Folder that it lies in: ways, judges, …"""
    name: str
    """What a setting calls it."""
    text: str
    """What it is, in a sentence; of one that cannot be loaded, why."""
    settings: tuple[str, ...] = ()
    """Names of its own settings, where it declares them."""


def entries(kinds: Sequence[str] = KINDS) -> Iterator[ListedPlugin]:
    """All plugins of these kinds, by name. One that cannot be loaded is listed with the reason."""
    for kind in kinds:
        for name in plugins.names(kind):
            try:
                declared = plugins.load(kind, name)
            except FsrbenchError as error:
                yield ListedPlugin(kind, name, str(error))
                continue
            yield ListedPlugin(kind, name, _sentence(declared), tuple(_fields(declared)))


def _sentence(declared: Any) -> str:
    if not isinstance(declared, Metric):
        return str(getattr(declared, "summary", "") or declared.meaning)
    if declared.named is not None:
        return f"Metrics of the package {declared.label}, as {declared.label}:NAME."
    needs = "" if declared.reference else " Needs no reference."
    return f"{declared.label}: {declared.better} is better.{needs}"


def _fields(declared: Any) -> Sequence[str]:
    """Names of the settings, where a pydantic model declares them."""
    return list(getattr(getattr(declared, "settings", None), "model_fields", ()))
