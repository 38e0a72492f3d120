"""Judges, one file each: who orders the candidates of one case, given the LR and nothing else.

May use `core`, `imaging`, and other plugins through `plugins.load`. What an arm does with the order does not belong
here.
"""
