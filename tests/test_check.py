"""`check`: what it calls worse, better, within tolerance or not comparable; how it says so; and what it refuses."""

from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from fsrbench.cli import app
from fsrbench.core.errors import InputError, SettingsError
from fsrbench.measure import baseline, check, tolerances
from fsrbench.measure.baseline import Baseline, Figure
from fsrbench.measure.summary_values import FORMAT
from fsrbench.measure.tolerances import Tolerance
from fsrbench.show import verdicts

Said = tuple[int, str, str]


def arm(mean: float | None, delta: float | None, n: int = 6, width: float = 0.02) -> dict[str, Any]:
    ends = {"low": None, "high": None} if delta is None else {"low": delta - width, "high": delta + width}
    return {"n": n, "mean": mean, "delta": delta, "median": delta, **ends, "p": 0.5, "wins": 3}


def numbers(pure: float, deltas: dict[str, float]) -> dict[str, Any]:
    return {
        "n": 6, "na": 0, "why_na": [], "pure": pure, "pure_low": pure - 1.5, "pure_high": pure + 1.5,
        "arms": {name: arm(round(pure + delta, 6), delta) for name, delta in deltas.items()},
    }  # fmt: skip


def counts(*arms: str) -> dict[str, Any]:
    return {"cases": 6, "failed": 0, "arms": {a: {"done": 6, "failed": 0, "invalid": 0, "changed": 2} for a in arms}}


def summary() -> dict[str, Any]:
    """A summary as an evaluation writes it, with more in it than is compared."""
    return {
        "format": FORMAT,
        "metrics": {
            "psnr": {"label": "PSNR", "better": "higher", "digits": 3, "unit": "dB"},
            "niqe": {"label": "NIQE", "better": "lower", "digits": 3, "unit": ""},
        },
        "models": {"blind": ["BSRGAN"], "general": ["embedded (compact)"]},
        "inputs": {"cases": 6, "sha256": "85b9", "recipe": ["paper"], "hr_size": 512},
        "statistics": {"level": 0.95, "tests": 4},
        "families": {
            "blind": {"psnr": numbers(25.0, {"lvlm": 0.1}), "niqe": numbers(6.0, {"lvlm": -0.2})},
            "general": {
                "psnr": numbers(27.0, {"lvlm": 0.05, "oracle": 0.4, "rerun": 0.0}),
                "niqe": numbers(5.0, {"lvlm": -0.1, "oracle": -0.3, "rerun": 0.0}),
            },
        },
        "roles": {"lvlm": "contender", "oracle": "headroom", "rerun": "floor"},
        "marks": {"oracle": "privileged: saw the reference", "rerun": "noise floor"},
        "notes": [],
        "counts": {"blind": counts("lvlm"), "general": counts("lvlm", "oracle", "rerun")},
    }


def put(data: dict[str, Any], place: str | Sequence[str], value: Any) -> None:
    """Change one value; `del_` takes it away."""
    *way, last = place.split(".") if isinstance(place, str) else place
    for key in way:
        data = data[key]
    if value is del_:
        del data[last]
    else:
        data[last] = value


del_ = object()


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command itself, on a run whose summary differs from the baseline's in the given places."""
    monkeypatch.chdir(tmp_path)

    def go(changes: dict[str, Any] | None = None, *options: str, before: dict[str, Any] | None = None) -> Said:
        for folder, changed in (("run é", changes), ("monday", before)):
            data = summary()
            for place, value in (changed or {}).items():
                put(data, place, value)
            _write(tmp_path / folder, data)
        words = ["check", "run é", *(options if "--baseline" in options else ("--baseline", "monday", *options))]
        return call(*words, capsys=capsys, monkeypatch=monkeypatch)

    return go


