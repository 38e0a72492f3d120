"""The table of published files: where each lies, how large it is, what its hash is, who needs it.

How a file of it comes to this machine is `weights.py`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Weight:
    """One published file."""

    name: str
    """File name: in the folder, in the cache and at the end of the URL."""
    folder: str
    """URL of the folder it is published in; for a member of a zip, the zip's name."""
    bytes: int
    """Exact size."""
    sha256: str
    """Hash of the file."""
    licence: str
    """Under what it is published."""
    needed_by: tuple[str, ...]
    """Plugins that ask for it."""
    non_commercial: bool = False
    """Said out loud before a download."""
    member_of: str | None = None
    """Name of the zip in the table that holds it."""
    note: str = ""
    """What else a reader of the table must know."""


_GH = "https://github.com/"
_ESRGAN = _GH + "xinntao/Real-ESRGAN/releases/download/"
_KAIR = _GH + "cszn/KAIR/releases/download/v1.0"
_GFPGAN = _GH + "TencentARC/GFPGAN/releases/download/v1.3.0"
_FACEXLIB = _GH + "xinntao/facexlib/releases/download/"
_BUFFALO = "buffalo_l.zip"
_GFPGAN_LICENCE = "Apache-2.0 and others, see its repository"
_RESEARCH = "non-commercial research"
_BSD = "BSD-3-Clause"
_FOR_REALESRGAN = ("realesrgan", "upstream_realesrgan")
_FOR_BSRGAN = ("bsrgan", "upstream_bsrgan")
_FOR_GFPGAN = ("gfpgan", "upstream_gfpgan")

# fmt: off
_ROWS = (
    Weight("RealESRGAN_x4plus.pth", _ESRGAN + "v0.1.0", 67_040_989,
           "4fa0d38905f75ac06eb49a7951b426670021be3018265fd191d2125df9d682f1",
           _BSD, _FOR_REALESRGAN),
    Weight("RealESRGAN_x2plus.pth", _ESRGAN + "v0.2.1", 67_061_725,
           "49fafd45f8fd7aa8d31ab2a22d14d91b536c34494a5cfe31eb5d89c2fa266abb",
           _BSD, _FOR_REALESRGAN),
    Weight("realesr-general-x4v3.pth", _ESRGAN + "v0.2.5.0", 4_885_111,
           "8dc7edb9ac80ccdc30c3a5dca6616509367f05fbc184ad95b731f05bece96292",
           _BSD, _FOR_REALESRGAN),
    Weight("realesr-general-wdn-x4v3.pth", _ESRGAN + "v0.2.5.0", 4_885_111,
           "1641f8c4464b9f097c9fdda5589273713f67cf59f3d909e0bd688f0cee269dca",
           _BSD, _FOR_REALESRGAN),
    Weight("BSRGAN.pth", _KAIR, 67_046_751,
           "5d505a0766160921e0388d76e1ddf08cb114303990f9080432bf2b1c988b1c54",
           "Apache-2.0", _FOR_BSRGAN),
    Weight("BSRGANx2.pth", _KAIR, 66_894_171,
           "614f68bcafcf123a1ea51cc75ae5741640a8b1d49dd75757ad3ad531f772c736",
           "Apache-2.0", _FOR_BSRGAN, note="hash seen in one place only"),
    Weight("GFPGANv1.4.pth", _GFPGAN, 348_632_874,
           "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad",
           _GFPGAN_LICENCE, _FOR_GFPGAN),
    Weight("GFPGANv1.3.pth", _GFPGAN, 348_632_874,
           "c953a88f2727c85c3d9ae72e2bd4846bbaf59fe6972ad94130e23e7017524a70",
           _GFPGAN_LICENCE, _FOR_GFPGAN),
    Weight("detection_Resnet50_Final.pth", _FACEXLIB + "v0.1.0", 109_497_761,
           "6d1de9c2944f2ccddca5f5e010ea5ae64a39845a86311af6fdf30841b0a5a16d",
           "MIT", ("upstream_gfpgan",)),
    Weight("parsing_parsenet.pth", _FACEXLIB + "v0.2.2", 85_331_193,
           "3d558d8d0e42c20224f13cf5a29c79eba2d59913419f945545d8cf7b72920de2",
           "MIT", ("upstream_gfpgan",)),
    Weight(_BUFFALO, _GH + "deepinsight/insightface/releases/download/v0.7", 288_621_354,
           "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
           _RESEARCH, ("arcface", "gfpgan"), non_commercial=True),
    Weight("w600k_r50.onnx", _BUFFALO, 174_383_860,
           "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
           _RESEARCH, ("arcface",), non_commercial=True, member_of=_BUFFALO),
    Weight("det_10g.onnx", _BUFFALO, 16_923_827,
           "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
           _RESEARCH, ("arcface", "gfpgan"), non_commercial=True, member_of=_BUFFALO),
    Weight("alexnet-owt-7be5be79.pth", "https://download.pytorch.org/models", 244_408_911,
           "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
           _BSD, ("lpips",)),
)
# fmt: on
TABLE: dict[str, Weight] = {w.name: w for w in _ROWS}
"""Every file that fsrbench may ask for. What ships inside other packages (LPIPS's linear layers) is not here."""
