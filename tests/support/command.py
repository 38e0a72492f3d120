"""The command line in a process of its own, as a user starts it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PLAIN = ["--set", "families.general.backend=bicubic", "--set", "metrics=psnr,ssim"]


def fsrbench(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error::SyntaxWarning", "-m", "fsrbench", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=cwd, timeout=300)
