"""What people chose, in words and tables: for `summary.md`, the first page of the report, and one case."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from fsrbench.core import order
from fsrbench.core.values import PURE
from fsrbench.measure.choices import Choice
from fsrbench.measure.preference_values import ArmPreference, People, PreferenceShare
from fsrbench.measure.summary_values import Summary
from fsrbench.show import md, numbers, wording

TITLE = "What people chose"
ARMS_HEAD = ("Family", "Variant", "before pure", "chosen / no difference / not", "before any other", "strength")
RATERS_HEAD = ("Rater", "counts", "pairs", "no difference", "left", "same again", "checks passed", "seconds")
READING = (
    "Two pictures of one case stood side by side, and nobody was told who made which. A share is of the choices, with "
    "no difference as half of one; pairs whose two pictures are the same were not asked about. Strength is "
    "Bradley–Terry's: the log odds of being chosen before pure, which is 0. Intervals (95 %) are over the persons on "
    "the pictures: they say how sure this is for other faces and the same raters. Alpha is Krippendorff's, between "
    "raters: 1 where all agree, 0 where they agree as by chance."
)


def arms(summary: Summary, people: People) -> Iterator[tuple[str, str, list[str]]]:
    """Family, variant and cells of each row."""
    for family, found in people.families.items():
        for arm, own in found.arms.items():
            name = "Pure FSR" if arm == PURE else wording.arm_name(summary, arm)
            yield family, name, _cells(own)


def _cells(own: ArmPreference) -> list[str]:
    before = own.against_pure
    counts = f"{before.wins} / {before.ties} / {before.losses}" if before is not None and before.n else ""
    return ["" if before is None else _share(before), counts, _share(own.overall), _strength(own)]


def _share(found: PreferenceShare) -> str:
    return _with(numbers.share(found.share), numbers.share(found.low), numbers.share(found.high), found.low)


def _strength(own: ArmPreference) -> str:
    value, low, high = (numbers.fixed(one, 2, signed=True) for one in (own.strength, own.low, own.high))
    return _with(value, low, high, own.low)


def _with(value: str, low: str, high: str, known: float | None) -> str:
    """A number with its interval, where there is one."""
    return value if known is None else f"{value} [{low}, {high}]"


def raters(people: People) -> Iterator[tuple[str, list[str]]]:
    """Name and cells of each row."""
    for name, own in people.raters.items():
        yield (
            name,
            [
                "yes" if own.counted else "no",
                str(own.choices),
                str(own.ties),
                str(own.left),
                f"{own.same} of {own.repeats}",
                f"{own.passed} of {own.checks}",
                numbers.short(own.seconds, 3),
            ],
        )


def sentences(people: People) -> list[str]:
    """What must be known beside the tables."""
    said = []
    for family, found in people.families.items():
        agreed = "no pair was judged by several of them"
        if found.shared:
            known = numbers.fixed(found.alpha, 2)
            agreed = f"alpha is {known} over {numbers.count(found.shared, 'pair')} that several of them judged"
        said.append(
            f"{family}: {numbers.count(found.choices, 'choice')} of {numbers.count(found.raters, 'rater')} on "
            f"{numbers.count(found.cases, 'case')}; {agreed}."
        )
        if found.virtual:
            said.append(
                f"{family}: a variant, or a group of them, won or lost all its comparisons. Its strength would be "
                "infinite; each compared pair got half a virtual choice on both sides."
            )
    required = numbers.spaced(people.required)
    if left := [name for name, own in people.raters.items() if not own.counted]:
        said.append(
            f"Left out, since they passed less than {required} of their attention checks: {', '.join(left)}. Nothing "
            "of theirs is in any number above but those of their own row."
        )
    unchecked = [name for name, own in people.raters.items() if not own.checks]
    if unchecked:
        said.append(f"Had no attention checks, and count: {', '.join(unchecked)}.")
    if people.unknown:
        choices = numbers.count(people.unknown, "choice")
        said.append(f"{choices} of cases or arms that this evaluation does not have: left out.")
    return said


def markdown(summary: Summary) -> list[str]:
    """The paragraphs of `summary.md`; none where nobody was asked."""
    people = summary.people
    if people is None:
        return []
    chosen = [[md.escape(family), md.escape(name), *cells] for family, name, cells in arms(summary, people)]
    asked = [[md.escape(name), *cells] for name, cells in raters(people)]
    return [
        f"## {TITLE}",
        *([md.table(ARMS_HEAD, chosen, "llrrrr")] if chosen else []),
        md.table(RATERS_HEAD, asked, "llrrrrrr"),
        md.points(sentences(people)),
        READING,
    ]


def of_case(choices: Sequence[Choice], summary: Summary) -> list[str]:
    """What was chosen in one case, a line for each two pictures: `Pure or +LVLM: 3 × +LVLM, 1 × no difference`."""
    people = summary.people
    if people is None:
        return []
    pairs: dict[tuple[str, ...], Counter[str | None]] = {}
    for choice in choices:
        rater = people.raters.get(choice.rater)
        if not choice.check and not choice.repeat and rater is not None and rater.counted:
            both = tuple(order.arms(choice.pair, summary.roles))
            pairs.setdefault(both, Counter())[choice.winner] += 1
    return [
        f"{' or '.join(map(_title, both))}: "
        + ", ".join(f"{said[one]} × {_title(one)}" for one in (*both, None) if said[one])
        for both, said in sorted(pairs.items())
    ]


def _title(arm: str | None) -> str:
    return "no difference" if arm is None else "Pure" if arm == PURE else wording.arm_title(arm)
