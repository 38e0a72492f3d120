"""What networks compute on: the device, how many passes run side by side, at which precision."""

from __future__ import annotations

import contextlib
import ctypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.core import execute
from fsrbench.core.errors import SettingsError, first_line

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine

PRECISIONS = ("fp32", "fp16", "bf16")


def resolve_device(name: str) -> str:
    """A device that is there: `auto` takes CUDA, then Apple's MPS, then the CPU."""
    if name == "cpu" or (name == "auto" and _no_accelerator()):
        return "cpu"
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.zeros(1, device=name).cpu()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise SettingsError(f"--device {name}: {first_line(error)}. Use auto or cpu.") from None
    return name


def _no_accelerator() -> bool:
    """Is it certain that there is none, since there is no driver? Loading torch to ask it takes a second or two."""
    if sys.platform == "darwin" or Path("/dev/kfd").exists():  # Apple's and AMD's: torch knows
        return False
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return True
    return False


def share_cores(machine: Machine, reentrant: bool) -> int:
    """Set the threads of a pass, and say how many passes may run side by side.

    On a CPU each core has a pass of its own: passes do not wait for one another, as the threads of one pass do, and
    what a pass computes is the same on any number of cores (torch adds in another order with more threads). A GPU
    takes one pass at a time, which may be a batch. It holds for this thread and for those to come, in the whole
    process: a thread that has computed before keeps what it had, until it calls this itself.
    """
    if not machine.device.startswith("cpu"):
        return 1
    import torch

    own = machine.cores or execute.cores()
    threads = 1 if reentrant else own
    if torch.get_num_threads() != threads:  # setting it makes torch forget how its convolutions are done best
        torch.set_num_threads(threads)
    return own if reentrant else 1


def check_precision(precision: str, device: str) -> None:
    """Refuse what the device cannot do, before anything is loaded."""
    if precision not in PRECISIONS:
        raise SettingsError(f"There is no precision {precision!r}. Known: {', '.join(PRECISIONS)}.")
    if precision == "fp16" and device.startswith("cpu"):
        raise SettingsError("fp16 does not run on the CPU. Choose --precision bf16 (fast) or fp32 (exact).")


def autocast(precision: str, device: str) -> contextlib.AbstractContextManager[Any]:
    """The context in which networks compute at a precision."""
    import torch

    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.partition(":")[0], torch.float16 if precision == "fp16" else torch.bfloat16)
