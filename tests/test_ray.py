"""A study on a Ray cluster: the same bytes as on one machine, lost workers' units done again, nothing left running."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fsrbench.core.contracts import Machine
from fsrbench.core.errors import SettingsError, Unavailable
from fsrbench.core.execute import Track, untracked
from fsrbench.imaging import images
from fsrbench.study import config, machines, ray_cluster, ray_worker, ray_workers, workers
from fsrbench.study.run import RunOutcome, run_study
from support import draw_face
from support.studies import ASK, everything, rows, scripted, wait_for

CASES = 6
SLUGGISH = """
import os, time
from pathlib import Path
from fsrbench import images
from fsrbench.plugins import Backend, Output

class Sluggish:
    model, weights = "sluggish", {}

    def __init__(self, scale):
        self.scale = scale

    def __call__(self, lr, knobs, seed, precision):
        with open(Path(os.environ["FSRBENCH_TEST_LOG"]), "a") as log:
            log.write(f"{os.getpid()} {os.environ.get('OMP_NUM_THREADS')}\\n")
        time.sleep(float(os.environ.get("FSRBENCH_TEST_NAP", "0")))
        if lr[0, 0, 0] == 1:  # the picture that no worker survives
            os._exit(1)
        return Output(images.resize(lr, lr.shape[1] * self.scale, lr.shape[0] * self.scale))

BACKEND = Backend("Takes its time, and tells where it ran.", family="general", consumes=(),
                  open=lambda settings, machine: Sluggish(settings["scale"]))
"""
POOR = """
from fsrbench.core.errors import CostLimitReached
from fsrbench.plugins import Auditor
from fsrbench.values import Answer, Audit

def ask(question):
    if question.case != "face 0":
        raise CostLimitReached("The arm has spent what it may.")
    return Answer(Audit("ok", 95, 95), {"auditor": "poor"})

AUDITOR = Auditor("Has money for one case.", lambda settings, machine: ask)
"""


@pytest.fixture
def faces(tmp_path: Path) -> tuple[Path, Path]:
    """HR faces and their LR, in folders with a space and an accent."""
    high, low = tmp_path / "hé r", tmp_path / "lé r"
    for number in range(CASES):
        hr = draw_face(96, number)
        images.write(high / f"face {number}.png", hr)
        images.write(low / f"face {number}.png", images.resize(hr, 24, 24))
    return low, high


@pytest.fixture
def sluggish(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A backend of the user's own, which notes every call in the file that is returned."""
    for kind, name, text in (("backends", "sluggish", SLUGGISH), ("auditors", "poor", POOR)):
        (tmp_path / "plugins" / kind).mkdir(parents=True)
        (tmp_path / "plugins" / kind / f"{name}.py").write_text(text, encoding="utf-8")
        package = importlib.import_module(f"fsrbench.{kind}")
        monkeypatch.setattr(package, "__path__", [*package.__path__])  # what is added to it goes with this test
        monkeypatch.delitem(sys.modules, f"fsrbench.{kind}.{name}", raising=False)
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setenv("FSRBENCH_TEST_LOG", str(tmp_path / "calls"))
    return tmp_path / "calls"


def go(
    faces: tuple[Path, Path],
    out: Path,
    *changes: str,
    arms: tuple[str, ...] = (),
    executor: Any = ray_workers.pool,
    workers: int = 2,
    track: Track = untracked,
) -> RunOutcome:
    settings, _ = config.load(None, ["metrics=psnr", *changes])
    families = tuple(dict.fromkeys(change.split(".")[1] for change in changes if change.startswith("families.")))
    settings = config.with_arms(config.with_families(settings, families), arms)
    return run_study(settings, Machine(), *faces, out, workers=workers, executor=executor, track=track)


def local(faces: tuple[Path, Path], out: Path, *changes: str, **more: Any) -> RunOutcome:
    return go(faces, out, *changes, **more, executor=workers.local)


def stray() -> list[str]:
    """Ray's processes."""
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout.splitlines()
    return [line for line in listed if any(word in line for word in ("raylet", "gcs_server", "ray::"))]


# ----------------------------------------------------------- with no cluster


