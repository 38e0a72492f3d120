"""Self-ensemble: the network sees the input in several views, and the mean of what it makes of them stands."""

from fsrbench.core.contracts import Knob

KNOB = Knob(
    meaning=(
        "In how many views the network sees the input (1 as it is, 2 with its mirror image, 8 with quarter turns too); "
        "the mean of its answers stands, which is closer to the truth on average and a little smoother."
    ),
    families=("general", "blind", "prior"),
    stage="around",
    default=1,
    choices=(1, 2, 8),
    upright=(1, 2),
    deep=True,
)