def _write(folder: Path, data: dict[str, Any]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")


def call(*words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Said:
    monkeypatch.setattr(sys, "argv", ["fsrbench", *words])
    with pytest.raises(SystemExit) as left:
        app.main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err


# ---------------------------------------------------------------------- golden

WORSE = {
    "families.general.psnr.pure": 26.5,
    "families.general.psnr.arms.lvlm.mean": 26.55,
    "families.general.psnr.arms.oracle.delta": 0.2,
    "families.blind.niqe.arms.lvlm.delta": -0.25,
    "counts.blind.arms.lvlm.invalid": 2,
    "models.general": ["bicubic"],
}
ASIDE = "Reported only, cannot fail a check: oracle (privileged: saw the reference), rerun (noise floor).\n"

PASS = f"0 worse, 0 better, 18 within tolerance (--all shows them).\n{ASIDE}No regression.\n"

REGRESSION = f"""\
blind · BSRGAN
  better   NIQE ↓         Δ lvlm                                    −0.200 → −0.250  −0.050  ±0.001
  worse    invalid cases  lvlm                                      0 → 2            +2
general · bicubic
  worse    PSNR ↑         pure                                      27.000 → 26.500  −0.500  ±0.001
  worse    PSNR ↑         lvlm                                      27.050 → 26.550  −0.500  ±0.001
  (worse)  PSNR ↑         Δ oracle (privileged: saw the reference)  +0.400 → +0.200  −0.200  ±0.001
3 worse, 1 better, 14 within tolerance (--all shows them).
{ASIDE}general was restored by bicubic, in the baseline by embedded (compact).
REGRESSION. Where these changes are meant: fsrbench check RUN --save-baseline FILE
"""


MARKDOWN = """\
## fsrbench check: regression

### general · embedded (compact)

| Verdict | Metric | Variant | Baseline → now | Change | Allowed |
|---|---|---|---:|---:|---|
| worse | PSNR ↑ | pure | 27.000 → 26.500 | −0.500 | ±0.27 (1 %) |

- 1 worse, 0 better, 17 within tolerance (--all shows them).
- Reported only, cannot fail a check: oracle (privileged: saw the reference), rerun (noise floor).
- REGRESSION. Where these changes are meant: fsrbench check RUN --save-baseline FILE
"""


def test_a_run_passes_against_itself(said: Callable[..., Said]) -> None:
    assert said() == (0, PASS, "")


def test_a_regression(said: Callable[..., Said]) -> None:
    assert said(WORSE) == (1, REGRESSION, "")


def test_an_improvement_passes_and_says_how_to_keep_it(said: Callable[..., Said]) -> None:
    status, out, _ = said({"families.blind.psnr.arms.lvlm.delta": 0.3})
    assert status == 0
    assert out == (
        "blind · BSRGAN\n  better  PSNR ↑  Δ lvlm  +0.100 → +0.300  +0.200  ±0.001\n"
        f"0 worse, 1 better, 17 within tolerance (--all shows them).\n{ASIDE}"
        "No regression. Keep the gain: fsrbench check RUN --save-baseline FILE\n"
    )


def test_all_shows_what_is_within_tolerance(said: Callable[..., Said]) -> None:
    status, out, _ = said({"families.blind.psnr.pure": 25.0005}, "--all")
    lines = out.splitlines()
    assert status == 0
    assert (
        "  within    PSNR ↑         pure                                      25.000 → 25.000  0.000  ±0.001" in lines
    )
    assert len([line for line in lines if line.startswith("  ")]) == 12 + 8 + 10
    assert lines[-3] == "0 worse, 0 better, 18 within tolerance."


def test_what_only_a_yardstick_lost_fails_nothing(said: Callable[..., Said]) -> None:
    changes = {"families.general.niqe.arms.oracle.delta": 0.4, "counts.general.arms.rerun.failed": 1}
    status, out, _ = said(changes)
    assert status == 0
    assert out.count("(worse)") == 2
    assert "No regression." in out


GONE = {f"families.{family}.niqe": del_ for family in ("blind", "general")}
OBSTACLES = {
    "missing metric": (
        {**GONE, "metrics.niqe": del_},
        "Not compared: NIQE was not measured. Use fsrbench evaluate RUN --set metrics=psnr,niqe, "
        "or save a new baseline (--save-baseline FILE).\n",
    ),
    "other cases": (
        {"inputs.sha256": "0000", "inputs.cases": 5, "counts.blind.failed": 1},
        "Not compared: Other cases: 5, in the baseline 6. Some failed (blind: 1), failures.csv says why. "
        "Use the baseline's pictures and references, or save a new baseline (--save-baseline FILE).\n",
    ),
    "as many others": (
        {"inputs.sha256": "0000"},
        "Not compared: Other cases: as many, but others. "
        "Use the baseline's pictures and references, or save a new baseline (--save-baseline FILE).\n",
    ),
    "another recipe": (
        {"inputs.recipe": ["bsrgan"]},
        "Not compared: Another recipe: bsrgan, in the baseline paper. Degrade as it did, "
        "or save a new baseline (--save-baseline FILE).\n",
    ),
    "other references": (
        {"inputs.hr_size": 256},
        "Not compared: Other references: brought to 256 pixels, in the baseline to 512. Use --set hr_size=512, "
        "or save a new baseline (--save-baseline FILE).\n",
    ),
    "another direction": (
        {"metrics.psnr.better": "lower"},
        "Not compared: PSNR has changed its direction: lower is better, in the baseline higher. Mend the metric, "
        "or save a new baseline (--save-baseline FILE).\n",
    ),
    "missing family": (
        {"families.blind": del_},
        "Not compared: The family blind was not run. Use fsrbench run --family blind on it, "
        "or save a new baseline (--save-baseline FILE).\n",
    ),
    "missing arm": (
        {
            f"{part}.lvlm": del_
            for part in ("counts.blind.arms", "families.blind.psnr.arms", "families.blind.niqe.arms")
        },
        "Not compared: blind: the arm lvlm was not run. Use fsrbench run --arm lvlm on it, "
        "or save a new baseline (--save-baseline FILE).\n",
    ),
    "another role": (
        {"roles.lvlm": "headroom"},
        "Not compared: The arm lvlm has changed its role: headroom, in the baseline contender. Give it another name, "
        "or save a new baseline (--save-baseline FILE).\n",
    ),
    "fewer numbers": (
        {"families.blind.psnr.n": 5, "families.blind.psnr.why_na": ["no reference\nfor this case"]},
        "Not compared: blind pure: PSNR rests on 5 cases, in the baseline on 6 (no reference for this case). "
        "Mend that, or save a new baseline (--save-baseline FILE).\n",
    ),
    "no number": (
        {"families.blind.psnr.arms.lvlm": arm(None, None, 0)},
        "Not compared: blind lvlm: PSNR is n/a and was a number (scores.csv has every number). Mend that, "
        "or save a new baseline (--save-baseline FILE).\n",
    ),
}


@pytest.mark.parametrize("name", OBSTACLES)
def test_what_cannot_be_compared(name: str, said: Callable[..., Said]) -> None:
    changes, expected = OBSTACLES[name]
    assert said(changes) == (2, "", expected)


def test_all_obstacles_are_said_at_once(said: Callable[..., Said]) -> None:
    status, _, err = said({"inputs.hr_size": 256, "inputs.recipe": [], "metrics.psnr.better": "lower"})
    assert status == 2
    assert err.count("Not compared: ") == 3
    assert "recipe: unknown, in the baseline paper" in err


def test_what_is_new_is_listed_and_does_not_fail(said: Callable[..., Said]) -> None:
    gone = {
        f"{part}.lvlm": del_ for part in ("counts.blind.arms", "families.blind.psnr.arms", "families.blind.niqe.arms")
    }
    na = {"families.general.psnr.arms.lvlm": arm(None, None, 0)}
    status, out, _ = said(before={**gone, **na})
    assert status == 0
    assert [line for line in out.splitlines() if line.startswith("Not in")] == [
        "Not in the baseline: arm lvlm of blind.",
        "Not in the baseline: PSNR of general lvlm.",
    ]
    status, out, _ = said(before={**GONE, "metrics.niqe": del_, "families.general": del_})
    assert status == 0
    assert "Not in the baseline: metric niqe.\nNot in the baseline: family general.\n" in out


def test_a_baseline_without_a_number_passes_nothing(said: Callable[..., Said]) -> None:
    status, out, err = said(before={"families": {}})
    assert (status, out) == (2, "")
    assert "holds no number" in err


FAILED = {
    "counts.blind.arms.lvlm.failed": 2,
    "families.blind.psnr.arms.lvlm": arm(29.0, 4.0, 4),
    "families.blind.niqe.arms.lvlm": arm(9.0, 3.0, 4),
}


def test_failed_cases_are_a_regression_and_their_means_are_not_compared(said: Callable[..., Said]) -> None:
    status, out, _ = said(FAILED)
    assert status == 1
    assert out.startswith("blind · BSRGAN\n  worse  failed cases  lvlm  0 → 2  +2\n1 worse, 0 better, 13 within")
    assert "\nblind lvlm: its numbers rest on fewer cases, since some failed, and are not compared.\n" in out


def test_an_arm_that_failed_everywhere_is_a_regression(said: Callable[..., Said]) -> None:
    gone = {f"families.blind.{metric}.arms.lvlm": del_ for metric in ("psnr", "niqe")}
    status, out, _ = said({**gone, "counts.blind.arms.lvlm.failed": 6})
    assert status == 1
    assert "worse  failed cases  lvlm  0 → 6  +6" in out


def test_failures_explain_no_more_than_their_number(said: Callable[..., Said]) -> None:
    status, _, err = said({**FAILED, "counts.blind.arms.lvlm.failed": 1})
    assert status == 2
    assert "blind lvlm: PSNR rests on 4 cases, in the baseline on 6" in err


def test_repaired_cases_need_a_new_baseline(said: Callable[..., Said]) -> None:
    status, _, err = said(before=FAILED)
    assert status == 2
    assert "rests on 6 cases, in the baseline on 4" in err


# ------------------------------------------------------------------- tolerances


@pytest.mark.parametrize(
    ("given", "pure", "status"),
    [
        ("psnr=0.5", 26.5, 0),
        ("psnr=0.499", 26.5, 1),
        ("psnr=2%", 26.46, 0),
        ("psnr=2%", 26.459, 1),
        ("2%", 26.46, 0),
        ("psnr=interval", 25.5, 0),
        ("psnr=interval", 25.498, 1),
        ("interval", 25.5, 0),
        ("niqe=5", 26.5, 1),
    ],
)
def test_tolerances_of_a_mean(given: str, pure: float, status: int, said: Callable[..., Said]) -> None:
    assert said({"families.general.psnr.pure": pure}, "--tolerance", given)[0] == status


@pytest.mark.parametrize(
    ("given", "delta", "status"),
    [("psnr=interval", 0.031, 0), ("psnr=interval", 0.028, 1), ("psnr=1%", -0.22, 0), ("psnr=1%", -0.2201, 1)],
)
def test_tolerances_of_a_delta(given: str, delta: float, status: int, said: Callable[..., Said]) -> None:
    """The interval is the delta's own; a share is one of the pure mean, since a delta may be zero."""
    assert said({"families.general.psnr.arms.lvlm.delta": delta}, "--tolerance", given)[0] == status


def test_an_interval_that_is_not_there_is_an_obstacle(said: Callable[..., Said]) -> None:
    before = {"families.blind.psnr.pure_low": None, "families.blind.psnr.pure_high": None}
    assert said({}, "--tolerance", "niqe=interval", before=before)[0] == 0
    status, _, err = said({}, "--tolerance", "psnr=interval", before=before)
    assert status == 2
    assert "blind pure: PSNR has no interval in the baseline. Use a number: --tolerance psnr=0.05." in err


def test_change_below_the_shown_digits_is_shown_with_all(said: Callable[..., Said]) -> None:
    status, out, _ = said({"families.general.psnr.pure": 26.9998}, "--tolerance", "psnr=0.0001")
    assert status == 1
    assert "27.000000 → 26.999800  −0.000200  ±0.0001" in out


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["psnr"], "cannot be read"), (["psnr="], "cannot be read"), (["=1%"], "cannot be read"),
        (["psnr=-1"], "cannot be read"), (["psnr=nan"], "cannot be read"), (["psnr=1e999"], "cannot be read"),
        (["psnr=1e999%"], "cannot be read"), (["psnr=٣"], "cannot be read"), (["0.05"], "needs a metric"),
        (["psnr=1", "psnr=2%"], "beside another"), (["1%", "interval"], "beside another"),
        (["psn=1"], "no such metric; it has psnr, niqe"),
    ],
)  # fmt: skip
def test_tolerances_that_are_refused(given: list[str], message: str, said: Callable[..., Said]) -> None:
    status, out, err = said({}, *(word for text in given for word in ("--tolerance", text)))
    assert (status, out) == (2, "")
    assert err.startswith("fsrbench: --tolerance")
    assert message in err


