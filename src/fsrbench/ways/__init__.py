"""Ways to intervene after the pure restoration, one file each.

May use `case` and the rooms below. Ways do not know each other, nor where their pictures are stored.
"""
