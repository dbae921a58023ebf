"""A withheld count must not be computable: checked against a search over all tables of whole numbers."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import pytest

from deidentify.disclosure.bounds import intervals, is_exposed
from deidentify.disclosure.check import check
from deidentify.disclosure.fields import load_fields
from deidentify.disclosure.mitigate import mitigate
from deidentify.disclosure.read import read_results
from deidentify.disclosure.tables import tables_of
from tests.deidentify.disclosure.results import PURPOSE, full_table, levels

MINIMUM = 10  # a sponsor's


Printed = dict[tuple[int, int], int | None]


def brute_force(printed: Printed, a: int, b: int) -> dict[tuple[int, int], set[int]]:
    """Every value that each withheld inner cell takes in some table of whole numbers with what is printed.

    A search over all tables, line by line: what is remembered of the lines above are their column sums.
    Margins that are withheld limit nothing; a cell without any margin is tried up to the minimum.
    """
    columns = [printed[a, j] for j in range(b)]
    possible: dict[tuple[int, int], set[int]] = {}
    for key in ((i, j) for i in range(a) for j in range(b) if printed[i, j] is None):
        limits = [one for one in (printed[key[0], b], columns[key[1]]) if one is not None]
        values = range(min([*limits, MINIMUM]) + 1)
        possible[key] = {value for value in values if _exists({**printed, key: value}, columns, a, b)}
    return possible


def _exists(printed: Printed, columns: list[int | None], a: int, b: int) -> bool:
    sums = {(0,) * b}
    for i in range(a):
        lines = list(_lines([printed[i, j] for j in range(b)], printed[i, b], columns))
        sums = {
            added
            for above in sums
            for line in lines
            if _fits(added := tuple(_add(above[j], line[j], columns[j]) for j in range(b)), columns)
        }
    return any(all(c is None or s == c for s, c in zip(one, columns, strict=True)) for one in sums)


def _add(above: int, own: int, margin: int | None) -> int:
    return 0 if margin is None else above + own  # the sum of a column without a margin matters to nobody


def _fits(sums: tuple[int, ...], columns: list[int | None]) -> bool:
    return all(c is None or s <= c for s, c in zip(sums, columns, strict=True))


def _lines(
    cells: list[int | None], margin: int | None, columns: list[int | None]
) -> Iterator[tuple[int, ...]]:
    """Every way to fill in one line."""
    if not cells:
        if margin in (None, 0):
            yield ()
        return
    own = cells[0]
    limits = [one for one in (margin, columns[0]) if one is not None]
    limit = min(limits) if limits else MINIMUM
    if own is None and len(cells) == 1 and margin is not None:
        values: Iterable[int] = [margin] if margin <= limit else []
    else:
        values = range(limit + 1) if own is None else [own]
    for value in values:
        if margin is None or value <= margin:
            left = None if margin is None else margin - value
            for rest in _lines(cells[1:], left, columns[1:]):
                yield (value, *rest)


@pytest.mark.parametrize("seed", range(24))
def test_no_search_over_all_tables_limits_a_small_cell_after_mitigation(seed: int):
    """Random two-way tables with margins: after mitigation every count from 1 to the minimum stays possible.

    The search is the test's own; what it may use is what was printed. Cells that were withheld because they
    were small must take every value from 1 to 10 in some table of whole numbers.
    """
    chance = random.Random(seed)
    a, b = (3, 2) if seed in (6, 12) else (2, 2)
    cells = [[chance.choice((1, 2, 4, 7, 9, 11, 14)) for _ in range(b)] for _ in range(a)]
    made = mitigate(full_table(cells), "sponsor").results
    assert check(made, "sponsor", PURPOSE).outcome == "pass"
    there = {row["id"]: row["value"] for row in made["rows"]}
    printed = {(i, j): there.get(f"c{i}.{j}") for i in range(a + 1) for j in range(b + 1)}
    small = {(i, j) for i in range(a) for j in range(b) if cells[i][j] < MINIMUM}
    assert all(printed[key] is None for key in small)
    possible = brute_force(printed, a, b)
    for key in small:
        assert possible[key] >= set(range(1, MINIMUM + 1)), (seed, key, cells, printed)


@pytest.mark.parametrize("seed", range(12))
def test_the_programmes_interval_is_the_one_that_the_search_finds(seed: int):
    """For two-way tables the bounds are exact: the search and the linear programme agree on both ends."""
    chance = random.Random(1000 + seed)
    a, b = 3, 2
    cells = [[chance.randint(0, 5) for _ in range(b)] for _ in range(a)]
    gone = {(chance.randrange(a), chance.randrange(b)) for _ in range(chance.randint(1, 4))}
    read = read_results(full_table(cells, gone))
    found = intervals(next(tables_of(read, load_fields())))
    assert found is not None
    lines = [[*line, sum(line)] for line in cells]
    lines.append([sum(line[j] for line in lines) for j in range(b + 1)])
    printed = {(i, j): None if (i, j) in gone else lines[i][j] for i in range(a + 1) for j in range(b + 1)}
    for (i, j), values in brute_force(printed, a, b).items():
        low, high = found[f"a{i}", f"b{j}"]
        assert round(low) == min(values)
        assert round(min(high, MINIMUM)) == max(values)


def test_one_withheld_cell_beside_its_margin_is_computed():
    """The classic: one cell is blank, the row adds up. The finding names a second cell."""
    verdict = check(full_table([[34, 27, 4], [50, 40, 30]], {(0, 2)}), "sponsor", PURPOSE)
    (found,) = verdict.findings
    assert (found.rule, verdict.outcome) == ("secondary", "fail")
    assert "c0." in found.remedy_en or "c1." in found.remedy_en


def test_three_complements_protect_one_cell_of_a_two_way_table():
    """A rectangle: two cells in the row, two in the column, and no fifth."""
    cells = [[34, 27, 4], [50, 40, 30]]
    made = mitigate(full_table(cells), "sponsor")
    assert sorted(change["where"] for change in made.account) == ["c0.1", "c0.2", "c1.1", "c1.2"]
    assert made.minimal


@pytest.mark.parametrize(
    ("counts", "withheld"),
    [
        ({"upto20": 104, "middle": 172, "over50": 63}, set()),
        ({"upto20": 104, "middle": 172, "over50": 3}, {"upto20", "over50"}),
        ({"upto20": 5, "over50": 300}, {"upto20", "over50"}),
        ({"upto20": 4, "middle": 5, "over50": 300}, {"upto20", "middle", "over50"}),
    ],
)
def test_levels_of_a_variable_are_withheld_together_with_what_gives_them_away(counts, withheld):
    """One way, with the arm's size as margin; a percentage of a known group is the count."""
    made = mitigate(levels(**counts), "sponsor")
    gone = {change["where"].split(".")[2] for change in made.account}
    assert gone == withheld
    left = {row["id"] for row in made.results["rows"]}
    assert not any(f"size.{level}." in id for level in withheld for id in left)


