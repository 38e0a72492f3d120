"""The page as one file: its script, its style, and what it is handed, all inside, and no other script may run."""

from __future__ import annotations

from importlib import resources
from typing import Any

from fsrbench.show import inline, report


def html(handed: dict[str, Any], *, reference: bool) -> str:
    """The page. It is handed `{}` where it is served, and all that it shows where it is a file."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    style, script = f"{report.style()}\n{_asset('rate.css')}", _asset("rate.js")
    policy = (
        f"default-src 'none'; script-src {inline.allowed(script)}; style-src {inline.allowed(style)}; "
        "img-src 'self' file: data:; connect-src 'self'; base-uri 'none'; form-action 'none'"
    )
    environment = Environment(autoescape=True, undefined=StrictUndefined)
    return environment.from_string(_asset("index.html")).render(
        policy=Markup(policy),
        style=Markup(style),
        script=Markup(script),
        handed=Markup(inline.as_json(handed)),
        reference=reference,
    )


def _asset(name: str) -> str:
    return resources.files(__package__).joinpath("page", name).read_text(encoding="utf-8")