@given(st.text(alphabet="0123456789.eE+-%=_ npsrinteval", max_size=14))
def test_the_parser_takes_a_number_or_refuses(text: str) -> None:
    """Whatever stands there: a finite size that is not negative, or one sentence."""
    found = None
    with contextlib.suppress(SettingsError):
        found = tolerances.parse([text])
    if found is None:
        return
    ((metric, tolerance),) = found.items()
    assert math.isfinite(tolerance.size)
    assert tolerance.size >= 0
    assert text.endswith(("interval", "%")) or metric != tolerances.EVERY


@given(st.from_regex(r"[a-z][a-z0-9_:]{0,9}", fullmatch=True), st.floats(0, 1e6), st.sampled_from(["", "%"]))
def test_what_is_written_is_what_is_read(metric: str, size: float, percent: str) -> None:
    expected = Tolerance("relative", size / 100) if percent else Tolerance("absolute", size)
    assert tolerances.parse([f"{metric}={size!r}{percent}"]) == {metric: expected}


six = st.floats(-1e4, 1e4).map(lambda x: round(x, 6))


@given(six, six, st.floats(0, 100).map(lambda x: round(x, 4)), st.integers(0, 6), st.sampled_from(["higher", "lower"]))
def test_worse_one_way_is_better_the_other_way(one: float, other: float, size: float, digits: int, better: str) -> None:
    mirrored = {"worse": "better", "better": "worse", "within": "within"}
    for tolerance in (Tolerance("absolute", size), Tolerance("shown")):

        def verdict(now: float, was: float, tolerance: Tolerance = tolerance) -> str:
            return tolerances.judge(now, *tolerances.band(Figure(was, None, None), tolerance, digits, was), better)

        assert verdict(other, one) == mirrored[verdict(one, other)]
        assert verdict(one, one) == "within"


