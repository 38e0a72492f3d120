"""Who judges the judges: each kind of judge is told from the others, on a run in which it is known who is right."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from fsrbench.asking import rating, reply
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError
from fsrbench.core.execute import untracked
from fsrbench.core.judging import Contest
from fsrbench.core.questions import Bounds
from fsrbench.core.values import Ranking, Usage
from fsrbench.experiments import judge as judging
from fsrbench.experiments import judges
from fsrbench.experiments.judges import OpenJudge
from fsrbench.imaging import images, spoiling
from fsrbench.measure import choices, intervals, reopen
from fsrbench.measure.choices import Choice
from fsrbench.measure.hearings import HeardCase, Hearing
from fsrbench.measure.judged_values import JudgeFacts, JudgeResult, JudgingReport
from fsrbench.measure.judging import result
from fsrbench.measure.ranks import kendall
from fsrbench.show import plots, publish
from fsrbench.show.judging import build, forms, words
from fsrbench.study import config
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder
from support import draw_face
from support.command import typed
from support.loopback import Loopback, fails, html, resets, says
from support.questions import COST, PRICES

MACHINE = Machine(offline=True)
FIRST = json.dumps({"preferred": "first", "confidence": 90, "reason": "It stands first."})
Judging = Callable[[Contest], list[float | None]]


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six noisy faces at different places; one arm damps detail, another has two pictures, one of which is not kept."""
    root = tmp_path_factory.mktemp("judge")
    rng = np.random.default_rng(3)
    for number in range(6):
        hr = np.roll(draw_face(96, number), 9 * number, axis=1)
        lr = images.resize(hr, 24, 24) + rng.normal(0, 0.04, (24, 24, 3))
        images.write(root / "hr" / f"face{number}.png", hr)
        images.write(root / "lr" / f"face{number}.png", np.clip(lr, 0, 1).astype(np.float32))
    several = {"way": "constant", "judge": "random", "with": {"knobs": [{"dehalo": 0.5}, {"dehalo": 1.0}]}}
    arms = {"calm": {"way": "constant", "with": {"knobs": {"detail_damping": 0.6}}}, "pick": several}
    own = [f"arms.{name}={json.dumps(arm)}" for name, arm in arms.items()]
    changes = ["families.general.backend=bicubic", "metrics=psnr,ssim", *own]
    settings = config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), [*arms])
    assert run_study(settings, MACHINE, root / "lr", root / "hr", root / "run").failures == []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plots, "draw", lambda *_: [])
        publish.run(RunFolder(root / "run"), MACHINE, 1, untracked)
    return root / "run"


@pytest.fixture
def run(a_run: Path) -> Path:
    """The run as if nobody had judged it."""
    folder = RunFolder(a_run)
    for path in sorted(folder.judged.rglob("*"), reverse=True) if folder.judged.is_dir() else ():
        path.rmdir() if path.is_dir() else path.unlink()
    return a_run


def planted(judge: Judging, *, privileged: bool = False) -> OpenJudge:
    def ranked(contest: Contest) -> Ranking:
        scores = judge(contest)
        order = sorted(range(len(scores)), key=lambda place: -(scores[place] or 0.0))
        return Ranking("planted", tuple(scores), tuple(order))

    facts = JudgeFacts("planted", {}, "contender", ())
    return OpenJudge(facts, ranked, f"{judge.__name__}", privileged, None)


def first(contest: Contest) -> list[float | None]:
    return [-float(place) for place in range(len(contest.pictures))]


def guesses(contest: Contest) -> list[float | None]:
    draw = random.Random(contest.seed)
    return [draw.random() for _ in contest.pictures]


def knows(contest: Contest) -> list[float | None]:
    assert contest.reference is not None
    return [-float(np.square(one - contest.reference).mean()) for one in contest.pictures]


def looks(contest: Contest) -> list[float | None]:
    """Knows what is best while the LR is that of the picture, and is led astray by any other."""
    assert contest.reference is not None
    height, width = contest.lr.shape[:2]
    off = float(np.square(images.resize(contest.reference, width, height, "area") - contest.lr).mean())
    return [score if off < 0.005 else -(score or 0.0) for score in knows(contest)]


def smooth(contest: Contest) -> list[float | None]:
    """Takes the smoothest, whatever the LR is."""
    return [-float(np.abs(np.diff(one, axis=0)).mean()) for one in contest.pictures]


def judged(run: Path, opened: dict[str, OpenJudge], **options: Any) -> JudgingReport:
    return judging.run(reopen.evaluated(run, "run"), opened, MACHINE, **options)


def told(found: JudgingReport) -> list[str]:
    return dict(words.findings(found))["general"]


def of(found: JudgingReport, judge: str) -> JudgeResult:
    return next(one for one in found.results if one.judge == judge)


