"""Who is judged: judges by name or with settings of their own, opened, each with what decides its answers."""

from __future__ import annotations

import hashlib
import json
import logging
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fsrbench import __version__
from fsrbench.case import evidence
from fsrbench.core import auditing, order, plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import AuditorUnreachable, FsrbenchError, SettingsError
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.near import among
from fsrbench.core.values import Ranking
from fsrbench.files import downloads, jsonfile, yamlfile
from fsrbench.measure.judged_values import JudgeFacts
from fsrbench.measure.standings import Standing
from fsrbench.study import hearing, schema

log = logging.getLogger("fsrbench")
AUDITOR = "auditor"
"""The judge that an auditor is taken for, where no judge is called so."""


@dataclass(frozen=True, slots=True)
class OpenJudge:
    """A judge, ready to be asked."""

    facts: JudgeFacts
    """Who it is."""
    judge: Callable[[Contest], Ranking]
    """Asks it; what it answers was looked at."""
    identity: str
    """What decides its answers beside what it is asked: those of another one are not taken over."""
    privileged: bool
    """May it see the reference?"""
    preflight: Callable[[Path | None], None] | None
    """One small question before any work, where it asks somebody over a network."""
    patient: Callable[[bool], None] = lambda _yes: None
    """May a case wait until others have ended and money is free? Not while a command is being ended."""


def read(named: Sequence[str], reached: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Name in tables → the judge's settings, its plugin as `name` among them.

    Each is `NAME`, of a judge or of an auditor that compares, or `LABEL={name: NAME, …}`. `reached` says how those are
    reached that ask over a network, where they do not say it themselves.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in named:
        label, given, value = text.partition("=")
        own = _mapping(text, value) if given else _plain(label)
        if not re.fullmatch(schema.NAME, label) or label in found:
            raise SettingsError(
                f"--judge {text!r:.80}: give every judge a name of its own, of letters, digits, dots and dashes, as in "
                "--judge 'fine={name: metric}'."
            )
        if plugins.load("judges", own["name"]).remote:
            own = {**{key: one for key, one in reached.items() if one is not None}, **own}
        found[label] = own
    return found


def usual() -> list[str]:
    """The judges that are asked where none is named: all that ask nobody over a network, and the usual auditor."""
    own = [name for name in plugins.names("judges") if name != AUDITOR and not plugins.load("judges", name).remote]
    return ["heuristic", *own]


def _plain(name: str) -> dict[str, Any]:
    if name not in plugins.names("judges") and name in plugins.names("auditors"):
        return {"name": AUDITOR, "auditor": name}
    return {"name": name}


def _mapping(text: str, value: str) -> dict[str, Any]:
    try:
        found = None if yamlfile.unfit(value) else yamlfile.load(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        found = None
    if isinstance(found, str):
        return _plain(found)
    if not isinstance(found, dict) or not isinstance(found.get("name"), str):
        raise SettingsError(
            f"--judge {text!r:.80}: after = stands a judge's name or its settings, e.g. "
            "--judge 'fine={name: metric, metric: niqe}'."
        )
    return {str(key): one for key, one in found.items()}


def opened(
    chosen: Mapping[str, Mapping[str, Any]], machine: Machine, *, skip: bool, notes: list[str]
) -> dict[str, OpenJudge]:
    """Every judge by its name in tables, in the order of rows. With `skip`, one that cannot work here is only noted."""
    looks = any(plugins.load("judges", own["name"]).looks for own in chosen.values())
    look = evidence.open_tools(machine) if looks else None
    found: dict[str, OpenJudge] = {}
    for label, own in chosen.items():
        try:
            found[label] = _opened(own, machine, look)
        except FsrbenchError as error:
            if not skip:
                raise type(error)(f"Judge {label}: {error}") from None
            notes.append(f"The judge {label} is left out: {error}")
    roles: dict[str, Standing] = {label: one.facts.role for label, one in found.items()}
    return {label: found[label] for label in order.arms(found, roles)}


def _opened(own: Mapping[str, Any], machine: Machine, look: evidence.Tools | None) -> OpenJudge:
    name = own["name"]
    declared: Judge = plugins.load("judges", name)
    given = {key: value for key, value in own.items() if key != "name"}
    known = {} if declared.settings is None else declared.settings.model_fields
    if declared.settings is None or declared.settings.model_config.get("extra") != "allow":
        for key in given.keys() - known.keys():
            raise SettingsError(f"it has no setting {key!r}.{among(key, known)}")
    try:
        settings = None if declared.settings is None else declared.settings.model_validate(given)
    except ValueError as error:
        raise SettingsError(f"{jsonfile.why(error)}.") from None
    judge = declared.open(settings, machine)
    told = {} if settings is None else settings.model_dump(mode="json")
    role: Standing = "headroom" if declared.privileged else "control" if declared.control else "contender"
    facts = JudgeFacts(name, told, role, tuple(declared.measures(settings)))
    return OpenJudge(
        facts,
        hearing.heard(name, declared, judge, look),
        _identity(name, declared, told, machine, look),
        declared.privileged,
        judge.preflight if isinstance(judge, auditing.Remote) else None,
        getattr(judge, "patient", lambda _yes: None),
    )


def _identity(
    name: str, declared: Judge, told: Mapping[str, Any], machine: Machine, look: evidence.Tools | None
) -> str:
    """Its code, its settings but for those that say how it is reached, what is in files that they name, where it runs,
    and what it looks through."""
    handling = plugins.load("auditors", "openai").handling if declared.remote else ()
    settings = {key: _content(value) for key, value in told.items() if key not in handling}
    where = [machine.device.partition(":")[0], machine.precision]
    code = downloads.sha256(Path(sys.modules[f"fsrbench.judges.{name}"].__file__ or ""))
    seen = look.available if look is not None and declared.looks else {}
    whole = [__version__, code, settings, where, seen]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _content(value: Any) -> Any:
    """A file's content in place of its name."""
    return downloads.sha256(Path(value)) if isinstance(value, str) and Path(value).is_file() else value


def try_out(judges: Mapping[str, OpenJudge], kept: Path) -> None:
    """Ask those who are asked over a network one small question each; SettingsError where the user must mend it."""
    for label, one in judges.items():
        try:
            if one.preflight is not None:
                one.preflight(kept / label)
        except AuditorUnreachable as error:
            if error.cure:
                raise SettingsError(f"Judge {label}: {error}. {error.cure} Nobody was asked.") from None
            log.warning(f"Judge {label}: {error}. That may pass, so the others are asked.")
