"""Rows are not people: whose rows these are, and how large the classes are when persons are counted.

k counts records. Where sixty visits of one man are sixty rows, a class of 240 rows may be four people. So the
column that says whose row it is is looked for: by its header, by the platform's pseudonyms in it, or as named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from deidentify.pseudonym import is_token
from deidentify.risk.headers import rank_as_person
from deidentify.risk.shown import shown_column
from deidentify.risk.table import Table
from rwd_platform.core.text import Bilingual

_SAMPLE = 1_000  # rows that are looked at before a column is read whole
_ROWS = 10_000
_LAST = 1 << 10  # pseudonyms tell people apart as headers do; after all of these


@dataclass(frozen=True)
class People:
    """The classes counted in persons. `column` None: no column says whose rows these are, and nothing was counted.

    `class_sizes` maps a number of persons to how many classes have it. A person whose quasi-identifiers differ
    from row to row is in several classes (`varying`). Rows without a person are `unknown`: a class of them alone
    counts as one person, elsewhere they count as nobody.
    """

    column: str | None
    named: bool = False
    position: int = 0  # of the column, from 1
    records: int = 0
    persons: int = 0
    unknown: int = 0
    varying: int = 0
    mean_risk: float = 0.0  # over persons, of the largest 1 / size among a person's classes
    class_sizes: Mapping[int, int] = field(default_factory=dict, repr=False)
    rival: People | None = (
        None  # of a named column that differs in every row: another that says persons repeat
    )

    @property
    def k(self) -> int:
        return min(self.class_sizes)

    @property
    def uniques(self) -> int:
        """Classes of one person."""
        return self.class_sizes.get(1, 0)

    @property
    def repeat(self) -> bool:
        """Whether a person has several rows, or it cannot be told."""
        return self.persons < self.records

    @property
    def shown(self) -> Bilingual:
        return shown_column(self.column or "", self.position)

    def as_dict(self) -> dict[str, Any] | None:
        """JSON values alone; None where no column says whose rows these are."""
        if self.column is None:
            return None
        return {
            "column": self.column if self.shown.zh == f"“{self.column}”" else None,
            "position": self.position,
            "named": self.named,
            "persons": self.persons,
            "unknown": self.unknown,
            "varying": self.varying,
            "k": self.k,
            "classes": sum(self.class_sizes.values()),
            "uniques": self.uniques,
            "class_sizes": {str(size): count for size, count in self.class_sizes.items()},
            "prosecutor_max": 1 / self.k,
            "marketer": self.mean_risk,
            **({"rival": self.rival.as_dict()} if self.rival else {}),
        }


def person_columns(table: Table) -> list[str]:
    """The columns that say whose row it is: so headed, or pseudonyms of the platform alone; the likeliest first."""
    ranked = {column: rank_as_person(column) for column in table.columns}
    at_first = _pseudonyms_at_first(table)
    found = [(rank, place) for place, (column, rank) in enumerate(ranked.items()) if rank is not None]
    found += [
        (_LAST, place)
        for place, (column, rank) in enumerate(ranked.items())
        if rank is None and at_first[column] and _are_tokens(table, place)
    ]
    return [table.columns[place] for _, place in sorted(found)]


def _pseudonyms_at_first(table: Table) -> dict[str, bool]:
    """By column: whether the first rows hold pseudonyms and nothing else."""
    with table.reading() as connection:
        rows = connection.execute(f"SELECT * FROM ({table.select}) LIMIT {_SAMPLE}").fetchall()  # noqa: S608 - names made here, no value
    columns = {name: [row[place] for row in rows] for place, name in enumerate(table.columns)}
    return {
        name: all(value is None or is_token(value) for value in values) for name, values in columns.items()
    }


def count_people(table: Table, quasi: Sequence[str], person: str | None = None) -> People:
    """The classes of `quasi` in persons. `person`: the column; None looks for one.

    A named column that differs in every row says that nobody has two; where another that was found says otherwise,
    it is the named one's `rival`, for a row's own number may have been named by mistake.
    Of several that nobody named, the one with the fewest persons, for that errs on the safe side. Raises
    `risk.column_unknown`. Reads the file once more for each column in question.
    """
    if person is not None:
        table.position(person)
        named = _counted(table, quasi, person, named=True)
        rival = None if named.repeat else _best_found(table, quasi, person)
        return replace(named, rival=rival) if rival is not None and rival.repeat else named
    return _best_found(table, quasi) or People(None)


def _best_found(table: Table, quasi: Sequence[str], but: str | None = None) -> People | None:
    """Of the columns that say whose row it is, the one with the fewest persons; None where there is none."""
    found = [_counted(table, quasi, one, named=False) for one in person_columns(table) if one != but]
    return min(
        (one for one in found if one.persons > 0), key=lambda one: one.persons + one.unknown, default=None
    )


def _are_tokens(table: Table, place: int) -> bool:
    seen = False
    with table.reading() as connection:
        rows = connection.execute(
            f"SELECT DISTINCT c{place} FROM ({table.select}) WHERE c{place} IS NOT NULL"  # noqa: S608 - names made here, no value
        )
        while batch := rows.fetchmany(_ROWS):
            if not all(is_token(text) for (text,) in batch):
                return False
            seen = True
    return seen


def _counted(table: Table, quasi: Sequence[str], column: str, *, named: bool) -> People:
    """Two small tables of the connection are made and dropped: who is in which class, and the classes' sizes."""
    places, own = table.positions(quasi), table.position(column)
    keys = [f"q{number}" for number in range(len(places))]
    chosen = ", ".join(f"c{place} AS {key}" for key, place in zip(keys, places, strict=True))
    with table.reading() as connection:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE belongs AS SELECT {chosen}, c{own} AS who, count(*) AS n "  # noqa: S608 - names made here, no value
            f"FROM ({table.select}) GROUP BY ALL"
        )
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE crowds AS SELECT {', '.join(keys)}, "  # noqa: S608 - names made here, no value
            f"greatest(1, count(who)) AS size FROM belongs GROUP BY {', '.join(keys)}"
        )
        records, unknown = connection.execute(
            "SELECT CAST(sum(n) AS BIGINT), CAST(coalesce(sum(n) FILTER (who IS NULL), 0) AS BIGINT) FROM belongs"
        ).fetchone() or (0, 0)
        same = " AND ".join(f"belongs.{key} IS NOT DISTINCT FROM crowds.{key}" for key in keys)
        persons, varying, mean = connection.execute(
            "SELECT count(*), count(*) FILTER (times > 1), coalesce(avg(risk), 0) FROM (SELECT who, "  # noqa: S608 - names made here, no value
            f"count(*) AS times, max(1 / size) AS risk FROM belongs JOIN crowds ON {same} WHERE who IS NOT NULL "
            "GROUP BY who)"
        ).fetchone() or (0, 0, 0.0)
        sizes = dict(
            connection.execute("SELECT size, count(*) FROM crowds GROUP BY size ORDER BY size").fetchall()
        )
        connection.execute("DROP TABLE belongs")
        connection.execute("DROP TABLE crowds")
    return People(column, named, own + 1, records, persons, unknown, varying, float(mean), sizes)
