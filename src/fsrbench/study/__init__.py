"""A whole run: its settings, inputs, record and folder; one case in one family; the workers that do them.

May use `ways` and the rooms below. Numbers about finished pictures do not belong here.
"""
