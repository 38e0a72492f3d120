"""Many cases in flight: one network takes what is waiting, nothing is made twice, and the pictures stay the same."""

from __future__ import annotations

import importlib
import json
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fsrbench.case import restore
from fsrbench.case.restore import Pipeline, Restored
from fsrbench.core import execute, plugins
from fsrbench.core.contracts import Machine, Output
from fsrbench.core.errors import BadOutput, TookTooLong
from fsrbench.core.stored import Knobs
from fsrbench.core.values import Image
from fsrbench.imaging import images
from fsrbench.models import devices, networks
from fsrbench.models.networks import LoadedNetwork
from fsrbench.study import config
from fsrbench.study.run import run_study
from fsrbench.study.store import RunFolder
from fsrbench.study.workers import OpenStudy
from support import draw_face
from support.studies import ASK, everything, scripted

LRS = [draw_face(32, number) for number in range(8)]
BACKENDS = {"general": "realesrgan", "blind": "bsrgan", "prior": "gfpgan"}


class Gate:
    """A restorer, whose first call waits until so many more have asked; notes how many were taken together."""

    def __init__(self, restorer: Any, waiting: int) -> None:
        self.restorer, self.waiting = restorer, waiting
        self.model, self.weights = restorer.model, restorer.weights
        self.batches: list[int] = []
        self.pipeline: Pipeline | None = None

    def _hold(self) -> None:
        if not self.batches and self.pipeline is not None:
            network = self.pipeline._network
            until = threading.Event()
            while len(network._waiting) < self.waiting and not until.wait(0.01):
                pass

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        self._hold()
        self.batches.append(1)
        output: Output = self.restorer(lr, knobs, seed, precision)
        return output

    def together(self, lrs: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> Sequence[Output]:
        self._hold()
        self.batches.append(len(lrs))
        outputs: Sequence[Output] = self.restorer.together(lrs, knobs, seeds, precision)
        return outputs


def all_at_once(gate: Gate, lrs: Sequence[Image], batch: int) -> list[Restored]:
    """Restore in as many threads as there are pictures, all of which wait for the first one."""
    gate.pipeline = Pipeline(gate, {}, 4, "fp32", batch)
    with ThreadPoolExecutor(len(lrs)) as pool:
        asked = [pool.submit(gate.pipeline.for_case().restore, lr, {}, seed) for seed, lr in enumerate(lrs)]
        return [future.result() for future in asked]


@pytest.fixture(scope="module", params=["general", "blind", pytest.param("prior", marks=pytest.mark.slow)])
def opened(request: pytest.FixtureRequest) -> Any:
    """An embedded network."""
    return plugins.load("backends", BACKENDS[request.param]).open({"models": "embedded"}, Machine())


# --------------------------------------------------------------- the collector


def test_what_waits_goes_together_and_comes_out_the_same(opened: Any) -> None:
    alone = [opened(lr, {}, seed, "fp32").image for seed, lr in enumerate(LRS)]
    gate = Gate(opened, len(LRS) - 1)
    made = all_at_once(gate, LRS, 4)
    assert sorted(gate.batches) == [1, 3, 4]
    for picture, expected in zip(made, alone, strict=True):
        steps = images.to_8bit(picture.image).astype(int) - images.to_8bit(expected)
        assert np.abs(steps).max() <= 1
        assert np.abs(steps).mean() < 0.01  # another picture's noise, or another picture, would show


def test_a_batch_of_one_is_the_picture_alone_to_the_last_bit(opened: Any) -> None:
    gate = Gate(opened, 3)
    made = all_at_once(gate, LRS[:4], 1)
    assert gate.batches == [1] * 4
    for seed, picture in enumerate(made):
        expected = images.as_stored(opened(LRS[seed], {}, seed, "fp32").image)
        assert picture.image.tobytes() == expected.tobytes()


class Plain:
    """Answers with its input, enlarged; with one grey for every picture that is told to be spoilt."""

    model = "plain"
    weights: dict[str, str] = {}  # noqa: RUF012

    def __init__(self, spoilt: Image | None = None) -> None:
        self.spoilt = spoilt

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        if self.spoilt is not None and np.array_equal(lr, self.spoilt):
            return Output(np.full((lr.shape[0] * 4, lr.shape[1] * 4, 3), 0.5, np.float32))
        return Output(images.resize(lr, lr.shape[1] * 4, lr.shape[0] * 4))

    def together(self, lrs: Sequence[Image], knobs: Knobs, seeds: Sequence[int], precision: str) -> Sequence[Output]:
        return [self(lr, knobs, seed, precision) for lr, seed in zip(lrs, seeds, strict=True)]


def test_only_pictures_of_one_size_go_together_and_large_ones_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    lrs = [draw_face(side, number) for number, side in enumerate((32, 32, 32, 48, 48, 64, 64))]
    monkeypatch.setattr(restore, "BATCH_PIXELS", 2 * 48 * 48)
    gate = Gate(Plain(), len(lrs) - 1)
    made = all_at_once(gate, lrs, 16)
    assert sorted(gate.batches) in ([1, 1, 1, 2, 2], [1, 1, 1, 1, 3])  # whichever came first went alone
    assert [picture.image.shape[0] for picture in made] == [4 * lr.shape[0] for lr in lrs]


@pytest.mark.parametrize("batch", [1, 8])
def test_a_picture_that_fails_fails_alone(batch: int) -> None:
    gate = Gate(Plain(LRS[5]), len(LRS) - 1)
    gate.pipeline = Pipeline(gate, {}, 4, "fp32", batch)
    with ThreadPoolExecutor(len(LRS)) as pool:
        asked = [pool.submit(gate.pipeline.restore, lr, {}, 0) for lr in LRS]
        errors = [future.exception() for future in asked]
    assert [isinstance(error, BadOutput) for error in errors] == [number == 5 for number in range(8)]


def test_a_batch_that_cannot_be_made_is_made_one_by_one() -> None:
    class Fragile(Plain):
        def together(self, lrs: Any, knobs: Knobs, seeds: Any, precision: str) -> Sequence[Output]:
            raise RuntimeError("too many")

    gate = Gate(Fragile(), len(LRS) - 1)
    made = all_at_once(gate, LRS, 16)
    assert sorted(gate.batches) == [1] * 8 + [7]
    assert len(made) == 8


def test_a_batch_that_leaves_one_out_is_a_bug_and_nobody_waits_for_ever() -> None:
    class Short(Plain):
        def together(self, lrs: Any, knobs: Knobs, seeds: Any, precision: str) -> Sequence[Output]:
            return super().together(lrs, knobs, seeds, precision)[:-1]

    gate = Gate(Short(), len(LRS) - 1)
    gate.pipeline = Pipeline(gate, {}, 4, "fp32", 3)
    pool = ThreadPoolExecutor(len(LRS))
    asked = [pool.submit(gate.pipeline.for_case().restore, lr, {}, 0) for lr in LRS]
    errors = [future.exception(timeout=30) for future in asked]
    pool.shutdown()
    assert {type(error) for error in errors} == {type(None), ValueError}


# ------------------------------------------------------------ a core to each


class Meeting(Plain):
    """Each pass waits for the other ones of a group of `size`; notes how many there were at once."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.barrier = threading.Barrier(size, timeout=30)
        self.inside, self.most = 0, 0
        self.turn = threading.Lock()

    def __call__(self, lr: Image, knobs: Knobs, seed: int, precision: str) -> Output:
        with self.turn:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.barrier.wait()
        with self.turn:
            self.inside -= 1
        return super().__call__(lr, knobs, seed, precision)


@pytest.mark.parametrize("lanes", [1, 2, 4])
def test_so_many_passes_run_side_by_side_and_no_more(lanes: int) -> None:
    meeting = Meeting(lanes)
    pipeline = Pipeline(meeting, {}, 4, "fp32", lanes=lanes)
    with ThreadPoolExecutor(len(LRS)) as pool:
        made = list(pool.map(lambda lr: pipeline.for_case().restore(lr, {}, 0), LRS))
    assert meeting.most == lanes
    for lr, picture in zip(LRS, made, strict=True):
        expected = images.as_stored(images.resize(lr, 128, 128))
        assert picture.image.tobytes() == expected.tobytes()


def test_on_a_cpu_each_core_has_a_pass_with_one_thread_unless_passes_must_take_turns() -> None:
    before = torch.get_num_threads()
    try:
        assert devices.share_cores(Machine(cores=3), reentrant=True) == 3
        assert torch.get_num_threads() == 1
        assert devices.share_cores(Machine(cores=3), reentrant=False) == 1
        assert torch.get_num_threads() == 3
        assert devices.share_cores(Machine("cuda:0", cores=3), reentrant=True) == 1
        assert torch.get_num_threads() == 3
        assert devices.share_cores(Machine(), reentrant=True) == execute.cores()
    finally:
        torch.set_num_threads(before)


def test_every_native_backend_may_be_called_by_many_and_upstream_ones_may_not() -> None:
    found = {name: plugins.load("backends", name).reentrant for name in plugins.names("backends")}
    assert {name for name, may in found.items() if may} == {*BACKENDS.values(), "bicubic", "faithful"}


def test_a_thread_that_worked_for_another_family_takes_the_threads_of_the_one_at_hand(tmp_path: Path) -> None:
    """Ray's threads outlive a family, and torch remembers their number for each of them."""
    settings = config.with_arms(config.load(None, ["families.general.backend=bicubic"])[0], [])
    shop = OpenStudy(settings, Machine(cores=3), RunFolder(tmp_path))
    before = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(1) as pool:
            torch.set_num_threads(4)
            assert pool.submit(torch.get_num_threads).result() == 4
            shop.open("general")
            assert pool.submit(torch.get_num_threads).result() == 4
            pool.submit(shop.weights, "general").result()
            assert pool.submit(torch.get_num_threads).result() == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize("family", ["general", "blind", "prior"])
def test_cores_change_no_byte(tmp_path: Path, family: str) -> None:
    """GFPGAN's sums come out differently with two threads than with one: so that it has one must hold everywhere."""
    for number in range(3):
        images.write(tmp_path / "lr" / f"{number}.png", draw_face(32, number))
    settings = config.with_arms(config.with_families(config.load(None)[0], [family]), [])
    for cores in (1, 3):
        out = tmp_path / f"{cores}"
        torch.set_num_threads(4)
        run_study(settings, Machine(cores=cores), tmp_path / "lr", None, out, workers=4)
    assert pictures_in(tmp_path / "1") == pictures_in(tmp_path / "3")


def test_what_is_in_flight_may_be_told_to_be_quick_when_a_loop_is_left() -> None:
    clock, told = execute.Clock(), threading.Event()

    def work(number: int) -> int:
        assert number == 0 or told.wait(30)
        return number

    loop = execute.run(work, range(3), 3, lambda: (clock.stop(), told.set())[1])
    assert next(loop) == 0
    clock.check()
    loop.close()  # as an interrupt does; it would wait for the others
    assert told.is_set()
    with pytest.raises(TookTooLong):
        clock.check()


def pictures_in(root: Path) -> dict[str, bytes]:
    found = {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.png")}
    assert found
    return found


# ------------------------------------------------------------ nothing twice

COUNTING = """
from fsrbench import images
from fsrbench.plugins import Backend, Output

calls = []

class Counting:
    model, weights = "counting", {}

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, lr, knobs, seed, precision):
        calls.append((lr.tobytes(), tuple(knobs.items()), seed))
        return Output(images.resize(lr, lr.shape[1] * self.scale, lr.shape[0] * self.scale))

BACKEND = Backend("Counts its calls.", family="general", consumes=(),
                  open=lambda settings, machine: Counting(settings["scale"]))
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Calls of the network of a backend that counts them."""
    (tmp_path / "plugins" / "backends").mkdir(parents=True)
    (tmp_path / "plugins" / "backends" / "counting.py").write_text(COUNTING, encoding="utf-8")
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "plugins"))
    backends = importlib.import_module("fsrbench.backends")
    monkeypatch.setattr(backends, "__path__", [*backends.__path__, str(tmp_path / "plugins" / "backends")])
    monkeypatch.delitem(importlib.import_module("sys").modules, "fsrbench.backends.counting", raising=False)
    found: list[Any] = importlib.import_module("fsrbench.backends.counting").calls
    return found


