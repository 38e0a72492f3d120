"""Whom an arm harmed, what was promised of that, and what it took of an oracle's gain: counted, tested and said."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats as scipy_stats
from statsmodels.stats.proportion import proportion_confint

from fsrbench.core import plugins
from fsrbench.core.errors import StoreError
from fsrbench.core.stored import to_json
from fsrbench.core.values import PURE, Restoration, Round, Score, Trail
from fsrbench.files import atomic
from fsrbench.measure import frames, harm, promises, standings, stats, thresholds
from fsrbench.measure.harm_values import ObservedHarm, Promise
from fsrbench.measure.results import Numbers, Results
from fsrbench.measure.standings import Standing
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary import summarise
from fsrbench.measure.summary_values import Summary
from fsrbench.show import findings, tables
from fsrbench.show import harm as showing
from fsrbench.show.plots import _style
from fsrbench.show.plots import harm as plot
from fsrbench.study import config
from fsrbench.study.schema import Arm
from fsrbench.study.store import RunFolder, as_json

METRICS = ("psnr", "ssim", "niqe")
ROLES: dict[str, Standing] = {
    "certified": "contender", "lvlm": "contender", "constant": "control", "oracle": "headroom"
}  # fmt: skip
PERSONS = 40
Moves = Callable[[str, str, int], float | None]
"""(arm, metric, case) → by how much the arm's number differs from pure's."""
PROMISE = Promise(0.1, None, "split conformal", 30, {"psnr": 0.005, "ssim": 0.0005})


def made(sha256: str) -> Restoration:
    return Restoration("bicubic", "bicubic", {}, 0, f"general/{sha256}.png", sha256, 0.1, "fp32")


def evaluated(move: Moves, cases: int = PERSONS, **changes: Any) -> Summary:
    """A summary of cases whose differences are `move`'s; an arm whose differences are all zero ended with pure."""
    subjects, scores = [], []
    for number in range(cases):
        case = f"face {number:03d}"
        scores += [Score(case, "general", PURE, metric, 25.0) for metric in METRICS]
        rounds = [Round(PURE, 0, made("pure"))]
        for arm in ROLES:
            moved = {metric: move(arm, metric, number) for metric in METRICS}
            rounds.append(Round(arm, 1, made(arm if any(moved.values()) else "pure")))
            scores += [
                Score(case, "general", arm, metric, None if delta is None else round(25.0 + delta, 6), "no face")
                for metric, delta in moved.items()
            ]
        variants = {arm: Path(f"{arm}.png") for arm in (PURE, *ROLES)}
        subjects.append(Subject("general", case, None, None, variants, Trail(case, "general", "0", tuple(rounds))))
    what = Evaluation(
        subjects,
        {name: plugins.load("metrics", name) for name in METRICS},
        labels={"general": ["bicubic"]},
        roles=ROLES,
        chosen_by={"oracle": ("psnr",)},
    )
    what = replace(what, **changes)
    summary = summarise(what, Numbers(scores))
    return replace(summary, findings=findings.tell(summary))


def better(_arm: str, metric: str, _number: int) -> float:
    """A little better in everything."""
    return -0.1 if metric == "niqe" else 0.1


def harming(count: int, arm: str = "certified") -> Moves:
    """One arm is worse in SSIM, and in nothing else, in so many of the first cases."""
    return lambda own, metric, number: (
        -0.01 if (own, metric) == (arm, "ssim") and number < count else better(own, metric, number)
    )


def promised(**changes: Any) -> dict[str, dict[str, Promise]]:
    return {"general": {"certified": replace(PROMISE, **changes)}}


# ----------------------------------------------------------------------- harm


def test_allowed_is_half_of_the_last_digit_that_is_printed() -> None:
    found = {name: harm.allowed(plugins.load("metrics", name)) for name in ("psnr", "ssim", "arcface")}
    assert found == pytest.approx({"psnr": 0.0005, "ssim": 0.00005, "arcface": 0.00005})