def test_the_table_tells_who_takes_the_first_who_guesses_and_who_knows(run: Path) -> None:
    asked = {"first": planted(first), "guesses": planted(guesses), "knows": planted(knows, privileged=True)}
    found = judged(run, asked)
    about = found.families["general"]
    assert (about.cases, about.persons) == (6, 6)
    assert about.pictures == 24  # pure, calm, and both of pick: the one that it ended with, and the other, made again
    assert about.pairs == 36
    biased, drawn, right = (of(found, name) for name in asked)
    assert (biased.first.share, biased.turned.share, biased.again.share) == (1.0, 0.0, 1.0)
    assert biased.agreement["psnr"].share == pytest.approx(0.5)
    assert biased.tau["psnr"].mean == pytest.approx(0.0)
    assert (right.agreement["psnr"].share, right.tau["psnr"].mean) == (1.0, pytest.approx(1.0))
    assert (right.turned.share, right.again.share, right.first.share) == (1.0, 1.0, 0.5)
    assert all(one.share == 1.0 for one in right.spoilt.values())
    assert set(right.spoilt) == set(spoiling.FAULTS)
    assert 0.2 < (drawn.turned.share or 0) < 0.8
    assert 0.2 < (drawn.again.share or 0) < 0.8
    low, high = drawn.agreement["psnr"].low, drawn.agreement["psnr"].high
    assert low is not None
    assert high is not None
    assert low < 0.5 < high
    assert right.agreement["psnr"].low == pytest.approx(0.025 ** (1 / 6))  # what six persons can show at most
    lines = told(found)
    assert any("first takes the picture that stands first more often than by chance: 100 %" in line for line in lines)
    assert any("knows agrees with PSNR more often" in line for line in lines)
    assert not any(line.startswith("guesses") for line in lines)


def test_a_wrong_lr_costs_only_who_uses_the_lr(run: Path) -> None:
    found = judged(run, {"looks": planted(looks, privileged=True), "smooth": planted(smooth)})
    assert of(found, "smooth").drop["psnr"].mean == 0.0
    drop = of(found, "looks").drop["psnr"]
    assert (drop.mean, drop.n) == (1.0, of(found, "looks").agreement["psnr"].n)
    assert any("looks uses the LR: with another person's it agrees 100 points less" in line for line in told(found))
    assert not any("smooth uses the LR" in line for line in told(found))


def test_people_are_counted_without_repeats_and_checks(run: Path) -> None:
    folder = RunFolder(run)
    cases = [f"face{number}" for number in range(6)]
    made = [Choice("ann", "general", case, "pure", "calm", "second") for case in cases]
    made += [
        Choice("ann", "general", "face0", "calm", "pure", "first", repeat=True),
        Choice("ann", "general", "face0", "pure", choices.SPOILT, "second", check="blocks"),
        Choice("bob", "general", "face0", "pure", "calm", "tie"),
        Choice("bob", "general", "face1", "pure", "calm", "first"),
        Choice("bob", "general", "no such face", "pure", "calm", "first"),
    ]
    try:
        choices.add(folder, made)
        found = judged(run, {"smooth": planted(smooth), "first": planted(first)})
    finally:
        for path in folder.choices.glob("*"):
            path.unlink()
    assert found.families["general"].choices == 8
    people = of(found, "smooth").people
    assert (people.n, people.left_out, people.share) == (7, 1, pytest.approx(6 / 7))
    assert of(found, "first").people.share == pytest.approx(0.5)
    assert "| people |" in forms.markdown(found)


def test_nothing_is_asked_twice(run: Path) -> None:
    calls: list[str] = []

    def counted(contest: Contest) -> list[float | None]:
        calls.append(contest.case)
        return smooth(contest)

    once = judged(run, {"one": planted(counted)})
    assert len(calls) == 6 * (4 + len(spoiling.FAULTS))
    with RunFolder(run).heard_file.open("ab") as file:
        file.write(b"{half a line")  # what a kill leaves
    again = judged(run, {"one": planted(counted)})
    assert len(calls) == 6 * (4 + len(spoiling.FAULTS))
    assert again == once
    fewer = judged(run, {"one": planted(counted)}, candidates=0)
    assert fewer.families["general"].pictures < once.families["general"].pictures


def test_an_interrupt_costs_no_case_that_was_done(run: Path) -> None:
    calls: list[str] = []

    def cut_off(contest: Contest) -> list[float | None]:
        if contest.case == "face3":
            raise KeyboardInterrupt
        calls.append(contest.case)
        return smooth(contest)

    with pytest.raises(KeyboardInterrupt):
        judged(run, {"one": planted(cut_off)})
    before = set(calls)
    calls.clear()

    def cut_off_not(contest: Contest) -> list[float | None]:
        calls.append(contest.case)
        return smooth(contest)

    cut_off_not.__name__ = "cut_off"
    judged(run, {"one": planted(cut_off_not)})
    assert before == {"face0", "face1", "face2"}
    assert set(calls) == {"face3", "face4", "face5"}


