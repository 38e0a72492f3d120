"""Removes noise with non-local means, at a strength measured from the picture itself."""

from __future__ import annotations

from fsrbench.tools import _knob

TOOL = _knob.tool("denoise", "Removes noise, as the knob `denoise` does.", treats="noise")
