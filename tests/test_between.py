"""Runs set against each other: what was planted is found, nothing else is claimed, other cases are refused."""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

import fsrbench
from fsrbench.core.errors import InputError, SettingsError, StoreError
from fsrbench.core.values import PURE, Score
from fsrbench.imaging import images
from fsrbench.measure import between, pairing, reopen, signs
from fsrbench.measure.between_values import RunComparison
from fsrbench.measure.reopen import EvaluatedRun
from fsrbench.measure.results import Numbers
from fsrbench.show.between import build, forms, rows, words
from support import draw_face
from support.command import typed
from support.latex import look

CASES = 10
SETTINGS: dict[str, Any] = {
    "hr_size": 96,
    "metrics": ["psnr", "ssim"],
    "families": {"general": {"backend": "bicubic"}},
}


@dataclass(frozen=True)
class Made:
    """Two finished runs on the same pictures, whose arm `c` turns one knob differently, and how to make more."""

    root: Path

    def run(self, name: str, damping: float, lr: str = "lr", **more: Any) -> Path:
        arm = {"way": "constant", "with": {"knobs": {"detail_damping": damping}}}
        own = {**SETTINGS, "arms": {"c": arm}, **more.pop("settings", {})}
        out = self.root / name
        fsrbench.run(
            lr=self.root / lr, hr=self.root / "hr", out=out, families=["general"], arms=["c"], settings=own,
            device="cpu", **more,
        )  # fmt: skip
        return out

    @property
    def plain(self) -> Path:
        return self.root / "plain"

    @property
    def damped(self) -> Path:
        return self.root / "damped"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fsrbench.show.plots.draw", lambda _results, _track: [])
        for number in range(CASES):
            images.write(root / "hr" / f"face {number}.png", draw_face(96, number))
        fsrbench.degrade(root / "hr", root / "lr", hr_size=96)
        fsrbench.degrade(root / "hr", root / "other", hr_size=96, seed=1)
        found = Made(root)
        found.run("plain", 0.0)
        found.run("damped", 0.6)
        yield found


def opened(*runs: Path, **how: Any) -> list[EvaluatedRun]:
    return [reopen.evaluated(run, run.name, **how) for run in runs]


def compared(runs: list[EvaluatedRun], arms: tuple[str, ...] = ()) -> RunComparison:
    found = between.compare(pairing.pair(runs), arms)
    return replace(found, findings=words.tell(found))


def altered(run: EvaluatedRun, change: Callable[[Score], float | None], **parts: Any) -> EvaluatedRun:
    """The same run with other numbers."""
    scores = [replace(score, value=change(score)) for score in run.numbers.scores]
    return replace(run, numbers=Numbers(scores), **parts)


# ------------------------------------------------------------------ what is found


def test_a_planted_difference_is_found_with_its_sign(made: Made) -> None:
    """The knob smooths: every number of the arm moves, and the mean, the sign and p are those of plain arithmetic."""
    runs = opened(made.plain, made.damped)
    found = compared(runs)
    side = found.families["general"]["c"]
    assert (side.alike["damped"], side.both["damped"]) == (0, CASES)
    assert found.statistics.tests == 2  # psnr and ssim of c; pure is the same pictures
    for metric in ("psnr", "ssim"):
        one, two = (run.numbers.values("general", metric, "c") for run in runs)
        deltas = [round(two[case] - one[case], 6) for case in one]
        entry = side.metrics[metric]
        effect = entry.differences["damped"].effect
        assert effect.delta == pytest.approx(fmean(deltas), abs=1e-6)
        assert (effect.n, effect.improved) == (CASES, sum(d > 0 for d in deltas))
        assert effect.p == pytest.approx(signs.p_value(effect.improved, CASES), rel=1e-5)
        assert entry.columns["damped"].mean == pytest.approx(fmean(two.values()), abs=1e-6)
        assert entry.columns["damped"].delta == pytest.approx(entry.columns["plain"].delta + effect.delta, abs=2e-6)
        assert effect.shown
        way = "better" if effect.improved > CASES / 2 else "worse"
        most = max(effect.improved, CASES - effect.improved)
        label = found.metrics[metric].label
        assert f"{label} {way} than in plain in {most} of {CASES} pictures" in found.findings["general"]
    assert "damped against plain: 2 of 2 tests show a difference." in list(words.verdicts(found))