@pytest.mark.parametrize("count", [0, 1, 7, 40])
def test_the_share_of_persons_harmed_in_any_metric_with_its_exact_interval(count: int) -> None:
    found = evaluated(harming(count)).harm["general"]["certified"]
    assert (found.cases, found.units, found.harmed, found.missing) == (PERSONS, PERSONS, count, 0)
    assert found.rate == count / PERSONS
    low, high = proportion_confint(count, PERSONS, method="beta")
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-6)
    assert found.exact
    assert found.promise is found.p is None


def test_no_more_than_allowed_is_no_harm_and_niqe_is_not_in_the_set() -> None:
    size = harm.allowed(plugins.load("metrics", "psnr"))
    moves = {"lvlm": -size, "constant": -size - 1e-6}
    found = evaluated(lambda arm, metric, _: {"psnr": moves.get(arm, 0.1), "ssim": 0.1, "niqe": 5.0}[metric]).harm[
        "general"
    ]
    assert {arm: one.rate for arm, one in found.items()} == {"certified": 0, "lvlm": 0, "constant": 1, "oracle": 0}
    assert set(found["lvlm"].allowed) == {"psnr", "ssim"}


def test_a_metric_of_the_set_that_falls_when_it_is_better_is_read_that_way() -> None:
    summary = evaluated(lambda *_: 0.5, promises=promised(metrics={"niqe": 0.4}))
    assert summary.harm["general"]["certified"].rate == 1
    summary = evaluated(lambda *_: -0.5, promises=promised(metrics={"niqe": 0.4}))
    assert summary.harm["general"]["certified"].rate == 0


def test_of_several_draws_the_person_s_share_counts() -> None:
    """Two pictures each; the first five persons are harmed in one of theirs, the next five in both."""
    clusters = {f"face {number:03d}": f"person {number // 2}" for number in range(PERSONS)}
    worse = {*range(0, 10, 2), *range(10, 20)}
    found = evaluated(
        lambda arm, metric, number: -0.01 if (arm, metric) == ("lvlm", "ssim") and number in worse else 0.1,
        clusters=clusters,
    ).harm["general"]["lvlm"]
    shares = np.array([0.5] * 5 + [1.0] * 5 + [0.0] * 10)
    assert (found.units, found.cases, found.harmed, found.exact) == (20, 40, 15, False)
    assert found.rate == pytest.approx(shares.mean())
    assert (found.low, found.high) == pytest.approx(thresholds.mean_bounds(shares), abs=1e-6)


def test_a_case_without_a_number_is_neither_harmed_nor_unharmed() -> None:
    """Three cases are harmed in SSIM; of two of these, and of four others, PSNR is missing."""
    lost = {0, 1, 10, 11, 12, 13}

    def move(arm: str, metric: str, number: int) -> float | None:
        return None if metric == "psnr" and number in lost else harming(3)(arm, metric, number)

    summary = evaluated(move)
    found = summary.harm["general"]["certified"]
    assert (found.missing, found.cases, found.harmed) == (6, 34, 1)
    assert found.rate == pytest.approx(1 / 34, abs=1e-6)
    row = next(cells for _, arm, cells in showing.rows(summary) if arm == "certified")
    assert row == ["3% of 34", "[0%, 15%]", "", "", "0%", "6"]


def test_a_metric_that_was_measured_nowhere_is_not_in_the_set() -> None:
    summary = evaluated(better, metrics={name: plugins.load("metrics", name) for name in (*METRICS, "arcface")})
    assert summary.families["general"]["arcface"].n == 0
    found = summary.harm["general"]["certified"]
    assert (set(found.allowed), found.cases) == ({"psnr", "ssim"}, PERSONS)


def test_without_a_metric_of_the_set_nothing_is_said_of_harm() -> None:
    summary = evaluated(better, metrics={"niqe": plugins.load("metrics", "niqe")})
    assert summary.harm == {"general": {}}
    assert showing.markdown(summary) == []


