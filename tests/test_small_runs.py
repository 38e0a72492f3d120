"""A small run loads only what it uses: packages that load everything at once are taken in parts, or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from spandrel import ModelLoader
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN

from fsrbench.imaging import images
from fsrbench.models import architectures, checkpoints, weights
from support import draw_face

UNUSED = ("torchvision", "torch._dynamo", "sympy", "pandas", "scipy.stats", "skimage", "openai", "ray", "insightface")
"""Seconds of loading, for nothing that a run with embedded models needs."""


@pytest.mark.slow
def test_a_run_with_all_its_products_loads_nothing_that_it_does_not_use(tmp_path: Path) -> None:
    images.write(tmp_path / "hr" / "a.png", draw_face(128))
    images.write(tmp_path / "lr" / "a.png", draw_face(32))
    code = (
        "import sys, fsrbench\n"
        "run = fsrbench.run(lr='lr', hr='hr', out='out', families='all', arms=['heuristic', 'rerun', 'oracle'],\n"
        "                   settings={'hr_size': 128, 'metrics': ['psnr', 'ssim', 'haarpsi', 'niqe']}, offline=True)\n"
        "assert run.evaluated and not run.outcome.failures, run.outcome\n"
        f"print('LOADED', sorted({set(UNUSED)!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (tmp_path / "out" / "plots" / "forest.png").is_file()
    assert done.stdout.strip().endswith("LOADED []")


def old_names(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """An RRDBNet's tensors under the names that BSRGAN gave them."""
    spelt = {"conv_body": "trunk_conv", "body.": "RRDB_trunk.", "rdb": "RDB", "conv_up": "upconv", "conv_hr": "HRconv"}
    made = {}
    for name, tensor in state.items():
        for new, old in spelt.items():
            name = name.replace(new, old)
        made[name] = tensor
    return made


def new_names(blocks: int) -> dict[str, torch.Tensor]:
    """The tensors of a narrow RRDBNet under the names that Real-ESRGAN gave them."""
    shapes = {"conv_first": (8, 3), "conv_body": (8, 8), "conv_up1": (8, 8), "conv_up2": (8, 8), "conv_hr": (8, 8)}
    shapes["conv_last"] = (3, 8)
    for block in range(blocks):
        for dense in range(1, 4):
            for step in range(1, 6):
                shapes[f"body.{block}.rdb{dense}.conv{step}"] = (8 if step == 5 else 32, 8 + 32 * (step - 1))
    draw = torch.Generator().manual_seed(0)
    made = {f"{name}.weight": torch.randn(*shape, 3, 3, generator=draw) for name, shape in shapes.items()}
    return made | {f"{name}.bias": torch.randn(shape[0], generator=draw) for name, shape in shapes.items()}


NETWORKS = {
    "compact": Compact(num_feat=8, num_conv=3, upscale=4).state_dict(),
    "first names": ESRGAN(num_filters=8, num_blocks=2, scale=4).state_dict(),
    "Real-ESRGAN's names": new_names(2),
    "BSRGAN's names": old_names(new_names(2)),
    "embedded general": checkpoints.read(weights.embedded("general"))[0],
    "embedded blind": checkpoints.read(weights.embedded("blind"))[0],
}


@pytest.mark.parametrize("kind", NETWORKS)
def test_what_names_of_tensors_say_is_what_spandrel_finds(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors = NETWORKS[kind]
    found = ModelLoader("cpu").load_from_state_dict(dict(tensors))
    monkeypatch.setattr("spandrel.ModelLoader", None)  # it is not asked
    ours = architectures.describe(tensors)
    assert (type(ours).__name__, ours.architecture.id) == (type(found).__name__, found.architecture.id)
    assert (ours.tags, ours.scale, ours.purpose, ours.size_requirements) == (
        found.tags, found.scale, found.purpose, found.size_requirements,
    )  # fmt: skip
    assert ours.model.state_dict().keys() == found.model.state_dict().keys()
    assert all(map(torch.equal, ours.model.state_dict().values(), found.model.state_dict().values()))
    assert architectures.maps_pictures(ours)


def test_one_tensor_of_another_name_and_spandrel_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr("spandrel.ModelLoader.load_from_state_dict", lambda _, tensors: asked.append(set(tensors)))
    strange = {**NETWORKS["compact"], "body.0.weight_v": torch.ones(1)}
    assert architectures.describe(strange) is None
    assert asked == [set(strange)]


def test_a_part_of_a_package_leaves_nothing_behind_and_the_whole_can_follow() -> None:
    code = (
        "import sys\nfrom fsrbench.core.modules import alone\n"
        "part = alone('spandrel.architectures.Compact')\n"
        "assert alone('spandrel.architectures.Compact') is part\n"
        "assert not [name for name in sys.modules if name.split('.')[0] in ('spandrel', 'torchvision')]\n"
        "import spandrel, spandrel.architectures.Compact\n"
        "assert spandrel.ModelLoader and spandrel.architectures.Compact.Compact\n"
        "assert alone('spandrel.architectures.ESRGAN') is spandrel.architectures.ESRGAN\n"
        "try:\n    alone('nowhere.at_all')\nexcept ModuleNotFoundError as error:\n    print(error.name)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "nowhere"
