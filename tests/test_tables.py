"""Tables and findings: what people read is what the summary holds, and no more is claimed than was shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from fsrbench.core import plugins
from fsrbench.core.values import PURE, Score
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary import summarise
from fsrbench.measure.summary_values import ArmOutcome, Summary
from fsrbench.show import findings, md, tables, wording
from fsrbench.show.report import overview

PAIRS = Mapping[str, Sequence[float | None]]


def summary(
    arms: Mapping[str, PAIRS],
    pure: PAIRS,
    roles: Mapping[str, Any] | None = None,
    people: Mapping[int, str] | None = None,
) -> Summary:
    """A summary of one family from made-up differences: arm → metric → the difference of every case."""
    scores, cases = [], range(len(next(iter(pure.values()))))
    for metric, values in pure.items():
        for case in cases:
            base = values[case]
            scores.append(Score(f"c{case:03}", "general", PURE, metric, base, "" if base else "no weights"))
            for arm, deltas in arms.items():
                delta = deltas[metric][case]
                value = None if base is None or delta is None else base + delta
                scores.append(Score(f"c{case:03}", "general", arm, metric, value, "" if value else "no weights"))
    subjects = [Subject("general", f"c{n:03}", None, None, {a: Path(a) for a in (PURE, *arms)}) for n in cases]
    what = Evaluation(
        subjects,
        {name: plugins.load("metrics", name) for name in pure},
        {"general": ["compact (embedded)"]},
        marks={"oracle": "privileged: saw the reference", "rerun": "noise floor"},
        notes=("ArcFace was computed with toy.onnx.",),
        roles=dict.fromkeys(arms, "contender") | dict(roles or {}),
        clusters=None if people is None else {f"c{n:03}": person for n, person in people.items()},
    )
    return summarise(what, Numbers(scores))


def spread(mean: float, sd: float, n: int) -> list[float]:
    """Differences with this mean and standard deviation, to the last digits."""
    drawn = np.random.default_rng(7).standard_normal(n)
    drawn = (drawn - drawn.mean()) / drawn.std(ddof=1)
    return [float(d) for d in mean + sd * drawn]


FLAT = [30.0] * 40
FAILED = ArmOutcome(
    done=0, invalid=0, replies=0, unusable={}, void=False, changed=0, unfinished=0, requests=0, tokens=0, cost=None,
    failed=40,
)  # fmt: skip
"""What became of the cases of an arm that failed on all of them."""
FIFTEEN = ("psnr", "ssim", "psnr_y", "ssim_y", "niqe")
"""Metrics of three arms."""


def test_a_row_holds_mean_difference_interval_and_p() -> None:
    found = summary({"lvlm": {"psnr": spread(-0.5, 0.4, 40)}}, {"psnr": FLAT})
    entry = found.families["general"]["psnr"].arms["lvlm"]
    text = tables.markdown(found)
    low, high = (wording.number(found.metrics["psnr"], end, signed=True) for end in (entry.low, entry.high))
    assert "| general · compact (embedded) | Pure FSR | 40 | **30.000** |" in text
    shares = f"{entry.improved} better, {entry.changed - entry.improved} worse"
    assert f"| FSR+LVLM | 40 | 29.500<br>Δ −0.500<br>[{low}, {high}]<br>{shares}<br>p < 0.001 |" in text
    assert "ArcFace was computed with toy.onnx." in text


def test_a_better_mean_alone_is_not_bold() -> None:
    found = summary({"lvlm": {"psnr": spread(0.05, 2.0, 40)}}, {"psnr": FLAT})
    entry = found.families["general"]["psnr"].arms["lvlm"]
    assert entry.delta > 0
    assert (entry.shown, wording.standing_out(found.metrics["psnr"], entry)) == (False, 0)
    assert "| 30.050<br>" in tables.markdown(found)
    assert "**3" not in tables.markdown(found)


def test_what_is_missing_is_said_and_never_zero() -> None:
    nothing: list[float | None] = [None] * 40
    found = summary({"lvlm": {"psnr": FLAT, "lpips": nothing}}, {"psnr": FLAT, "lpips": nothing})
    text = tables.markdown(found)
    assert "| FSR+LVLM | 40 | n/a |" in text
    assert "- general LPIPS: no weights" in text


def test_a_cell_says_when_it_rests_on_fewer_cases() -> None:
    some: list[float | None] = [None, *spread(0.3, 0.1, 39)]
    text = tables.markdown(summary({"mine": {"psnr": some}}, {"psnr": FLAT}))
    assert "| Pure FSR | 40 | 30.000 |" in text
    assert "| FSR+mine | 40 | **30.300 [n=39]**<br>Δ +0.300<br>" in text


def test_rows_stand_in_the_order_of_what_they_are_for() -> None:
    arms = {name: {"psnr": spread(0.1, 0.1, 40)} for name in ("heuristic", "lvlm", "oracle", "rerun", "another")}
    roles = {"heuristic": "control", "oracle": "headroom", "rerun": "floor"}
    found = summary(arms, {"psnr": FLAT}, roles)
    assert wording.arms(found, "general") == ["lvlm", "another", "heuristic", "rerun", "oracle"]
    rows = [line for line in tables.markdown(found).splitlines() if "compact (embedded) | FSR+" in line]
    assert "FSR+rerun (noise floor)" in rows[3]
    assert "FSR+oracle (privileged: saw the reference)" in rows[4]
    assert all(("p <" in row) == (number < 3) for number, row in enumerate(rows))  # yardsticks are not tested


@pytest.mark.parametrize("delta", [0.0, -0.0, 0.0004, -0.0004, 0.0005, -0.0005])
def test_what_rounds_to_zero_is_zero(delta: float) -> None:
    found = summary({"mine": {"psnr": [delta] * 40}}, {"psnr": FLAT})
    printed = wording.number(found.metrics["psnr"], delta, signed=True)
    assert (printed == "0.000") == (wording.better(found.metrics["psnr"], delta) == 0)
    assert printed not in ("+0.000", "−0.000")
    assert ("| **" in tables.markdown(found)) == (printed != "0.000")


def test_an_arm_that_failed_everywhere_is_still_counted() -> None:
    found = summary({"lvlm": {"psnr": spread(0.1, 0.1, 40)}}, {"psnr": FLAT}, {"down": "contender"})
    found.counts["general"].arms["down"] = FAILED
    assert "| general | down | 0 | 40 | 0 | 0 | 0 | 0 |  |" in tables.markdown(found)


def test_no_floor_is_not_a_floor_of_zero() -> None:
    deltas = {"psnr": spread(0.1, 0.1, 40)}
    alone = tables.markdown(summary({"lvlm": deltas}, {"psnr": FLAT}))
    still = tables.markdown(
        summary({"lvlm": deltas, "rerun": {"psnr": [0.0] * 40}}, {"psnr": FLAT}, {"rerun": "floor"})
    )
    assert "% | n/a | " in alone
    assert "% | 0.000 | " in still


def test_the_terminals_table_has_the_same_numbers() -> None:
    found = summary({"lvlm": {"psnr": spread(-0.5, 0.4, 40)}}, {"psnr": FLAT})
    out = Console(file=StringIO(), width=80)
    out.print(tables.terminal(found))
    text = out.file.getvalue()  # type: ignore[attr-defined]
    entry = found.families["general"]["psnr"].arms["lvlm"]
    for value in (entry.low, entry.delta, entry.high):
        assert wording.number(found.metrics["psnr"], value, signed=True) in text


def test_words_from_outside_cannot_break_a_table() -> None:
    assert md.escape("a|b <script>\n*x*") == "a\\|b &lt;script> \\*x\\*"


def test_a_short_p_is_never_a_false_zero() -> None:
    chances = (None, 1e-9, 0.0011, 0.04, 0.5, 0.996, 1.0)
    assert [wording.chance(p) for p in chances] == ["n/a", "<0.001", "0.0011", "0.04", "0.5", "1", "1"]
    assert [wording.p_value(p) for p in chances[:3]] == ["", "p < 0.001", "p = 0.0011"]


@pytest.mark.parametrize(
    ("requests", "cost", "said"), [(0, None, ""), (0, 0.0, ""), (3, None, "unknown"), (3, 0.0, "0.0000")]
)
def test_no_price_is_not_a_price_of_zero(requests: int, cost: float | None, said: str) -> None:
    assert wording.cost(requests, cost) == said


# ------------------------------------------------------------------- findings


def test_a_shown_difference_is_called_one() -> None:
    found = summary({"lvlm": {"psnr": spread(-0.5, 0.4, 40), "ssim": spread(0, 0.01, 40)}},
                    {"psnr": FLAT, "ssim": [0.8] * 40})  # fmt: skip
    text = findings.tell(found)["general"]
    entry = found.families["general"]["psnr"].arms["lvlm"]
    low, high = (wording.number(found.metrics["psnr"], end, signed=True) for end in (entry.low, entry.high))
    assert text.startswith(
        f"FSR+LVLM made PSNR worse in {40 - entry.improved} of 40 pictures, p < 0.001, on average by −0.500 dB "
        f"(95 % interval {low} to {high}). p is corrected for 2 tests, intervals are not."
    )
    assert "No difference could be shown in SSIM: that takes 27 of 40 changed pictures going one way." in text
    assert text.count("better") + text.count("worse") == 1


def test_what_could_not_be_shown_is_not_called_absent() -> None:
    found = summary({"lvlm": {"psnr": spread(0.05, 2.0, 40)}}, {"psnr": FLAT})
    text = findings.tell(found)["general"]
    assert text.startswith("No difference between FSR+LVLM and pure could be shown in PSNR on 40 cases: that takes 27")
    assert "better" not in text


def test_an_interval_that_leaves_zero_is_no_claim() -> None:
    """Five of five became better, and the interval is far from zero: p is 0.06, and nothing is said of a direction."""
    found = summary({"lvlm": {"psnr": [0.1, 0.2, 0.15, 0.3, 0.22]}}, {"psnr": FLAT[:5]})
    entry = found.families["general"]["psnr"].arms["lvlm"]
    assert entry.low > 0
    assert (entry.p_adjusted, entry.shown) == (0.0625, False)
    assert findings.tell(found)["general"] == (
        "With 5 pictures and 1 test no difference between FSR+LVLM and pure can be shown: it takes at least 6."
    )
    assert "**3" not in tables.markdown(found)


def test_nothing_stands_out_at_three_cases() -> None:
    found = summary({"lvlm": {"psnr": [0.5, 0.6, 0.7]}}, {"psnr": FLAT[:3]})
    entry = found.families["general"]["psnr"].arms["lvlm"]
    assert (entry.p, entry.shown, wording.standing_out(found.metrics["psnr"], entry)) == (0.25, False, 0)
    assert "**3" not in tables.markdown(found)
    assert overview.found(found.metrics["psnr"], entry) == ""


def test_where_the_mean_goes_the_other_way_the_sentence_says_so_and_nothing_is_bold() -> None:
    found = summary({"lvlm": {"psnr": [0.1] * 18 + [-9.0, -8.0]}}, {"psnr": FLAT[:20]})
    entry = found.families["general"]["psnr"].arms["lvlm"]
    assert (entry.shown, wording.claimed(entry), wording.standing_out(found.metrics["psnr"], entry)) == (True, 1, 0)
    text = findings.tell(found)["general"]
    assert "made PSNR better in 18 of 20 pictures, p < 0.001, but on average worse by 0.760 dB (95 % interval" in text
    assert "since a few lost much." in text
    assert "**3" not in tables.markdown(found)
    assert overview.found(found.metrics["psnr"], entry) == ""


def test_only_what_changed_is_counted() -> None:
    """ "80 % power for 0.003 dB" was said of such a run."""
    some = {"psnr": [0.1] * 3 + [0.0] * 17, "ssim": [0.01] * 15 + [-0.01] + [0.0] * 4}
    found = summary({"lvlm": some}, {"psnr": FLAT[:20], "ssim": [0.8] * 20})
    text = findings.tell(found)["general"]
    assert "made SSIM better in 15 of 16 changed pictures (20 in all), p = 0.001" in text
    assert "FSR+LVLM: only 3 pictures changed in PSNR: no difference can be shown, it takes at least 6." in text
    assert "power" not in text
    alone = findings.tell(summary({"lvlm": {"psnr": some["psnr"]}}, {"psnr": FLAT[:20]}))["general"]
    assert alone == "FSR+LVLM: only 3 pictures changed: no difference can be shown, it takes at least 6."


def test_too_few_cases_for_any_claim_are_said() -> None:
    """Nine cases and fifteen tests: the smallest p that can be is 0.004, and fifteen times that is 0.06."""
    arms = {arm: {m: spread(1.0, 0.1, 9) for m in FIFTEEN} for arm in ("lvlm", "other", "third")}
    found = summary(arms, dict.fromkeys(FIFTEEN, FLAT[:9]))
    text = findings.tell(found)["general"]
    assert text.count("With 9 pictures and 15 tests no difference between") == 3
    assert "it takes at least 10." in text
    assert "better" not in text
    ten = summary({a: {m: spread(1.0, 0.1, 10) for m in FIFTEEN} for a in arms}, dict.fromkeys(FIFTEEN, FLAT[:10]))
    assert "made PSNR better in 10 of 10 pictures" in findings.tell(ten)["general"]


def test_a_contender_beside_its_controls() -> None:
    rng = np.random.default_rng(3)
    arms = {"lvlm": 0.5, "random": 0.0, "heuristic": 0.5, "rerun": 0.0}
    deltas = {arm: {"psnr": (mean + rng.normal(0, 0.1, 40)).tolist()} for arm, mean in arms.items()}
    roles = {"random": "control", "heuristic": "control", "rerun": "floor"}
    found = summary(deltas, {"psnr": FLAT}, roles)
    text = findings.tell(found)["general"]
    start = text.index("FSR+LVLM beside the controls: PSNR better than FSR+random in 40 of 40 pictures, p < 0.001")
    assert "; no difference from FSR+heuristic could be shown." in text[start:]
    assert text.count("beside the controls") == 1
    table = tables.markdown(found).partition("## Against the controls")[2].partition("## How sure")[0]
    rows = [line for line in table.splitlines() if line.startswith("| general | FSR+LVLM")]
    assert [row.split(" | ")[2] for row in rows] == ["FSR+random", "FSR+heuristic", "FSR+rerun"]
    assert "**+0." in rows[0]
    assert "**" not in rows[1]


def test_a_mean_that_one_case_makes_is_marked_and_the_case_is_named() -> None:
    found = summary({"lvlm": {"niqe": [*spread(-0.1, 0.2, 19), 43.0]}}, {"niqe": [6.0] * 20})
    text = tables.markdown(found)
    assert "Δ +2.055 ‡<br>" in text
    assert "- general, FSR+LVLM: c019 makes Δ NIQE (+43.000); −0.100 without it" in text
    assert "‡" not in tables.markdown(summary({"lvlm": {"niqe": spread(-0.1, 0.2, 20)}}, {"niqe": [6.0] * 20}))


def test_what_it_takes_stands_with_the_evidence() -> None:
    some = {"psnr": [0.1] * 14 + [-0.1] * 4 + [0.0] * 2, "ssim": [0.01] * 3 + [0.0] * 17}
    found = summary({"lvlm": some}, {"psnr": FLAT[:20], "ssim": [0.8] * 20})
    told = tables.markdown(found).partition("## How sure")[2]
    rows = [line for line in told.splitlines() if line.startswith("| general | FSR+LVLM | ")]
    psnr, ssim = (row.strip("| ").split(" | ") for row in rows)
    needed = found.families["general"]["psnr"].arms["lvlm"].needed
    assert (psnr[4], psnr[5], psnr[-2], psnr[-1]) == ("18 of 20", "+0.056", "15 of 18", str(needed))
    assert (ssim[4], ssim[5], ssim[-2]) == ("3 of 20", "+0.0100", "≥7 changed")


def test_persons_are_what_is_counted_where_they_are_known() -> None:
    found = summary(
        {"lvlm": {"psnr": spread(0.5, 0.1, 40)}}, {"psnr": FLAT}, people={n: f"p{n // 2}" for n in range(40)}
    )
    assert "made PSNR better in 20 of 20 persons, p < 0.001" in findings.tell(found)["general"]


def test_lower_is_better_where_the_metric_says_so() -> None:
    found = summary({"lvlm": {"niqe": spread(-0.5, 0.2, 40)}}, {"niqe": [6.0] * 40})
    assert "NIQE better in 40 of 40 pictures, p < 0.001, on average by −0.500 (" in findings.tell(found)["general"]


def test_an_arm_that_did_nothing_is_not_called_equal_by_luck() -> None:
    found = summary({"lvlm": {"psnr": [0.0] * 40}}, {"psnr": FLAT})
    assert findings.tell(found)["general"].startswith("FSR+LVLM left every picture as it was, in 40 cases.")
    folders = replace(found, models={})  # nobody compared the pictures of plain folders
    assert findings.tell(folders)["general"].startswith("FSR+LVLM changed no number, in 40 cases.")


def test_the_first_metric_stands_beside_controls_floor_and_headroom() -> None:
    arms = {"lvlm": 0.1, "random": 0.08, "rerun": 0.02, "oracle": 0.4}
    roles = {"random": "control", "rerun": "floor", "oracle": "headroom"}
    found = summary({arm: {"psnr": spread(mean, 0.05, 40)} for arm, mean in arms.items()}, {"psnr": FLAT}, roles)
    text = findings.tell(found)["general"]
    entries = found.families["general"]["psnr"].arms
    bands = {
        a: " to ".join(wording.interval(found.metrics["psnr"], entries[a].low, entries[a].high) or ())
        for a in ("random", "oracle")
    }
    assert f"Beside it, in PSNR: FSR+random +0.080 ({bands['random']}) and FSR+oracle (privileged: saw" in text
    assert f"+0.400 ({bands['oracle']})." in text
    floor = wording.number(found.metrics["psnr"], entries["rerun"].floor)
    assert text.endswith(f"When nothing is done, 95% of the cases move by less than {floor} dB in PSNR.")


def test_pure_alone_says_what_to_do() -> None:
    found = summary({}, {"psnr": FLAT})
    assert "--lvlm" in findings.tell(found)["general"]


def test_an_arm_that_failed_everywhere_is_not_called_absent() -> None:
    found = summary({}, {"psnr": FLAT})
    found.counts["general"].arms["lvlm"] = FAILED
    assert findings.tell(found)["general"] == "FSR+LVLM failed on every case."
