"""Runs set against each other, as people look at them: sentences, tables, a plot, one page.

Everything is told from a `RunComparison`; nothing is compared here. `build.py` writes all of it into a folder.
"""