def test_the_other_way_round_is_the_other_sign(made: Made) -> None:
    there, back = (compared(opened(*runs)) for runs in ((made.plain, made.damped), (made.damped, made.plain)))
    one = there.families["general"]["c"].metrics["psnr"].differences["damped"].effect
    two = back.families["general"]["c"].metrics["psnr"].differences["plain"].effect
    assert one.delta == -two.delta  # type: ignore[operator]
    assert one.improved == two.changed - two.improved
    assert one.p_adjusted == two.p_adjusted


def test_two_runs_that_did_the_same_claim_nothing(made: Made, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(made.damped, again)
    found = compared(opened(made.damped, again))
    effects = [
        d.effect for s in found.families["general"].values() for e in s.metrics.values() for d in e.differences.values()
    ]
    assert effects
    assert not any(effect.shown or effect.changed for effect in effects)
    assert list(words.verdicts(found)) == [
        "again and damped ended with the same pictures in all cases: there is no difference."
    ]
    told = found.findings["general"]
    assert told == f"Pure FSR and FSR+c ended with the same pictures in again and in damped, in {CASES} cases."
    assert "**" not in forms.markdown(found).split("## Side by side")[1]
    assert "the same" in dict(words.differing(found))["again"][0]


def test_one_picture_measured_on_two_devices_is_no_difference(made: Made, tmp_path: Path) -> None:
    """Devices differ in the last digits, all one way: what both runs ended with is the same file all the same."""
    again = tmp_path / "again"
    shutil.copytree(made.damped, again)
    damped, other = opened(made.damped, again)
    found = compared([damped, altered(other, lambda s: None if s.value is None else s.value + 0.0001)])
    effects = [entry.differences["again"].effect for entry in found.families["general"]["c"].metrics.values()]
    assert [(effect.delta, effect.changed, effect.shown) for effect in effects] == [(0.0, 0, False)] * 2


def test_an_arm_that_no_case_has_in_both_runs_says_so(made: Made) -> None:
    """One run finished it on some cases, the other on others: that is not the same pictures."""
    plain, damped = opened(made.plain, made.damped)
    runs = []
    for run, odd in ((plain, 0), (damped, 1)):
        subjects = [
            subject
            if int(subject.case[-1]) % 2 == odd
            else replace(subject, variants={PURE: subject.variants[PURE]}, made={PURE: subject.made[PURE]})
            for subject in run.what.subjects
        ]
        mine = {subject.case for subject in subjects if "c" in subject.variants}
        scores = [s for s in run.numbers.scores if s.arm == PURE or s.case in mine]
        runs.append(replace(run, what=replace(run.what, subjects=subjects), numbers=Numbers(scores)))
    found = compared(runs)
    assert "FSR+c: nothing could be measured in both damped and plain." in found.findings["general"]
    assert "no difference could be shown" in " ".join(words.verdicts(found))


def test_pictures_that_differ_without_a_direction_claim_nothing(made: Made) -> None:
    """Half of the cases better, half worse, by much: no difference can be shown, and that is not called none."""
    plain, damped = opened(made.plain, made.damped)
    base = {(s.case, s.arm, s.metric): s.value for s in plain.numbers.scores}

    def split(score: Score) -> float | None:
        way = 1 if int(score.case[-1]) % 2 else -1
        return base[score.case, score.arm, score.metric] + (way if score.arm == "c" else 0)  # type: ignore[operator]

    found = compared([plain, altered(damped, split)])
    told = " ".join([*words.verdicts(found), found.findings["general"]])
    assert "no difference could be shown (2 tests), which does not say that there is none" in told
    assert "better than" not in told
    assert "worse than" not in told


def test_what_was_made_otherwise_is_told_in_words(made: Made) -> None:
    (lines,) = [lines for _, lines in words.differing(compared(opened(made.plain, made.damped)))]
    assert any("detail_damping" in line and "0.6" in line and "in damped" in line for line in lines)
    assert not any("inputs" in line for line in lines)


# ------------------------------------------------------- missing, chosen, void, persons


def test_what_is_missing_is_left_out_and_counted(made: Made) -> None:
    plain, damped = opened(made.plain, made.damped)
    lost = altered(damped, lambda s: None if (s.case, s.arm, s.metric) == ("face 3", "c", "psnr") else s.value)
    found = compared([plain, lost])
    entry = found.families["general"]["c"].metrics["psnr"]
    assert (entry.n, entry.lacking) == (CASES - 1, 1)
    one = plain.numbers.values("general", "psnr", "c")
    assert entry.columns["plain"].mean == pytest.approx(fmean(v for c, v in one.items() if c != "face 3"), abs=1e-6)
    assert any("left out: PSNR 1" in line for line in words.beside(found))


def test_a_metric_that_chose_pictures_in_either_run_is_marked_and_not_tested(made: Made) -> None:
    plain, damped = opened(made.plain, made.damped)
    chose = replace(plain, what=replace(plain.what, chosen_by={"c": ("psnr",)}))
    found = compared([chose, damped])
    metrics = found.families["general"]["c"].metrics
    assert metrics["psnr"].differences["damped"].effect.p is None
    assert metrics["ssim"].differences["damped"].effect.p is not None
    assert found.statistics.tests == 1
    assert "PSNR chose pictures of FSR+c, and is no evidence for it." in found.findings["general"]
    assert " ◊" in forms.markdown(found)
    assert r"$\diamond$" in forms.tex(found)


def test_nothing_is_claimed_of_an_arm_whose_replies_were_unusable(made: Made) -> None:
    plain, damped = opened(made.plain, made.damped)
    counts = damped.summary.counts["general"]
    void = replace(counts, arms={"c": replace(counts.arms["c"], void=True)})
    found = compared([plain, replace(damped, summary=replace(damped.summary, counts={"general": void}))])
    assert found.statistics.tests == 0
    assert "Nothing is said of FSR+c" in found.findings["general"]
    assert "no finding" in forms.markdown(found)


def test_persons_are_the_units_where_they_are_known(made: Made) -> None:
    plain, damped = opened(made.plain, made.damped)
    people = {f"face {n}": f"person {n // 2}" for n in range(CASES)}
    known = replace(damped, what=replace(damped.what, clusters=people))
    found = compared([plain, known])  # who is on a picture does not depend on the run
    effect = found.families["general"]["c"].metrics["psnr"].differences["damped"].effect
    assert (effect.n, effect.units, found.statistics.clusters) == (CASES, CASES // 2, CASES // 2)
    other = replace(plain, what=replace(plain.what, clusters={**people, "face 0": "person 4"}))
    with pytest.raises(InputError, match=r"different persons on face 0.*--set clusters=FILE"):
        compared([other, known])


def test_the_noise_floor_is_told_where_a_run_measured_it(made: Made) -> None:
    plain, damped = opened(made.plain, made.damped)
    what = replace(plain.what, roles={**plain.what.roles, "again": "floor"})
    moved = [replace(s, arm="again", value=s.value + 0.25) for s in plain.numbers.scores if s.arm == PURE and s.value]
    found = compared([replace(plain, what=what, numbers=Numbers([*plain.numbers.scores, *moved])), damped])
    assert found.families["general"]["c"].metrics["psnr"].floor == pytest.approx(0.25)
    assert "95% of the cases move by less than 0.250 dB in PSNR" in found.findings["general"]


# ---------------------------------------------------------------- which cases, which arms


def test_cases_of_one_run_are_left_out_and_counted(made: Made) -> None:
    few = made.run("few", 0.6, limit=7)
    found = compared(opened(made.plain, few))
    assert found.cases == {"general": 7}
    assert found.runs["plain"].left_out == {"general": CASES - 7}
    assert any("plain: 3 cases of general left out" in line for line in words.beside(found))


def test_three_runs_stand_beside_the_first(made: Made, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(made.plain, again)
    found = compared(opened(made.plain, made.damped, again))
    assert list(found.families["general"]["c"].metrics["psnr"].columns) == ["plain", "damped", "again"]
    assert found.statistics.tests == 4
    assert [row.label for row in rows.rows(found)][:5] == [
        "plain", "damped", "again", "damped − plain", "again − plain",
    ]  # fmt: skip


def test_one_arm_may_be_picked_and_an_unknown_one_is_named(made: Made) -> None:
    runs = opened(made.plain, made.damped)
    assert list(compared(runs, ("pure",)).families["general"]) == ["pure"]
    with pytest.raises(SettingsError, match="--arm cc: the runs share no arm of this name"):
        compared(runs, ("cc",))


def test_other_inputs_are_refused_with_the_cure(made: Made) -> None:
    other = made.run("elsewhere", 0.6, lr="other")
    with pytest.raises(InputError, match=r"elsewhere has other inputs than plain: the LR of .* \(10 cases\).*--lr"):
        compared(opened(made.plain, other))


def test_other_references_are_refused_with_the_cure(made: Made, tmp_path: Path) -> None:
    shutil.copytree(made.root / "hr", tmp_path / "hr")
    images.write(tmp_path / "hr" / "face 4.png", draw_face(96, 77))
    (damped,) = opened(made.damped, hr=tmp_path / "hr")
    with pytest.raises(InputError, match=r"other references than plain: face 4\. .*--hr DIR"):
        compared([*opened(made.plain), damped])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"hr_size": 64}, r"of 96 pixels, damped of 64\..*fsrbench evaluate .* --set hr_size=96"),
        ({"metrics": "niqe"}, r"measured in no metric alike.*--set metrics=psnr,ssim"),
    ],
)
def test_other_settings_of_metrics_are_refused_with_the_cure(made: Made, change: dict[str, Any], said: str) -> None:
    plain, damped = opened(made.plain, made.damped)
    summary = damped.summary
    if "hr_size" in change:
        summary = replace(summary, inputs=replace(summary.inputs, hr_size=64))
    else:
        summary = replace(summary, metrics={"niqe": summary.metrics["psnr"]})
    with pytest.raises(InputError, match=said):
        compared([plain, replace(damped, summary=summary)])