@given(six, six, six, st.floats(0, 2))
def test_a_number_is_within_every_tolerance_of_itself(value: float, low: float, high: float, share: float) -> None:
    """Also of an interval that does not hold its own mean, as a bootstrap's may not."""
    for tolerance in (Tolerance("interval"), Tolerance("relative", share), Tolerance("absolute")):
        ends = tolerances.band(Figure(value, low, high), tolerance, 3, value)
        assert tolerances.judge(value, *ends, "higher") == "within"


@given(six, six)
def test_a_whole_comparison_is_antisymmetric(pure: float, delta: float) -> None:
    one, other = summary(), summary()
    other["families"]["general"]["psnr"] = numbers(pure, {"lvlm": delta, "oracle": delta, "rerun": 0.0})
    sides = [parsed(data) for data in (one, other)]
    there, back = check.compare(sides[0], sides[1], {}), check.compare(sides[1], sides[0], {})
    assert there.count("worse") == back.count("better")
    assert there.count("better") == back.count("worse")


def parsed(data: dict[str, Any]) -> Baseline:
    from pydantic import TypeAdapter

    return TypeAdapter(Baseline).validate_json(json.dumps(data), strict=True)


# ------------------------------------------------------------------- what is written


def test_junit(said: Callable[..., Said], tmp_path: Path) -> None:
    assert said(WORSE, "--junit", "a b/check.xml")[0] == 1
    root = ElementTree.parse(tmp_path / "a b" / "check.xml").getroot()
    cases = {(c.get("classname"), c.get("name")): c for c in root.iter("testcase")}
    assert len(cases) == len(list(root.iter("testcase"))) == 1 + (4 + 2) + (8 + 4)
    for key, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        assert int(root.get(key, "")) == len(list(root.iter(tag)))
        assert all(int(suite.get(key, "")) == len(list(suite.iter(tag))) for suite in root)
    assert sum(int(suite.get("skipped", "")) for suite in root) == len(list(root.iter("skipped"))) == 1
    assert {suite.get("name") for suite in root} == {"comparison", "blind · BSRGAN", "general · bicubic"}
    failed = cases["fsrbench.general", "psnr pure"].find("failure")
    assert failed is not None
    assert failed.get("message") == "PSNR ↑ pure: 27.000 → 26.500 (−0.500, allowed ±0.001)"
    assert cases["fsrbench.blind", "cases lvlm"].find("failure") is not None
    assert cases["fsrbench.blind", "niqe lvlm"].find("*") is None
    assert cases["fsrbench.general", "psnr oracle (privileged: saw the reference)"].find("skipped") is not None


