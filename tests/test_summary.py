"""What is in a summary: which cases an effect rests on, which tests are adjusted, what is counted, what is said."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.multitest import multipletests

from fsrbench.core import plugins
from fsrbench.core.errors import InputError
from fsrbench.core.stored import to_json
from fsrbench.core.values import Audit, Failure, Restoration, Round, Score, Trail, Usage
from fsrbench.imaging import images
from fsrbench.measure import case_tables, signs, stats, subjects, summary_file
from fsrbench.measure.results import Numbers
from fsrbench.measure.standings import Standing
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary import summarise
from fsrbench.measure.summary_values import FamilyOutcome, InputFacts, RivalEffect, Summary
from fsrbench.study import config
from support import draw_face

FAMILIES, METRICS = ("blind", "general"), ("psnr", "lpips")
ROLES: dict[str, Standing] = {"heuristic": "control", "lvlm": "contender", "oracle": "headroom", "rerun": "floor"}
CASES = tuple(f"face {number:02d}" for number in range(24))


def picture(sha256: str) -> Restoration:
    return Restoration("bicubic", "bicubic", {}, 0, f"general/{sha256}.png", sha256, 0.1, "fp32")


def trail(family: str, case: str, audits: Mapping[str, Audit] | None = None) -> Trail:
    """A case on which every audited arm made another picture."""
    rounds = [Round("pure", 0, picture("pure"))]
    rounds += [Round(arm, 1, picture(arm), audit) for arm, audit in (audits or {}).items()]
    return Trail(case, family, f"lr of {case}", tuple(rounds))


def evaluation(root: Path = Path("here"), cases: Sequence[str] = CASES, **changes: Any) -> Evaluation:
    def subject(family: str, case: str) -> Subject:
        variants = {arm: root / family / arm / f"{case}.png" for arm in ("pure", *ROLES)}
        return Subject(family, case, root / "lr" / case, root / "hr" / case, variants, trail(family, case))

    found = [subject(family, case) for family in FAMILIES for case in cases]
    return replace(Evaluation(found, {m: plugins.load("metrics", m) for m in METRICS}, roles=ROLES), **changes)


def scores(cases: Sequence[str] = CASES, shift: float = 0.5) -> list[Score]:
    """Pure numbers and, for every arm, small moves; the LVLM's are shifted up by `shift`."""
    rng = np.random.default_rng(0)
    found = []
    for family in FAMILIES:
        for metric in METRICS:
            for case in cases:
                pure = rng.normal(30, 2)
                found.append(Score(case, family, "pure", metric, round(pure, 6)))
                for arm in ROLES:
                    moved = pure + rng.normal(shift if arm == "lvlm" else 0, 0.3)
                    found.append(Score(case, family, arm, metric, round(moved, 6)))
    return found


def effects(summary: Summary) -> dict[tuple[str, str, str], Any]:
    return {
        (family, metric, arm): found
        for family, metrics in summary.families.items()
        for metric, entry in metrics.items()
        for arm, found in entry.arms.items()
    }


def against(summary: Summary, family: str, metric: str, arm: str) -> dict[str, RivalEffect]:
    return summary.families[family][metric].against.get(arm, {})


def write_table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(("case,cluster", *lines)) + "\n", encoding="utf-8")
    return path


def clustered(table: Path) -> Evaluation:
    return evaluation(clusters=case_tables.clusters(table, CASES))


# ------------------------------------------------------------------- effects


def test_an_effect_is_the_one_of_its_differences() -> None:
    numbers = Numbers(scores())
    summary = summarise(evaluation(), numbers)
    found = effects(summary)["general", "lpips", "lvlm"]
    floor = stats.floor([abs(d) for d in numbers.deltas("general", "lpips", "rerun").values()])
    expected = stats.paired(list(numbers.deltas("general", "lpips", "lvlm").values()), "lower", floor=floor)
    assert floor > 0
    assert expected.losses > expected.wins, "lower is better, and the numbers went up"
    for name, value in asdict(expected).items():
        assert getattr(found, name) == (pytest.approx(value, rel=1e-5, abs=1e-6) if isinstance(value, float) else value)
    pure = numbers.values("general", "lpips", "pure")
    entry = summary.families["general"]["lpips"]
    assert entry.pure == pytest.approx(np.mean(list(pure.values())), abs=1e-6)
    assert (entry.pure_low, entry.pure_high) == pytest.approx(stats.mean_interval(list(pure.values())), abs=1e-6)
    assert found.mean - found.pure == pytest.approx(found.delta, abs=2e-6)