@pytest.mark.parametrize("workers", [1, 24])
def test_each_picture_goes_through_the_network_once(tmp_path: Path, calls: list[Any], workers: int) -> None:
    for number in range(24):
        images.write(tmp_path / "lr" / f"{number}.png", draw_face(24, number))
    again = json.dumps({"auditor": "scripted", "replies": [ASK, {**ASK, "hints": {"detail_damping": 0.3}}]})
    settings, _ = config.load(
        None, ["families.general.backend=counting", scripted(ASK), f"arms.t={again}", "policy.retries=2"]
    )
    settings = config.with_arms(config.with_families(settings, ["general"]), ["s", "t", "heuristic"])
    outcome = run_study(settings, Machine(), tmp_path / "lr", None, tmp_path / "out", workers=workers)
    assert outcome.failures == []
    assert len(calls) == len(set(calls)) == 24  # with three arms, and knobs tried on the first two


def test_the_noise_floor_is_one_more_and_no_other(tmp_path: Path, calls: list[Any]) -> None:
    for number in range(6):
        images.write(tmp_path / "lr" / f"{number}.png", draw_face(24, number))
    settings, _ = config.load(None, ["families.general.backend=counting", scripted(ASK)])
    settings = config.with_arms(config.with_families(settings, ["general"]), ["rerun", "s"])
    run_study(settings, Machine(), tmp_path / "lr", None, tmp_path / "out", workers=6)
    assert len(calls) == len(set(calls)) == 12


