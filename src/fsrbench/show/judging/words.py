"""What a report on judges came to, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from fsrbench.measure.intervals import PersonShare
from fsrbench.measure.judged_values import JudgeResult, JudgingReport
from fsrbench.show import numbers
from fsrbench.show.judging import rows

CHANCE = 0.5
"""Agreement of somebody who does not look."""
READING = (
    "Agreement is the share of pairs of pictures of one case in which the judge prefers the one that people or a "
    "metric prefer, in both orders; half is chance, and no preference counts half. Pairs that differ by no more than "
    "the noise floor, and people's ties, are left out. Below it stand its 95 % interval over persons and Kendall's "
    "tau-b within a case. Intervals are not adjusted for how many there are."
)
BEHAVIOUR = (
    "Same in other order, same again: pairs of which the judge says the same when the pictures change places, and "
    "with another seed. Takes the first: choices that fell on the picture that stood first; half is without a "
    "leaning. Wrong LR costs: points of agreement that it loses when it is shown another person's LR, in the first "
    "metric that it does not go by; who does not use the LR loses none. Sees …: how often it prefers the pure picture "
    "to itself with that fault planted."
)
CHOSEN = "◊ The judge goes by this metric: its agreement with it is no finding."


def findings(found: JudgingReport) -> Iterator[tuple[str, list[str]]]:
    """Family → sentences."""
    for family in found.families:
        own = [result for result in found.results if result.family == family]
        yield family, [_about(found, family), *(line for result in own for line in _of_judge(found, result))]


def beside(found: JudgingReport) -> Iterator[str]:
    """What a reader must know."""
    if found.stopped:
        yield f"Not all was asked: {found.stopped}"
    for family, about in found.families.items():
        if about.choices:
            chosen = numbers.count(about.choices, "choice")
            yield f"{family}: {chosen} of people; repeats and attention checks are left out."
    without = [family for family, about in found.families.items() if found.metrics and not any(about.floors.values())]
    if without:
        yield (
            f"{', '.join(without)}: the noise floor is zero or was not measured, so only equal numbers are ties. An "
            "arm rerun measures it where the network draws noise."
        )
    if any(metric in facts.measures for facts in found.judges.values() for metric in found.metrics):
        yield CHOSEN
    for family in found.families:
        unused = [one for one in found.results if one.family == family and one.turned.unjudged]
        for result in unused:
            pairs = numbers.count(result.turned.unjudged, "pair")
            yield f"{family}: of {pairs} {result.judge} gave no usable answer in one of the orders."
    yield from found.notes


def _about(found: JudgingReport, family: str) -> str:
    about = found.families[family]
    return (
        f"{numbers.count(about.pairs, 'pair')} of {numbers.count(about.pictures, 'picture')} from "
        f"{numbers.count(about.cases, 'case')} of {numbers.count(about.persons, 'person')}."
    )


def _of_judge(found: JudgingReport, result: JudgeResult) -> Iterator[str]:
    """Only what its intervals show."""
    name = rows.name(found, result.judge)
    metric = rows.main_metric(found, result.judge)
    against = [("people", result.people)] if result.people.share is not None else []
    against += [(found.metrics[metric].label, result.agreement[metric])] if metric is not None else []
    for whom, share in against:
        if told := _apart(share):
            yield f"{name} agrees with {whom} {told}: {_said(share)}."
    if told := _apart(result.first):
        yield f"{name} takes the picture that stands first {told}: {_said(result.first)}."
    drop = result.drop[metric] if metric is not None else None
    if metric is not None and drop is not None and drop.low is not None and drop.low > 0 and drop.mean is not None:
        less = f"{numbers.fixed(100 * drop.mean, 0)} points less with {found.metrics[metric].label}"
        yield f"{name} uses the LR: with another person's it agrees {less}."
    worse = [fault for fault, one in result.spoilt.items() if one.high is not None and one.high < CHANCE]
    if worse:
        yield f"{name} prefers pictures with planted faults to clean ones: {', '.join(worse)}."


def _apart(share: PersonShare) -> str:
    """More or less often than by chance, where the interval shows it."""
    if share.low is not None and share.low > CHANCE:
        return "more often than by chance"
    return "less often than by chance" if share.high is not None and share.high < CHANCE else ""


def _said(share: PersonShare) -> str:
    return f"{numbers.spaced(share.share)} of {numbers.whole(share.n)} ({rows.interval(share.low, share.high)})"
