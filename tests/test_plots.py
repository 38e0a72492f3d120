"""Plots say what the numbers say: what is drawn is read back from the figures, not from pixels."""

from __future__ import annotations

import itertools
import random
import re
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from statsmodels.stats.proportion import proportion_confint

from fsrbench.core import plugins
from fsrbench.core.contracts import Metric
from fsrbench.core.stored import KnobValue
from fsrbench.core.values import PURE, Audit, Decision, Failure, Restoration, Round, Score, Trail, Verdict
from fsrbench.measure import stats, summary
from fsrbench.measure.choosing_values import MeasuredChoice
from fsrbench.measure.results import Course, Numbers, Results
from fsrbench.measure.standings import Standing
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.show import plots, wording
from fsrbench.show.plots import (
    _data,
    _style,
    _text,
    choosing,
    decisions,
    forest,
    harm,
    knobs,
    knows,
    reliability,
    sorted_deltas,
    strength,
)

METRICS = {
    "psnr": Metric("PSNR", "higher", True, 3, lambda _: lambda *_: (), "dB"),
    "ssim": Metric("SSIM", "higher", True, 4, lambda _: lambda *_: ()),
    "lpips": Metric("LPIPS", "lower", True, 4, lambda _: lambda *_: ()),
    "niqe": Metric("NIQE", "lower", False, 3, lambda _: lambda *_: ()),
    "arcface": Metric("ArcFace", "higher", True, 4, lambda _: lambda *_: ()),
}
ARMS: dict[str, Standing] = {"lvlm": "contender", "heuristic": "control", "rerun": "floor", "oracle": "headroom"}
NASTY = "Ünïcode $x_1^2$ & <b>\\frac{a}{b}</b> --> ]]> %s 漢字 \u202e" + "very_long_name_" * 12
Move = Callable[[str, str, str, int], float | None]
Said = Callable[[str, str, int], tuple[Audit | None, Decision | None, Mapping[str, KnobValue]]]


@pytest.fixture(autouse=True)
def _set() -> Iterator[None]:
    """Matplotlib set as `draw` sets it."""
    with _style.settings():
        yield


# ------------------------------------------------------------------ synthetic


def spread(_family: str, _metric: str, arm: str, number: int) -> float | None:
    """A difference of each case: reproducible, of both signs."""
    scale = {"rerun": 0.02, "oracle": 0.5}.get(arm, 0.2)
    return round(random.Random(f"{arm}{number}").gauss(0.1, 1) * scale, 6)


RETRY = Decision("retry", "hints followed", "score 1 below 80")
ACCEPT = Decision("accept", "score reached", "score 90 reached 80")
UNSURE = Decision("stop", "low confidence", "no confidence given")
UNUSABLE = Decision("stop", "unusable", "the reply could not be used")


def retried(_family: str, arm: str, number: int) -> tuple[Audit | None, Decision | None, Mapping[str, KnobValue]]:
    """Every case audited, and restored again with a knob; the floor's arm audits nothing."""
    if arm == "rerun":
        return None, None, {}
    value = (number % 10) / 10 + 0.05
    audit = Audit("ok", float(number * 37 % 101), 80.0 + number % 21, (), {"dehalo": value})
    return audit, Decision("retry", "hints followed", "", {"dehalo": value}), {"dehalo": value}


def make(
    root: Path,
    *,
    families: tuple[str, ...] = ("general",),
    arms: Mapping[str, Standing] | None = None,
    metrics: Mapping[str, Metric] | None = None,
    n: int = 6,
    move: Move = spread,
    said: Said = retried,
    failures: tuple[Failure, ...] = (),
) -> Results:
    """A finished evaluation whose differences are `move`'s and whose audits are `said`'s."""
    arms = ARMS if arms is None else arms
    metrics = {"psnr": METRICS["psnr"], "lpips": METRICS["lpips"]} if metrics is None else metrics
    subjects, scores = [], []
    for family, number in itertools.product(families, range(n)):
        case = f"case-{number:05d}"
        pure = Restoration("bicubic", "embedded (tiny)", {"dehalo": 0.0}, 1, "pure.png", "pure", 0.1, "fp32")
        rounds = [Round(PURE, 0, pure)]
        for arm in arms:
            audit, decision, turned = said(family, arm, number)
            changed = bool(turned) or arm == "rerun"
            picture = Restoration(
                "bicubic", "embedded (tiny)", {"dehalo": 0.0, **turned}, 1, f"{arm}.png", arm if changed else "pure",
                0.1, "fp32",
            )  # fmt: skip
            rounds.append(Round(arm, 1, picture, audit, decision))
        paths = {arm: root / f"{arm}.png" for arm in (PURE, *arms)}
        subjects.append(Subject(family, case, None, None, paths, Trail(case, family, "0", tuple(rounds))))
        for metric in metrics:
            scores.append(Score(case, family, PURE, metric, 20.0 + number))
            for arm in arms:
                delta = move(family, metric, arm, number)
                value = None if delta is None else round(20.0 + number + delta, 6)
                scores.append(Score(case, family, arm, metric, value, "" if value is not None else "no reference"))
    drawn = plugins.load("recipes", "paper").draw
    degraded = {
        s.case: {"recipe": "paper", "scale": "4", "seed": "0", "note": ""}
        | {k: str(v).lower() for k, v in drawn(np.random.default_rng(i)).items()}
        for i, s in enumerate(subjects)
    }
    what = Evaluation(
        subjects, dict(metrics), {f: ["embedded (tiny)"] for f in families}, roles=dict(arms), degraded=degraded
    )
    numbers = Numbers(scores)
    choices = [choice(s.family, s.case, arm) for s in subjects for arm in arms if arms[arm] != "floor"]
    return Results(root, what, numbers, summary.summarise(what, numbers, failures), choices)


