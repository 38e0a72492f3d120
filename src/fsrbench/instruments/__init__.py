"""What auditors are told in numbers, one file each, declaring `INSTRUMENT`.

May use `imaging`, `core`, and other plugins through `plugins.load`. What needs the reference does not belong here.
"""
