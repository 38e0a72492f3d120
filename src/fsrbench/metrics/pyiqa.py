"""Any metric of the package pyiqa, where it is installed: `pyiqa:musiq`, `pyiqa:clipiqa+`, `pyiqa:dists`, …

The part after the colon is pyiqa's own name; range, direction and need of a reference are what pyiqa says. The
package is an extra, since its licence is non-commercial (PolyForm-Noncommercial) and it pulls in a hundred others.
It fetches its networks by itself, unasked and unchecked, so it does not run where downloads are forbidden. Some of
its metrics crop at random: every picture is scored from the same seed.
"""

from __future__ import annotations

import importlib.util
import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import SettingsError, Unavailable, missing_package
from fsrbench.core.near import near
from fsrbench.metrics._pair import fitting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import torch

    from fsrbench.core.values import Image

    Scorer = Callable[[Sequence[Image], Image | None], list[float]]


def named(name: str) -> Metric:
    """One metric of the package. Without the package it can be named, but not opened."""
    if importlib.util.find_spec("pyiqa") is None:
        return Metric(f"{name} (pyiqa)", "higher", reference=False, digits=4, open=_open_missing)
    from pyiqa.default_model_configs import DEFAULT_CONFIGS

    if name not in DEFAULT_CONFIGS:
        hint = near(name, DEFAULT_CONFIGS, "pyiqa:{}")
        raise SettingsError(f"The package pyiqa has no metric {name!r}.{hint} Its list: pyiqa.list_models().")
    facts = DEFAULT_CONFIGS[name]
    reference = facts.get("metric_mode") == "FR"
    return Metric(
        f"{name} (pyiqa)",
        "lower" if facts.get("lower_better") else "higher",
        reference=reference,
        digits=4,
        open=lambda machine: _open(name, machine, reference=reference),
        depends=("device",),
    )


def _open(name: str, machine: Machine, *, reference: bool) -> Scorer:
    """Let the package build its metric."""
    import torch

    if machine.offline or os.environ.get("FSRBENCH_OFFLINE"):
        raise Unavailable(f"pyiqa:{name} may download its network by itself, which is forbidden here (offline).")
    import pyiqa

    try:
        metric = pyiqa.create_metric(name, device=torch.device(machine.device))
    except Exception as error:  # a failed download, a missing package of one metric: the package raises anything
        raise Unavailable(f"The package pyiqa cannot open {name}: {error}") from error

    def score(variants: Sequence[Image], target: Image | None) -> list[float]:
        others = [_tensor(fitting(variants, target), machine)] if reference else []
        return [_seeded(metric, _tensor(image, machine), *others) for image in variants]

    return score


_TURN = threading.Lock()
"""Random state belongs to the whole process: one number at a time."""


def _seeded(metric: Any, *pictures: torch.Tensor) -> float:
    """One number, from a fixed seed, with everybody else's random state left as it was."""
    import torch

    with _TURN, torch.inference_mode(), torch.random.fork_rng():
        torch.manual_seed(0)
        return float(metric(*pictures))


def _tensor(image: Image, machine: Machine) -> torch.Tensor:
    """1×3×H×W on the machine's device."""
    import torch

    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None].to(machine.device)


def _open_missing(_machine: Machine) -> Scorer:
    raise missing_package("pyiqa", "pyiqa", "A metric of pyiqa")


def _open_unnamed(_machine: Machine) -> Scorer:
    raise Unavailable("Say which metric of pyiqa is meant, e.g. pyiqa:musiq.")


METRIC = Metric("pyiqa", "higher", reference=False, digits=4, open=_open_unnamed, named=named)
