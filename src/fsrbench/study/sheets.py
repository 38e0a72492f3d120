"""The tables that are told from trails: `run_config.csv` with a row for each round, `candidates.csv` with one for each
picture that an arm could have ended with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fsrbench import __version__
from fsrbench.core.operations import Blend, Operation, Restore, Treat
from fsrbench.core.values import Round, Trail
from fsrbench.files import csvfile, migrations
from fsrbench.study.store import RunFolder

LEFT = ("family", "case", "arm", "round", "backend", "model", "precision", "seed")
"""First columns of `run_config.csv`; the knobs' follow."""
RIGHT = (
    "score", "confidence", "tags", "asked", "applied", "clamped", "dropped", "decision", "rule", "why", "audit",
    "repairs", "reason", "verdict", "verdict_rule", "lr_sha256", "sr_sha256", "picture", "notes", "seconds",
    "audit_seconds", "requests", "prompt_tokens", "completion_tokens", "cost", "passes", "bound",
)  # fmt: skip
"""Its last columns."""
CANDIDATES = (
    "family", "case", "arm", "round", "candidate", "parent", "origin", "operations", "judge", "score", "parts", "rank",
    "chosen", "sha256", "seconds", "passes", "note",
)  # fmt: skip
"""Columns of `candidates.csv`."""


def write(folder: RunFolder) -> None:
    """Rewrite both tables if any trail is new."""
    found = hashlib.sha256(repr([migrations.TRAIL.number, RIGHT, CANDIDATES, __version__]).encode())
    for file in folder.stored():
        found.update(repr(folder.journal.sha256(file)).encode())
    made_of = found.hexdigest()
    path = folder.run_config_file
    if not folder.journal.fresh(path.name, made_of):
        knobs = sorted({name for trail in folder.trails() for name in trail.pure.knobs})
        csvfile.write(
            path, [*LEFT, *knobs, *RIGHT], (_round(t, step, knobs) for t in folder.trails() for step in t.rounds)
        )
        folder.journal.made(path.name, made_of, [path])
    path = folder.candidates_file
    if not folder.journal.fresh(path.name, made_of):
        csvfile.write(path, CANDIDATES, (row for trail in folder.trails() for row in candidates(trail)))
        folder.journal.made(path.name, made_of, [path])
    folder.journal.save()


def _round(trail: Trail, step: Round, knobs: Sequence[str]) -> list[object]:
    done, audit, decision = step.restoration, step.audit, step.decision
    left = [trail.family, trail.case, step.arm, step.number, done.backend, done.model, done.precision, done.seed]
    turned = [done.knobs.get(name, "") for name in knobs]
    said: list[object] = [""] * 13
    if audit is not None and decision is not None:
        said = [
            audit.score, audit.confidence, ";".join(audit.tags), _pairs(audit.hints), _pairs(decision.applied),
            _pairs(decision.clamped), _pairs(decision.dropped), decision.action, decision.rule,
            decision.why, audit.status, ";".join(audit.repairs), audit.reason,
        ]  # fmt: skip
    said += ["", ""] if step.verdict is None else [step.verdict.why, step.verdict.rule]
    made = [trail.lr_sha256, done.sha256, done.path, "; ".join(done.notes), f"{done.seconds:.3f}"]
    usage = audit.usage if audit else None
    spent: list[object] = [""] * 5
    if usage is not None:
        spent = [f"{usage.seconds:.3f}", usage.requests, usage.prompt_tokens, usage.completion_tokens, usage.cost]
    return [*left, *turned, *said, *made, *spent, step.passes, step.bound]


def candidates(trail: Trail) -> Iterator[list[object]]:
    """The rows of one case, in the order of its arms and rounds."""
    for step in trail.rounds:
        ranking = step.ranking
        ranks = {} if ranking is None else {place: rank for rank, place in enumerate(ranking.order, start=1)}
        for number, one in enumerate(step.candidates):
            judged: list[object] = ["", "", "", ""]
            if ranking is not None:
                parts = ranking.parts[number] if ranking.parts else {}
                judged = [ranking.judge, ranking.scores[number], _pairs(parts), ranks[number]]
            yield [
                trail.family, trail.case, step.arm, step.number, number, one.parent, one.origin, told(one.operations),
                *judged, one.chosen, one.sha256, f"{one.seconds:.3f}", one.passes, one.note,
            ]  # fmt: skip


def told(operations: Sequence[Operation]) -> str:
    """How a picture was made, for people; the trail has all of it."""
    return "; ".join(f"{place}: {_step(step)}" for place, step in enumerate(operations))


def _step(step: Operation) -> str:
    if isinstance(step, Restore):
        network = f"{step.backend} {step.checkpoint}" if step.checkpoint else step.backend
        turned = "".join(f" {name}={value:g}" for name, value in step.knobs.items())
        seen = "" if step.view is None else f" shown {step.view.told}"
        return f"restore {network}{turned} seed={step.seed}{seen}{_of(step.of)}"
    if isinstance(step, Treat):
        turned = "".join(f" {name}={value}" for name, value in step.settings.items())
        return f"{step.tool}{turned}{_of(step.of)}"
    if isinstance(step, Blend):
        return f"blend {step.first} with {step.share:g} of {step.second}"
    return f"mean of {', '.join(map(str, step.of))}"


def _pairs(values: Mapping[str, Any]) -> str:
    return "; ".join(f"{name}={value}" for name, value in values.items())


def _of(place: int | None) -> str:
    return "" if place is None else f" of {place}"
