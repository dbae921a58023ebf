"""What pairs of charts that have nothing to do with each other disagree in. Counted by tallies, not pair by pair.

A birth date agrees with a longer one that begins so; a sex that is not known agrees with every sex.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from studies.linkage.charts import BIRTH_DATE, BOTH, GENDER

Chart = tuple[str, str]
"""birth date, sex ("" where it is not known)"""

Kind = TypeVar("Kind", str, Chart)
_PRECISIONS = (4, 7, 10)  # characters of a year, a month, a day


@dataclass(frozen=True)
class RandomPairs:
    """How many pairs there are, and how many of them disagree in birth date or sex, and in both."""

    pairs: int
    anything: int
    both: int


def disagreement(one: Chart, two: Chart) -> str:
    """BIRTH_DATE, GENDER, BOTH, or "" for two charts that agree."""
    length = min(_precision(one[0]), _precision(two[0]))
    born = one[0][:length] != two[0][:length]
    sexes = bool(one[1]) and bool(two[1]) and one[1] != two[1]
    return BOTH if born and sexes else BIRTH_DATE if born else GENDER if sexes else ""


def pairs_between(first: Mapping[Chart, int], second: Mapping[Chart, int]) -> RandomPairs:
    """All pairs of a chart of the first and a chart of the second. Charts are counted by what they say."""
    pairs = anything = both = 0
    theirs = _by_precision(second)
    for precise, ours in _by_precision(first).items():
        for also_precise, others in theirs.items():
            length = min(precise, also_precise)
            one, two = _tally(ours, length), _tally(others, length)
            together = one.charts * two.charts
            born_alike = sum(n * two.births[born] for born, n in one.births.items())
            sexes_apart = one.known * two.known - _alike(one.sexes, two.sexes)
            # Born alike and of different sex: within each birth date those of known sex, less those of one sex.
            apart_though_alike = sum(n * two.known_births[born] for born, n in one.known_births.items())
            apart_though_alike -= _alike(one.cells, two.cells)
            pairs += together
            anything += together - born_alike + apart_though_alike
            both += sexes_apart - apart_though_alike
    return RandomPairs(pairs, anything, both)


def pairs_within(charts: Mapping[Chart, int]) -> RandomPairs:
    """All pairs of two different charts: a chart agrees with itself, and each pair is counted once."""
    twice = pairs_between(charts, charts)
    return RandomPairs((twice.pairs - sum(charts.values())) // 2, twice.anything // 2, twice.both // 2)


@dataclass(frozen=True)
class _Tally:
    """How often each birth date, each sex and both together occur, cut to one precision."""

    births: Counter[str]
    known_births: Counter[str]  # of charts with a known sex
    sexes: Counter[str]
    cells: Counter[Chart]
    charts: int

    @property
    def known(self) -> int:
        return self.sexes.total()


def _tally(charts: Mapping[Chart, int], length: int) -> _Tally:
    births: Counter[str] = Counter()
    cells: Counter[Chart] = Counter()
    for (born, sex), n in charts.items():
        births[born[:length]] += n
        if sex:
            cells[born[:length], sex] += n
    known_births: Counter[str] = Counter()
    sexes: Counter[str] = Counter()
    for (born, sex), n in cells.items():
        known_births[born] += n
        sexes[sex] += n
    return _Tally(births, known_births, sexes, cells, births.total())


def _alike(one: Counter[Kind], two: Counter[Kind]) -> int:
    return sum(n * two[key] for key, n in one.items())


def _by_precision(charts: Mapping[Chart, int]) -> dict[int, dict[Chart, int]]:
    found: dict[int, dict[Chart, int]] = defaultdict(dict)
    for chart, n in charts.items():
        found[_precision(chart[0])][chart] = n
    return found


def _precision(birth_date: str) -> int:
    """The longest of the precisions that the text reaches."""
    return max(length for length in _PRECISIONS if length <= max(len(birth_date), _PRECISIONS[0]))
