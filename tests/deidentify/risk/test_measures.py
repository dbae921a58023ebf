"""The measures of a table, against published tables, a naive computation, and numbers worked out by hand."""

from __future__ import annotations

import math
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deidentify.risk.measures import measure
from deidentify.risk.ordering import decimal_order
from deidentify.risk.table import open_table
from tests.deidentify.risk.tables import (
    FOUR_ANONYMOUS,
    LI_CLOSE,
    LI_THREE_DIVERSE,
    NINE,
    SWEENEY,
    THREE_DIVERSE,
    adult,
    as_csv,
    measured,
)

# -- published tables ------------------------------------------------------------------------------


def test_sweeneys_table_is_2_anonymous(tmp_path: Path) -> None:
    """Each combination of race, birth, gender and ZIP occurs at least twice (Sweeney 2002, figure 2)."""
    found = measured(tmp_path, SWEENEY, ["race", "birth", "gender", "zip"], "problem")
    assert (found.k, found.records, found.classes, found.uniques) == (2, 11, 5, 0)
    assert dict(found.class_sizes) == {2: 4, 3: 1}
    assert found.l == 1, "two of the classes name their problem outright"
    assert found.prosecutor_max == 0.5
    assert found.marketer == 5 / 11


def test_four_anonymous_is_not_diverse_and_the_three_diverse_table_is(tmp_path: Path) -> None:
    """Machanavajjhala et al. 2007: figure 2 has k = 4 and a class that is all cancer; figure 3 has l = 3.

    The three-diverse table's entropy l is 2.8 as they print it: each class has shares 1/4, 1/4, 1/2.
    """
    quasi = ["zip", "age", "nationality"]
    homogeneous = measured(tmp_path, FOUR_ANONYMOUS, quasi, "condition")
    assert (homogeneous.k, homogeneous.l, homogeneous.entropy_l) == (4, 1, 1.0)
    diverse = measured(tmp_path, THREE_DIVERSE, quasi, "condition")
    assert (diverse.k, diverse.l) == (4, 3)
    assert diverse.entropy_l == pytest.approx(2 * math.sqrt(2), abs=1e-12)
    assert round(diverse.entropy_l, 1) == 2.8


def test_a_salary_class_is_as_far_from_the_table_as_li_and_colleagues_print(tmp_path: Path) -> None:
    """Li et al. 2007, §5: salaries 3k, 4k, 5k are 0.375 from the table of nine, and table 5 is 0.167-close."""
    quasi = ["zip", "age"]
    spread = measured(tmp_path, LI_THREE_DIVERSE, quasi, "salary")
    assert (spread.k, spread.l, spread.numeric) == (3, 3, True)
    assert spread.t == pytest.approx(0.375, abs=1e-12)
    close = measured(tmp_path, LI_CLOSE, quasi, "salary")
    assert close.t == pytest.approx(1 / 6, abs=1e-12)
    assert round(close.t, 3) == 0.167


def test_categories_are_compared_with_equal_distance(tmp_path: Path) -> None:
    """Digits are numbers unless the caller says that they are codes: then half the L1 distance, here 2/3."""
    codes = measured(tmp_path, LI_THREE_DIVERSE, ["zip", "age"], "salary", categorical=True)
    assert not codes.numeric
    assert codes.t == pytest.approx(2 / 3, abs=1e-12)


# -- a naive computation ---------------------------------------------------------------------------

TEXTS = st.one_of(st.none(), st.sampled_from(["a", "b", "中", "x,y", 'q"q', "l\nn", " ", "NULL", "0"]))
NUMBERS = st.one_of(
    st.none(), st.integers(-3, 6).map(str), st.sampled_from(["1.0", "2.50", "1e1", "-0.5", "+3"])
)


