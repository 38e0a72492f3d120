"""Opening a family's networks: its own with the knobs that are turned on it, others beside it, a second opinion."""

from __future__ import annotations

from fsrbench.case.restore import BATCH, Pipeline
from fsrbench.core import contracts, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError, WeightsError
from fsrbench.core.ways import Network
from fsrbench.models import devices
from fsrbench.study.schema import Settings


def pipeline(family: str, settings: Settings, machine: Machine, other: Network | None = None) -> Pipeline:
    """The family's network with its knobs, or another one in its place."""
    own = settings.families[family]
    name = own.backend if other is None else other.backend
    backend: contracts.Backend = plugins.load("backends", name)
    chosen = settings.backend_settings(family) | ({} if other is None else {"backend": name, "model": other.model})
    restorer = backend.open(chosen, machine)
    offered = {
        knob: declared
        for knob, declared in settings.offered(family).items()
        if other is None or declared.stage in ("before", "after") or knob in backend.consumes
    }
    opinion = second(family, settings, machine) if other is None else None
    lanes = devices.share_cores(machine, reentrant(family, settings)) if other is None else 1
    batch = 1 if machine.device.startswith("cpu") else BATCH
    model = None if other is None else other.model or ""
    return Pipeline(restorer, offered, settings.scale, machine.precision, batch, lanes, name, model, opinion)


def reentrant(family: str, settings: Settings) -> bool:
    """May many threads restore at once?"""
    own = settings.families[family]
    names = [own.backend, *([] if own.second is None else [own.second.backend])]
    return all(plugins.load("backends", name).reentrant for name in names)


def second(family: str, settings: Settings, machine: Machine) -> contracts.Restorer | None:
    """The network whose opinion a family's knob second_opinion blends in; None where the settings name none."""
    chosen = settings.second_settings(family)
    if chosen is None:
        return None
    backend: contracts.Backend = plugins.load("backends", chosen["backend"])
    try:
        return backend.open(chosen, machine)
    except (SettingsError, WeightsError) as error:
        raise type(error)(f"The second network of the family {family}: {error}") from None
