"""How often a run without any effect claims one, how often a true one is found, and what the intervals cover.

python scripts/bench/claims.py [--runs 1000] [--only level|power|cover]

Made numbers take the way of real ones: summary, then sentences; a claim is a sentence that holds "better" or "worse".
What is simulated is the null that the sentence denies: a changed unit (a case, or a person's mean) becomes better as
often as worse. Sizes may be anything: normal, skewed (lognormal about its median), heavy-tailed (t with 3 degrees of
freedom), or rows of `tests/data/deltas.csv` (real differences of arms that guess, made by `deltas.py`), about the
median of each column. The 15 tests of a run depend on each other. Beside it: what the t-test and Wilcoxon's test,
adjusted in the same way, would have claimed of the same numbers.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import stats as reference

from fsrbench.core import plugins
from fsrbench.core.contracts import Metric
from fsrbench.core.values import PURE, Score
from fsrbench.core.ways import Role
from fsrbench.measure import signs, stats
from fsrbench.measure.results import Numbers
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.measure.summary import summarise
from fsrbench.measure.summary_values import Summary
from fsrbench.show import findings

Array = NDArray[np.float64]
Rng = np.random.Generator
TABLE = Path(__file__).resolve().parents[2] / "tests" / "data" / "deltas.csv"
METRICS = ("psnr", "ssim", "psnr_y", "ssim_y", "niqe")
CONTENDERS: Mapping[str, Role] = {"lvlm": "contender", "other": "contender", "third": "contender"}
RIVALS: Mapping[str, Role] = {"lvlm": "contender", "random": "control"}
TESTS = 15
SEEN = 20
NUMBERS = (10, 20, 50)
CLAIM = re.compile(r"\b(better|worse)\b")


# ------------------------------------------------------------------- numbers


def normal(rng: Rng, n: int) -> Array:
    return np.asarray(np.sqrt(0.5) * (rng.normal(size=(n, 1)) + rng.normal(size=(n, TESTS))))


def skewed(rng: Rng, n: int) -> Array:
    return np.asarray(np.exp(normal(rng, n)) - 1)


def heavy(rng: Rng, n: int) -> Array:
    return np.asarray(normal(rng, n) / np.sqrt(rng.chisquare(3, size=(n, 1)) / 3))


@cache
def table() -> Array:
    """The real differences, every column about the median of what changed in it."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        found = np.array([[float(value) for value in row[1:]] for row in list(csv.reader(file))[1:]])
    for column in found.T:
        column[column != 0] -= np.median(column[column != 0])
    return found * 1000  # numbers are kept to six digits: what is small must not become zero


def real(rng: Rng, n: int) -> Array:
    return table()[rng.integers(len(table()), size=n)]


KINDS: Mapping[str, Callable[[Rng, int], Array]] = {"normal": normal, "skewed": skewed, "heavy": heavy, "real": real}


def of_persons(rng: Rng, means: Array) -> tuple[Array, list[str]]:
    """Cases whose means, person by person, are these: one to seven pictures of each."""
    sizes = 1 + np.arange(len(means)) * 3 % 7
    cases = []
    for mean, size in zip(means, sizes, strict=True):
        noise = rng.normal(size=(size, means.shape[1])) * np.abs(mean).mean()
        cases.append(mean + noise - noise.mean(axis=0))
    return np.concatenate(cases), [f"person {i}" for i, size in enumerate(sizes) for _ in range(size)]


def summary(deltas: Array, roles: Mapping[str, Role], persons: Sequence[str] | None = None) -> Summary:
    """What a run with these differences (cases × arms and metrics) comes to, sentences included."""
    names = [f"c{number:03}" for number in range(len(deltas))]
    columns = [(arm, metric) for arm in roles for metric in METRICS]
    scores = [Score(case, "general", PURE, metric, 30.0) for case in names for metric in METRICS]
    scores += [
        Score(case, "general", arm, metric, 30.0 + float(delta))
        for case, row in zip(names, deltas, strict=True)
        for (arm, metric), delta in zip(columns, row[: len(columns)], strict=True)
    ]
    subjects = [Subject("general", case, None, None, {a: Path(a) for a in (PURE, *roles)}) for case in names]
    clusters = None if persons is None else dict(zip(names, persons, strict=True))
    found = summarise(Evaluation(subjects, loaded(), roles=dict(roles), clusters=clusters), Numbers(scores))
    return replace(found, findings=findings.tell(found))


@cache
def loaded() -> dict[str, Metric]:
    return {name: plugins.load("metrics", name) for name in METRICS}


def claims(found: Summary) -> bool:
    """Whether a sentence says that something went one way."""
    return any(CLAIM.search(text) for text in found.findings.values())


# -------------------------------------------------------------------- what holds


def level(kind: str, n: int, runs: int, way: str, seed: int = 0) -> float:
    """Share of runs without any effect in which something is claimed.

    Every run that claims something, and one in SEEN of those that do not, takes the whole way from scores to sentences;
    for the others the smallest p decides, below which no sentence may claim anything. What is counted are sentences.
    """
    rng, alarms = np.random.default_rng([seed, n, len(kind)]), 0
    for run in range(runs):
        drawn = KINDS[kind](rng, n)
        alarm = smallest(drawn, way) * TESTS < stats.ALPHA
        if alarm or run % SEEN == 0:
            cases, persons = of_persons(rng, drawn) if way == "persons" else (drawn, None)
            told = claims(summary(cases, RIVALS if way == "rivals" else CONTENDERS, persons))
            assert alarm or not told, (kind, n, way, run)
            alarms += told
    return alarms / runs