def test_junit_of_an_obstacle(said: Callable[..., Said], tmp_path: Path) -> None:
    assert said({}, "--baseline", "no <&> such.json", "--junit", "check.xml", "--markdown", "check.md")[0] == 2
    root = ElementTree.parse(tmp_path / "check.xml").getroot()
    assert [root.get(key) for key in ("tests", "failures", "errors")] == ["1", "0", "1"]
    error = root.find("testsuite/testcase/error")
    assert error is not None
    assert error.get("message", "").startswith("no <&> such.json is not there. Make a baseline from a run you trust")
    written = (tmp_path / "check.md").read_text(encoding="utf-8")
    assert written.startswith("## fsrbench check: not compared\n\n- Not compared: no &lt;&> such.json is not there.")


def test_markdown(said: Callable[..., Said], tmp_path: Path) -> None:
    changes = {"families.general.psnr.pure": 26.5}
    assert said(changes, "--tolerance", "1%", "--markdown", "check.md")[0] == 1
    assert (tmp_path / "check.md").read_text(encoding="utf-8") == MARKDOWN


def test_json(said: Callable[..., Said]) -> None:
    status, out, _ = said(WORSE, "--json")
    found = json.loads(out)
    assert status == found["status"] == 1
    worse = [c for c in found["changes"] if c["verdict"] == "worse"]
    assert [(c["family"], c["metric"], c["arm"], c["quantity"], c["decides"]) for c in worse] == [
        ("general", "psnr", "pure", "mean", True),
        ("general", "psnr", "lvlm", "mean", True),
        ("general", "psnr", "oracle", "delta", False),
        ("blind", "cases", "lvlm", "invalid", True),
    ]
    status, out, err = said({"inputs.hr_size": 9}, "--json")
    assert (status, err) == (2, "")
    assert json.loads(out)["obstacles"][0].startswith("Other references")


