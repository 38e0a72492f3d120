"""Certified arms of a study: their certificates, held against the settings, and what they promise."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from fsrbench.asking import prompts
from fsrbench.case import certificate, pathfeatures
from fsrbench.case.certificate import Certificate
from fsrbench.case.certified import CertifiedArm
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError
from fsrbench.core.ways import Intervention
from fsrbench.study import record
from fsrbench.study.schema import Settings

Promised: TypeAlias = dict[str, Any]
"""What a certificate promises, as `study.yaml` holds it: alpha, delta, method, persons, metrics."""
IDLE = ("policy", "limits", "certificate", "uncertified", "variant_of", "keep_candidates", "base_url")
"""Settings of an arm that do not decide what it proposes, or are told otherwise."""


def place(settings: Settings, family: str, name: str) -> Path:
    """The file of an arm's certificate."""
    arm = settings.arms[name]
    return certificate.place(arm.certificate, settings.kind(family), arm.variant_of or name)


def of(settings: Settings, family: str, name: str) -> Certificate | None:
    """An arm's certificate, read; None where it has none."""
    arm = settings.arms[name]
    if arm.policy != "certified":
        return None
    return certificate.read(place(settings, family, name), settings.kind(family), arm.variant_of or name)


def proposing(settings: Settings, family: str, name: str) -> str:
    """The policy by which an arm comes to its picture: under a certificate the one that was certified."""
    found = of(settings, family, name)
    return settings.arms[name].policy if found is None else str(found.arm.get("policy", "paper"))


def deciding(settings: Settings, family: str, name: str, policy: str) -> dict[str, Any]:
    """Everything of an arm's settings that decides what it proposes in a family, as JSON has it."""
    arm = settings.arms[name]
    own = {key: value for key, value in record.answering(arm.model_dump(mode="json")).items() if key not in IDLE}
    basis = arm.declared().basis(arm.chosen(), settings.kind(family))
    if basis is not None:  # a file's name may change, what is in it may not
        own["with"] = {**arm.options, "from": basis.sha256}
    limits = arm.limits.model_dump(exclude_none=True) | settings.limits_of(name).model_dump()
    guards = {"guards": settings.guards.model_dump()} if policy == "guarded" else {}
    changes = settings.families[family].max_changes
    return {**own, "policy": policy, "limits": limits, "max_changes": changes, **guards}


def prompt(settings: Settings, family: str, name: str) -> str | None:
    """Hash of the prompt that an arm's auditor is asked with; None where nobody is asked."""
    if settings.arms[name].auditor is None:
        return None
    return prompts.read(settings.kind(family), settings.families[family].prompt).sha256


def check(settings: Settings, family: str) -> None:
    """Refuse certificates of other settings, before any work is done."""
    for name, arm in settings.arms.items():
        found = of(settings, family, name)
        if found is None:
            if arm.uncertified or arm.certificate != certificate.SHIPPED:
                raise SettingsError(
                    f"Arm {name} names a certificate, and under policy {arm.policy} none bounds it: add --policy "
                    "certified, or leave the certificate out."
                )
            continue
        file, again = place(settings, family, name), f"Certify the arm as it is: fsrbench certify --arm {name}."
        now = deciding(settings, family, name, proposing(settings, family, name))
        for key in sorted({*found.arm, *now}):
            if found.arm.get(key) != now.get(key):
                raise SettingsError(
                    f"Arm {name}: {file} was certified with {key} = {found.arm.get(key)!r:.80}, and here it is "
                    f"{now.get(key)!r:.80}, of which it promises nothing. Take the setting back, or: {again}"
                )
        if set(found.knobs) != set(settings.offered(family)):
            raise SettingsError(
                f"Arm {name}: {file} was certified with the knobs {', '.join(found.knobs) or 'none'}, and the family "
                f"{family} offers {', '.join(settings.offered(family)) or 'none'}. Offer those "
                f"(families.{family}.knobs), or: {again}"
            )
        if found.prompt != prompt(settings, family, name):
            raise SettingsError(
                f"Arm {name}: {file} was certified with another prompt than the family {family} has here. Take that "
                f"prompt (families.{family}.prompt), or: {again}"
            )


def bounded(
    arm: Intervention, settings: Settings, family: str, name: str, machine: Machine, made: Mapping[str, str]
) -> Intervention:
    """An opened arm, followed as far as its certificate reaches; itself where it has none."""
    found = of(settings, family, name)
    if found is None:
        return arm
    features = pathfeatures.open_features(machine, found.prediction.weights)
    return CertifiedArm(arm, found, features, made, settings.arms[name].uncertified)


def promises(settings: Settings, family: str) -> dict[str, Promised]:
    """What is promised of certified arms, for the record."""
    found = {name: of(settings, family, name) for name in settings.arms}
    return {name: _promise(one) for name, one in found.items() if one is not None}


def _promise(found: Certificate) -> Promised:
    return {
        "alpha": found.alpha,
        "delta": found.delta,
        "method": found.method,
        "persons": found.persons,
        "metrics": dict(found.metrics),
    }