def test_a_metric_that_means_something_else_is_refused_with_the_cure(made: Made, tmp_path: Path) -> None:
    plain, damped = opened(made.plain, made.damped)
    about = damped.summary.metrics["psnr"]
    turned = {**damped.summary.metrics, "psnr": replace(about, better="lower")}
    with pytest.raises(InputError, match=r"PSNR is declared otherwise in damped.*fsrbench evaluate RUN"):
        compared([plain, replace(damped, summary=replace(damped.summary, metrics=turned))])
    both = [replace(r, summary=replace(r.summary, metrics={"arcface": about})) for r in (plain, damped)]
    faces = damped.settings.faces.model_copy(update={"recogniser": tmp_path / "toy.onnx"})
    both[1] = replace(both[1], settings=damped.settings.model_copy(update={"faces": faces}))
    with pytest.raises(InputError, match=r"another file in damped than in plain.*--set faces.recogniser=FILE"):
        compared(both)


def test_a_family_that_was_not_measured_yet_is_no_finding(made: Made) -> None:
    plain, damped = opened(made.plain, made.damped)
    bare = replace(damped, numbers=Numbers([]), summary=replace(damped.summary, counts={}))
    found = compared([plain, bare])
    assert "nothing could be measured in both damped and plain" in found.findings["general"]
    assert "n/a" in forms.markdown(found)
    assert found.statistics.tests == 0


