"""The paired run, on the plain backend: what is written, that it is the same every time, and that nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fsrbench import backends
from fsrbench.core.contracts import Machine
from fsrbench.core.errors import FsrbenchError, SettingsError, StoreError, WeightsError
from fsrbench.core.execute import untracked
from fsrbench.core.values import PURE
from fsrbench.imaging import images
from fsrbench.models import weights
from fsrbench.show import publish
from fsrbench.study import config
from fsrbench.study.run import RunOutcome, run_study
from fsrbench.study.store import RunFolder
from support import draw_face
from support.studies import ACCEPT, ASK, PLAIN, everything, rows, scripted, wait_for

pytestmark = pytest.mark.usefixtures("no_plots")
MACHINE = Machine()


@pytest.fixture
def faces(tmp_path: Path) -> tuple[Path, Path]:
    """Three HR faces and their LR, in folders with a space and an accent."""
    high, low = tmp_path / "hé r", tmp_path / "lé r"
    for number in range(3):
        hr = draw_face(96, number)
        images.write(high / f"face {number}.png", hr)
        images.write(low / f"face {number}.png", images.resize(hr, 24, 24))
    return low, high


def go(
    faces: tuple[Path, Path],
    out: Path,
    *changes: str,
    arms: tuple[str, ...] = ("s",),
    families: tuple[str, ...] = ("general",),
    workers: int = 1,
) -> RunOutcome:
    settings, _ = config.load(None, [*PLAIN, *changes])
    settings = config.with_arms(config.with_families(settings, families), arms)
    return run_study(settings, MACHINE, faces[0], faces[1], out, workers=workers)


# ------------------------------------------------------------- what it writes


def test_an_arm_that_accepts_has_the_bytes_of_pure_and_delta_zero(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert go(faces, out, scripted(ACCEPT)).failures == []
    for path in (out / "general" / "pure-fsr").glob("*.png"):
        assert (out / "general" / "fsr+s" / path.name).read_bytes() == path.read_bytes()
    summary = publish.run(RunFolder(out), MACHINE, 1, untracked)
    for entry in summary.families["general"].values():
        assert entry.arms["s"].delta == 0
        assert entry.arms["s"].n == 3


def test_out_of_bounds_is_clamped_recorded_and_visible(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, scripted(ASK))
    found = rows(out / "run_config.csv")
    assert [(r["case"], r["arm"], r["round"]) for r in found[:3]] == [
        ("face 0", "pure", "0"),
        ("face 0", "s", "1"),
        ("face 0", "s", "2"),
    ]
    pure, first, last = found[:3]
    assert pure["dehalo"] == "0.0"
    bound = config.load(None)[0].offered("general")["dehalo"].high
    assert float(first["dehalo"]) == bound
    assert first["clamped"] == f"dehalo=9.0 → {bound:g}"
    assert first["dropped"] == "nose=not a knob of this family"
    assert (first["decision"], last["decision"]) == ("retry", "accept")  # the second time the hint changes nothing
    assert float(first["score"]) == 30
    assert first["sr_sha256"] != pure["sr_sha256"]
    assert pure["score"] == ""


def test_every_exchange_is_kept(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, scripted(ASK))
    assert len(list((out / "audits" / "general" / "s").glob("*.json"))) == 6


def test_panels_scores_and_tables_are_written(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, scripted(ASK), families=("general", "blind"))
    publish.run(RunFolder(out), MACHINE, 2, untracked)
    for family in ("general", "blind"):
        assert len(list((out / family / "panels").glob("*.png"))) == 3
    scores = rows(out / "scores.csv")
    assert len(scores) == 2 * 3 * 2 * 2
    assert all(r["value"] and not r["note"] for r in scores)
    text = (out / "summary.md").read_text(encoding="utf-8")
    assert "PSNR ↑" in text
    assert "FSR+s" in text


@pytest.mark.parametrize(
    ("preferences", "kept", "said"),
    [
        (["second", "first"], True, "kept"),
        (["second", "second"], False, "disagree"),
        (["first", "second"], False, "current"),
    ],
)
def test_guarded_keeps_only_what_is_preferred_in_both_orders(
    faces: tuple[Path, Path], tmp_path: Path, preferences: list[str], kept: bool, said: str
) -> None:
    out = tmp_path / "out"
    arm = {"auditor": "scripted", "policy": "guarded", "replies": [ASK], "preferences": preferences}
    go(faces, out, f"arms.s={json.dumps(arm)}", "guards.consistency=100", "guards.niqe=100")
    found = [r for r in rows(out / "run_config.csv") if r["case"] == "face 0"]
    assert said in found[1]["verdict"]
    assert found[1]["decision"] == "retry"
    assert (found[-1]["sr_sha256"] != found[0]["sr_sha256"]) == kept
    assert (found[-1]["dehalo"] != found[0]["dehalo"]) == kept
    exchange = json.loads((out / "audits/general/s/face 0-1.json").read_text(encoding="utf-8"))
    assert len(exchange["comparisons"]) == 2


def test_guarded_needs_an_auditor_that_can_compare(faces: tuple[Path, Path], tmp_path: Path) -> None:
    arm = {"auditor": "scripted", "policy": "guarded", "replies": [ASK]}
    with pytest.raises(SettingsError, match="cannot compare"):
        go(faces, tmp_path / "out", f"arms.s={json.dumps(arm)}")


def test_the_noise_floor_of_a_backend_without_noise_is_zero(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, arms=("rerun",))
    summary = publish.run(RunFolder(out), MACHINE, 1, untracked)
    assert summary.families["general"]["psnr"].arms["rerun"].delta == 0
    assert summary.marks == {"rerun": "noise floor"}
    pure, again = rows(out / "run_config.csv")[:2]
    assert pure["seed"] != again["seed"]
    assert again["decision"] == ""


# ---------------------------------------------------------- always the same


def test_workers_and_file_order_change_no_byte(faces: tuple[Path, Path], tmp_path: Path) -> None:
    go(faces, tmp_path / "a", scripted(ASK), families=("general", "blind"))
    publish.run(RunFolder(tmp_path / "a"), MACHINE, 1, untracked)
    for folder in faces:  # the same files, created in the opposite order
        content = {p.name: p.read_bytes() for p in folder.iterdir()}
        shutil.rmtree(folder)
        folder.mkdir()
        for name in sorted(content, reverse=True):
            (folder / name).write_bytes(content[name])
    go(faces, tmp_path / "b", scripted(ASK), families=("general", "blind"), workers=2)
    publish.run(RunFolder(tmp_path / "b"), MACHINE, 2, untracked)
    assert everything(tmp_path / "a") == everything(tmp_path / "b")


def test_running_again_does_nothing(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert go(faces, out, scripted(ASK)).done == 3
    before = {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}
    assert go(faces, out, scripted(ASK)).done == 0
    assert before == {p: p.stat().st_mtime_ns for p in out.rglob("*.png")}


def test_an_arm_and_a_family_may_be_added_and_pure_is_reused(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, arms=())
    before = {p: p.stat().st_mtime_ns for p in (out / "general" / "pure-fsr").glob("*")}
    assert go(faces, out, scripted(ASK)).done == 3
    assert before == {p: p.stat().st_mtime_ns for p in (out / "general" / "pure-fsr").glob("*")}
    go(faces, out, scripted(ASK), families=("blind",))
    whole = tmp_path / "whole"
    go(faces, whole, scripted(ASK), families=("general", "blind"))
    assert everything(out) == everything(whole)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("seed=1", "seed: 0 there, 1 now"),
        ("policy.retries=0", "retries"),
        ("families.general.tile=64", "families.general.tile"),
    ],
)
def test_a_change_that_would_mix_results_is_refused(
    faces: tuple[Path, Path], tmp_path: Path, change: str, words: str
) -> None:
    out = tmp_path / "out"
    go(faces, out, scripted(ASK))
    before = everything(out)
    with pytest.raises(StoreError, match="other settings") as caught:
        go(faces, out, scripted(ASK), change)
    assert words in str(caught.value)
    assert everything(out) == before


def test_a_second_run_on_the_folder_is_refused(faces: tuple[Path, Path], tmp_path: Path) -> None:
    with RunFolder(tmp_path / "out").locked(), pytest.raises(StoreError, match="being written"):
        go(faces, tmp_path / "out", scripted(ACCEPT))


# ------------------------------------------------------------------- failures


def test_an_unreachable_auditor_fails_the_arm_and_the_next_run_takes_it_up(
    faces: tuple[Path, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    outcome = go(faces, out, scripted({"unreachable": True}))
    assert [(f.case, f.arm) for f in outcome.failures] == [(f"face {n}", "s") for n in range(3)]
    summary = publish.run(RunFolder(out), MACHINE, 1, untracked)
    assert summary.counts["general"].arms["s"].failed == 3
    assert "s" not in summary.families["general"]["psnr"].arms
    assert not (out / "general" / "fsr+s").exists()


def test_what_was_answered_before_the_server_went_is_kept(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    outcome = go(faces, out, scripted(ASK, {"unreachable": True}))
    assert [f.arm for f in outcome.failures] == ["s"] * 3
    exchange = json.loads((out / "audits/general/s/face 0-1.json").read_text(encoding="utf-8"))
    assert "halo" in exchange["reply"]
    assert {r["arm"] for r in rows(out / "run_config.csv")} == {PURE}


def test_an_unusable_reply_is_counted_and_the_baseline_stands(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings, _ = config.load(None, [*PLAIN, 'arms.s={"auditor": "scripted", "replies": ["I cannot say."]}'])
    settings = config.with_arms(config.with_families(settings, ["general"]), ["s"])
    assert run_study(settings, MACHINE, *faces, out).failures == []
    assert {r["audit"] for r in rows(out / "run_config.csv") if r["arm"] == "s"} == {"invalid"}
    summary = publish.run(RunFolder(out), MACHINE, 1, untracked)
    assert summary.counts["general"].arms["s"].invalid == 3
    assert summary.families["general"]["psnr"].arms["s"].delta == 0


def test_bad_inputs_are_named_and_the_rest_is_done(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    (faces[0] / "empty.png").write_bytes(b"")
    (faces[0] / "text.png").write_text("no", encoding="utf-8")
    outcome = go(faces, out, scripted(ACCEPT))
    assert [(f.case, f.arm) for f in outcome.failures] == [("empty", PURE), ("text", PURE)]
    failed = rows(out / "failures.csv")
    assert "0 bytes" in failed[0]["why"]
    assert "not a picture" in failed[1]["why"]
    assert len(list((out / "general" / "pure-fsr").glob("*.png"))) == 3
    shutil.copy(faces[0] / "face 0.png", faces[0] / "empty.png")  # mended
    outcome = go(faces, out, scripted(ACCEPT))
    assert [f.case for f in outcome.failures] == ["text"]


def test_a_replaced_input_is_noticed(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, arms=())
    shutil.copy(faces[0] / "face 1.png", faces[0] / "face 0.png")
    outcome = go(faces, out, scripted(ACCEPT))
    assert [(f.case, "not the picture" in f.why) for f in outcome.failures] == [("face 0", True)]


def test_a_deleted_picture_is_made_again(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, scripted(ASK))
    before = everything(out)
    for name in ("general/pure-fsr/face 0.png", "general/fsr+s/face 1.png"):
        (out / name).unlink()
    assert go(faces, out, scripted(ASK)).failures == []
    assert everything(out) == before


def test_a_failed_arm_is_remembered_while_another_is_run(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, scripted({"unreachable": True}))
    assert go(faces, out, arms=("rerun",)).failures == []
    assert {r["arm"] for r in rows(out / "failures.csv")} == {"s"}
    assert len(go(faces, out, scripted({"unreachable": True})).failures) == 3


def test_a_case_that_is_gone_no_longer_fails(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    (faces[0] / "cut.png").write_bytes(b"cut")
    assert len(go(faces, out, arms=()).failures) == 1
    (faces[0] / "cut.png").unlink()
    assert go(faces, out, arms=()).failures == []
    assert rows(out / "failures.csv") == []


TWINS = """
from fsrbench import images
from fsrbench.plugins import Backend, Output

