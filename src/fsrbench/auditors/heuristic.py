"""An auditor made of plain signal processing: the embedded default, and the control that an LVLM has to beat.

It reads the measured artifacts of the evidence. Each becomes the chance that the artifact is there, by a
logistic curve around a threshold; tags, score, confidence and hints follow from these chances. It sees no
faces and no likeness, so its score speaks of artifacts only. The same evidence gets the same answer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fsrbench.auditors import _settings
from fsrbench.core.auditing import Auditor
from fsrbench.core.contracts import Knob
from fsrbench.core.questions import Answer, Comparison, Evidence, Preference, Question
from fsrbench.core.values import TAGS, Audit, Usage
from fsrbench.imaging import artifacts

if TYPE_CHECKING:
    from fsrbench.core.contracts import Machine


@dataclass(frozen=True, slots=True)
class Curve:
    """How a measured value is read."""

    threshold: float
    """Value at which the artifact is as likely as not."""
    width: float
    """Scale of the logistic curve: three widths off, it is 95 % sure."""
    strong: float
    """Excess over the threshold from which it cannot be worse."""
    remedies: tuple[str, ...]
    """Knobs against it, best first; a leading minus turns the knob down. The first that is offered is used."""


CURVES = {
    "blockiness": Curve(0.2, 0.03, 1.5, ("detail_damping",)),
    "ringing": Curve(1.6, 0.2, 3.0, ("detail_damping",)),
    "oversharpening": Curve(1.25, 0.15, 1.0, ("detail_damping", "-scale", "-restore_weight")),
    "color_shift": Curve(1.6, 0.12, 8.0, ("color_balance", "-restore_weight")),
}
"""Set on clean and spoilt training faces, photographs and restorations; checked on others.

A remedy stands here only if it lessens its artifact and brings the picture nearer to the clean one, on faces into which
that artifact was planted (`scripts/bench/artifacts.py --remedies`). What is gone: blending the enlarged input back in
brings its blocks back and leaves ringing; a halved picture rings as much; `dehalo` presses a face into the noise of
its input; `deblock` acts before the network, and the picture did not come nearer.
"""
CLEAN_SCORE = 95.0
"""Best score: what is not measured may be wrong too."""
ALIKE = 1.0
"""Points of score between two pictures that are not told apart."""
POOR = 6.0
"""Shortfall of consistency, in dB, from which the score falls: what references hardly ever reach."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What the measures of one restoration come to."""

    measured: dict[str, float | None]
    """Tag → measured value; None where it could not be measured."""
    chances: dict[str, float]
    """Tag → chance that the artifact is there."""
    severity: dict[str, float]
    """Tag → that chance, weighted by how bad it is."""
    shortfall: float | None
    """Agreement with the input below what its blur and noise explain, in dB."""

    @property
    def unlike(self) -> float:
        """By how many dB it shows something else than the input."""
        return max(0.0, (self.shortfall or 0.0) - POOR)

    @property
    def score(self) -> float:
        """0–95: lower for what is likely and bad, and for what does not agree with the input."""
        score = CLEAN_SCORE * math.prod(1 - 0.6 * value for value in self.severity.values())
        return round(score * max(0.5, 1 - 0.05 * self.unlike), 1)


class Heuristic:
    """The opened auditor. It keeps nothing between calls."""

    takes_back = True
    """Its hints are guesses: it looks again, and what did not better its own score does not stand."""

    def __call__(self, question: Question) -> Answer:
        """Judge one restoration."""
        return audit(question)

    def compare(self, comparison: Comparison) -> Preference:
        """Prefer the better score, if it is better by more than rounding."""
        first, second = (_read(evidence).score for evidence in (comparison.first, comparison.second))
        chosen: Literal["first", "second", "neither"] = "neither"
        if abs(first - second) >= ALIKE:
            chosen = "first" if first > second else "second"
        return Preference(chosen, Usage(), {"auditor": "heuristic", "first": first, "second": second, "chosen": chosen})


def _open(settings: Mapping[str, Any], _machine: Machine) -> Heuristic:
    _settings.check(settings, {})
    return Heuristic()


