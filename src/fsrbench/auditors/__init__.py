"""Who looks at a restoration, one file each, declaring `AUDITOR`.

May use `asking`, `imaging`, `models`, `files`, `core`, and other plugins through `plugins.load`. What follows from an
audit does not belong here: that is `case/policy.py`'s.
"""
