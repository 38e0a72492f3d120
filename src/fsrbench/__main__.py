"""`python -m fsrbench` is `fsrbench`."""

from fsrbench.cli import main

if __name__ == "__main__":
    main()
