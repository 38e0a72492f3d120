"""The one order in which families and arms stand, wherever they show. Metrics stand in that of the settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fsrbench.core.values import FAMILIES, PURE

STANDINGS = ("contender", "control", "floor", "headroom")
"""What an arm is there for, in the order of rows: what others are compared with comes after them."""


def family(name: str) -> tuple[int, str]:
    """A key to sort by: general, blind, prior, then others by name."""
    return FAMILIES.index(name) if name in FAMILIES else len(FAMILIES), name


def families(names: Iterable[str]) -> list[str]:
    """Families, each once, in the order of rows."""
    return sorted(set(names), key=family)


def arms(names: Iterable[str], standings: Mapping[str, str]) -> list[str]:
    """Arms, each once, in the order of rows: pure, contenders, controls, noise floor, privileged.

    `standings`: arm → what it is there for. Arms of one standing stand in its order, which is that of the study; one
    that it does not name comes last, by name.
    """
    places = {arm: place for place, arm in enumerate(standings)}

    def key(arm: str) -> tuple[int, int, str]:
        if arm == PURE:
            return -1, 0, arm
        standing = standings.get(arm)
        rank = STANDINGS.index(standing) if standing in STANDINGS else len(STANDINGS)
        return rank, places.get(arm, len(places)), arm

    return sorted(set(names), key=key)
