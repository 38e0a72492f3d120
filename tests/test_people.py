"""What people chose, where it is told: `summary.md`, `summary.json`, the report; and nothing where nobody was asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from fsrbench.core.stored import to_json
from fsrbench.measure import summary_file
from fsrbench.measure.choices import SPOILT, Choice
from fsrbench.measure.results import Results
from fsrbench.show import people, report, tables
from fsrbench.study.store import as_json
from support.reports import EVIL, Study

CASES = ("a", "b", "c", "d")
RATER = " ".join(EVIL.split())


def chosen(rater: str = "Ann", passed: bool = True) -> list[Choice]:
    """One person's choices: lvlm in three of four cases, no difference in the last, and an attention check."""
    own = [Choice(rater, "general", case, "pure", "lvlm", "second", seconds=2.0) for case in CASES[:3]]
    check = Choice(rater, "general", "a", "lvlm", SPOILT, "first" if passed else "tie", check="blur")
    return [*own, Choice(rater, "general", "d", "pure", "lvlm", "tie"), check]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Results:
    choices = [*chosen(), *chosen(RATER), *chosen("Asleep", passed=False)]
    choices.append(Choice("Ann", "general", "gone", "pure", "lvlm", "tie"))
    return Study(tmp_path_factory.mktemp("run"), list(CASES), choices=tuple(choices)).results()


def test_the_summary_tells_it(results: Results) -> None:
    told = tables.markdown(results.summary)
    _, _, section = told.partition(f"## {people.TITLE}\n")
    section = section.partition("\n## ")[0]
    assert "| general | FSR+LVLM | 88% [" in section
    assert "| 6 / 2 / 0 |" in section
    assert "| Ann | yes | 4 | 1 | 0 | 0 of 0 | 1 of 1 | 2 |" in section
    assert "| Asleep | no | 4 | 1 | 0 | 0 of 0 | 0 of 1 | 2 |" in section
    assert "8 choices of 2 raters on 4 cases; alpha is 1.00 over 4 pairs" in section
    assert "Left out, since they passed less than 80 % of their attention checks: Asleep." in section
    assert "1 choice of cases or arms that this evaluation does not have: left out." in section
    assert "<script>" not in section


def test_it_is_read_back_from_the_summary(results: Results, tmp_path: Path) -> None:
    (tmp_path / "summary.json").write_bytes(as_json(to_json(results.summary)))
    assert summary_file.read(tmp_path / "summary.json").people == results.summary.people


def test_the_report_tells_it_on_its_first_page_and_in_each_case(results: Results) -> None:
    index = report.build(results)
    page, details = (path.read_text(encoding="utf-8") for path in (index, index.parent / "cases" / "000.js"))
    assert f"<h2>{people.TITLE}</h2>" in page
    assert "&lt;script&gt;window.ran = 1" in page
    assert '"people":["Pure or +LVLM: 2 × +LVLM"]' in details
    assert '"people":["Pure or +LVLM: 2 × no difference"]' in details


def test_nothing_is_told_where_nobody_was_asked(tmp_path: Path) -> None:
    results = Study(tmp_path / "run", list(CASES)).results()
    assert results.summary.people is None
    assert people.TITLE not in tables.markdown(results.summary)
    assert people.TITLE not in report.build(results).read_text(encoding="utf-8")
