"""One picture: degraded, restored, looked at, and the rules that decide what follows. What every way is given.

May use plugins through `plugins.load`, and the rooms below. Files of a run and other cases do not belong here.
"""
