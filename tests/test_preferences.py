"""What people's choices come to, against independent implementations, published numbers, and simulated raters."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest

from fsrbench.measure import bradley_terry, krippendorff, preferences
from fsrbench.measure.choices import SPOILT, Choice, Side
from fsrbench.measure.preference_values import People

ARMS = ("pure", "heuristic", "lvlm", "random")


def told(choices: Sequence[Choice], persons: dict[str, str] | None = None) -> People:
    found = preferences.told(choices, lambda _: True, {"lvlm": "contender", "random": "control"}, persons)
    assert found is not None
    return found


def choice(first: str, second: str, chosen: Side, case: str = "a", rater: str = "Ann", **more: object) -> Choice:
    return replace(Choice(rater, "general", case, first, second, chosen), **more)


# -------------------------------------------------------------- Bradley–Terry


def test_strengths_are_those_of_a_logistic_regression() -> None:
    """Log odds of winning a comparison, with a column for each arm: the same likelihood by Newton's steps."""
    from statsmodels.genmod.families import Binomial
    from statsmodels.genmod.generalized_linear_model import GLM

    wins = np.random.default_rng(5).integers(1, 30, (4, 4)).astype(float)
    wins[0, 1] += 0.5  # a tie is half a win of each
    wins[1, 0] += 0.5
    np.fill_diagonal(wins, 0)
    pairs = list(itertools.combinations(range(4), 2))
    design = np.zeros((len(pairs), 4))
    for row, (i, j) in enumerate(pairs):
        design[row, [i, j]] = 1, -1
    counts = np.array([(wins[i, j], wins[j, i]) for i, j in pairs])
    fitted = GLM(counts, design[:, 1:], family=Binomial()).fit(tol=1e-12).params
    found = bradley_terry.strengths(wins)
    assert found[1:] - found[0] == pytest.approx(fitted, abs=1e-6)
    assert found.sum() == pytest.approx(0, abs=1e-9)


def test_two_arms_differ_by_the_log_odds() -> None:
    found = bradley_terry.strengths(np.array([[0.0, 30.0], [10.0, 0.0]]))
    assert found[0] - found[1] == pytest.approx(np.log(3))


def test_who_won_all_gets_virtual_choices_and_nobody_else() -> None:
    all_won, usual = np.array([[0.0, 8.0], [0.0, 0.0]]), np.array([[0.0, 8.0], [1.0, 0.0]])
    assert bradley_terry.bounded(np.stack([all_won, usual])).tolist() == [False, True]
    found = bradley_terry.strengths(np.stack([all_won, usual]))
    assert found[0, 0] - found[0, 1] == pytest.approx(np.log(8.5 / 0.5))
    assert found[1, 0] - found[1, 1] == pytest.approx(np.log(8))
    choices = [choice("pure", "lvlm", "second", case) for case in "abcdefgh"]
    family = told(choices).families["general"]
    assert family.virtual
    assert family.arms["lvlm"].strength == pytest.approx(np.log(17), abs=1e-6)
    assert not told([*choices, choice("pure", "lvlm", "first", "i")]).families["general"].virtual


def test_an_arm_without_a_chain_to_pure_has_no_strength() -> None:
    choices = [choice("pure", "lvlm", "first", case) for case in "ab"] + [choice("random", "x", "tie", "c")]
    arms = told(choices).families["general"].arms
    assert list(arms) == ["pure", "lvlm", "random", "x"]
    assert (arms["pure"].strength, arms["pure"].low, arms["pure"].high) == (0, None, None)
    assert arms["lvlm"].strength is not None
    assert arms["random"].strength is arms["x"].strength is None


# --------------------------------------------------------------------- shares


def test_wins_are_counted_against_pure_and_overall() -> None:
    choices = [
        choice("pure", "lvlm", "second", "a"),
        choice("lvlm", "pure", "tie", "b"),
        choice("lvlm", "random", "second", "c"),
        choice("pure", "lvlm", "first", "a", repeat=True),
        choice("pure", SPOILT, "first", "a", check="blur"),
    ]
    lvlm = told(choices).families["general"].arms["lvlm"]
    assert lvlm.against_pure is not None
    assert (lvlm.against_pure.n, lvlm.against_pure.wins, lvlm.against_pure.ties) == (2, 1, 1)
    assert (lvlm.overall.n, lvlm.overall.losses, lvlm.overall.share) == (3, 1, 0.5)
    assert told(choices).families["general"].choices == 3


