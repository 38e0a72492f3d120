"""Metrics with a reference of the package piq: `piq:fsim`, `piq:vif_p`, `piq:mdsi`, `piq:multi_scale_ssim`, …

The part after the colon is the name of piq's function, called with its own defaults on float32 RGB in [0, 1]; a few
short names are known too. None of them needs a download. Its metrics without a reference, and those that are networks
(which it would fetch by itself, unchecked), are left out: `pyiqa:NAME` has them. `vif_p` is not symmetric; the
restoration is its first picture.
"""

from __future__ import annotations

from functools import partial

from fsrbench.core.contracts import Machine, Metric
from fsrbench.core.errors import SettingsError, Unavailable
from fsrbench.core.near import near
from fsrbench.metrics import _piq

HIGHER = (
    "dss", "fsim", "haarpsi", "information_weighted_ssim", "multi_scale_ssim", "psnr", "srsim", "ssim", "vif_p", "vsi",
)  # fmt: skip
LOWER = ("gmsd", "mdsi", "multi_scale_gmsd")
SHORT = {
    "iw_ssim": "information_weighted_ssim",
    "ms_gmsd": "multi_scale_gmsd",
    "ms_ssim": "multi_scale_ssim",
    "vif": "vif_p",
}


def named(name: str) -> Metric:
    """One metric of the package."""
    plain = name.lower().replace("-", "_")
    function = SHORT.get(plain, plain)
    if function not in (*HIGHER, *LOWER):
        known = sorted((*HIGHER, *LOWER, *SHORT))
        hint = near(plain, known, "piq:{}")
        raise SettingsError(f"piq has no metric {name!r} that can be used here.{hint} Known: {', '.join(known)}.")
    label = f"{function} (piq)"
    return Metric(
        label,
        "lower" if function in LOWER else "higher",
        reference=True,
        digits=4,
        open=partial(_piq.against_reference, function, label),
        depends=("device",),
    )


def _open_unnamed(_machine: Machine) -> _piq.Scorer:
    raise Unavailable("Say which metric of piq is meant, e.g. piq:fsim.")


METRIC = Metric("piq", "higher", reference=True, digits=4, open=_open_unnamed, named=named)
