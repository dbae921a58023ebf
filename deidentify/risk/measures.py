"""What a table says about the people in it: class sizes, diversity and closeness, from one pass over the file.

Records that agree in every quasi-identifier are an equivalence class. From its counts follow

k               the smallest class (Samarati 2001; Sweeney 2002)
l               the fewest distinct sensitive values in a class (Machanavajjhala et al. 2007, distinct l)
entropy_l       exp of the smallest class entropy, natural logarithm (ibid., entropy l)
t               the largest distance between a class's sensitive values and the whole table's (Li et al. 2007):
                half the sum of absolute differences for categories; for numbers the ordered earth mover's
                distance, the sum of absolute cumulative differences divided by m - 1 for m distinct values
prosecutor      1 / class size: the attacker knows that the person is in the table; its maximum is 1 / k
marketer        classes / records: the mean of the former over all records

A sensitive column is numeric when every value that is there is a finite decimal number (`12`, `-3.5`, `1e6`);
codes written in digits therefore are numbers, unless the caller says `categorical`. Numbers are told apart and put
in order by their exact decimal value, however many digits they have. An absent value is a category of its own;
among numbers it stands before the smallest.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from deidentify.risk.ordering import NUMBER, places_of_numbers
from deidentify.risk.table import EMPTY, Table

if TYPE_CHECKING:
    import duckdb
    import numpy as np
    import numpy.typing as npt

SIZE_BANDS = ((1, 1), (2, 4), (5, 10), (11, 19), (20, 99), (100, None))
_BATCH = 500_000  # cells held in memory at once while the distances are taken
_WIDEST = 38  # digits of DuckDB's widest decimal
_VECTOR = 2048  # rows in one of DuckDB's vectors


@dataclass(frozen=True)
class Measures:
    """The measures of one table. Shares are fractions; `class_sizes` maps a size to how many classes have it."""

    records: int
    quasi: tuple[str, ...]
    sensitive: str
    numeric: bool  # whether t is the ordered distance
    class_sizes: Mapping[int, int] = field(repr=False)
    l: int  # noqa: E741 - its name in the field and in the command's contract
    entropy_l: float
    t: float

    @property
    def classes(self) -> int:
        return sum(self.class_sizes.values())

    @property
    def k(self) -> int:
        return min(self.class_sizes)

    @property
    def uniques(self) -> int:
        """Records that are alone in their class."""
        return self.class_sizes.get(1, 0)

    @property
    def prosecutor_max(self) -> float:
        return 1 / self.k

    @property
    def marketer(self) -> float:
        return self.classes / self.records

    def records_below(self, size: int) -> int:
        """Records in classes smaller than `size`: those that must be generalised or left out to reach k = size."""
        return sum(of * count for of, count in self.class_sizes.items() if of < size)

    def share_above(self, risk: float) -> float:
        """The share of records whose own risk, 1 / class size, is above a threshold."""
        above = sum(of * count for of, count in self.class_sizes.items() if of * risk < 1 - 1e-12)
        return above / self.records


def size_bands(class_sizes: Mapping[int, int]) -> tuple[tuple[str, int, int], ...]:
    """Classes and records by band of class size: ("5–10", classes, records)."""
    bands = []
    for low, high in SIZE_BANDS:
        inside = {s: n for s, n in class_sizes.items() if s >= low and (high is None or s <= high)}
        label = f"≥{low}" if high is None else str(low) if low == high else f"{low}–{high}"
        bands.append((label, sum(inside.values()), sum(s * n for s, n in inside.items())))
    return tuple(bands)


def measure(table: Table, quasi: Sequence[str], sensitive: str, *, categorical: bool = False) -> Measures:
    """All measures of a table. The file is read once; what follows is computed from the classes' counts.

    A sensitive column may be a quasi-identifier too. Leaves the classes in the table's connection as
    `classes(q0, q1, ..., n)` for `rank_quasi_identifiers` and the journalist's risk.
    """
    places = table.positions(quasi)
    secret = table.position(sensitive)
    keys = [f"q{number}" for number in range(len(places))]
    _count_cells(table, keys, places, secret)
    connection = table.connection
    numeric = not categorical and _is_numeric(connection)
    cells = _order_values(connection, keys, numeric=numeric)
    lowest, diversity = _count_classes(connection, keys, cells)
    sizes = dict(connection.execute("SELECT n, count(*) FROM classes GROUP BY n ORDER BY n").fetchall())
    distance = (
        _ordered_distance(connection, keys, cells) if numeric else _equal_distance(connection, keys, cells)
    )
    return Measures(
        records=sum(size * count for size, count in sizes.items()),
        quasi=tuple(quasi),
        sensitive=sensitive,
        numeric=numeric,
        class_sizes=sizes,
        l=diversity,
        entropy_l=math.exp(lowest),
        t=distance,
    )


def _count_cells(table: Table, keys: Sequence[str], places: Sequence[int], secret: int) -> None:
    """The only statement that reads the file: how many records share quasi-identifiers and sensitive value."""
    named = ", ".join(f"c{place} AS {key}" for key, place in zip(keys, places, strict=True))
    with table.reading() as connection:
        connection.execute(
            f"CREATE OR REPLACE TEMP TABLE cells AS SELECT {named}, c{secret} AS s, count(*) AS n "  # noqa: S608 - names made here, no value
            f"FROM ({table.select}) GROUP BY ALL"
        )
        if connection.execute("SELECT count(*) FROM cells").fetchone() == (0,):
            raise EMPTY.error(name=table.name, why="it has no record", why_zh="没有任何记录")


def _is_numeric(connection: duckdb.DuckDBPyConnection) -> bool:
    there, numbers = connection.execute(
        "SELECT count(*), count(*) FILTER (regexp_full_match(s, ?) AND isfinite(TRY_CAST(s AS DOUBLE))) "
        "FROM (SELECT DISTINCT s FROM cells WHERE s IS NOT NULL)",
        [NUMBER],
    ).fetchone() or (0, 0)
    return bool(there) and there == numbers


def _order_values(connection: duckdb.DuckDBPyConnection, keys: Sequence[str], *, numeric: bool) -> str:
    """Gives each sensitive value its rank from 0 and its share; returns the table of cells by rank.

    Texts that write one number differently (`1`, `1.0`) are one value, and no two numbers fall together.
    """
    value = _exact_kind(connection) if numeric else "s"
    if value is None:
        _rank_by_digits(connection)
    else:
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE spellings AS SELECT s, "  # noqa: S608 - fixed texts
            f"CAST(dense_rank() OVER (ORDER BY {value} NULLS FIRST) - 1 AS BIGINT) AS place "
            "FROM (SELECT DISTINCT s FROM cells)"
        )
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE shares AS SELECT place, CAST(sum(n) AS BIGINT) AS n, "
        "sum(n) / (SELECT sum(n) FROM cells) AS share FROM cells "
        "JOIN spellings ON cells.s IS NOT DISTINCT FROM spellings.s GROUP BY place"
    )
    joined = (
        f"SELECT {', '.join(keys)}, place, n FROM cells "  # noqa: S608 - names made here
        "JOIN spellings ON cells.s IS NOT DISTINCT FROM spellings.s"
    )
    spelled, distinct = connection.execute(
        "SELECT (SELECT count(*) FROM spellings), (SELECT count(*) FROM shares)"
    ).fetchone() or (0, 0)
    if spelled != distinct:
        joined = f"SELECT {', '.join(keys)}, place, CAST(sum(n) AS BIGINT) AS n FROM ({joined}) GROUP BY ALL"  # noqa: S608 - names made here, no value
    return f"({joined})"


def _exact_kind(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The sensitive values as whole numbers or decimals of fixed places where all fit exactly; None otherwise."""
    values = "(SELECT DISTINCT trim(s) AS v FROM cells WHERE s IS NOT NULL)"
    whole, before, after, powers = connection.execute(
        "SELECT coalesce(bool_and(TRY_CAST(v AS HUGEINT) IS NOT NULL AND NOT regexp_matches(v, '[.eE]')), false), "  # noqa: S608 - names made here, no value
        "max(length(regexp_extract(v, '^[+-]?([0-9]*)', 1))), max(length(regexp_extract(v, '[.]([0-9]*)', 1))), "
        f"coalesce(bool_or(regexp_matches(v, '[eE]')), false) FROM {values}"
    ).fetchone() or (False, 0, 0, True)
    if whole:
        return "CAST(trim(s) AS HUGEINT)"
    if powers or before + after > _WIDEST:
        return None
    kind = f"DECIMAL({_WIDEST}, {after})"
    fits = connection.execute(f"SELECT count(*) = count(TRY_CAST(v AS {kind})) FROM {values}").fetchone()  # noqa: S608 - names made here, no value
    return f"CAST(trim(s) AS {kind})" if fits and fits[0] else None


