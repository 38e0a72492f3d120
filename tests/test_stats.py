"""Statistics against scipy and statsmodels, as properties, and by simulation with fixed seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, Literal

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from fsrbench.measure import ranks, signs, stats
from fsrbench.measure.stats import Effect, paired

Array = NDArray[np.float64]
CLOSE: dict[str, Any] = {"rel": 1e-9, "abs": 1e-12}


def sample(n: int, seed: int = 0, mean: float = 0.2) -> Array:
    return np.random.default_rng(seed).normal(mean, 1, n)


def persons(sizes: Sequence[int]) -> list[str]:
    """`sizes[i]` cases of person i."""
    return [f"person {i}" for i, size in enumerate(sizes) for _ in range(size)]


# ------------------------------------------------------------ against others


@pytest.mark.parametrize("n", [2, 3, 10, 60, 500])
def test_t_interval_is_scipys(n: int) -> None:
    d = sample(n)
    expected = scipy_stats.ttest_1samp(d, 0).confidence_interval(0.95)
    found = paired(d, "higher")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), **CLOSE)
    assert stats.mean_interval(list(d)) == pytest.approx((expected.low, expected.high), **CLOSE)


@pytest.mark.parametrize("n", [1, 2, 3, 6, 17, 100, 1001])
def test_sign_test_is_scipys(n: int) -> None:
    for improved in {0, 1, n // 3, n // 2, n - 1, n}:
        expected = scipy_stats.binomtest(improved, n).pvalue
        assert signs.p_value(improved, n) == pytest.approx(expected, rel=1e-9)
    d = np.where(np.arange(n + 5) < n, sample(n + 5), 0.0)  # five cases did not change: they are left out
    found = paired(d, "lower")
    assert (found.units, found.changed, found.improved) == (n + 5, n, (d < 0).sum())
    assert found.p == pytest.approx(scipy_stats.binomtest(found.improved, n).pvalue, rel=1e-9)


@pytest.mark.parametrize(("changed", "p"), [(0, 1.0), (1, 1.0), (2, 0.5), (3, 0.25), (5, 0.0625), (6, 0.03125)])
def test_the_smallest_p_is_that_of_all_changed_units(changed: int, p: float) -> None:
    assert paired([0.1] * changed + [0.0] * (20 - changed), "higher").p == pytest.approx(p, rel=1e-12)


def test_the_level_of_a_test_is_the_one_at_which_holm_shows_it() -> None:
    rng = np.random.default_rng(6)
    for _ in range(300):
        p: list[float | None] = list((rng.random(8) ** 4 / 4).tolist())
        p[3] = None
        for place, level in enumerate(stats.levels(p)):
            if level is None:
                assert place == 3
                continue
            assert level >= stats.ALPHA / 7
            for other in (level * 0.999999, level * 1.000001):
                adjusted = stats.holm([*p[:place], other, *p[place + 1 :]])[place]
                assert adjusted is not None
                assert (adjusted < stats.ALPHA) == (other < level)


@pytest.mark.parametrize(("tests", "expected"), [(1, 6), (15, 10), (90, 12)])
def test_fewest_changed_units_of_which_anything_can_be_shown(tests: int, expected: int) -> None:
    """With nine cases and fifteen tests nothing can ever be shown: it takes ten."""
    level = stats.ALPHA / tests
    assert signs.least(level) == expected
    assert signs.majority(expected - 1, level) is None
    assert signs.majority(expected, level) == expected
    p = [signs.p_value(expected, expected), *[1.0] * (tests - 1)]
    assert (stats.holm(p)[0] or 0) < stats.ALPHA


@pytest.mark.parametrize("changed", [0, 1, 9, 10, 11, 40, 999])
@pytest.mark.parametrize("tests", [1, 15, 400])
def test_the_majority_is_the_smallest_that_is_shown(changed: int, tests: int) -> None:
    level = stats.ALPHA / tests
    shown = [way for way in range(changed // 2 + 1, changed + 1) if signs.p_value(way, changed) < level]
    assert signs.majority(changed, level) == (shown[0] if shown else None)
    ways = signs._majorities(np.array([changed, changed + 1]), level)
    assert ways[0] == (shown[0] if shown else changed + 1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("units", "change", "win", "level"), [(30, 0.5, 0.9, 0.05), (12, 1.0, 0.95, 0.01), (200, 0.1, 1.0, 0.003)]
)
def test_power_is_the_sum_over_all_that_can_happen(units: int, change: float, win: float, level: float) -> None:
    expected = sum(
        scipy_stats.binom.pmf(changed, units, change) * scipy_stats.binom.pmf(wins, changed, win)
        for changed in range(units + 1)
        for wins in range(changed // 2 + 1, changed + 1)
        if scipy_stats.binomtest(wins, changed).pvalue < level
    )
    assert signs.power(units, change, win, level) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(
    ("units", "changed", "improved"), [(20, 1, 1), (20, 3, 3), (20, 19, 15), (50, 50, 30), (9, 9, 2)]
)
@pytest.mark.parametrize("tests", [1, 15])
def test_needed_reaches_the_power_and_one_unit_less_does_not(
    units: int, changed: int, improved: int, tests: int
) -> None:
    level = stats.ALPHA / tests
    needed = signs.needed(units, changed, improved, level)
    assert needed is not None
    change, win = changed / units, max(improved, changed - improved) / changed
    assert signs.power(needed, change, win, level) >= signs.POWER > signs.power(needed - 1, change, win, level)
    assert needed >= signs.least(level)


def test_no_majority_needs_no_number_of_cases() -> None:
    assert signs.needed(20, 10, 5, 0.05) is None
    assert signs.needed(10**6, 10**6, 500_001, 0.05) is None, "more than a million"
    assert signs.needed(3000, 3000, 1530, 0.05) is not None


def test_holm_is_statsmodels() -> None:
    p = np.random.default_rng(5).random(40) ** 4
    p[7] = p[8]
    expected = multipletests(p, method="holm")[1]
    assert stats.holm(list(p)) == pytest.approx(list(expected), **CLOSE)
    with_gaps = [None, *p[:20], None, *p[20:]]
    assert [q for q in stats.holm(with_gaps) if q is not None] == pytest.approx(list(expected), **CLOSE)
    assert stats.holm(with_gaps)[0] is stats.holm(with_gaps)[21] is None
    assert stats.holm([]) == []


def test_cluster_errors_are_statsmodels() -> None:
    sizes = [1, 4, 2, 7, 3, 3, 9, 1, 5, 2]
    d = sample(sum(sizes)) + np.repeat(sample(len(sizes), 1), sizes)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    fit = sm.OLS(d, np.ones(d.size)).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
    found = paired(d, "higher", clusters=persons(sizes))
    assert (found.low, found.high) == pytest.approx(tuple(fit.conf_int()[0]), **CLOSE)
    assert stats.mean_interval(list(d), persons(sizes)) == (found.low, found.high)
    up = sum(float(d[codes == code].mean()) > 0 for code in range(len(sizes)))
    assert (found.units, found.changed, found.improved) == (10, 10, up)
    assert found.p == pytest.approx(scipy_stats.binomtest(up, 10).pvalue, **CLOSE)
    assert (found.delta, found.median, found.n) == (pytest.approx(d.mean()), pytest.approx(np.median(d)), d.size)


def test_pictures_that_repeat_each_other_add_no_knowledge() -> None:
    means = sample(30, 7, 0.4)
    alone, thrice = paired(means, "higher"), paired(np.repeat(means, 3), "higher", clusters=persons([3] * 30))
    for name in ("low", "high", "p", "units", "changed", "improved"):
        assert getattr(thrice, name) == pytest.approx(getattr(alone, name), rel=1e-9)


# -------------------------------------------------------------------- outliers


def test_one_case_that_makes_a_mean_is_named() -> None:
    others = np.random.default_rng(8).normal(-0.1, 0.3, 19).tolist()
    assert stats.outlier(others) is None
    found = stats.outlier([*others[:4], 43.0, *others[4:]])
    assert found == (4, pytest.approx(np.mean(others)))
    assert stats.outlier([-43.0, *others]) is not None
    assert stats.outlier([0.0] * 19 + [0.5]) == (19, 0.0), "one changed: it is the mean"
    assert stats.outlier([0.1] * 20) is stats.outlier([0.0, 9.0]) is stats.outlier([]) is None


def test_one_person_who_makes_a_mean_is_named_by_the_worst_picture() -> None:
    calm = np.random.default_rng(9).normal(0, 0.1, 40)
    names = persons([4] * 10)
    wild = calm.copy()
    wild[12:16] += (5, 9, 6, 5)
    assert stats.outlier(calm, names) is None
    found = stats.outlier(wild, names)
    assert found is not None
    assert (found[0], found[1]) == (13, pytest.approx(np.delete(calm, range(12, 16)).mean()))
    assert stats.outlier([1.0, 2.0, 90.0], ["a", "a", "b"]) is None, "two persons tell nothing"


def test_samples_without_outliers_are_hardly_ever_marked() -> None:
    rng = np.random.default_rng(11)
    marked = [stats.outlier(rng.normal(size=n)) is not None for n in (10, 20, 50) for _ in range(300)]
    assert sum(marked) <= 5


# ---------------------------------------------------------- small and uniform


def test_no_cases() -> None:
    assert paired([], "higher", floor=0.5) == Effect(0, floor=0.5)


def test_one_case() -> None:
    found = paired([2.0], "lower", floor=1.0)
    known = {"delta": 2.0, "median": 2.0, "delta_changed": 2.0, "units": 1, "changed": 1, "p": 1.0}
    assert found == Effect(1, **known, losses=1, floor=1.0, benefit=0.0, harm=1.0)  # type: ignore[arg-type]


def test_one_person() -> None:
    found = paired([1.0, 2.0, 4.0], "higher", clusters=["a"] * 3)
    assert (found.n, found.wins, found.delta) == (3, 3, pytest.approx(7 / 3))
    assert (found.low, found.high, found.units, found.p) == (None, None, 1, 1.0)


@pytest.mark.parametrize("clusters", [None, persons([2, 4])])
def test_nothing_changed(clusters: list[str] | None) -> None:
    found = paired([0.0, -0.0, 0.0, 0.0, -0.0, 0.0], "lower", clusters=clusters)
    units = 6 if clusters is None else 2
    expected = Effect(6, 0.0, 0.0, None, 0.0, 0.0, units, p=1.0, ties=6, benefit=0.0, harm=0.0)
    assert repr(found) == repr(expected), "and there is no negative zero"


def test_all_changed_alike() -> None:
    found = paired([0.1] * 6, "higher")
    assert [found.low, found.high] == pytest.approx([0.1] * 2, rel=1e-12)
    assert found.p == pytest.approx(2 / 2**6, rel=1e-12)
    assert found.effect is None


def test_rounding_is_no_difference_between_persons() -> None:
    assert sum([-0.3, 0.1, 0.2]) != 0
    found = paired([0.1, 0.2, -0.3] * 4, "higher", clusters=persons([3] * 4))
    assert (found.p, found.low, found.high) == (1.0, pytest.approx(0, abs=1e-15), pytest.approx(0, abs=1e-15))
    assert (found.units, found.changed) == (4, 0)


def test_a_p_too_small_for_a_number_is_not_zero() -> None:
    p = paired(np.linspace(1, 2, 3000), "higher").p
    assert p is not None
    assert 0 < p < 1e-300


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_missing_must_not_arrive(value: float) -> None:
    with pytest.raises(ValueError, match="missing or infinite"):
        paired([1.0, value], "higher")


def test_every_case_has_its_cluster() -> None:
    with pytest.raises(ValueError, match="3 differences and 2 clusters"):
        paired([1.0, 2.0, 3.0], "higher", clusters=["a", "b"])


def test_floor_and_rates() -> None:
    assert stats.floor([]) == 0.0
    assert stats.floor([0.1] * 19 + [5.0]) == pytest.approx(np.quantile([0.1] * 19 + [5.0], 0.95))
    found = paired([3.0, 1.0, 0.5, 0.0, -1.0, -2.0, -3.0, -4.0], "higher", floor=1.0)
    assert (found.wins, found.losses, found.ties, found.benefit, found.harm) == (3, 4, 1, 1 / 8, 3 / 8)
    turned = paired([3.0, 1.0, 0.5, 0.0, -1.0, -2.0, -3.0, -4.0], "lower", floor=1.0)
    assert (turned.wins, turned.losses, turned.ties, turned.benefit, turned.harm) == (4, 3, 1, 3 / 8, 1 / 8)


def test_too_few_values_for_an_interval() -> None:
    assert stats.mean_interval([]) == stats.mean_interval([1.0]) == (None, None)
    assert stats.mean_interval([1.0, 2.0], ["a", "a"]) == (None, None)


# ----------------------------------------------------------------- properties

# Steps of a grid, as stored differences are: rounding cannot make a tie or break one.
differences = st.lists(st.integers(-400, 400).map(lambda step: step / 64), min_size=1, max_size=25)
few = settings(max_examples=60, deadline=None)


@st.composite
def clustered(draw: st.DrawFn) -> tuple[list[float], list[str] | None]:
    d = draw(differences)
    names = st.lists(st.sampled_from("abcdefg"), min_size=len(d), max_size=len(d))
    return d, draw(st.none() | names)


def numbers(effect: Effect) -> list[float]:
    return [value for value in asdict(effect).values() if value is not None]


@few
@given(clustered(), st.sampled_from(["higher", "lower"]), st.floats(0, 5))
def test_bounds(data: tuple[list[float], list[str] | None], better: Literal["higher", "lower"], floor: float) -> None:
    d, clusters = data
    e = paired(d, better, clusters=clusters, floor=floor)
    assert np.isfinite(numbers(e)).all()
    assert e.wins + e.losses + e.ties == e.n == len(d)
    assert e.benefit is not None
    assert e.harm is not None
    assert 0 <= e.benefit <= e.wins / e.n
    assert 0 <= e.harm <= e.losses / e.n
    assert e.improved <= e.changed <= e.units == len(set(clusters or range(len(d))))
    assert [value is not None for value in (e.low, e.high)] == [e.units > 1] * 2
    assert e.p is not None
    assert 0 < e.p <= 1
    if e.low is None or e.high is None or e.delta is None:
        return
    slack = 1e-12 * max(map(abs, d))
    assert e.low - slack <= e.delta <= e.high + slack


@few
@given(clustered(), st.randoms(use_true_random=False))
def test_order_does_not_matter(data: tuple[list[float], list[str] | None], random: Any) -> None:
    d, clusters = data
    order = list(range(len(d)))
    random.shuffle(order)
    renamed = {name: f"{9 - i}{name}" for i, name in enumerate(sorted(set(clusters or ())))}
    shuffled = [renamed[clusters[i]] for i in order] if clusters else None
    assert paired([d[i] for i in order], "higher", clusters=shuffled) == paired(d, "higher", clusters=clusters)


@few
@given(differences, st.booleans())
def test_turning_the_sign_turns_the_answer(d: list[float], also_better: bool) -> None:
    straight = paired(d, "higher")
    turned = paired([-x for x in d], "lower" if also_better else "higher")
    for one, other in (("low", "high"), ("high", "low")):
        end = getattr(turned, other)
        assert getattr(straight, one) == (None if end is None else pytest.approx(-end, rel=1e-9, abs=1e-9))
    for name in ("p", "changed", "ties"):
        assert getattr(straight, name) == pytest.approx(getattr(turned, name))
    wins = (turned.wins, turned.losses) if also_better else (turned.losses, turned.wins)
    assert (straight.wins, straight.losses) == wins


@few
@given(clustered(), st.integers(-20, 20))
def test_the_unit_does_not_matter(data: tuple[list[float], list[str] | None], power: int) -> None:
    d, clusters = data
    unit = 2.0**power
    plain = paired(d, "lower", clusters=clusters, floor=1.0)
    scaled = paired([x * unit for x in d], "lower", clusters=clusters, floor=unit)
    for name in ("p", "effect", "changed", "improved", "wins", "losses", "ties", "benefit", "harm"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name))
    for name in ("delta", "delta_changed", "median", "low", "high"):
        value = getattr(plain, name)
        assert getattr(scaled, name) == (None if value is None else pytest.approx(value * unit))


@few
@given(differences)
def test_everyone_alone_is_no_clusters(d: list[float]) -> None:
    assert paired(d, "higher", clusters=persons([1] * len(d))) == paired(d, "higher")


@few
@given(st.lists(st.none() | st.floats(0, 1), max_size=30))
def test_holm_only_raises_and_keeps_order(p: list[float | None]) -> None:
    adjusted = stats.holm(p)
    both = sorted((a, b) for a, b in zip(p, adjusted, strict=True) if a is not None and b is not None)
    assert [a is None for a in p] == [b is None for b in adjusted]
    assert all(a <= b <= 1 for a, b in both)
    assert [b for _, b in both] == sorted(b for _, b in both)


# ----------------------------------------------------------------- simulation
#
# Each counts how often something happens in RUNS draws with a fixed seed, and allows four standard errors of that
# count around what it should be: chance alone would break such a bound once in 16,000 tests.

RUNS = 2000


def chance(happened: int, runs: int = RUNS) -> tuple[float, float]:
    share = happened / runs
    return share, 4 * math.sqrt(0.05 * 0.95 / runs)


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 20, 60])
@pytest.mark.parametrize("zeros", [0.0, 0.6])
def test_no_effect_is_no_finding(n: int, zeros: float) -> None:
    rng = np.random.default_rng(10 + n)
    alarms = 0
    for _ in range(RUNS):
        d = rng.standard_t(3, n) * (rng.random(n) >= zeros)
        alarms += (paired(d, "higher").p or 0) <= 0.05
    share, slack = chance(alarms)
    assert share <= 0.05 + slack  # below it, since a count has few possible values of p


@pytest.mark.slow
def test_holm_keeps_the_whole_run_honest() -> None:
    rng = np.random.default_rng(20)
    runs, alone, family = 500, 0, 0
    for _ in range(runs):
        p = [paired(rng.normal(size=20), "higher").p for _ in range(12)]
        alone += min(q for q in p if q is not None) <= 0.05
        family += min(q for q in stats.holm(p) if q is not None) <= 0.05
    share, slack = chance(family, runs)
    assert share <= 0.05 + slack
    assert alone / runs > 0.3, "without it, one of twelve tests is a finding in every third run"


def coverage(draw: Callable[[np.random.Generator], Array], truth: float, clusters: list[str] | None = None) -> Effect:
    """Shares of RUNS whose intervals hold the truth (as low) and of p ≤ 0.05, in an Effect."""
    rng = np.random.default_rng(30)
    held = small = 0
    for _ in range(RUNS):
        e = paired(draw(rng), "higher", clusters=clusters)
        assert e.low is not None
        assert e.high is not None
        held += e.low <= truth <= e.high
        small += (e.p or 0) <= 0.05
    return Effect(RUNS, low=held / RUNS, p=small / RUNS)


NORMAL, SKEWED, LOGNORMAL, HEAVY, CALM = "normal", "exponential", "lognormal", "heavy", "seven of ten left alone"
DRAWS: dict[str, tuple[Callable[[np.random.Generator, int], Array], float]] = {
    NORMAL: (lambda rng, n: rng.normal(size=n), 0.0),
    SKEWED: (lambda rng, n: rng.exponential(size=n), 1.0),
    LOGNORMAL: (lambda rng, n: rng.lognormal(size=n), math.exp(0.5)),
    HEAVY: (lambda rng, n: rng.standard_t(3, n), 0.0),
    CALM: (lambda rng, n: rng.normal(0.3, 1, n) * (rng.random(n) < 0.3), 0.09),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "shares"),
    [
        (NORMAL, (0.95, 0.95, 0.95)),
        (SKEWED, (0.90, 0.92, 0.93)),
        (LOGNORMAL, (0.84, 0.87, 0.90)),
        (HEAVY, (0.96, 0.95, 0.96)),
        (CALM, (0.86, 0.92, 0.94)),
    ],
)
def test_intervals_cover_what_the_docstring_says(kind: str, shares: tuple[float, ...]) -> None:
    draw, truth = DRAWS[kind]
    for n, share in zip((10, 20, 50), shares, strict=True):
        assert coverage(lambda rng, n=n: draw(rng, n), truth).low == pytest.approx(share, abs=0.02)  # type: ignore[misc]


@pytest.mark.slow
def test_persons_are_the_unit_where_cases_are_not_independent() -> None:
    sizes = [1 + i * 7 % 9 for i in range(30)]

    def draw(rng: np.random.Generator) -> Array:
        return np.asarray(np.repeat(rng.normal(size=30), sizes) + rng.normal(size=sum(sizes)))

    by_person, naive = coverage(draw, 0.0, persons(sizes)), coverage(draw, 0.0)
    assert by_person.low == pytest.approx(0.95, abs=0.02)
    assert by_person.p is not None
    assert by_person.p <= 0.05 + chance(0)[1]
    assert naive.low is not None
    assert naive.p is not None
    assert naive.low < 0.8
    assert naive.p > 0.15


@pytest.mark.parametrize(
    ("units", "changed", "improved", "tests"), [(20, 18, 15, 1), (20, 3, 3, 15), (40, 30, 20, 15), (12, 12, 12, 90)]
)
def test_a_claim_succeeds_at_needed_as_often_as_promised(units: int, changed: int, improved: int, tests: int) -> None:
    """In runs of as many cases as `needed`, whose other tests all find nothing."""
    level = stats.ALPHA / tests
    needed = signs.needed(units, changed, improved, level)
    assert needed is not None
    rng, runs = np.random.default_rng(52), 1000
    shown = 0
    for _ in range(runs):
        way = np.where(rng.random(needed) < improved / changed, 1.0, -1.0)
        e = paired(way * rng.exponential(size=needed) * (rng.random(needed) < changed / units), "higher")
        adjusted = stats.holm([e.p, *[1.0] * (tests - 1)])[0]
        shown += adjusted is not None and adjusted < stats.ALPHA and 2 * e.improved > e.changed
    assert shown / runs >= signs.POWER - 3 * math.sqrt(0.8 * 0.2 / runs)


# ------------------------------------------------- shares, correlations


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (3, 7), (0, 5000), (4999, 5000), (12, 40)])
def test_wilson_as_statsmodels(hits: int, n: int) -> None:
    assert stats.share_interval(hits, n) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-9)


@pytest.mark.parametrize("n", [1, 2, 7, 40, 1000])
def test_wilson_as_its_closed_form(n: int) -> None:
    z = float(scipy_stats.norm.ppf((1 + stats.LEVEL) / 2))
    for hits in range(0, n + 1, max(1, n // 20)):
        share, weight = hits / n, z * z / n
        middle, half = share + weight / 2, z * math.sqrt(share * (1 - share) / n + weight / (4 * n))
        closed = max(0.0, (middle - half) / (1 + weight)), min(1.0, (middle + half) / (1 + weight))
        assert stats.share_interval(hits, n) == pytest.approx(closed, abs=1e-9)


@pytest.mark.parametrize("n", [3, 5, 7, 8, 50])
def test_spearman_as_scipy(n: int) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.integers(0, 5, n).tolist(), rng.normal(size=n).tolist()
    rho, p = ranks.spearman(x, y) or (np.nan, np.nan)
    assert rho == pytest.approx(scipy_stats.spearmanr(x, y).statistic, abs=1e-9)
    if n > ranks.EXACT_ORDERS:
        assert p == pytest.approx(scipy_stats.spearmanr(x, y).pvalue, abs=1e-9)
        return
    found = scipy_stats.rankdata(y)
    tried = scipy_stats.permutation_test(
        (x,), lambda a: scipy_stats.spearmanr(a, found).statistic, permutation_type="pairings", n_resamples=np.inf
    )
    assert p == pytest.approx(tried.pvalue, abs=1e-9)


def test_a_correlation_needs_something_that_varies() -> None:
    assert ranks.spearman([1, 2], [1, 2]) is None
    assert ranks.spearman([1, 1, 1], [1, 2, 3]) is None
