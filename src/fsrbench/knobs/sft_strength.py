"""Strength of the conditions by which the input steers GFPGAN's face prior (its spatial feature transforms)."""

from fsrbench.core.contracts import Knob

KNOB = Knob(
    meaning=(
        "How strongly the input's own features steer the generated face: 1 as trained, more follows the input closer "
        "(its faults included), less leans on the learned idea of a face and may change identity."
    ),
    families=("prior",),
    stage="restore",
    default=1.0,
    low=0.9,
    high=1.1,
    deep=True,
)
