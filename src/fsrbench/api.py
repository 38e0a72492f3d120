"""What the command line and notebooks call: degrade, restore one picture or many, run, evaluate, load.

    import fsrbench
    run = fsrbench.run(hr="faces", lr="lr", out="outputs/mine", arms=["heuristic"])
    run.summary

Each command of `fsrbench` parses its options, calls the function of its name here, and prints. What a user can mend is
a `FsrbenchError`, whose text is the cure; options are named in it as on the command line. Nothing is printed: notes go
to the logger `fsrbench`. An interrupt is a KeyboardInterrupt; the same call goes on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from fsrbench.core import execute
from fsrbench.core.errors import SettingsError
from fsrbench.show.progress import tracking

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from fsrbench.case.degrade import DegradeReport
    from fsrbench.core.execute import Track
    from fsrbench.core.stored import Knobs
    from fsrbench.experiments.estimate import RunEstimate
    from fsrbench.experiments.pictures import RestoreReport
    from fsrbench.experiments.single import RestoredPicture
    from fsrbench.measure.subjects import Evaluation
    from fsrbench.show.notebook import Run
    from fsrbench.study.schema import Settings
    from fsrbench.study.store import RunFolder

log = logging.getLogger("fsrbench")
StrPath: TypeAlias = str | os.PathLike[str]
Names: TypeAlias = str | Iterable[str]
Changes: TypeAlias = Mapping[str, Any] | Iterable[str]
"""Settings as a mapping, laid out as in the YAML; or texts as after `--set`, `policy.retries=2`."""
OUTPUTS = Path("outputs")
"""Where results go that nobody gave a place."""


def degrade(
    hr: StrPath,
    lr: StrPath,
    recipe: str = "paper",
    scale: int = 4,
    *,
    hr_size: int | None = None,
    seed: int = 0,
    table: StrPath | None = None,
    preset: str | None = None,
    workers: int | None = None,
    progress: bool | Track = False,
) -> DegradeReport:
    """Make low-resolution faces of a folder of high-resolution ones; every drawn value goes to `lr/degradations.csv`.

    With `table`, an earlier `degradations.csv`, the same pictures are made again from its values. A `preset` names a
    well-known set of faces (celeba-test, ffhq, lfw), whose layout is checked and whose persons are written beside the
    LR; `hr_size` is then the set's, else 512. What is returned says which cases are `done`, which `failed` and why,
    which were `cropped`, and where the `table` lies.
    """
    from fsrbench.case import degrade as degrading
    from fsrbench.case import presetfolder

    if table is not None and (recipe, scale, hr_size or 512, seed, preset) != ("paper", 4, 512, 0, None):
        raise SettingsError("--from takes recipe, scale, size, seed and set from its table: leave these options out.")
    found = presetfolder.sharp(preset, _path(hr)) if preset is not None else None
    size = hr_size or (found.preset.hr_size if found else 512)
    with tracking(progress) as track:
        report = degrading.degrade(
            found.folder if found else _path(hr), _path(lr), recipe=recipe, scale=scale, hr_size=size, seed=seed,
            workers=_many(workers) or execute.WORKERS, table=_maybe(table), track=track,
        )  # fmt: skip
    if found is None:
        return report
    persons = presetfolder.write_persons(found, _path(lr), report.done)
    following = presetfolder.next_command(found, _path(lr), scale, size, persons)
    return replace(report, persons=persons, remarks=found.remarks, following=following)


def restore(
    picture: StrPath | NDArray[np.uint8] | NDArray[np.floating[Any]],
    family: str = "general",
    knobs: Knobs | None = None,
    models: str | None = None,
    *,
    seed: int | None = None,
    settings: Changes | None = None,
    config: StrPath | None = None,
    device: str = "auto",
    precision: str = "fp32",
    offline: bool = False,
) -> RestoredPicture:
    """Restore one picture: a file, or an array of height × width × 3 (uint8, or floats from 0 to 1).

    `models` is `embedded` or `official`. `knobs` turns some of the family's knobs (`fsrbench knobs` lists them), the
    others stand at their defaults. The picture is in `image` of what is returned, with the `model` that made it and
    its `notes`; a run with these settings has the same as pure of a file of this name. The network is loaded anew
    each time: for many pictures, `restore_all`.
    """
    import numpy as np

    from fsrbench.experiments import single
    from fsrbench.study import machines

    chosen = _settings(config, settings, seed=seed, models=models)[0]
    machine = machines.machine(chosen, device, precision, offline)
    given = picture if isinstance(picture, np.ndarray) else _path(picture)
    return single.restore(given, chosen, machine, family, knobs or {})


def restore_all(
    inputs: StrPath | Iterable[StrPath],
    out: StrPath | None = None,
    family: str = "general",
    knobs: Knobs | None = None,
    models: str | None = None,
    *,
    arm: str | None = None,
    save_faces: StrPath | None = None,
    seed: int | None = None,
    settings: Changes | None = None,
    config: StrPath | None = None,
    workers: int | None = None,
    device: str = "auto",
    precision: str = "fp32",
    offline: bool = False,
    progress: bool | Track = False,
) -> RestoreReport:
    """Restore files, and every picture of folders and of those below, into a folder that keeps their tree.

    `out` is that folder, or one `.png` for one picture. An `arm` supervises, and turns the knobs itself. `save_faces`
    is a folder for the faces of each picture, cut out before and after. The same call again makes only what is missing,
    or what other settings would make otherwise. What is returned says which were `done`, `kept` and `failed`, and why.
    """
    from fsrbench.experiments import facecrops, pictures, single
    from fsrbench.study import machines

    given = [inputs] if isinstance(inputs, str | os.PathLike) else inputs
    chosen = _settings(config, settings, seed=seed, models=models)[0]
    machine = machines.machine(chosen, device, precision, offline)
    many = _many(workers) or execute.WORKERS
    folder = _path(out) if out else OUTPUTS / "restored"
    planned = pictures.plan([_path(one) for one in given], folder, [_path(save_faces)] if save_faces else [])
    restorer = single.PictureRestorer(chosen, machine, family, knobs, arm)
    aligned = chosen.families[family].aligned is True
    crops = facecrops.FaceCrops(_path(save_faces), machine, aligned=aligned) if save_faces else None
    with tracking(progress) as track:
        return pictures.restore_all(planned, restorer, machine, crops, many, track)


def run(
    *,
    lr: StrPath,
    hr: StrPath | None = None,
    out: StrPath | None = None,
    families: Names | None = None,
    arms: Names | None = None,
    settings: Changes | None = None,
    config: StrPath | None = None,
    models: str | None = None,
    seed: int | None = None,
    limit: int | None = None,
    policy: str | None = None,
    base_url: str | None = None,
    lvlm_model: str | None = None,
    concurrency: int | None = None,
    max_cost: float | None = None,
    evaluate: bool = True,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    offline: bool = False,
    progress: bool | Track = False,
) -> Run:
    """Restore every picture of `lr` alone and with each arm, then measure the difference; `hr` holds the references.

    The same call again finishes what is missing; families and arms may be added later. Without `families` all are
    run; without `arms` those that `config` or `settings` define. What failed does not raise: it is in `failures` of
    the run that is returned, and in its `outcome`, which also says why the run stopped early, if it did.
    """
    from fsrbench.measure import ahead
    from fsrbench.show import notebook, publish
    from fsrbench.study import machines
    from fsrbench.study.run import run_study, unheeded

    chosen, folder = _planned(
        lr, out, families, arms, settings, config, models, seed, limit, policy, base_url, lvlm_model, concurrency,
        max_cost,
    )  # fmt: skip
    log.info("Writing to %s", folder)
    asked = _many(workers)
    with tracking(progress) as track:
        with machines.executor(executor, address, device, asked, chosen) as (where, many, pool):
            machine = machines.resolved(chosen, where, precision, offline)
            here = machines.machine(chosen, device if executor == "local" else "auto", precision, offline)
            with ahead.measuring(here) if evaluate else nullcontext(unheeded) as finished:
                outcome = run_study(
                    chosen, machine, _path(lr), _maybe(hr), folder, limit=limit, workers=many, track=track,
                    executor=pool, finished=finished,
                )  # fmt: skip
        measured = evaluate and any(True for _ in outcome.folder.trails())
        if measured:
            publish.run(outcome.folder, here, asked or execute.WORKERS, track)
    return notebook.Run(folder, outcome, measured)


def estimate(
    *,
    lr: StrPath,
    hr: StrPath | None = None,
    out: StrPath | None = None,
    families: Names | None = None,
    arms: Names | None = None,
    settings: Changes | None = None,
    config: StrPath | None = None,
    models: str | None = None,
    seed: int | None = None,
    limit: int | None = None,
    policy: str | None = None,
    base_url: str | None = None,
    lvlm_model: str | None = None,
    concurrency: int | None = None,
    max_cost: float | None = None,
    workers: int | None = None,
    executor: str = "local",
    address: str | None = None,
    device: str = "auto",
    precision: str = "fp32",
    offline: bool = False,
) -> RunEstimate:
    """What `run` would take with the same arguments: restorations, requests, tokens, money, time on this machine.

    Only what is missing is counted. One case of each family is restored; nothing is sent, downloaded, or written in the
    run's folder. With `executor="ray"` no cluster is reached, and no time is told.
    """
    from fsrbench.experiments import estimate as estimating
    from fsrbench.study import machines

    chosen, folder = _planned(
        lr, out, families, arms, settings, config, models, seed, limit, policy, base_url, lvlm_model, concurrency,
        max_cost,
    )  # fmt: skip
    here = executor != "ray"
    kind, there = (executor, address) if here else ("local", None)
    with machines.executor(kind, there, device, _many(workers), chosen) as (where, many, _pool):
        machine = machines.resolved(chosen, where, precision, offline)
        return estimating.estimate(chosen, machine, _path(lr), _maybe(hr), folder, limit=limit, workers=many, here=here)


def evaluate(
    run: StrPath | Run | None = None,
    *,
    hr: StrPath | None = None,
    arms: Mapping[str, StrPath] | None = None,
    out: StrPath | None = None,
    settings: Changes | None = None,
    config: StrPath | None = None,
    workers: int | None = None,
    device: str = "auto",
    offline: bool = False,
    progress: bool | Track = False,
) -> Run:
    """Measure a finished run again, or folders of pictures: `arms={"pure": DIR, "lvlm": DIR}`, results in `out`.

    Of a run, `settings` may change what is measured (`metrics`, `hr_size`, …) and `hr` says where its references are
    now. Only what is missing or changed is measured.
    """
    from fsrbench.show import notebook, publish
    from fsrbench.study import machines

    path = run.path if isinstance(run, notebook.Run) else run
    if (path is None) == (not arms):
        raise SettingsError("Name a run's folder, or plain folders: --hr DIR --arm pure=DIR --arm lvlm=DIR.")
    if path is None:
        plain = {name: _path(one) for name, one in (arms or {}).items()}
        folder, what, chosen = _of_folders(_maybe(hr), plain, out, config, settings)
    else:
        if out is not None:
            raise SettingsError("--out is for plain folders: a run is evaluated in its own folder.")
        folder, what, chosen = _of_run(_path(path), _maybe(hr), config, settings)
    machine = machines.machine(chosen, device, offline=offline)
    with tracking(progress) as track:
        publish.publish(what, folder, machine, _many(workers) or execute.WORKERS, track)
    return notebook.Run(folder.root, evaluated=True)


def load(run: StrPath) -> Run:
    """A finished run, or an evaluation of plain folders: its tables as pandas DataFrames, its settings, its pictures.

    `scores`, `rounds`, `candidates`, `failures` and `summary` are read when they are asked for.
    """
    from fsrbench.show import notebook

    return notebook.load(_path(run))


# ------------------------------------------------------------------ in between


def _planned(
    lr: StrPath,
    out: StrPath | None,
    families: Names | None,
    arms: Names | None,
    settings: Changes | None,
    config: StrPath | None,
    models: str | None,
    seed: int | None,
    limit: int | None,
    policy: str | None,
    base_url: str | None,
    lvlm_model: str | None,
    concurrency: int | None,
    max_cost: float | None,
) -> tuple[Settings, Path]:
    """The settings of a run, and its folder."""
    from fsrbench.files import names
    from fsrbench.study import config as configuring

    if limit is not None and limit < 1:
        raise SettingsError(f"--limit is {limit}; it must be at least 1.")
    chosen, own_arms = _settings(config, settings, seed=seed, models=models)
    chosen = configuring.with_families(chosen, ["all"] if families is None else _names(families))
    chosen = configuring.with_controls(configuring.with_arms(chosen, own_arms if arms is None else _names(arms)))
    chosen = configuring.with_options(
        chosen, base_url=base_url, model=lvlm_model, policy=policy, concurrency=concurrency, max_cost=max_cost
    )
    folder = _path(out) if out else OUTPUTS / names.of(_path(lr).resolve().name, f"-{chosen.models}-seed{chosen.seed}")
    if policy is not None and (told := configuring.followed(chosen, policy)):
        log.warning(told)
    return chosen, folder


def _of_run(
    path: Path, hr: Path | None, config: StrPath | None, changes: Changes | None
) -> tuple[RunFolder, Evaluation, Settings]:
    """What a run's folder holds, measured as its own settings say but for what is changed."""
    from fsrbench.measure import subjects
    from fsrbench.study.store import RunFolder

    folder = RunFolder(path)
    settings, _ = _settings(config, changes, base=folder.study()["settings"])
    return folder, subjects.of_run(folder, settings, hr), settings


