"""Headroom, knobs and a prompt as people read them: text for the terminal, and `headroom.md`.

What they say is worked out in `headroom.py` and `preview.py`; a run's own tables are in `tables.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fsrbench.files import atomic
from fsrbench.measure import crossfit
from fsrbench.show import md, numbers, wording

if TYPE_CHECKING:
    from rich.table import Table

SETS = {"paper": "the paper's", "deep": "with the deeper hooks"}
"""What the sets of knobs are called."""
MEASURED = {"detector": "landmarks of the face", "identity": "likeness to the input", "lpips": "LPIPS to the input"}
"""What is measured with each instrument that needs a file."""
PLACES = {
    "before": "before the network", "restore": "in the network", "around": "around the network",
    "after": "after the network",
}  # fmt: skip
"""Where a knob acts."""
NOTHING = "no headroom to speak of"
"""Said in place of a share of next to nothing."""
_CAUGHT = (
    "Caught is the arm's mean difference over the oracle's, on the same cases. It is as unsure as that difference: "
    "where its interval holds zero, nothing is known to have been caught. Where the oracle's own gain does not show in "
    f"print, stays within the noise floor or has an interval with zero in it, there is {NOTHING}. In brackets stands "
    "the 95 % BCa interval over persons."
)
_CONSTANT = (
    "The same setting for every picture: nobody looks. Of the settings that the oracle tried on every case, each "
    "person is measured with the one that all others together like best. Whoever looks at a picture must beat it."
)
_PREDICTOR = (
    "For each of these settings a ridge regression predicts its gain from what an auditor may see of input and pure "
    "restoration (its evidence in numbers, and the noise, blur and JPEG quality that the input shows), and each person "
    "is measured with the setting of which regressions that were fitted on other persons promise most. The "
    "*predictable headroom* is the larger of this gain and the best constant's: what lies between it and the oracle's "
    "nobody can be expected to see, as far as straight lines tell."
)
_FEW = "{persons} persons are few to learn from: with more of them a predictor may find more."


# ------------------------------------------------------------------- headroom


def write_headroom(found: Mapping[str, Any], out: Path) -> None:
    """Store `headroom.md` beside `headroom.json`."""
    atomic.write_bytes(out / "headroom.md", headroom_markdown(found).encode())


def headroom_markdown(found: Mapping[str, Any]) -> str:
    """The whole of `headroom.md`."""
    names = found["objectives"]
    head = ["Family", "Knobs (privileged)", "n", *(wording.heading(found["metrics"][name]) for name in names)]
    gains = [head, *([family, label, *cells] for family, label, cells in _gains(found, names))]
    parts = [
        "# Headroom",
        found["privileged"],
        "Each column has its own oracle, which chose by that metric alone: the mean paired difference, oracle − pure, "
        "with its 95 % t-interval, which is not adjusted, and in how many cases it changed anything.",
        _table(gains, left=2),
        "## Knobs that carry it",
        "Share of the cases in which a metric's oracle turned the knob, its mean gain there, and what it gained alone.",
        _table([["Family", "Knobs", "Metric", "Knob", "cases", "share", "gain", "alone"], *_carriers(found)], left=4),
    ]
    constants = list(_constants(found))
    if constants:
        head = ["Family", "Knobs", "Metric", "n", "Settings", "Best", "Δ of the constant", "share of the oracle's"]
        parts += ["## What takes no looking", _table([head, *constants], left=3), _CONSTANT]
    predicted = list(_predicted(found))
    if predicted:
        head = ["Family", "Knobs", "Metric", "n", "Settings", "Features", "Δ of the predictor", "share of the oracle's"]
        parts += ["## What can be predicted", _table([head, *predicted], left=3), _PREDICTOR, *_few(found)]
    caught = list(_caught(found))
    if caught:
        head = [
            "Family",
            "Knobs",
            "Metric",
            "Arm",
            "n",
            "Δ of the arm",
            "Δ of its oracle",
            "caught",
            "of the predictable",
        ]
        parts += ["## How much of it each arm caught", _table([head, *caught], left=4), _CAUGHT]
    parts += [f"- {md.escape(line)}" for line in (*found["failures"], *found["notes"])]
    return "\n\n".join(parts) + "\n"


def headroom_terminal(found: Mapping[str, Any]) -> Table:
    """Gains, and what each arm caught of them."""
    from rich.table import Table
    from rich.text import Text

    names = found["objectives"]
    title = "Headroom: oracle − pure, for each metric its own oracle (privileged: it saw the reference)"
    table = Table(title=title, header_style="bold")
    for title in ("", "n", *(wording.heading(found["metrics"][name]) for name in names)):
        table.add_column(title, justify="right" if title else "left")
    last = None
    for family, label, cells in _gains(found, names):
        if family != last:
            table.add_section()
            table.add_row(Text(family, style="bold", overflow="fold"))
        last = family
        table.add_row(label, *(Text(cell.replace(" [", "\n[")) for cell in cells))
    return table


def headroom_lines(found: Mapping[str, Any]) -> Iterator[str]:
    """What stands below the table: knobs that carry the gain, and what arms caught of it."""
    for family, kind, label, knob, cases, share, gain, alone in _carriers(found):
        yield f"{family} (knobs: {kind}): {knob} in {share} of the cases ({cases}); gain {gain} {label}, alone {alone}"
    for family, kind, label, n, settings, best, delta, share in _constants(found):
        part = f"; {share}" if share == NOTHING else f": {share} of the oracle's"
        told = f"the best constant of {settings}, {best}, gains {delta} {label}{part}"
        yield f"{family} (knobs: {kind}): {told} ({n} cases)"
    for family, kind, label, n, settings, features, delta, share in _predicted(found):
        part = f"; {share}" if share == NOTHING else f": {share} of the oracle's"
        told = f"the best predictor, of {settings} settings from {features} numbers, gains {delta} {label}{part}"
        yield f"{family} (knobs: {kind}): {told} ({n} cases)"
    yield from _few(found)
    for family, kind, label, arm, n, delta, upper, share, could in _caught(found):
        if share == NOTHING:
            yield f"{family} (knobs: {kind}): {NOTHING} in {label} beside {arm} (the oracle's is {upper}, {n} cases)"
        else:
            part = "" if could in (NOTHING, numbers.MISSING) else f", {could} of the predictable"
            told = f"{arm} caught {share} of the oracle's {upper} {label}{part}"
            yield f"{family} (knobs: {kind}): {told} ({delta}, {n} cases)"


def _gains(found: Mapping[str, Any], names: list[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Family, set, and the cells of its row."""
    for family, sets in found["families"].items():
        for kind, entry in sets.items():
            gains = [_gain(found, name, entry["objectives"][name]) for name in names]
            yield wording.family_name(found["models"], family), SETS[kind], [str(entry["cases"]), *gains]


