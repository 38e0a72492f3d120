"""Files of any kind: written whole or not at all, CSV, YAML, downloads, and what a folder remembers of its files.

May use `core`. What a file means (a study, a picture, a checkpoint) does not belong here.
"""
