"""Where everything lies in a run's folder: the only place that spells its names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fsrbench.core.values import PURE
from fsrbench.files import names


@dataclass(frozen=True)
class RunPaths:
    """Names of one run's files."""

    root: Path
    """The run's folder."""

    @property
    def study_file(self) -> Path:
        """The resolved settings of the run."""
        return self.root / "study.yaml"

    @property
    def lock(self) -> Path:
        """The file that is locked by whoever writes here."""
        return self.root / ".lock"

    @property
    def scores_file(self) -> Path:
        """Every number that was measured."""
        return self.root / "scores.csv"

    @property
    def choosing_file(self) -> Path:
        """What every choice among candidates gained."""
        return self.root / "choosing.csv"

    @property
    def summary_file(self) -> Path:
        """What the numbers come to, for programs."""
        return self.root / "summary.json"

    @property
    def summary_text(self) -> Path:
        """The same for people."""
        return self.root / "summary.md"

    @property
    def contact_sheet(self) -> Path:
        """A few cases on one picture."""
        return self.root / "contact_sheet.png"

    @property
    def plots(self) -> Path:
        """Folder of the plots."""
        return self.root / "plots"

    @property
    def report(self) -> Path:
        """Folder of the report."""
        return self.root / "report"

    @property
    def report_page(self) -> Path:
        """Its first page."""
        return self.report / "index.html"

    @property
    def audits(self) -> Path:
        """Folder of everything that was exchanged with auditors."""
        return self.root / "audits"

    @property
    def choices(self) -> Path:
        """Folder of what people chose."""
        return self.root / "choices"

    @property
    def choices_key(self) -> Path:
        """From what the names are drawn under which pictures are shown to people."""
        return self.choices / "key"

    def choices_file(self, rater: str) -> Path:
        """Every choice of one person as a line."""
        return self.choices / names.of(rater, ".jsonl")

    @property
    def judged(self) -> Path:
        """Folder of how good judges are, and of all that they were asked to find out."""
        return self.root / "judge"

    @property
    def judged_file(self) -> Path:
        """What that came to, for programs."""
        return self.judged / "judge.json"

    @property
    def judged_page(self) -> Path:
        """The same as a page that stands alone."""
        return self.judged / "index.html"

    @property
    def heard_file(self) -> Path:
        """Every answer of a judge as a line."""
        return self.judged / "heard.jsonl"

    @property
    def failures_file(self) -> Path:
        """What failed, and why."""
        return self.root / "failures.csv"

    @property
    def run_config_file(self) -> Path:
        """Every round of every case as a row."""
        return self.root / "run_config.csv"

    @property
    def candidates_file(self) -> Path:
        """A row for each picture that an arm could have ended with."""
        return self.root / "candidates.csv"

    def trail_file(self, family: str, case: str) -> Path:
        """Where the trail of a case is stored."""
        return Path(self.root, "trails", family, names.of(case, ".json"))

    def picture_name(self, family: str, arm: str, case: str, number: int | None = None) -> str:
        """Where a picture lies, relative to the root: the arm's last one, or that of an earlier round."""
        folder = "pure-fsr" if arm == PURE else f"fsr+{arm}"
        if number is None:
            return f"{family}/{folder}/{names.of(case, '.png')}"
        return f"{family}/{folder}/rounds/{names.of(case, f'-{number}.png')}"

    def candidate_name(self, family: str, arm: str, case: str, step: int, number: int) -> str:
        """Where a picture lies that an arm made and did not end with, relative to the root."""
        return f"{family}/fsr+{arm}/candidates/{names.of(case, f'-{step}-{number}.png')}"

    def panel_name(self, family: str, case: str) -> str:
        """Where a case's panel lies, relative to the root."""
        return f"{family}/panels/{names.of(case, '.png')}"

    def exchange_file(self, family: str, arm: str, case: str, number: int) -> Path:
        """Where an exchange with an auditor is kept."""
        return Path(self.audits, family, arm, names.of(case, f"-{number}.json"))
