"""What setting runs against each other came to, in plain words: sentences for each family, and what was otherwise.

The rules are those of a run's findings: better and worse are said only of what is shown, and what could not be shown
has no direction.
"""

from __future__ import annotations

from collections.abc import Iterator

from fsrbench.core import order
from fsrbench.core.values import PURE
from fsrbench.measure.between_values import ComparedArm, RunComparison
from fsrbench.measure.claims import TESTED
from fsrbench.show import findings, numbers, wording

READING = (
    "Below an arm's mean stands Δ, its mean paired difference from the pure pictures of its own run, with the "
    "{level:.0%} t-interval. A row with − is the paired difference between two runs, case by case, with its interval, "
    "which is not adjusted; then how many pictures (persons, where it is known who is who) are better and worse, and p "
    "of the exact sign test of these two numbers, adjusted by Holm over the {tests} tests of this comparison. Bold is "
    "a difference that is *shown*: p is below {alpha:.0%} and the mean goes the way of the majority. A row rests on "
    "the cases with all numbers in all runs of its arm; a cell that rests on fewer cases than its row says so: [n=…]. "
    "Noise floors and arms that saw the reference are yardsticks and are not tested, nor is pure where all its "
    "pictures are the same."
)


def tell(found: RunComparison) -> dict[str, str]:
    """Family → what was found."""
    return {family: " ".join(_of_family(found, family)) for family in found.families}


def _of_family(found: RunComparison, family: str) -> Iterator[str]:
    for run in found.differing:
        arms = [arm for arm in ordered(found, family) if run in found.families[family][arm].alike]
        for arm in arms:
            yield from _between(found, family, arm, run)
        alike: dict[int, list[str]] = {}
        for arm in arms:
            if same(side := found.families[family][arm], run):
                alike.setdefault(side.both[run], []).append(name(found, arm, marked=False))
        for cases, own in alike.items():
            pictures = f"{wording.listed(own)} ended with the same pictures in {run} and in {found.first}"
            yield f"{pictures}, in {numbers.count(cases, 'case')}."
    yield from _floor(found, family)


def same(side: ComparedArm, run: str) -> bool:
    """Did an arm end with the pictures of the first run in every case?"""
    return 0 < side.alike[run] == side.both[run]


def verdicts(found: RunComparison) -> Iterator[str]:
    """One sentence for each further run: whether anything is shown at all."""
    for run in found.differing:
        sides = [side for arms in found.families.values() for side in arms.values() if run in side.alike]
        effects = [entry.differences[run].effect for side in sides for entry in side.metrics.values()]
        tests, shown = sum(e.p is not None for e in effects), sum(e.shown for e in effects)
        if sides and all(same(side, run) for side in sides):
            yield f"{run} and {found.first} ended with the same pictures in all cases: there is no difference."
        elif shown:
            yield f"{run} against {found.first}: {shown:,} of {numbers.count(tests, 'test')} show a difference."
        else:
            yield (
                f"{run} against {found.first}: no difference could be shown ({numbers.count(tests, 'test')}), which "
                "does not say that there is none."
            )


def ordered(found: RunComparison, family: str) -> list[str]:
    """Pure, then a family's arms in the order of rows."""
    arms = found.families[family]
    roles = {arm: side.role for arm, side in arms.items() if side.role is not None}
    return order.arms({*roles, *({PURE} & arms.keys())}, roles)


def name(found: RunComparison, arm: str, *, marked: bool = True) -> str:
    """An arm as rows name it; `Pure FSR` is one too."""
    return "Pure FSR" if arm == PURE else wording.arm_name(found, arm, marked=marked)


def _between(found: RunComparison, family: str, arm: str, run: str) -> Iterator[str]:
    """One arm in two runs."""
    side, first = found.families[family][arm], found.first
    label = name(found, arm, marked=False)
    if same(side, run) or (side.role is not None and side.role not in TESTED):
        return
    if side.void:
        yield f"Nothing is said of {label}: most of its replies could not be used in {wording.listed(side.void)}."
        return
    known = {metric: entry for metric, entry in side.metrics.items() if entry.n}
    if not known:
        yield f"{label}: nothing could be measured in both {run} and {first}."
        return
    if chose := [found.metrics[metric].label for metric, entry in known.items() if entry.chose]:
        yield f"{wording.listed(chose)} chose pictures of {label}, and is no evidence for it."
    effects = {m: entry.differences[run].effect for m, entry in known.items()}
    tested = {m: effect for m, effect in effects.items() if effect.p is not None}
    shown = {m: effect for m, effect in tested.items() if effect.shown}
    if shown:
        claims = "; ".join(findings.claim(found, m, effect, f"in {first}") for m, effect in shown.items())
        tests = numbers.count(found.statistics.tests, "test")
        yield f"{label} in {run}: {claims}. p is corrected for {tests}, intervals are not."
    cases = numbers.count(max(entry.n for entry in known.values()), "case")
    yield from findings.not_shown(found, f"{label} in {run}", tested, "" if shown else f" on {cases}", f"in {first}")


def _floor(found: RunComparison, family: str) -> Iterator[str]:
    """What single cases move by when nothing is done, in the first metric; nothing where no run measured it."""
    arms = found.families[family].values()
    known = ((m, entry.floor) for side in arms for m, entry in side.metrics.items() if entry.floor is not None)
    for metric, floor in list(known)[:1]:
        yield findings.unmoved(found, found.metrics[metric], floor)


def differing(found: RunComparison) -> Iterator[tuple[str, list[str]]]:
    """Each further run, and what was otherwise than in the first, a line each."""
    for run, differences in found.differing.items():
        lines = [f"{one.what}: {one.here} in {run}, {one.first} in {found.first}" for one in differences]
        yield run, lines or ["nothing: settings, prompts, weights and versions are the same"]


def beside(found: RunComparison) -> Iterator[str]:
    """What must be known beside the numbers: which cases are compared, what was left out, what failed."""
    total = ", ".join(f"{family} {n:,}" for family, n in found.cases.items())
    yield f"Compared are the cases that all runs have, with the same LR and reference: {total}."
    if persons := found.statistics.clusters:
        yield f"They show {numbers.count(persons, 'person')}, the units of every interval and test."
    for run, about in found.runs.items():
        for family, n in about.left_out.items():
            yield f"{run}: {numbers.count(n, 'case')} of {family} left out, which not all runs have."
        for place, n in about.failed.items():
            yield f"{run}: {place} failed on {numbers.count(n, 'case')}, which are in none of its means."
    for family, arms in found.families.items():
        for arm, side in arms.items():
            lacking = {m: entry.lacking for m, entry in side.metrics.items() if entry.lacking}
            told = ", ".join(f"{found.metrics[m].label} {n:,}" for m, n in lacking.items())
            if told:
                yield f"{family}, {name(found, arm, marked=False)}: cases without all numbers, left out: {told}."
    yield from found.notes
    sides = [side for arms in found.families.values() for side in arms.values()]
    if any(entry.chose for side in sides for entry in side.metrics.values()):
        yield wording.CHOSEN_MEANS