def test_kept_is_the_share_of_cases_that_end_with_pure_s_own_bytes() -> None:
    summary = evaluated(lambda arm, *rest: 0.0 if arm == "lvlm" and rest[1] % 4 else better(arm, *rest))
    assert {arm: one.kept for arm, one in summary.harm["general"].items()} == {
        "certified": 0.0, "lvlm": 0.75, "constant": 0.0, "oracle": 0.0
    }  # fmt: skip


def test_of_plain_folders_nobody_knows_what_was_kept() -> None:
    assert evaluated(better, labels={}).harm["general"]["lvlm"].kept is None


# ------------------------------------------------------------------- promises


def test_what_a_run_recorded_of_promises_is_read_and_nothing_else() -> None:
    recorded = {
        "general": {
            "certified": {
                "alpha": 0.1, "delta": None, "method": "conformal", "persons": 30, "metrics": {"psnr": 0.005}, "more": 1
            }
        }
    }  # fmt: skip
    assert promises.of_study({}) == promises.of_study({"promises": None}) == {}
    found = promises.of_study({"promises": recorded})["general"]["certified"]
    assert found == Promise(0.1, None, "conformal", 30, {"psnr": 0.005})
    del recorded["general"]["certified"]["alpha"]
    with pytest.raises(StoreError, match=r"alpha.*into another folder"):
        promises.of_study({"promises": recorded})


@pytest.mark.parametrize(("count", "persons"), [(0, 20), (4, 40), (9, 40), (16, 40), (40, 40)])
def test_the_chance_of_so_much_harm_is_scipys(count: int, persons: int) -> None:
    """Against α itself where there is a δ; else over the true harm that a certificate of n persons may have."""
    losses = np.array([1.0] * count + [0.0] * (persons - count))
    fixed = promises.chance(replace(PROMISE, delta=0.05), losses)
    assert fixed == pytest.approx(scipy_stats.binom.sf(count - 1, persons, 0.1), rel=1e-9)
    rank = math.ceil(31 * 0.9)
    expected = scipy_stats.betabinom.sf(count - 1, persons, 31 - rank, rank)
    assert promises.chance(PROMISE, losses) == pytest.approx(expected, rel=0.01, abs=1e-9)


def test_too_few_persons_promise_that_nothing_is_done() -> None:
    few = replace(PROMISE, persons=8)
    assert promises.chance(few, np.zeros(20)) == 1
    assert promises.chance(few, np.array([1.0] + [0.0] * 19)) == 0


@pytest.mark.slow
def test_exchangeable_studies_rarely_break_a_promise() -> None:
    """Thirty persons calibrate, forty are measured; α is used up entirely, so the promise is as tight as it can be."""
    rng = np.random.default_rng(5)
    rank = math.ceil(31 * 0.9)
    scores = rng.normal(size=(2_000, 30 + 40))
    offset = np.sort(scores[:, :30], axis=1)[:, rank - 1]
    counts = (scores[:, 30:] > offset[:, None]).sum(axis=1)
    chance = {n: promises.chance(PROMISE, np.array([1.0] * n + [0.0] * (40 - n))) for n in np.unique(counts)}
    broken = np.mean([chance[n] < stats.ALPHA for n in counts])
    assert 0.01 < broken < 0.05 + 2.5 * math.sqrt(0.05 * 0.95 / 2_000)
    surprising = {n: scipy_stats.binom.sf(n - 1, 40, 0.1) < stats.ALPHA for n in chance}
    assert np.mean([surprising[n] for n in counts]) > 0.07  # with α itself, luck in calibration would be called a shift


