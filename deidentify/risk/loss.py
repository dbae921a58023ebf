"""What a recoding costs: the scores by which one node of the lattice is preferred to another. Lower is better.

    entropy             non-uniform entropy of the generalisation alone, bits; suppressed records cost no more
                        than others (De Waal & Willenborg 1999; ARX's monotonic variant)
    entropy-suppressed  the same, and the values of suppressed records are lost whole (ARX's other variant)
    dm                  discernibility: the sum over records of their class's size; a suppressed record costs as
                        much as a class of all records (Bayardo & Agrawal 2005)
    dm-star             discernibility of the classes before suppression (monotonic; ARX's DM*)
    classes             average class size: records / classes, all suppressed records together being one class

Each also gives a lower bound for the node and every coarser one; the search prunes by it.

The entropies are summed as ARX sums them, so that its published figures come out to the last digit: values in
order of first appearance in the data, one column after another, each column cut after ten decimals.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from deidentify.risk.lattice import Axis, Codes, Groups, Node, Rollup

_LOG2 = math.log(2)
_DECIMALS = 1e10


class Counted(NamedTuple):
    """The classes of a node: their sizes, which of them may be released, and the entries they came from."""

    groups: Groups
    starts: Codes  # a class's first entry in `groups`
    sizes: Codes
    passing: npt.NDArray[np.bool_]

    def place(self, low_bits: int, keys: Codes) -> Codes:
        """The class of each record, from the records' keys."""
        return np.searchsorted(self.groups.keys[self.starts] >> low_bits, keys >> low_bits)


class Loss(ABC):
    """`score` is known from the node alone when `is_static`; then it equals `bounds`."""

    is_static = False

    def __init__(self, rollup: Rollup) -> None:
        self.rollup = rollup
        self.records = rollup.records

    def bounds(self, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        """A lower bound of every node that needs no counting; never falls towards coarser nodes."""
        return np.full(shape, -math.inf)

    @abstractmethod
    def score(self, counted: Counted) -> float: ...

    @abstractmethod
    def lower(self, counted: Counted, k: int) -> float:
        """No node at or above this one scores less, when its released classes hold at least k records."""


class Entropy(Loss):
    is_static = True

    def __init__(self, rollup: Rollup) -> None:
        super().__init__(rollup)
        self._raw = [
            [entropy_of_level(axis, level) for level in range(len(axis.maps))] for axis in rollup.axes
        ]

    def bounds(self, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
        table = np.zeros(shape)
        for place, levels in enumerate(self._raw):  # column after column: floating-point sums have an order
            along = [1] * len(shape)
            along[place] = len(levels)
            table = table + np.array([_cut(one) for one in levels]).reshape(along)
        return table

    def score(self, counted: Counted) -> float:
        return sum((_cut(one) for one in self._of(counted.groups.node)), 0.0)

    def lower(self, counted: Counted, k: int) -> float:
        return sum((_cut(one) for one in self._of(counted.groups.node)), 0.0)

    def _of(self, node: Node) -> list[float]:
        return [levels[level] for levels, level in zip(self._raw, node, strict=True)]


class EntropySuppressed(Entropy):
    is_static = False

    def score(self, counted: Counted) -> float:
        groups = counted.groups
        lost = ~counted.passing
        if not lost.any():
            return super().score(counted)
        keys, counts = groups.keys[counted.starts][lost], counted.sizes[lost]
        total = int(counts.sum())
        score = 0.0
        for whole, codes in zip(self._of(groups.node), self.rollup.fields(keys), strict=True):
            raw = whole
            for count in np.bincount(codes, weights=counts).tolist():
                raw += count * (math.log(count / total) / _LOG2) if count else 0.0
            score += _cut(raw)
        return score


class Discernibility(Loss):
    def score(self, counted: Counted) -> float:
        kept = counted.sizes[counted.passing]
        lost = self.records - int(kept.sum())
        return float(int(np.square(kept).sum()) + lost * self.records)

    def lower(self, counted: Counted, k: int) -> float:
        # A record's class only grows, and a released one has k records, a suppressed one costs all records.
        return float(int((counted.sizes * np.maximum(counted.sizes, k)).sum()))


class DiscernibilityStar(Loss):
    def score(self, counted: Counted) -> float:
        return float(int(np.square(counted.sizes).sum()))

    def lower(self, counted: Counted, k: int) -> float:
        return self.score(counted)


class Classes(Loss):
    def score(self, counted: Counted) -> float:
        released = int(counted.passing.sum())
        return self.records / (released + (released < len(counted.sizes)))

    def lower(self, counted: Counted, k: int) -> float:
        return self.records / len(counted.sizes)


METRICS: dict[str, type[Loss]] = {
    "entropy": Entropy,
    "entropy-suppressed": EntropySuppressed,
    "dm": Discernibility,
    "dm-star": DiscernibilityStar,
    "classes": Classes,
}


def entropy_of_level(axis: Axis, level: int) -> float:
    """Σ a·log2(a/b): a records have the value, b its label at the level; zero or negative, unrounded."""
    labels = axis.maps[level]
    together: Sequence[float] = np.bincount(labels, weights=axis.counts).tolist()
    total = 0.0
    for own, label in zip(axis.counts.tolist(), labels.tolist(), strict=True):
        total += own * (math.log(own / together[label]) / _LOG2)
    return total


def _cut(raw: float) -> float:
    """The loss of a column: positive, cut after ten decimals."""
    return math.floor(-raw * _DECIMALS if raw else 0.0) / _DECIMALS
