"""Levels the steps that strong JPEG compression leaves on its grid of 8×8 pixels."""

from __future__ import annotations

from fsrbench.tools import _knob

TOOL = _knob.tool("deblock", "Levels the blocks of JPEG compression, as the knob `deblock` does.", treats="compression")
