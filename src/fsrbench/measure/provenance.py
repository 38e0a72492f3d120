"""What was run, by whom and with what: everything that must stand beside a number for it to be believed.

Told from `study.yaml` and from a sample of the exchanges: which server was asked and which model answered is known
from the answers only. How it is worded is `imprint.py`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias
from urllib.parse import urlsplit

from fsrbench.core import order, plugins
from fsrbench.models import published, weights
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder

SAMPLE = 64
"""Exchanges of an arm that are looked at, spread evenly over all of them."""
Source: TypeAlias = Literal["embedded", "official", "own file"]


@dataclass(frozen=True, slots=True)
class File:
    """One file of weights."""

    name: str
    """Its name."""
    source: Source
    """Whose it is: shipped, published, or the user's."""
    sha256: str
    """Hash of its bytes; empty where the file is gone."""


@dataclass(frozen=True, slots=True)
class AskedAuditor:
    """One arm: how it intervened, who was asked, and how far they were followed."""

    auditor: str | None
    """The auditor's plugin; None where nobody is asked."""
    policy: str | None
    """paper or guarded; None where nobody is asked."""
    models: tuple[str, ...]
    """Models that were asked for; empty for an auditor without one."""
    hosts: tuple[str, ...]
    """Servers that were asked."""
    answered: tuple[str, ...]
    """Models as the servers named them, where those are not the ones that were asked for."""
    way: str = "audit"
    """The way's plugin."""
    judge: str | None = None
    """The judge's plugin; None where none is asked."""
    chosen_by: tuple[str, ...] = ()
    """Metrics that chose its pictures."""


@dataclass(frozen=True, slots=True)
class FamilyModel:
    """One family: what made its pictures."""

    backend: str
    """The backend's plugin."""
    models: tuple[str, ...]
    """Its networks, in words."""
    files: tuple[File, ...]
    """Their files."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What was run."""

    started: str
    """Day on which the run was begun, in UTC; empty for a run of a version that did not record it."""
    fsrbench: str
    """Version that last worked on it."""
    fingerprint: str
    """Hash of everything that decides its results."""
    seed: int
    """Seed of everything random."""
    scale: int
    """Target size over LR size."""
    device: str
    """cpu, cuda, …"""
    precision: str
    """Arithmetic of the networks."""
    arms: dict[str, AskedAuditor]
    """Who audited."""
    prompts: dict[str, str]
    """Family (or `compare`) → sha256 of the prompt's text."""
    families: dict[str, FamilyModel]
    """What restored."""
    detector: File | None
    """What found faces for the auditors' evidence; None where nothing did."""
    recogniser: File | None
    """What compared identities there; None where nothing did."""
    versions: dict[str, str]
    """Package → version, of those that were installed."""


def of_run(
    folder: RunFolder, study: Mapping[str, Any], settings: Settings, models: Mapping[str, list[str]]
) -> Provenance:
    """Of a run's folder; `models` are the networks of each family, in words."""
    tools: dict[str, bool] = study["evidence"]
    detector, recogniser = plugins.load("metrics", "arcface").weights
    return Provenance(
        started=str(study.get("started") or "")[:10],
        fsrbench=str(study.get("fsrbench", ""))[:40],
        fingerprint=str(study.get("fingerprint", ""))[:64],
        seed=settings.seed,
        scale=settings.scale,
        device=str(study["machine"].get("device", ""))[:40],
        precision=str(study["machine"].get("precision", ""))[:40],
        arms={name: _asked(folder, settings, name) for name in settings.arms},
        prompts={str(family): str(digest) for family, digest in study["prompts"].items()},
        families={
            family: _restored(settings, family, models.get(family, []), study["weights"].get(family, {}))
            for family in order.families(settings.families)
        },
        detector=_instrument(settings.faces.detector, detector, bool(tools.get("detector"))),
        recogniser=_instrument(settings.faces.recogniser, recogniser, bool(tools.get("identity"))),
        versions={str(name): str(version) for name, version in study["versions"].items() if version},
    )


def _asked(folder: RunFolder, settings: Settings, name: str) -> AskedAuditor:
    arm = settings.arms[name]
    judge = None if arm.judge is None else str(arm.judge["name"])
    chosen_by = arm.chosen_by()
    if arm.auditor is None:
        return AskedAuditor(None, None, (), (), (), arm.way, judge, chosen_by)
    kept = [exchange for exchange in folder.exchanges(name, most=SAMPLE) if isinstance(exchange, dict)]
    models = _names(exchange.get("model") for exchange in kept)
    own = arm.settings.get("model") if arm.takes("model") else None
    hosts = tuple(dict.fromkeys(urlsplit(one).netloc or one for one in _names(e.get("server") for e in kept)))
    answered = [one for one in _names(_repliers(kept)) if one not in models]
    return AskedAuditor(
        arm.auditor, arm.policy, models or _names([own]), hosts, tuple(answered), arm.way, judge, chosen_by
    )


def _repliers(exchanges: Iterable[Mapping[str, Any]]) -> Iterator[object]:
    """What the servers called themselves, reply by reply."""
    for exchange in exchanges:
        replies = exchange.get("replies")
        for one in replies if isinstance(replies, list) else ():
            yield one.get("model") if isinstance(one, dict) else None


def _names(found: Iterable[object]) -> tuple[str, ...]:
    """Each text once, in short."""
    return tuple(dict.fromkeys(one[:200] for one in found if isinstance(one, str) and one))


def _restored(settings: Settings, family: str, models: list[str], files: Mapping[str, str]) -> FamilyModel:
    chosen = settings.families[family]
    usual = settings.models == "embedded"
    found = []
    for name, digest in sorted(files.items()):
        _file, beside, network = name.partition(" (")  # of a network beside the family's own: FILE (BACKEND MODEL)
        own = " " in network if beside else chosen.model is not None
        found.append(File(name, _source(name, digest, embedded=usual and not own), digest))
    return FamilyModel(chosen.backend, tuple(models), tuple(found))


def _source(name: str, digest: str, *, embedded: bool) -> Source:
    known = published.TABLE.get(name.partition(" (")[0])
    if known is not None and known.sha256 == digest:
        return "official"
    return "embedded" if embedded else "own file"


def _instrument(own: Path | None, official: str, used: bool) -> File | None:
    """The file that the settings name, or the published one; None where neither was used."""
    if own is not None:
        digest = weights.sha256(own) if own.is_file() else ""
        return File(own.name, _source(own.name, digest, embedded=False), digest)
    return File(official, "official", published.TABLE[official].sha256) if used else None
