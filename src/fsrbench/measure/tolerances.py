"""How far a number may move before it counts as worse or better: read from the command line, and applied."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from fsrbench.core.errors import SettingsError
from fsrbench.measure.baseline import Figure

EVERY = ""
"""Key of the tolerance of every metric that has none of its own."""
_SIZE = re.compile(r"(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)(?P<percent>%?)")
_EXAMPLES = "psnr=0.05, psnr=1% or psnr=interval"


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a metric's numbers may move."""

    kind: Literal["shown", "absolute", "relative", "interval"]
    """shown: one unit of the last digit that is shown. interval: inside the baseline's 95 % interval."""
    size: float = 0.0
    """absolute: in the metric's unit. relative: a share of the baseline's pure mean, for deltas too."""


def parse(given: Iterable[str]) -> dict[str, Tolerance]:
    """Metric → tolerance, from METRIC=SIZE. Without METRIC= it is that of all others, and has no unit."""
    found: dict[str, Tolerance] = {}
    for text in given:
        metric, equals, size = text.rpartition("=")
        if metric in found:
            raise SettingsError(f"--tolerance {text} stands beside another one for the same metric: give one of them.")
        number = _SIZE.fullmatch(size)
        value = float(number["number"]) if number else math.inf
        if size == "interval":
            tolerance = Tolerance("interval")
        elif number and number["percent"]:
            tolerance = Tolerance("relative", value / 100)
        else:
            tolerance = Tolerance("absolute", value)
        if bool(equals) != bool(metric) or not math.isfinite(tolerance.size):
            raise SettingsError(f"--tolerance {text!r} cannot be read: write it like {_EXAMPLES}.")
        if not metric and tolerance.kind == "absolute":
            raise SettingsError(f"--tolerance {text} needs a metric, whose unit it has: write it like {_EXAMPLES}.")
        found[metric or EVERY] = tolerance
    return found


def band(figure: Figure, tolerance: Tolerance, digits: int, scale: float) -> tuple[float, float]:
    """What is within tolerance of a number; it always is itself. An interval is as wide as what rounding hides."""
    value = figure.value or 0.0
    shown = 10.0**-digits
    if tolerance.kind == "interval" and figure.low is not None and figure.high is not None:
        return _rounded(min(figure.low, value) - shown), _rounded(max(figure.high, value) + shown)
    slack = {"shown": shown, "relative": tolerance.size * abs(scale)}.get(tolerance.kind, tolerance.size)
    return _rounded(value - slack), _rounded(value + slack)


def judge(now: float, low: float, high: float, better: str) -> Literal["worse", "better", "within"]:
    """Where a number lies."""
    if low <= now <= high:
        return "within"
    return "better" if (now > high) == (better == "higher") else "worse"


def _rounded(value: float) -> float:
    """Stored numbers have six digits; what is behind the ninth comes from binary arithmetic."""
    return round(value, 9)
