"""Which passes through networks a setting of the knobs takes: a pass that a case had before is not made again.

A knob that acts after the network takes none. Two knobs act around it and are the pipeline's own: with SELF_ENSEMBLE
the network sees the input in several views, with SECOND_OPINION another network sees it too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from fsrbench.core.contracts import Knob
from fsrbench.core.stored import Knobs

SELF_ENSEMBLE, SECOND_OPINION = "self_ensemble", "second_opinion"
"""Names of the knobs that act around a network."""
Pass: TypeAlias = tuple[object, ...]
"""What decides a network's output for one input, beside its seed: which network, which view, which knobs."""


def no_second(family: str) -> str:
    """Said where a second network's opinion is asked for, and the family names none."""
    return (
        f"{SECOND_OPINION} needs a second network: name its backend, and a model where that is not the usual one, e.g. "
        f"families.{family}.second=faithful, or families.{family}.second={{backend: realesrgan, model: x4v3}}."
    )


def moved(offered: Mapping[str, Knob], changes: Knobs) -> Knobs:
    """The knobs that do not stand at their defaults, in the order in which they are offered."""
    return {name: changes[name] for name, knob in offered.items() if changes.get(name, knob.default) != knob.default}


def around(turned: Knobs) -> tuple[int, float]:
    """How many views the family's network sees, and how much of the picture is a second network's."""
    return int(turned.get(SELF_ENSEMBLE, 1)), float(turned.get(SECOND_OPINION, 0.0))


def of(offered: Mapping[str, Knob], changes: Knobs) -> frozenset[Pass]:
    """The passes behind one setting. Of the second network alone, none is the family's own."""
    turned = moved(offered, changes)
    views, share = around(turned)
    before = tuple(sorted((name, value) for name, value in turned.items() if offered[name].stage == "before"))
    within = tuple(sorted((name, value) for name, value in turned.items() if offered[name].stage == "restore"))
    own: set[Pass] = {("own", view, before, within) for view in range(views)} if share < 1 else set()
    return frozenset(own | ({("second", 0, before)} if share > 0 else set()))


def most(offered: Mapping[str, Knob], settings: int) -> int:
    """How many passes so many settings take at most that the plain restoration did not take."""
    stages = {knob.stage for knob in offered.values()}
    views = int(max(offered[SELF_ENSEMBLE].choices)) if SELF_ENSEMBLE in offered else 1
    own = settings * views if stages & {"before", "restore"} else min(settings, 1) * (views - 1)
    second = settings if "before" in stages else min(settings, 1)
    return own + (second if SECOND_OPINION in offered else 0)