def test_a_saved_baseline_says_the_same_as_the_summary(said: Callable[..., Said], tmp_path: Path) -> None:
    assert said({}, "--save-baseline", "ci/b.json") == (0, PASS, f"Saved as baseline: {Path('ci/b.json')}\n")
    saved = (tmp_path / "ci" / "b.json").read_text(encoding="utf-8")
    assert said({}, "--baseline", "ci/b.json", "--save-baseline", "ci/again.json")[:2] == (0, PASS)
    assert (tmp_path / "ci" / "again.json").read_text(encoding="utf-8") == saved
    assert said(WORSE, "--baseline", "ci/b.json") == (1, REGRESSION, "")
    for word in ("median", "statistics", "why_na", '"p"', "wins"):
        assert word not in saved
    said({"families.general.psnr.arms.lvlm.delta": 0.06}, "--save-baseline", "ci/b.json")
    after = (tmp_path / "ci" / "b.json").read_text(encoding="utf-8")
    changed = [new for old, new in zip(saved.splitlines(), after.splitlines(), strict=True) if old != new]
    assert len(changed) == 1
    assert '"lvlm": {"delta": 0.06' in changed[0]


def test_saving_without_comparing(said: Callable[..., Said], tmp_path: Path) -> None:
    said()
    done = subprocess.run(
        [sys.executable, "-m", "fsrbench", "check", "run é", "--save-baseline", "b.json"],
        cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "Saved as baseline: b.json\n")
    assert baseline.read(tmp_path / "b.json", "") == baseline.read(tmp_path / "monday", "")


