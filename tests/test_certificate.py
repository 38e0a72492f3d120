"""The mathematics of a certificate: against the definitions, against scipy and statsmodels, and by simulation.

A synthetic study is a set of calibration persons and new ones, drawn alike. Simulated shares are compared with what is
promised plus three standard errors.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.proportion import proportion_confint

from fsrbench.case.certificate import RadiusPrediction
from fsrbench.core.errors import InputError
from fsrbench.measure import captured, certifying, conformal, radius, ridge, thresholds
from fsrbench.measure.certifying import MeasuredPath

STUDIES = 2_000


def slack(share: float, studies: int = STUDIES) -> float:
    """Three standard errors of a share that was simulated."""
    return 3 * math.sqrt(share * (1 - share) / studies)


# ------------------------------------------------------------ conformal offset


def test_the_offset_is_the_right_one_of_the_sorted_scores() -> None:
    scores = [float(score) for score in (7, 1, 9, 3, 5, 8, 2, 6, 4)]
    assert conformal.offset(scores, 0.1) == 9
    assert conformal.offset(scores, 0.2) == 8
    assert conformal.offset(scores, 0.5) == 5
    assert conformal.offset(scores, 0.09) == math.inf


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.07, 0.1, 0.29, 0.3])
def test_as_many_persons_as_are_needed_and_no_fewer(alpha: float) -> None:
    n = conformal.needed(alpha)
    assert conformal.offset([0.0] * n, alpha) == 0
    assert conformal.offset([0.0] * (n - 1), alpha) == math.inf
    assert (conformal.needed(0.1), conformal.needed(0.05)) == (9, 19)


def test_a_share_means_what_is_written() -> None:
    """0.29 · 100 is 29, though not in binary: of 99 scores the 71st is taken, not the 72nd."""
    assert conformal.offset([float(score) for score in range(1, 100)], 0.29) == 71


def test_equal_and_infinite_scores() -> None:
    assert conformal.offset([2.0] * 19, 0.05) == 2
    assert conformal.offset([*[0.0] * 18, math.inf], 0.05) == math.inf
    assert conformal.offset([*[0.0] * 18, math.inf], 0.1) == 0


@pytest.mark.parametrize(("scores", "alpha"), [([0.0, math.nan], 0.5), ([0.0], 0.0), ([0.0], 1.0), ([0.0], math.nan)])
def test_what_has_no_offset_is_refused(scores: list[float], alpha: float) -> None:
    with pytest.raises(ValueError, match=r"missing|between 0 and 1|share of harm"):
        conformal.offset(scores, alpha)


def harmed(alpha: float, persons: int, *, shift: float = 0.0, digits: int = 9) -> np.ndarray:
    """For each synthetic study, whether the new person is harmed by going as far as the certificate allows."""
    rng = np.random.default_rng(5)
    told = np.empty(STUDIES, bool)
    for study in range(STUDIES):
        true = np.maximum(rng.gamma(2, 0.3, persons + 1), 0)  # safe radius of everybody, the new person last
        said = 0.7 * true + rng.normal(0.2, 0.2, persons + 1)  # a poor predictor with a bias
        true[-1] -= shift
        scores = np.round(said - true, digits)
        allowed = said[-1] - conformal.offset([float(score) for score in scores[:-1]], alpha)
        told[study] = allowed > 0 and np.round(said[-1] - allowed, digits) < scores[-1]
    return told


@pytest.mark.parametrize(("alpha", "persons"), [(0.1, 16), (0.1, 40), (0.05, 19), (0.3, 25)])
def test_harm_is_at_most_alpha_when_persons_are_exchangeable(alpha: float, persons: int) -> None:
    rate = harmed(alpha, persons).mean()
    assert rate <= alpha + slack(alpha)
    assert rate > 0  # the studies do act, so there is harm to count


def test_coverage_is_not_bought_by_never_acting() -> None:
    """Scores of new persons are beyond the offset about as often as is allowed: k of n + 1 of them."""
    rng = np.random.default_rng(1)
    scores = rng.normal(size=(STUDIES, 40))
    beyond = [row[-1] > conformal.offset(list(map(float, row[:-1])), 0.1) for row in scores]
    assert np.mean(beyond) == pytest.approx(0.1, abs=slack(0.1))


def test_ties_do_no_harm() -> None:
    assert harmed(0.1, 19, digits=1).mean() <= 0.1 + slack(0.1)


def test_nothing_acts_where_alpha_is_too_small_for_the_persons() -> None:
    assert harmed(0.04, 19).sum() == 0


def test_a_shift_is_seen_in_the_observed_harm() -> None:
    """New persons are worse off than those of the calibration: nothing is promised, and the interval says so."""
    told = harmed(0.1, 40, shift=0.5)
    low, _ = captured.harm_interval(int(told[:40].sum()), 40)
    assert low > 0.1


# ------------------------------------------------------------- Learn then Test


@pytest.mark.parametrize(("alpha", "delta", "persons"), [
    (0.1, 0.1, (22, 38, 52)), (0.05, 0.1, (45, 77, 105)), (0.1, 0.05, (29, 46, 61)), (0.05, 0.05, (59, 93, 124)),
])  # fmt: skip
def test_the_fewest_persons_with_none_one_and_two_harmed(alpha: float, delta: float, persons: tuple[int, ...]) -> None:
    for count, fewest in enumerate(persons):
        losses = np.zeros((1, fewest))
        losses[0, :count] = 1
        assert thresholds.permitted(losses, alpha, delta) == 1
        assert thresholds.permitted(losses[:, 1:] if count == 0 else np.delete(losses, -1, axis=1), alpha, delta) == 0


def test_the_exact_p_is_scipys() -> None:
    for harm, n, alpha in ((0, 22, 0.1), (3, 40, 0.05), (40, 40, 0.3)):
        expected = scipy_stats.binomtest(harm, n, alpha, alternative="less").pvalue
        assert float(thresholds.binomial(harm, n, alpha)) == pytest.approx(expected, rel=1e-9)


def test_the_bound_is_the_formula_and_no_p_is_above_one() -> None:
    n, alpha, total = 50, 0.2, 4.5
    mean = total / n
    h = mean * math.log(mean / alpha) + (1 - mean) * math.log((1 - mean) / (1 - alpha))
    expected = min(math.exp(-n * h), math.e * scipy_stats.binom.cdf(5, n, alpha))
    assert float(thresholds.hoeffding_bentkus(total, n, alpha)) == pytest.approx(expected)
    assert float(thresholds.hoeffding_bentkus(n, n, alpha)) == 1
    assert float(thresholds.hoeffding_bentkus(0, n, alpha)) == pytest.approx((1 - alpha) ** n)


def test_the_first_that_fails_ends_the_search() -> None:
    losses = np.zeros((4, 30))
    losses[1, :20] = 1
    assert thresholds.permitted(losses, 0.1, 0.1) == 1
    assert thresholds.permitted(losses[1:], 0.1, 0.1) == 0
    assert thresholds.permitted(np.zeros((3, 21)), 0.1, 0.1) == 0


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan])
def test_a_loss_that_is_none_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        thresholds.permitted(np.array([[0.0, wrong]]), 0.1, 0.1)


def too_harmful(draws: int, persons: int = 60, alpha: float = 0.1, delta: float = 0.1) -> tuple[float, float]:
    """The share of studies that permit a threshold with too much harm, and the share that permit any."""
    rng = np.random.default_rng(11)
    true = np.linspace(0.01, 0.3, 30)  # harm at each threshold, from the strictest
    latent = rng.normal(size=(STUDIES, persons, 1)) * 0.8 + rng.normal(size=(STUDIES, persons, draws)) * 0.6
    losses = (latent[:, None] < scipy_stats.norm.ppf(true)[None, :, None, None]).mean(axis=3)
    counts = np.array([thresholds.permitted(study, alpha, delta) for study in losses])
    return float(np.mean([count > 0 and true[count - 1] > alpha for count in counts])), float(np.mean(counts > 0))


@pytest.mark.parametrize("draws", [1, 3])
def test_studies_with_too_much_harm_are_at_most_delta(draws: int) -> None:
    """With several draws a person, their harms go together: persons are the unit."""
    wrong, acting = too_harmful(draws)
    assert wrong <= 0.1 + slack(0.1)
    assert acting > 0.5


def test_draws_taken_for_persons_would_break_the_promise() -> None:
    """The test above can fail: four draws of each person counted as four persons go too far too often."""
    rng = np.random.default_rng(11)
    loss = rng.random((STUDIES, 15, 1)) < 0.11
    counted = thresholds.p_values(np.repeat(loss, 4, axis=2).reshape(STUDIES, 60).astype(float), 0.1)
    assert (counted <= 0.1).mean() > 0.1 + slack(0.1)


def test_person_means() -> None:
    found = thresholds.person_means([True, False, True, True], ["b", "b", "a", "b"])
    assert found == pytest.approx([1, 2 / 3])


def test_bounds_of_a_mean_hold_and_are_wider_than_the_exact_interval() -> None:
    rng = np.random.default_rng(2)
    inside = 0
    for _ in range(300):
        low, high = thresholds.mean_bounds((rng.random((30, 3)) < 0.12).mean(axis=1))
        inside += low <= 0.12 <= high
    assert inside >= 0.95 * 300
    low, high = thresholds.mean_bounds(np.array([1.0] * 3 + [0.0] * 27))
    exact_low, exact_high = captured.harm_interval(3, 30)
    assert low < exact_low < 0.1 < exact_high < high
    assert thresholds.mean_bounds(np.zeros(20))[0] == pytest.approx(0, abs=1e-8)
    assert thresholds.mean_bounds(np.ones(20))[1] == pytest.approx(1, abs=1e-8)


# ------------------------------------------------------- harm, and what was won


@pytest.mark.parametrize(("count", "n"), [(0, 20), (1, 20), (7, 40), (20, 20)])
def test_the_exact_interval_is_statsmodels(count: int, n: int) -> None:
    assert captured.harm_interval(count, n) == pytest.approx(proportion_confint(count, n, method="beta"), abs=1e-12)


def test_the_captured_share_is_a_ratio_of_sums_and_its_interval_scipys() -> None:
    rng = np.random.default_rng(3)
    bound = rng.gamma(2, 0.2, 20)
    arm = bound * rng.normal(0.6, 0.3, 20)
    names = [f"p{number:02d}" for number in range(20)]
    found = captured.captured(list(arm), list(bound), names)
    assert found.share == pytest.approx(arm.sum() / bound.sum())
    expected = scipy_stats.bootstrap(
        (arm, bound), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, vectorized=True, n_resamples=50_000,
        method="BCa", rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.01)


def test_the_unit_of_the_captured_share_is_the_person() -> None:
    """Four equal draws of each person tell no more than one; the order of cases tells nothing."""
    rng = np.random.default_rng(4)
    bound, names = rng.gamma(2, 0.2, 12), [f"p{number:02d}" for number in range(12)]
    arm = bound * rng.normal(0.5, 0.3, 12)
    once = captured.captured(list(arm), list(bound), names)
    again = captured.captured(list(np.tile(arm, 4)[::-1]), list(np.tile(bound, 4)[::-1]), (names * 4)[::-1])
    assert (again.share, again.low, again.high) == pytest.approx((once.share, once.low, once.high))


def test_where_nothing_could_be_gained_there_is_no_share() -> None:
    nothing = captured.captured([0.1, 0.2], [0.0, 0.0], ["a", "b"])
    assert nothing == captured.CapturedShare(None)
    one = captured.captured([0.1, 0.2], [0.2, 0.4], ["a", "a"])
    assert (one.share, one.low) == (pytest.approx(0.5), None)
    rarely = captured.captured([0.0, 0.0, 0.1], [0.0, 0.0, 0.2], ["a", "b", "c"])
    assert (rarely.share, rarely.low) == (0.5, None)
    always = captured.captured([0.1, 0.2, 0.3], [0.2, 0.4, 0.6], ["a", "b", "c"])
    assert (always.low, always.high) == (pytest.approx(0.5), pytest.approx(0.5))


# ---------------------------------------------------------------- safe radius


def test_the_safe_radius_ends_before_the_first_harm_of_any_metric() -> None:
    steps = (0.2, 0.4, 0.6, 0.8)
    losses = {"psnr": (-0.3, -0.2, 0.004, 0.2), "ssim": (0.0, 0.002, 0.0, 0.0)}
    assert radius.safe_radius(steps, losses, {"psnr": 0.01, "ssim": 0.01}) == 0.6
    assert radius.safe_radius(steps, losses, {"psnr": 0.0, "ssim": 0.01}) == 0.4
    assert radius.safe_radius(steps, losses, {"psnr": 0.01, "ssim": 0.001}) == 0.2
    assert radius.safe_radius(steps, losses, {"psnr": 0.01, "ssim": -0.001}) == 0.0
    assert radius.safe_radius(steps, losses, {"psnr": 1.0, "ssim": 1.0}) == 0.8


@pytest.mark.parametrize("gone", [None, math.nan, math.inf])
def test_what_was_not_measured_is_not_safe(gone: float | None) -> None:
    assert radius.safe_radius((0.5, 1.0), {"psnr": (-1.0, gone)}, {"psnr": 0.0}) == 0.5


@pytest.mark.parametrize("steps", [(0.0, 0.5), (0.5, 0.2), (0.5, 0.5)])
def test_steps_that_do_not_lead_away_are_refused(steps: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="lead away"):
        radius.safe_radius(steps, {"psnr": (0.0, 0.0)}, {"psnr": 0.0})


def test_a_metric_without_a_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="its own bound"):
        radius.safe_radius((0.5,), {"psnr": (0.0,)}, {"ssim": 0.0})


# ---------------------------------------------------------------------- ridge


def rows_of(persons: int, draws: int, noise: float) -> tuple[np.ndarray, np.ndarray, list[str]]:
    rng = np.random.default_rng(6)
    features = rng.normal(5, 3, (persons * draws, 4))
    own = np.repeat(rng.normal(0, noise, persons), draws)
    true = 2 + features @ np.array([0.5, -0.2, 0.0, 0.0]) + own + rng.normal(0, noise, persons * draws)
    return features, true, [f"p{row // draws:02d}" for row in range(persons * draws)]


def test_without_noise_the_line_is_found() -> None:
    features, true, persons = rows_of(12, 3, 0.0)
    found = ridge.fit(features, true, persons)
    assert found.penalty == min(ridge.PENALTIES)
    assert found.predictor.weights == pytest.approx([0.5, -0.2, 0, 0], abs=1e-3)
    assert found.predictor(features) == pytest.approx(true, abs=0.01)
    assert found.unseen == pytest.approx(true, abs=0.01)


def test_a_small_penalty_gives_least_squares() -> None:
    features, true, persons = rows_of(12, 3, 1.0)
    found = ridge.fit(features, true, persons, penalties=(1e-12,)).predictor
    exact = np.linalg.lstsq(np.c_[np.ones(len(true)), features], true, rcond=None)[0]
    assert (found.intercept, *found.weights) == pytest.approx(exact)


def test_a_large_penalty_gives_the_mean() -> None:
    features, true, persons = rows_of(12, 3, 1.0)
    found = ridge.fit(features, true, persons, penalties=(1e12,)).predictor
    assert found(features) == pytest.approx(np.full(len(true), true.mean()))


def test_nobody_predicts_themselves() -> None:
    """A feature that names the person explains everything, and nothing of a person that was not seen."""
    rng = np.random.default_rng(8)
    persons = [f"p{row // 5}" for row in range(40)]
    names = np.array([[person == f"p{number}" for number in range(8)] for person in persons], float)
    true = np.repeat(rng.normal(0, 1, 8), 5)
    found = ridge.fit(names, true, persons)
    assert found.penalty == max(ridge.PENALTIES)
    assert np.square(np.array(found.unseen) - true).mean() >= 0.9 * true.var()
    assert np.square(ridge.fit(names, true, [str(row) for row in range(40)]).predictor(names) - true).mean() < 1e-3


def test_order_does_not_matter_and_what_never_varies_has_no_say() -> None:
    features, true, persons = rows_of(12, 3, 1.0)
    features[:, 3] = 7.0
    found = ridge.fit(features, true, persons)
    back = ridge.fit(features[::-1], true[::-1], persons[::-1])
    assert found.predictor.weights[3] == 0
    assert back.penalty == found.penalty
    assert back.predictor.weights == pytest.approx(found.predictor.weights)
    assert back.unseen[::-1] == pytest.approx(found.unseen)


def test_too_little_to_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="two of them"):
        ridge.fit(np.ones((2, 1)), np.ones(2), ["a", "a"])
    with pytest.raises(ValueError, match="missing or infinite"):
        ridge.fit(np.array([[1.0], [math.nan]]), np.ones(2), ["a", "b"])


# -------------------------------------------- the whole way: fitted, calibrated, acted

STEPS = tuple(step / 8 for step in range(1, 9))


def drawn(rng: np.random.Generator, persons: int, draws: int = 1, shift: float = 0.0) -> list[MeasuredPath]:
    """Persons with a safe radius of their own, and features of which one tells of it; some have nothing proposed."""
    found = []
    for number in range(persons):
        own = rng.normal(0.55, 0.3)
        for _ in range(draws):
            true = own + rng.normal(0, 0.15)
            features = {"tells": true + rng.normal(0, 0.3), "noise": rng.normal(), "never": 1.0}
            radius = max((step for step in STEPS if step <= true - shift), default=0.0)
            if rng.random() < 0.1:
                found.append(MeasuredPath(f"p{number}", 1.0, proposed=False))
            else:
                found.append(MeasuredPath(f"p{number}", radius, features=features))
    return found


def studied(alpha: float, persons: int, *, delta: float | None = None, studies: int, shift: float = 0.0) -> np.ndarray:
    """For each synthetic study, the share of 50 new persons that its certificate harms."""
    rng = np.random.default_rng(21)
    rates = []
    for study in range(studies):
        if study % 20 == 0:  # what is promised holds for every prediction: twenty calibrations share one
            prediction = certifying.fit(drawn(rng, 12, draws=2))
        calibration = drawn(rng, persons)
        offset: float | None
        if delta is None:
            offset = certifying.conformal_offset(certifying.first_draws(calibration), prediction, STEPS, alpha)
        else:
            offset = certifying.tested_offset(calibration, prediction, STEPS, alpha, delta)
        new = drawn(rng, 50, shift=shift)
        rates.append(np.mean([certifying.harmed(path, prediction, offset, STEPS) for path in new]))
    return np.array(rates)


@pytest.mark.slow
@pytest.mark.parametrize(("alpha", "persons"), [(0.1, 16), (0.2, 9)])
def test_the_whole_way_keeps_its_promise(alpha: float, persons: int) -> None:
    rates = studied(alpha, persons, studies=STUDIES)
    assert rates.mean() <= alpha + 3 * rates.std() / math.sqrt(STUDIES)
    assert rates.mean() > 0


@pytest.mark.slow
def test_the_whole_way_with_delta_is_rarely_too_harmful() -> None:
    rates = studied(0.2, 40, delta=0.1, studies=STUDIES // 4)
    wrong = np.mean(rates > 0.2 + 2 * math.sqrt(0.2 * 0.8 / 50))  # of 50 new persons, so many more can be chance
    assert wrong <= 0.1 + slack(0.1, STUDIES // 4)
    assert rates.mean() > 0


def test_a_shift_of_everybody_breaks_it_and_is_seen() -> None:
    rates = studied(0.1, 30, studies=40, shift=0.4)
    low, _ = captured.harm_interval(round(rates.mean() * 50), 50)
    assert low > 0.1


def test_who_may_be_followed_all_the_way_or_proposes_nothing_comes_to_no_harm() -> None:
    prediction = RadiusPrediction(0.5, {})
    safe, idle, failed = MeasuredPath("a", 1.0), MeasuredPath("b", 1.0, proposed=False), MeasuredPath("c", None)
    scores = [certifying.score(path, prediction, STEPS) for path in (safe, idle, failed, MeasuredPath("d", 0.25))]
    assert scores == [-math.inf, -math.inf, math.inf, 0.25]
    assert [certifying.harmed(path, prediction, -9.0, STEPS) for path in (safe, idle, failed)] == [False, False, True]
    assert certifying.conformal_offset([safe] * 9 + [MeasuredPath("d", 0.25)], prediction, STEPS, 0.2) is None
    with pytest.raises(InputError, match="failed on 2 of 9 calibration persons"):
        certifying.conformal_offset([safe] * 7 + [failed] * 2, prediction, STEPS, 0.1)


def test_an_offset_that_was_found_is_enough_for_who_gave_it() -> None:
    """Rounding must not take a person beyond the radius that they were calibrated with."""
    rng = np.random.default_rng(1)
    for _ in range(500):
        prediction = RadiusPrediction(float(rng.normal()), {"a": float(rng.normal())})
        path = MeasuredPath("x", float(rng.choice((0.0, *STEPS[:-1]))), features={"a": float(rng.normal())})
        own = certifying.score(path, prediction, STEPS)
        assert not certifying.harmed(path, prediction, own, STEPS)
        assert certifying.share(path, prediction, own, STEPS) == path.radius


def test_a_feature_that_somebody_lacks_is_left_out() -> None:
    paths = [MeasuredPath(f"p{n}", 0.5, features={"a": n, **({"b": n} if n else {})}) for n in range(4)]
    assert list(certifying.fit(paths).weights) == ["a"]
    assert certifying.fit([MeasuredPath(f"p{n}", 0.25 * n, features={}) for n in range(3)])({}) == 0.25
    with pytest.raises(InputError, match="it takes 2, dozens are better, and there are 1"):
        certifying.fit([*paths[:1], MeasuredPath("z", 1.0, proposed=False), MeasuredPath("y", None)])


def test_needed_persons_are_those_with_whom_something_may_act() -> None:
    assert [certifying.needed(0.1, delta) for delta in (None, 0.1, 0.05)] == [9, 22, 29]
    assert [certifying.needed(0.05, delta) for delta in (None, 0.1, 0.05)] == [19, 45, 59]
