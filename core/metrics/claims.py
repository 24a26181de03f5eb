"""What may be said of a difference: tests of many differences in, which of them may be called higher or lower out.

A sentence that picks one comparison out of several has as many chances to find one by luck. Each p-value is therefore
raised for all comparisons that the sentence picks from (Holm 1979), and only then held against `SIGNIFICANT`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

SIGNIFICANT = 0.05  # chance, at most, that any claim of a sentence is one of luck


class Compared(NamedTuple):
    """A difference that a sentence might speak of."""

    value: float
    p_value: float  # two-sided, of the paired test
    supported: bool = True  # enough songs of each class for an interval


def corrected(p_values: Sequence[float]) -> list[float]:
    """Raise p-values for their number, in the order given (Holm's step-down method).

    Examples
    --------
    >>> corrected([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    raised, worst = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[place]))
        raised[place] = worst
    return raised


def claims(differences: Iterable[Compared]) -> list[int]:
    """Say of each difference that a sentence picks from: 1 higher, -1 lower, 0 cannot be told."""
    every = list(differences)
    p_values = corrected([difference.p_value for difference in every])
    return [
        (1 if difference.value > 0 else -1) if difference.supported and p <= SIGNIFICANT and difference.value else 0
        for difference, p in zip(every, p_values, strict=True)
    ]


def compared(difference: Mapping[str, Any]) -> Compared:
    """Return a difference of results.json as a sentence may speak of it."""
    return Compared(difference["value"], difference["p_value"], difference["low"] is not None)