def test_noise_floor_is_the_reruns_own_for_each_family_and_metric() -> None:
    found = effects(summarise(evaluation(), Numbers(scores())))
    floors = {key[:2]: {entry.floor for k, entry in found.items() if k[:2] == key[:2]} for key in found}
    assert all(len(own) == 1 for own in floors.values())
    assert len(set().union(*floors.values())) == 4
    assert all(entry.benefit + entry.harm <= 0.1 for key, entry in found.items() if key[2] == "rerun")
    without = {arm: role for arm, role in ROLES.items() if arm != "rerun"}
    bare = effects(summarise(evaluation(roles=without), Numbers(scores())))
    assert {entry.floor for entry in bare.values()} == {0.0}


def test_holm_over_contenders_and_controls_of_the_whole_run() -> None:
    summary = summarise(evaluation(), Numbers(scores()))
    found = effects(summary)
    tested = {key: entry for key, entry in found.items() if ROLES[key[2]] in ("contender", "control")}
    pairs = [rival for key in found if key[2] == "lvlm" for rival in against(summary, *key).values()]
    every = [*tested.values(), *pairs]
    assert (len(tested), len(pairs), summary.statistics.tests) == (8, 8, 16)
    expected = multipletests([entry.p for entry in every], method="holm")[1]
    assert [entry.p_adjusted for entry in every] == pytest.approx(list(expected), rel=1e-5)
    assert [entry.shown for entry in every] == [p < 0.05 for p in expected]
    assert {entry.shown for entry in every} == {True, False}
    yardsticks = [entry for key, entry in found.items() if key not in tested]
    assert all(entry.p is not None and entry.p_adjusted is None for entry in yardsticks)
    assert not any(entry.shown for entry in yardsticks)


def test_a_contender_is_set_against_every_control_case_by_case() -> None:
    numbers = Numbers(scores())
    summary = summarise(evaluation(), numbers)
    found = against(summary, "general", "lpips", "lvlm")
    assert list(found) == ["heuristic", "rerun"], "not the oracle, which saw the reference"
    lvlm, other = (numbers.values("general", "lpips", arm) for arm in ("lvlm", "heuristic"))
    d = [lvlm[case] - other[case] for case in lvlm]
    assert found["heuristic"].delta == pytest.approx(np.mean(d), abs=2e-6)
    worse = sum(value > 0 for value in d)
    assert (found["heuristic"].changed, found["heuristic"].improved) == (24, 24 - worse)
    assert found["heuristic"].p == pytest.approx(binomtest(worse, 24).pvalue, rel=1e-5)
    assert against(summary, "general", "lpips", "heuristic") == {}


def test_a_control_that_changed_nothing_is_pure_and_not_tested_twice() -> None:
    pure = {(s.family, s.metric, s.case): s.value for s in scores() if s.arm == "pure"}
    still = [replace(s, value=pure[s.family, s.metric, s.case]) if s.arm == "rerun" else s for s in scores()]
    summary = summarise(evaluation(), Numbers(still))
    assert list(against(summary, "general", "psnr", "lvlm")) == ["heuristic"]
    assert summary.statistics.tests == 12


def test_what_it_takes_to_show_something_is_said_with_each_test() -> None:
    found = effects(summarise(evaluation(), Numbers(scores())))
    shown, open_ = found["general", "psnr", "lvlm"], found["general", "psnr", "heuristic"]
    assert (shown.shown, open_.shown) == (True, False)
    for entry in (shown, open_):
        most = max(entry.improved, entry.changed - entry.improved)
        assert entry.shown == (most >= entry.majority)
        assert entry.least <= entry.changed == entry.units == 24
        level = stats.ALPHA / 16
        assert entry.needed == signs.needed(24, 24, entry.improved, level)
    assert found["general", "psnr", "oracle"].least is None


