"""Which faces of a picture the prior family restores; nothing changes where there is one aligned face."""

from fsrbench.core.contracts import Knob

KNOB = Knob(
    meaning=(
        "true restores only the face nearest to the middle of the picture and leaves other faces plainly enlarged; "
        "false restores every face. On a picture of a single face both give the same."
    ),
    families=("prior",),
    stage="restore",
    default=False,
    choices=(False, True),
    needs="several faces",
)