def choice(family: str, case: str, arm: str) -> MeasuredChoice:
    """A choice among four candidates, of which the better two are kept, or the first two, by the length of a name."""
    each = (90.0, 120.0, 100.0, 110.0)
    kept = (0, 2) if len(arm) % 2 else (0, 1)
    curve = (each[0], 85.0, 84.0, 83.0)
    return MeasuredChoice(
        family, case, arm, kept, each, 12.0, curve, (105.0, 94.0, 88.0, 83.0), (90.0, 82.0, 82.5, 83.0)
    )


def effect(results: Results, metric: str, arm: str, family: str = "general") -> Any:
    return results.summary.families[family][metric].arms[arm]


def named(axes: Axes, gid: str) -> list[Any]:
    """What of the axes carries this id, in the order in which it was drawn."""
    return [artist for artist in axes.get_children() if artist.get_gid() == gid]


def panel(figure: Figure, gid: str) -> Axes:
    return next(axes for axes in figure.axes if axes.get_gid() == gid)


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.texts)


# ------------------------------------------------------------------------ all


@pytest.mark.slow
def test_each_plot_is_written_twice_and_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    first = plots.draw(make(tmp_path / "a"))
    assert first == [tmp_path / "a" / "plots" / f"{name}.{end}" for name in plots.NAMES for end in ("png", "svg")]
    assert all(path.stat().st_size > 1000 for path in first)
    second = plots.draw(make(tmp_path / "b"))
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_a_single_case_has_no_plots_of_how_cases_differ(tmp_path: Path) -> None:
    drawn = {n: {path.stem for path in plots.draw(make(tmp_path / str(n), n=n))} for n in (1, 2)}
    assert drawn[1] == {"forest", "decisions"}
    assert drawn[2] > drawn[1]


def test_what_has_no_data_is_not_written_and_an_old_one_goes(tmp_path: Path) -> None:
    folder = tmp_path / "plots"
    folder.mkdir()
    for name in plots.NAMES:
        (folder / f"{name}.png").write_bytes(b"old")
        (folder / f"{name}.svg").write_bytes(b"old")
    assert plots.draw(make(tmp_path, arms={})) == []
    assert list(folder.iterdir()) == []


def test_plain_folders_have_no_auditor_to_ask_about(tmp_path: Path) -> None:
    made = make(tmp_path)
    bare = [Subject(s.family, s.case, None, None, s.variants) for s in made.what.subjects]
    written = plots.draw(Results(tmp_path, Evaluation(bare, made.what.metrics, roles=ARMS), made.numbers, made.summary))
    assert {path.stem for path in written} == {"forest", "harm", "sorted_deltas"}


PSNR: dict[str, Any] = {"metrics": {"psnr": METRICS["psnr"]}}
SMALL: dict[str, Any] = {"arms": {"lvlm": "contender", "rerun": "floor"}, "metrics": {"niqe": METRICS["niqe"]}}


@pytest.mark.slow
def test_settings_of_the_user_neither_matter_nor_change(tmp_path: Path) -> None:
    results = make(tmp_path, **SMALL)
    plain = [p.read_bytes() for p in plots.draw(results)]
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "black", "svg.fonttype": "none", "text.usetex": True}):
        before = dict(mpl.rcParams)
        assert [p.read_bytes() for p in plots.draw(results)] == plain
        assert dict(mpl.rcParams) == before


@pytest.mark.slow
def test_pictures_refer_to_nothing_outside(tmp_path: Path) -> None:
    for path in plots.draw(make(tmp_path, **{**SMALL, "arms": {NASTY: "contender", "rerun": "floor"}}, n=500)):
        data = path.read_bytes()
        if path.suffix == ".png":
            assert b"tEXt" not in data
            assert b"tIME" not in data
            continue
        assert b"<!DOCTYPE" not in data
        assert b"<!ENTITY" not in data
        root = ET.fromstring(data)
        assert next(root.iter("{http://www.w3.org/2000/svg}title")).text == plots.question(path.stem)
        for element in root.iter():
            for name, value in element.attrib.items():
                if name.endswith(("href", "src")):
                    assert value.startswith(("#", "data:image/png"))
                assert all(place.startswith("#") for place in re.findall(r"url\(([^)]*)", value))
            assert "@import" not in (element.text or "")
            assert element.tag.rpartition("}")[2] not in ("script", "foreignObject")