def test_one_person_is_no_interval_and_many_pictures_of_few_persons_are_no_certainty() -> None:
    def against(persons: dict[str, str] | None) -> tuple[float | None, float | None]:
        own = [choice("pure", "lvlm", "second" if n < 10 else "first", str(n)) for n in range(20)]
        found = told(own, persons).families["general"].arms["lvlm"].against_pure
        assert found is not None
        return found.low, found.high

    assert against({str(n): "one" for n in range(20)}) == (None, None)
    alone, grouped = against(None), against({str(n): str(n // 5) for n in range(20)})
    assert alone[0] is not None
    assert grouped[0] is not None
    assert grouped[0] < alone[0] < 0.5, "five alike pictures of a person count as one"


def test_an_interval_is_never_empty() -> None:
    found = told([choice("pure", "lvlm", "second", str(n)) for n in range(5)]).families["general"].arms["lvlm"]
    assert found.against_pure is not None
    assert found.against_pure.share == found.against_pure.high == 1
    assert found.against_pure.low is not None
    assert 0.2 < found.against_pure.low < 0.6


# ------------------------------------------------------------------- coverage


def simulated(seed: int, cases: int, spread: float) -> Iterator[Choice]:
    """Three raters, two arms beside pure; pictures of one case share what is odd about it."""
    rng = np.random.default_rng(seed)
    worth = {"pure": 0.0, "lvlm": 0.5, "random": -0.7}
    for case in range(cases):
        own = {arm: value + rng.normal(0, spread) for arm, value in worth.items()}
        for rater, (i, j) in itertools.product("ABC", itertools.combinations(worth, 2)):
            tie, first = rng.random() < 0.15, rng.random() < 1 / (1 + np.exp(own[j] - own[i]))
            yield Choice(rater, "general", str(case), i, j, "tie" if tie else "first" if first else "second")


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_intervals_cover_the_truth(spread: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preferences, "DRAWS", 300)
    truth = told(list(simulated(1, 30_000, spread)), {str(n): str(n % 2) for n in range(30_000)}).families["general"]
    strengths = {arm: truth.arms[arm].strength for arm in ("lvlm", "random")}
    share = truth.arms["lvlm"].overall.share
    covered = dict.fromkeys(("lvlm", "random", "share"), 0)
    for seed in range(200):
        found = told(list(simulated(seed + 2, 20, spread))).families["general"].arms
        for arm, value in strengths.items():
            low, high = found[arm].low, found[arm].high
            assert low is not None
            assert high is not None
            covered[arm] += value is not None and low <= value <= high
        own = found["lvlm"].overall
        assert own.low is not None
        assert own.high is not None
        covered["share"] += share is not None and own.low <= share <= own.high
    assert all(0.90 <= count / 200 <= 1 for count in covered.values()), covered


# ------------------------------------------------------------------ agreement


def test_alpha_is_what_krippendorff_published() -> None:
    """His examples of 2011: two observers of ten units, and four of twelve with missing values."""
    two = zip("0100000010", "1110010000", strict=True)
    assert krippendorff.alpha([list(unit) for unit in two]) == pytest.approx(0.095, abs=5e-4)
    four = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")
    units = [[value for value in unit if value != "."] for unit in zip(*four, strict=True)]
    assert krippendorff.alpha(units) == pytest.approx(0.743, abs=5e-4)


def test_alpha_is_unknown_where_nobody_could_disagree() -> None:
    assert krippendorff.alpha([["x"], ["y"]]) is None
    assert krippendorff.alpha([["x", "x"], ["x", "x"]]) is None
    assert krippendorff.alpha([["x", "x"], ["y", "y"]]) == 1


def test_raters_agree_on_pictures_and_not_on_sides() -> None:
    ann = [choice("pure", "lvlm", "first", case) for case in "ab"] + [choice("lvlm", "pure", "first", "c")]
    bo = [replace(c, rater="Bo", first=c.second, second=c.first, chosen="second") for c in ann]
    family = told([*ann, *bo]).families["general"]
    assert (family.alpha, family.shared, family.raters) == (1.0, 3, 2)


def test_who_fails_the_checks_is_named_and_left_out() -> None:
    pairs = [choice("pure", "lvlm", "second", case) for case in "abcdef"]
    checks = [choice("pure", SPOILT, "first", case, check="blur") for case in "abcde"]
    good = [*pairs, *checks[:4], replace(checks[4], chosen="tie")]
    blind = [replace(c, rater="Blind", chosen="second") for c in good]
    found = told([*good, *blind])
    assert (found.raters["Ann"].passed, found.raters["Ann"].checks, found.raters["Ann"].counted) == (4, 5, True)
    assert (found.raters["Blind"].passed, found.raters["Blind"].counted) == (0, False)
    assert found.families["general"].raters == 1
    assert found.families["general"].choices == 6


def test_repeats_tell_who_would_choose_the_same_again() -> None:
    own = [
        choice("pure", "lvlm", "first", "a", seconds=1.0),
        choice("lvlm", "pure", "second", "a", repeat=True, seconds=9.0),
        choice("pure", "lvlm", "tie", "b", seconds=3.0),
        choice("lvlm", "pure", "first", "b", repeat=True),
        choice("lvlm", "pure", "first", "never seen before", repeat=True),
    ]
    record = told(own).raters["Ann"]
    assert (record.repeats, record.same, record.choices, record.left, record.ties) == (2, 1, 2, 1, 1)
    assert record.seconds == 2.0


def test_choices_of_what_is_not_compared_are_counted_and_left_out() -> None:
    own = [choice("pure", "lvlm", "first"), choice("pure", "gone", "first")]
    found = preferences.told(own, lambda c: "gone" not in c.pair, {})
    assert found is not None
    assert (found.unknown, found.families["general"].choices) == (1, 1)
    assert preferences.told([], lambda _: True, {}) is None
