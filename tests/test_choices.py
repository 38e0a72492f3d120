"""Choices as they are stored: at once, line by line, and read back whole."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fsrbench.core.errors import InputError, StoreError
from fsrbench.measure import choices
from fsrbench.measure.choices import Choice
from fsrbench.study.paths import RunPaths

ONE = Choice("Ann", "general", "face_1", "pure", "lvlm", "second", seconds=2.5, at="2026-01-02T03:04:05Z")


def test_choices_come_back_rater_by_rater(tmp_path: Path) -> None:
    folder = RunPaths(tmp_path)
    assert choices.read(folder) == []
    other = replace(ONE, rater="../Bo <b>", chosen="tie", seconds=None)
    check = replace(ONE, second=choices.SPOILT, chosen="first", check="blur")
    for one in (other, ONE, check):
        choices.add(folder, [one])
    assert choices.read(folder) == [other, ONE, check]
    assert {path.parent for path in tmp_path.rglob("*.jsonl")} == {folder.choices}
    assert not list(tmp_path.rglob("*.lock"))
    assert (ONE.winner, other.winner, ONE.pair) == ("lvlm", None, ("lvlm", "pure"))


def test_the_last_choice_counts_and_a_repeat_is_another_one(tmp_path: Path) -> None:
    folder = RunPaths(tmp_path)
    again = replace(ONE, first="lvlm", second="pure", chosen="second")
    repeat = replace(again, repeat=True)
    choices.add(folder, [ONE, repeat, again])
    assert choices.read(folder) == [repeat, again]


def test_half_a_line_is_no_choice_and_goes(tmp_path: Path) -> None:
    folder = RunPaths(tmp_path)
    choices.add(folder, [ONE])
    with folder.choices_file("Ann").open("ab") as file:
        file.write(b'{"rater": "An')
    assert choices.read(folder) == [ONE]
    later = replace(ONE, case="face_2")
    choices.add(folder, [later])
    assert choices.read(folder) == [ONE, later]


@pytest.mark.parametrize(
    ("line", "said"),
    [("{}", "rater"), ("nonsense", "is no choice"), ('{"rater": NaN}', "is no choice")],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    folder = RunPaths(tmp_path)
    choices.add(folder, [ONE])
    with folder.choices_file("Ann").open("a") as file:
        file.write(line + "\n")
    with pytest.raises(StoreError, match=r"Ann\.jsonl, line 2") as found:
        choices.read(folder)
    assert said in str(found.value)


def test_another_format_is_refused(tmp_path: Path) -> None:
    folder = RunPaths(tmp_path)
    choices.add(folder, [replace(ONE, format=2)])
    with pytest.raises(StoreError, match="format 2"):
        choices.read(folder)


def test_names_of_raters() -> None:
    assert choices.named("  Ann   Lee ") == "Ann Lee"
    for wrong in ("", " \n", "a" * 81, "a\x07b", "\u202eabc"):
        with pytest.raises(InputError, match="A rater's name"):
            choices.named(wrong)
