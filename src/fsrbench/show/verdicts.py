"""What `check` found, as people and CI servers read it: lines of text, Markdown, JUnit XML, JSON.

Nothing is judged here. What stayed within its tolerance is only counted unless everything is asked for; what is
privileged, a noise floor or embedded says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

from fsrbench.core import foreign
from fsrbench.core.stored import to_json
from fsrbench.measure.check import CASES, Change, Check
from fsrbench.show import md, numbers, wording

HEAD = ("Verdict", "Metric", "Variant", "Baseline → now", "Change", "Allowed")
ACCEPT = "Where these changes are meant: fsrbench check RUN --save-baseline FILE"


def text(found: Check, *, everything: bool = False) -> Iterator[str]:
    """Lines for a terminal or a log: a block for each family, then what it comes to."""
    rows = {family: [_cells(found, c) for c in changes] for family, changes in _families(found, everything).items()}
    widths = [max(map(len, column)) for column in zip(*(row for own in rows.values() for row in own), strict=True)]
    for family, own in rows.items():
        yield _family(found, family)
        for row in own:
            yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
    yield from conclusion(found, everything=everything)


def conclusion(found: Check, *, everything: bool = False) -> Iterator[str]:
    """What it comes to, in sentences."""
    for obstacle in found.obstacles:
        yield f"Not compared: {obstacle}"
    if found.obstacles:
        return
    worse, better, within = (found.count(verdict) for verdict in ("worse", "better", "within"))
    hidden = " (--all shows them)" if within and not everything else ""
    yield f"{worse} worse, {better} better, {within} within tolerance{hidden}."
    aside = dict.fromkeys(c.arm for c in found.changes if not c.decides)
    if aside:
        yield f"Reported only, cannot fail a check: {', '.join(_arm(found, arm) for arm in aside)}."
    yield from (f"Not in the baseline: {name}." for name in found.new)
    yield from found.notes
    if worse:
        yield f"REGRESSION. {ACCEPT}"
    else:
        yield "No regression." + (" Keep the gain: fsrbench check RUN --save-baseline FILE" if better else "")


def markdown(found: Check, *, everything: bool = False) -> str:
    """The same for a pull request or a job's summary page."""
    state = {0: "no regression", 1: "regression", 2: "not compared"}[found.status]
    parts = [f"## fsrbench check: {state}"]
    for family, changes in _families(found, everything).items():
        rows = ([*map(md.escape, _cells(found, change))] for change in changes)
        parts += [f"### {md.escape(_family(found, family))}", md.table(HEAD, rows, "lllrrl")]
    parts.append(md.points(conclusion(found, everything=everything)))
    return "\n\n".join(parts) + "\n"


def as_json(found: Check) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "status": found.status,
        "obstacles": list(found.obstacles),
        "changes": to_json(found.changes),
        "new": list(found.new),
        "notes": list(found.notes),
    }


def junit(found: Check) -> bytes:
    """JUnit XML: a test case for each family, metric and arm, one for each arm's cases, one for the comparison itself.

    A regression is a failure, an obstacle an error.
    """
    root = ElementTree.Element("testsuites", name="fsrbench check")
    suite = ElementTree.SubElement(root, "testsuite", name="comparison")
    case = ElementTree.SubElement(suite, "testcase", classname="fsrbench", name="comparison", time="0")
    if found.obstacles:
        ElementTree.SubElement(case, "error", message=found.obstacles[0]).text = "\n".join(found.obstacles)
    for family, changes in _families(found, everything=True).items():
        suite = ElementTree.SubElement(root, "testsuite", name=_family(found, family))
        groups: dict[tuple[str, str], list[Change]] = {}
        for change in changes:
            groups.setdefault((change.metric, change.arm), []).append(change)
        for (metric, arm), group in groups.items():
            name = f"{metric} {_arm(found, arm)}"
            case = ElementTree.SubElement(suite, "testcase", classname=f"fsrbench.{family}", name=name, time="0")
            _outcome(case, found, group)
    totals = [_total(suite) for suite in root]
    for key in ("tests", "failures", "errors"):
        root.set(key, str(sum(total[key] for total in totals)))
    root.set("time", "0")
    ElementTree.indent(root, " ")
    text = foreign.harmless(ElementTree.tostring(root, encoding="unicode"))  # XML has no control characters at all
    return f"<?xml version='1.0' encoding='utf-8'?>\n{text}\n".encode()


