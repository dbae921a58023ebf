"""Which counts of a part of a population tell, subtracted from the same count of the whole, of a few people.

Two planned analyses of one method, of populations of which one is a proper part of the other (in the arm that the
count is of): where 25 of the older and 29 of all had an event, four of the younger had it. The count of the part is
not told then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from studies.results import ArdRow, ResultSet

# Values that count people; `subjects` where they are those of a level. `events` of a row is held against `events`.
_PEOPLE = frozenset({"affected", "observed", "subjects", "failed", "followed", "lost", "silent_subjects"})
# Of these all but a few tell as well, as where the count stands alone.
_OR_ALL_BUT_A_FEW = frozenset({"affected", "subjects", "silent_subjects"})


def inner_rows(results: ResultSet, methods: Mapping[str, str], cell: int) -> Iterator[ArdRow]:
    """Rows of the smaller population whose count differs by 1 to `cell - 1`. `methods`: planned analysis -> method."""
    people = {name: frozenset(ids) for name, ids in results.row_sets.items()}
    alike: dict[tuple[str, str], list[ArdRow]] = {}
    for row in results.rows:
        if row.analysis in methods and (_counts_people(row) or row.events is not None):
            stem = row.id.removeprefix(f"{row.analysis}.")
            alike.setdefault((methods[row.analysis], stem), []).append(row)
    for rows in alike.values():
        for inner in rows:
            mine = people.get(_row_set(inner, people), frozenset())
            wholes = ((one, people.get(_row_set(one, people), frozenset())) for one in rows)
            if any(mine < theirs and _tells(one, inner, len(theirs - mine), cell) for one, theirs in wholes):
                yield inner


def _counts_people(row: ArdRow) -> bool:
    return (
        isinstance(row.value, int)
        and row.statistic in _PEOPLE
        and (row.statistic != "subjects" or bool(row.variable))
    )


def _row_set(row: ArdRow, people: Mapping[str, object]) -> str:
    """Of an arm's row its arm, also where the row names the whole population."""
    of_arm = f"{row.row_set}.{row.group}"
    return of_arm if of_arm in people else row.row_set


def _tells(whole: ArdRow, inner: ArdRow, others: int, cell: int) -> bool:
    """`others`: how many are in the whole and not in the part."""
    if whole.events is not None and inner.events is not None and 0 < whole.events - inner.events < cell:
        return True
    if not (isinstance(whole.value, int) and isinstance(inner.value, int) and _counts_people(inner)):
        return False
    gap = whole.value - inner.value
    return 0 < gap < cell or (inner.statistic in _OR_ALL_BUT_A_FEW and 0 < others - gap < cell)
