"""`fsrbench run --lvlm` as a user types it, against a server on loopback: from the key to the panel."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fsrbench.imaging import images
from support import draw_face
from support.loopback import GOOD, Loopback, says

KEY = "sk-test-not-a-real-key-0123456789"


@pytest.mark.slow
def test_a_run_with_an_lvlm(tmp_path: Path) -> None:
    root = tmp_path / "mes visages"
    for number in range(3):
        images.write(root / "hr" / f"{number}.png", draw_face(128, number))
        images.write(root / "lr" / f"{number}.png", images.resize(draw_face(128, number), 32, 32))
    settings = ["families.general.backend=bicubic", "metrics=psnr", "hr_size=128"]
    settings.append("arms.lvlm.prices={tiny: {input: 1, output: 2}}")
    words = ["run", "--family", "general", "--lvlm", "--lvlm-model", "tiny", "--hr", "hr", "--lr", "lr", "--out", "out"]
    words += [word for change in settings for word in ("--set", change)]
    with Loopback(says(json.dumps(GOOD))) as server:
        done = subprocess.run(
            [sys.executable, "-m", "fsrbench", *words, "--base-url", server.url, "--concurrency", "2"],
            cwd=root, capture_output=True, text=True, timeout=120, env={**os.environ, "OPENAI_API_KEY": KEY},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with (root / "out" / "run_config.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["arm"] == "lvlm"]
    assert [row["decision"] for row in rows] == ["retry", "accept"] * 3  # asked for dehalo once; then it stands
    assert {row["dehalo"] for row in rows} == {"0.4"}
    assert all(int(row["prompt_tokens"]) > 0 and float(row["cost"]) > 0 for row in rows)
    summary = (root / "out" / "summary.md").read_text(encoding="utf-8")
    assert "FSR+LVLM" in summary
    assert len(list((root / "out" / "general" / "panels").glob("*.png"))) == 3
    for path in (p for p in (root / "out").rglob("*") if p.is_file()):
        assert KEY.encode() not in path.read_bytes(), path
    assert KEY not in done.stdout + done.stderr