def test_a_planted_shift_is_seen_and_said() -> None:
    summary = evaluated(harming(20), promises=promised())
    found = summary.harm["general"]["certified"]
    assert found.broken
    assert found.p_adjusted is not None
    assert found.p_adjusted < 0.001
    assert (
        "FSR+certified harmed 50 % of 40 pictures (95 % interval 34 % to 66 %), more than the 10 % that its "
        "certificate allows, and beyond chance (p < 0.001): its promise does not hold here."
    ) in summary.findings["general"]
    assert "≤ 10%" in tables.markdown(summary)


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (3, "within the 10 % that its certificate allows."),
        (6, "more than the 10 % that its certificate allows, but not"),
    ],
)
def test_what_chance_explains_breaks_no_promise(count: int, said: str) -> None:
    summary = evaluated(harming(count), promises=promised())
    assert not summary.harm["general"]["certified"].broken
    assert said in summary.findings["general"]


def test_a_promise_about_what_was_not_measured_cannot_be_judged() -> None:
    summary = evaluated(better, promises=promised(metrics={"psnr": 0.005, "arcface": 0.001}))
    found = summary.harm["general"]["certified"]
    assert (found.rate, found.p, found.broken, found.missing) == (None, None, False, PERSONS)
    assert (
        "cannot be told: arcface was not measured (fsrbench evaluate RUN --set metrics=" in summary.findings["general"]
    )


def test_many_promises_are_judged_together() -> None:
    found = {f"family {n}": {"certified": _seen(p)} for n, p in enumerate([0.02, 0.03, 0.5])}
    judged = harm.judged(found)
    assert [one["certified"].p_adjusted for one in judged.values()] == pytest.approx([0.06, 0.06, 0.5])
    assert not any(one["certified"].broken for one in judged.values())


def _seen(p: float) -> ObservedHarm:
    return ObservedHarm({"psnr": 0.005}, 20, 0, 5, 20, 0.25, 0.1, 0.5, True, 0.0, PROMISE, p)


# --------------------------------------------------------------------- shares


def drawn(arm: str, metric: str, number: int) -> float:
    """The oracle gains 0.5 dB or so, the constant half of it, the LVLM three quarters, give or take."""
    part = {"oracle": 1.0, "constant": 0.5, "lvlm": 0.75, "certified": 0.0}[arm]
    rng = np.random.default_rng([number, METRICS.index(metric)])
    best, noise = rng.normal(0.5, 0.1), rng.normal(0, 0.05)
    return round(part * best + (part < 1) * part * noise, 6)


