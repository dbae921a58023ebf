"""The search of MatchIt 4.5.1 as R users meet it, for comparison with published analyses; not a nearest neighbour.

That version takes absolute values as whole numbers (C++ `abs` of an integer), so differences below 1 count
as 0: on the probability scale every subject gets the next lower free candidate whenever there is one, and
a caliper never binds. From the second match on it also passes over the candidate in the row after one
already taken by the same subject, and with replacement may take the same candidate again. Seen in R
4.2.2 with MatchIt 4.5.1 on every data set tried; later versions differ.
"""

from __future__ import annotations

import numpy as np

from studies.statistics import Floats, Ints
from studies.statistics.causal.nearest import Search, root


def matchit_pairs(search: Search, score: Floats) -> Ints:
    """Pairs (m, 2) in MatchIt 4.5.1's order of search, on the rows of one exact stratum.

    Rows are counted within the stratum, as MatchIt does when it matches strata one by one.
    """
    rows = np.sort(np.concatenate([search.seekers, search.candidates]))
    queue = search.candidates[np.lexsort((search.candidates, score[search.candidates]))]
    everybody = rows[np.lexsort((rows, score[rows]))]
    rank = dict(zip(everybody.tolist(), range(len(everybody)), strict=True))
    places = np.array([rank[row] for row in queue.tolist()])
    at = np.searchsorted(places, [rank[row] for row in search.seekers.tolist()]).tolist()
    line = _Line(
        score[queue].tolist(),
        np.searchsorted(rows, queue).tolist(),
        np.inf if search.caliper is None else search.caliper,
        search.replace,
    )
    taken: list[list[int]] = [[] for _ in at]
    pairs: list[tuple[int, int]] = []
    for _ in range(search.ratio):
        for number, seeker in enumerate(search.seekers.tolist()):
            found = line.take(at[number], float(score[seeker]), taken[number])
            if found is not None:
                taken[number].append(line.row(found) + 1)
                pairs.append((seeker, int(queue[found])))
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


class _Line:
    """Candidates from the lowest score to the highest, those taken skipped by union-find."""

    def __init__(self, values: list[float], rows: list[int], caliper: float, replace: bool) -> None:
        self._values, self._rows, self._caliper, self._replace = values, rows, caliper, replace
        self._right = list(range(len(values) + 1))
        self._left = list(range(len(values) + 1))

    def row(self, place: int) -> int:
        """The row, counted within the stratum, of the candidate at `place`."""
        return self._rows[place]

    def take(self, at: int, value: float, taken: list[int]) -> int | None:
        """The place of the next lower candidate, else the next higher, as whole numbers compare them."""
        left, right = self._to_left(at, value, taken), self._to_right(at, value, taken)
        if left is None and right is None:
            return None
        if left is None or right is None:
            found = left if right is None else right
        else:
            nearer = int(abs(self._values[left] - value)) <= int(abs(self._values[right] - value))
            found = left if nearer else right
        if found is not None and not self._replace:
            self._right[found] = found + 1
            self._left[found + 1] = found
        return found

    def _to_left(self, at: int, value: float, taken: list[int]) -> int | None:
        place = root(self._left, at) - 1
        while place >= 0 and self._rows[place] in taken:
            place = root(self._left, place) - 1
        return place if place >= 0 and self._within(place, value) else None

    def _to_right(self, at: int, value: float, taken: list[int]) -> int | None:
        place = root(self._right, at)
        while place < len(self._values) and self._rows[place] in taken:
            place = root(self._right, place + 1)
        return place if place < len(self._values) and self._within(place, value) else None

    def _within(self, place: int, value: float) -> bool:
        return int(abs(self._values[place] - value)) <= self._caliper
