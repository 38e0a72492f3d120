"""Tools, one file each: a picture in, a picture out, for ways that plan in steps.

May use `core`, `imaging`, `models`, and other plugins through `plugins.load`. Which tool is used when does not belong
here: that is a way's.
"""