def test_what_was_taken_of_an_oracle_s_gain_is_a_ratio_of_sums_with_scipys_interval() -> None:
    summary = evaluated(drawn)
    found = {one.arm: one for one in summary.shares["general"]}
    assert list(found) == ["certified", "lvlm", "constant"]
    own, best = (np.array([drawn(arm, "psnr", n) for n in range(PERSONS)]) for arm in ("constant", "oracle"))
    assert found["constant"].share == pytest.approx(own.sum() / best.sum(), abs=1e-6)
    ends = scipy_stats.bootstrap(
        (own, best), lambda a, b, axis: a.sum(axis) / b.sum(axis), paired=True, vectorized=True, n_resamples=10_000,
        random_state=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip
    assert (found["constant"].low, found["constant"].high) == pytest.approx(tuple(ends), abs=0.002)
    assert found["certified"].share == 0
    assert "| general | FSR+oracle | PSNR | FSR+constant | 40 | " in tables.markdown(summary)


def test_an_oracle_that_gains_next_to_nothing_is_no_bound_to_take_a_share_of() -> None:
    summary = evaluated(lambda arm, metric, number: 0.0005 * drawn(arm, metric, number))
    assert {one.share for one in summary.shares["general"]} == {None}
    assert "| n/a |" in tables.markdown(summary)


def test_what_an_auditor_adds_is_the_difference_of_two_shares() -> None:
    summary = evaluated(drawn, twins={"lvlm": ("constant",)})
    found = {(one.arm, one.less): one for one in summary.shares["general"]}
    added = found["lvlm", "constant"]
    assert added.share == pytest.approx(found["lvlm", ""].share - found["constant", ""].share, abs=2e-6)  # type: ignore[operator]
    assert added.low is not None
    assert 0 < added.low < added.share < added.high  # type: ignore[operator]
    assert "FSR+LVLM − FSR+constant" in tables.markdown(summary)


def test_twins_differ_by_their_auditor_alone() -> None:
    settings, _ = config.load(None)
    arms = {
        "lvlm": {"auditor": "openai", "model": "m"},
        "heuristic": {"auditor": "heuristic"},
        "internal": {"auditor": "internal", "limits": {"retries": 0}},
        "constant": {"way": "constant", "with": {"knobs": {"dehalo": 0.5}}},
    }
    settings = settings.model_copy(update={"arms": {name: Arm.model_validate(one) for name, one in arms.items()}})
    assert standings.twins(settings, standings.of_run(settings)) == {"lvlm": ("heuristic",)}


# ---------------------------------------------------------------------- words


def test_where_psnr_rises_and_niqe_worsens_it_is_said_that_averaging_smooths() -> None:
    def move(arm: str, metric: str, _number: int) -> float:
        return 0.4 if arm == "constant" or metric != "niqe" else -0.4

    told = evaluated(move).findings["general"]
    assert "PSNR rose and NIQE worsened with FSR+constant: averaging smooths" in told
    assert "averaging smooths" not in evaluated(better).findings["general"]


def test_harm_is_a_table_of_its_own_in_python(tmp_path: Path) -> None:
    summary = evaluated(harming(20), promises=promised(delta=0.05))
    folder = RunFolder(tmp_path)
    atomic.write_bytes(folder.summary_file, as_json(to_json(summary)))
    assert frames.details(folder) == summary
    table = frames.harm(folder).set_index("arm")
    assert tuple(frames.harm(folder).columns) == frames.HARM
    assert table.loc["certified", ["rate", "alpha", "delta", "broken", "harmed"]].tolist() == [0.5, 0.1, 0.05, True, 20]
    assert math.isnan(table.loc["lvlm", "alpha"])
    assert not table.loc["lvlm", "broken"]


@pytest.mark.slow
def test_the_plot_puts_harm_over_the_promise_and_over_the_share(tmp_path: Path) -> None:
    summary = evaluated(lambda *place: -0.3 if place[0] == "certified" and place[2] < 20 else drawn(*place) or 0.01,
                        promises=promised())  # fmt: skip
    results = Results(tmp_path, Evaluation([], {}, roles=ROLES), Numbers([]), summary)
    with _style.settings():
        figure = plot.figure(results)
    assert figure is not None
    panels = {axes.get_gid(): axes for axes in figure.axes}
    first, second = panels["promised:general"], panels["taken:general"]
    points = [one for one in first.lines if one.get_gid() == "harm"]
    assert [tuple(map(float, one.get_xydata()[0])) for one in points if one.get_xdata()[0] > 0] == [(10.0, 50.0)]
    assert sum(one.get_xdata()[0] < 0 for one in points) == 3
    filled = [one.get_markerfacecolor() != "white" for one in points]
    assert filled == [True, False, False, False]
    shares = {one.arm: 100 * (one.share or 0) for one in summary.shares["general"]}
    assert [float(one.get_xdata()[0]) for one in second.lines if one.get_gid() == "harm"] == pytest.approx(
        list(shares.values())
    )
    assert second.get_ylim() == first.get_ylim()


def test_there_is_no_plot_where_every_picture_was_kept(tmp_path: Path) -> None:
    summary = evaluated(lambda *_: 0.0)
    assert plot.figure(Results(tmp_path, Evaluation([], {}, roles=ROLES), Numbers([]), summary)) is None


def test_the_terminal_shows_harm_promise_and_share() -> None:
    from rich.console import Console

    summary = evaluated(harming(20), promises=promised(delta=0.05))
    console = Console(record=True, width=120)
    console.print(showing.terminal(summary))
    text = console.export_text()
    assert "50% of 40 [34%, 66%]" in text
    assert "≤ 10% (δ 5%)" in text
    assert "of +oracle's PSNR" in text
