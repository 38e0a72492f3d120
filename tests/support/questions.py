"""Questions to an auditor about drawn faces."""

from __future__ import annotations

from typing import Any

from fsrbench.asking import comparison, prompts
from fsrbench.core import plugins
from fsrbench.core.contracts import Machine
from fsrbench.core.values import Comparison, Evidence, Patch, Question
from fsrbench.imaging import images
from support import draw_face
from support.loopback import Loopback


def seen(seed: int = 0) -> Evidence:
    sr = images.as_stored(draw_face(64, seed))
    lr = images.as_stored(images.resize(sr, 16, 16))
    return Evidence(
        lr, sr, (Patch("nose", sr[20:44, 20:44], (20, 20, 44, 44)),), "canonical FFHQ places", {"niqe": 5.0}
    )


def question(case: str = "case-1", number: int = 1, seed: int = 0, evidence: Evidence | None = None) -> Question:
    knob = plugins.load("knobs", "dehalo")
    evidence = evidence or seen()
    text = prompts.read("general").render({"dehalo": knob}, {}, evidence, None)
    return Question(case, "general", number, seed, evidence, {"dehalo": 0.0}, text, prompts.schema({"dehalo": knob}))


def pair() -> Comparison:
    return comparison.ask("case-1", "general", 1, 5, seen(0), seen(1))


def opened(server: Loopback | str, **settings: Any) -> Any:
    """The LVLM client, in a hurry."""
    url = server if isinstance(server, str) else server.url
    chosen = {"base_url": url, "model": "vlm", "backoff": 0.001, "attempts": 3, "timeout": 20, **settings}
    return plugins.load("auditors", "openai").open(chosen, Machine())