# -------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "Say what to compare with, --baseline FILE, or make one: --save-baseline FILE. Pictures: --pictures."),
        (["--save-baseline", "b.json", "--junit", "c.xml"], "There is no comparison to tell of: add --baseline FILE."),
    ],
)
def test_wrong_usage(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, out, err = call("check", "run", *words, capsys=capsys, monkeypatch=monkeypatch)
    assert (status, out, err) == (2, "", f"fsrbench: {message}\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--junit", "run é"], "--junit run é: this is a folder. Name a file."),
        (["--markdown", ""], "--markdown .: this is a folder. Name a file."),
        (
            ["--junit", "a", "--markdown", "./a"],
            "--markdown a: this is the file of --junit already. Name another file.",
        ),
        (["--junit", "b.json"], "--junit b.json: this is the baseline already. Name another file."),
        (["--save-baseline", "run é/summary.json"], "this is the run's summary already. Name another file."),
    ],
)
def test_nothing_of_value_is_overwritten(
    words: list[str], message: str, said: Callable[..., Said], tmp_path: Path
) -> None:
    said({}, "--save-baseline", "b.json")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    status, out, err = said({}, "--baseline", "b.json", *words)
    assert (status, out) == (2, "")
    assert err.replace("\\", "/").endswith(f"{message}\n")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before
    assert not (tmp_path / "a").exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_written_into_and_never_replaced(said: Callable[..., Said], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    got: list[str] = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / "pipe").read_text(encoding="utf-8")))
    reader.start()
    assert said({}, "--markdown", "pipe")[0] == 0
    reader.join(10)
    assert got[0].startswith("## fsrbench check: no regression")
    assert not (tmp_path / "pipe").is_file()
    status, _, err = said({}, "--save-baseline", "pipe")
    assert (status, "this is no file" in err) == (2, True)


@pytest.mark.skipif(os.name == "nt", reason="pipes end in other words there")
def test_a_reader_that_went_away_is_no_regression(said: Callable[..., Said], tmp_path: Path) -> None:
    said()
    words = [sys.executable, "-m", "fsrbench", "check", "run é", "--baseline", "monday", "--all"]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(words, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, timeout=60)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


def test_what_holds_no_number_does_not_become_a_baseline(said: Callable[..., Said], tmp_path: Path) -> None:
    empty: dict[str, Any] = {}
    for place in ("blind.psnr", "blind.niqe", "general.psnr", "general.niqe"):
        empty |= {f"families.{place}.pure": None, f"families.{place}.arms": {}}
    status, _, err = said(empty, "--save-baseline", "b.json")
    assert status == 2
    assert "holds no number to compare with later" in err
    assert not (tmp_path / "b.json").exists()


def test_a_file_that_is_something_else_is_not_named_as_a_place_for_a_baseline(
    said: Callable[..., Said], tmp_path: Path
) -> None:
    (tmp_path / "face.png").write_bytes(b"\x89PNG")
    assert said({}, "--baseline", "face.png")[2].endswith("--save-baseline FILE\n")
    assert said({}, "--baseline", "new.json")[2].endswith("--save-baseline new.json\n")