def test_no_case_or_family_in_common_is_refused_with_the_cure(made: Made) -> None:
    plain, damped = opened(made.plain, made.damped)
    subjects = [replace(s, case=f"other {s.case}") for s in damped.what.subjects]
    with pytest.raises(InputError, match=r"no case in common .*fsrbench run --lr"):
        compared([plain, replace(damped, what=replace(damped.what, subjects=subjects))])
    subjects = [replace(s, family="blind") for s in damped.what.subjects]
    with pytest.raises(InputError, match=r"no family in common \(plain: general; damped: blind\).*--family"):
        compared([plain, replace(damped, what=replace(damped.what, subjects=subjects))])


def test_what_is_no_evaluated_run_is_refused_with_the_cure(made: Made, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"There is no run .*fsrbench runs"):
        opened(tmp_path / "nowhere")
    shutil.copytree(made.plain, tmp_path / "raw", ignore=shutil.ignore_patterns("scores.csv"))
    with pytest.raises(InputError, match="was not evaluated yet: fsrbench evaluate"):
        opened(tmp_path / "raw")
    plain = tmp_path / "folders"
    shutil.copytree(made.plain, plain, ignore=shutil.ignore_patterns("study.yaml"))
    with pytest.raises(InputError, match="evaluated from plain folders"):
        opened(plain)
    with pytest.raises(SettingsError, match="cannot be set against itself"):
        build.called([made.plain, made.plain / ".." / "plain"])
    assert list(build.called([tmp_path / "a" / "x", tmp_path / "b" / "x"])) == ["a/x", "b/x"]


