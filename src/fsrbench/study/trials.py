"""Which offered knobs move a picture: tried on the first cases of a run, before any auditor may ask for them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from fsrbench.case import liveness
from fsrbench.case.liveness import Trial
from fsrbench.core import execute, passes, plugins
from fsrbench.core.errors import sentence
from fsrbench.core.values import Case, derive_seed
from fsrbench.imaging import images
from fsrbench.study.families import OpenFamily


def try_knobs(opened: OpenFamily, cases: Sequence[Case]) -> dict[str, Trial] | None:
    """What offered knobs move of the first readable cases; None if there is no such case.

    A knob that needs several faces is tried on the first case that has them.
    """
    offered = opened.pipeline.offered
    special = liveness.choosy(offered, plugins.load("backends", opened.settings.families[opened.family].backend))
    usual = [name for name in offered if name not in special]
    if not offered:
        return {}
    tried: list[dict[str, int]] = []
    waiting = iter(cases)
    while len(tried) < liveness.PICTURES and (some := list(islice(waiting, liveness.PICTURES - len(tried)))):
        tried += _reaches(opened, some, usual)
    if not tried:
        return None
    found = {name: Trial(len(tried), max(reach[name] for reach in tried)) for name in usual}
    if special:
        bounds = opened.settings.limits.of_pictures()
        crowd = liveness.several_faces(
            cases, lambda case: images.read(case.lr, **bounds), opened.settings.scale, opened.machine
        )
        reaches = [] if isinstance(crowd, str) else _reaches(opened, [crowd[0]], special)
        why = crowd if isinstance(crowd, str) else "" if reaches else f"{crowd[0].id} could not be restored"
        found |= {name: Trial(len(reaches), max((r[name] for r in reaches), default=0), why) for name in special}
    return {name: found[name] for name in offered}


def most_passes(opened: OpenFamily, cases: int) -> int:
    """Passes that trying takes at most, beyond the pure ones of so many cases."""
    offered = opened.pipeline.offered
    special = liveness.choosy(offered, plugins.load("backends", opened.settings.families[opened.family].backend))
    plain = passes.of(offered, {})
    inside = {
        name: sum(len(passes.of(offered, {name: end}) - plain) for end in liveness.ends(knob))
        for name, knob in offered.items()
    }
    usual = sum(ends for name, ends in inside.items() if name not in special)
    crowd = 1 + sum(inside.get(name, 0) for name in special) if special and opened.machine.detector else 0
    return min(cases, liveness.PICTURES) * usual + crowd


def _reaches(opened: OpenFamily, cases: Sequence[Case], names: Sequence[str]) -> list[dict[str, int]]:
    """How far knobs move each of these cases; those that cannot be restored are left out."""
    clock = execute.Clock(opened.settings.limits.max_seconds)

    def probe(case: Case) -> dict[str, int] | None:
        try:
            lr = images.read(case.lr, **opened.settings.limits.of_pictures())
            pipeline, seed = opened.probed.get(case.id) or opened.pipeline.for_case(), seed_of(opened, case)
            pipeline.clock = clock
            found = liveness.reach(pipeline, lr, seed, names)
        except Exception as error:
            sentence(error)  # a bug goes on; what can be mended fails again, and is reported, when its turn comes
            return None
        pipeline.keep_only(lr, seed)
        opened.probed[case.id] = pipeline
        return found

    outcomes = execute.run(probe, cases, len(cases), clock.stop)
    return [found for found in outcomes if found is not None]


def seed_of(opened: OpenFamily, case: Case) -> int:
    """The seed of a case's pure restoration."""
    return derive_seed(opened.settings.seed, opened.settings.kind(opened.family), case.id)
