"""The pipeline around a network: what comes out is looked at, and an `after` knob does not run the network again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fsrbench.case import restore
from fsrbench.case.restore import Pipeline
from fsrbench.core import plugins
from fsrbench.core.contracts import Output
from fsrbench.core.errors import BadOutput
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image
from fsrbench.imaging import images
from support import draw_face

LR = draw_face(24)
GENERAL = {name: plugins.load("knobs", name) for name in ("dehalo", "detail_damping")}


class Network:
    """Counts its calls and answers as it is told to."""

    model = "made up"
    weights: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, answer: Callable[[Image, str], Image]) -> None:
        self.answer = answer
        self.calls: list[str] = []

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        self.calls.append(precision)
        return Output(self.answer(lr, precision))


def enlarged(lr: Image, _precision: str) -> Image:
    return images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4)


def test_knobs_after_the_network_do_not_run_it_again() -> None:
    network = Network(enlarged)
    pipeline = Pipeline(network, GENERAL, 4, "fp32")
    pure = pipeline.restore(LR, {}, 1)
    turned = pipeline.restore(LR, {"dehalo": 1.0, "detail_damping": 0.6}, 1)
    assert network.calls == ["fp32"]
    assert not np.array_equal(pure.image, turned.image)
    assert turned.seconds > 0
    pipeline.restore(LR, {}, 2)
    pipeline.restore(draw_face(24, 1), {}, 1)
    assert len(network.calls) == 3


def test_what_is_remembered_is_bounded_in_bytes_and_begins_with_pure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "REMEMBERED", 16 * enlarged(LR, "").nbytes)
    network = Network(enlarged)
    pipeline = Pipeline(network, {}, 4, "fp32")
    for seed in range(40):
        pipeline.restore(LR, {}, seed)
    for seed in (39, 0):
        pipeline.restore(LR, {}, seed)
    assert len(network.calls) == 40
    pipeline.restore(LR, {}, 1)
    assert len(network.calls) == 41


def test_cases_in_flight_do_not_push_out_each_others_pure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore, "REMEMBERED", 2 * enlarged(LR, "").nbytes)
    network = Network(enlarged)
    shared = Pipeline(network, GENERAL, 4, "fp32")
    flying = [shared.for_case() for _ in range(50)]
    for number, pipeline in enumerate(flying):
        pipeline.restore(LR, {}, number)
    for number, pipeline in enumerate(flying):
        pipeline.restore(LR, {}, number + 1000)
        pipeline.keep_only(LR, number)
        pipeline.restore(LR, {"dehalo": 1.0}, number)
    assert len(network.calls) == 100


def spoilt(value: float) -> Callable[[Image, str], Image]:
    return lambda lr, precision: (
        enlarged(lr, precision) if precision == "fp32" else np.full_like(enlarged(lr, ""), value)
    )


@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (np.inf, "infinity"), (0.0, "one flat colour")])
def test_a_spoilt_picture_is_repeated_once_in_fp32(value: float, word: str) -> None:
    network = Network(spoilt(value))
    picture = Pipeline(network, {}, 4, "bf16").restore(LR, {}, 1)
    assert network.calls == ["bf16", "fp32"]
    assert picture.precision == "fp32"
    assert word in picture.notes[0]


def test_what_stays_spoilt_fails_and_is_never_a_picture() -> None:
    network = Network(lambda lr, precision: np.zeros_like(enlarged(lr, precision)))
    with pytest.raises(BadOutput, match="one flat colour, also when repeated in fp32"):
        Pipeline(network, {}, 4, "fp32").restore(LR, {}, 1)
    with pytest.raises(BadOutput, match="pixels instead of 96×96"):
        Pipeline(Network(lambda lr, _: lr), {}, 4, "fp32").restore(LR, {}, 1)


def test_a_flat_input_may_come_out_flat() -> None:
    flat = np.full((24, 24, 3), 0.5, np.float32)
    assert np.ptp(Pipeline(Network(enlarged), {}, 4, "fp32").restore(flat, {}, 1).image) == 0