@pytest.mark.slow
def test_the_command_writes_tables_a_plot_and_a_page_of_the_report(run: Path) -> None:
    done = typed("judge", run, "--judge", "consistency", "--judge", "random", "--judge", "heuristic", "--workers", 1)
    assert done.returncode == 0, done.stderr
    folder = RunFolder(run)
    found = TypeAdapter(JudgingReport).validate_json(folder.judged_file.read_bytes())
    assert list(found.judges) == ["consistency", "heuristic", "random"]
    assert {path.suffix for path in folder.judged.glob("judge.*")} == {".json", ".md", ".csv", ".png", ".svg"}
    page = (folder.report / "judges.html").read_text(encoding="utf-8")
    assert "How good are the judges?" in page
    assert page == folder.judged_page.read_text(encoding="utf-8")
    assert 'href="judges.html"' in folder.report_page.read_text(encoding="utf-8")
    alone = typed("report", run, "--single-file")
    assert alone.returncode == 0, alone.stderr
    assert "judges.html" not in (run / "report.html").read_text(encoding="utf-8")


def test_who_saw_the_reference_is_marked_and_its_own_metric_is_no_finding(run: Path) -> None:
    opened = judges.opened(judges.read(["oracle"], {}), MACHINE, skip=False, notes=[])
    found = judged(run, opened)
    text = forms.markdown(found)
    assert "oracle, by psnr (privileged: saw the reference)" in text
    assert "100 % ◊" in text
    assert not any("with PSNR" in line for line in told(found))
    build.build(found, RunFolder(run))


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("nobody", "There is no judge named 'nobody'"),
        ("oracel", "Did you mean oracle?"),
        ("x={metric: niqe}", "after = stands a judge's name"),
        ("x={name: metric, metrik: niqe}", "it has no setting 'metrik'. Did you mean metric?"),
        ("x={name: metric, metric: psnr}", "needs the reference"),
        ("x={name: auditor, auditor: internal}", "cannot choose between two pictures"),
        ("lvlm", "No LVLM is named"),
        ("../there={name: random}", "a name of its own"),
    ],
)
def test_a_judge_that_cannot_be_is_refused_with_the_cure(named: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said.replace("?", r"\?")):
        judges.opened(judges.read([named], {}), MACHINE, skip=False, notes=[])


# --------------------------------------------------------------- over a network


def served(server: Loopback, **settings: Any) -> dict[str, OpenJudge]:
    own = {"name": "lvlm", "base_url": server.url, "model": "vlm", "backoff": 0.001, "attempts": 2, "prices": PRICES}
    return judges.opened({"lvlm": {**own, **settings}}, MACHINE, skip=False, notes=[])


def test_a_model_that_always_says_first_is_found_out_and_paid_once(run: Path) -> None:
    with Loopback(says(FIRST)) as server:
        found = judged(run, served(server), candidates=0, limit=2)
        sent = len(server.requests)
        again = judged(run, served(server), candidates=0, limit=2)
        assert len(server.requests) == sent
    one = of(found, "lvlm")
    pairs = 3
    assert sent == 1 + 2 * (4 * pairs + len(spoiling.FAULTS))  # the preflight, and what is asked of two cases
    assert (one.first.share, one.turned.share, one.usage.requests) == (1.0, 0.0, sent - 1)
    assert one.usage.cost == pytest.approx((sent - 1) * COST)
    assert again == found
    assert "face0" not in json.dumps(server.requests)


@pytest.mark.parametrize("step", [says("no idea"), says('{"preferred": "third"}'), says(None, refusal="No.")])
def test_a_reply_of_no_use_is_no_tie(run: Path, step: Any) -> None:
    with Loopback(step) as server:
        found = judged(run, served(server, preflight=False), candidates=0, limit=1)
    one = of(found, "lvlm")
    assert (one.turned.n, one.turned.unjudged, one.undecided.n) == (0, 3, 0)
    assert one.agreement["psnr"].share is None
    assert any("no usable answer" in line for line in words.beside(found))


@pytest.mark.parametrize("step", [fails(500), html, resets])
def test_a_server_that_fails_costs_the_judge_and_not_the_others(run: Path, step: Any) -> None:
    with Loopback(step) as server:
        opened = {**served(server, preflight=False), "smooth": planted(smooth)}
        found = judged(run, opened, candidates=0, limit=1)
    assert (of(found, "lvlm").failed, of(found, "lvlm").hearings) == (1, 0)
    assert of(found, "smooth").failed == 0
    assert any(line.startswith("lvlm could not be asked about 1 case") for line in found.notes)


