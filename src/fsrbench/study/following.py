"""How far auditors are followed, and what an arm may spend: settings with types and bounds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from fsrbench.core.budget import Budget


class SettingsGroup(BaseModel):
    """Settings that belong together; a name that is none of them is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Policy(SettingsGroup):
    """How far auditors are followed."""

    min_confidence: float = Field(default=80, ge=0, le=100)
    accept_score: float = Field(default=80, ge=0, le=100)
    retries: int = Field(default=1, ge=0, le=10)


class GuardSettings(SettingsGroup):
    """How much worse a candidate may be and still be kept, under policy guarded."""

    consistency: float = Field(default=1.0, ge=0)
    identity: float = Field(default=0.05, ge=0)
    niqe: float = Field(default=0.5, ge=0)


class ArmPolicy(SettingsGroup):
    """An arm's own limits; what is null is the study's."""

    min_confidence: float | None = Field(default=None, ge=0, le=100)
    accept_score: float | None = Field(default=None, ge=0, le=100)
    retries: int | None = Field(default=None, ge=0, le=10)
    passes: int | None = Field(default=None, ge=0)
    calls: int | None = Field(default=None, ge=0)
    seconds: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    cost: float | None = Field(default=None, ge=0, allow_inf_nan=False)

    def budget(self) -> Budget:
        """What the arm may spend on one case."""
        return Budget(self.passes, self.calls, self.seconds, self.cost)
