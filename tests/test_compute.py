"""What a case took: every pass, question, token and second is counted once, and what is unknown stays unknown."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fsrbench.cli.app import app
from fsrbench.core.operations import Mean, Operation, Restore, Treat
from fsrbench.core.values import PURE, Audit, Candidate, Ranking, Restoration, Round, Trail, Usage, Verdict
from fsrbench.imaging import images
from fsrbench.measure import compute as computing
from fsrbench.measure import summary_file
from fsrbench.measure.compute_values import Spread, Took
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary import summarise
from fsrbench.measure.summary_values import Summary
from fsrbench.show import compute, numbers, tables
from fsrbench.show.report import overview, strip
from support import draw_face
from support.reports import Study
from support.studies import untimed_summary

SILENT = Usage(seconds=0.5)
"""What an auditor on this machine, or one whose reply was remembered, costs."""


def step(number: float, seed: int = 0) -> Restore:
    return Restore("bicubic", "bicubic", {"dehalo": number}, seed)


def picture(seconds: float, *operations: Operation) -> Restoration:
    name = repr(operations)
    return Restoration("bicubic", "bicubic", {}, 0, "p.png", name, seconds, "fp32", operations=operations)


def candidate(made: Restoration, *, chosen: bool = False) -> Candidate:
    return Candidate("retry", made.sha256, made.operations, chosen, seconds=made.seconds)


def audited(usage: Usage) -> Audit:
    return Audit("ok", 50, 90, usage=usage)


P = picture(2.0, step(0))


def trail(*rounds: Round, case: str = "1", passes: int | None = 1) -> Trail:
    return Trail(case, "general", "lr", (Round(PURE, 0, P, passes=passes), *rounds))


def summary(*trails: Trail) -> Summary:
    def subject(one: Trail) -> Subject:
        return Subject("general", one.case, None, None, dict.fromkeys((PURE, *one.arms), Path("p.png")), one)

    return summarise(Evaluation([subject(one) for one in trails], {}, roles={"a": "contender"}), Numbers([]))


def took(*trails: Trail) -> Took:
    found = summary(*trails).counts["general"].arms["a"].took
    assert found is not None
    return found


# ---------------------------------------------------------------- what is counted


def test_it_is_the_percentile_over_cases() -> None:
    """Every quantity of thirty drawn cases, against numpy's percentiles of what was drawn."""
    rng = np.random.default_rng(3)
    drawn, trails = [], []
    for case in range(30):
        rounds, spent = [], np.zeros(6)
        for number in range(1, int(rng.integers(1, 4)) + 1):
            passes, requests, tokens = (int(n) for n in rng.integers(1, 900, 3))
            making, waiting, cost = (round(float(x), 3) for x in rng.random(3))
            rounds.append(
                Round(
                    "a", number, picture(making, step(number)), passes=passes,
                    audit=audited(Usage(requests, tokens - 1, 1, cost, waiting)),
                )
            )  # fmt: skip
            spent += [passes, 1, requests, tokens, cost, making + waiting]
        drawn.append(spent)
        trails.append(trail(*rounds, case=f"{case:02}"))
    found = took(*trails)
    spreads = [found.passes, found.questions, found.requests, found.tokens, found.cost, found.seconds]
    for spread, values in zip(spreads, np.transpose(drawn), strict=True):
        assert spread is not None
        assert (spread.median, spread.p95) == pytest.approx(tuple(np.percentile(values, [50, 95])), abs=1e-6)
    assert summary(*trails).counts["general"].took == Took(
        Spread(1, 1), Spread(0, 0), Spread(0, 0), Spread(0, 0), None, Spread(2, 2)
    )


RETRIED = picture(3.0, step(1))
OTHER = picture(5.0, step(2))
MEAN = picture(7.0, step(0), step(2), Mean((0, 1)))
"""Of pure and another: stored with the seconds of both."""
TREATED = picture(2.25, step(0), Treat("denoise", {}, 0, of=0))
ANEW = picture(6.25, step(0), Treat("denoise", {}, 0, of=0), replace(step(2), of=1))
"""Pure, treated by a tool; and that once more through the network."""