def test_a_served_reward_model_rates_with_a_prompt_of_its_own(run: Path, tmp_path: Path) -> None:
    prompt = tmp_path / "reward.md"
    prompt.write_text("Rate the restoration.\n${pictures}\n", encoding="utf-8")
    with Loopback(says("<think>Looks fine.</think>\n<answer>4.25</answer>")) as server:
        found = judged(run, served(server, pointwise=True, prompt=str(prompt), preflight=False), candidates=0, limit=1)
        assert all("response_format" not in request for request in server.requests)
        assert len(server.requests) == 4 * 3 + 2 * len(spoiling.FAULTS)
    assert of(found, "lvlm").undecided.share == 1.0


@pytest.mark.parametrize(
    ("text", "score"),
    [("4.5", 4.5), ('{"score": -2}', -2.0), ('{"score": "7"}', 7.0), ("<answer> 3 </answer>", 3.0),
     ('Well: {"score": 61.5, "more": 1}', 61.5)],
)  # fmt: skip
def test_a_rating_is_read(text: str, score: float) -> None:
    assert rating.parse(text, Bounds()).score == score


@pytest.mark.parametrize(
    "text", ["", "fine", "1e999", '{"score": 1e999}', '{"score": true}', '{"score": null}', '{"rate": 4}', "4 or 5",
             '{"score": [4]}', "9" * 100, "{" * 1000, "<answer></answer>"],
)  # fmt: skip
def test_what_is_no_rating_is_refused(text: str) -> None:
    with pytest.raises(reply.Unusable):
        rating.parse(text, Bounds())


# ------------------------------------------------------------------- statistics


def test_kendalls_tau_is_that_of_scipy() -> None:
    from scipy.stats import kendalltau

    draw = np.random.default_rng(1)
    for count in (2, 3, 5, 12, 40):
        for levels in (2, 3, 100):
            x, y = (draw.integers(0, levels, count).tolist() for _ in range(2))
            theirs = float(kendalltau(x, y).statistic)
            ours = kendall(x, y)
            assert (ours is None) == bool(np.isnan(theirs))
            assert ours is None or ours == pytest.approx(theirs)


@pytest.mark.slow
def test_shares_of_persons_cover_what_they_estimate() -> None:
    """Two in three: nineteen of twenty intervals hold it, also of eight persons with several pairs each."""
    for persons, least in ((8, 0.95), (30, 0.90)):
        draw = np.random.default_rng(persons)
        names = [str(person) for person in range(persons) for _ in range(4)]
        held = 0
        for _ in range(60):
            chance = np.repeat(draw.choice([0.33, 1.0], persons), 4)
            points = (draw.random(4 * persons) < chance).astype(float).tolist()
            one = intervals.share(points, names)
            assert one.low is not None
            assert one.high is not None
            assert one.share is not None
            assert 0 <= one.low <= one.share <= one.high <= 1
            held += one.low <= 0.665 <= one.high
        assert held / 60 >= least


def test_nothing_is_made_of_nothing() -> None:
    assert intervals.share([], []) == intervals.PersonShare(None)
    alone = intervals.share([1.0, 0.0], ["a", "a"], left_out=2)
    assert (alone.share, alone.low, alone.n, alone.persons, alone.left_out) == (0.5, None, 2, 1, 2)
    assert intervals.mean([], []).mean is None


def test_differences_inside_the_noise_floor_are_left_out() -> None:
    hearing = {name: Hearing((0, 1, 2), (1.0, 2.0, 3.0), Usage(), 1.0) for name in ("shown", "turned")}
    cases = [
        HeardCase("general", str(n), str(n), ("a", "b", "c"), {}, {"psnr": (20.0, 20.4, None)}, {"one": hearing})
        for n in range(3)
    ]
    inside, beyond = (
        result("one", "general", cases, [], {"psnr": floor}, {"psnr": "higher"}).agreement["psnr"]
        for floor in (0.5, 0.1)
    )
    assert (inside.n, inside.left_out, inside.share) == (0, 3, None)
    assert (beyond.n, beyond.left_out, beyond.share) == (3, 0, 1.0)


def test_an_auditor_and_a_model_compare_both_orders_for_an_arm(tmp_path: Path) -> None:
    """As an arm's judge, whoever always says first has no preference; and nobody else is given what auditors see."""
    lr = images.as_stored(draw_face(24, 1))
    pictures = tuple(images.as_stored(draw_face(96, number)) for number in (1, 2))
    opened = judges.opened({"s": {"name": "auditor", "auditor": "scripted", "replies": [{}],
                                  "preferences": ["first", "first"]}}, MACHINE, skip=False, notes=[])["s"]  # fmt: skip
    ask = opened.judge
    assert ask(Contest("a", "general", 1, lr, pictures)).scores == (0.5, 0.5)
    assert ask(Contest("a", "general", 1, lr, pictures, as_shown=True)).scores == (1.0, 0.0)
