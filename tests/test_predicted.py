"""What can be predicted of an oracle's gain: found where it is there, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from fsrbench.core import plugins
from fsrbench.experiments import reachable
from fsrbench.experiments.reachable import Reachable, Tried
from fsrbench.measure import predicted

PSNR, NIQE = plugins.load("metrics", "psnr"), plugins.load("metrics", "niqe")
PEOPLE = [f"person {number // 2}" for number in range(40)]


def planted(seed: int = 0, noise: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Pure, and two settings of which one helps where the first feature is high and the other where it is low."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(40, 4))
    helps = features[:, 0] + rng.normal(0, noise, 40)
    return np.stack([np.zeros(40), helps, -helps], axis=1), features


def gained(gains: np.ndarray, features: np.ndarray) -> float:
    return float(gains[np.arange(40), predicted.chosen(gains, features, PEOPLE)].mean())


def test_what_a_feature_tells_is_found() -> None:
    gains, features = planted()
    assert gained(gains, features) > 0.95 * gains.max(axis=1).mean()
    assert abs(gains.mean(axis=0)).max() < 0.3, "no constant gains much"


@pytest.mark.slow
def test_where_features_tell_nothing_nothing_seems_to_be_gained() -> None:
    """The oracle gains all the same: by luck, in hindsight."""
    found, luck = [], []
    for seed in range(6):
        gains, features = planted(seed)
        other = np.random.default_rng(100 + seed).normal(size=features.shape)
        found.append(gained(gains, other))
        luck.append(gains.max(axis=1).mean())
    assert np.mean(luck) > 0.7
    assert abs(np.mean(found)) < 0.15


def test_nobody_has_a_part_in_what_is_chosen_for_them() -> None:
    gains, features = planted()
    before = predicted.chosen(gains, features, PEOPLE)
    own = [place for place, person in enumerate(PEOPLE) if person == "person 3"]
    gains[own] = [0.0, -50.0, 50.0]
    assert (predicted.chosen(gains, features, PEOPLE)[own] == before[own]).all()


def test_it_takes_three_persons() -> None:
    with pytest.raises(ValueError, match="3 persons at least"):
        predicted.chosen(np.zeros((2, 1)), np.zeros((2, 1)), ["a", "b"])


def tried(better: int = 1) -> tuple[Tried, dict[str, dict[str, float]]]:
    """The planted table as an oracle's records; `better` is -1 where what falls is better."""
    gains, features = planted()
    cases = [f"face {number:02d}" for number in range(40)]
    deltas = {case: [better * gain for gain in row] for case, row in zip(cases, gains.tolist(), strict=True)}
    best = {case: better * max(row) for case, row in zip(cases, gains.tolist(), strict=True)}
    metric = PSNR if better > 0 else NIQE
    table = Tried(metric, ("{}", '{"a": 1}', '{"b": 1}'), deltas, best, dict(zip(cases, PEOPLE, strict=True)))
    seen = {case: {f"f{n}": value for n, value in enumerate(row)} for case, row in zip(cases, features, strict=True)}
    return table, seen


@pytest.mark.parametrize("better", [1, -1])
def test_the_predictable_is_the_larger_of_both(better: int) -> None:
    table, seen = tried(better)
    found = reachable.of(table, seen)
    constant, predictor = found["constant"], found["predictor"]
    assert constant is not None
    assert predictor is not None
    assert reachable.predictable(table.metric, found) is predictor
    assert predictor.told["share"] > 0.9
    assert predictor.told["persons"] == 20
    assert better * predictor.told["low"] > 0 or better * predictor.told["high"] > 0
    blind = {case: {"constant": 1.0} for case in seen}
    assert predictor.told["features"] == ["f0", "f1", "f2", "f3"]
    nothing = reachable.predictor(table, blind)
    assert nothing is not None
    assert better * nothing.told["delta"] < better * predictor.told["delta"]


def test_what_cannot_be_measured_of_some_case_has_no_say() -> None:
    table, seen = tried()
    del seen["face 07"]["f0"]
    found = reachable.predictor(table, seen)
    assert isinstance(found, Reachable)
    assert found.told["features"] == ["f1", "f2", "f3"]
    del seen["face 07"]
    found = reachable.predictor(table, seen)
    assert isinstance(found, Reachable)
    assert (found.told["n"], found.told["features"][0]) == (39, "f0")
