"""Files that claim more than they hold: each is refused in a sentence, and none takes memory first."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from fsrbench.core.errors import WeightsError
from fsrbench.models import checkpoints, listing, networks, pickles
from support.networks import made_compact

MOST_MB = 1_500
"""Megabytes that a process may take that opens them all."""


# ----------------------------------------------------------------- what is good


def saved(path: Path, state: Any, **how: Any) -> Path:
    torch.save(state, path, **how)
    return path


@pytest.mark.parametrize("how", [{}, {"_use_new_zipfile_serialization": False}, {"pickle_protocol": 4}])
def test_a_file_gives_the_tensors_that_were_saved(tmp_path: Path, how: dict[str, Any]) -> None:
    base = torch.arange(24.0).reshape(4, 6)
    state = OrderedDict(
        turned=base.T, part=base[1:3, ::2], tied=base, half=base.half(), brain=base.bfloat16(), double=base.double(),
        counter=torch.tensor(3), table=torch.arange(6).reshape(2, 3), own=torch.nn.Parameter(base + 1),
        empty=torch.zeros(0, 3),
    )  # fmt: skip
    state._metadata = {"": {"version": 1}}  # type: ignore[attr-defined]
    read, about = checkpoints.read(saved(tmp_path / "a.pth", {"epoch": 3, "lr": 0.1, "params_ema": state}, **how))
    assert about == {}
    assert list(read) == list(state)
    for name, tensor in state.items():
        expected = tensor.detach().float() if tensor.is_floating_point() else tensor
        assert torch.equal(read[name], expected), name
        assert read[name].dtype == expected.dtype
        assert read[name].untyped_storage().nbytes() == expected.numel() * expected.itemsize  # nothing else is kept


def test_a_safetensors_file_gives_the_tensors_that_were_saved(tmp_path: Path) -> None:
    state = {"module.a.weight": torch.randn(3, 2), "module.b": torch.tensor(7), "module.c.bias": torch.ones(2).half()}
    save_file(state, tmp_path / "a.safetensors")
    read, _ = checkpoints.read(tmp_path / "a.safetensors")
    assert {name: tensor.dtype for name, tensor in read.items()} == {
        "a.weight": torch.float32, "b": torch.int64, "c.bias": torch.float32
    }  # fmt: skip
    assert torch.equal(read["a.weight"], state["module.a.weight"])


# ------------------------------------------------------------------ what is not


def deflated(path: Path) -> None:
    """The same file with its members compressed: zeros get a thousand times smaller."""
    whole = io.BytesIO()
    torch.save(made_compact(), whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))


def rewritten(path: Path, change: Callable[[str, bytes], bytes], state: Any = None) -> None:
    """A saved file with other members."""
    whole = io.BytesIO()
    torch.save(state or made_compact(), whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, change(name, source.read(name)))


def listed(path: Path, instructions: bytes) -> None:
    """A file whose list of tensors is a pickle of one's own."""
    rewritten(path, lambda name, data: instructions if name.endswith("data.pkl") else data)


def safetensors(path: Path, header: dict[str, Any] | bytes, data: bytes = b"", length: int | None = None) -> None:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def entry(shape: list[int], first: int, last: int, kind: str = "F32") -> dict[str, Any]:
    return {"dtype": kind, "shape": shape, "data_offsets": [first, last]}


def long_legacy(path: Path) -> None:
    """A small old file that says of its numbers that they are ten billion."""
    whole = io.BytesIO()
    torch.save({"a.weight": torch.zeros(7)}, whole, _use_new_zipfile_serialization=False)
    many = b"\x8a\x05" + (10**10).to_bytes(5, "little")
    path.write_bytes(whole.getvalue().replace(b"K\x07", many, 1))


def tar(path: Path) -> None:
    with tarfile.open(path, "w") as file:
        for name in ("storages", "tensors", "pickle"):
            file.addfile(tarfile.TarInfo(name))


def wide(path: Path) -> None:
    """The tensors of a network with as many channels as it takes to make it enormous."""
    state = {"model.0.weight": torch.zeros(12_000, 3, 3, 3), "model.0.bias": torch.zeros(12_000)}
    for block in range(2):
        for dense in range(1, 4):
            state[f"model.1.sub.{block}.RDB{dense}.conv1.0.weight"] = torch.zeros(1, 1, 3, 3)
    for name in ("model.1.sub.2", "model.3", "model.6", "model.8", "model.10"):
        state[f"{name}.weight"] = torch.zeros(3, 1, 3, 3)
    torch.save(state, path)


