"""A tuned constant as people read it: a table of what it gained, and sentences on what that is worth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from fsrbench.case.tuned import TunedConstant, TunedGain
from fsrbench.core import plugins
from fsrbench.core.contracts import Metric
from fsrbench.show import numbers, wording

if TYPE_CHECKING:
    from rich.table import Table

SMOOTHING = (
    "Averaging smooths: NIQE, which likes fine texture, became worse. A gain in the others is closeness to the truth, "
    "not looks."
)


def terminal(found: TunedConstant) -> Table:
    """What the constant gained, metric by metric."""
    from rich.table import Table

    title = f"{found.family} · {found.model}: the constant {setting(found)}, on persons who had no part in choosing it"
    table = Table(title=title, header_style="bold")
    for name in ("", "persons", "Δ of the mean", "95 % interval", "persons harmed"):
        table.add_column(name, justify="right" if name else "left")
    for name, gain in found.gains.items():
        metric: Metric = plugins.load("metrics", name)
        band = wording.interval(metric, gain.low, gain.high)
        table.add_row(
            wording.heading(metric) + (" (objective)" if name == found.objective else ""),
            numbers.whole(gain.persons),
            wording.number(metric, gain.delta, signed=True),
            f"[{band[0]}, {band[1]}]" if band else numbers.MISSING,
            numbers.share(gain.harmed),
        )
    return table


def setting(found: TunedConstant) -> str:
    """`dehalo=0.2, self_ensemble=8`."""
    return ", ".join(f"{name}={numbers.plain(value)}" for name, value in found.knobs.items()) or "pure"


def lines(found: TunedConstant) -> Iterator[str]:
    """What stands below the table."""
    tried = ", ".join(f"{name} ({len(values)} values)" for name, values in found.searched.items())
    yield (
        f"Tried: {tried or 'nothing'}; recipe {found.recipe}, {found.draws} draws of each of {len(found.persons)} "
        f"faces. Leaving out one person, the choice stays the same for {numbers.spaced(found.agreed)} of them."
    )
    if not found.knobs:
        yield "No setting of these is better than pure for all together: whoever turns a knob must look."
    if _worse(found.gains.get("niqe")):
        yield SMOOTHING
    yield from found.notes


def _worse(gain: TunedGain | None) -> bool:
    return gain is not None and gain.delta is not None and gain.delta > 0
