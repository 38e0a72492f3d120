"""`fsrbench`, and `python -m fsrbench`: signals are heeded before anything else is loaded."""

import gc

from fsrbench.cli import interrupts

CYCLES = 20_000
"""New objects after which Python looks for such as hold each other: after its usual 700, a tenth of a small run."""


def main() -> None:
    """Entry point."""
    interrupts.heed()
    gc.set_threshold(CYCLES)
    from fsrbench.cli import app

    app.main()


if __name__ == "__main__":
    main()
