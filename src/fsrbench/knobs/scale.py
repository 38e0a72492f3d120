"""Scale switch of the blind family: which of the two networks restores. The size of the result never changes."""

from fsrbench.core.contracts import Knob

KNOB = Knob(
    meaning=(
        "Magnification at which the network restores: 4 reaches the final size in one step and invents more; "
        "2 is more cautious and softer, its result is enlarged to the same final size."
    ),
    families=("blind",),
    stage="restore",
    default=4,
    choices=(2, 4),
)
