"""What decides a metric's numbers beside the pictures: while it is the same, a number need not be measured again."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
from pathlib import Path
from typing import Any

from fsrbench import __version__
from fsrbench.core.contracts import Machine
from fsrbench.files.journal import Journal
from fsrbench.measure.subjects import Evaluation
from fsrbench.models import published
from fsrbench.study import record

PACKAGES = ("numpy", "scipy", "opencv-python", "pillow", "torch", "lpips", "piq", "onnxruntime", "insightface", "pyiqa")
"""Packages whose version may move a number."""


def of(name: str, what: Evaluation, machine: Machine, journal: Journal) -> str:
    """What decides a metric's numbers beside the pictures, as a hash: code, packages, weights, where it runs."""
    metric = what.metrics[name]
    source = Path(importlib.import_module(f"fsrbench.metrics.{name.partition(':')[0]}").__file__ or "")
    code = {file.name: journal.sha256(file) for file in (source, *sorted(source.parent.glob("_*.py")))}
    folder = os.environ.get("FSRBENCH_WEIGHTS")  # what lies there may be somebody's own; all else is the published file
    found = {one: journal.sha256(Path(folder, one)) if folder else None for one in metric.weights}
    decisive = {
        "name": name,
        "fsrbench": __version__,
        "packages": {package: record.version(package) for package in PACKAGES},
        "code": code,
        "weights": {one: digest or published.TABLE[one].sha256 for one, digest in found.items()},
        "machine": {one: _telling(getattr(machine, one), journal) for one in metric.depends},
        "reference": [what.hr_size, what.limits.of_pictures()] if metric.reference else None,
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _telling(value: Any, journal: Journal) -> str | None:
    """A file by its content, a device by its kind."""
    return journal.sha256(value) if isinstance(value, Path) else value and str(value).partition(":")[0]