# ------------------------------------------------------------------------- as a user


@pytest.mark.slow
def test_the_command_writes_everything_and_the_page_stands_alone(made: Made, tmp_path: Path) -> None:
    evil = tmp_path / "<b>damped & co_1</b>"
    shutil.copytree(made.damped, evil)
    out = tmp_path / "side by side"
    done = typed("compare", made.plain, evil, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 tests show a difference" in done.stdout
    assert {path.name for path in out.iterdir()} == {
        "compare.json", "compare.md", "compare.csv", "compare.tex", "compare.png", "compare.svg", "index.html",
    }  # fmt: skip
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<b>damped" not in page
    assert not re.search(r"(?:src|href)=\"(?!data:)", page)
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/png") == 1 + 4 * len(json.loads((out / "compare.json").read_text())["striking"])
    with (out / "compare.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 2 * 2  # arms, metrics, runs
    assert [row["shown"] for row in lines if row["arm"] == "c" and row["delta"]] == ["True", "True"]
    assert (out / "compare.svg").stat().st_size > 10_000


@pytest.mark.slow
def test_json_says_what_the_files_say_and_a_folder_of_something_else_is_kept(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = typed("compare", made.plain, made.damped, "--out", out, "--json")
    assert json.loads(done.stdout) == json.loads((out / "compare.json").read_text(encoding="utf-8"))
    again = typed("compare", made.plain, made.damped, "--out", out)
    assert again.returncode == 0, again.stderr
    refused = typed("compare", made.plain, made.damped, "--out", made.plain)
    assert refused.returncode == 2
    assert "holds something else than a comparison" in refused.stderr
    wrong = typed("compare", made.plain, made.damped, "--set", "hr_size=64")
    assert "--set can only say who is who" in wrong.stderr


@pytest.mark.slow
def test_the_same_runs_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    for name in ("one", "two"):
        build.build([made.plain, made.damped], tmp_path / name, (), None, (), tmp_path)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


def test_a_run_that_is_damaged_is_refused_in_a_sentence(made: Made, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(made.damped, broken)
    (broken / "summary.json").write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match="fsrbench evaluate makes it again"):
        opened(broken)


def test_the_latex_of_a_comparison_is_sound_and_bold_where_it_is_shown(made: Made, tmp_path: Path) -> None:
    evil = tmp_path / "50% & more_{x}$#~^\\"
    shutil.copytree(made.damped, evil)
    found = compared(opened(made.plain, evil))
    (table,) = look(forms.tex(found))
    assert table[0][:4] == ["Family", "Variant", "Run", "n"]
    assert len(table) == 1 + 2 * 3
    bold = [row[2] for row in table[1:] for cell in row[4:] if "textbf" in cell]
    assert len(bold) == 2
    assert all(label.endswith("$-$ plain") for label in bold)
    assert table[3][4] == "same pictures"