@pytest.mark.slow
def test_cases_in_flight_change_no_byte_with_a_real_network(tmp_path: Path) -> None:
    for number in range(3):
        images.write(tmp_path / "lr" / f"{number}.png", draw_face(32, number))
    settings, _ = config.load(None, [scripted(ASK)])
    settings = config.with_arms(config.with_families(settings, ["general", "prior"]), ["rerun", "s"])
    for workers in (1, 3):
        out = tmp_path / str(workers)
        assert run_study(settings, Machine(), tmp_path / "lr", None, out, workers=workers).failures == []
    assert everything(tmp_path / "1") == everything(tmp_path / "3")


# ---------------------------------------------------------------- arithmetic


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_networks_run_in_inference_mode_with_channels_last(precision: str) -> None:
    seen: list[bool] = []

    def module(x: torch.Tensor) -> torch.Tensor:
        seen.append(x.is_inference() and x.is_contiguous(memory_format=torch.channels_last))
        seen.append(torch.is_autocast_enabled("cpu") == (precision == "bf16"))
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    network = LoadedNetwork(module, "fake", "", 2, 8)
    whole, _ = networks.upscale(network, LRS[0], precision=precision)
    tiled, _ = networks.upscale(network, draw_face(100), tile=32, precision=precision)
    several = networks.upscale_all(network, LRS[:3], precision=precision)
    assert len(seen) == 2 * (1 + 16 + 1)
    assert all(seen)
    assert whole.tobytes() == several[0][0].tobytes()
    assert tiled.shape == (200, 200, 3)


