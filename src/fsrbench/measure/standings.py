"""What an arm is to a reader: what it is there for, and what must be said of it wherever it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from fsrbench.core import order, plugins
from fsrbench.core.ways import Role
from fsrbench.study.schema import Arm, Settings

Standing: TypeAlias = Role | Literal["headroom"]
"""What an arm is to a reader: its role, or that it saw the reference and so bounds what others can reach."""
MARKS: dict[Standing, str] = {"floor": "noise floor", "headroom": "privileged: saw the reference"}
"""What must be said of an arm wherever it shows."""


def of_run(settings: Settings) -> dict[str, Standing]:
    """Arm → what it is there for, in the order of rows."""
    found = {arm: _role(settings, arm) for arm in settings.arms}
    return {arm: found[arm] for arm in order.arms(found, found)}


def marks(settings: Settings, roles: Mapping[str, Standing]) -> dict[str, str]:
    """Arm → what must be said of it, for those of which anything must."""
    return {arm: _mark(settings, arm, role) for arm, role in roles.items() if role in MARKS}


def twins(settings: Settings, roles: Mapping[str, Standing]) -> dict[str, tuple[str, ...]]:
    """Contender → the controls that differ from it by their auditor alone, and by its settings."""
    rest = {arm: _but_for_the_auditor(settings.arms[arm]) for arm in roles if settings.arms[arm].auditor}
    return {
        arm: tuple(other for other in rest if roles[other] == "control" and rest[other] == rest[arm])
        for arm in rest
        if roles[arm] == "contender"
    }


def _but_for_the_auditor(arm: Arm) -> dict[str, object]:
    """All that was said of an arm, without who looks for it."""
    apart = {"auditor", "variant_of", *arm.settings}
    return {key: value for key, value in arm.model_dump().items() if key not in apart}


def _role(settings: Settings, arm: str) -> Standing:
    """What an arm is there for: by its way, and by whoever looks at pictures for it."""
    way, lookers = settings.arms[arm].declared(), settings.arms[arm].lookers()
    if way.role == "floor":
        return "floor"
    if settings.privileged(arm):
        return "headroom"
    if lookers:
        return "control" if any(looker.control for looker in lookers) else "contender"
    return way.role


def _mark(settings: Settings, arm: str, role: Standing) -> str:
    """What must be said of an arm; of an oracle also by which metric it chose, since it bounds no other."""
    named = settings.arms[arm].chosen_by() if role == "headroom" else ()
    labels = ", ".join(plugins.load("metrics", metric).label for metric in named)
    return f"{MARKS[role]}, chose by {labels}" if labels else MARKS[role]
