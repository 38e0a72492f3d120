"""A judge asked to order what an arm could end with, alike for all ways that ask one."""

from __future__ import annotations

from collections.abc import Sequence

from fsrbench.core.judging import Contest
from fsrbench.core.values import Ranking, derive_seed
from fsrbench.core.ways import ArmSetup, CaseContext, Proposal


def ranking(setup: ArmSetup, case: CaseContext, proposals: Sequence[Proposal]) -> Ranking:
    """The order of the arm's judge, counted as one question."""
    if setup.judge is None:
        raise TypeError(f"arm {setup.arm} was opened without a judge")
    pictures = tuple(one.picture.image for one in proposals)
    seed = derive_seed(case.pure.seed, setup.seeds, "judge")
    contest = Contest(case.case, case.family, seed, case.lr, pictures, case.reference, kept=case.kept)
    found = setup.judge(contest)
    case.spending.called(1, found.usage.cost)
    return found
