"""Degradations, one file each, declaring `RECIPE`.

May use `imaging` and `core`. Which pictures are degraded, and where they go, does not belong here.
"""
