"""Random whole numbers that are the same on every machine and with every version of numpy.

The stream of PCG64's raw 64-bit words is fixed (NEP 19); what numpy makes of it - normal or exponential numbers,
shuffles - is not, and needs a machine's own logarithm. So everything here is a whole number made of raw words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

_T = TypeVar("_T")
_BITS = 64


class Draw:
    """A stream of draws from one seed."""

    def __init__(self, seed: int) -> None:
        self._words = np.random.PCG64(seed)

    def below(self, count: int) -> int:
        """0 to count - 1, each as likely as the others to one part in 2**64 / count."""
        return (int(self._words.random_raw()) * count) >> _BITS

    def between(self, low: int, high: int) -> int:
        """low to high, both included."""
        return low + self.below(high - low + 1)

    def middling(self, low: int, high: int) -> int:
        """low to high, the middle likelier: the mean of three draws."""
        return (
            low + (self.below(high - low + 1) + self.below(high - low + 1) + self.below(high - low + 1)) // 3
        )

    def chance(self, percent: int) -> bool:
        return self.below(100) < percent

    def one_of(self, choices: Sequence[_T]) -> _T:
        return choices[self.below(len(choices))]
