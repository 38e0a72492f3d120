"""Second opinion: a blend of what the family's network makes and what a second one makes of the same input."""

from fsrbench.core.contracts import Knob

KNOB = Knob(
    meaning=(
        "Share of a second network's restoration in a blend with the first one's: 0 is the first alone, 1 the second "
        "alone; what only one of them invents is halved in between."
    ),
    families=("general", "blind", "prior"),
    stage="around",
    default=0.0,
    low=0.0,
    high=1.0,
    deep=True,
    line=True,
)