def smallest(drawn: Array, way: str) -> float:
    """The smallest p of the run's tests."""
    half = len(METRICS)
    if way == "rivals":
        drawn = np.hstack((drawn[:, : 2 * half], drawn[:, :half] - drawn[:, half : 2 * half]))
    return min(signs.p_value(int((column > 0).sum()), int((column != 0).sum())) for column in drawn.T)


def others(kind: str, n: int, runs: int) -> dict[str, float]:
    """The same for the tests that are not used, in the first TESTS columns."""
    rng, alarms = np.random.default_rng([1, n]), dict.fromkeys(("t", "wilcoxon"), 0)
    for _ in range(runs):
        drawn = KINDS[kind](rng, n)
        for name, p in chances(drawn).items():
            alarms[name] += float(p.min()) * TESTS < stats.ALPHA
    return {name: count / runs for name, count in alarms.items()}


def chances(drawn: Array) -> dict[str, Array]:
    """p of every column by the tests that are not used."""
    return {
        "t": np.asarray(reference.ttest_1samp(drawn, 0).pvalue),
        "wilcoxon": np.asarray(reference.wilcoxon(drawn, axis=0).pvalue),
    }


def power(kind: str, n: int, shift: float, runs: int) -> dict[str, float]:
    """How often one column of TESTS, moved by `shift` of its quartile distance, is found at the strictest level."""
    rng = np.random.default_rng([2, n])
    found = dict.fromkeys(("sign", "t", "wilcoxon"), 0.0)
    low, high = np.quantile(KINDS[kind](rng, 5000), (0.25, 0.75), axis=0)
    for _ in range(runs):
        drawn = KINDS[kind](rng, n) + shift * (high - low)
        p = chances(drawn)
        p["sign"] = np.array([stats.paired(column.tolist(), "higher").p for column in drawn.T])
        for name, own in p.items():
            found[name] += float((own * TESTS < stats.ALPHA).mean()) / runs
    return found


def cover(kind: str, n: int, runs: int) -> dict[str, float]:
    """How often intervals of the mean hold the true one."""
    rng, hits = np.random.default_rng([3, n]), dict.fromkeys(("t", "studentised", "bca"), 0)
    truth = float(KINDS[kind](rng, 400_000 if kind == "real" else 4_000_000)[:, 0].mean())
    for _ in range(runs):
        d = KINDS[kind](rng, n)[:, 0]
        ends = {"t": stats.mean_interval(d.tolist()), "studentised": studentised(rng, d)}
        made = reference.bootstrap((d,), np.mean, n_resamples=999, rng=rng).confidence_interval
        ends["bca"] = (made.low, made.high)
        for name, (low, high) in ends.items():
            hits[name] += low is not None and high is not None and low <= truth <= high
    return {name: count / runs for name, count in hits.items()}


def studentised(rng: Rng, d: Array) -> tuple[float, float]:
    drawn = d[rng.integers(d.size, size=(999, d.size))]
    errors = np.maximum(drawn.std(axis=1, ddof=1), 1e-12)
    low, high = np.quantile((drawn.mean(axis=1) - d.mean()) / errors, (0.025, 0.975)) * d.std(ddof=1)
    return float(d.mean() - high), float(d.mean() - low)


# ------------------------------------------------------------------------- table


def levels(runs: int) -> Iterator[str]:
    slack = 2 * np.sqrt(stats.ALPHA * (1 - stats.ALPHA) / runs)
    yield f"runs without any effect that claim one, of {runs} ({stats.ALPHA:.1%} is promised, ± {slack:.1%} by chance)"
    yield f"{'':8} {'n':>4} {'cases':>7} {'persons':>8} {'rivals':>7} | {'t':>7} {'wilcoxon':>9}"
    for kind in KINDS:
        for n in NUMBERS:
            own = {way: level(kind, n, runs, way) for way in ("cases", "persons")}
            # Of two columns of the real table nobody knows that either is better in half of the cases.
            rivals = "" if kind == "real" else f"{level(kind, n, runs, 'rivals'):.1%}"
            far = others(kind, n, runs)
            yield (
                f"{kind:8} {n:4} {own['cases']:7.1%} {own['persons']:8.1%} {rivals:>7} | "
                f"{far['t']:7.1%} {far['wilcoxon']:9.1%}"
            )


def powers(runs: int) -> Iterator[str]:
    yield f"found at the level of one of {TESTS} tests, moved by a share of the distance between quartiles"
    yield f"{'':8} {'n':>4} {'shift':>6} {'sign':>6} {'wilcoxon':>9} {'t':>6}"
    for kind in KINDS:
        for n in (20, 50):
            for shift in (0.0, 0.25, 0.5, 1.0):
                own = power(kind, n, shift, max(50, runs // 10))
                yield f"{kind:8} {n:4} {shift:6.2f} {own['sign']:6.1%} {own['wilcoxon']:9.1%} {own['t']:6.1%}"


def covers(runs: int) -> Iterator[str]:
    yield "95 % intervals that hold the true mean"
    yield f"{'':8} {'n':>4} {'t':>7} {'studentised':>12} {'bca':>7}"
    for kind in KINDS:
        for n in NUMBERS:
            own = cover(kind, n, runs)
            yield f"{kind:8} {n:4} {own['t']:7.1%} {own['studentised']:12.1%} {own['bca']:7.1%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000)
    tables = {"level": levels, "power": powers, "cover": covers}
    parser.add_argument("--only", choices=tables)
    options = parser.parse_args()
    for name, lines in tables.items():
        if options.only in (None, name):
            for line in lines(options.runs):
                print(line, flush=True)
            print()


if __name__ == "__main__":
    main()
