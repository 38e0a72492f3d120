"""How good judges are, as people look at it: sentences, tables, a plot, one page.

Everything is told from a `JudgingReport`; nothing is asked or counted here. `build.py` writes all of it into a folder.
"""
