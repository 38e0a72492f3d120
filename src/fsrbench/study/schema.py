"""What can be set, with types and bounds. How settings are read and laid over each other is in `config.py`.

What they mean is said in `configs/default.yaml`; what they do, in the modules that take them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from fsrbench.core import auditing, contracts, plugins
from fsrbench.core.judging import Judge
from fsrbench.core.questions import MAX_REASON, MAX_REPLY, Bounds
from fsrbench.core.values import PURE
from fsrbench.core.ways import Way
from fsrbench.files import names
from fsrbench.study.following import ArmPolicy, GuardSettings, Policy, SettingsGroup

NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"
"""What a family or an arm may be called: it becomes a folder."""
TAKEN = (PURE, "trails", "audits", "paid", "preflight", "plots", "report", "inputs", "outputs")
"""Names that stand for something else in a run's folder."""
OwnFile: TypeAlias = Annotated[Path, AfterValidator(names.possible)]
"""A file of the user's; whether it is there is said when it is needed."""


class OtherNetwork(SettingsGroup):
    """A network beside a family's own. A config may give the backend's name alone."""

    backend: str
    model: Annotated[str, AfterValidator(names.possible)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, given: Any) -> Any:
        return {"backend": given} if isinstance(given, str) else given


class Family(SettingsGroup):
    """One pipeline under test."""

    backend: str
    model: Annotated[str, AfterValidator(names.possible)] | None = None
    tile: int = Field(default=0, ge=0)
    aligned: Literal["auto"] | bool = "auto"
    knobs: tuple[str, ...] | None = None
    max_changes: int | None = Field(default=None, ge=1)
    prompt: OwnFile | None = None
    background: OtherNetwork | None = None
    """The network for what is around restored faces."""
    second: OtherNetwork | None = None
    """The network whose opinion the knob second_opinion blends in. Its model may be `embedded`, too."""
    variant_of: str | None = None
    """Another family whose prompt, knobs and seeds it takes: the same pipeline, set differently."""

    @model_serializer(mode="wrap")
    def _as_in_a_config(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What an earlier version did not know is left out where it says nothing."""
        family: dict[str, Any] = dump(self)
        return {key: value for key, value in family.items() if value or key not in ("background", "second")}


class Arm(BaseModel):
    """A way to intervene. Keys that are not named here are the auditor's own settings."""

    model_config = ConfigDict(extra="allow", frozen=True)

    way: str = "audit"
    options: dict[str, Any] = Field(default_factory=dict, alias="with")
    """The way's own settings: `with` in a config."""
    auditor: str | None = None
    judge: dict[str, Any] | None = None
    """Its `name`, and beside it the judge's own settings. A config may give the name alone."""
    policy: Literal["paper", "guarded", "certified"] = "paper"
    certificate: str = "shipped"
    """Under policy certified: its file, a folder with FAMILY-ARM.json, or `shipped`."""
    uncertified: bool = False
    """Follow it where the certificate's guarantee is void, too."""
    limits: ArmPolicy = ArmPolicy()
    keep_candidates: bool = False
    """Store also the pictures that the arm did not end with."""
    controls: bool = False
    """Put the controls beside it that its way declares: `config.with_controls` makes arms of them."""
    variant_of: str | None = None
    """Another arm whose seeds it takes: where both see the same picture, they ask the same question."""

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, given: Any) -> Any:
        """`judge: NAME`, and `auditor: {name: NAME, …}` with its settings beside its name."""
        if not isinstance(given, Mapping):
            return given
        arm = dict(given)
        if isinstance(arm.get("judge"), str):
            arm["judge"] = {"name": arm["judge"]}
        if isinstance(arm.get("auditor"), Mapping):
            own = dict(arm.pop("auditor"))
            if misplaced := [key for key in own if key in ("with", *cls.model_fields)]:
                raise ValueError(f"{misplaced[0]} is a setting of the arm: it stands beside its auditor, not below it")
            arm = {**arm, "auditor": own.pop("name", None), **own}
        return arm

    @model_validator(mode="after")
    def _names_a_judge(self) -> Self:
        if self.judge is not None and not isinstance(self.judge.get("name"), str):
            raise ValueError("a judge has a name: judge: {name: metric, metric: niqe}, or judge: metric")
        return self

    @model_serializer(mode="wrap")
    def _as_in_a_config(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """What an earlier version did not know is left out where it says nothing."""
        arm = dump(self)
        newer = {"with": arm.pop("options", None)}
        own = ("judge", "keep_candidates", "controls", "certificate", "uncertified")
        newer |= {key: arm.pop(key, None) for key in own}
        limits = arm["limits"].items()
        arm["limits"] = {key: value for key, value in limits if value is not None or key in Policy.model_fields}
        if self.policy != "certified" and self.certificate == "shipped":
            del newer["certificate"]
        return {**arm, **{key: value for key, value in newer.items() if value}}

    def declared(self) -> Way:
        """The plugin of its way."""
        way: Way = plugins.load("ways", self.way)
        return way

    def lookers(self) -> list[auditing.Auditor | Judge]:
        """The plugins of those that look at pictures for it."""
        auditor = [] if self.auditor is None else [plugins.load("auditors", self.auditor)]
        return auditor + ([] if self.judge is None else [plugins.load("judges", self.judge["name"])])

    def chosen(self) -> Any:
        """The way's settings, checked: a value of the model that it declares; None where it has none."""
        model = self.declared().settings
        return None if model is None else model.model_validate(self.options)

    def judging(self) -> Any:
        """The judge's settings, checked; None where it has none."""
        own = {key: value for key, value in (self.judge or {}).items() if key != "name"}
        model = None if self.judge is None else plugins.load("judges", self.judge["name"]).settings
        return None if model is None else model.model_validate(own)

    def chosen_by(self) -> tuple[str, ...]:
        """Metrics by which its pictures are chosen."""
        auditor = () if self.auditor is None else plugins.load("auditors", self.auditor).measures(self.settings)
        judge = () if self.judge is None else plugins.load("judges", self.judge["name"]).measures(self.judging())
        return (*auditor, *judge)

    @property
    def settings(self) -> dict[str, Any]:
        """The auditor's own settings."""
        return dict(self.model_extra or {})

    def follows(self, policy: str) -> bool:
        """Can it be run under a policy? Guarded asks its auditor to compare two pictures; only what is neither noise
        nor sees a reference can be certified."""
        if policy == "certified":
            return self.declared().role != "floor" and not self.privileged
        return self.auditor is not None and (policy == "paper" or plugins.load("auditors", self.auditor).compares)

    @property
    def privileged(self) -> bool:
        """May it look at the reference?"""
        return any(declared.privileged for declared in (self.declared(), *self.lookers()))

    def takes(self, setting: auditing.Common) -> bool:
        """Is this one of its auditor's settings?"""
        return self.auditor is not None and setting in plugins.load("auditors", self.auditor).takes


class Faces(SettingsGroup):
    """Networks that find and recognise faces."""

    detector: OwnFile | None = None
    recogniser: OwnFile | None = None


class LimitSettings(SettingsGroup):
    """Bounds on what is read, and on the time of a case. They may change while a run goes on, all but `max_reply`."""

    max_pixels: int = Field(default=40_000_000, ge=1)
    max_bytes: int = Field(default=200_000_000, ge=1)
    max_reply: int = Field(default=MAX_REPLY, ge=200, le=2_000_000)
    max_reason: int = Field(default=MAX_REASON, ge=1, le=100_000)
    max_seconds: float | None = Field(default=3600, gt=0, allow_inf_nan=False)
    max_invalid: float = Field(default=0.5, ge=0, le=1)

    def of_pictures(self) -> dict[str, int]:
        """Those on an input picture, as `images.read` takes them."""
        return {"max_pixels": self.max_pixels, "max_bytes": self.max_bytes}

    def of_replies(self) -> Bounds:
        """Those on an auditor's reply."""
        return Bounds(self.max_reply, self.max_reason)


class Settings(SettingsGroup):
    """Everything that decides a result. Where and how fast it runs is not in here."""

    seed: int = Field(default=0, ge=0, lt=2**63)
    models: Literal["embedded", "official"] = "embedded"
    scale: int = Field(default=4, ge=1, le=8)
    hr_size: int = Field(default=512, ge=16, le=16_384)
    families: dict[str, Family]
    arms: dict[str, Arm]
    policy: Policy = Policy()
    guards: GuardSettings = GuardSettings()
    metrics: tuple[str, ...] = Field(max_length=100)
    clusters: OwnFile | None = None
    faces: Faces = Faces()
    limits: LimitSettings = LimitSettings()

    def kind(self, family: str) -> str:
        """The family whose prompt, knobs and seeds a family takes: its own, unless it is a variant."""
        return self.families[family].variant_of or family

    def offered(self, family: str) -> dict[str, contracts.Knob]:
        """Knobs that an auditor may turn in a family: those named, or the paper's that its backend can act on."""
        chosen = self.families[family].knobs
        if chosen is not None:
            return {name: self.knob(family, name) for name in chosen}
        consumed = plugins.load("backends", self.families[family].backend).consumes
        known = {name: self.knob(family, name) for name in plugins.names("knobs")}
        return {
            name: knob
            for name, knob in known.items()
            if self.kind(family) in knob.families and not knob.deep and (knob.stage != "restore" or name in consumed)
        }

    def knob(self, family: str, name: str) -> contracts.Knob:
        """A knob, as the family's network can have it."""
        backend: contracts.Backend = plugins.load("backends", self.families[family].backend)
        knob: contracts.Knob = plugins.load("knobs", name)
        return knob.on(backend)

    def backend_settings(self, family: str) -> dict[str, Any]:
        """What a family's backend is opened with."""
        return {**self.families[family].model_dump(), "models": self.models, "scale": self.scale}

    def second_settings(self, family: str) -> dict[str, Any] | None:
        """What a family's second network is opened with; None where it has none."""
        second = self.families[family].second
        if second is None:
            return None
        own = {"models": "embedded", "model": None} if second.model == "embedded" else {"model": second.model}
        return {**self.backend_settings(family), "background": None, "backend": second.backend, **own}

    def privileged(self, arm: str) -> bool:
        """May this arm look at the reference?"""
        return self.arms[arm].privileged

    def in_flight(self) -> int:
        """Cases in work that keep an LVLM busy: more than its requests, since a case's audits follow each other."""
        arms = [arm for arm in self.arms.values() if arm.takes("concurrency")]
        asked = [arm.settings.get("concurrency") or auditing.CONCURRENCY for arm in arms]
        return 4 * max((n for n in asked if isinstance(n, int)), default=0)

    def limits_of(self, arm: str) -> Policy:
        """The study's policy limits with the arm's own over them."""
        own = self.arms[arm].limits.model_dump(include=set(Policy.model_fields), exclude_none=True)
        return self.policy.model_copy(update=own)