class Twins:
    model = "twins"

    def __init__(self, scale):
        self.scale, self.weights = scale, {"first.pth": "a" * 64}

    def __call__(self, lr, knobs, seed, precision):
        if knobs.get("scale") == 2:
            self.weights["second.pth"] = "b" * 64
        kernel = "area" if "scale" in knobs else "bicubic"
        return Output(images.resize(lr, lr.shape[1] * self.scale, lr.shape[0] * self.scale, kernel))

BACKEND = Backend("Opens a second file when asked for x2.", family="blind", consumes=("scale",),
                  open=lambda settings, machine: Twins(settings["scale"]))
"""


def test_weights_that_are_opened_later_do_not_bind_a_later_run(
    faces: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plugins" / "backends").mkdir(parents=True)
    (tmp_path / "plugins" / "backends" / "twins.py").write_text(TWINS, encoding="utf-8")
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "plugins"))
    monkeypatch.setattr(backends, "__path__", [*backends.__path__])  # what is added to it goes with this test
    out, backend = tmp_path / "out", "families.blind.backend=twins"
    go(faces, out, backend, families=("blind",), arms=("rerun",))
    for _ in range(2):
        assert go(faces, out, backend, scripted(ACCEPT), families=("blind",)).failures == []
        (out / "trails" / "blind" / "face 0.json").unlink()
    assert "second.pth" in (out / "study.yaml").read_text(encoding="utf-8")


def test_what_made_nothing_binds_nobody(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    typo = ["families.general.backend=realesrgan", "families.general.model=typo"]
    with pytest.raises(FsrbenchError):
        go(faces, out, *typo, arms=())
    assert go(faces, out, arms=()).failures == []


def test_two_sets_of_inputs_do_not_get_mixed(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, arms=())
    shutil.copytree(faces[0], tmp_path / "other")
    with pytest.raises(StoreError, match=r"inputs\.lr"):
        go((tmp_path / "other", faces[1]), out, arms=())


def test_a_folder_of_pictures_is_no_runs_folder(faces: tuple[Path, Path]) -> None:
    with pytest.raises(StoreError, match="no run's folder"):
        go(faces, faces[0], arms=())


def test_damaged_records_are_explained(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, arms=())
    study_text = (out / "study.yaml").read_text(encoding="utf-8")
    (out / "study.yaml").write_text(study_text[:200], encoding="utf-8")
    with pytest.raises(StoreError, match=r"study\.yaml"):
        go(faces, out, arms=())
    (out / "study.yaml").write_text(study_text, encoding="utf-8")
    (out / "failures.csv").write_text("a;b\n1;2\n", encoding="utf-8-sig")
    with pytest.raises(StoreError, match=r"failures\.csv"):
        go(faces, out, arms=())


def test_a_damaged_trail_costs_its_case_alone(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, arms=())
    before = everything(out)
    (out / "trails/general/face 0.json").write_text('{"format": 1, "case": "face 0"}', encoding="utf-8")
    (out / "trails/general/face 1.json").write_bytes(b"\0\0")
    (out / "general/pure-fsr/face 2.png").unlink()
    outcome = go(faces, out, arms=())
    assert [(f.case, f.arm) for f in outcome.failures] == [("face 0", PURE), ("face 1", PURE)]
    assert all("Delete it: the case is then run again" in f.why for f in outcome.failures)
    assert {r["case"] for r in rows(out / "run_config.csv")} == {"face 2"}
    assert (out / "general/pure-fsr/face 2.png").is_file()
    for number in (0, 1):
        (out / f"trails/general/face {number}.json").unlink()
    assert go(faces, out, arms=()).failures == []
    assert everything(out) == before


DAMAGED = ["families.blind.backend=bsrgan", "models=official"]


def test_a_damaged_checkpoint_costs_its_family_alone(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out, checkpoint = tmp_path / "out", tmp_path / "cut.safetensors"
    checkpoint.write_bytes(weights.embedded("blind").read_bytes()[:-1000])
    changes = [scripted(ACCEPT), *DAMAGED, f"families.blind.model={checkpoint}"]
    outcome = go(faces, out, *changes, families=("blind", "general", "prior"))
    assert [(f.family, f.case, f.arm) for f in outcome.failures] == [("blind", f"face {n}", PURE) for n in range(3)]
    assert all("cut.safetensors is damaged" in f.why for f in outcome.failures)
    assert {r["family"] for r in rows(out / "run_config.csv")} == {"general", "prior"}
    assert len(rows(out / "failures.csv")) == 3
    shutil.copy(weights.embedded("blind"), checkpoint)
    assert go(faces, out, *changes, families=("blind", "general", "prior")).failures == []
    assert rows(out / "failures.csv") == []


def test_where_no_family_can_be_opened_the_run_says_so_at_once(faces: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "page.pth").write_text("<html>", encoding="utf-8")
    with pytest.raises(WeightsError, match="holds a web page"):
        go(
            faces,
            tmp_path / "out",
            *DAMAGED,
            f"families.blind.model={tmp_path / 'page.pth'}",
            arms=(),
            families=("blind",),
        )
    assert len(rows(tmp_path / "out" / "failures.csv")) == 3


def test_a_picture_changed_after_the_run_is_noticed(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, arms=())
    shutil.copy(out / "general/pure-fsr/face 1.png", out / "general/pure-fsr/face 0.png")
    assert "changed after the run" in go(faces, out, scripted(ACCEPT)).failures[0].why


# --------------------------------------------------------------- killed early

KILLABLE = """
import os, sys, signal
from pathlib import Path
from fsrbench.core.contracts import Machine
from fsrbench.files import atomic
from fsrbench.study import config
from fsrbench.study.run import run_study
low, high, out, writes, *changes = sys.argv[1:]
left = int(writes)
whole = atomic.os.replace
def replace(a, b):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    whole(a, b)
atomic.os.replace = replace
settings = config.with_arms(config.with_families(config.load(None, changes)[0], ["general"]), ["s"])
run_study(settings, Machine(), Path(low), Path(high), Path(out), workers=2)
"""


def test_a_picture_that_was_changed_after_the_run_has_no_number(faces: tuple[Path, Path], tmp_path: Path) -> None:
    """Two pictures of an arm exchanged: neither is what its trail says, and neither gets the other's number."""
    out = tmp_path / "out"
    go(faces, out, scripted(ASK))
    arm = out / "general" / "fsr+s"
    one, other = (arm / f"face {n}.png" for n in (0, 1))
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)
    publish.run(RunFolder(out), MACHINE, 1, untracked)
    found = {(r["case"], r["arm"]): r for r in rows(out / "scores.csv") if r["metric"] == "psnr"}
    for case in ("face 0", "face 1"):
        assert not found[case, "s"]["value"]
        assert "was changed after the run" in found[case, "s"]["note"]
        assert found[case, "pure"]["value"]
    assert found["face 2", "s"]["value"]