def _rank_by_digits(connection: duckdb.DuckDBPyConnection) -> None:
    """`spellings` for numbers that no type of the database holds: their order is that of their digits."""
    import pyarrow as pa

    spelled = [text for (text,) in connection.execute("SELECT DISTINCT s FROM cells").fetchall()]
    places = places_of_numbers(spelled)
    ranked = pa.table(
        {
            "s": pa.array(spelled, pa.string()),
            "place": pa.array([places[text] for text in spelled], pa.int64()),
        }
    )
    connection.register("ranked", ranked)
    connection.execute("CREATE OR REPLACE TEMP TABLE spellings AS SELECT s, place FROM ranked")
    connection.unregister("ranked")


def _count_classes(
    connection: duckdb.DuckDBPyConnection, keys: Sequence[str], cells: str
) -> tuple[float, int]:
    """Makes `classes`; returns the smallest entropy (nats) and the fewest distinct values of a class."""
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE classes AS SELECT {', '.join(keys)}, "  # noqa: S608 - names made here
        "CAST(sum(n) AS BIGINT) AS n, count(*) AS kinds, "
        "CASE WHEN count(*) = 1 THEN 0.0 ELSE ln(sum(n)) - sum(n * ln(n)) / sum(n) END AS entropy "
        f"FROM {cells} GROUP BY {', '.join(keys)}"
    )
    lowest, kinds = connection.execute("SELECT min(entropy), min(kinds) FROM classes").fetchone() or (0.0, 0)
    return max(0.0, float(lowest)), int(kinds)


