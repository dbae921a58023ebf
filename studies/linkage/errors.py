"""How often the linkage errs, told from attributes that disagree between charts of one token.

Two charts of one token are one person, or a number was written into the wrong chart. Of N pairs (one for each token
and pair of roles) let a share f be false. A false pair is as good as a random one: it disagrees in birth date or sex
with a probability d, in both with b, which are counted over all other pairs of charts with a token. So

    pairs that disagree in anything   A = N (f d + (1 - f) e)    e: a true pair's recording errors
    pairs that disagree in both       B = N (f b + (1 - f) e2)   e2: errors in both at once

    f   is estimated by  B / (N b), since e2 is the product of two small chances, if errors are independent
    f   is at most       A / (N d), as if every disagreement were a false pair
    of the N - A pairs that agree, which are those that the rules link, f N (1 - d) are false

These are moments of a mixture of true and random pairs, as in the model of Fellegi and Sunter (1969, JASA 64:1183),
with the weights taken from all pairs in place of an agreement that is assumed. Intervals are Clopper and Pearson's
(1934, Biometrika 26:404) of A / N and B / N, with d and b as known; a count is small, and they are exact.

What it rests on. Birth date and sex were recorded by themselves: where a hospital fills them in from the number,
a wrong number brings the matching attributes with it, and nothing here sees it. A wrong number is as good as
anybody's: numbers mixed up among relatives of one birth year would agree more often. Links that were missed (no
number, a wrong one that nobody else has) leave no trace in these data: they are counted as charts that were not
linked, and their share among persons known to both is not estimated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations_with_replacement
from typing import Any

import pandas as pd

from studies.linkage.charts import BIRTH_DATE, BOTH, GENDER, ROLES, Charts
from studies.linkage.random_pairs import Chart, disagreement, pairs_between, pairs_within
from studies.statistics.probability import CI_LEVEL


@dataclass(frozen=True)
class Share:
    """A share and its 95 % interval."""

    estimate: float
    low: float
    high: float


@dataclass(frozen=True)
class PairCounts:
    """Pairs of one token, one for each token, and what a random pair does.

    any_random, both_random -- chances that a random pair disagrees in anything, in both
    """

    pairs: int
    birth_date: int
    gender: int
    both: int
    any_random: float
    both_random: float

    @property
    def disagree(self) -> int:
        return self.birth_date + self.gender + self.both


@dataclass(frozen=True)
class ErrorEstimate:
    """
    roles        -- of the two charts of a pair
    false_pairs  -- share of false pairs among all pairs of one token; None where it cannot be told
    at_most      -- the same, if every disagreement were a false pair
    false_links  -- share of false pairs among those that agree: the links that a study works with
    links_at_most -- the same, if every disagreement were a false pair
    """

    roles: tuple[str, str]
    counts: PairCounts
    false_pairs: Share | None
    at_most: Share | None
    false_links: Share | None
    links_at_most: Share | None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def estimate(charts: Charts) -> tuple[ErrorEstimate, ...]:
    """One for each two roles (or one role twice) of which some token has two charts that can be compared."""
    frame = charts.comparable()
    found = []
    for roles in combinations_with_replacement(ROLES, 2):
        pairs = list(_pairs(frame, *roles))
        if pairs:
            counts = _counted(frame, roles, pairs)
            found.append(judged(roles, counts))
    return tuple(found)


def judged(roles: tuple[str, str], counts: PairCounts) -> ErrorEstimate:
    """The estimates that follow from the counts."""
    agreeing = counts.pairs - counts.disagree
    passes = 1 - counts.any_random
    by_both = share(counts.both, counts.pairs, counts.both_random)
    by_any = share(counts.disagree, counts.pairs, counts.any_random)
    return ErrorEstimate(
        roles,
        counts,
        by_both,
        by_any,
        _among_links(by_both, counts.pairs, agreeing, passes),
        _among_links(by_any, counts.pairs, agreeing, passes),
    )


def share(found: int, pairs: int, chance: float) -> Share | None:
    """found / (pairs * chance), with an exact interval of found / pairs; None where a random pair never does that."""
    from scipy.special import betaincinv

    if pairs == 0 or chance <= 0:
        return None
    tail = (1 - CI_LEVEL) / 2
    low = float(betaincinv(found, pairs - found + 1, tail)) if found else 0.0
    high = float(betaincinv(found + 1, pairs - found, 1 - tail)) if found < pairs else 1.0
    return Share(min(1.0, found / pairs / chance), min(1.0, low / chance), min(1.0, high / chance))


def _among_links(false: Share | None, pairs: int, agreeing: int, passes: float) -> Share | None:
    if false is None or agreeing == 0:
        return None
    factor = pairs * passes / agreeing
    return Share(*(min(1.0, one * factor) for one in (false.estimate, false.low, false.high)))


def _pairs(frame: pd.DataFrame, first: str, second: str) -> Iterator[tuple[Chart, Chart]]:
    """One pair of charts for each token: the first chart of either role, or the first two of one."""
    charts = list(zip(frame["role"], frame["token"], frame["birth_date"], frame["gender"], strict=True))
    found: dict[str, list[Chart]] = {}
    for role, token, birth_date, gender in charts:
        if role == first:
            found.setdefault(token, []).append((birth_date, gender))
    if first == second:
        yield from ((some[0], some[1]) for some in found.values() if len(some) > 1)
        return
    used: set[str] = set()
    for role, token, birth_date, gender in charts:
        if role == second and token in found and token not in used:
            used.add(token)
            yield found[token][0], (birth_date, gender)


def _counted(frame: pd.DataFrame, roles: tuple[str, str], pairs: list[tuple[Chart, Chart]]) -> PairCounts:
    told = Counter(disagreement(one, two) for one, two in pairs)
    first, second = (Counter(_charts(frame[frame["role"] == role])) for role in roles)
    random = pairs_within(first) if roles[0] == roles[1] else pairs_between(first, second)
    # The pairs of one token are among all pairs: they are taken out, or a small store would look too alike.
    others = random.pairs - len(pairs)
    anything = random.anything - (told[BIRTH_DATE] + told[GENDER] + told[BOTH])
    return PairCounts(
        len(pairs),
        told[BIRTH_DATE],
        told[GENDER],
        told[BOTH],
        anything / others if others > 0 else 0.0,
        (random.both - told[BOTH]) / others if others > 0 else 0.0,
    )


def _charts(frame: pd.DataFrame) -> Iterator[Chart]:
    return zip(frame["birth_date"], frame["gender"], strict=True)