def windows(path: Path) -> None:
    """A transformer with windows of 120 pixels: its table of positions is small, the index made of it is not."""
    from spandrel.architectures.SwinIR import SwinIR

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # spandrel's copy of it calls meshgrid in the old way
        state = SwinIR(window_size=4, depths=[1], embed_dim=12, num_heads=[2], upsampler="pixelshuffledirect")
    tensors = dict(state.state_dict())
    name = next(name for name in tensors if name.endswith("relative_position_bias_table"))
    tensors[name] = torch.zeros((2 * 120 - 1) ** 2, 2)
    tensors[name.replace("bias_table", "index")] = torch.zeros(1, dtype=torch.int64).expand(14_400, 1)
    torch.save({n: t.clone() for n, t in tensors.items()}, path)


def with_tensor(tensor: torch.Tensor, name: str = "body.0.weight") -> Callable[[Path], None]:
    return lambda path: torch.save(made_compact() | {name: tensor}, path)


def nan() -> torch.Tensor:
    tensor = torch.zeros(8, 3, 3, 3)
    tensor[0, 0, 0, 0] = float("nan")
    return tensor


def thin() -> torch.Tensor:
    return torch.sparse_coo_tensor(torch.zeros(2, 1), torch.ones(1), (10**6, 10**6), check_invariants=True)


PLAIN = {"a.weight": torch.zeros(1)}
HOSTILE: dict[str, tuple[str, str, Callable[[Path], Any]]] = {
    "deflated": ("pth", "is compressed", deflated),
    "piece larger than its member": (
        "pth", "another size than it says",
        lambda path: rewritten(path, lambda name, data: data[:-4] if name.endswith("data/0") else data)),
    "expanded": ("pth", "larger than the numbers it is made of", with_tensor(torch.zeros(1).expand(10**7, 10**3))),
    "meta": ("pth", "empty tensors", with_tensor(torch.empty(10**6, 10**4, device="meta"))),
    "sparse": ("pth", "sparse", lambda path: with_tensor(thin())(path)),
    "complex": ("pth", "complex64 numbers", with_tensor(torch.zeros(8, 3, 3, 3, dtype=torch.complex64))),
    "integers": ("pth", "int64 numbers where weights", with_tensor(torch.zeros(8, 3, 3, 3, dtype=torch.int64))),
    "bytes": ("pth", "uint8 numbers where weights", with_tensor(torch.zeros(8, 3, 3, 3, dtype=torch.uint8))),
    "NaN": ("pth", "weights that are no numbers .body.0.weight", with_tensor(nan())),
    "infinite": ("pth", "weights that are no numbers", with_tensor(torch.full((8, 3, 3, 3), torch.inf))),
    "too large for fp32": ("pth", "no numbers", with_tensor(torch.full((8, 3, 3, 3), 1e300, dtype=torch.float64))),
    "many dimensions": ("pth", "impossible shape", with_tensor(torch.zeros([1] * 9))),
    "many layers": ("pth", "layer's number beyond", with_tensor(torch.zeros(8, 8, 3, 3), "body.999999999.weight")),
    "deep": ("pth", "do not fit", with_tensor(torch.zeros(8, 8, 3, 3), "body.9999.weight")),
    "wide": ("pth", "far more than its tensors have", wide),
    "windows": ("pth", "far more than its tensors have", windows),
    "tensor of nothing but itself": ("pth", "no plain set of tensors", lambda path: torch.save({"a": [PLAIN]}, path)),
    "TorchScript": ("pth", "run code", lambda path: _members(path, {"a/data.pkl": b"", "a/constants.pkl": b""})),
    "other zip": ("pth", "none that torch.save wrote", lambda path: _members(path, {"picture.png": b"no"})),
    "long directory": ("pth", "directory that is too large", lambda path: _members(path, {"a/data.pkl": b""}, 400_000)),
    "memo": ("pth", "no plain set|damaged", lambda path: listed(path, b"\x80\x02}r\xff\xff\xff\x7f.")),
    "key that is hashed for ever": (
        "pth", "do not fit together", lambda path: listed(path, b"\x80\x02})" + b"q\x01h\x01\x86" * 64 + b"K\x01s.")),
    "deep key": (
        "pth", "do not fit together", lambda path: listed(path, b"\x80\x02})" + b"\x85" * 500_000 + b"K\x01s.")),
    "long text": ("pth", "damaged", lambda path: listed(path, b"\x80\x04}\x8d" + struct.pack("<Q", 1 << 50))),
    "buffer": ("pth", "damaged", lambda path: listed(path, b"\x80\x05\x96" + struct.pack("<Q", 1 << 40) + b".")),
    "other instruction": ("pth", "run code.*pickle instruction INST", lambda path: listed(path, b"(ios\nsystem\n.")),
    "old, long": ("pth", "ends too early", long_legacy),
    "old, tar": ("pth", "damaged", tar),
    "complex safetensors": (
        "safetensors", "complex64 numbers", lambda path: safetensors(path, {"a": entry([1], 0, 8, "C64")}, bytes(8))),
    "eight bits": (
        "safetensors", "F8_E4M3 numbers", lambda path: safetensors(path, {"a": entry([8], 0, 8, "F8_E4M3")}, bytes(8))),
    "large shape": (
        "safetensors", "larger than the numbers",
        lambda path: safetensors(path, {"a": entry([10**6, 10**6], 0, 8)}, bytes(8))),
    "overlapping": (
        "safetensors", "overlap",
        lambda path: safetensors(path, {f"a{n}": entry([2], 0, 8) for n in range(1000)}, bytes(8))),
    "beyond the end": (
        "safetensors", "ends too early", lambda path: safetensors(path, {"a": entry([2], 8, 16)}, bytes(8))),
    "long header": ("safetensors", "header is too long", lambda path: safetensors(path, b"{}", length=1 << 60)),
    "nested header": ("safetensors", "damaged", lambda path: safetensors(path, b'{"a":' + b"[" * 10**6)),
    "long number": (
        "safetensors", "damaged",
        lambda path: safetensors(path, b'{"a":{"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,8]}}')),
    "nothing, endlessly long": (
        "safetensors", "impossible shape", lambda path: safetensors(path, {"a": entry([0, 10**18], 0, 0)})),
}  # fmt: skip
"""What is wrong → suffix, words, how it is made."""


