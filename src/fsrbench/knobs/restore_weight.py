"""Restore weight of the prior family: a blend, made by the backend, of the restored face and the enlarged input."""

from fsrbench.core.contracts import Knob

KNOB = Knob(
    meaning=(
        "Share of the restored face in a blend with the plainly enlarged input: 1 is the full restoration, less keeps "
        "more of the input's own look (and of its blur), where the restored face looks unlike the input."
    ),
    families=("prior",),
    stage="restore",
    default=1.0,
    low=0.5,
    high=1.0,
    line=True,
)