def test_a_trail_that_points_out_of_the_folder_is_refused(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    go(faces, out, scripted(ASK))
    trail = out / "trails" / "general" / "face 0.json"
    text = trail.read_text(encoding="utf-8").replace("general/pure-fsr/", "../../", 1)
    trail.write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match="names a picture that is not of its case"):
        RunFolder(out).trail("general", "face 0")


@pytest.mark.parametrize("place", ["case", "backend", "score", "action", "requests", "number"])
def test_a_key_that_no_trail_has_is_refused(faces: tuple[Path, Path], tmp_path: Path, place: str) -> None:
    """Whoever edits a trail by hand and mistypes a key would think that it is followed."""
    out = tmp_path / "out"
    go(faces, out, scripted(ASK))
    trail = out / "trails" / "general" / "face 0.json"
    text = trail.read_text(encoding="utf-8")
    trail.write_text(text.replace(f'"{place}":', f'"mine": 1, "{place}":', 1), encoding="utf-8")
    with pytest.raises(StoreError, match=r"mine: no such key is known"):
        RunFolder(out).trail("general", "face 0")
    trail.write_text(text, encoding="utf-8")
    assert RunFolder(out).trail("general", "face 0") is not None


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("writes", [1, 3, 6, 10, 14])
def test_killed_in_the_middle_and_run_again_is_as_if_never_killed(
    faces: tuple[Path, Path], tmp_path: Path, writes: int
) -> None:
    out, changes = tmp_path / "out", [*PLAIN, scripted(ASK)]
    command = [sys.executable, "-c", KILLABLE, *map(str, faces), str(out), str(writes), *changes]
    assert subprocess.run(command, capture_output=True, timeout=120).returncode == -signal.SIGKILL
    go(faces, out, scripted(ASK))
    go(faces, tmp_path / "whole", scripted(ASK))
    assert not [*out.rglob("*.part"), *out.rglob("*.lock")]  # what the killed one left is gone with the next one
    assert everything(out) == everything(tmp_path / "whole")


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_an_interrupt_says_so_and_the_same_command_goes_on(faces: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    places = ["--lr", str(faces[0]), "--hr", str(faces[1]), "--out", str(out)]
    changes = [word for change in PLAIN for word in ("--set", change)]
    command = [sys.executable, "-m", "fsrbench", "run", "--family", "general", *places, *changes]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(lambda: (out / "study.yaml").exists())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    if process.returncode != 0:  # it may have been faster than the signal
        assert process.returncode == 130
        assert "the same command goes on" in said
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len(rows(out / "run_config.csv")) == 3