@pytest.mark.parametrize(
    ("nodes", "workers", "device", "expected"),
    [
        ([(2, 0)], 2, "cpu", (2, 1, 0)),
        ([(2, 0)], None, "cpu", (1, 2, 0)),
        ([(32, 0)] * 4, None, "cpu", (4, 32, 0)),
        ([(32, 0), (8, 0)], 4, "cpu", (4, 8, 0)),
        ([(0, 0), (16, 4), (64, 4)], None, "cuda", (8, 4, 1)),
        ([(16, 4), (32, 0)], 3, "cuda", (3, 4, 1)),
    ],
)
def test_workers_are_laid_over_the_nodes(
    nodes: list[tuple[int, int]], workers: int | None, device: str, expected: tuple[int, int, int]
) -> None:
    assert ray_cluster.lay_out(nodes, workers, device) == ray_cluster.Places(*expected)


@pytest.mark.parametrize(
    ("nodes", "workers", "device", "words"),
    [
        ([(2, 0)], 3, "cpu", "the Ray cluster has 2"),
        ([(2, 0)], None, "cuda", "no node for --device cuda"),
        ([(8, 2)], 3, "cuda", "needs a GPU, and the Ray cluster has 2"),
    ],
)
def test_what_has_no_place_is_refused(nodes: list[tuple[int, int]], workers: int, device: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        ray_cluster.lay_out(nodes, workers, device)


def test_requests_and_money_are_shared_among_workers() -> None:
    arm = {"auditor": "openai", "model": "m", "concurrency": 9, "max_cost": 3.0}
    settings, _ = config.load(None, [f"arms.a={json.dumps(arm)}"])
    settings = config.with_arms(settings, ["a", "heuristic"])
    own = ray_worker.shared(settings, 2)
    assert own.arms["a"].settings["concurrency"] == 4
    assert own.arms["a"].settings["max_cost"] == 1.5
    assert own.arms["heuristic"] == settings.arms["heuristic"]
    assert ray_worker.shared(config.with_arms(settings, ["openai"]), 4).arms["openai"].settings["concurrency"] == 2
    with pytest.raises(SettingsError, match="raise --concurrency to 10"):
        ray_worker.shared(settings, 10)


def test_who_spends_is_not_started_again_with_a_full_purse() -> None:
    """A worker that was killed takes with it what it had spent: its successor would spend that once more."""
    arm = {"auditor": "openai", "model": "m"}
    for own, times in (({"max_cost": 3.0}, 0), ({"max_cost": 0}, 0), ({}, ray_workers.LOSSES)):
        settings, _ = config.load(None, [f"arms.a={json.dumps({**arm, **own})}"])
        assert ray_workers.restarts(config.with_arms(settings, ["a", "heuristic"])) == times


def test_without_ray_its_install_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(Unavailable, match=r"pip install 'fsrbench\[ray\]'"), ray_cluster.connected(None):
        pass


def test_an_address_is_of_a_ray_cluster() -> None:
    settings, _ = config.load(None)
    with (
        pytest.raises(SettingsError, match="add --executor ray"),
        machines.executor("local", "127.0.0.1:6379", "cpu", 2, settings),
    ):
        pass


def test_on_this_machine_an_lvlm_is_kept_busy() -> None:
    settings = config.with_arms(config.load(None)[0], ["lvlm"])
    with machines.executor("local", None, "cpu", None, settings) as (device, many, executor):
        assert (device, executor) == ("cpu", workers.local)
        assert many == settings.in_flight() > 2


def test_which_gpu_is_not_asked_for() -> None:
    with pytest.raises(SettingsError, match="which GPU is Ray's choice"):
        ray_cluster.resolve_device("cuda:1", None)


# ------------------------------------------------------------ one machine

os.environ.update(ray_cluster.alone())  # Ray reads it when it is imported; the cluster of two nodes has it, too
pytest.importorskip("ray", reason="pip install 'fsrbench[ray]'")


@pytest.fixture
def two_nodes(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Any]]:
    """A cluster of two nodes with a core each, and the one of them that may die."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    second = cluster.add_node(**node)
    cluster.wait_for_nodes()
    yield cluster, second
    cluster.shutdown()


def switch_off(cluster: Any, node: Any) -> None:
    """End a node and, as a machine that loses its power does, at once everything that it started."""
    psutil = importlib.import_module("psutil")  # Ray brings it along
    for worker in psutil.Process(node.all_processes["raylet"][0].process.pid).children():
        worker.kill()
    cluster.remove_node(node, allow_graceful=False)


@pytest.mark.slow
def test_a_node_that_is_killed_in_the_middle_changes_no_byte(
    faces: tuple[Path, Path],
    tmp_path: Path,
    sluggish: Path,
    two_nodes: tuple[Any, Any],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster, node = two_nodes
    changes = ["families.general.backend=sluggish", scripted(ASK)]
    local(faces, tmp_path / "one", *changes, arms=("s",))
    sluggish.unlink()
    monkeypatch.setenv("FSRBENCH_TEST_NAP", "0.7")

    def killing(_title: str, items: Iterable[Any], _total: int) -> Iterator[Any]:
        for number, item in enumerate(items):
            if number == 1:
                switch_off(cluster, node)
            yield item

    pool = partial(ray_workers.pool, address=cluster.address)
    outcome = go(faces, tmp_path / "two", *changes, arms=("s",), executor=pool, track=killing)
    assert outcome.failures == []
    assert "A worker was lost" in caplog.text
    assert len(sluggish.read_text(encoding="utf-8").splitlines()) > CASES  # something was lost, and done again
    assert everything(tmp_path / "one") == everything(tmp_path / "two")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_interrupt_leaves_a_folder_that_goes_on_and_no_process(
    faces: tuple[Path, Path], tmp_path: Path, sluggish: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FSRBENCH_TEST_NAP", "1")
    before = set(stray())
    out = tmp_path / "out"
    places = ["--lr", str(faces[0]), "--hr", str(faces[1]), "--out", str(out), "--no-evaluate", "--device", "cpu"]
    backend = ["--family", "general", "--set", "families.general.backend=sluggish"]
    command = [sys.executable, "-m", "fsrbench", "run", *places, *backend, "--workers", "2"]
    # its own group: as a terminal's Ctrl-C, the signal goes to Ray's processes too
    ray = [*command, "--executor", "ray"]
    process = subprocess.Popen(ray, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: any((out / "trails").glob("*/*.json")))
    os.killpg(process.pid, signal.SIGINT)
    said, complained = process.communicate(timeout=60)
    assert process.returncode == 130, complained
    assert "the same command goes on" in complained
    assert "Traceback" not in complained
    assert said == ""
    wait_for(lambda: set(stray()) <= before)
    made = len(list((out / "trails").glob("*/*.json")))
    assert 0 < made < CASES
    monkeypatch.setenv("FSRBENCH_TEST_NAP", "0")
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == 0
    assert len(rows(out / "run_config.csv")) == CASES


STARTED = """
import sys, time
from fsrbench.study import ray_cluster
with ray_cluster.connected(None) as ray:
    class Idle:
        def answer(self):
            return 1
    actor = ray.remote(Idle).remote()
    ray.get(actor.answer.remote())
    print(ray.get_runtime_context().gcs_address, flush=True)
    sys.stdin.readline()
