"""A finished run, told to MLflow: settings as parameters, means and differences as metrics, tables and plots as files.

Where to is MLflow's own matter (MLFLOW_TRACKING_URI). What may be claimed of the numbers is in `summary.md` alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from fsrbench.core.errors import SettingsError, first_line, missing_package
from fsrbench.core.values import PURE

if TYPE_CHECKING:
    from pathlib import Path

    from fsrbench.show.notebook import Run
    from fsrbench.study.store import RunFolder

MOST = 100
"""Parameters that MLflow takes at once."""
LONGEST = 500
"""Characters of a parameter, in every version of it."""


def log(run: Run, experiment: str) -> str:
    """Log a run as a new one of MLflow's, and return the id it has there."""
    try:
        import mlflow
    except ImportError:
        raise missing_package("mlflow", "mlflow", "fsrbench log") from None
    numbers = dict(metrics(run))  # before anything is sent: a run that was not evaluated is refused
    stated = parameters(run.folder.study()["settings"], set(run.summary["family"]), set(run.summary["arm"]))
    try:
        mlflow.set_experiment(experiment)
        with mlflow.start_run(run_name=run.path.resolve().name) as made:
            while part := dict(islice(stated, MOST)):
                mlflow.log_params(part)
            mlflow.log_metrics(numbers)
            for file in files(run.folder):
                mlflow.log_artifact(str(file))
            if run.folder.plots.is_dir():
                mlflow.log_artifacts(str(run.folder.plots), run.folder.plots.name)
    except mlflow.MlflowException as error:
        raise SettingsError(
            f"MLflow cannot take it: {first_line(error)}. Where it is sent is set by MLFLOW_TRACKING_URI."
        ) from error
    return str(made.info.run_id)


def files(folder: RunFolder) -> list[Path]:
    """What is handed over beside the plots, as far as it is there."""
    wanted = (
        folder.study_file, folder.summary_text, folder.summary_file, folder.scores_file, folder.run_config_file,
        folder.failures_file, folder.contact_sheet,
    )  # fmt: skip
    return [file for file in wanted if file.is_file()]


def metrics(run: Run) -> Iterator[tuple[str, float]]:
    """Pure's means, and each arm's differences with their intervals; a number that is missing is left out."""
    for row in run.summary.to_dict("records"):
        place = f"{row['family']}/{row['arm']}/{row['metric']}"
        kinds = (
            {place: "mean"} if row["arm"] == PURE else {f"{place}/{kind}": kind for kind in ("delta", "low", "high")}
        )
        for name, kind in kinds.items():
            if math.isfinite(row[kind]):
                yield name, float(row[kind])


def parameters(settings: Mapping[str, Any], families: set[str], arms: set[str]) -> Iterator[tuple[str, str]]:
    """Every setting of the run by its key with dots; of families and arms, those that it has."""
    for key, value in settings.items():
        kept = {"families": families, "arms": arms}.get(key)
        yield from _flat(key, value if kept is None else {name: value[name] for name in value if name in kept})


def _flat(key: str, value: object) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}", inner)
    else:
        yield key, str(value)[:LONGEST]