EXTREMES: dict[str, dict[str, Any]] = {
    "one case": {"n": 1},
    "two cases": {"n": 2},
    "nothing moved": {"move": lambda *_: 0.0},
    "huge": {"move": lambda f, m, a, i: (-1) ** i * 1e9 * (i + 1)},
    "tiny": {"move": lambda f, m, a, i: (-1) ** i * 1e-6},
    "one outlier": {"move": lambda f, m, a, i: 1e6 if i == 0 else 1e-5},
    "half missing": {"move": lambda f, m, a, i: None if i % 2 else spread(f, m, a, i)},
    "all missing": {"move": lambda *_: None},
    "nobody audits": {"said": lambda *_: (None, None, {})},
    "invalid": {"said": lambda *_: (Audit("invalid", reason="?"), UNUSABLE, {})},
    "unsure": {"said": lambda *_: (Audit("ok", 50.0, None), UNSURE, {})},
    "names": {
        "arms": {NASTY: "contender", "$": "contender", "_": "control", " ": "control", NASTY[::-1]: "headroom"},
        "families": ("général", NASTY),
        "metrics": {NASTY: Metric(NASTY, "lower", False, 9, lambda _: lambda *_: (), NASTY)},
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(EXTREMES))
def test_extremes_are_drawn_without_a_warning(kind: str, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plots.draw(make(tmp_path, **{**SMALL, **EXTREMES[kind]}))


CROWD: dict[str, Standing] = {
    "lvlm": "contender",
    "lvlm-with-a-long-name-and-guards": "contender",
    "heuristic": "control",
    "rerun": "floor",
    "oracle-over-all-of-the-knobs-there-are": "headroom",
}


def drawn_texts(figure: Figure) -> list[mpl.text.Text]:
    """Every text that is seen: ticks outside an axis are not."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += axes.texts
        for axis in (axes.xaxis, axes.yaxis) if axes.axison and axes.get_visible() else ():
            low, high = sorted(axis.get_view_interval())
            labels = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
            found += [label for place, label in labels if low <= place <= high]
    return [text for text in found if text.get_text().strip()]


@pytest.mark.slow
@pytest.mark.parametrize("name", plots.NAMES)
@pytest.mark.parametrize("size", ["1×1×1", "5×3×5"])
def test_no_two_texts_touch_and_none_leaves_the_sheet(name: str, size: str, tmp_path: Path) -> None:
    small = size == "1×1×1"
    results = make(
        tmp_path,
        families=("general",) if small else ("general", "blind", "a-family-with-a-rather-long-name"),
        arms={"lvlm": "contender"} if small else CROWD,
        metrics={"psnr": METRICS["psnr"]} if small else METRICS,
        n=12,
        move=lambda f, m, a, i: None if (m == "arcface" and i == 3) else spread(f, m, a, i),
        failures=() if small else (Failure("general", "case-x", "lvlm", "no reply"),),
    )
    figure = {
        "forest": forest, "sorted_deltas": sorted_deltas, "knows": knows, "reliability": reliability, "knobs": knobs,
        "strength": strength, "decisions": decisions, "harm": harm, "choosing": choosing,
    }[name].figure(results)  # fmt: skip
    assert figure is not None
    figure.canvas.draw()
    texts = drawn_texts(figure)
    assert min(text.get_fontsize() for text in texts) >= 9
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts]
    for text, box in boxes:
        assert -1 <= box.x0 <= box.x1 <= figure.bbox.x1 + 1, text
        assert -1 <= box.y0 <= box.y1 <= figure.bbox.y1 + 1, text
    for (one, a), (other, b) in itertools.combinations(boxes, 2):
        apart = a.x1 <= b.x0 + 1 or b.x1 <= a.x0 + 1 or a.y1 <= b.y0 + 2 or b.y1 <= a.y0 + 2
        assert apart, (one, other)


# -------------------------------------------------------------------- palette


def lightness(colour: str) -> float:
    """CIE L*: what a grey copy shows."""
    channels = np.array(mpl.colors.to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    y = float(linear @ (0.2126, 0.7152, 0.0722))
    return 116 * y ** (1 / 3) - 16 if y > 0.008856 else 903.3 * y


@pytest.mark.parametrize("palette", [_style.ROLES, _style.OUTCOMES], ids=["roles", "outcomes"])
def test_colours_differ_in_grey(palette: Mapping[str, str]) -> None:
    shades = sorted(map(lightness, palette.values()))
    assert min(b - a for a, b in itertools.pairwise(shades)) >= 10


def test_roles_stand_out_from_paper_and_have_markers_of_their_own() -> None:
    assert max(map(lightness, _style.ROLES.values())) < 75
    assert len(set(_style.MARKERS.values())) == len(_style.ROLES) == len(_style.MARKERS)
    assert _style.HATCHES["worse"]
    assert not _style.HATCHES["better"]


# --------------------------------------------------------------------- forest


def test_forest_draws_the_summary_s_intervals(tmp_path: Path) -> None:
    results = make(tmp_path, n=30)
    for metric in ("psnr", "lpips"):
        axes = panel(forest.figure(results), f"forest:{metric}")  # type: ignore[arg-type]
        intervals = {tuple(line.get_xdata()) for line in named(axes, "interval")}
        means = {line.get_xdata()[0]: line for line in named(axes, "mean")}
        for arm, role in ARMS.items():
            found = effect(results, metric, arm)
            assert (found.low, found.high) in intervals
            sign: Line2D = means[found.delta]
            assert sign.get_marker() == _style.MARKERS[role]
            filled = sign.get_markerfacecolor() != "white"
            assert filled == (wording.standing_out(results.summary.metrics[metric], found) != 0)
    assert len({f.delta for f in (effect(results, "psnr", arm) for arm in ARMS)}) == len(ARMS)


def test_a_sign_is_filled_where_a_difference_is_shown_and_nowhere_else(tmp_path: Path) -> None:
    """Three cases that all became better have p = 1 after correction, and intervals that leave zero by far."""

    def filled(n: int) -> bool:
        results = make(tmp_path, n=n, arms={"lvlm": "contender"}, move=lambda f, m, a, i: 1 + 0.01 * i)
        (sign,) = named(panel(forest.figure(results), "forest:psnr"), "mean")  # type: ignore[arg-type]
        assert effect(results, "psnr", "lvlm").low > 0.9
        return bool(sign.get_markerfacecolor() != "white")

    assert not filled(3)
    assert filled(9)


def test_forest_marks_a_mean_that_one_case_makes(tmp_path: Path) -> None:
    arms: dict[str, Standing] = {"lvlm": "contender"}
    wild = make(tmp_path, n=20, arms=arms, move=lambda f, m, a, i: 43.0 if i == 7 else spread(f, m, a, i) / 10)
    said = words(forest.figure(wild))  # type: ignore[arg-type]
    assert f"{wording.chance(effect(wild, 'psnr', 'lvlm').p_adjusted)} ‡" in said.split("\n")
    assert "one case makes this mean" in said
    assert "‡" not in words(forest.figure(make(tmp_path, n=20, arms=arms)))  # type: ignore[arg-type]


def test_forest_has_better_on_the_right_for_every_metric(tmp_path: Path) -> None:
    figure = forest.figure(make(tmp_path))
    assert figure is not None
    left, right = panel(figure, "forest:psnr").get_xlim()
    assert left < 0 < right
    left, right = panel(figure, "forest:lpips").get_xlim()
    assert left > 0 > right


def test_forest_says_the_adjusted_p_of_tests_and_none_of_yardsticks(tmp_path: Path) -> None:
    results = make(tmp_path, n=30, arms={"lvlm": "contender", "rerun": "floor"}, metrics={"psnr": METRICS["psnr"]})
    said = words(forest.figure(results))  # type: ignore[arg-type]
    assert wording.chance(effect(results, "psnr", "lvlm").p_adjusted) in said.split("\n")
    assert "–" in said.split("\n")
    assert "noise floor" in said


def test_forest_leaves_out_what_is_missing(tmp_path: Path) -> None:
    arms: dict[str, Standing] = {"lvlm": "contender", "x": "control"}
    results = make(tmp_path, move=lambda f, m, a, i: None if a == "lvlm" and m == "psnr" else 0.5, arms=arms)
    figure = forest.figure(results)
    assert figure is not None
    assert [line.get_xdata()[0] for line in named(panel(figure, "forest:psnr"), "mean")] == [0.5]
    assert "n/a" in words(figure).split("\n")


def test_forest_s_noise_floor_is_a_band_of_the_family_s_rows(tmp_path: Path) -> None:
    results = make(tmp_path, n=20)
    axes = panel(forest.figure(results), "forest:psnr")  # type: ignore[arg-type]
    floor = effect(results, "psnr", "lvlm").floor
    assert floor > 0
    edges = [band.get_paths()[0].vertices[:, 0] for band in axes.collections]
    assert len(edges) == len(ARMS)
    assert all(e.min() == pytest.approx(-floor) and e.max() == pytest.approx(floor) for e in edges)


def test_forest_s_headroom_does_not_squeeze_the_others(tmp_path: Path) -> None:
    results = make(tmp_path, n=20, move=lambda f, m, a, i: (100.0 if a == "oracle" else 0.01) * (1 + i / 100))
    axes = panel(forest.figure(results), "forest:psnr")  # type: ignore[arg-type]
    assert max(axes.get_xlim()) < 1
    assert len(named(axes, "beyond")) == 1
    assert any(text.get_text().startswith("+1") for text in axes.texts)


# -------------------------------------------------------------- sorted deltas


def test_every_case_has_a_bar_worst_first(tmp_path: Path) -> None:
    results = make(tmp_path, n=20)
    for number, metric in enumerate(("psnr", "lpips")):
        figure = sorted_deltas.figure(results)
        assert figure is not None
        axes = figure.axes[2 * number]  # lvlm and heuristic for each metric
        bars = sorted((bar.get_x(), bar.get_height()) for bar in axes.patches if bar.get_gid() in _style.OUTCOMES)
        sign = 1 if metric == "psnr" else -1
        expected = sorted(results.numbers.deltas("general", metric, "lvlm").values(), key=lambda d: sign * d)
        assert [height for _, height in bars] == expected
        low, high = axes.get_ylim()
        assert (high > low) == (metric == "psnr")


def test_a_bar_s_outcome_is_against_the_floor(tmp_path: Path) -> None:
    results = make(
        tmp_path, n=5, metrics={"lpips": METRICS["lpips"]}, arms={"lvlm": "contender", "rerun": "floor"},
        move=lambda f, m, a, i: 0.1 if a == "rerun" else [-0.3, -0.05, 0.0, 0.05, 0.3][i],
    )  # fmt: skip
    figure = sorted_deltas.figure(results)
    assert figure is not None
    drawn = sorted(
        (bar.get_x(), bar.get_gid(), bar.get_hatch() or "") for bar in figure.axes[0].patches if bar.get_gid()
    )
    assert [kind for _, kind, _ in drawn] == ["worse", "same", "same", "same", "better"]
    assert "▼2  =1  ▲2" in words(figure)
    assert "harm 20 %, benefit 20 %" in words(figure)


def test_thousands_of_cases_become_areas_that_keep_their_ends(tmp_path: Path) -> None:
    results = make(tmp_path, n=600, arms={"lvlm": "contender"}, metrics={"psnr": METRICS["psnr"]})
    figure = sorted_deltas.figure(results)
    assert figure is not None
    ordered = sorted(results.numbers.deltas("general", "psnr", "lvlm").values())
    areas = {area.get_gid(): area.get_paths()[0].vertices for area in figure.axes[0].collections}
    assert set(areas) == {"worse", "better"}
    assert areas["worse"][:, 1].min() == ordered[0]
    assert areas["better"][:, 1].max() == ordered[-1]
    assert areas["worse"][:, 0].max() == areas["better"][:, 0].min() == sum(d < 0 for d in ordered) - 0.5


def test_a_missing_case_is_no_tie(tmp_path: Path) -> None:
    results = make(tmp_path, n=4, metrics={"psnr": METRICS["psnr"]}, move=lambda f, m, a, i: None if i == 2 else 1.0)
    figure = sorted_deltas.figure(results)
    assert figure is not None
    assert [bar.get_height() for bar in figure.axes[0].patches if bar.get_gid() in _style.OUTCOMES] == [1.0] * 3
    assert "▼0  =0  ▲3" in words(figure)


# ---------------------------------------------------------------------- knows


def test_scores_stand_against_the_picture_they_are_of(tmp_path: Path) -> None:
    results = make(tmp_path, n=9, arms={"lvlm": "contender"}, metrics={"psnr": METRICS["psnr"]})
    figure = knows.figure(results)
    assert figure is not None
    value, delta = (named(axes, "cases")[0] for axes in figure.axes)
    scores = [float(i * 37 % 101) for i in range(9)]
    assert list(value.get_xdata()) == list(delta.get_xdata()) == scores
    assert list(value.get_ydata()) == [20.0 + i for i in range(9)]
    assert list(delta.get_ydata()) == list(results.numbers.deltas("general", "psnr", "lvlm").values())


def test_a_difference_that_is_zero_by_rule_is_no_case_of_the_last_column(tmp_path: Path) -> None:
    """Every second picture is accepted: what the score knew says nothing of a difference that had to be zero."""

    def score(family: str, arm: str, number: int) -> tuple[Audit, Decision, Mapping[str, KnobValue]]:
        if number % 2:
            return Audit("ok", 90.0, 90.0), ACCEPT, {}
        return Audit("ok", 10.0 + number, 90.0), RETRY, {"dehalo": 0.5}

    def move(family: str, metric: str, arm: str, number: int) -> float:
        return 0.0 if number % 2 else 0.1 * (number + 1)

    figure = knows.figure(make(tmp_path, n=20, arms={"lvlm": "contender"}, said=score, move=move, **PSNR))
    assert figure is not None
    value, delta = (named(axes, "cases")[0] for axes in figure.axes)
    assert len(value.get_xdata()) == 20
    assert list(delta.get_xdata()) == [10.0 + number for number in range(0, 20, 2)]
    said = words(figure).replace("\n", " ")
    assert "ρ +1.00, p <0.001 n 10" in said
    assert "zero by rule: 10 of 20 (FSR+LVLM on general)." in said


def test_what_must_be_known_of_a_metric_is_said_where_it_was_measured(tmp_path: Path) -> None:
    told = {"arcface": "ArcFace was computed with another network.", "lpips": "LPIPS is of another version."}
    results = make(tmp_path, metrics=METRICS, move=lambda f, m, a, i: None if m == "lpips" else spread(f, m, a, i))
    what = replace(results.what, notes=("NIQE begins a sentence.",), about_metrics=told)
    said = _data.caption(replace(results, what=what), _data.rows(results))
    assert told["arcface"] in said
    assert told["lpips"] not in said
    assert "NIQE begins a sentence." not in said


def test_rho_is_above_zero_where_better_pictures_score_higher(tmp_path: Path) -> None:
    def score(family: str, arm: str, number: int) -> tuple[Audit, Decision, Mapping[str, KnobValue]]:
        return Audit("ok", 90.0 - number, 90.0), ACCEPT, {}

    results = make(tmp_path, arms={"lvlm": "contender"}, metrics={"niqe": METRICS["niqe"]}, said=score, n=20)
    assert "ρ +1.00, p <0.001" in words(knows.figure(results))  # type: ignore[arg-type]


def test_pictures_of_one_person_are_no_more_cases_than_the_person(tmp_path: Path) -> None:
    """Six pictures of each of four persons: a correlation over persons cannot have the p of twenty-four cases."""

    def score(family: str, arm: str, number: int) -> tuple[Audit, Decision, Mapping[str, KnobValue]]:
        return Audit("ok", 50.0 + number, 90.0), RETRY, {"dehalo": 0.5}

    results = make(tmp_path, arms={"lvlm": "contender"}, metrics={"psnr": METRICS["psnr"]}, said=score, n=24)
    assert "n 24 (" not in words(knows.figure(results))  # type: ignore[arg-type]
    clusters = {f"case-{number:05d}": f"person {number // 6}" for number in range(24)}
    grouped = Results(tmp_path, replace(results.what, clusters=clusters), results.numbers, results.summary)
    said = words(knows.figure(grouped))  # type: ignore[arg-type]
    assert "n 24 (4 persons)" in said
    assert "ρ +1.00, p 0.17" in said  # 2 of the 4! orders, by Holm over two panels
    assert "one mean a person" in said.replace("\n", " ")
    assert "too narrow here" in words(reliability.figure(grouped)).replace("\n", " ")  # type: ignore[arg-type]


def test_one_score_for_all_is_said_and_left_out(tmp_path: Path) -> None:
    def score(family: str, arm: str, number: int) -> tuple[Audit, Decision, Mapping[str, KnobValue]]:
        said = 85.0 if arm == "parrot" else 50.0 + number
        return Audit("ok", said, 90.0), RETRY, {"dehalo": 0.5}

    arms: dict[str, Standing] = {"lvlm": "contender", "parrot": "contender"}
    figure = knows.figure(make(tmp_path, arms=arms, said=score, metrics={"psnr": METRICS["psnr"]}))
    assert figure is not None
    assert len(figure.axes) == 2
    assert "FSR+parrot on general (85)" in words(figure).replace("\n", " ")
    alone = knows.figure(make(tmp_path, arms={"parrot": "contender"}, said=score))
    assert "ρ n/a" in words(alone)  # type: ignore[arg-type]


# ---------------------------------------------------------------- reliability


def test_reliability_counts_what_was_followed(tmp_path: Path) -> None:
    def say(family: str, arm: str, number: int) -> tuple[Audit, Decision, Mapping[str, KnobValue]]:
        audit = Audit("ok", 10.0, 82.0 if number < 10 else 100.0)
        if number % 5 == 4:  # asked, but nothing changed
            return audit, RETRY, {}
        return audit, RETRY, {"dehalo": 1.0}

    results = make(
        tmp_path, n=20, arms={"lvlm": "contender"}, metrics={"lpips": METRICS["lpips"]}, said=say,
        move=lambda f, m, a, i: -0.1 if i % 5 in (0, 1) or i >= 10 else 0.1,
    )  # fmt: skip
    figure = reliability.figure(results)
    assert figure is not None
    axes = figure.axes[0]
    shares = [(line.get_xdata()[0], line.get_ydata()[0]) for line in named(axes, "share")]
    assert shares == [(82.5, 50.0), (97.5, 100.0)]
    for line, hits in zip(named(axes, "interval"), (4, 8), strict=True):
        low, high = proportion_confint(hits, 8, method="wilson")
        assert line.get_ydata() == pytest.approx([100 * low, 100 * high])
    assert [text.get_text() for text in axes.texts] == ["8", "8"]
    assert "12 of 16 right" in words(figure)


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30))
def test_bins_hold_every_confidence(confidences: list[float]) -> None:
    edges = reliability.bins(confidences)
    assert edges[0] <= min(confidences)
    assert edges[-1] == 100
    assert 3 <= len(edges) <= reliability.MOST_BINS + 1
    assert len({round(b - a, 9) for a, b in itertools.pairwise(edges)}) == 1


# ---------------------------------------------------------------------- knobs


def test_knobs_say_how_often_and_what_became_of_it(tmp_path: Path) -> None:
    def say(family: str, arm: str, number: int) -> tuple[Audit, Decision, Mapping[str, KnobValue]]:
        turned = {"dehalo": 0.4} if number < 3 else {}
        return Audit("ok", 10.0, 90.0), RETRY if turned else ACCEPT, turned

    results = make(
        tmp_path, n=8, arms={"lvlm": "contender"}, metrics={"psnr": METRICS["psnr"]}, said=say,
        move=lambda f, m, a, i: [0.1, 0.2, None, 9, 9, 9, 9, 9][i],
    )  # fmt: skip
    row = _data.rows(results)[0]
    assert knobs.used(results, row, "psnr") == [knobs.Use(row, "dehalo", 8, (0.4,) * 3, (0.1, 0.2))]
    figure = knobs.figure(results)
    assert figure is not None
    assert named(panel(figure, "share"), "share")[0].get_width() == 3 / 8
    assert named(panel(figure, "effect"), "mean")[0].get_xdata()[0] == pytest.approx(0.15)
    low, high = stats.mean_interval((0.1, 0.2))
    assert list(named(panel(figure, "effect"), "interval")[0].get_xdata()) == pytest.approx([low, high])
    bars: list[Rectangle] = [bar for bar in panel(figure, "values").patches if bar.get_gid() == "values"]
    assert [round(bar.get_x() + bar.get_width() / 2, 2) for bar in bars] == [0.4]
    assert "3 of 8" in words(figure)


def test_a_knob_that_nobody_turned_has_no_effect_at_all(tmp_path: Path) -> None:
    results = make(tmp_path, said=lambda f, a, i: (Audit("ok", 90.0, 90.0), ACCEPT, {}))
    figure = knobs.figure(results)
    assert figure is not None
    assert named(panel(figure, "effect"), "mean") == []
    assert "0 of 6" in words(figure)


# ------------------------------------------------------------------- strength


@pytest.mark.parametrize("recipe", [n for n in plugins.names("recipes") if n != "bicubic"])
def test_strengths_of_every_recipe(recipe: str) -> None:
    draw = plugins.load("recipes", recipe).draw
    degraded = {
        str(i): {
            "recipe": recipe,
            "seed": "0",
            **{k: str(v).lower() for k, v in draw(np.random.default_rng(i)).items()},
        }
        for i in range(300)
    }
    found = strength.strengths(degraded)
    assert found
    assert not any(name.endswith(("seed", "angle", "size", "_x", "_y", "_on")) for name in found)
    assert all(len(set(values.values())) > 1 for values in found.values())
    assert all(len(values) < 300 for name, values in found.items() if re.search("noise.*(sigma|scale)$", name))


def test_values_that_did_nothing_are_left_out() -> None:
    blur = {"blur1_kernel": "aniso", "blur1_sigma_x": "2", "blur1_sigma_y": "8", "blur1_cutoff": "1", "blur1_beta": "1"}
    rest = {
        "a": ("poisson", "5", "1", "true", "30"),
        "b": ("gaussian", "7", "2", "false", "50"),
        "c": ("gaussian", "9", "3", "true", "70"),
        "d": ("poisson", "9", "3", "true", "nan"),
    }
    names = ("noise", "noise_sigma", "noise_poisson_scale", "jpeg_on", "jpeg_quality")
    rows = {case: blur | dict(zip(names, values, strict=True)) for case, values in rest.items()}
    rows["c"]["blur1_kernel"] = "iso"
    rows["d"] |= {"blur1_kernel": "sinc", "blur1_cutoff": "2"}
    found = strength.strengths(rows)
    assert found == {
        "blur1_sigma": {"a": 4.0, "b": 4.0, "c": 2.0},
        "noise_sigma": {"b": 7.0, "c": 9.0},
        "noise_poisson_scale": {"a": 1.0, "d": 3.0},
        "jpeg_quality": {"a": 30.0, "c": 70.0},
    }


def test_an_arm_that_moved_nothing_is_named_and_left_out(tmp_path: Path) -> None:
    arms: dict[str, Standing] = {"lvlm": "contender", "asleep": "control"}
    moved = make(tmp_path, arms=arms, move=lambda f, m, a, i: 0.0 if a == "asleep" else spread(f, m, a, i))
    figure = strength.figure(moved)
    assert figure is not None
    assert "FSR+asleep on general" in words(figure).replace("\n", " ")
    assert len(figure.axes) == len(strength.strengths(moved.what.degraded))
    assert strength.figure(make(tmp_path, move=lambda *_: 0.0)) is None


def test_strength_draws_each_case_at_its_value(tmp_path: Path) -> None:
    results = make(tmp_path, n=40, arms={"lvlm": "contender"}, metrics={"psnr": METRICS["psnr"]})
    figure = strength.figure(results)
    assert figure is not None
    drawn = strength.strengths(results.what.degraded)
    deltas = results.numbers.deltas("general", "psnr", "lvlm")
    for axes, values in zip(figure.axes, drawn.values(), strict=True):
        cloud = named(axes, "cases")[0]
        pairs = sorted(zip(cloud.get_xdata(), cloud.get_ydata(), strict=True))
        assert pairs == sorted((values[case], deltas[case]) for case in values)
        trend = named(axes, "trend")[0].get_ydata()
        assert min(deltas.values()) < min(trend) <= max(trend) < max(deltas.values())


# ------------------------------------------------------------------ decisions


def test_decisions_count_every_case_once(tmp_path: Path) -> None:
    kinds: list[tuple[Audit, Decision, dict[str, KnobValue]]] = [
        (Audit("ok", 10.0, 90.0), RETRY, {"dehalo": 1.0}),
        (Audit("ok", 10.0, 90.0), RETRY, {}),
        (Audit("ok", 90.0, 90.0), ACCEPT, {}),
        (Audit("ok", 10.0, 90.0), Decision("accept", "no effective hint", ""), {}),
        (Audit("ok", 10.0, 20.0), UNSURE, {}),
        (Audit("ok", 10.0, 90.0), Decision("stop", "no retry left", ""), {}),
        (Audit("invalid"), UNUSABLE, {}),
    ]
    results = make(
        tmp_path, n=7, arms={"lvlm": "contender"}, metrics={"lpips": METRICS["lpips"]}, said=lambda f, a, i: kinds[i],
        move=lambda f, m, a, i: -0.1 if i == 0 else None if i == 6 else 0.0,
        failures=(Failure("general", "x", "lvlm", "no reply"), Failure("general", "y", "pure", "black")),
    )  # fmt: skip
    ways = decisions.flow(results, _data.rows(results)[0], ["lpips"])
    assert ways == {
        ("cases", "retry", "changed", "better"): 1,
        ("cases", "retry", "changed, no pixel", "same"): 1,
        ("cases", "accepted", "pure stands", "same"): 1,
        ("cases", "no effective hint", "pure stands", "same"): 1,
        ("cases", "low confidence", "pure stands", "same"): 1,
        ("cases", "no retry allowed", "pure stands", "same"): 1,
        ("cases", "invalid reply", "pure stands", "unknown"): 1,
        ("cases", "failed", "no picture", "unknown"): 2,
    }
    figure = decisions.figure(results)
    assert figure is not None
    bars = {bar.get_gid(): bar.get_height() for bar in figure.axes[0].patches}
    assert bars["cases:9"] == pytest.approx(9 * bars["better:1"])
    assert bars["cases:9"] == pytest.approx(sum(bars[f"{k}"] for k in ("better:1", "same:5", "unknown:3")))


def test_a_candidate_that_was_not_kept_is_said(tmp_path: Path) -> None:
    made = make(tmp_path, n=1, arms={"lvlm": "contender"}).what.subjects[0].trail
    assert made is not None
    pure, step = made.rounds
    stood = Round("lvlm", 1, pure.restoration, step.audit, step.decision, Verdict(False, "orders disagree", ""))
    trail = Trail(made.case, made.family, "0", (pure, stood))
    assert Course.of(trail, trail.arms["lvlm"]).ended == "not kept"


@given(st.lists(st.floats(0, 1.5), min_size=1, max_size=7))
def test_labels_are_pushed_apart(places: list[float]) -> None:
    middles = sorted(places)
    found = _style.apart(middles, 0.165, 1.5)
    assert all(b - a >= 0.165 - 1e-9 for a, b in itertools.pairwise(found))
    assert found[-1] <= 1.5
    if all(b - a >= 0.165 for a, b in itertools.pairwise(middles)):
        assert found == middles


# ---------------------------------------------------------------- text, axes


@given(st.text(max_size=80), st.floats(0.5, 4))
def test_any_text_fits_and_can_be_drawn(text: str, room: float) -> None:
    fitted = _text.fit(text, room)
    assert _text.width(fitted) <= room
    assert all(ord(c) in _text._glyphs() for c in fitted)
    assert "\n" not in fitted


@given(st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30), max_size=20))
def test_wrapped_lines_fit_and_lose_nothing_that_fits(parts: list[str]) -> None:
    lines = _text.wrap(" ".join(parts), 3.0)
    assert all(_text.width(line) <= 3.0 for line in lines)
    if all(_text.width(part) <= 3.0 for part in parts) and not any("%" in part for part in parts):
        assert " ".join(lines).split() == parts


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-6, 1e9), st.sampled_from(["higher", "lower"]))
def test_an_axis_of_differences_holds_them_and_zero(reach: float, better: str) -> None:
    axes = Figure().add_subplot()
    _style.delta_axis(axes, reach, 3, better=better)
    low, high = axes.get_ylim()
    assert (low < high) == (better == "higher")
    assert max(low, high) >= reach
    ticks = axes.get_yticks()
    assert ticks[1] == 0
    assert ticks[0] == -ticks[2]
    assert max(low, high) >= ticks[2] > 0.4 * max(low, high)


# -------------------------------------------------------------------- choosing


def test_a_choice_is_drawn_as_skill_and_averaging_which_add_up(tmp_path: Path) -> None:
    """A lvlm keeps the first two of four (error 105 of 105 in the mean), at an averaging of 12."""
    figure = choosing.figure(make(tmp_path, arms={"lvlm": "contender", "picks": "control"}, **PSNR))
    assert figure is not None
    curves, bars = panel(figure, "curves"), panel(figure, "bars")
    for order, heights in (("judged", (90.0, 85.0, 84.0, 83.0)), ("luck", (105.0, 94.0, 88.0, 83.0))):
        [line] = named(curves, order)
        assert list(line.get_ydata()) == pytest.approx([10 * np.log10(255**2 / one) for one in heights])
    [kept] = named(curves, "kept")
    assert list(kept.get_xdata()) == [2]
    skill, averaging = ([bar.get_width() for bar in named(bars, part)] for part in ("skill", "averaging"))
    assert skill == [0.0, 10.0]
    assert averaging == [12.0, 12.0]
    assert [list(sign.get_xdata()) for sign in named(bars, "together")] == [[12.0], [22.0]]


def test_candidates_that_are_not_the_same_are_not_drawn_beside_each_other(tmp_path: Path) -> None:
    made = make(tmp_path, arms={"lvlm": "contender", "picks": "control"}, **PSNR)
    choices = [replace(one, each=(*one.each[:3], 99.0)) if one.arm == "picks" else one for one in made.choices]
    figure = choosing.figure(replace(made, choices=choices))
    assert figure is not None
    assert len(named(panel(figure, "bars"), "skill")) == 1
