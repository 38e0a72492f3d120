"""Statistics against scipy and statsmodels, as properties, and by simulation with fixed seeds."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.proportion import proportion_confint

from fsrbench import ranks, stats
from fsrbench.stats import Effect, paired

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
    assert (found.t_low, found.t_high) == pytest.approx((expected.low, expected.high), **CLOSE)
    assert stats.mean_interval(list(d)) == pytest.approx((expected.low, expected.high), **CLOSE)


@pytest.mark.parametrize("n", [2, 5, 20, 50, 51, 400])
def test_rank_test_without_ties_is_scipys(n: int) -> None:
    for seed in range(5):
        d = sample(n, seed)
        assert paired(d, "higher").p == pytest.approx(scipy_stats.wilcoxon(d, zero_method="pratt").pvalue, **CLOSE)


@pytest.mark.parametrize("n", [2, 3, 7, 12, 13])
def test_rank_test_with_ties_and_zeros_is_scipys_exhaustive_one(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(2):
        d = rng.integers(-3, 4, n).astype(float)
        d[0] = 1.0
        exhaustive = scipy_stats.PermutationMethod(n_resamples=2**n)
        expected = scipy_stats.wilcoxon(d, zero_method="pratt", method=exhaustive).pvalue
        assert paired(d, "higher").p == pytest.approx(expected, **CLOSE)


def test_rank_test_of_many_cases_with_ties_and_zeros_is_scipys() -> None:
    d = np.round(sample(300, mean=0.1), 1)
    assert (d == 0).any()
    assert paired(d, "higher").p == pytest.approx(scipy_stats.wilcoxon(d, zero_method="pratt").pvalue, **CLOSE)


def test_rank_test_stays_exact_where_few_of_many_cases_changed() -> None:
    d = np.zeros(70)
    d[:8] = (0.3, 0.1, -0.2, 0.4, 0.2, 0.5, 0.1, 0.7)
    ranks = scipy_stats.rankdata(np.abs(d))[:8]
    sums = [ranks[list(signs)].sum() for signs in itertools.product((False, True), repeat=8)]
    seen = ranks[d[:8] > 0].sum()
    expected = 2 * np.mean([total >= seen - 1e-9 for total in sums])
    assert paired(d, "higher").p == pytest.approx(expected, **CLOSE)
    assert expected > 1.1 * scipy_stats.wilcoxon(d, zero_method="pratt").pvalue, "scipy's is approximate here"
    assert paired([1.0, 2.0, 3.0] + [0.0] * 97, "higher").p == 0.25, "three of three: scipy says 0.083"


@pytest.mark.parametrize("draw", ["normal", "exponential"])
@pytest.mark.parametrize("n", [20, 75, 400])
def test_bca_is_scipys_given_the_same_resamples(draw: str, n: int) -> None:
    d = getattr(np.random.default_rng(1), draw)(size=n)
    groups = stats._group(d, None)
    given = SimpleNamespace(bootstrap_distribution=stats._resampled(groups, 0))
    expected = scipy_stats.bootstrap((d,), np.mean, n_resamples=0, bootstrap_result=given).confidence_interval
    found = paired(d, "higher")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), **CLOSE)


def test_bca_of_clusters_is_scipys_given_the_same_resamples() -> None:
    sizes = np.random.default_rng(2).integers(1, 9, 40)
    d = sample(sizes.sum()) + np.repeat(sample(40, 1), sizes)
    groups = stats._group(d, persons(sizes.tolist()))
    given = SimpleNamespace(bootstrap_distribution=stats._resampled(groups, 0))

    def ratio(sums: Array, counts: Array, axis: int = -1) -> Array:
        return np.asarray(sums.sum(axis) / counts.sum(axis))

    expected = scipy_stats.bootstrap(
        (groups.sums, groups.sizes), ratio, paired=True, vectorized=True, n_resamples=0, bootstrap_result=given
    ).confidence_interval
    found = paired(d, "higher", clusters=persons(sizes.tolist()))
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), **CLOSE)


@pytest.mark.parametrize("n", [8, 40, 1000])
def test_bca_agrees_with_scipys_own_resamples(n: int) -> None:
    d = np.random.default_rng(3).exponential(size=n)
    own = paired(d, "higher")
    theirs = scipy_stats.bootstrap((d,), np.mean, n_resamples=9999, rng=np.random.default_rng(4))
    low, high = theirs.confidence_interval
    # Either end moves by about 1 % of the width from seed to seed, in both.
    assert (own.low, own.high) == pytest.approx((low, high), abs=0.05 * (high - low))
    means = stats._resampled(stats._group(d, None), 0)
    assert scipy_stats.ks_2samp(means, theirs.bootstrap_distribution).statistic < 0.03


def test_resamples_are_what_they_should_be() -> None:
    d = sample(4000)  # in several chunks
    means = stats._resampled(stats._group(d, None), 0)
    assert means.size == stats.RESAMPLES
    assert means.mean() == pytest.approx(d.mean(), abs=4 * d.std() / math.sqrt(d.size * stats.RESAMPLES))
    assert means.std() == pytest.approx(d.std() / math.sqrt(d.size), rel=0.03)
    assert len(np.unique(means)) > 0.99 * means.size, "chunks do not repeat each other"


def test_holm_is_statsmodels() -> None:
    p = np.random.default_rng(5).random(40) ** 4
    p[7] = p[8]
    expected = multipletests(p, method="holm")[1]
    assert stats.holm(list(p)) == pytest.approx(list(expected), **CLOSE)
    with_gaps = [None, *p[:20], None, *p[20:]]
    assert [q for q in stats.holm(with_gaps) if q is not None] == pytest.approx(list(expected), **CLOSE)
    assert stats.holm(with_gaps)[0] is stats.holm(with_gaps)[21] is None
    assert stats.holm([]) == []


@pytest.mark.parametrize("n", [2, 3, 6, 30, 1000])
def test_detectable_has_the_power_that_statsmodels_works_out(n: int) -> None:
    d = sample(n)
    found = paired(d, "higher").detectable
    assert found is not None
    # A wrong-signed finding, which statsmodels cannot work out for two cases, has a power below 1e-9 there.
    side: Literal["larger", "two-sided"] = "larger" if n == 2 else "two-sided"
    alpha = 0.025 if n == 2 else 0.05
    expected = TTestPower().power(found / d.std(ddof=1), n, alpha, alternative=side)
    assert expected == pytest.approx(stats.POWER, abs=1e-9)


@pytest.mark.parametrize("wanted", [0.004, 0.05, 0.3, 1.0, 3.0, 40.0])
def test_needed_is_the_smallest_number_that_suffices(wanted: float) -> None:
    d = sample(50)
    d += wanted * d.std(ddof=1) - d.mean()
    found = paired(d, "higher")
    assert found.effect == pytest.approx(wanted)
    assert found.needed is not None
    assert found.needed >= 2
    if wanted < 20:  # above, statsmodels' distribution gives up
        assert TTestPower().power(wanted, found.needed, 0.05) >= stats.POWER
    if found.needed > 2:
        assert TTestPower().power(wanted, found.needed - 1, 0.05) < stats.POWER


def test_cluster_errors_are_statsmodels() -> None:
    sizes = [1, 4, 2, 7, 3, 3, 9, 1, 5, 2]
    d = sample(sum(sizes)) + np.repeat(sample(len(sizes), 1), sizes)
    codes = np.repeat(np.arange(len(sizes)), sizes)
    fit = sm.OLS(d, np.ones(d.size)).fit(cov_type="cluster", cov_kwds={"groups": codes}, use_t=True)
    found = paired(d, "higher", clusters=persons(sizes))
    assert (found.t_low, found.t_high) == pytest.approx(tuple(fit.conf_int()[0]), **CLOSE)
    assert stats.mean_interval(list(d), persons(sizes)) == (found.t_low, found.t_high)
    assert found.detectable == pytest.approx(stats._noncentrality(len(sizes) - 1) * fit.bse[0], **CLOSE)
    own = [float(d[codes == code].mean()) for code in range(len(sizes))]
    assert found.p == pytest.approx(scipy_stats.wilcoxon(own).pvalue, **CLOSE)
    assert (found.delta, found.median, found.n) == (pytest.approx(d.mean()), pytest.approx(np.median(d)), d.size)


def test_needed_with_clusters_counts_cases() -> None:
    means = sample(30, 7, 0.4)
    alone = paired(means, "higher")
    thrice = paired(np.repeat(means, 3), "higher", clusters=persons([3] * 30))
    assert alone.needed is not None
    assert thrice.needed == 3 * alone.needed, "pictures that repeat each other add cases but no knowledge"
    for name in ("low", "high", "t_low", "t_high", "p", "detectable"):
        assert getattr(thrice, name) == pytest.approx(getattr(alone, name), rel=1e-9)


# ---------------------------------------------------------- small and uniform


def test_no_cases() -> None:
    assert paired([], "higher", floor=0.5) == Effect(0, floor=0.5)


def test_one_case() -> None:
    assert paired([2.0], "lower", floor=1.0) == Effect(1, 2.0, 2.0, losses=1, floor=1.0, benefit=0.0, harm=1.0)


def test_one_person() -> None:
    found = paired([1.0, 2.0, 4.0], "higher", clusters=["a"] * 3)
    assert (found.n, found.wins, found.delta) == (3, 3, pytest.approx(7 / 3))
    unknown = (found.low, found.high, found.t_low, found.t_high, found.p, found.detectable, found.needed)
    assert unknown == (None,) * 7


@pytest.mark.parametrize("clusters", [None, persons([2, 4])])
def test_nothing_changed(clusters: list[str] | None) -> None:
    found = paired([0.0, -0.0, 0.0, 0.0, -0.0, 0.0], "lower", clusters=clusters)
    expected = Effect(6, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, p=1.0, ties=6, benefit=0.0, harm=0.0)
    assert repr(found) == repr(expected), "and there is no negative zero"


def test_all_changed_alike() -> None:
    found = paired([0.1] * 6, "higher")
    assert [found.low, found.high, found.t_low, found.t_high] == pytest.approx([0.1] * 4, rel=1e-12)
    assert found.p == 2 / 2**6
    assert (found.effect, found.detectable, found.needed) == (None, None, None)


def test_rounding_is_no_difference_between_persons() -> None:
    assert sum([-0.3, 0.1, 0.2]) != 0
    found = paired([0.1, 0.2, -0.3] * 4, "higher", clusters=persons([3] * 4))
    assert (found.p, found.low, found.high) == (1.0, pytest.approx(0, abs=1e-15), pytest.approx(0, abs=1e-15))
    assert (found.detectable, found.needed) == (None, None)


def test_two_cases() -> None:
    found = paired([1.0, 2.0], "higher")
    assert found.p == 0.5
    assert found.low is not None
    assert found.high is not None
    assert 1 <= found.low <= 1.5 <= found.high <= 2


def test_differences_that_cancel_need_no_number_of_cases() -> None:
    assert paired([1.0, -1.0, 2.0, -2.0], "higher").needed is None
    assert paired([1.0, -1.0, 2.0, -2.0 + 1e-6], "higher").needed is None, "more than ten million"


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


def test_seeds() -> None:
    d = sample(30)
    assert paired(d, "higher", seed=1) == paired(d, "higher", seed=1)
    assert paired(d, "higher", seed=1).low != paired(d, "higher", seed=2).low


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
    known = [value is not None for value in (e.low, e.high, e.t_low, e.t_high, e.p)]
    assert known == [len(set(clusters or range(len(d)))) > 1] * 5
    if e.p is None or e.low is None or e.high is None or e.t_low is None or e.t_high is None or e.delta is None:
        return
    assert 0 < e.p <= 1
    slack = 1e-12 * max(map(abs, d))
    assert min(d) - slack <= e.low <= e.high <= max(d) + slack
    assert e.t_low - slack <= e.delta <= e.t_high + slack
    assert e.needed is None or 2 <= e.needed <= stats.MOST_NEEDED


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
    for one, other in (("low", "high"), ("t_low", "t_high"), ("high", "low"), ("t_high", "t_low")):
        end = getattr(turned, other)
        assert getattr(straight, one) == (None if end is None else pytest.approx(-end, rel=1e-9, abs=1e-9))
    for name in ("p", "needed", "detectable", "ties"):
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
    for name in ("p", "effect", "needed", "wins", "losses", "ties", "benefit", "harm"):
        assert getattr(scaled, name) == pytest.approx(getattr(plain, name))
    for name in ("delta", "median", "low", "high", "t_low", "t_high", "detectable"):
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
    assert share <= 0.05 + slack
    if n == 60:  # in few cases, the few possible values of p leave less than 5 %
        assert share >= 0.05 - slack - 0.005


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
    assert alone / runs > 0.35, "without it, one of twelve tests is a finding every other time"


def coverage(draw: Callable[[np.random.Generator], Array], truth: float, clusters: list[str] | None = None) -> Effect:
    """Shares of RUNS whose intervals hold the truth, as (low: BCa, t_low: t), and of p ≤ 0.05, in an Effect."""
    rng = np.random.default_rng(30)
    bca = t = small = 0
    for _ in range(RUNS):
        e = paired(draw(rng), "higher", clusters=clusters)
        assert e.low is not None
        assert e.high is not None
        assert e.t_low is not None
        assert e.t_high is not None
        bca += e.low <= truth <= e.high
        t += e.t_low <= truth <= e.t_high
        small += (e.p or 0) <= 0.05
    return Effect(RUNS, low=bca / RUNS, t_low=t / RUNS, p=small / RUNS)


NORMAL, SKEWED, HEAVY, CALM = "normal", "exponential", "heavy tails", "seven of ten left alone"
DRAWS: dict[str, tuple[Callable[[np.random.Generator, int], Array], float]] = {
    NORMAL: (lambda rng, n: rng.normal(size=n), 0.0),
    SKEWED: (lambda rng, n: rng.exponential(size=n), 1.0),
    HEAVY: (lambda rng, n: rng.standard_t(3, n), 0.0),
    CALM: (lambda rng, n: rng.normal(0.3, 1, n) * (rng.random(n) < 0.3), 0.09),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "n", "t", "bca"),
    [
        (NORMAL, 10, 0.95, 0.90),
        (NORMAL, 20, 0.95, 0.93),
        (NORMAL, 200, 0.95, 0.95),
        (SKEWED, 20, 0.91, 0.90),
        (SKEWED, 200, 0.945, 0.95),
        (HEAVY, 20, 0.95, 0.88),
        (CALM, 100, 0.95, 0.925),
    ],
)
def test_intervals_cover_what_the_docstring_says(kind: str, n: int, t: float, bca: float) -> None:
    draw, truth = DRAWS[kind]
    found = coverage(lambda rng: draw(rng, n), truth)
    assert found.t_low == pytest.approx(t, abs=0.02)
    assert found.low == pytest.approx(bca, abs=0.02)


@pytest.mark.slow
def test_persons_are_the_unit_where_cases_are_not_independent() -> None:
    sizes = [1 + i * 7 % 9 for i in range(30)]

    def draw(rng: np.random.Generator) -> Array:
        return np.asarray(np.repeat(rng.normal(size=30), sizes) + rng.normal(size=sum(sizes)))

    by_person, naive = coverage(draw, 0.0, persons(sizes)), coverage(draw, 0.0)
    assert by_person.t_low == pytest.approx(0.95, abs=0.02)
    assert by_person.low == pytest.approx(0.93, abs=0.02)
    assert by_person.p == pytest.approx(0.05, abs=chance(0)[1])
    assert naive.t_low is not None
    assert naive.low is not None
    assert naive.p is not None
    assert max(naive.t_low, naive.low) < 0.8
    assert naive.p > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("n", [6, 25])
def test_what_is_detectable_is_found_as_often_as_promised(n: int) -> None:
    known = np.random.default_rng(40).normal(size=n)
    promised = paired((known - known.mean()) / known.std(ddof=1), "higher").detectable
    assert promised is not None
    rng = np.random.default_rng(41)
    found = [paired(rng.normal(promised, 1, n), "higher") for _ in range(RUNS)]
    by_t = np.mean([e.t_low is not None and e.t_high is not None and (e.t_low > 0 or e.t_high < 0) for e in found])
    slack = 4 * math.sqrt(0.8 * 0.2 / RUNS)
    assert by_t == pytest.approx(stats.POWER, abs=slack)
    if n == 25:  # the rank test loses little on normal differences, and with six cases needs all of them alike
        assert np.mean([(e.p or 0) <= 0.05 for e in found]) == pytest.approx(stats.POWER, abs=slack + 0.02)


@pytest.mark.slow
def test_as_many_cases_as_needed_find_the_difference() -> None:
    pilot = sample(40, 50)
    pilot += 0.4 * pilot.std(ddof=1) - pilot.mean()
    needed = paired(pilot, "higher").needed
    assert needed == 52
    rng = np.random.default_rng(51)
    small = [(paired(rng.normal(0.4, 1, needed), "higher").p or 0) <= 0.05 for _ in range(RUNS)]
    assert np.mean(small) == pytest.approx(stats.POWER, abs=0.05)


# ------------------------------------------------- shares, correlations


@pytest.mark.parametrize(("hits", "n"), [(0, 1), (1, 1), (3, 7), (0, 5000), (4999, 5000), (12, 40)])
def test_wilson_as_statsmodels(hits: int, n: int) -> None:
    assert stats.share_interval(hits, n) == pytest.approx(proportion_confint(hits, n, method="wilson"), abs=1e-9)


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