def test_everybody_but_a_few_is_a_cell_too():
    """65 of 68 have a record: the three who have not are told by subtraction."""
    at = {"group": "exposed", "variable": "chemo", "n": 68, "row_set": "all.exposed"}
    from tests.deidentify.disclosure.results import held, row

    verdict = check(
        held([row("b.chemo.exposed.subjects", "subjects", 65, **at)], all_exposed=68), "sponsor", PURPOSE
    )
    assert {finding.rule for finding in verdict.findings} == {"small_cell", "secondary"}


def test_nested_levels_are_sums_of_their_parts():
    """II is the sum of II/A and II/B: a withheld part is computed from the level above it."""
    from deidentify.disclosure.read import table_mapping

    text = "stage,count\nI,40\nII,33\nII/A,\nII/B,30\nTotal,73\n"
    assert [f.rule for f in check(table_mapping(text.encode()), "sponsor", PURPOSE).findings] == ["secondary"]
    made = mitigate(table_mapping(text.encode()), "sponsor")
    assert check(made.results, "sponsor", PURPOSE).outcome == "pass"


@pytest.mark.parametrize(
    ("interval", "is_small", "exposed"),
    [
        ((4, 4), False, True),
        ((0, 0), False, False),
        ((10, 10), False, False),
        ((0, 9), False, True),
        ((0, 10), True, False),
        ((3, 34), False, False),
        ((3, 34), True, True),
        ((8, 14), False, True),
        ((1, 10), True, False),
    ],
)
def test_what_counts_as_told(interval, is_small, exposed):
    """Bounded below the minimum, or open over less than it; a cell known to be small is held to more."""
    assert is_exposed(interval, MINIMUM, is_small=is_small) is exposed


def test_three_dimensions_are_not_claimed_to_be_proven():
    """Bounds may be wider than what whole numbers allow: a person looks."""
    from deidentify.disclosure.read import table_mapping

    lines = ["a,b,c,count"]
    lines += [
        f"a{i},b{j},c{k},{'' if (i, j, k) == (0, 0, 0) else 40}"
        for i in (0, 1)
        for j in (0, 1)
        for k in (0, 1)
    ]
    verdict = check(table_mapping("\n".join(lines).encode()), "sponsor", PURPOSE)
    assert (verdict.outcome, verdict.findings[0].rule) == ("review", "secondary_not_proven")
