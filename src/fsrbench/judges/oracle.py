"""An upper bound: the candidate that a metric with the reference likes best. Privileged, and never a contender."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.values import Ranking
from fsrbench.judges import _ordered


class ByReference(BaseModel):
    """Which metric decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = "psnr"
    """Its name."""


def _open(settings: ByReference, machine: Machine) -> Callable[[Contest], Ranking]:
    metric: Metric = plugins.load("metrics", settings.metric)
    measure, sign = metric.open(machine), 1 if metric.better == "higher" else -1

    def judge(contest: Contest) -> Ranking:
        if contest.reference is None:
            raise TypeError("the oracle was asked without a reference")
        values = measure(contest.pictures, contest.reference)
        return _ordered.ranking(f"oracle {settings.metric}", [sign * value for value in values])

    return judge


JUDGE = Judge(
    "Upper bound: the candidate that a metric with the reference likes best.",
    open=_open,
    settings=ByReference,
    privileged=True,
    measures=lambda settings: (settings.metric,),
)
