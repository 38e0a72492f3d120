"""What `study.yaml` says of a run, and whether a later command may go on in the same folder.

A family or an arm may be added to a finished run. Whatever would change a result that is already there may
not: it is refused with the list of what differs.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fsrbench import __version__
from fsrbench.config import Settings
from fsrbench.errors import StoreError
from fsrbench.plugins import Machine

PACKAGES = ("torch", "torchvision", "spandrel", "numpy", "scipy", "opencv-python", "pillow", "insightface", "openai")
"""Packages whose version may move a pixel or a number."""


def describe(
    settings: Settings, machine: Machine, lr: Path, hr: Path | None, prompts: Mapping[str, str]
) -> dict[str, Any]:
    """Everything a reader needs to make the run again. `prompts` is family → hash of its prompt file."""
    plain = settings.model_dump(mode="json")
    for name in settings.arms:
        plain["arms"][name]["limits"] = settings.limits_of(name).model_dump()
    return {
        "fsrbench": __version__,
        "inputs": {"lr": lr.absolute().as_posix(), "hr": hr.absolute().as_posix() if hr else None},
        "settings": plain,
        "machine": {"device": machine.device.partition(":")[0], "precision": machine.precision},
        "prompts": dict(prompts),
        "weights": {},
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in PACKAGES}},
    }


def join(old: Mapping[str, Any] | None, new: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The record that covers what is in the folder and what will be added; StoreError if they disagree."""
    joined = {**new, "settings": dict(new["settings"])}
    if old is not None:
        differing = sorted(_differences(old, new))
        if differing:
            raise StoreError(
                f"{root} holds a run with other settings, and mixing them would make a result nobody can read:\n"
                + "\n".join(f"  {line}" for line in differing)
                + "\nUse another --out, or the settings of the run."
            )
        for part in ("families", "arms"):
            joined["settings"][part] = {**old["settings"][part], **new["settings"][part]}
        for part in ("prompts", "weights"):
            joined[part] = {**old[part], **new[part]}
        joined["inputs"] = {**new["inputs"], "hr": new["inputs"]["hr"] or old["inputs"]["hr"]}
    parts = {
        key: value for key, value in joined.items() if key not in ("inputs", "fingerprint", "versions", "fsrbench")
    }
    text = json.dumps(parts, sort_keys=True)
    return {**joined, "fingerprint": hashlib.sha256(text.encode()).hexdigest()}


def _differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    was, now = dict(_flat(_decisive(old))), dict(_flat(_decisive(new)))
    for part in ("families", "arms", "prompts", "weights"):  # one that only one side has is an addition
        for side, other in ((was, now), (now, was)):
            groups = {key.split(".")[1] for key in other if key.startswith(f"{part}.")}
            for key in [k for k in side if k.startswith(f"{part}.") and k.split(".")[1] not in groups]:
                del side[key]
    for key in {*was, *now}:
        if was.get(key) != now.get(key):
            yield f"{key}: {was.get(key)!r} there, {now.get(key)!r} now"


def _decisive(record: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a record that decide what is restored and audited (metrics are computed anew at any time)."""
    settings = record["settings"]
    kept = {key: settings[key] for key in ("seed", "models", "scale", "families", "arms", "faces")}
    return {**kept, "machine": record["machine"], "prompts": record["prompts"], "weights": record["weights"]}


def _flat(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, child in value.items():
            yield from _flat(child, f"{key}.{name}" if key else str(name))
    else:
        yield key, value


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