def _of_folders(
    hr: Path | None, arms: Mapping[str, Path], out: StrPath | None, config: StrPath | None, changes: Changes | None
) -> tuple[RunFolder, Evaluation, Settings]:
    """What plain folders hold; what is drawn goes to a folder that is none of them."""
    from fsrbench.measure import subjects
    from fsrbench.study.store import RunFolder

    folder = RunFolder(_path(out) if out else OUTPUTS / "evaluation")
    if folder.study_file.is_file():
        raise SettingsError(f"{folder.root} holds a run, whose tables would be overwritten. Use another --out.")
    settings, _ = _settings(config, changes)
    if folder.root.resolve() in {one.resolve() for one in (*arms.values(), *([hr] if hr else ()))}:
        raise SettingsError(
            f"{folder.root} holds pictures that are measured: what is drawn would be among them "
            "the next time. Use another --out."
        )
    return folder, subjects.of_folders(hr, arms, folder.root.resolve().name, settings), settings


def _settings(
    config: StrPath | None,
    changes: Changes | None,
    *,
    base: Mapping[str, Any] | None = None,
    seed: int | None = None,
    models: str | None = None,
) -> tuple[Settings, tuple[str, ...]]:
    """Settings of a file, with changes over them and what has a name of its own over those; and the arms they define.

    They are laid over `base`, a finished run's settings, or over the shipped defaults.
    """
    from fsrbench.study import config as configuring

    named = [f"{name}={value}" for name, value in (("seed", seed), ("models", models)) if value is not None]
    if not isinstance(changes, Mapping):
        return configuring.load(_maybe(config), [*_names(changes or ()), *named], base)
    below, arms = configuring.load(_maybe(config), (), base)
    own = changes.get("arms")
    laid = configuring.lay(changes, named, below.model_dump(mode="json"))
    return laid, (*arms, *(own if isinstance(own, Mapping) else ()))


def _path(given: StrPath) -> Path:
    return Path(given).expanduser()


def _maybe(given: StrPath | None) -> Path | None:
    return None if given is None else _path(given)


def _names(given: Names) -> list[str]:
    """One name, or several."""
    return [given] if isinstance(given, str) else list(given)


def _many(workers: int | None) -> int | None:
    """A number of workers that somebody asked for."""
    if workers is not None and workers < 1:
        raise SettingsError(f"--workers is {workers}; it must be at least 1.")
    return workers