@pytest.mark.parametrize(
    ("rounds", "questions", "seconds"),
    [
        ([Round("a", 1, P, audited(SILENT))], 1, 0.5),
        ([Round("a", 1, RETRIED, audited(SILENT)), Round("a", 2, RETRIED, audited(SILENT))], 2, 4.0),
        ([Round("a", 1, picture(3.0, step(0, seed=1)))], 0, 3.0),
        (
            [Round("a", 1, P, audited(SILENT), verdict=Verdict(False, "not preferred", "", ("current", "current")),
                   candidates=(candidate(P, chosen=True), candidate(RETRIED)))],
            3, 3.5,
        ),
        (
            [Round("a", 1, OTHER, candidates=tuple(map(candidate, (P, RETRIED, OTHER))),
                   ranking=Ranking("judge", (0, 1, 2), (2, 1, 0), usage=SILENT))],
            1, 8.5,
        ),
        ([Round("a", 1, MEAN, candidates=tuple(map(candidate, (P, OTHER, MEAN))))], 0, 5.0),
        ([Round("a", 1, MEAN)], 0, 5.0),
        ([Round("a", 1, ANEW, candidates=tuple(map(candidate, (P, OTHER, TREATED, ANEW))))], 0, 9.25),
        ([Round("a", 1, ANEW)], 0, 4.25),
    ],
    ids=["accepted", "retried and stopped", "rerun", "taken back", "ranked", "mean of candidates", "mean",
         "tool among candidates", "tool"],
)  # fmt: skip
def test_nothing_is_counted_twice(rounds: list[Round], questions: int, seconds: float) -> None:
    """Pure is never an arm's, a picture that stands for two rounds was made once, one that was not kept was made."""
    found = computing.of_case(trail(*rounds), "a")
    assert (found.questions, found.seconds) == (questions, pytest.approx(seconds))


def test_a_ranking_that_was_paid_is_in_both_tables() -> None:
    paid = Ranking("judge", (0, 1), (1, 0), usage=Usage(2, 30, 3, 0.25))
    found = summary(trail(Round("a", 1, OTHER, audited(Usage(1, 10, 1, 0.5)), ranking=paid, passes=1)))
    arm = found.counts["general"].arms["a"]
    assert arm.took is not None
    assert (arm.requests, arm.tokens, arm.cost) == (3, 44, 0.75)
    assert (arm.took.requests, arm.took.tokens, arm.took.cost) == (Spread(3, 3), Spread(44, 44), Spread(0.75, 0.75))


def test_what_is_unknown_of_one_case_is_unknown_of_all() -> None:
    known = Round("a", 1, OTHER, audited(Usage(1, 10, 1, 0.5)), passes=1)
    unknown = replace(known, audit=audited(Usage(1, 10, 1)), passes=None)
    found = took(trail(known), trail(unknown, case="2"))
    assert (found.passes, found.cost, found.requests) == (None, None, Spread(1, 1))
    free = took(trail(known), trail(Round("a", 1, P, audited(SILENT), passes=0), case="2"))
    assert (free.passes, free.cost) == (Spread(0.5, 0.95), Spread(0.25, 0.475))
    assert took(trail(Round("a", 1, P, audited(SILENT), passes=0))).cost is None
    taken_back = Round("a", 1, P, audited(SILENT), verdict=Verdict(False, "not preferred", "", ("current", "current")))
    assert took(trail(known), trail(taken_back, case="2")).seconds is None  # nobody wrote down what was made
    assert summary(trail(known, passes=None)).counts["general"].took == Took(
        None, Spread(0, 0), Spread(0, 0), Spread(0, 0), None, Spread(2, 2)
    )


def test_of_plain_folders_nothing_is_known() -> None:
    folders = Evaluation([Subject("mine", "1", None, None, dict.fromkeys((PURE, "a"), Path("p.png")))], {})
    found = summarise(replace(folders, roles={"a": "contender"}), Numbers([]))
    counts = found.counts["mine"]
    assert (counts.took, counts.arms["a"].done, counts.arms["a"].took) == (None, 1, None)
    assert compute.TITLE not in tables.markdown(found)


# -------------------------------------------------------------------- how it shows


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.00004, "<0.001"), (0.0123, "0.0123"), (1.95, "1.95"), (2.0, "2"), (99.96, "100"), (999.6, "1,000"),
     (1050, "1,050"), (123456.7, "123,457")],
)  # fmt: skip
def test_an_amount_is_short_and_never_falsely_nothing(value: float, text: str) -> None:
    assert numbers.amount(value) == text


