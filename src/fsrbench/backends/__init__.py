"""Restoration networks, one file each, declaring `BACKEND`.

May use `imaging`, `models`, `files` and `core`. Knobs that act before or after the network do not belong here.
"""
