"""evidence.py: made of LR and SR only, honest about what could not be measured."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import cv2
import numpy as np
import pytest

from fsrbench.case import evidence
from fsrbench.core import plugins
from fsrbench.core.contracts import Instrument, Machine, Sight
from fsrbench.core.errors import Unavailable
from fsrbench.core.questions import Evidence
from fsrbench.core.values import Case, Image, derive_seed
from fsrbench.imaging import agreement, artifacts, images
from support import draw_face
from support.questions import bare_tools

Faces: TypeAlias = dict[str, Image]

BARE = Machine(offline=True)
NOTHING = bare_tools()


def pair(size: int = 192) -> tuple[Image, Image]:
    sr = draw_face(size)
    return images.as_stored(images.resize(sr, size // 4, size // 4)), sr


def consistency(lr: Image, sr: Image) -> float:
    return agreement.consistency(lr, artifacts.Look(sr, lr).shrunk)


def shortfall(lr: Image, sr: Image) -> float:
    return agreement.shortfall(lr, artifacts.Look(sr, lr).shrunk)


@pytest.fixture(scope="module")
def look() -> Callable[[Image, Image], Evidence]:
    return evidence.open_tools(BARE)


@pytest.fixture(scope="module")
def references(eval_faces: Path) -> Faces:
    """Six people on whom nothing here was set."""
    found = images.find(eval_faces)
    return {case: images.as_stored(images.fit_square(images.read(path), 512)) for case, path in found.items()}


def test_without_weights_it_says_so(look: Callable[[Image, Image], Evidence]) -> None:
    lr, sr = pair()
    seen = look(lr, sr)
    assert seen.places == "canonical FFHQ places"
    assert seen.qa["identity"] is None
    assert seen.qa["lpips"] is None
    assert seen.qa["niqe"] is not None
    assert 3 <= len(seen.patches) <= 5
    for patch in seen.patches:
        x0, y0, x1, y1 = patch.box
        assert np.array_equal(patch.image, images.as_stored(sr)[y0:y1, x0:x1])
        assert patch.image.size
    assert np.array_equal(seen.sr, images.as_stored(sr))
    assert np.array_equal(seen.lr, lr)


def test_threads_see_the_same(look: Callable[[Image, Image], Evidence]) -> None:
    lr, sr = pair()
    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(lambda _: look(lr, sr).qa, range(3)))
    assert seen[0] == seen[1] == seen[2]


def test_landmarks_place_the_patches(shared_weights: Path, face: Image) -> None:
    machine = Machine(
        offline=True,
        detector=shared_weights / "scrfd_2.5g_bnkps.onnx",
        recogniser=shared_weights / "mobilefacenet_arcface.onnx",
    )
    lr = images.as_stored(images.resize(face, 128, 128))
    seen = evidence.open_tools(machine)(lr, face)
    assert seen.places == "landmarks"
    assert {patch.name for patch in seen.patches} == {"left_eye", "right_eye", "nose", "mouth", "skin"}
    identity = seen.qa["identity"]
    assert identity is not None
    assert identity > 0.5


def test_consistency_is_psnr_at_the_input_size() -> None:
    lr, sr = pair()
    shrunk = images.resize(sr, lr.shape[1], lr.shape[0])
    expected = -10 * math.log10(float(np.mean((shrunk.astype(np.float64) - lr) ** 2)))
    assert agreement.consistency(lr, shrunk) == pytest.approx(expected)
    stored = images.as_stored(sr)
    assert NOTHING(lr, sr).qa["consistency"] == consistency(lr, stored)
    assert agreement.consistency(sr, sr) == agreement.SAME


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["paper", "realesrgan", "bsrgan"])
def test_the_reference_itself_is_hardly_ever_called_poor(recipe: str, references: Faces) -> None:
    """25 dB of plain consistency, the bound that stood here, called a third to a half of them poor."""
    from fsrbench.auditors import heuristic

    draw, apply = plugins.load("recipes", recipe).draw, plugins.load("recipes", recipe).apply
    poor, unlike, low = [], [], []
    for case, hr in references.items():
        for seed in range(4):
            rng = np.random.default_rng(derive_seed(seed, "degrade", case))
            lr = images.as_stored(apply(hr, draw(rng), 4))
            low.append(consistency(lr, hr) < 25)
            poor.append(shortfall(lr, hr) > heuristic.POOR)
            other = next(face for name, face in references.items() if name != case)
            unlike.append(shortfall(lr, other) > heuristic.POOR)
    assert np.mean(low) > 0.2
    assert np.mean(poor) <= 0.05
    assert np.mean(unlike) >= 0.95


def test_a_shortfall_grows_with_what_is_wrong_and_not_with_blur(references: Faces) -> None:
    hr = references["ffhq_00000"]
    lr = images.as_stored(images.resize(hr, 128, 128))
    assert shortfall(lr, hr) == 0
    assert shortfall(images.as_stored(cv2.GaussianBlur(lr, (0, 0), 2)), hr) < 1
    moved = [shortfall(lr, np.roll(hr, pixels, axis=1)) for pixels in (4, 8, 16)]
    assert 0 < moved[0] < moved[1] < moved[2]
    tinted = images.as_stored(hr * np.array([1.25, 1, 0.75], np.float32))
    assert shortfall(lr, tinted) > 6


def test_the_prompt_calls_poor_what_the_heuristic_does() -> None:
    from fsrbench.auditors import heuristic

    told = {name: instrument.meaning for name, instrument in evidence.instruments().items()}
    assert f"above {heuristic.POOR:g} poor" in told["consistency_shortfall"]
    assert "poor" not in told["consistency"]


@pytest.mark.parametrize(("size", "shown"), [((300, 512), (150, 256)), ((256, 20), (256, 20)), ((2, 1000), (1, 256))])
def test_a_large_input_is_shown_smaller(size: tuple[int, int], shown: tuple[int, int]) -> None:
    lr = np.zeros((*size, 3), np.float32)
    assert NOTHING(lr, lr).lr.shape[:2] == shown


@pytest.mark.parametrize("size", [1, 4, 40])
def test_tiny_pictures_have_evidence_too(size: int) -> None:
    sr = np.full((size, size, 3), 0.5, np.float32)
    seen = NOTHING(sr[: max(1, size // 4), : max(1, size // 4)], sr)
    assert all(value is None or math.isfinite(value) for value in seen.qa.values())
    assert all(patch.image.size for patch in seen.patches)


def test_an_instrument_that_cannot_measure_this_picture_gives_none() -> None:
    def no_face(sight: Sight) -> float:
        raise Unavailable("no face")

    def opened(measure: Callable[[Sight], float | None]) -> evidence.OpenInstrument:
        return evidence.OpenInstrument(Instrument("made up", lambda machine: measure), measure)

    made = {"nan": opened(lambda sight: math.nan), "none": opened(lambda sight: None), "lost": opened(no_face)}
    lr, sr = pair()
    assert evidence.Tools(None, made)(lr, sr).qa == {"nan": None, "none": None, "lost": None}


def test_no_reference_can_come_in() -> None:
    """Every function takes pictures called LR and SR; none names a case or a reference but the enlarged input."""
    assert not hasattr(evidence, Case.__name__)
    for made_by in (evidence.Tools.__call__, evidence.open_tools):
        assert set(inspect.signature(made_by).parameters) <= {"self", "lr", "sr", "machine"}
    assert [field.name for field in dataclasses.fields(artifacts.Look)] == ["sr", "lr"]
