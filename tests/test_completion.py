"""What Tab offers, asked as the shells ask: the command in a process of its own, with the words in variables.

Typer itself loads pydantic when it reads the words before the last, as for every command.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from fsrbench.cli import complete
from fsrbench.cli.app import app
from fsrbench.core import plugins
from fsrbench.study.schema import Arm

ENTRY = "import sys; sys.argv[0] = 'fsrbench'; from fsrbench.__main__ import main; main()"
OTHERS = {"--lvlm-model": "only the server knows its models"}
"""Options that take a NAME which nobody here can know."""


def tab(words: str, shell: str = "bash", code: str = ENTRY, **more: str) -> subprocess.CompletedProcess[str]:
    """Press Tab behind these words."""
    asked = {
        "_FSRBENCH_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
        "_TYPER_COMPLETE_ARGS": words,
        "_TYPER_COMPLETE_WORD_TO_COMPLETE": words.rpartition(" ")[2],
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        **more,
    }
    return subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, **asked}, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell", "pwsh"])
def test_every_shell_is_answered(shell: str) -> None:
    done = tab("fsrbench degrade --recipe b", shell)
    assert done.returncode == 0, done.stderr
    assert "bicubic" in done.stdout
    assert "bsrgan" in done.stdout
    assert "realesrgan" not in done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell"])
def test_every_shell_has_a_script_to_install(shell: str) -> None:
    done = tab("", _FSRBENCH_COMPLETE=f"source_{shell}")
    assert done.returncode == 0, done.stderr
    assert "_FSRBENCH_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("fsrbench head", ["headroom"]),
        ("fsrbench run --fam", ["--family"]),
        ("fsrbench run --models ", ["embedded", "official"]),
        ("fsrbench run --arm r", ["random", "replay", "rerun"]),
        ("fsrbench sweep ", ["strengths", "thresholds"]),
    ],
)
def test_words_are_offered(words: str, offered: list[str]) -> None:
    assert tab(words).stdout.split() == offered


def test_nothing_heavy_is_loaded_for_a_tab() -> None:
    heavy = {"torch", "numpy", "cv2", "pandas", "matplotlib", "openai", "scipy"}
    code = f"import atexit, sys; atexit.register(lambda: print('HEAVY', sorted({heavy} & set(sys.modules)))); {ENTRY}"
    assert tab("fsrbench run --set metrics=ps", code=code).stdout.endswith("HEAVY []\n")


# ------------------------------------------------------- what each offers, asked directly


def test_families() -> None:
    assert complete.families("") == ["blind", "general", "prior", "all"]
    assert complete.family("p") == ["prior"]


def test_recipes_metrics_and_kinds_come_from_file_names() -> None:
    assert complete.recipes("") == plugins.names("recipes")
    assert complete.kinds("") == sorted(plugins.KINDS)
    assert complete.tolerances("psnr") == ["psnr=", "psnr_y="]


def test_a_setting_is_offered_by_its_key_and_then_by_what_it_takes() -> None:
    assert complete.settings("policy.") == ["policy.accept_score=", "policy.min_confidence=", "policy.retries="]
    assert complete.settings("families.blind.backend=bs") == ["families.blind.backend=bsrgan"]
    assert complete.settings("metrics=psnr,ss") == ["metrics=psnr,ssim", "metrics=psnr,ssim_y"]
    assert complete.settings("arms.pick.judge=m") == ["arms.pick.judge=medoid", "arms.pick.judge=metric"]
    assert complete.settings("seed=") == []


def test_what_may_be_chosen_is_what_the_settings_allow() -> None:
    assert complete.VALUES["policy"] == get_args(Arm.model_fields["policy"].annotation)


def test_a_plugin_of_ones_own_is_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "fog.py").write_text("raise RuntimeError('only listed, never imported')", encoding="utf-8")
    assert tab("fsrbench degrade --recipe f", FSRBENCH_PLUGINS=str(tmp_path)).stdout.split() == ["fog"]
    monkeypatch.setenv("FSRBENCH_PLUGINS", str(tmp_path / "gone"))
    assert complete.recipes("") == []


def test_folders_of_runs_are_offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, file in (("outputs/monday", "study.yaml"), ("outputs/plain", "summary.json"), ("outputs/faces", "a.png")):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / file).touch()
    monkeypatch.chdir(tmp_path)
    assert complete.runs("") == complete.runs("outputs/") == ["outputs/monday", "outputs/plain"]
    assert complete.runs("outputs/m") == ["outputs/monday"]
    assert complete.runs("elsewhere/") == []
    whole = f"{tmp_path.as_posix()}/outputs/"
    assert complete.runs(whole) == [f"{whole}monday", f"{whole}plain"]


def test_every_option_that_takes_a_name_offers_some(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "monday").mkdir()
    (tmp_path / "monday" / "study.yaml").touch()
    monkeypatch.chdir(tmp_path)
    commands = get_command(app).commands  # type: ignore[attr-defined]
    for command in commands.values():
        context = command.make_context(command.name, [], resilient_parsing=True)
        for param in command.params:
            if param.metavar in ("NAME", "RUN", "KIND", "GRID") and param.opts[0] not in OTHERS:
                offered = [item.value for item in param.shell_complete(context, "")]
                assert any(offered), f"{command.name} {param.opts[0]}: give it an autocompletion (cli/complete.py)"