def _members(path: Path, members: dict[str, bytes], more: int = 0) -> None:
    """A zip; with `more` members that stand in its directory only."""
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members.items():
            file.writestr(name, data)
        for number in range(more):
            file.filelist.append(zipfile.ZipInfo(f"{number}"))
        file._didModify = True  # type: ignore[attr-defined]
        for one in file.filelist:
            one.header_offset = one.CRC = one.file_size = one.compress_size = 0


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("hostile")
    made = {}
    for number, (name, (suffix, _, make)) in enumerate(HOSTILE.items()):
        made[name] = folder / f"{number}.{suffix}"
        make(made[name])
    return made


@pytest.mark.parametrize("name", HOSTILE)
def test_what_claims_more_than_it_holds_is_refused(hostile: dict[str, Path], name: str) -> None:
    with pytest.raises(WeightsError, match=HOSTILE[name][1]) as caught:
        networks.load(hostile[name])
    assert str(hostile[name]) in str(caught.value)


OPEN_ALL = """
import sys
from pathlib import Path
from fsrbench.models import networks
from fsrbench.core.errors import WeightsError
from support.process import peak_megabytes
for name in sys.argv[1:]:
    try:
        networks.load(Path(name))
    except WeightsError:
        print(peak_megabytes())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="memory is not counted there")
def test_refusing_takes_no_memory(hostile: dict[str, Path]) -> None:
    command = [sys.executable, "-c", OPEN_ALL, *map(str, hostile.values())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=Path(__file__).parent)
    peaks = [float(line) for line in done.stdout.split()]
    assert len(peaks) == len(hostile), done.stderr
    assert max(peaks) < MOST_MB


def test_a_network_is_not_deeper_than_its_checkpoint(tmp_path: Path) -> None:
    """What its constructor would make for nothing is counted, too."""
    state = {f"body.{number}.weight": torch.zeros(1, dtype=torch.float16) for number in range(20)}
    with pytest.raises(WeightsError):
        networks.load(saved(tmp_path / "a.pth", state))


def test_hyperparameters_are_bounded(tmp_path: Path) -> None:
    about = {"hyperparameters": {"out_size": 64, "num_mlp": 10**9}}
    state = {"stylegan_decoder.constant_input.weight": torch.zeros(1, 32, 4, 4)}
    save_file(state, tmp_path / "a.safetensors", {"fsrbench": json.dumps(about)})
    with pytest.raises(WeightsError, match="hyperparameter num_mlp"):
        networks.load_gfpgan(tmp_path / "a.safetensors")


def test_a_list_of_tensors_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.pth", made_compact())
    bounds = ((listing, "MAX_TENSORS", 3), (listing, "MAX_BYTES", 1000), (pickles, "MAX_STEPS", 20))
    for module, name, value in (*bounds, (checkpoints, "MAX_LIST", 100)):
        with monkeypatch.context() as patched:
            patched.setattr(module, name, value)
            with pytest.raises(WeightsError, match=r"lists|GB|too large"):
                checkpoints.read(path)
