"""What `study.yaml` says of a run, and whether a later command may go on in the same folder.

A family or an arm may be added to a finished run. Whatever would change a result that is already there may
not: it is refused with the list of what differs.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from operator import itemgetter
from pathlib import Path
from typing import Any

from fsrbench import __version__
from fsrbench.core import order, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import StoreError
from fsrbench.core.questions import MAX_REPLY
from fsrbench.study.schema import Settings

PACKAGES = ("torch", "torchvision", "spandrel", "numpy", "scipy", "opencv-python", "pillow", "insightface", "openai")
"""Packages whose version may move a pixel or a number."""


PARTS = ("families", "arms", "prompts", "weights", "evidence", "dead_knobs", "knob_trials", "assumptions", "promises")
"""Parts with names in them, to which a later command may add."""


def describe(
    settings: Settings, machine: Machine, inputs: tuple[Path, Path | None], prompts: Mapping[str, str]
) -> dict[str, Any]:
    """Everything a reader needs to make the run again, as far as it is known before anything is opened.

    `inputs` are the folders of LR and HR; `prompts` maps a family to the hash of its prompt file. Hashes of
    weights, and which instruments the auditors' evidence is made with, are joined when they are opened.
    """
    lr, hr = inputs
    plain = settings.model_dump(mode="json")
    for name in settings.arms:
        plain["arms"][name]["limits"] |= settings.limits_of(name).model_dump()
    return {
        "started": today(),
        "fsrbench": __version__,
        "inputs": {"lr": lr.absolute().as_posix(), "hr": hr.absolute().as_posix() if hr else None},
        "settings": plain,
        "machine": {"device": machine.device.partition(":")[0], "precision": machine.precision},
        "prompts": dict(prompts),
        "evidence": {},
        "weights": {},
        "dead_knobs": {},
        "knob_trials": {},
        "assumptions": {},
        "promises": {},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
    }


def join(old: Mapping[str, Any] | None, new: Mapping[str, Any], root: Path) -> dict[str, Any]:
    """The record that covers what is in the folder and what will be added; StoreError if they disagree."""
    before = old or new
    differing = [f"{where}: {there!r} there, {now!r} now" for where, there, now in differences(before, new)]
    if differing:
        raise StoreError(
            f"{root} holds a run with other settings, and mixing them would make a result nobody can read:\n"
            + "\n".join(f"  {line}" for line in differing)
            + "\nUse another --out, or the settings of the run."
        )
    started = new["started"] if old is None else old.get("started", "")  # an older version's run is not begun today
    joined = {**new, "started": started, "settings": dict(new["settings"])}
    for part in PARTS:  # families in the order of rows, whenever they were added; arms in that of the study
        whole, one, other = (joined, before, new)
        if part in new["settings"]:
            whole, one, other = joined["settings"], before["settings"], new["settings"]
        names = {**one.get(part, {}), **other[part]}
        whole[part] = {name: names[name] for name in (names if part == "arms" else order.families(names))}
    for part in ("weights", "promises"):
        joined[part] = {f: {**before.get(part, {}).get(f, {}), **own} for f, own in joined[part].items()}
    joined["inputs"] = {**new["inputs"], "hr": new["inputs"]["hr"] or before["inputs"]["hr"]}
    portable = {key: value for key, value in _decisive(joined).items() if key != "inputs"}
    text = json.dumps({**portable, "hr_size": joined["settings"]["hr_size"]}, sort_keys=True)
    return {**joined, "fingerprint": hashlib.sha256(text.encode()).hexdigest()}


def differences(was: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """What decides results and differs between two records: the key, its value there, its value now; by key."""
    return sorted(_differences(_decisive(was), _decisive(now)), key=itemgetter(0))


def _decisive(record: Mapping[str, Any]) -> dict[str, Any]:
    """The parts of a record that decide what is restored and audited (metrics are computed anew at any time)."""
    settings = record["settings"]
    kept = {key: settings[key] for key in ("seed", "models", "scale", "faces", "guards", "families")}
    # A reply that was too long is a result. The other limits decide on failures, which are taken up again, or on words.
    kept["limits"] = {"max_reply": settings["limits"].get("max_reply", MAX_REPLY)}
    kept["arms"] = {name: answering(arm) for name, arm in settings["arms"].items()}
    kept["inputs"] = {name: folder for name, folder in record["inputs"].items() if folder is not None}
    return {**kept, **{key: record[key] for key in ("machine", "prompts", "weights", "evidence")}}


def answering(arm: Mapping[str, Any]) -> dict[str, Any]:
    """An arm's settings without those that its auditor declares to be about handling, such as a limit on cost."""
    auditor = arm.get("auditor") or ""
    known = auditor in plugins.names("auditors")
    handling = plugins.load("auditors", auditor).handling if known else ()
    return {key: value for key, value in arm.items() if key not in handling}


def _differences(was: Mapping[str, Any], now: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any, Any]]:
    """What differs. In PARTS, a name that only one side has is an addition and no difference.

    So are a family's weights: a twin is opened, and recorded, when a knob first asks for it. Instruments are recorded
    together, when an auditor first needs them: one that came or went since tells auditors something else.
    """
    adding = place in (*PARTS, "inputs") or place.startswith("weights.")
    if place == "evidence":
        adding = not was or not now
    names = set(was) & set(now) if adding else {*was, *now}
    for name in names:
        one, other, where = was.get(name), now.get(name), f"{place}.{name}".lstrip(".")
        if isinstance(one, Mapping) and isinstance(other, Mapping):
            yield from _differences(one, other, where)
        elif one != other:
            yield where, one, other


def today() -> str:
    """The day, in UTC. No time of day: runs of one day are alike to the last byte."""
    return datetime.now(UTC).date().isoformat()


@functools.cache
def version(package: str) -> str | None:
    """Which version of a package is installed; None if it is not."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
