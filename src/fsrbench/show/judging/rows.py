"""The rows of a report on judges, made once for every form that it is shown in: terminal, Markdown, the page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from fsrbench.measure.intervals import PersonShare
from fsrbench.measure.judged_values import JudgeResult, JudgingReport
from fsrbench.measure.standings import MARKS
from fsrbench.show import numbers, wording

PEOPLE = "people"
"""The column of people's choices."""
BEHAVIOUR = ("same in other order", "same again", "takes the first", "undecided")
"""How steady a judge is: columns of the second table, before those of the LR and of faults."""
ASKED = ("requests", "tokens", "cost")
"""What is only known of judges that ask somebody over a network."""


@dataclass(frozen=True, slots=True)
class JudgeRow:
    """One judge in one family."""

    family: str
    """Its family."""
    judge: str
    """What it is called, with what must be said of it."""
    role: str
    """contender, control or headroom."""
    agreement: tuple[tuple[str, ...], ...]
    """A cell for each column of the first table: the share, its interval, Kendall's tau."""
    behaviour: tuple[tuple[str, ...], ...]
    """A cell for each column of the second."""


def columns(found: JudgingReport) -> tuple[str, ...]:
    """What judges are held against: people where they chose, then metrics."""
    people = (PEOPLE,) if any(one.choices for one in found.families.values()) else ()
    return (*people, *(metric.label for metric in found.metrics.values()))


def behaviours(found: JudgingReport) -> tuple[str, ...]:
    """Columns of the second table."""
    return (*BEHAVIOUR, *(["wrong LR costs"] if found.metrics else []), *sees(found), "s a pair", *asked(found))


def faults(found: JudgingReport) -> tuple[str, ...]:
    """Faults that were planted."""
    return tuple(dict.fromkeys(fault for result in found.results for fault in result.spoilt))


def sees(found: JudgingReport) -> tuple[str, ...]:
    """The columns of faults."""
    return tuple(f"sees {fault}" for fault in faults(found))


def asked(found: JudgingReport) -> tuple[str, ...]:
    """The columns of what was asked over a network; none where nothing was."""
    return ASKED if any(result.usage.requests for result in found.results) else ()


def rows(found: JudgingReport) -> Iterator[JudgeRow]:
    """Family by family, judge by judge."""
    people = PEOPLE in columns(found)
    for result in found.results:
        facts = found.judges[result.judge]
        cells = [_share(result.people)] if people else []
        for metric in found.metrics:
            share, *below = _share(result.agreement[metric])
            chose = wording.CHOSEN if metric in facts.measures else ""
            tau = result.tau[metric].mean
            correlated = [f"τ {numbers.fixed(tau, 2, signed=True)}"] if tau is not None else []
            cells.append((share + chose, *below, *correlated))
        yield JudgeRow(result.family, name(found, result.judge), facts.role, tuple(cells), _behaviour(found, result))


def name(found: JudgingReport, judge: str) -> str:
    """A judge, with the metric that it goes by and what must be said of it wherever it shows."""
    facts = found.judges[judge]
    by = f", by {' and '.join(facts.measures)}" if facts.measures else ""
    mark = "control" if facts.role == "control" else MARKS.get(facts.role, "")
    return f"{judge}{by} ({mark})" if mark else f"{judge}{by}"


def main_metric(found: JudgingReport, judge: str) -> str | None:
    """The first metric that a judge does not go by: it stands for all where there is room for one."""
    return next((metric for metric in found.metrics if metric not in found.judges[judge].measures), None)


def interval(low: float | None, high: float | None) -> str:
    """`70 – 85 %`; empty where there is none."""
    return "" if low is None or high is None else f"{numbers.share(low)[:-1]} – {numbers.spaced(high)}"


def _behaviour(found: JudgingReport, result: JudgeResult) -> tuple[tuple[str, ...], ...]:
    usage = result.usage
    cells = [_share(one) for one in (result.turned, result.again, result.first, result.undecided)]
    if found.metrics:
        metric = main_metric(found, result.judge)
        cells.append((numbers.MISSING,) if metric is None else _drop(result, metric))
    cells += [(numbers.spaced(result.spoilt[one].share),) if one in result.spoilt else ("",) for one in faults(found)]
    cells.append((numbers.MISSING if result.seconds is None else numbers.amount(result.seconds),))
    if asked(found):
        tokens = usage.prompt_tokens + usage.completion_tokens
        spent = (numbers.whole(usage.requests), numbers.whole(tokens), wording.cost(usage.requests, usage.cost))
        cells += [(one if usage.requests else "–",) for one in spent]
    return tuple(cells)


def _share(one: PersonShare) -> tuple[str, ...]:
    if one.share is None:
        return (numbers.MISSING,)
    between = interval(one.low, one.high)
    return (numbers.spaced(one.share), *([between] if between else []))


def _drop(result: JudgeResult, metric: str) -> tuple[str, ...]:
    """In points of a hundred."""
    one = result.drop[metric]
    if one.mean is None:
        return (numbers.MISSING,)
    ends = () if one.low is None or one.high is None else (f"{_points(one.low)} … {_points(one.high)}",)
    return (f"{_points(one.mean)} points", *ends)


def _points(value: float) -> str:
    return numbers.fixed(100 * value, 0, signed=True)
