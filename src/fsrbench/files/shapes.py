"""What stored files must hold, as far as anything relies on it; who reads them is `store.py`.

A file of a run may come from anywhere. What has another shape is not what this program wrote, and is refused before
anything is done with it. Keys beyond those that are named are kept as they are, but for a trail's, which has no others.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, TypeAdapter, ValidationError

from fsrbench.core import coherence
from fsrbench.core.values import PURE, Fault, Trail
from fsrbench.files import jsonfile, migrations, names


class _Shape(BaseModel):
    model_config = ConfigDict(extra="allow", allow_inf_nan=False)


class _Inputs(_Shape):
    lr: Annotated[str, AfterValidator(names.possible)]
    hr: Annotated[str, AfterValidator(names.possible)] | None


class _Settings(_Shape):
    """What of a study's settings is compared with those of a later command; the values are `config.py`'s to check."""

    families: dict[str, dict[str, Any]]
    arms: dict[str, dict[str, Any]]
    seed: Any
    models: Any
    scale: Any
    faces: Any
    guards: Any
    limits: dict[str, Any]


class _Study(_Shape):
    """`study.yaml`."""

    inputs: _Inputs
    settings: _Settings
    machine: dict[str, str]
    prompts: dict[str, str]
    evidence: dict[str, bool]
    weights: dict[str, dict[str, str]]
    dead_knobs: dict[str, list[str]]
    knob_trials: dict[str, dict[str, Any]] = {}
    assumptions: dict[str, str] = {}
    promises: dict[str, dict[str, dict[str, Any]]] = {}
    started: str = ""
    versions: dict[str, str | None]


class _Reply(_Shape):
    """One reply of a model, as an exchange keeps it."""

    requests: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float | None = None
    cached: bool = False
    text: str = ""
    problem: str = ""
    fault: Fault | None = None


class _Tried(_Shape):
    """One setting that the oracle tried."""

    value: float | None
    knobs: dict[str, Any]


class _Asked(_Shape):
    """One question and what came back."""

    prompt: str = ""
    pictures: list[dict[str, Any]] = []
    replies: list[_Reply] = []


class _Canary(_Shape):
    """What an auditor said of spoilt pictures."""

    looking: bool | None = None
    exchanges: dict[str, _Asked] = {}


class _Exchange(_Asked):
    """A kept exchange with an auditor."""

    comparisons: list[_Asked] = []
    canary: _Canary = _Canary()
    tried: list[_Tried] = []
    patches: dict[str, tuple[int, int, int, int]] = {}
    current: float | None = None


def study(data: dict[str, Any]) -> str:
    """What is wrong with a study; empty where nothing is."""
    needed = (key for key, field in _Study.model_fields.items() if field.is_required())
    missing = [key for key in needed if not isinstance(data.get(key), dict)]
    if missing:
        return f"it has no {missing[0]}"
    try:
        _Study.model_validate(data)
    except ValidationError as error:
        return jsonfile.why(error)
    return ""


@cache
def exchange() -> TypeAdapter[dict[str, Any]]:
    """A kept exchange, handed on as it is."""

    def look(data: dict[str, Any]) -> dict[str, Any]:
        _Exchange.model_validate(data)
        return data

    return TypeAdapter(Annotated[dict[str, Any], AfterValidator(look)])


@cache
def trail() -> TypeAdapter[Trail]:
    """A trail, of today's format or of an earlier one."""

    def unpack(data: Any) -> Any:
        return {key: value for key, value in migrations.TRAIL.upgraded(data).items() if key != "format"}

    def look(found: Trail) -> Trail:
        if not found.rounds or [step.arm for step in found.rounds].count(PURE) != 1 or found.rounds[0].arm != PURE:
            raise ValueError("it does not begin with pure's one round")
        if wrong := next(filter(None, map(coherence.of_round, found.rounds)), ""):
            raise ValueError(wrong)
        return found

    return TypeAdapter(Annotated[Trail, BeforeValidator(unpack), AfterValidator(look)])
