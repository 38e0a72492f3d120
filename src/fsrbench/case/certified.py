"""An arm under a certificate: whatever it proposes is followed only as far as the certificate reaches.

The arm runs as it would alone. Then a point on the straight line from pure to its picture stands: pure itself where
the certificate reaches nowhere. No network is asked again, and no reference is seen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from fsrbench.case.certificate import Certificate, last_step
from fsrbench.case.pathfeatures import PathFeatures
from fsrbench.core.values import Verdict, VerdictRule
from fsrbench.core.ways import CaseContext, Intervention, Proposal, Restored, RoundDraft
from fsrbench.imaging import images


@dataclass(frozen=True, slots=True)
class CertifiedArm:
    """An opened arm, and the bound on it."""

    inner: Intervention
    """The arm alone."""
    certificate: Certificate
    """How far it may be followed."""
    features: PathFeatures
    """What that is predicted from."""
    made: Mapping[str, str]
    """Case → hash of the pixels that the certificate's recipe made; inputs that are not in here are unknown to it."""
    uncertified: bool = False
    """Follow it where the guarantee is void, too."""

    def __call__(self, case: CaseContext) -> list[RoundDraft]:
        """The arm's rounds, and one more that says how far it was followed; none where it proposed nothing."""
        steps = list(self.inner(case))
        proposed = steps[-1].picture
        if proposed.sha256 == case.pure.sha256:
            return steps
        void = self.made.get(case.case) != images.pixel_hash(case.lr)
        if void and not self.uncertified:
            why = "abstained: how this input was made is not known, so the guarantee is void"
            return [*steps, _ended(case, proposed, 0.0, "uncertified", why)]
        found = self.features(case.lr, case.pure.image, proposed.image, steps[0].audit)
        share, why = followed(self.certificate, found)
        rule: VerdictRule = "uncertified" if void else "certified" if share else "not certified"
        return [*steps, _ended(case, proposed, share, rule, f"without a guarantee, {why}" if void else why)]


def followed(certificate: Certificate, features: Mapping[str, float]) -> tuple[float, str]:
    """How far an arm is followed on a case, and why, in words."""
    reach = certificate.reach(features)
    if reach is None:
        lacking = ", ".join(certificate.prediction.missing(features))
        return 0.0, f"abstained: the prediction rests on {lacking}, which cannot be had of this case"
    share, first = last_step(reach, certificate.steps), certificate.steps[0]
    told = "everybody may be followed" if certificate.offset is None else f"the certificate reaches {reach:.3f}"
    if not share:
        return share, f"abstained: {told}, and the first step is {first:g}"
    return share, f"followed {'all the way' if share == 1 else f'to {share:g}'}: {told}"


def _ended(case: CaseContext, proposed: Restored, share: float, rule: VerdictRule, why: str) -> RoundDraft:
    """The round in which a share of the way stands."""
    proposals = [Proposal(case.pure, "pure"), Proposal(proposed, "proposed", parent=0)]
    if 0 < share < 1:
        proposals.append(Proposal(case.make.blend(case.pure, proposed, share), f"followed to {share:g}", parent=1))
    stands = case.pure if share == 0 else proposals[-1].picture
    return RoundDraft(stands, verdict=Verdict(share > 0, rule, why), candidates=tuple(proposals), passes=0)
