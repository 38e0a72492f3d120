"""policy certified: an arm is followed as far as its certificate reaches, and only where that was made for."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fsrbench import __version__
from fsrbench.case import certificate, certified, making, pathfeatures, tuned
from fsrbench.case.certificate import Certificate, RadiusPrediction, SeenHarm
from fsrbench.case.certified import CertifiedArm
from fsrbench.case.pathfeatures import PathFeatures
from fsrbench.case.restore import Pipeline
from fsrbench.core import plugins
from fsrbench.core.budget import Spending
from fsrbench.core.contracts import Output
from fsrbench.core.errors import SettingsError
from fsrbench.core.stored import Knobs, to_json
from fsrbench.core.values import Audit, Image
from fsrbench.core.ways import CaseContext, RoundDraft
from fsrbench.imaging import images
from fsrbench.models import weights
from fsrbench.study import certificates, config
from fsrbench.study.store import RunFolder
from support import draw_face
from support.command import typed

STEPS = tuple(step / 8 for step in range(1, 9))
MADE = Certificate(
    format=1, family="general", arm={}, knobs=(), prompt=None, model="bicubic", weights={}, recipe="bicubic", scale=4,
    hr_size=96, seed=0, method="conformal", alpha=0.1, delta=None, persons=12, offset=0.1, steps=STEPS,
    metrics={"psnr": 0.0005, "ssim": 0.00005}, prediction=RadiusPrediction(0.7, {}), fitted=(), calibrated=(),
    seen=SeenHarm(12, 12, 11, 1), versions={"fsrbench": __version__},
)  # fmt: skip
LR = images.as_stored(draw_face(48))


class Enlarging:
    """A network that enlarges."""

    model = "enlarging"
    weights: dict[str, str] = {}  # noqa: RUF012

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        return Output(images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4))


def context(lr: Image = LR) -> CaseContext:
    pipeline = Pipeline(Enlarging(), {"detail_damping": plugins.load("knobs", "detail_damping")}, 4, "fp32")
    pure, spending = pipeline.restore(lr, {}, 1), Spending()
    make = making.Making(lr, pure, pipeline, None, making.Parts(), spending)  # type: ignore[arg-type]
    return CaseContext("general", "a", lr, pure, make, spending=spending)


def damping(case: CaseContext) -> list[RoundDraft]:
    return [RoundDraft(case.make.restore({"detail_damping": 0.5}), audit=Audit("ok", 40, 90))]


def arm(
    made: Certificate = MADE, *, known: bool = True, uncertified: bool = False, inner: Any = damping
) -> CertifiedArm:
    return CertifiedArm(inner, made, PathFeatures(), {"a": images.pixel_hash(LR)} if known else {}, uncertified)


# ------------------------------------------------------------------ the wrapper


def test_what_is_proposed_is_followed_as_far_as_the_certificate_reaches() -> None:
    case = context()
    proposed, stands = arm()(case)
    assert proposed.picture.knobs["detail_damping"] == 0.5
    assert stands.verdict is not None
    assert stands.verdict.why == "followed to 0.5: the certificate reaches 0.600"
    assert (stands.verdict.kept, stands.verdict.rule) == (True, "certified")
    way = 0.5 * case.pure.image.astype(np.float64) + 0.5 * proposed.picture.image
    assert np.array_equal(stands.picture.pixels, images.to_8bit(way.astype(np.float32)))
    assert [one.origin for one in stands.candidates] == ["pure", "proposed", "followed to 0.5"]
    assert stands.passes == 0
    assert case.make.knows(stands.picture)  # type: ignore[attr-defined]


def test_beyond_it_stand_the_bytes_of_pure() -> None:
    case = context()
    stands = arm(replace(MADE, offset=0.6))(case)[-1]
    assert stands.picture is case.pure
    assert stands.verdict is not None
    assert stands.verdict.why == "abstained: the certificate reaches 0.100, and the first step is 0.125"
    assert (stands.verdict.kept, stands.verdict.rule) == (False, "not certified")


@pytest.mark.parametrize("made", [replace(MADE, offset=None), replace(MADE, offset=-0.3)])
def test_all_the_way_is_the_very_picture(made: Certificate) -> None:
    steps = arm(made)(context())
    assert steps[-1].picture is steps[0].picture
    assert steps[-1].verdict is not None
    assert steps[-1].verdict.why.startswith("followed all the way: ")


def test_where_the_arm_stands_on_pure_nothing_follows() -> None:
    assert len(arm(inner=lambda case: [RoundDraft(case.pure)])(context())) == 1


def test_an_input_of_which_nothing_is_known_voids_the_guarantee() -> None:
    """It is not in the table of the degradations, or it is not the picture that stands there."""
    other = replace(context(), lr=draw_face(24, 3))
    for steps in (arm(known=False)(context()), arm()(other)):
        assert steps[-1].picture.sha256 == steps[-1].candidates[0].picture.sha256
        assert steps[-1].verdict is not None
        assert steps[-1].verdict.rule == "uncertified"
        assert "the guarantee is void" in steps[-1].verdict.why
    follows = arm(known=False, uncertified=True)(context())[-1].verdict
    assert follows is not None
    assert follows.why == "without a guarantee, followed to 0.5: the certificate reaches 0.600"


def test_a_feature_that_is_missing_makes_it_abstain() -> None:
    made = replace(MADE, prediction=RadiusPrediction(0.7, {"likeness": 0.1, "noise": 0.0}))
    stands = arm(made)(context())[-1]
    assert stands.verdict is not None
    assert stands.verdict.why == "abstained: the prediction rests on likeness, which cannot be had of this case"


@given(st.floats(-2, 3), st.one_of(st.none(), st.floats(-2, 3)))
def test_nobody_is_followed_further_than_the_certificate_reaches(intercept: float, offset: float | None) -> None:
    made = replace(MADE, prediction=RadiusPrediction(intercept, {}), offset=offset)
    reach = made.reach({})
    assert reach is not None
    share, why = certified.followed(made, {})
    assert share in (0, *STEPS)
    assert share <= max(reach, 0)
    assert share == 1 or share + 0.125 > reach
    assert why.startswith("followed" if share else "abstained")


# --------------------------------------------------------------------- features


def test_features_are_of_the_input_and_the_two_pictures_alone() -> None:
    case = context()
    picture = damping(case)[0].picture.image
    found = PathFeatures()(case.lr, case.pure.image, picture, Audit("ok", 40, None))
    assert set(found) == set(pathfeatures.NAMES) - {"confidence", "likeness"}
    assert all(map(math.isfinite, found.values()))
    assert found["change"] == pytest.approx(math.log10(np.sqrt(np.square(picture - case.pure.image).mean())), abs=1e-3)
    assert found["score"] == 40
    assert "change" not in PathFeatures()(case.lr, case.pure.image, case.pure.image)
    small = PathFeatures()(draw_face(8), draw_face(12), draw_face(12, 1))
    assert "sharpness" not in small


def test_the_reference_decides_nothing_even_where_one_is_there() -> None:
    """The features are handed the input, the two pictures and the audit; another reference changes nothing."""
    handed: list[tuple[Any, ...]] = []

    class Heard(PathFeatures):
        def __call__(self, *given: Any) -> dict[str, float]:
            handed.append(given)
            return super().__call__(*given)

    prediction = RadiusPrediction(0.0, {"noise": 0.1, "change": -0.2, "sharpness": 0.1})
    made, shares = replace(MADE, prediction=prediction), []
    for seed in (1, 2):
        case = replace(context(), reference=draw_face(192, seed))
        steps = replace(arm(made), features=Heard())(case)
        shares.append(steps[-1].picture.sha256)
        assert [given is case.reference for given in handed[-1]] == [False] * 4
        lr, pure, picture, audit = handed[-1]
        assert (lr is case.lr, pure is case.pure.image, picture is steps[0].picture.image) == (True, True, True)
        assert audit is steps[0].audit
    assert shares[0] == shares[1]


# ------------------------------------------------------------- the file, and runs


GENERAL = ["families.general.backend=bicubic", "hr_size=96", "metrics=psnr"]
ARM: dict[str, Any] = {"way": "constant", "with": {"knobs": {"detail_damping": 0.5}}}
SETTINGS = [*GENERAL, f"arms.same={json.dumps(ARM)}"]


def settled(*changes: str) -> Any:
    settings = config.load(None, [*SETTINGS, *changes])[0]
    return config.with_arms(config.with_families(settings, ["general"]), ["same"])


def written(path: Path, **changes: Any) -> Certificate:
    """A certificate for the arm of these tests."""
    settings = settled()
    own = {"arm": certificates.deciding(settings, "general", "same", "paper"), "knobs": (*settings.offered("general"),)}
    made = certificate.sealed(replace(MADE, **{**own, **changes}))
    path.write_text(json.dumps(to_json(made)), encoding="utf-8")
    return made


@pytest.fixture
def ready(tmp_path: Path) -> tuple[str, ...]:
    """Inputs of three faces, and the command of a run with the certified arm."""
    for number in range(3):
        images.write(tmp_path / "hr" / f"q{number}.png", draw_face(96, number))
    low = ["--hr", "hr", "--lr", "lr", "--hr-size", "96"]
    assert typed("degrade", *low, "--recipe", "bicubic", cwd=tmp_path).returncode == 0
    return (
        "run", "--family", "general", "--hr", "hr", "--lr", "lr", "--offline", "--arm", "same", "--out", "out",
        "--no-evaluate",
        *(word for change in SETTINGS for word in ("--set", change)),
        "--policy", "certified", "--set", "arms.same.certificate=c.json",
    )  # fmt: skip


def test_a_run_follows_to_the_step_and_records_what_is_promised(ready: tuple[str, ...], tmp_path: Path) -> None:
    made = written(tmp_path / "c.json")
    done = typed(*ready, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = RunFolder(tmp_path / "out")
    study = yaml.safe_load(folder.study_file.read_text(encoding="utf-8"))
    promised = {"alpha": 0.1, "delta": None, "method": "conformal", "persons": 12, "metrics": made.metrics}
    assert study["promises"] == {"general": {"same": promised}}
    assert study["weights"]["general"]["c.json (arm same)"] == made.sha256
    for trail in folder.trails():
        first, last = trail.arms["same"]
        pure, proposed, final = map(folder.picture, (trail.pure, first.restoration, last.restoration))
        blend = images.as_stored((0.5 * pure.astype(np.float64) + 0.5 * proposed).astype(np.float32))
        assert np.array_equal(final, blend)
    table = folder.run_config_file.read_text(encoding="utf-8")
    assert "followed to 0.5: the certificate reaches 0.600" in table
    again = typed("check", "out", "--pictures", cwd=tmp_path)
    assert again.returncode == 0, again.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"recipe": "realesrgan"}, "certified on recipe realesrgan, and inputs here were made by bicubic"),
        ({"weights": {"x.pth": "1" * 64}}, "certified on other networks"),
        ({"scale": 2}, "certified at scale 2, and this is 4"),
        ({"hr_size": 128}, "certified on faces of 128 pixels, and these inputs are of faces of 96"),
        ({"family": "blind"}, "made for the family blind, and this is general"),
        ({"knobs": ("dehalo",)}, "certified with the knobs dehalo, and the family general offers color_balance"),
        ({"arm": {"way": "constant"}}, "was certified with limits = None, and here it is"),
        ({"prompt": "1" * 64}, "certified with another prompt"),
        ({"format": 9}, "has format 9"),
        ({"versions": {"fsrbench": "0.0"}}, f"made by fsrbench 0.0, and this is {__version__}"),
        ({"steps": "far"}, "cannot be read"),
    ],
)
def test_a_certificate_of_something_else_is_refused(
    ready: tuple[str, ...], tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    written(tmp_path / "c.json", **change)
    done = typed(*ready, cwd=tmp_path)
    assert done.returncode == 2
    assert said in done.stderr
    assert "fsrbench certify" in done.stderr
    assert not list(tmp_path.glob("out/trails/*/*"))


def test_an_edited_certificate_is_refused(ready: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    written(path)
    path.write_text(path.read_text(encoding="utf-8").replace('"offset": 0.1', '"offset": 0.0'), encoding="utf-8")
    done = typed(*ready, cwd=tmp_path)
    assert done.returncode == 2
    assert "was edited after it was sealed" in done.stderr
    path.unlink()
    done = typed(*ready, cwd=tmp_path)
    assert "There is no certificate for same in the family general at c.json. Make one" in done.stderr


def test_photographs_make_it_abstain_unless_told_otherwise(ready: tuple[str, ...], tmp_path: Path) -> None:
    written(tmp_path / "c.json")
    (tmp_path / "lr" / "degradations.csv").unlink()
    done = typed(*ready, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the guarantee is void, and the arm abstains on every case" in done.stderr
    folder = RunFolder(tmp_path / "out")
    assert folder.study()["promises"] == {}
    assert all(trail.final("same").sha256 == trail.pure.sha256 for trail in folder.trails())
    pictures = [sorted((tmp_path / "out" / "general" / name).glob("*.png")) for name in ("pure-fsr", "fsr+same")]
    assert all(one.read_bytes() == other.read_bytes() for one, other in zip(*pictures, strict=True))
    anyway = typed(*ready, "--set", "arms.same.uncertified=true", "--out", "anyway", cwd=tmp_path)
    assert "followed without one, as the setting uncertified says" in anyway.stderr
    folder = RunFolder(tmp_path / "anyway")
    assert all(trail.final("same").sha256 != trail.pure.sha256 for trail in folder.trails())
    assert folder.study()["promises"] == {}


def test_faces_that_it_was_calibrated_on_are_said(ready: tuple[str, ...], tmp_path: Path) -> None:
    written(tmp_path / "c.json", calibrated=(images.read_hashed(tmp_path / "hr" / "q1.png")[1],))
    done = typed(*ready, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "certified on the very faces of 1 of these inputs (q1): what it promises is about other" in done.stderr


def test_who_cannot_be_certified() -> None:
    for own in ({"way": "rerun"}, {"auditor": "oracle"}):
        with pytest.raises(SettingsError, match="sees the reference, or is there to show noise, cannot be certified"):
            config.load(None, [f"arms.x={json.dumps({**own, 'policy': 'certified'})}"])
    with pytest.raises(SettingsError, match="Arm same names a certificate, and under policy paper none bounds it"):
        certificates.check(settled("arms.same.certificate=c.json"), "general")
    chosen = config.with_options(config.with_arms(config.load(None)[0], ["heuristic", "rerun"]), policy="certified")
    assert {name: arm.policy for name, arm in chosen.arms.items()} == {"heuristic": "certified", "rerun": "paper"}
    assert "rerun sees the reference, or shows noise, and stays as it is" in config.followed(chosen, "certified")


def test_without_an_experiment_nothing_is_promised(ready: tuple[str, ...], tmp_path: Path) -> None:
    written(tmp_path / "c.json")
    own = [*SETTINGS, "arms.same.policy=certified", "arms.same.certificate=c.json"]
    words = ["restore", "lr", "--arm", "same", "--family", "general", *(f"--set={change}" for change in own)]
    done = typed(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert "promises nothing where it is not known how a picture was degraded" in done.stderr
    done = typed(*words, "--set", "arms.same.uncertified=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_where_a_certificate_lies(tmp_path: Path) -> None:
    assert certificate.place(str(tmp_path), "general", "lvlm") == tmp_path / "general-lvlm.json"
    assert certificate.place("x.json", "general", "lvlm") == Path("x.json")
    assert certificate.place("shipped", "blind", "internal").name == "blind-internal.json"
    assert certificate.place("shipped", "blind", "internal").parent.name == "certificates"


@pytest.mark.parametrize("family", ["general", "blind", "prior"])
def test_the_shipped_certificates_are_of_the_shipped_networks(family: str) -> None:
    path = certificate.place(certificate.SHIPPED, family, "constant")
    found = certificate.read(path, family, "constant")
    own = {weights.sha256(weights.embedded(name)) for name in (family, "faithful")}
    constant = tuned.place(tuned.SHIPPED, family)
    assert own <= set(found.weights.values()) <= own | {weights.sha256(constant)}, (
        "make them again: docs/certificate.md"
    )
    assert (found.recipe, found.alpha, found.persons) == ("paper", 0.1, 16)
