"""Questions to an auditor about drawn faces."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fsrbench.asking import prompts
from fsrbench.case import evidence
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.questions import Comparison, Evidence, Patch, Question
from fsrbench.imaging import images
from support import draw_face
from support.loopback import Loopback

PRICES = {"vlm": {"input": 2.0, "output": 10.0}}
COST = (1000 * 2.0 + 50 * 10.0) / 1e6
"""What one reply of the loopback server costs."""
CHOICE = {"preferred": "second", "confidence": 90, "reason": "Calmer edges."}


def seen(seed: int = 0) -> Evidence:
    sr = images.as_stored(draw_face(64, seed))
    lr = images.as_stored(images.resize(sr, 16, 16))
    return Evidence(
        lr, sr, (Patch("nose", sr[20:44, 20:44], (20, 20, 44, 44)),), "canonical FFHQ places", {"niqe": 5.0}
    )


def question(case: str = "case-1", number: int = 1, seed: int = 0, evidence: Evidence | None = None) -> Question:
    offered = {"dehalo": plugins.load("knobs", "dehalo")}
    brief = prompts.read("general").text
    return Question(case, "general", number, seed, evidence or seen(), {"dehalo": 0.0}, offered, brief)


def pair() -> Comparison:
    return Comparison("case-1", "general", 1, 5, seen(0), seen(1))


def opened(server: Loopback | str, **settings: Any) -> Any:
    """The LVLM client, in a hurry."""
    url = server if isinstance(server, str) else server.url
    chosen = {"base_url": url, "model": "vlm", "backoff": 0.001, "attempts": 3, "timeout": 20, **settings}
    return plugins.load("auditors", "openai").open(chosen, Machine())


def bare_tools() -> evidence.Tools:
    """Evidence of signal processing alone: no detector, and no number of a metric."""
    tools = evidence.open_tools(Machine(offline=True))
    opened = {
        name: one if one.instrument.everywhere else replace(one, measure=None)
        for name, one in tools.instruments.items()
    }
    return evidence.Tools(None, opened)