def test_the_mean_of_the_changed_stands_beside_the_mean_of_all() -> None:
    pure = {(s.family, s.metric, s.case): s.value for s in scores() if s.arm == "pure"}
    moved = {CASES[2]: 0.3, CASES[5]: 0.1, CASES[7]: -0.1}
    some = [
        replace(s, value=round((pure[s.family, s.metric, s.case] or 0) + moved.get(s.case, 0.0), 6))
        if s.arm == "lvlm"
        else s
        for s in scores()
    ]
    found = effects(summarise(evaluation(), Numbers(some)))["general", "psnr", "lvlm"]
    assert (found.delta, found.delta_changed) == (pytest.approx(0.3 / 24, abs=2e-6), pytest.approx(0.1, abs=2e-6))
    assert (found.units, found.changed, found.improved, found.majority) == (24, 3, 2, None)
    assert found.p == 1.0


def test_a_case_that_makes_a_mean_is_named() -> None:
    wild = [
        replace(s, value=70.0) if (s.case, s.arm, s.metric, s.family) == (CASES[3], "lvlm", "lpips", "blind") else s
        for s in scores()
    ]
    found = effects(summarise(evaluation(), Numbers(wild)))
    made = {key: entry.outlier.case for key, entry in found.items() if entry.outlier}
    assert made == {("blind", "lpips", "lvlm"): CASES[3]}
    outlier = found["blind", "lpips", "lvlm"].outlier
    assert outlier.delta > 30
    assert 0.3 < outlier.without < 0.7


def test_a_small_p_keeps_its_digits() -> None:
    cases = [f"{number:03d}" for number in range(200)]
    found = effects(summarise(evaluation(cases=cases), Numbers(scores(cases))))["general", "psnr", "lvlm"]
    assert 0 < found.p < 1e-20
    assert 0 < found.p_adjusted < 1e-18
    assert found.p == float(f"{found.p:.6g}")


def test_missing_is_counted_and_never_filled() -> None:
    gone = {("general", "psnr", "lvlm", CASES[0]), ("general", "psnr", "pure", CASES[1])}
    numbers = [
        replace(s, value=None, note=f"no {s.arm}") if (s.family, s.metric, s.arm, s.case) in gone else s
        for s in scores()
    ]
    summary = summarise(evaluation(), Numbers(numbers))
    entry = summary.families["general"]["psnr"]
    assert (entry.n, entry.na, entry.why_na) == (23, 1, ("no lvlm", "no pure"))
    assert {arm: found.n for arm, found in entry.arms.items()} == {**dict.fromkeys(ROLES, 23), "lvlm": 22}
    kept = [s for s in numbers if s.case not in CASES[:2] and (s.family, s.metric) == ("general", "psnr")]
    pure = [s.value for s in kept if s.arm == "pure" and s.value is not None]
    assert entry.arms["lvlm"].pure == pytest.approx(np.mean(pure), abs=1e-6)
    assert summary.families["blind"]["psnr"].n == 24


@pytest.mark.parametrize("cases", [0, 1, 2])
def test_few_cases_make_a_summary_that_json_can_hold(cases: int, tmp_path: Path) -> None:
    some = CASES[:cases]
    numbers = [s for s in scores(some) if s.metric == "psnr"]
    numbers += [Score(case, "general", arm, "lpips", None, "none") for case in some for arm in ("pure", *ROLES)]
    summary = summarise(evaluation(cases=some), Numbers(numbers), [Failure("general", "x", "pure", "gone")])
    (tmp_path / "summary.json").write_bytes(json.dumps(to_json(summary), allow_nan=False).encode())
    assert summary_file.read(tmp_path / "summary.json") == summary
    known = {entry.p is not None for key, entry in effects(summary).items() if key[1] == "psnr"}
    assert known <= {cases > 0}
    nothing = effects(summary).get(("general", "lpips", "lvlm"))
    assert {getattr(nothing, name, None) for name in ("pure", "mean", "delta", "low", "p", "p_adjusted")} == {None}
    assert summary.statistics.tests == (8 if cases else 0)
    assert not any(entry.shown for entry in effects(summary).values())


