"""What an aggregate audience is told of source verification: counts of all hospitals together, round by round.

A count is told if it is not small, leaves nobody few of the one before, and does not lie a few beside the same count
of another round: the rounds are of the same rows, so that the difference would tell of those few. Where two lie that
close the earlier round's is told: nobody takes it back by drawing again, and an earlier package may have it already.
No reason why a round was closed: nobody coarsened what was written there, and it may name a hospital or count a few.
No share over all variables either: beside the variables that are told it gives away those that are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from studies.evidence.aggregate_curves import is_small
from studies.evidence.sample.agreement import VariableAgreement
from studies.evidence.sample.agreement_files import METHODS
from studies.evidence.sample.rounds import ClosedRound, Verified

_CHAIN = ("asked", "compared", "agreed")
Told = dict[str, Any]


def counts_told(verified: Verified, cell: int) -> Told:
    """The document; {} where there is one round alone and it is of fewer than `cell` rows.

    `rows` None: nothing of that round is told. `open_round`: whether sheets came back of one that is not closed.
    """
    told: list[Told] = []
    for one in reversed(verified.rounds):
        told.append(_round(one, cell, told))
    told.reverse()
    if not verified.open_round and [one["rows"] for one in told] in ([], [None]):
        return {}
    newest = told[0] if told else {"number": None, "all_returned": False, "rows": None, "lines": []}
    return {
        "format_version": 1,
        "smallest_count": cell,
        "methods": {name: METHODS[name] for name in ("chart_not_found", "not_recorded")},
        **newest,
        "other_rounds": told[1:],
        "open_round": verified.open_round is not None,
    }


def _round(one: ClosedRound, cell: int, earlier: Sequence[Told]) -> Told:
    told: Told = {"number": one.number, "all_returned": not one.outstanding, "rows": None, "lines": []}
    found = one.agreement
    if found is None or found.rows < cell or _is_near(found.rows, [each["rows"] for each in earlier], cell):
        return told
    lines = []
    for line in found.overall:
        before = [each for other in earlier for each in other["lines"] if each["variable"] == line.variable]
        lines.append({"variable": line.variable, **_chain(line, found.rows, cell, before)})
    return told | {"rows": found.rows, "lines": lines}


def _chain(one: VariableAgreement, rows: int, cell: int, earlier: Sequence[Told]) -> dict[str, int | None]:
    told: dict[str, int | None] = dict.fromkeys(_CHAIN)
    before = rows
    for name in _CHAIN:
        count = getattr(one, name)
        # Nobody is not few, yet "0 of 40 agreed" speaks of each of the 40 as "40 of 40" does not.
        if count == 0 or is_small(count, cell) or is_small(before - count, cell):
            break
        if _is_near(count, [each[name] for each in earlier], cell):
            break
        told[name] = before = count
    return told


def _is_near(count: int, others: Sequence[int | None], cell: int) -> bool:
    return any(other is not None and is_small(abs(count - other), cell) for other in others)
