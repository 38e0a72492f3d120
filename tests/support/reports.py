"""Results that no run has made, for tests of the report: as many cases as are wanted, a few small pictures for all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from fsrbench.core import plugins
from fsrbench.core.values import PURE, Audit, Decision, Failure, Restoration, Round, Score, Trail, Verdict
from fsrbench.imaging import images
from fsrbench.measure import summary as summarising
from fsrbench.measure.choices import Choice
from fsrbench.measure.results import Numbers, Results
from fsrbench.measure.subjects import Evaluation, Subject
from fsrbench.study.store import RunFolder
from support import draw_face

EVIL = "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>\u2028 & \"é\" ]]>"
"""What an auditor, a server or a table may say."""
EVIL_CASE = "case <script>window.ran = 3 & 'é'"
"""What a picture may be called."""
ARMS = ("lvlm", "random", "rerun")


@dataclass
class Study:
    """Results that no run has made: a few small pictures, shared by all cases."""

    root: Path
    cases: list[str]
    side: int = 64
    failures: list[Failure] = field(default_factory=list)
    seed: int = 0
    choices: tuple[Choice, ...] = ()

    def results(self) -> Results:
        rng = np.random.default_rng(self.seed)
        self.faces = []
        for number in range(4):
            face = images.as_stored(draw_face(self.side, number))
            path = self.root / "general" / f"{number}.png"
            images.write(path, face)
            self.faces.append((path, images.pixel_hash(face)))
        self.lr, self.hr = self.root / "inputs" / "lr.png", self.root / "inputs" / "hr.png"
        images.write(self.lr, draw_face(self.side // 4, 1))
        images.write(self.hr, draw_face(self.side, 9))
        what = Evaluation(
            [self._subject(case, place) for place, case in enumerate(self.cases)],
            {name: plugins.load("metrics", name) for name in ("psnr", "ssim", "niqe")},
            labels={"general": ["embedded (tiny)"]},
            marks={"rerun": "noise floor"},
            notes=(f"A note: {EVIL}",),
            roles={"lvlm": "contender", "random": "control", "rerun": "floor"},
            choices=self.choices,
            degraded={self.cases[0]: {"recipe": "paper", "blur": "1.25", "note": EVIL}},
        )
        scores = []
        for subject in what.subjects:
            for metric, base, spread in (("psnr", 25.0, 0.5), ("ssim", 0.7, 0.02), ("niqe", 6.0, 0.4)):
                pure = base + rng.normal(0, 1)
                for arm in (PURE, *ARMS):
                    moved = 0.0 if arm == PURE else rng.normal(0, spread * (0.1 if arm == "rerun" else 1))
                    scores.append(Score(subject.case, "general", arm, metric, round(pure + moved, 6)))
        numbers = Numbers(scores)
        few = replace(what, subjects=what.subjects[:12])  # statistics of thousands would take their time
        folder = RunFolder(self.root)
        folder.write_failures(self.failures, lambda _: False)
        summary = summarising.summarise(few, numbers, folder.failures())
        findings = {"general": f"Nothing was found. {EVIL}"}
        return Results(self.root, what, numbers, replace(summary, findings=findings))

    def _subject(self, case: str, place: int) -> Subject:
        chosen = [self.faces[(place + step) % 4] for step in range(3)]
        pure, changed = chosen[0], chosen[1]
        rounds = [Round(PURE, 0, self._made(pure))]
        for arm in ARMS:
            if arm == "rerun":
                rounds.append(Round(arm, 1, self._made(pure)))
            elif place % 3 == 0:
                rounds.append(Round(arm, 1, self._made(pure), *_accepted(place)))
            else:
                rounds.append(Round(arm, 1, self._made(changed), *_retried(case, place)))
        trail = Trail(case, "general", "0" * 64, tuple(rounds))
        variants = {arm: self.root / trail.final(arm).path for arm in (PURE, *ARMS)}
        return Subject("general", case, self.lr, self.hr, variants, trail)

    def _made(self, face: tuple[Path, str]) -> Restoration:
        path = face[0].relative_to(self.root).as_posix()
        return Restoration("bicubic", "embedded (tiny)", {"denoise": 0.5}, 2**60 + 1, path, face[1], 0.1, "fp32")


def _accepted(place: int) -> tuple[Audit, Decision]:
    return Audit("ok", 85, 90 + place % 10, (), {}, "clean"), Decision("accept", "score reached", "score 85 reached 80")


def _retried(case: str, place: int) -> tuple[Audit, Decision, Verdict]:
    tags = ("ringing",) if place % 2 else ("ringing", "blockiness")
    audit = Audit(
        "ok", 50 + place % 25, 88, tags, {"denoise": 9, "magic": EVIL}, f"{EVIL} of {case}", ("fence removed",)
    )
    dropped = {"magic": "not a knob"}
    decision = Decision("retry", "hints followed", "score below 80", {"denoise": 1.0}, {"denoise": "9 → 1"}, dropped)
    return audit, decision, Verdict(True, "preferred", "preferred in both orders", ("candidate", "candidate"))
