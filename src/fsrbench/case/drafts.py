"""What a way gives back, looked at before any of it is stored: a slip of a plugin must not end as a wrong number."""

from __future__ import annotations

from collections.abc import Sequence

from fsrbench.case.making import Making
from fsrbench.core import coherence
from fsrbench.core.ways import Proposal, Restored, RoundDraft


def checked(way: str, drafts: Sequence[RoundDraft] | None, make: Making) -> Sequence[RoundDraft]:
    """The rounds of an arm, if they can be stored and told; TypeError, which is a bug of the way, if not."""
    if not drafts:
        raise TypeError(f"the way {way} gave no round back: an arm that leaves pure as it is ends with pure's picture")
    for number, draft in enumerate(drafts, start=1):
        if wrong := _what_is_wrong(draft, make):
            raise TypeError(f"the way {way} gave back a round {number} that cannot be: {wrong}")
    return drafts


def _what_is_wrong(draft: RoundDraft, make: Making) -> str:
    for picture in (draft.picture, *(one.picture for one in draft.candidates)):
        if not make.knows(picture):
            return "it has a picture that was not made by case.make, so that nothing could make it again"
    if draft.candidates and (wrong := _of_candidates(draft.picture, draft.candidates)):
        return wrong
    return "" if draft.ranking is None else coherence.of_ranking(draft.ranking, len(draft.candidates))


def _of_candidates(picture: Restored, candidates: Sequence[Proposal]) -> str:
    if sum(one.picture is picture for one in candidates) != 1:
        return "the picture that it ends with must be one of its candidates, and only one"
    if not all(one.parent is None or 0 <= one.parent < place for place, one in enumerate(candidates)):
        return "a candidate is made from an earlier one, or from none"
    return ""