"""
INTRUDER = """
import sys, ray
ray.init(address=sys.argv[1], logging_level="ERROR", log_to_driver=False)
print("let in")
"""


@pytest.mark.slow
def test_a_cluster_started_here_is_reached_by_nobody_else() -> None:
    """No process of it listens on another interface, and none answers without its token."""
    psutil = importlib.import_module("psutil")  # Ray brings it along
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-c", STARTED]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("127.0.0.1:")
        own = psutil.Process(process.pid)
        listening = {
            (one.name(), place.laddr.ip)
            for one in [own, *own.children(recursive=True)]
            for place in one.net_connections("inet")
            if place.status == psutil.CONN_LISTEN
        }
        names = {name for name, _ in listening}
        assert {"gcs_server", "raylet"} <= names
        assert any(name.startswith("ray::") for name in names)
        assert {ip.removeprefix("::ffff:") for _, ip in listening} <= {"127.0.0.1", "::1"}, sorted(listening)
        gcs = next(one for one in own.children(recursive=True) if one.name() == "gcs_server")
        token = gcs.environ()["RAY_AUTH_TOKEN"]
        guests = [
            {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token},
            {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "f" * 64},
            {"RAY_AUTH_MODE": "disabled"},
        ]

        def let_in(guest: dict[str, str]) -> bool:
            tried = [sys.executable, "-c", INTRUDER, address]
            there = {**environment, "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", **guest}
            try:
                done = subprocess.run(tried, capture_output=True, text=True, timeout=60, env=there)
            except subprocess.TimeoutExpired:  # it waits to be let in
                return False
            return done.stdout == "let in\n"

        with ThreadPoolExecutor(len(guests)) as pool:
            assert list(pool.map(let_in, guests)) == [True, False, False]
        process.communicate("\n", timeout=60)


@pytest.fixture(scope="module")
def two_cores() -> Iterator[None]:
    """Ray on this machine, once for several tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: 2)
        with ray_cluster.connected(None) as ray:
            assert ray.cluster_resources()["CPU"] == 2
            yield


