"""What is measured, one file each, declaring `METRIC`.

May use `imaging`, `models`, `files` and `core`. Means, tests and tables do not belong here.
"""
