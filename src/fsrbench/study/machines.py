"""Where a run works and who does the work, by the words that people use for it: `auto`, `local`, `ray`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from fsrbench.case import restore
from fsrbench.core import execute
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError
from fsrbench.core.near import among
from fsrbench.models import devices
from fsrbench.study import workers
from fsrbench.study.schema import Settings
from fsrbench.study.workers import Executor

EXECUTORS = ("local", "ray")
"""This machine, or a Ray cluster."""


def machine(settings: Settings, device: str = "auto", precision: str = "fp32", offline: bool = False) -> Machine:
    """Where networks run; `auto` is resolved here."""
    return resolved(settings, devices.resolve_device(device), precision, offline)


def resolved(settings: Settings, device: str, precision: str = "fp32", offline: bool = False) -> Machine:
    """The same for a device that is resolved already."""
    _known("precision", precision, devices.PRECISIONS)
    return Machine(device, precision, offline, settings.faces.detector, settings.faces.recogniser)


@contextmanager
def executor(
    kind: str, address: str | None, device: str, many: int | None, settings: Settings
) -> Iterator[tuple[str, int, Executor]]:
    """The resolved device, how many work at once, and who does the work; `many` is what somebody asked for."""
    _known("executor", kind, EXECUTORS)
    if kind == "local":
        if address is not None:
            raise SettingsError("--address names a Ray cluster: add --executor ray.")
        where = devices.resolve_device(device)
        usual = execute.WORKERS if where.startswith("cpu") else restore.BATCH
        yield where, max(many or usual, settings.in_flight()), workers.local
        return
    from fsrbench.study import ray_cluster, ray_workers

    with ray_cluster.connected(address):
        yield ray_cluster.resolve_device(device, address), many or 0, partial(ray_workers.pool, address=address)


def _known(what: str, name: str, known: Sequence[str]) -> None:
    """Refuse a word that nobody knows."""
    if name not in known:
        raise SettingsError(f"There is no {what} {name!r}.{among(name, known)}")