def _gain(found: Mapping[str, Any], metric: str, bound: Mapping[str, Any]) -> str:
    """`+0.12 [+0.05, +0.19], 3 changed`."""
    changed = f", {bound['changed']} changed" if bound["gain"]["delta"] is not None else ""
    return _delta(found, metric, bound["gain"]) + changed


def _delta(found: Mapping[str, Any], metric: str, about: Mapping[str, Any]) -> str:
    """`+0.12 [+0.05, +0.19]`."""
    band = wording.interval(found["metrics"][metric], about["low"], about["high"])
    return _number(found, metric, about["delta"]) + (f" [{band[0]}, {band[1]}]" if band else "")


def _bounds(found: Mapping[str, Any]) -> Iterator[tuple[list[str], str, Mapping[str, Any]]]:
    """Family, set and metric as they are written; the metric's name; what its oracle showed."""
    for family, sets in found["families"].items():
        for kind, entry in sets.items():
            for metric, bound in entry["objectives"].items():
                yield [family, SETS[kind], found["metrics"][metric].label], metric, bound


def _carriers(found: Mapping[str, Any]) -> Iterator[list[str]]:
    for where, metric, bound in _bounds(found):
        for knob, about in bound["carriers"].items():
            gains = [_number(found, metric, about[key]) for key in ("gain", "alone")]
            yield [*where, knob, str(about["cases"]), numbers.share(about["share"]), *gains]


def _constants(found: Mapping[str, Any]) -> Iterator[list[str]]:
    for where, metric, bound in _bounds(found):
        about = bound.get("constant")
        if about is not None:
            best = ", ".join(f"{name}={_said(value)}" for name, value in about["knobs"].items()) or "pure"
            share = NOTHING if about["share"] is None else numbers.share(about["share"])
            counts = [numbers.whole(about["n"]), numbers.whole(about["settings"])]
            yield [*where, *counts, best, _delta(found, metric, about), share]


def _predicted(found: Mapping[str, Any]) -> Iterator[list[str]]:
    for where, metric, bound in _bounds(found):
        about = bound.get("predictor")
        if about is not None:
            counts = [about["n"], about["settings"], len(about["features"])]
            share = NOTHING if about["share"] is None else numbers.share(about["share"])
            yield [*where, *map(numbers.whole, counts), _delta(found, metric, about), share]


