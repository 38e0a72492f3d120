"""Pictures: the image contract, PNG, faces and their regions, the measured artifacts.

May use `core`, `files` and `models` (detectors have weights). What a number says about an arm does not belong here.
"""
