"""What was run, in words: a section of `summary.md`, a part of the report's first page, a line on every panel."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from fsrbench.core import order
from fsrbench.measure.provenance import AskedAuditor, File, Provenance
from fsrbench.measure.summary_values import Summary

SHORT = 12
"""Characters of a hash that are shown; `summary.json` and `study.yaml` have all."""


def lines(summary: Summary) -> Iterator[tuple[str, str]]:
    """What it is about, and what there is to say; nothing of plain folders, of which nothing is known."""
    run = summary.run
    if run is None:
        return
    yield "Run", " · ".join(_run(run))
    for arm in order.arms(run.arms, summary.roles):
        yield f"Arm {arm}", _asked(run.arms[arm])
    if run.prompts:
        yield "Prompts", ", ".join(f"{family} {_hash(digest)}" for family, digest in run.prompts.items())
    for family, restored in run.families.items():
        parts = [restored.backend, *restored.models, *map(_file, restored.files)]
        yield f"Family {family}", " · ".join(parts)
    if run.prompts:
        detector = _file(run.detector) if run.detector else "none, so faces are taken to be where FFHQ has them"
        recogniser = _file(run.recogniser) if run.recogniser else "none"
        yield "Evidence", f"face detector: {detector}; face recogniser: {recogniser}"
    yield "Packages", ", ".join(f"{name} {version}" for name, version in run.versions.items())


def short(summary: Summary, arms: Collection[str] | None = None) -> str:
    """One line: who audited or judged (under these arms, or all), and the run; empty of plain folders."""
    run = summary.run
    if run is None:
        return ""
    named = (arm for arm in order.arms(run.arms, summary.roles) if not arms or arm in arms)
    who = [line for arm in named for line in _looked(arm, run.arms[arm])]
    return " · ".join([*who, *_run(run)[:3]])


def _looked(arm: str, asked: AskedAuditor) -> Iterator[str]:
    """Who audited and who judged under an arm."""
    if asked.auditor:
        yield f"{arm}: {_who(asked)}"
    if asked.judge:
        yield f"{arm}: judge {_judge(asked)}"


def _run(run: Provenance) -> list[str]:
    begun = [f"begun {run.started} (UTC)"] if run.started else []
    told = [*begun, f"fsrbench {run.fsrbench}", f"seed {run.seed}"]
    return [
        *told,
        f"{run.device}, {run.precision}",
        f"scale {run.scale}",
        f"fingerprint {_hash(run.fingerprint)}",
    ]


def _asked(asked: AskedAuditor) -> str:
    """`way constant, judge metric (niqe)`, `auditor openai, …`; the paper's loop, being the usual way, is not named."""
    way = [] if asked.way == "audit" else [f"way {asked.way}"]
    judge = [f"judge {_judge(asked)}"] if asked.judge else []
    auditor = [f"auditor {_who(asked, full=True)}"] if asked.auditor else []
    return ", ".join([*way, *judge, *auditor] if judge or auditor else [*way, "nobody was asked"])


def _judge(asked: AskedAuditor) -> str:
    """`metric (niqe)`."""
    by = f" ({', '.join(asked.chosen_by)})" if asked.chosen_by else ""
    return f"{asked.judge}{by}"


def _who(asked: AskedAuditor, *, full: bool = False) -> str:
    """`openai, model tiny (it answers as tiny-7b) at 127.0.0.1:8000, policy paper`."""
    model = ", ".join(asked.models)
    named = f"model {model}" if full and model else model
    other = f" (it answers as {', '.join(asked.answered)})" if asked.answered else ""
    host = f" at {', '.join(asked.hosts)}" if asked.hosts else ""
    auditor = [str(asked.auditor)] if full or not model else []
    return ", ".join([*auditor, *([named + other + host] if model else []), f"policy {asked.policy}"])


def _file(file: File) -> str:
    return f"{file.name} ({file.source}, sha256 {_hash(file.sha256) or 'unknown'})"


def _hash(digest: str) -> str:
    return digest[:SHORT]
