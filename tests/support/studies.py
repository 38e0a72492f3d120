"""Studies of drawn faces on the plain backend: their settings, and all that they wrote, to be compared."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fsrbench.show import compute

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


def untimed(value: Any) -> Any:
    """A value read from JSON, timings blanked."""
    if isinstance(value, dict):
        return {k: 0 if "seconds" in k or "latency" in k else untimed(v) for k, v in value.items()}
    return [untimed(v) for v in value] if isinstance(value, list) else value


def untimed_summary(text: str) -> str:
    """`summary.md` without the last column of the table of what a case took: its seconds."""
    before, title, after = text.partition(f"### {compute.TITLE}\n\n")
    table, gap, rest = after.partition("\n\n")
    lines = table.splitlines()
    assert not title or lines[0].endswith("| seconds |")
    return before + title + "\n".join(line.rsplit("|", 2)[0] for line in lines) + gap + rest


def everything(out: Path) -> dict[str, object]:
    """All files of a run, timings blanked; without the report, which tells them and its folder's name."""
    found: dict[str, object] = {}
    for path in sorted(p for p in out.rglob("*") if p.is_file() and p.name not in (".lock", ".journal")):
        name = path.relative_to(out).as_posix()
        if name.startswith("report/"):
            continue
        if path.suffix == ".json":
            found[name] = untimed(json.loads(path.read_text(encoding="utf-8")))
        elif path.name in ("run_config.csv", "candidates.csv"):
            found[name] = [{k: v for k, v in row.items() if k not in TIMINGS} for row in rows(path)]
        elif name == "summary.md":
            found[name] = untimed_summary(path.read_text(encoding="utf-8"))
        else:
            found[name] = path.read_bytes()
    return found


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise TimeoutError
