"""What works on this machine: packages, devices, embedded models, weights, the LVLM's settings. Changes nothing."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterator
from dataclasses import dataclass

from fsrbench.core.errors import FsrbenchError
from fsrbench.core.values import FAMILIES
from fsrbench.models import devices, weights

PACKAGES = ("torch", "torchvision", "spandrel", "insightface", "onnxruntime", "lpips", "piq", "openai", "opencv-python")
OPTIONAL = {
    "basicsr": "upstream",
    "realesrgan": "upstream",
    "gfpgan": "upstream",
    "pyiqa": "pyiqa",
    "ray": "ray",
    "mlflow": "mlflow",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    what: str
    """What was looked at."""
    ok: bool
    """Whether it can be used."""
    text: str
    """What was found, or how to get it."""


def examine() -> list[Finding]:
    """Everything, in the order in which it is printed."""
    return [*_packages(), *_devices(), *_embedded(), *_weights(), *_lvlm()]


def _packages() -> Iterator[Finding]:
    for name in PACKAGES:
        try:
            yield Finding(name, True, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, False, f"pip install {name}")
    for name, extra in OPTIONAL.items():
        here = importlib.util.find_spec(name) is not None
        yield Finding(f"{name} (optional)", here, "installed" if here else f"pip install 'fsrbench[{extra}]'")


def _devices() -> Iterator[Finding]:
    import torch

    device = devices.resolve_device("auto")
    detail = torch.cuda.get_device_name(device) if device.startswith("cuda") else f"{torch.get_num_threads()} threads"
    yield Finding("device", True, f"{device} ({detail})")


def _embedded() -> Iterator[Finding]:
    for family in FAMILIES:
        try:
            yield Finding(f"embedded model, {family}", True, weights.embedded(family).name)
        except FsrbenchError as error:
            yield Finding(f"embedded model, {family}", False, str(error))


def _weights() -> Iterator[Finding]:
    try:
        found = weights.status()
    except FsrbenchError as error:
        yield Finding("FSRBENCH_WEIGHTS", False, str(error))
        return
    for state in found:
        there = state.path is not None
        cure = f"fsrbench weights --download {state.weight.name}"
        lacking = f"for {', '.join(state.weight.needed_by)}: {cure}"
        yield Finding(state.weight.name, there, str(state.path) if there else lacking)


def _lvlm() -> Iterator[Finding]:
    """Which of the LVLM's settings are made; never what the key is."""
    own = "not set: OpenAI's own server is asked; for another one set it, or give --base-url"
    yield Finding("OPENAI_BASE_URL", True, os.environ.get("OPENAI_BASE_URL", own))
    model, lacking = (
        os.environ.get("FSRBENCH_LVLM_MODEL"),
        "not set: --lvlm needs it, --lvlm-model or the config's model",
    )
    yield Finding("FSRBENCH_LVLM_MODEL", model is not None, model or lacking)
    there = bool(os.environ.get("OPENAI_API_KEY", "").strip())
    cure = "not set: --lvlm needs it with OpenAI's own server; a server of your own may need none"
    yield Finding("OPENAI_API_KEY", there, "set" if there else cure)
