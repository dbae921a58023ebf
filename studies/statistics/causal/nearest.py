"""The search behind matching: the nearest candidate that is still free, ties to the lowest row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.statistics import Floats, Ints

_TIE = 1e-12  # two distances that differ by less, relative to the scores, are the same distance


@dataclass(frozen=True)
class Search:
    """Rows that look for a match, in their order; rows they may take; how many each, and how far away."""

    seekers: Ints
    candidates: Ints
    ratio: int
    replace: bool
    caliper: float | None


def nearest_by_score(search: Search, score: Floats) -> Ints:
    """Pairs (m, 2) by |difference of scores| in O(n log n).

    Candidates are grouped by equal score, each group a queue in row order. Without replacement an
    emptied group points to its next neighbour on either side, and following pointers shortens them
    (union-find), so the nearest free group is found in near-constant time.
    """
    values, place = np.unique(score[search.candidates], return_inverse=True)
    queue = search.candidates[np.argsort(place, kind="stable")]
    first = np.concatenate([[0], np.cumsum(np.bincount(place))]).tolist()
    right = np.searchsorted(values, score[search.seekers], side="left").tolist()
    shelf = _Shelf(values.tolist(), queue.tolist(), first)
    look = shelf.nearest_all if search.replace else shelf.take_nearest
    limit = np.inf if search.caliper is None else search.caliper
    wanted = score[search.seekers].tolist()
    pairs: list[tuple[int, int]] = []
    for _ in range(1 if search.replace else search.ratio):
        for seeker, at, value in zip(search.seekers.tolist(), right, wanted, strict=True):
            pairs.extend((seeker, one) for one in look(at, value, limit, search.ratio))
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def nearest_by_vector(search: Search, points: Floats, score: Floats | None) -> Ints:
    """Pairs (m, 2) by Euclidean distance of points (n, p), within the caliper on `score`; O(n1 n0 p)."""
    there = points[search.candidates]
    free = np.ones(len(there), dtype=bool)
    pairs: list[tuple[int, int]] = []
    for _ in range(1 if search.replace else search.ratio):
        for seeker in search.seekers.tolist():
            squared = ((there - points[seeker]) ** 2).sum(axis=1)
            squared[~free] = np.inf
            if search.caliper is not None and score is not None:
                squared[np.abs(score[search.candidates] - score[seeker]) > search.caliper] = np.inf
            if search.replace:
                # Stable: equal distances stay in row order.
                nearest = np.argsort(_level(squared), kind="stable")[: search.ratio]
            else:
                nearest = np.array([np.argmin(_level(squared))])
            for one in nearest[np.isfinite(squared[nearest])].tolist():
                pairs.append((seeker, int(search.candidates[one])))
                free[one] = search.replace
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def _level(squared: Floats) -> Floats:
    """Squared distances without their last digits: 59 - 58 and 58 - 57 years are as far, whatever rounding says."""
    with np.errstate(divide="ignore"):
        scale = 10.0 ** np.floor(np.log10(squared))
    scale[(squared <= 0) | np.isinf(squared)] = 1.0
    return np.asarray(np.round(squared / scale, 10) * scale)


class _Shelf:
    """Candidates by distinct value; `first[g]`..`end[g]` of `queue` are the rows of group g still free."""

    def __init__(self, values: list[float], queue: list[int], bounds: list[int]) -> None:
        self._values, self._queue = values, queue
        self._first, self._end = bounds[:-1], bounds[1:]
        groups = len(values)
        self._to_right = list(range(groups + 1))  # groups means: none to the right
        self._to_left = list(range(groups + 1))  # shifted by one: 0 means none to the left

    def take_nearest(self, at: int, value: float, limit: float, _ratio: int) -> list[int]:
        """The nearest free row, taken off the shelf; `at` is the first group with a value >= `value`."""
        right, left = root(self._to_right, at), root(self._to_left, at) - 1
        group = self._nearer(left, right, value, self._first, limit)
        if group is None:
            return []
        row = self._queue[self._first[group]]
        self._first[group] += 1
        if self._first[group] == self._end[group]:
            self._to_right[group] = group + 1
            self._to_left[group + 1] = group
        return [row]

    def nearest_all(self, at: int, value: float, limit: float, ratio: int) -> list[int]:
        """The `ratio` nearest rows, everybody still on the shelf."""
        left, right = at - 1, at
        first: dict[int, int] = {}
        rows: list[int] = []
        while len(rows) < ratio:
            heads = {g: first.get(g, self._first[g]) for g in (left, right) if 0 <= g < len(self._values)}
            group = self._nearer(left, right, value, heads, limit)
            if group is None:
                break
            rows.append(self._queue[heads[group]])
            first[group] = heads[group] + 1
            if first[group] == self._end[group]:
                left, right = (left - 1, right) if group == left else (left, right + 1)
        return rows

    def _nearer(
        self, left: int, right: int, value: float, first: list[int] | dict[int, int], limit: float
    ) -> int | None:
        below = value - self._values[left] if left >= 0 else np.inf
        above = self._values[right] - value if right < len(self._values) else np.inf
        if min(below, above) > limit or min(below, above) == np.inf:
            return None
        if max(below, above) < np.inf and abs(below - above) <= _TIE * max(abs(value), below):
            return left if self._queue[first[left]] < self._queue[first[right]] else right
        return left if below < above else right


def root(parent: list[int], node: int) -> int:
    """The representative of `node`; the path is halved on the way."""
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node
