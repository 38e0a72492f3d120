"""Several settings in one study: grids and sweeps, the oracle's headroom, knobs and questions without a run.

May use `measure` and the rooms below. How a result looks does not belong here.
"""
