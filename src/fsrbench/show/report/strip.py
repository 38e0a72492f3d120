"""What opens the first page: the cases that an arm changed most, as pictures side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fsrbench.core.values import PURE
from fsrbench.imaging import images
from fsrbench.measure import changes
from fsrbench.measure.changes import CaseChange
from fsrbench.measure.results import Results
from fsrbench.show import difference as difference_map
from fsrbench.show import highlights, wording
from fsrbench.show.report.cases import Entry, difference, title
from fsrbench.show.report.pictures import Gallery

MOST = 3
"""Cases that are shown: pictures before tables, and tables still near."""


@dataclass(frozen=True, slots=True)
class Shot:
    """One picture of the strip."""

    title: str
    """What it is."""
    file: str
    """Its name among the report's pictures."""
    mark: str = ""
    """What must be said of its arm."""
    pixels: bool = False
    """Enlarged without smoothing, to show that it is an input."""


@dataclass(frozen=True, slots=True)
class Highlight:
    """One case of the strip."""

    case: str
    """Its id."""
    family: str
    """Its family."""
    arm: str
    """The arm that changed it most, as people read it; empty where none did."""
    address: str
    """Where the page tells of it."""
    label: str
    """The metric by which it is here; empty where none did."""
    delta: str
    """Its difference in that, as it is shown."""
    found: str
    """`better`, `worse` or empty."""
    shots: tuple[Shot, ...]
    """LR, pure, arm, reference and difference, as far as they can be shown."""


@dataclass(frozen=True, slots=True)
class Strip:
    """All of it."""

    about: str
    """Which cases these are: a sentence."""
    shown: tuple[Highlight, ...]
    """The largest change first."""


@dataclass(frozen=True, slots=True)
class Picked:
    """Which cases stand in the strip."""

    about: str
    """Which these are: a sentence."""
    cases: tuple[tuple[Entry, CaseChange | None], ...]
    """Each with its largest change; None where no arm changed a number."""


def pick(results: Results, entries: Sequence[Entry]) -> Picked:
    """The largest changes of an evaluation, or its first cases where no arm changed a number.

    What an oracle did, which saw the reference, is shown only where no other arm did anything.
    """
    what, numbers, who = results.what, results.numbers, "an arm"
    found = changes.largest(what, numbers, [arm for arm, role in what.roles.items() if role != "headroom"])
    if found and "headroom" in what.roles.values():
        who = "an arm that did not see the reference"
    found = found or changes.largest(what, numbers)
    places = {(entry.family, entry.case): entry for entry in entries if entry.place is not None}
    first = {entry.case: entry for entry in reversed(places.values())}
    picked: list[tuple[Entry, CaseChange | None]] = [
        (places[c.family, c.case], c) for c in changes.by_case(found)[:MOST]
    ]
    picked = picked or [(first[case], None) for case in sorted(first)[:MOST]]
    about = highlights.sentence(what, numbers, found, len(picked), who)
    return Picked(f"{about} {difference_map.MEANING}" if found else about, tuple(picked))


def tell(
    results: Results, picked: Picked, pictures: Mapping[tuple[str, str], dict[str, Any]], gallery: Gallery
) -> Strip:
    """The strip, from the pictures that are told of each (family, case)."""
    told = [(entry, change, pictures[entry.family, entry.case]) for entry, change in picked.cases]
    pairs = [(own["pure:"]["file"], own[f"{change.arm}:"]["file"] if change else "") for _, change, own in told]
    shown = [
        _highlight(results, entry, change, own, drawn)
        for (entry, change, own), drawn in zip(told, _maps(gallery, pairs), strict=True)
    ]
    return Strip(picked.about, tuple(shown))


def _highlight(
    results: Results, entry: Entry, change: CaseChange | None, pictures: dict[str, Any], drawn: Shot | None
) -> Highlight:
    what, arm = results.what, change.arm if change is not None else PURE
    by = changes.metric(what, results.numbers)
    label, delta, way = "", "", 0
    if change is not None and by is not None:
        label, (delta, way) = what.metrics[by].label, difference(what.metrics[by], change.delta)
    shots = [_shot(pictures, "lr", "LR", pixels=True), _shot(pictures, f"{PURE}:", title(PURE))]
    shots += [_shot(pictures, f"{arm}:", title(arm), wording.standing(what, arm))] if change is not None else []
    shots += [_shot(pictures, "reference", "Reference"), drawn]
    return Highlight(
        case=entry.case,
        family=entry.family,
        arm=title(arm) if change is not None else "",
        address="#" + urlencode({"case": entry.case, "family": entry.family, **({"arm": arm} if change else {})}),
        label=label,
        delta=delta,
        found={1: "better", 0: "", -1: "worse"}[way],
        shots=tuple(shot for shot in shots if shot is not None),
    )


def _shot(pictures: dict[str, Any], key: str, name: str, mark: str = "", *, pixels: bool = False) -> Shot | None:
    """One of a case's pictures; None where it cannot be shown."""
    file = pictures.get(key, {}).get("file")
    return Shot(name, file, mark, pixels) if file else None


def _maps(gallery: Gallery, pairs: Sequence[tuple[str, str]]) -> list[Shot | None]:
    """Where each arm changed pure, all on one scale; None where there is no arm, or nothing to compare.

    What an earlier build drew of the same pictures is taken as it is, and no picture is decoded.
    """
    known = [(by, [gallery.drawn(repr((pairs, pair, by))) for pair in pairs]) for by in difference_map.FACTORS]
    by, files = next((one for one in known if all(one[1])), (0, [""] * len(pairs)))
    if not by:
        planes = [_plane(gallery, *pair) for pair in pairs]
        by = difference_map.factor(plane for plane in planes if plane is not None)
        files = [
            "" if plane is None else gallery.draw(repr((pairs, pair, by)), difference_map.drawn(plane, by))
            for pair, plane in zip(pairs, planes, strict=True)
        ]
    return [Shot(difference_map.caption(by).capitalize(), file) if file else None for file in files]


def _plane(gallery: Gallery, pure: str, other: str) -> difference_map.Plane | None:
    """Where two of the report's pictures differ; None where one cannot be shown, or they are of different sizes."""
    if not pure or not other:
        return None
    one, two = (images.to_8bit(images.read_stored(gallery.folder / file)) for file in (pure, other))
    return difference_map.plane(one, two) if one.shape == two.shape else None
