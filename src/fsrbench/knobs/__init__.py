"""What an auditor may turn, one file each, declaring `KNOB`.

May use `imaging` and `core`. How far an auditor is followed does not belong here: that is `case/policy.py`'s.
"""
