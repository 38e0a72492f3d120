"""What arms were fitted on, held against the run that they stand in: other networks, other inputs, known faces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from fsrbench.case import degradations
from fsrbench.core.errors import SettingsError
from fsrbench.core.ways import Basis
from fsrbench.study.schema import Settings
from fsrbench.study.store import RunFolder


def of(settings: Settings, family: str) -> dict[str, Basis]:
    """Arm → what its settings were fitted on, for arms whose settings were."""
    found = {name: arm.declared().basis(arm.chosen(), settings.kind(family)) for name, arm in settings.arms.items()}
    return {name: basis for name, basis in found.items() if basis is not None}


def check(bases: Mapping[str, Basis], settings: Settings, weights: Mapping[str, str], folder: RunFolder) -> list[str]:
    """Refuse arms that were fitted on other networks or other inputs; say what is not known, and who is known to them.

    `weights` are the family's own. A name may change, what is in a file may not.
    """
    told = []
    for arm, basis in bases.items():
        if sorted(basis.weights.values()) != sorted(weights.values()):
            raise SettingsError(
                f"Arm {arm}: {basis.file} was tuned on other networks ({', '.join(basis.weights) or 'no weights'}) "
                f"than these ({', '.join(weights) or 'no weights'}), of which it says nothing. Take those networks "
                "(models, families.NAME.model and second), or tune it on these: fsrbench tune."
            )
        if basis.scale != settings.scale:
            raise SettingsError(
                f"Arm {arm}: {basis.file} was tuned at scale {basis.scale}, and this is {settings.scale}. Tune it at "
                "this one: fsrbench tune."
            )
        told += list(_of_inputs(arm, basis, folder))
    return told


def _of_inputs(arm: str, basis: Basis, folder: RunFolder) -> Iterator[str]:
    """What is known of a run's inputs from the table beside them."""
    if not folder.study_file.is_file():
        return
    table = Path(folder.study()["inputs"]["lr"]) / degradations.TABLE
    rows = list(degradations.read_rows(table)) if table.is_file() else []
    if not rows:
        yield (
            f"Arm {arm} was tuned on recipe {basis.recipe}, and how these inputs were made is not known "
            f"({degradations.TABLE} is not beside them): what {basis.file.name} says it gains need not hold here."
        )
    if other := sorted({row["recipe"] for row in rows} - {basis.recipe}):
        raise SettingsError(
            f"Arm {arm}: {basis.file} was tuned on recipe {basis.recipe}, and inputs here were made by "
            f"{', '.join(other)}. Tune it on that: fsrbench tune --recipe {other[0]}."
        )
    if known := sorted(row["case"] for row in rows if row["hr_sha256"] in basis.persons):
        some = ", ".join(known[:3]) + ", …" * (len(known) > 3)
        yield (
            f"Arm {arm} was tuned on the very faces of {len(known)} of these inputs ({some}): it has an advantage "
            "there that it has nowhere else. Take other faces, or tune it on others."
        )