def naive(
    rows: Sequence[dict[str, str | None]], quasi: Sequence[str], sensitive: str, numeric: bool
) -> dict[str, object]:
    """Straight from the definitions, in exact fractions: nothing shared with the product."""

    def secret(row: dict[str, str | None]) -> Fraction | str:
        text = row[sensitive]
        if not numeric:
            return text or ""
        return Fraction(-(10**9)) if not text else Fraction(text)

    classes = defaultdict(list)
    for row in rows:
        classes[tuple(row[name] or "" for name in quasi)].append(secret(row))
    everybody = Counter(secret(row) for row in rows)
    order = sorted(everybody)
    distances = []
    for members in classes.values():
        own = Counter(members)
        gaps = [Fraction(own[v], len(members)) - Fraction(everybody[v], len(rows)) for v in order]
        if numeric:
            total = sum(map(abs, accumulate(gaps)))
            distances.append(total / (len(order) - 1) if len(order) > 1 else Fraction(0))
        else:
            distances.append(sum(map(abs, gaps)) / 2)
    entropies = [
        -sum(n / len(members) * math.log(n / len(members)) for n in Counter(members).values())
        for members in classes.values()
    ]
    return {
        "sizes": dict(Counter(map(len, classes.values()))),
        "l": min(len(set(members)) for members in classes.values()),
        "entropy_l": math.exp(min(entropies)),
        "t": float(max(distances)),
    }


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.fixed_dictionaries({"a": TEXTS, "b": TEXTS, "s": TEXTS}), min_size=1, max_size=40),
)
def test_any_table_of_categories_measures_as_the_definitions_say(rows: list[dict[str, str | None]]) -> None:
    """Absent values are a category of their own, in quasi-identifiers and in the sensitive column."""
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), as_csv(rows, ["a", "b", "s"]), ["a", "b"], "s", categorical=True)
    expected = naive(rows, ["a", "b"], "s", numeric=False)
    assert dict(found.class_sizes) == expected["sizes"]
    assert found.l == expected["l"]
    assert found.entropy_l == pytest.approx(expected["entropy_l"], abs=1e-9)
    assert found.t == pytest.approx(expected["t"], abs=1e-9)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rows=st.lists(st.fixed_dictionaries({"a": TEXTS, "s": NUMBERS}), min_size=1, max_size=40))
def test_any_table_of_numbers_measures_as_the_definitions_say(rows: list[dict[str, str | None]]) -> None:
    """`1` and `1.0` are one value; an absent number stands before the smallest."""
    if all(row["s"] is None for row in rows):
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder), as_csv(rows, ["a", "s"]), ["a"], "s")
    expected = naive(rows, ["a"], "s", numeric=True)
    assert found.numeric
    assert found.l == expected["l"]
    assert found.t == pytest.approx(expected["t"], abs=1e-9)