def test_a_run_that_was_not_measured(said: Callable[..., Said], tmp_path: Path) -> None:
    said()
    (tmp_path / "run é" / "summary.json").unlink()
    file = Path("run é") / "summary.json"
    with pytest.raises(InputError, match="Measure the run first: fsrbench evaluate run é"):
        check.read_run(file.parent)
    found = check.check(Path("run é"), Path("monday"), {})
    assert found.status == 2
    assert found.obstacles == (f"{file} is not there. Measure the run first: fsrbench evaluate run é",)


def test_a_baseline_of_the_format_before_is_read(said: Callable[..., Said]) -> None:
    """Its statistics were others; what is compared means the same."""
    assert said({}, before={"format": 2})[0] == 0
    assert said({"families.blind.psnr.pure": 24.0}, before={"format": 2})[0] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not a summary"),
        ("[1, 2]", "is not a summary"),
        ("{", "is not a summary"),
        ('{"a": 1}', "holds no families"),
        ('{"format": 1, "families": {}}', "has format 1; 2 and 3 can be compared"),
        ('{"format": 2, "families": {}}', "was edited or cut off: metrics: Field required"),
        ("[" * 100000, "is not a summary"),
    ],
)
def test_files_that_are_no_summary(text: str, message: str, said: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    status, out, err = said({}, "--baseline", "b.json")
    assert (status, out) == (2, "")
    assert message in err
    assert "fsrbench check RUN --save-baseline b.json" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", "true", '"27"', "1e13"])
@pytest.mark.parametrize("place", ["families.general.psnr.pure", "families.blind.niqe.arms.lvlm.delta"])
def test_what_is_no_number_is_refused(number: str, place: str, said: Callable[..., Said], tmp_path: Path) -> None:
    data = summary()
    put(data, place, 123456.5)
    (tmp_path / "b.json").write_text(json.dumps(data).replace("123456.5", number), encoding="utf-8")
    status, _, err = said({}, "--baseline", "b.json")
    assert status == 2
    assert f"was edited or cut off: {place}: Input should be" in err


@pytest.mark.parametrize("name", ["\\u0000", "\\u001b[31m", "\\ufffe", ""])
def test_names_that_no_terminal_or_xml_could_take_are_refused(
    name: str, said: Callable[..., Said], tmp_path: Path
) -> None:
    text = json.dumps(summary()).replace('"blind"', f'"{name}"')
    (tmp_path / "b.json").write_text(text, encoding="utf-8")
    status, _, err = said({}, "--baseline", "b.json")
    assert status == 2
    assert "was edited or cut off" in err
    assert err.strip().isprintable()


def _places(data: Any, way: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(data, dict):
        return [way]
    return [way, *(place for key, value in data.items() for place in _places(value, (*way, key)))]


ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-10, 10**20), st.floats(), st.text(max_size=5),
    st.lists(st.integers(), max_size=2), st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip


@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_mutated_baseline_never_ends_in_a_traceback(data: st.DataObject, tmp_path: Path) -> None:
    """One to three values replaced or taken away, or the text cut or spoilt: compared, or refused in words."""
    whole = summary()
    _write(tmp_path / "run", whole)
    changed = copy.deepcopy(whole)
    for _ in range(data.draw(st.integers(1, 3))):
        way = data.draw(st.sampled_from([place for place in _places(changed) if place]))
        put(changed, way, data.draw(st.one_of(st.just(del_), ANYTHING)))
    raw = json.dumps(changed).encode()
    if data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(raw) - 1))
        raw = data.draw(st.sampled_from([raw[:place], raw[:place] + b"\xff" + raw[place + 1 :]]))
    (tmp_path / "b.json").write_bytes(raw)
    for run, before in (("run", "b.json"), ("b.json", "run")):
        found = check.check(tmp_path / run, tmp_path / before, {})
        assert found.status in (0, 1, 2)
        assert bool(found.obstacles) != bool(found.changes)
        assert list(verdicts.text(found, everything=True))
        assert json.loads(json.dumps(verdicts.as_json(found), allow_nan=False))["status"] == found.status
        root = ElementTree.fromstring(verdicts.junit(found))
        assert root.get("failures") == "0" or found.status == 1
        verdicts.markdown(found, everything=True).encode()
