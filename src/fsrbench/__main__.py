"""`fsrbench`, and `python -m fsrbench`: signals are heeded before anything else is loaded."""

from fsrbench.cli import interrupts


def main() -> None:
    """Entry point."""
    interrupts.heed()
    from fsrbench.cli import app

    app.main()


if __name__ == "__main__":
    main()
