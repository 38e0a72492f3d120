"""The candidate that a metric without a reference likes best."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import BaseModel, ConfigDict

from fsrbench.core import plugins
from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import SettingsError
from fsrbench.core.judging import Contest, Judge
from fsrbench.core.values import Ranking
from fsrbench.judges import _ordered


class ByMetric(BaseModel):
    """Which metric decides."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = "niqe"
    """Its name."""


def _open(settings: ByMetric, machine: Machine) -> Callable[[Contest], Ranking]:
    metric: Metric = plugins.load("metrics", settings.metric)
    if metric.reference:
        raise SettingsError(
            f"The judge metric cannot go by {settings.metric}, which needs the reference: name one that does not "
            "(niqe), or the judge oracle."
        )
    measure, sign = metric.open(machine), 1 if metric.better == "higher" else -1
    return lambda contest: _ordered.ranking(
        f"metric {settings.metric}", [sign * value for value in measure(contest.pictures, None)]
    )


JUDGE = Judge(
    "The candidate that a metric without a reference likes best.",
    open=_open,
    settings=ByMetric,
    measures=lambda settings: (settings.metric,),
)
