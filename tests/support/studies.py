"""Studies of drawn faces on the plain backend: their settings, and all that they wrote, to be compared."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PLAIN = [
    "families.general.backend=bicubic",
    "families.blind.backend=bicubic",
    "families.prior.backend=bicubic",
    "metrics=psnr,ssim",
]
TIMINGS = {"seconds", "audit_seconds"}
ACCEPT = {"score": 95, "confidence": 95, "tags": [], "hints": {}, "reason": "good"}
ASK = {"score": 30, "confidence": 95, "tags": ["ringing"], "hints": {"dehalo": 9.0, "nose": 1}, "reason": "halo, =1+1"}


def scripted(*replies: dict[str, Any]) -> str:
    return f"arms.s={json.dumps({'auditor': 'scripted', 'replies': list(replies)})}"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def everything(out: Path) -> dict[str, object]:
    """All files of a run, timings blanked; without the report, which tells them and its folder's name."""

    def calm(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: 0 if "seconds" in k or "latency" in k else calm(v) for k, v in value.items()}
        return [calm(v) for v in value] if isinstance(value, list) else value

    found: dict[str, object] = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file() and p.name not in (".lock", ".journal")):
        name = path.relative_to(out).as_posix()
        if name.startswith("report/"):
            continue
        if path.suffix == ".json":
            found[name] = calm(json.loads(path.read_text(encoding="utf-8")))
        elif path.name in ("run_config.csv", "candidates.csv"):
            found[name] = [{k: v for k, v in row.items() if k not in TIMINGS} for row in rows(path)]
        else:
            found[name] = path.read_bytes()
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError
