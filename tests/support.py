"""What several test files use: how much memory a process took."""

from __future__ import annotations

import sys
from pathlib import Path


def peak_megabytes() -> float:
    """Megabytes of memory that this process ever had.

    Linux counts what the parent had before the process was started into `ru_maxrss`; its own status file does not.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text(encoding="ascii").split("VmHWM:")[1].split()[0]) / 1024
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1024)