def _outcome(case: ElementTree.Element, found: Check, group: Sequence[Change]) -> None:
    """A failure; what cannot fail a check is skipped instead, with the numbers."""
    worse = [_sentence(found, change) for change in group if change.verdict == "worse"]
    if not worse:
        return
    if not all(change.decides for change in group):
        ElementTree.SubElement(case, "skipped", message=f"reported only: {'; '.join(worse)}")
    else:
        text = "\n".join(_sentence(found, change) for change in group)
        ElementTree.SubElement(case, "failure", message="; ".join(worse), type="regression").text = text


def _total(suite: ElementTree.Element) -> dict[str, int]:
    """Count a suite's cases, and write the counts on it."""
    kinds = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    counts = {"tests": len(suite), **{key: len(suite.findall(f"testcase/{tag}")) for key, tag in kinds.items()}}
    for key, count in counts.items():
        suite.set(key, str(count))
    suite.set("time", "0")
    return counts


# ------------------------------------------------------------------------ words


def _families(found: Check, everything: bool) -> dict[str, list[Change]]:
    """Family → what is shown of it; a family of which nothing is shown is left out."""
    shown: dict[str, list[Change]] = {}
    for change in found.changes:
        if everything or change.verdict != "within":
            shown.setdefault(change.family, []).append(change)
    return shown


def _family(found: Check, family: str) -> str:
    return wording.family_name(found.models, family)


def _arm(found: Check, arm: str) -> str:
    mark = found.marks.get(arm)
    return f"{arm} ({mark})" if mark else arm


def _cells(found: Check, change: Change) -> list[str]:
    """Verdict, metric, variant, numbers, change, what was allowed."""
    verdict = change.verdict if change.decides else f"({change.verdict})"
    arm = _arm(found, change.arm)
    if change.metric == CASES:
        counted, moved = f"{change.before:g} → {change.now:g}", f"{change.now - change.before:+g}"
        return [verdict, f"{change.quantity} cases", arm, counted, numbers.minus(moved), ""]
    about = found.metrics[change.metric]
    moved = _number(found, change, change.now - change.before, signed=True)
    shown = " → ".join(_number(found, change, v, signed=_signed(change)) for v in (change.before, change.now))
    quantity = f"Δ {arm}" if change.quantity == "delta" else arm
    return [verdict, wording.heading(about), quantity, shown, moved, _allowed(found, change)]


def _sentence(found: Check, change: Change) -> str:
    _, metric, variant, numbers, moved, allowed = _cells(found, change)
    return f"{metric} {variant}: {numbers} ({moved}{f', allowed {allowed}' if allowed else ''})"


def _allowed(found: Check, change: Change) -> str:
    tolerance = change.tolerance
    if tolerance.kind == "interval":
        ends = [_number(found, change, v, signed=_signed(change)) for v in (change.low, change.high)]
        return f"from {ends[0]} to {ends[1]}"
    if tolerance.kind == "relative":
        return f"±{change.high - change.before:.4g} ({100 * tolerance.size:g} %)"
    return f"±{change.high - change.before:.6g}"


def _signed(change: Change) -> bool:
    return change.quantity == "delta"


def _number(found: Check, change: Change, value: float, *, signed: bool) -> str:
    """With the metric's own digits, or with all six where the change would not be seen."""
    digits = found.metrics[change.metric].digits
    if change.verdict != "within" and not round(change.now - change.before, digits):
        digits = 6
    return numbers.fixed(value, digits, signed=signed)
