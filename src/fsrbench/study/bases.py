"""What arms were fitted on, held against the run that they stand in: other networks, other inputs, known faces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from fsrbench.case import certificate, degradations
from fsrbench.core.errors import SettingsError
from fsrbench.core.ways import Basis
from fsrbench.study import certificates
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder

TOLD = {"tune": "tuned", "certify": "certified"}
"""What a command has done to an arm."""
AGAIN = {"tune": "Tune it", "certify": "Certify it"}
"""The cure."""


def of(settings: Settings, family: str) -> dict[str, tuple[Basis, ...]]:
    """Arm → what its settings and its certificate were fitted on, for arms of which something was."""
    found: dict[str, list[Basis]] = {}
    for name, arm in settings.arms.items():
        if (own := arm.declared().basis(arm.chosen(), settings.kind(family))) is not None:
            found.setdefault(name, []).append(own)
        if (certified := certificates.of(settings, family, name)) is not None:
            path = certificates.place(settings, family, name)
            found.setdefault(name, []).append(certificate.basis(path, certified))
    return {name: tuple(rests) for name, rests in found.items()}


def check(
    bases: Mapping[str, Iterable[Basis]], settings: Settings, weights: Mapping[str, str], folder: RunFolder
) -> list[str]:
    """Refuse arms that were fitted on other networks or other inputs; say what is not known, and who is known to them.

    `weights` are the family's own. A name may change, what is in a file may not.
    """
    rows = _inputs(folder) if bases else None
    told = []
    for arm, basis in ((arm, basis) for arm, rests in bases.items() for basis in rests):
        done, again = TOLD[basis.by], AGAIN[basis.by]
        if sorted(basis.weights.values()) != sorted(weights.values()):
            raise SettingsError(
                f"Arm {arm}: {basis.file} was {done} on other networks ({', '.join(basis.weights) or 'no weights'}) "
                f"than these ({', '.join(weights) or 'no weights'}), of which it says nothing. Take those networks "
                f"(models, families.NAME.model and second), or {again[0].lower()}{again[1:]} on these: fsrbench "
                f"{basis.by}."
            )
        if basis.scale != settings.scale:
            raise SettingsError(
                f"Arm {arm}: {basis.file} was {done} at scale {basis.scale}, and this is {settings.scale}. {again} at "
                f"this one: fsrbench {basis.by}."
            )
        if rows is not None:
            told += list(_of_inputs(arm, basis, rows, uncertified=settings.arms[arm].uncertified))
    return told


def made(bases: Mapping[str, Iterable[Basis]], folder: RunFolder) -> dict[str, str]:
    """Case → hash of the pixels of the input that its recipe made, where an arm is certified; nothing elsewhere."""
    certified = any(basis.by == "certify" for rests in bases.values() for basis in rests)
    return {row["case"]: row["lr_sha256"] for row in _inputs(folder) or ()} if certified else {}


def _inputs(folder: RunFolder) -> list[dict[str, str]] | None:
    """How a run's inputs were made, by the table beside them; empty where that is not known, None before a run."""
    if not folder.study_file.is_file():
        return None
    table = Path(folder.study()["inputs"]["lr"]) / degradations.TABLE
    return list(degradations.read_rows(table)) if table.is_file() else []


def _of_inputs(arm: str, basis: Basis, rows: Iterable[Mapping[str, str]], *, uncertified: bool) -> Iterator[str]:
    """What is known of a run's inputs."""
    done, again = TOLD[basis.by], AGAIN[basis.by]
    if not rows:
        if basis.by == "tune":
            so = f"what {basis.file.name} says it gains need not hold here."
        elif uncertified:
            so = "the guarantee is void, and the arm is followed without one, as the setting uncertified says."
        else:
            so = "the guarantee is void, and the arm abstains on every case (uncertified: true follows it anyway)."
        yield (
            f"Arm {arm} was {done} on recipe {basis.recipe}, and how these inputs were made is not known "
            f"({degradations.TABLE} is not beside them): {so}"
        )
    if other := sorted({row["recipe"] for row in rows} - {basis.recipe}):
        raise SettingsError(
            f"Arm {arm}: {basis.file} was {done} on recipe {basis.recipe}, and inputs here were made by "
            f"{', '.join(other)}. {again} on that: fsrbench {basis.by} --recipe {other[0]}."
        )
    sizes = {row["hr_size"] for row in rows} - {str(basis.hr_size)} if basis.hr_size is not None else set()
    if sizes:
        raise SettingsError(
            f"Arm {arm}: {basis.file} was {done} on faces of {basis.hr_size} pixels, and these inputs are of faces "
            f"of {', '.join(sorted(sizes))}. {again} on those: fsrbench {basis.by} --set hr_size={min(sizes)}."
        )
    if known := sorted(row["case"] for row in rows if row["hr_sha256"] in basis.persons):
        some = ", ".join(known[:3]) + ", …" * (len(known) > 3)
        so = (
            "it has an advantage there that it has nowhere else. Take other faces, or tune it on others."
            if basis.by == "tune"
            else "what it promises is about other persons. Take other faces for what you claim."
        )
        yield f"Arm {arm} was {done} on the very faces of {len(known)} of these inputs ({some}): {so}"