def _few(found: Mapping[str, Any]) -> list[str]:
    """Said where a predictor had few persons to learn from."""
    counts = [bound["predictor"]["persons"] for _, _, bound in _bounds(found) if bound.get("predictor") is not None]
    return [_FEW.format(persons=min(counts))] if counts and min(counts) < crossfit.FEW else []


def _caught(found: Mapping[str, Any]) -> Iterator[list[str]]:
    for where, metric, bound in _bounds(found):
        for arm, about in bound.get("caught", {}).items():
            deltas = [_delta(found, metric, about), _number(found, metric, about["oracle"])]
            label = f"{arm} ({about['mark']})" if about["mark"] else arm
            could = about["predictable"]
            shares = [_share(about["n"], about), numbers.MISSING if could is None else _share(about["n"], could)]
            yield [*where, label, str(about["n"]), *deltas, *shares]


def _share(cases: int, about: Mapping[str, Any]) -> str:
    """`62% [40%, 80%]`; why there is none."""
    if about["share"] is None:
        return NOTHING if cases else numbers.MISSING
    return numbers.banded(about["share"], about["share_low"], about["share_high"])


def _number(found: Mapping[str, Any], metric: str, value: float | None) -> str:
    return wording.number(found["metrics"][metric], value, signed=True)


def _table(rows: list[list[str]], left: int) -> str:
    head, *body = rows
    align = "l" * left + "r" * (len(head) - left)
    return md.table([*map(md.escape, head)], ([*map(md.escape, row)] for row in body), align)


# ------------------------------------------------------------ knobs and prompt


def knobs(found: Mapping[str, Any]) -> Iterator[str]:
    """Each family's knobs, line by line."""
    for family, about in found["families"].items():
        model = f", {about['model']}" if "model" in about else ""
        tried = f", tried on {', '.join(about['cases'])}" if about["cases"] else ""
        yield f"{family} ({about['backend']}{model}){tried}"
        for name, knob in about["knobs"].items():
            yield f"  {name:17} {_band(knob)}, off at {_said(knob['default'])}; {_where(knob)}"
            yield f"  {'':17} {knob['meaning']}"
            yield from (f"  {'':17} {line}" for line in _movement(knob, found["metrics"]))
    yield from found["notes"]


def _band(knob: Mapping[str, Any]) -> str:
    if knob["choices"]:
        return " or ".join(_said(choice) for choice in knob["choices"])
    return f"{knob['low']:g} to {knob['high']:g}"


def _where(knob: Mapping[str, Any]) -> str:
    place = PLACES[knob["stage"]]
    depth = " (a deeper hook)" if knob["deep"] else ""
    return f"{place}; {', '.join(knob['families'])}{depth}{'' if knob['offered'] else '; not offered'}"


def _movement(knob: Mapping[str, Any], labels: Mapping[str, str]) -> Iterator[str]:
    if knob["told"]:
        yield knob["told"] + "; what an auditor asks of it is nothing" * bool(knob["dead"])
    if not knob["dead"]:
        for end in knob["ends"]:
            moved = ", ".join(f"{labels[name]} {_change(value)}" for name, value in end["changes"].items())
            yield f"at {_said(end['value'])}: pixels {end['mean']:.2f} in the mean, {end['largest']} at most; {moved}"


def _change(value: float | None) -> str:
    return numbers.MISSING if value is None else numbers.minus(f"{value:+.3f}")


def _said(value: float | bool) -> str:
    return numbers.plain(value)


def prompt(found: Mapping[str, Any]) -> str:
    """What would be sent, in the order in which it is sent."""
    pictures = "\n".join(
        f"{number}. {picture['label']}\n   PNG, {picture['width']}×{picture['height']}, {picture['bytes']} bytes, "
        f"sha256 {picture['sha256']}"
        for number, picture in enumerate(found["pictures"], start=1)
    )
    return (
        f"--- prompt ({found['family']}, case {found['case']}, {found['model']}) ---\n{found['prompt']}\n"
        f"--- pictures, each after its label ---\n{pictures}\n\n"
        f"--- JSON schema of a reply ---\n{json.dumps(found['schema'], ensure_ascii=False, indent=2)}"
        + _unmeasured(found["missing"])
    )


def _unmeasured(missing: Mapping[str, list[str]]) -> str:
    """What is not in the prompt since its files are not here."""
    if not missing:
        return ""
    files = " ".join(f"--download {name}" for name in dict.fromkeys(f for own in missing.values() for f in own))
    what = ", ".join(MEASURED[name] for name in missing)
    return (
        f"\n\n--- not measured here ---\n{what}: the files are not on this machine, and nothing is downloaded to print "
        "a prompt. A run downloads them, unless it is --offline, and its prompt has more numbers. To see them here: "
        f"fsrbench weights {files}"
    )
