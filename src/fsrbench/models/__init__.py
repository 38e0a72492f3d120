"""Networks: the table of official weights, checkpoints made into networks, and the embedded models.

May use `core` and `files`. How a family restores with a network does not belong here: that is its backend's.
"""
