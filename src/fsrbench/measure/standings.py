"""What an arm is to a reader: what it is there for, and what must be said of it wherever it shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from fsrbench.core import order, plugins
from fsrbench.core.ways import Role
from fsrbench.study.schema import Settings

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
