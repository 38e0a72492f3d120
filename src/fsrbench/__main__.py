"""`fsrbench`, and `python -m fsrbench`: signals are heeded before anything else is loaded."""

from fsrbench import interrupts


def main() -> None:
    """Entry point."""
    interrupts.heed()
    from fsrbench import cli

    cli.main()


if __name__ == "__main__":
    main()