@pytest.mark.slow
def test_two_workers_give_the_bytes_of_one_machine(
    faces: tuple[Path, Path], tmp_path: Path, sluggish: Path, two_cores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = ["families.general.backend=sluggish", "families.blind.max_changes=1", scripted(ASK)]
    arms = ("s", "rerun", "heuristic")
    assert local(faces, tmp_path / "one", *changes, arms=arms).failures == []
    sluggish.unlink()
    monkeypatch.setenv("FSRBENCH_TEST_NAP", "0.3")  # else one of them may be done before the other one has begun
    assert go(faces, tmp_path / "two", *changes, arms=arms).failures == []
    assert everything(tmp_path / "one") == everything(tmp_path / "two")
    calls = sluggish.read_text(encoding="utf-8").split("\n")[:-1]
    assert {call.split()[1] for call in calls} == {"1"}  # a core each, and no thread more
    assert len({call.split()[0] for call in calls}) == 2
    assert go(faces, tmp_path / "two", *changes, arms=arms).done == 0


@pytest.mark.slow
def test_a_unit_that_no_worker_survives_fails_and_the_others_are_done(
    faces: tuple[Path, Path], tmp_path: Path, sluggish: Path, two_cores: None, caplog: pytest.LogCaptureFixture
) -> None:
    deadly = draw_face(24, 7)
    deadly[0, 0] = 1
    images.write(faces[0] / "deadly.png", deadly)
    outcome = go(faces, tmp_path / "out", "families.general.backend=sluggish", workers=1)
    failed = {failure.case: failure.why for failure in outcome.failures}
    assert "was lost 3 times" in failed["deadly"]
    assert caplog.text.count("A worker was lost") >= 3
    (faces[0] / "deadly.png").unlink()
    outcome = go(faces, tmp_path / "out", "families.general.backend=sluggish", workers=1)
    assert outcome.failures == []  # neighbours that fell with it are taken up again
    assert len(rows(tmp_path / "out" / "run_config.csv")) == CASES


@pytest.mark.slow
def test_the_cost_limit_stops_the_run_and_keeps_what_is_there(
    faces: tuple[Path, Path], tmp_path: Path, sluggish: Path, two_cores: None
) -> None:
    changes = ["families.general.backend=sluggish", 'arms.p={"auditor": "poor"}']
    outcome = go(faces, tmp_path / "out", *changes, arms=("p",), workers=1)  # which has four cases at a time
    assert outcome.stopped == "The arm has spent what it may."
    kept = {(row["case"], row["arm"]) for row in rows(tmp_path / "out" / "run_config.csv")}
    assert ("face 0", "p") in kept
    assert 2 <= len([arm for _, arm in kept if arm == "pure"]) < CASES


@pytest.mark.slow
def test_a_damaged_checkpoint_costs_its_family_alone(
    faces: tuple[Path, Path], tmp_path: Path, sluggish: Path, two_cores: None
) -> None:
    (tmp_path / "cut.pth").write_bytes(b"PK\x03\x04")
    changes = [f"families.blind.model={tmp_path / 'cut.pth'}", "families.general.backend=sluggish"]
    outcome = go(faces, tmp_path / "out", *changes)
    assert {(f.family, "cut.pth is damaged" in f.why) for f in outcome.failures} == {("blind", True)}
    assert outcome.done == CASES