def test_no_negative_zero() -> None:
    numbers = [Score(case, "general", arm, "lpips", 0.5) for case in CASES for arm in ("pure", *ROLES)]
    numbers[2] = replace(numbers[2], value=0.499999)
    summary = summarise(evaluation(), Numbers(numbers))
    one, none = (effects(summary)["general", "lpips", arm] for arm in ("lvlm", "heuristic"))
    assert (one.delta, one.wins, one.ties, one.p) == (0, 1, 23, 1.0)
    assert (none.delta, none.low, none.wins, none.ties, none.p) == (0, 0, 0, 24, 1.0)
    assert "-0.0" not in json.dumps(to_json(summary))


# ------------------------------------------------------------------ clusters


def test_pictures_of_one_person_count_as_one(tmp_path: Path) -> None:
    people = {case: f"person {i // 4}" for i, case in enumerate(CASES)}
    table = write_table(tmp_path / "pérsons.csv", *(f"{case},{person}" for case, person in people.items()))
    numbers = Numbers(scores())
    summary = summarise(clustered(table), numbers)
    deltas = numbers.deltas("general", "psnr", "lvlm")
    expected = stats.paired(list(deltas.values()), "higher", clusters=[people[case] for case in deltas])
    found = effects(summary)["general", "psnr", "lvlm"]
    for name in ("low", "high", "p", "units", "changed", "improved"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name), abs=2e-6)
    assert (found.units, found.p) == (6, 2 / 2**6)
    assert (summary.statistics.clusters, summary.notes) == (6, ())
    plain = summarise(evaluation(), numbers)
    assert plain.statistics.clusters is None
    assert effects(plain)["general", "psnr", "lvlm"].p < 0.001
    low = [s.families["general"]["psnr"].pure_low for s in (summary, plain)]
    assert low[0] != low[1], "the interval of the pure mean knows of persons too"


def test_a_case_without_a_cluster_is_its_own_and_named(tmp_path: Path) -> None:
    named = [f"{case},one" for case in CASES[:10]]
    table = write_table(tmp_path / "c.csv", *named, f"{CASES[10]},", f"{CASES[11]},  ", "elsewhere,two")
    summary = summarise(clustered(table), Numbers(scores()))
    assert summary.statistics.clusters == 15
    (note,) = summary.notes
    assert note.startswith("14 of 24 cases have no cluster in the table")
    assert f"{CASES[10]}, {CASES[11]}, " in note
    assert CASES[20] not in note, "five names are enough"
    assert note.endswith("….")


def test_a_person_called_like_a_case_is_not_that_case(tmp_path: Path) -> None:
    table = write_table(tmp_path / "c.csv", *(f"{case},{CASES[0]}" for case in CASES[1:]))
    summary = summarise(clustered(table), Numbers(scores()))
    assert summary.statistics.clusters == 2
    assert "1 of 24 cases" in summary.notes[0]


