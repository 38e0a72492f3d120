"""Denoise strength of the general family: a mix of the weights of x4v3 and of its weakly denoising twin (wdn)."""

from fsrbench.core.contracts import Knob

KNOB = Knob(
    meaning=(
        "How strongly the network removes noise while it restores: 1 is its full denoising, less mixes in a twin that "
        "keeps grain and faint texture (and noise), 0 is that twin alone."
    ),
    families=("general",),
    stage="restore",
    default=1.0,
    low=0.0,
    high=1.0,
    deep=True,
)