def _same(keys: Sequence[str], left: str, right: str) -> str:
    return " AND ".join(f"{left}.{key} IS NOT DISTINCT FROM {right}.{key}" for key in keys)


def _equal_distance(connection: duckdb.DuckDBPyConnection, keys: Sequence[str], cells: str) -> float:
    """Half the L1 distance: the sum of what a class has more of than the table, over its own values alone."""
    found = connection.execute(
        "SELECT max(distance) FROM (SELECT sum(greatest(cells.n / classes.n - shares.share, 0)) AS distance "  # noqa: S608 - names made here, no value
        f"FROM {cells} AS cells JOIN classes ON {_same(keys, 'cells', 'classes')} "
        f"JOIN shares ON cells.place = shares.place GROUP BY {', '.join(f'classes.{key}' for key in keys)})"
    ).fetchone()
    return float(found[0]) if found else 0.0


def _ordered_distance(connection: duckdb.DuckDBPyConnection, keys: Sequence[str], cells: str) -> float:
    """The largest ordered earth mover's distance of a class, divided by m - 1.

    A class has few of the m values. Between two of them its cumulative share c stands still while the table's
    F(i) rises: the sum of |c - F(i)| there follows from prefix sums of F and the place where F passes c. So a
    class costs its own values, not m.
    """
    import numpy as np

    counts = np.asarray(
        connection.execute("SELECT n FROM shares ORDER BY place").fetchnumpy()["n"], dtype=np.int64
    )
    values = len(counts)
    if values < 2:
        return 0.0
    cumulative = np.cumsum(counts)
    prefix = np.concatenate(([0], np.cumsum(cumulative)))
    reader = connection.execute(
        f"SELECT classes.rowid AS class, place, cells.n AS n, classes.n AS size FROM {cells} AS cells "  # noqa: S608 - names made here, no value
        f"JOIN classes ON {_same(keys, 'cells', 'classes')} ORDER BY class, place"
    )
    names = ("class", "place", "n", "size")
    left = [np.empty(0, np.int64) for _ in names]
    largest, at_end = 0.0, False
    while not at_end:
        chunk = reader.fetch_df_chunk(max(1, _BATCH // _VECTOR))
        at_end = not len(chunk)
        rows = [
            np.concatenate((rest, chunk[name].to_numpy(np.int64)))
            for rest, name in zip(left, names, strict=True)
        ]
        # The last class of a batch may go on in the next one.
        cut = len(rows[0]) if at_end else int(np.searchsorted(rows[0], rows[0][-1]))
        if cut:
            largest = max(
                largest, _largest_distance(_Cells(*(row[:cut] for row in rows)), cumulative, prefix)
            )
        left = [row[cut:] for row in rows]
    return largest / (values - 1)


class _Cells(NamedTuple):
    """Whole classes, their cells ordered by class and place; `size` is the class's."""

    classes: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    counts: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]


def _largest_distance(
    cells: _Cells, cumulative: npt.NDArray[np.int64], prefix: npt.NDArray[np.int64]
) -> float:
    """The largest undivided distance of a class. Sums are of whole numbers, so that none loses digits.

    `cumulative[i]` are the table's records up to place i, `prefix[i]` the sum of the first i of those.
    """
    import numpy as np

    classes, places, counts, sizes = cells
    records = int(cumulative[-1])
    starts = np.flatnonzero(np.concatenate(([True], classes[1:] != classes[:-1])))
    lengths = np.diff(np.concatenate((starts, [len(classes)])))
    running = np.cumsum(counts)
    held = (
        running - np.repeat(running[starts] - counts[starts], lengths)
    ) / sizes  # the class's share so far
    until = np.empty_like(places)
    until[:-1] = places[1:]
    until[starts[1:] - 1] = len(cumulative)
    until[-1] = len(cumulative)
    passes = np.clip(np.searchsorted(cumulative, held * records), places, until)
    below = held * (passes - places) - (prefix[passes] - prefix[places]) / records
    above = (prefix[until] - prefix[passes]) / records - held * (until - passes)
    distance = np.add.reduceat(below + above, starts) + prefix[places[starts]] / records
    return float(distance.max())
