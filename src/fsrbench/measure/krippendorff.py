"""Krippendorff's alpha for names: how far raters agree beyond chance, where not everybody rated everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence


def alpha(units: Iterable[Sequence[str]]) -> float | None:
    """1: all agree; 0: as by chance; below 0: less than that. None where nobody could have disagreed.

    A unit holds what each of its raters said, one entry a rater. What only one of them rated tells nothing. With the
    coincidences o of Krippendorff (2011, "Computing Krippendorff's Alpha-Reliability"), n of them in all and n_c with
    c: 1 − (n − 1) · Σ o_ck / Σ n_c n_k, over all c ≠ k.
    """
    disagreed, said = 0.0, Counter[str]()
    for unit in units:
        if len(unit) < 2:
            continue
        own = Counter(unit)
        said += own
        disagreed += (len(unit) ** 2 - sum(count**2 for count in own.values())) / (len(unit) - 1)
    n = said.total()
    expected = n**2 - sum(count**2 for count in said.values())
    return 1 - (n - 1) * disagreed / expected if expected else None