def test_table_of_clusters_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.csv is not there"):
        case_tables.clusters(tmp_path / "gone.csv", ["a"])
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("picture,person\na,b\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"wrong\.csv cannot be used.*columns case and cluster"):
        case_tables.clusters(wrong, ["a"])
    twice = write_table(tmp_path / "twice.csv", "a,1", "b,1", "a,2")
    with pytest.raises(InputError, match="puts a into two clusters"):
        case_tables.clusters(twice, ["a"])


# -------------------------------------------------------------------- inputs


def test_inputs_do_not_depend_on_places_or_order() -> None:
    here, there = evaluation(Path("/here")), evaluation(Path("/over there/é"))
    there = replace(there, subjects=there.subjects[::-1])
    inputs = [summarise(what, Numbers(scores())).inputs for what in (here, there)]
    assert inputs[0] == inputs[1]
    assert (inputs[0].cases, inputs[0].recipe, inputs[0].hr_size) == (24, (), 512)


def test_inputs_tell_what_may_not_be_compared() -> None:
    def sha256(what: Evaluation) -> str:
        return summarise(what, Numbers([])).inputs.sha256

    def changed(**changes: Any) -> Evaluation:
        return replace(plain, subjects=[replace(plain.subjects[0], **changes), *plain.subjects[1:]])

    plain = evaluation()
    first = plain.subjects[0].trail
    assert first is not None
    other = {
        "fewer cases": evaluation(cases=CASES[1:]),
        "another input": changed(told=replace(first, lr_sha256="another")),
        "another name": changed(case="another"),
        "no reference": changed(hr=None),
    }
    assert len({sha256(plain), *map(sha256, other.values())}) == 5


def test_recipe_is_that_of_the_cases_compared() -> None:
    rows = {CASES[0]: {"recipe": "paper"}, CASES[1]: {"recipe": "bsrgan"}, "elsewhere": {"recipe": "bicubic"}}
    inputs = summarise(evaluation(degraded=rows), Numbers([])).inputs
    assert inputs.recipe == ("bsrgan", "paper")


def test_inputs_of_plain_folders_are_names_and_references(tmp_path: Path) -> None:
    def inputs(root: Path, names: Sequence[str], hr: bool = True) -> InputFacts:
        for folder in ("hr", "pure", "lvlm"):
            for number, name in enumerate(names):
                images.write(tmp_path / root / folder / f"{name}.png", draw_face(48, number))
        chosen = config.load(None, ["metrics=psnr", "hr_size=48"])[0]
        arms = {"pure": tmp_path / root / "pure", "lvlm": tmp_path / root / "lvlm"}
        what = subjects.of_folders(tmp_path / root / "hr" if hr else None, arms, "mine", chosen)
        return summarise(what, Numbers([])).inputs

    first = inputs(Path("a"), ["x", "y"])
    assert first == inputs(Path("b b"), ["x", "y"])
    assert (first.cases, first.recipe, first.hr_size) == (2, (), 48)
    assert len({first.sha256, inputs(Path("c"), ["x", "z"]).sha256, inputs(Path("a"), [], False).sha256}) == 3


# -------------------------------------------------------------------- counts


def test_what_became_of_the_cases() -> None:
    paid = Audit("ok", 50, 90, usage=Usage(2, 100, 10, 0.5))
    unusable = Audit("invalid", usage=Usage(1, 100, 5, 0.25), fault="not JSON")
    audits = ({"lvlm": paid}, {"lvlm": unusable}, {"heuristic": Audit("ok", 80, 100)})
    kept = [trail("general", case, said) for case, said in zip(CASES, audits, strict=False)]
    same = Trail(
        CASES[3], "general", "lr", (Round("pure", 0, picture("pure")), Round("lvlm", 1, picture("pure"), paid))
    )
    found = [
        Subject("general", t.case, None, None, {"pure": Path("p"), **dict.fromkeys(t.arms, Path("a"))}, t)
        for t in [*kept, same]
    ]
    failures = [
        Failure("general", "x", "pure", ""),
        Failure("general", CASES[2], "lvlm", ""),
        Failure("prior", "y", "pure", ""),
    ]
    counts = summarise(evaluation(subjects=found), Numbers([]), failures).counts
    nothing = {"invalid": 0, "unfinished": 0, "requests": 0, "tokens": 0, "cost": None, "failed": 0}
    nothing |= {"replies": 1, "unusable": {}, "void": False}
    lvlm = {"done": 3, "invalid": 1, "changed": 2, "requests": 5, "tokens": 325, "cost": 1.25, "failed": 1}
    lvlm |= {"replies": 3, "unusable": {"not JSON": 1}, "void": False}
    lvlm["unfinished"] = 0
    stored = to_json(counts["general"])
    for counted in (stored, *stored["arms"].values()):
        assert counted.pop("took")["passes"] is None  # what that is stands in test_compute.py
    assert stored == {
        "cases": 4,
        "failed": 1,
        "arms": {"heuristic": {"done": 1, "changed": 1, **nothing}, "lvlm": lvlm},
    }
    assert counts["prior"] == FamilyOutcome(cases=0, failed=1, arms={})


def test_a_cost_that_is_unknown_once_is_unknown() -> None:
    said = [Audit("ok", usage=Usage(1, 1, 1, 0.5)), Audit("ok", usage=Usage(1, 1, 1, None))]
    found = [
        Subject("general", t.case, None, None, {"pure": Path("p"), "lvlm": Path("a")}, t)
        for t in (trail("general", case, {"lvlm": audit}) for case, audit in zip(CASES, said, strict=False))
    ]
    arm = summarise(evaluation(subjects=found), Numbers([])).counts["general"].arms["lvlm"]
    assert (arm.requests, arm.cost) == (2, None)
