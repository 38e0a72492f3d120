"""What a run claims when nothing was done: the share of false sentences, by simulation over the real path.

`scripts/bench/claims.py` makes the numbers and prints the whole table; here is a small part of it, with a fixed seed.
"""

from __future__ import annotations

import importlib.util
import math
import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from fsrbench.measure import stats
from support import ROOT


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("claims", ROOT / "scripts" / "bench" / "claims.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    sys.modules["claims"] = found
    spec.loader.exec_module(found)
    return found


RUNS = 120


@pytest.mark.parametrize("way", ["cases", "persons"])
@pytest.mark.parametrize("kind", ["normal", "skewed", "heavy", "real"])
def test_a_run_without_any_effect_claims_one_in_a_twentieth_at_most(bench: ModuleType, kind: str, way: str) -> None:
    """At 10, 20 and 50 cases (or persons with one to seven pictures), 15 tests that depend on each other.

    With means, Wilcoxon's p and unadjusted intervals it was a quarter of the skewed and of the real ones.
    """
    shares = [bench.level(kind, n, RUNS, way) for n in bench.NUMBERS]
    slack = 4 * math.sqrt(stats.ALPHA * (1 - stats.ALPHA) / (RUNS * len(shares)))
    assert np.mean(shares) <= stats.ALPHA + slack


@pytest.mark.parametrize("kind", ["normal", "skewed", "heavy"])
def test_nor_does_a_contender_beat_a_control_that_is_as_good(bench: ModuleType, kind: str) -> None:
    shares = [bench.level(kind, n, RUNS, "rivals") for n in bench.NUMBERS]
    assert np.mean(shares) <= stats.ALPHA + 4 * math.sqrt(stats.ALPHA * (1 - stats.ALPHA) / (RUNS * len(shares)))


def test_the_real_differences_are_skewed_and_would_mislead_other_tests(bench: ModuleType) -> None:
    """The table is what the claim is tried on: were it harmless, it would prove nothing."""
    table: Any = bench.table()
    skew = ((table - table.mean(axis=0)) ** 3).mean(axis=0) / table.std(axis=0) ** 3
    assert table.shape == (72, bench.TESTS)
    assert np.median(np.abs(skew)) > 1
    assert bench.others("skewed", 50, 60)["wilcoxon"] > 0.2


def test_a_true_effect_is_claimed(bench: ModuleType) -> None:
    rng = np.random.default_rng(1)
    found = bench.summary(bench.skewed(rng, 50) + 2.0, bench.CONTENDERS)
    said = found.findings["general"]
    fell = len(bench.CONTENDERS)  # NIQE is better where it is lower
    assert (said.count("better in"), said.count("worse in")) == (bench.TESTS - fell, fell)
