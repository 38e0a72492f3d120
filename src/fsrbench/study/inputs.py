"""Which cases a study has: the pictures of the LR folder, each with its reference where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fsrbench.case.degrade import standardise
from fsrbench.core.errors import InputError
from fsrbench.core.values import Case, Image
from fsrbench.imaging import images


def pair(lr: Path, hr: Path | None, limit: int | None = None) -> tuple[list[Case], list[str]]:
    """Cases by id, and what a user should know about the pairs that do not close."""
    found = images.find(lr)
    if not found:
        kinds = ", ".join(images.SUFFIXES)
        raise InputError(f"{lr} holds no pictures ({kinds}). Put LR faces there, or make them: fsrbench degrade.")
    references = images.find(hr, below=True) if hr is not None else {}
    cases = [Case(id=name, lr=path, hr=references.get(name)) for name, path in sorted(found.items())][:limit]
    notes = []
    alone = [case.id for case in cases if case.hr is None]
    if hr is not None and alone:
        notes.append(f"{_count(alone, 'case')} without a reference in {hr}: only reference-free metrics for them.")
    unused = sorted(set(references) - set(found))
    if unused:
        notes.append(f"{_count(unused, 'reference')} without an LR in {lr}: make them with fsrbench degrade.")
    return cases, notes


def reference(case_hr: Path, size: tuple[int, int], hr_size: int, max_pixels: int, max_bytes: int) -> Image:
    """The HR as it is compared: as it is where it fits the restoration, else standardised as `degrade` does."""
    return fitted(images.read(case_hr, max_pixels=max_pixels, max_bytes=max_bytes), case_hr, size, hr_size)


def fitted(hr: Image, case_hr: Path, size: tuple[int, int], hr_size: int) -> Image:
    """The same of one that is read; it is `hr` itself where that fits."""
    if hr.shape[:2] == size:
        return hr
    squared = standardise(hr, hr_size)
    if squared.shape[:2] == size:
        return squared
    raise InputError(
        f"{case_hr} is {hr.shape[1]}×{hr.shape[0]} ({hr_size}×{hr_size} when standardised), but the restoration is "
        f"{size[1]}×{size[0]}. Set hr_size or scale so that HR = LR × scale."
    )


def _count(names: Sequence[str], word: str) -> str:
    """`3 cases (a, b, …)`."""
    listed = ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
    return f"{len(names)} {word}{'s' * (len(names) != 1)} ({listed})"