FURTHEST = {"general": (4, 1.0), "blind": (9, 1.5), "prior": (24, 2.5)}
"""Largest and mean difference of 8-bit values between bf16 and fp32, with room: on six faces at most 3, 7 and 19, and
in the mean of one 0.4, 1.0 and 1.8. What these networks make is sharpened, and what bf16 rounds with it."""


@pytest.mark.slow
@pytest.mark.parametrize("family", BACKENDS)
def test_half_precision_stays_near_full_precision(family: str, face: Image) -> None:
    restorer = plugins.load("backends", BACKENDS[family]).open({"models": "embedded"}, Machine())
    lr = images.resize(face, 128, 128)
    near(restorer, lr, *FURTHEST[family])


@pytest.mark.slow
def test_half_precision_stays_near_full_precision_in_x4v3(shared_weights: Path, face: Image) -> None:
    settings = {"model": str(shared_weights / "realesr-general-x4v3.pth")}
    near(plugins.load("backends", "realesrgan").open(settings, Machine()), images.resize(face, 128, 128), 8)


def near(restorer: Any, lr: Image, furthest: int, usual: float = 1.0) -> None:
    exact, fast = (images.to_8bit(restorer(lr, {}, 1, precision).image).astype(int) for precision in ("fp32", "bf16"))
    steps = np.abs(exact - fast)
    assert 0 < steps.max() <= furthest
    assert steps.mean() < usual
