"""Strength of the random noise from which GFPGAN's generator makes fine texture."""

from fsrbench.core.contracts import Knob

KNOB = Knob(
    meaning=(
        "How much random fine texture (pores, single hairs) the network generates: 1 as trained, 0 none and smoother, "
        "more is rougher."
    ),
    families=("prior",),
    stage="restore",
    default=1.0,
    low=0.0,
    high=1.5,
    deep=True,
)