def audit(question: Question) -> Answer:
    """Judge one restoration."""
    reading = _read(question.evidence)
    chances = reading.chances
    clean = math.prod(1 - chance for chance in chances.values())
    tags = tuple(tag for tag, chance in chances.items() if chance >= 0.5)
    # As sure as it is that something, or nothing, is there at all; a tag that was not measurable halves it.
    confidence = 100 * max(clean, 1 - clean) * 0.5 ** (len(TAGS) - len(chances))
    said = Audit(
        status="ok",
        score=reading.score,
        confidence=round(confidence, 1),
        tags=tags,
        hints=_hints(question, tags, reading.severity),
        reason=_reason(reading, tags),
    )
    record = {tag: None if value is None else round(value, 4) for tag, value in reading.measured.items()}
    rounded = {tag: round(chance, 4) for tag, chance in chances.items()}
    exchange = {"auditor": "heuristic", "measured": record, "chances": rounded, "shortfall": reading.shortfall}
    return Answer(said, exchange)


def _read(evidence: Evidence) -> Reading:
    measured = {tag: _measure(tag, evidence) for tag in TAGS}
    chances = {tag: _chance(tag, value) for tag, value in measured.items() if value is not None}
    severity = {tag: chance * _weight(tag, measured[tag]) for tag, chance in chances.items()}
    return Reading(measured, chances, severity, evidence.qa.get("consistency_shortfall"))


def _measure(tag: str, evidence: Evidence) -> float | None:
    """From the QA summary; measured here where the summary lacks it. None where the picture is too small."""
    if tag in evidence.qa:
        return evidence.qa[tag]
    value = artifacts.MEASURES[tag](artifacts.Look(evidence.sr, evidence.lr))
    return value if math.isfinite(value) else None


def _chance(tag: str, value: float) -> float:
    distance = (value - CURVES[tag].threshold) / CURVES[tag].width
    return 1 / (1 + math.exp(-min(max(distance, -30), 30)))


def _weight(tag: str, value: float | None) -> float:
    """How bad it is if it is there: 0.4 at the threshold, 1 where it is strong."""
    excess = ((value or 0.0) - CURVES[tag].threshold) / CURVES[tag].strong
    return 0.4 + 0.6 * min(max(excess, 0), 1)


def _hints(question: Question, tags: tuple[str, ...], severity: Mapping[str, float]) -> dict[str, Any]:
    """One remedy for each tag, worst first: the worse it is, the further the knob goes from where it stands."""
    offered = question.offered
    hints: dict[str, Any] = {}
    for tag in sorted(tags, key=lambda tag: -severity[tag]):
        for remedy in CURVES[tag].remedies:
            name = remedy.removeprefix("-")
            if name not in offered or name in hints:
                continue
            aim = _aim(offered[name], question.knobs.get(name), remedy.startswith("-"), severity[tag])
            if aim is not None:
                hints[name] = aim
                break
    return hints


def _aim(knob: Knob, current: Any, down: bool, share: float) -> float | int | None:
    """A new value; None where the knob is at its end already, or stands somewhere unknown."""
    if current is None or isinstance(current, bool):
        return None
    if knob.choices:
        end = min(knob.choices) if down else max(knob.choices)
        return end if end != current and share >= 0.5 else None
    low, high = knob.band
    end = low if down else high
    aim = round(current + share * (end - current), 2)
    return aim if aim != current else None


def _reason(reading: Reading, tags: tuple[str, ...]) -> str:
    def said(tag: str) -> str:
        value = reading.measured[tag]
        return f"{tag} not measurable" if value is None else f"{tag} {value:.2f} (from {CURVES[tag].threshold:g})"

    found = f"Found {', '.join(tags)}" if tags else "No artifact found"
    poor = f"; {reading.shortfall:.1f} dB less like the input than blur and noise explain" if reading.unlike else ""
    return f"{found}: {', '.join(said(tag) for tag in TAGS)}{poor}."


AUDITOR = Auditor(
    "Signal processing: blockiness, ringing, oversharpening and colour shift; needs no model.",
    _open,
    control=True,
    compares=True,
)
