"""What became of a study's data from one lock to another: columns, rows, facts, and the cohort's steps.

Pure: two opened locks in, an account out. A row is the same row when every value is equal, wherever it stands and
whichever line brought it. Of what is left of a subject, rows of one source line are one row that changed; the
rest was added or removed. A resource that a hospital corrected came from another line, so it is one of each.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from rwd_platform.core.columns import ROW_ORDER, SOURCE_ROW, SUBJECT_ID
from rwd_platform.store.lock import OpenedLock

# Where a row came from and stands: the same content from a file sent again is the same row.
_PLACES = (SOURCE_ROW, ROW_ORDER)
_STEPS = "attrition"
# Under another of these a subject has another name, and a date another value: rows cannot be compared.
_NAMING = ("project", "pseudonyms", "suite", "key_versions", "dates")

_COUNTS = (
    *("rows_before", "rows_after", "added", "removed", "changed"),
    *("subjects_added", "subjects_removed", "subjects_changed"),
)

Row = tuple[Any, ...]


@dataclass(frozen=True)
class TableDifference:
    """One table. Columns are compared by name and type; rows over the columns that both locks have.

    A count is None where it was withheld because it is small, and all are where rows cannot be compared.
    """

    table: str
    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    columns_retyped: tuple[str, ...]
    rows_before: int | None
    rows_after: int | None
    added: int | None
    removed: int | None
    changed: int | None
    subjects_added: int | None
    subjects_removed: int | None
    subjects_changed: int | None

    @property
    def same(self) -> bool:
        counts = (self.added, self.removed, self.changed)
        columns = (*self.columns_added, *self.columns_removed, *self.columns_retyped)
        return not (any(counts) or None in counts or columns)


@dataclass(frozen=True)
class FactDifference:
    """A fact that both locks, or one of them, state otherwise. None: not stated."""

    fact: str
    before: Any
    after: Any


@dataclass(frozen=True)
class StepDifference:
    """One step of the cohort, by its reason. None: the lock has no such step, or the count was withheld."""

    zh: str
    en: str
    remaining_before: int | None
    remaining_after: int | None


@dataclass(frozen=True)
class LockDifference:
    """The account. `not_comparable` names the facts under which subjects and dates have other names."""

    before: str
    after: str
    not_comparable: tuple[str, ...]
    tables: tuple[TableDifference, ...]
    facts: tuple[FactDifference, ...]
    steps: tuple[StepDifference, ...]
    withheld_below: int = 0  # counts from 1 to below this are None; 0: counts are exact
    rounded_to: int = 0

    @property
    def same(self) -> bool:
        return self.before == self.after

    def as_dict(self) -> dict[str, Any]:
        return {"same": self.same, **asdict(self)}


def difference(before: OpenedLock, after: OpenedLock) -> LockDifference:
    """Every table, fact and step of two locks of one study, the older first."""
    naming = tuple(name for name in _NAMING if before.facts.get(name) != after.facts.get(name))
    return LockDifference(
        before=before.id,
        after=after.id,
        not_comparable=naming,
        tables=tuple(
            _table(before, after, name, comparable=not naming)
            for name in sorted({*before.tables, *after.tables})
        ),
        facts=tuple(_facts(before.facts, after.facts)),
        steps=tuple(_steps(before.facts.get(_STEPS, ()), after.facts.get(_STEPS, ()))),
    )


def without_small_counts(found: LockDifference, smallest: int, base: int) -> LockDifference:
    """The same account for somebody who may not see rows: small counts withheld, the others rounded.

    Facts keep their names; their values stay only where they are texts, which no count stands in.
    """

    def shown(count: int | None) -> int | None:
        if count is None or 0 < count < smallest:
            return None
        return base * round(count / base) if base else count

    def table(one: TableDifference) -> TableDifference:
        counts: dict[str, Any] = {name: shown(getattr(one, name)) for name in _COUNTS}
        return replace(one, **counts)

    steps = (
        replace(one, remaining_before=shown(one.remaining_before), remaining_after=shown(one.remaining_after))
        for one in found.steps
    )
    facts = (replace(one, before=_text(one.before), after=_text(one.after)) for one in found.facts)
    return replace(
        found,
        tables=tuple(map(table, found.tables)),
        steps=tuple(steps),
        facts=tuple(facts),
        withheld_below=smallest,
        rounded_to=base,
    )


def _text(value: Any) -> Any:
    """Texts, and mappings of texts, as they are."""
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        kept = {name: _text(one) for name, one in value.items()}
        return {name: one for name, one in kept.items() if one not in (None, {})} or None
    return None


# -- tables ----------------------------------------------------------------------------------------


def _table(before: OpenedLock, after: OpenedLock, name: str, *, comparable: bool) -> TableDifference:
    old, new = _columns(before, name), _columns(after, name)
    shared = tuple(column for column in new if column in old)
    rows = (_rows(before, name, shared), _rows(after, name, shared))
    counted = _counted(shared, *rows) if comparable else {}
    return TableDifference(
        table=name,
        columns_added=tuple(column for column in new if column not in old),
        columns_removed=tuple(column for column in old if column not in new),
        columns_retyped=tuple(column for column in shared if old[column] != new[column]),
        rows_before=len(rows[0]),
        rows_after=len(rows[1]),
        added=counted.get("added"),
        removed=counted.get("removed"),
        changed=counted.get("changed"),
        subjects_added=counted.get("subjects_added"),
        subjects_removed=counted.get("subjects_removed"),
        subjects_changed=counted.get("subjects_changed"),
    )


def _columns(lock: OpenedLock, name: str) -> dict[str, str]:
    account = lock.manifest["content"]["tables"].get(name, {"columns": ()})
    return {column["name"]: column["type"] for column in account["columns"]}


def _rows(lock: OpenedLock, name: str, columns: tuple[str, ...]) -> list[Row]:
    if name not in lock.tables:
        return []
    frame = lock.tables[name][list(columns)]
    plain = frame.astype(object)
    plain[frame.isna()] = None
    return list(plain.itertuples(index=False, name=None)) if columns else [()] * len(frame)


def _counted(columns: tuple[str, ...], before: list[Row], after: list[Row]) -> dict[str, int]:
    """Rows and subjects that came, went and changed."""
    old, new = _by_subject(columns, before), _by_subject(columns, after)
    counts = Counter({"added": 0, "removed": 0, "changed": 0})
    for name in ("subjects_added", "subjects_removed", "subjects_changed"):
        counts[name] = 0
    for subject in {*old, *new}:
        added, removed, changed = _of_subject(columns, old.get(subject, []), new.get(subject, []))
        counts.update(added=added, removed=removed, changed=changed)
        if subject not in old:
            counts["subjects_added"] += 1
        elif subject not in new:
            counts["subjects_removed"] += 1
        elif added or removed or changed:
            counts["subjects_changed"] += 1
    return dict(counts)


def _by_subject(columns: tuple[str, ...], rows: Iterable[Row]) -> dict[Any, list[Row]]:
    place = columns.index(SUBJECT_ID) if SUBJECT_ID in columns else None
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[None if place is None else row[place]].append(row)
    return found


def _of_subject(columns: tuple[str, ...], old: list[Row], new: list[Row]) -> tuple[int, int, int]:
    values = [number for number, name in enumerate(columns) if name not in _PLACES]

    def content(row: Row) -> Row:
        return tuple(row[number] for number in values)

    gone, come = Counter(map(content, old)), Counter(map(content, new))
    removed = _left(old, content, gone - come)
    added = _left(new, content, come - gone)
    if SOURCE_ROW not in columns:  # the table of subjects: one row each
        changed = min(len(removed), len(added))
    else:
        key = columns.index(SOURCE_ROW)
        changed = (Counter(row[key] for row in removed) & Counter(row[key] for row in added)).total()
    return len(added) - changed, len(removed) - changed, changed


def _left(rows: Iterable[Row], content: Any, counts: Counter[Row]) -> list[Row]:
    """As many rows of each content as are left."""
    left = Counter(counts)
    found = []
    for row in rows:
        if left[content(row)] > 0:
            left[content(row)] -= 1
            found.append(row)
    return found


# -- facts and steps -------------------------------------------------------------------------------


def _facts(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterable[FactDifference]:
    for name in sorted({*before, *after} - {_STEPS}):
        if before.get(name) != after.get(name):
            yield FactDifference(name, before.get(name), after.get(name))


def _steps(
    before: Iterable[Mapping[str, Any]], after: Iterable[Mapping[str, Any]]
) -> Iterable[StepDifference]:
    """In the order of the newer lock, then those that only the older has."""
    old = {(one["zh"], one["en"]): one["remaining"] for one in before}
    new = {(one["zh"], one["en"]): one["remaining"] for one in after}
    for reason in dict.fromkeys((*new, *old)):
        yield StepDifference(*reason, old.get(reason), new.get(reason))