def test_the_table_stands_in_the_summary_and_on_the_first_page(tmp_path: Path) -> None:
    known = Round("a", 1, OTHER, audited(Usage(1, 1000, 50, 0.5, 0.25)), passes=1)
    found = summary(trail(known), trail(Round("a", 1, P, audited(SILENT), passes=0), case="2"))
    told = tables.markdown(found)
    assert "| Family | Arm | passes | questions | tokens | cost | seconds |" in told
    assert "\n| general | pure | 1 | 0 | 0 |  | 2 |\n" in told
    assert "\n| general | a | 0.5 (0.95) | 1 | 525 (998) | 0.2500 (0.4750) | 2.88 (5.01) |\n" in told
    slow = replace(known, restoration=replace(OTHER, seconds=9.0))
    slower = summary(trail(slow), trail(Round("a", 1, P, audited(SILENT), passes=0), case="2"))
    assert untimed_summary(told) == untimed_summary(tables.markdown(slower))
    assert told != tables.markdown(slower)

    study = Study(tmp_path, ["1"]).results()
    page = overview.page(replace(study, summary=found), [], strip.Strip("", ()), [], [])
    row = '<tr><th scope="row">general</th><th scope="row">FSR+a</th>'
    assert f"<h3>{compute.TITLE}</h3>" in page
    assert row + "<td>0.5 (0.95)</td><td>1</td><td>525 (998)</td><td>0.2500 (0.4750)</td><td>2.88 (5.01)</td>" in page
    nothing = replace(found, counts={})
    assert compute.TITLE not in overview.page(
        replace(study, summary=replace(nothing, families={})), [], strip.Strip("", ()), [], []
    )


def test_an_unknown_price_is_said() -> None:
    found = summary(trail(Round("a", 1, OTHER, audited(Usage(1, 10, 1)), passes=None)))
    assert [cells[:4] for _, _, cells in compute.rows(found)] == [["1", "0", "0", ""], ["n/a", "1", "11", "unknown"]]


def test_a_run_tells_what_its_constants_took(tmp_path: Path) -> None:
    """A knob that acts after the network takes no pass, one that acts before it takes one; nobody is asked."""
    for number in range(2):
        face = draw_face(96, number)
        images.write(tmp_path / "hr" / f"{number}.png", face)
        images.write(tmp_path / "lr" / f"{number}.png", images.resize(face, 24, 24))
    words = ["run", "--family", "general", "--lr", str(tmp_path / "lr"), "--hr", str(tmp_path / "hr")]
    words += ["--out", str(tmp_path / "out"), "--arm", "after", "--arm", "before", "--arm", "judged"]
    words += ["--set", "families.general.backend=bicubic", "--set", "families.general.knobs=denoise,dehalo"]
    words += ["--set", "metrics=psnr", "--set", "hr_size=96"]
    for name, knobs in (("after", [{"dehalo": 0.3}]), ("before", [{"denoise": 0.5}]), ("judged", [{"dehalo": 0.3}])):
        arm = {"way": "constant", "with": {"knobs": knobs}} | ({"judge": "medoid"} if name == "judged" else {})
        words += ["--set", f"arms.{name}={json.dumps(arm)}"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    counts = summary_file.read(tmp_path / "out" / "summary.json").counts["general"]
    found = {name: arm.took for name, arm in counts.arms.items() if arm.took is not None}
    assert {name: (one.passes, one.questions, one.tokens, one.cost) for name, one in found.items()} == {
        "after": (Spread(0, 0), Spread(0, 0), Spread(0, 0), None),
        "before": (Spread(1, 1), Spread(0, 0), Spread(0, 0), None),
        "judged": (Spread(0, 0), Spread(1, 1), Spread(0, 0), None),
    }
    assert counts.took is not None
    assert counts.took.passes == Spread(1, 1)
    with (tmp_path / "out" / "run_config.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for name, one in {PURE: counts.took, "before": found["before"]}.items():
        median, p95 = np.percentile([float(row["seconds"]) for row in rows if row["arm"] == name], [50, 95])
        assert one.seconds is not None
        assert (one.seconds.median, one.seconds.p95) == pytest.approx((median, p95), abs=1e-3)