def test_the_distances_are_the_same_when_the_classes_come_in_many_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ordered distance is taken batch by batch; where a batch ends must not matter."""
    rows = [{"a": str(place % 40), "s": str((place * place) % 97)} for place in range(9000)]
    text = as_csv(rows, ["a", "s"])
    whole = measured(tmp_path, text, ["a"], "s").t
    monkeypatch.setattr("deidentify.risk.measures._BATCH", 1)
    assert measured(tmp_path, text, ["a"], "s").t == whole
    assert whole == pytest.approx(naive(rows, ["a"], "s", numeric=True)["t"], abs=1e-12)


# -- what is a number ------------------------------------------------------------------------------

SENSITIVE: list[tuple[list[str], bool]] = [
    (["1", "2", ""], True),
    (["-1.5", "+2", ".5", "1e3", "2."], True),
    ([" 1", "2 "], True),
    (["1", "x"], False),
    (["", ""], False),
    (["nan", "1"], False),
    (["inf", "1"], False),
    (["1e999", "1"], False),
    (["1_000", "2"], False),
    (["0x10", "2"], False),
    (["１", "2"], False),
    (["1,5", "2"], False),
]


@pytest.mark.parametrize(("values", "numeric"), SENSITIVE, ids=repr)
def test_a_column_is_numeric_when_every_value_that_is_there_is_a_finite_decimal(
    tmp_path: Path, values: list[str], numeric: bool
) -> None:
    rows = [{"a": "x", "s": value} for value in values]
    assert measured(tmp_path, as_csv(rows, ["a", "s"]), ["a"], "s").numeric is numeric


def test_long_codes_do_not_fall_together_as_decimals(tmp_path: Path) -> None:
    """Two codes of 18 digits that differ in the last are one number as a double, and two values here."""
    found = measured(tmp_path, "a,s\nx,123456789012345678\nx,123456789012345679\n", ["a"], "s")
    assert (found.l, found.numeric) == (2, True)


@pytest.mark.parametrize(
    "other", ["1" * 50, "0.5", "1e3", "1e-40", "-0.000000000000000000000000000000000000001"]
)
def test_one_long_number_or_decimal_makes_no_two_others_fall_together(tmp_path: Path, other: str) -> None:
    """2**53 and 2**53 + 1 are one double; here they stay two values, and t counts both."""
    text = f"a,s\nx,9007199254740993\nx,9007199254740993.0\ny,9007199254740992\ny,{other}\n"
    found = measured(tmp_path, text, ["a"], "s")
    assert found.numeric and found.l == 1
    rows = [
        {"a": a, "s": s}
        for a, s in (("x", "1"), ("x", "1"), ("y", "0"), ("y", "2" if other == "1" * 50 else "-1"))
    ]
    assert found.t == measured(tmp_path, as_csv(rows, ["a", "s"]), ["a"], "s").t


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.from_regex(r"[+-]?[0-9]{1,20}(\.[0-9]{0,20})?(e[+-]?[0-9]{1,3})?", fullmatch=True),
        min_size=2,
        max_size=8,
    )
)
def test_the_order_of_digits_is_pythons_order_of_decimals(texts: list[str]) -> None:
    from decimal import Decimal

    for one in texts:
        for other in texts:
            mine, theirs = (decimal_order(one), decimal_order(other)), (Decimal(one), Decimal(other))
            assert ((mine[0] < mine[1]), (mine[0] == mine[1])) == (
                (theirs[0] < theirs[1]),
                (theirs[0] == theirs[1]),
            )


# -- edges -----------------------------------------------------------------------------------------


def test_one_record_is_one_class_that_says_everything(tmp_path: Path) -> None:
    found = measured(tmp_path, "a,s\n1,2\n", ["a"], "s")
    assert (found.k, found.l, found.entropy_l, found.t, found.uniques, found.marketer) == (
        1,
        1,
        1.0,
        0.0,
        1,
        1.0,
    )


def test_a_sensitive_column_may_be_a_quasi_identifier_too(tmp_path: Path) -> None:
    """All nine columns of `adult` are quasi-identifiers in ARX's test; then every class has one value."""
    found = measured(tmp_path, SWEENEY, ["race", "problem"], "problem")
    assert (found.l, found.entropy_l) == (1, 1.0)


def test_records_below_a_size_and_above_a_risk_are_counted_by_their_classes(tmp_path: Path) -> None:
    """Classes of 1, 2 and 3 records: 3 records are below k = 3; a risk of 1/2 is not above 1/2."""
    found = measured(tmp_path, "a,s\n1,x\n2,x\n2,y\n3,x\n3,y\n3,z\n", ["a"], "s")
    assert [found.records_below(k) for k in (1, 2, 3, 4)] == [0, 1, 3, 6]
    assert [found.share_above(risk) for risk in (0.5, 1 / 3, 0.1)] == [1 / 6, 0.5, 1.0]


def test_no_name_of_a_column_becomes_a_statement(tmp_path: Path) -> None:
    """Columns are called by their places: a header may hold anything, quotes and semicolons included."""
    text = '"a"";DROP TABLE cells;--","s\'s"\n1,2\n1,3\n'
    found = measured(tmp_path, text, ['a";DROP TABLE cells;--'], "s's")
    assert (found.k, found.l) == (2, 2)


# -- a real table ----------------------------------------------------------------------------------


def test_the_adult_table_has_arxs_average_risk() -> None:
    """ARX's own test (TestRiskMetrics): all nine columns, average re-identification risk to the last digit."""
    with open_table(adult()) as table:
        found = measure(table, NINE, "salary-class")
    assert found.records == 30162
    assert found.marketer == pytest.approx(0.6465751607983555, abs=1e-12)
    assert found.prosecutor_max == 1.0


def test_the_adult_table_measures_the_same_within_little_memory(tmp_path: Path) -> None:
    """A memory limit decides where the work is done, never what comes out."""
    answers = []
    for memory in ("2GB", "160MB"):
        with open_table(adult(), memory=memory) as table:
            answers.append(measure(table, ["sex", "age", "race", "occupation"], "education"))
    assert answers[0] == answers[1]
