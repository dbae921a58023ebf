"""The transport file: what two readers that we did not write find in it, and what its bytes are by TS-140."""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.evidence.submission.adam import AdamDataset, AdamVariable, Code, CodeList, Sheet
from studies.evidence.submission.xpt import LARGEST, SMALLEST, xpt_bytes, xpt_table
from tests.evidence.submission.made import by_pandas, by_pyreadstat, rotterdam, valve
from tests.evidence.submission.transport import number_of, transport

DATED = "2026-01-05"
EVERY = [*rotterdam(), *valve()]
IDS = [f"{one.name}-{len(one.frame)}" for one in EVERY]


def column(type_, values, name: str = "V", **known) -> AdamDataset:
    """A dataset of one variable."""
    sheet = Sheet(len(values))
    title = known.pop("title", Bilingual("变量", "A variable"))
    sheet.add(AdamVariable(name, title, type_, "Derived", **known), values)
    return sheet.dataset(
        "ADX", Bilingual("数据集", "A dataset"), Bilingual("一行", "One"), ("X", ""), ("USUBJID",)
    )


def file_of(dataset: AdamDataset, dated: str = DATED) -> bytes:
    return xpt_bytes(dataset, xpt_table(dataset), dated)


def losses(dataset: AdamDataset) -> dict[str, int]:
    return {one.kind: one.count for one in xpt_table(dataset).losses}


# --- numbers ---------------------------------------------------------------------------------------------------------


def within_the_range(count: int) -> list[float]:
    """Doubles of every size that the module says are kept, with all their bits drawn."""
    draw = random.Random(20260105)
    drawn = []
    while len(drawn) < count:
        size = math.ldexp(1 + draw.getrandbits(52) / (1 << 52), draw.randint(-260, 248))
        if SMALLEST <= size <= LARGEST:
            drawn.append(draw.choice((-1, 1)) * size)
    edges = [SMALLEST, -SMALLEST, LARGEST, -LARGEST, math.nextafter(SMALLEST, 1), math.nextafter(LARGEST, 0)]
    return [*drawn, *edges, 0.0, 0.1, 1 / 3, math.pi, 1e-300 * 1e290, 2.0**53]


def test_every_double_within_the_stated_range_comes_back_with_every_bit():
    numbers = within_the_range(4000)
    dataset = column("float", numbers)
    assert losses(dataset) == {}
    frame, _ = by_pyreadstat(file_of(dataset))
    assert frame["V"].tolist() == numbers


def test_the_stored_bytes_are_the_ibm_float_of_the_number():
    """Decoded by the definition, as exact fractions: nothing is rounded when it is written."""
    numbers = within_the_range(2000)
    stored = transport(file_of(column("float", numbers))).values("V")
    assert [number_of(one) for one in stored[: len(numbers)]] == [Fraction(one) for one in numbers]


def test_pandas_reads_the_same_numbers():
    """Its reader takes a zero for the smallest number there is, so zeros are left out."""
    numbers = [one for one in within_the_range(2000) if one and abs(one) > 1e-70]
    assert by_pandas(file_of(column("float", numbers)))["V"].tolist() == numbers


@pytest.mark.parametrize(
    ("number", "kind", "read"),
    [
        (math.nextafter(LARGEST, math.inf), "too_large", None),
        (-math.nextafter(LARGEST, math.inf), "too_large", None),
        (1.7976931348623157e308, "too_large", None),
        (math.nextafter(SMALLEST, 0), "too_small", 0.0),
        (-math.nextafter(SMALLEST, 0), "too_small", 0.0),
        (5e-324, "too_small", 0.0),
    ],
)
def test_a_number_outside_the_range_is_counted_and_never_written_as_another(number, kind, read):
    dataset = column("float", [1.5, number, 1.5])
    assert losses(dataset) == {kind: 1}
    assert np.nan_to_num(xpt_table(dataset).frame["V"], nan=-1).tolist() == [
        1.5,
        -1 if read is None else read,
        1.5,
    ]
    frame, _ = by_pyreadstat(file_of(dataset))
    middle = frame["V"][1]
    assert frame["V"][0] == frame["V"][2] == 1.5
    assert np.isnan(middle) if read is None else middle == read


def test_a_missing_number_is_the_formats_missing_and_no_loss():
    dataset = column("float", [None, 2.5, float("nan")])
    assert losses(dataset) == {}
    assert [number_of(one) for one in transport(file_of(dataset)).values("V")[:3]] == [
        None,
        Fraction(5, 2),
        None,
    ]
    frame, _ = by_pyreadstat(file_of(dataset))
    assert frame["V"].isna().tolist() == [True, False, True]


def test_integers_come_back_as_they_are_up_to_what_a_double_holds():
    numbers = [0, 1, -1, 36525, 2**53, -(2**53), None]
    dataset = column("integer", numbers)
    assert losses(dataset) == {}
    read = by_pyreadstat(file_of(dataset))[0]["V"]
    assert read.tolist()[:-1] == numbers[:-1] and np.isnan(read.iloc[-1])


def test_an_integer_that_no_double_holds_is_counted():
    assert losses(column("integer", [2**53 + 1, 2**53 + 2, 2**62, 5])) == {"rounded": 1}


# --- texts -----------------------------------------------------------------------------------------------------------


def test_chinese_without_an_english_counterpart_is_replaced_and_counted():
    dataset = column("text", ["海南", "ok", "海南", "三亚"])
    assert losses(dataset) == {"replaced": 3}
    assert by_pyreadstat(file_of(dataset))[0]["V"].tolist() == ["??", "ok", "??", "??"]


def test_chinese_of_a_code_list_becomes_its_english_and_is_said_to():
    codes = CodeList(
        "V", Bilingual("组", "Arm"), (Code("用药", Bilingual("用药", "Treated ≥1"), "Treated >=1"),)
    )
    dataset = column("text", ["用药", "用药"], codes=codes)
    assert losses(dataset) == {"decoded": 2}
    assert by_pyreadstat(file_of(dataset))[0]["V"].tolist() == ["Treated >=1"] * 2


def test_an_english_counterpart_that_is_no_english_does_not_hide_the_loss():
    dataset = column("text", ["用药"], english={"用药": "用药 A"})
    assert losses(dataset) == {"replaced": 1}


@pytest.mark.parametrize(
    ("text", "read", "lost"),
    [
        ("a" * 200, "a" * 200, {}),
        ("a" * 201, "a" * 200, {"cut": 1}),
        ("中" * 300, "?" * 200, {"replaced": 1, "cut": 1}),
        ("≤5", "<=5", {"respelled": 1}),
        ("two\nlines", "two lines", {"control": 1}),
        ("trailing  ", "trailing", {"blanks": 1}),
        ("  leading", "  leading", {}),
        ("=1+1", "=1+1", {}),
        ("<b>&amp;", "<b>&amp;", {}),
        ("\x00", "", {"control": 1, "blanks": 1}),
        ("", "", {}),
    ],
)
def test_each_text_is_read_as_it_was_or_its_loss_is_counted(text, read, lost):
    dataset = column("text", [text, "x"])
    assert losses(dataset) == lost
    file = file_of(dataset)
    assert by_pyreadstat(file)[0]["V"].tolist() == [read, "x"]
    assert [one.rstrip(b" ").decode() for one in transport(file).values("V")[:2]] == [read, "x"]


def test_the_length_of_a_text_is_that_of_its_longest_value():
    dataset = column("text", ["", "four", "≤≤≤"])
    field = transport(file_of(dataset)).fields[0]
    assert (field.kind, field.length) == (2, 6)
    assert xpt_table(dataset).lengths == {"V": 6}


def test_a_text_variable_that_is_always_missing_has_one_byte():
    assert xpt_table(column("text", ["", ""])).lengths == {"V": 1}


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", ["病人1", "S1\n", "S1 ", "S" * 201, "é1", "S\x001"])
def test_a_subject_id_that_would_change_stops_the_file(id_):
    """Two formats in which one person has two names are worse than none; and the message repeats no id."""
    with pytest.raises(PlatformError) as error:
        xpt_table(column("text", ["S0", id_, id_], name="USUBJID"))
    assert error.value.code == "submission.subject_id_not_kept"
    assert error.value.details == {"dataset": "ADX", "variable": "USUBJID", "count": 2}
    assert id_ not in str(error.value.details)


def test_a_subject_id_of_two_hundred_letters_is_kept():
    long = ["S" * 200, "T" * 200]
    assert by_pyreadstat(file_of(column("text", long, name="USUBJID")))[0]["USUBJID"].tolist() == long


def test_what_is_no_key_may_lose_letters_and_is_counted():
    assert losses(column("text", ["海南"], name="SITEID")) == {"replaced": 1}


# --- the file --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dataset", EVERY, ids=IDS)
def test_both_readers_find_the_table_that_was_to_be_written(dataset):
    table = xpt_table(dataset)
    file = xpt_bytes(dataset, table, DATED)
    frame, _ = by_pyreadstat(file)
    second = by_pandas(file)
    assert list(frame.columns) == list(second.columns) == [one.name for one in dataset.variables]
    for one in dataset.variables:
        wanted = table.frame[one.name].tolist()
        if one.type == "text":
            assert frame[one.name].tolist() == second[one.name].fillna("").tolist() == wanted
        else:
            assert frame[one.name].equals(table.frame[one.name])
            np.testing.assert_allclose(second[one.name], wanted, rtol=0, atol=1e-70)


@pytest.mark.parametrize("dataset", EVERY, ids=IDS)
def test_numbers_are_those_of_the_dataset_and_texts_of_it_but_for_the_counted_ones(dataset):
    table = xpt_table(dataset)
    lost = Counter({one.variable: one.count for one in table.losses if one.kind == "decoded"})
    for one in dataset.variables:
        mine, theirs = dataset.frame[one.name], table.frame[one.name]
        if one.type == "text":
            assert sum(a != b for a, b in zip(mine, theirs, strict=True)) == lost[one.name]
        else:
            assert mine.astype("Float64").astype("float64").equals(theirs)


@pytest.mark.parametrize("dataset", EVERY, ids=IDS)
def test_names_and_labels_are_within_the_limits_and_reach_the_reader(dataset):
    file = file_of(dataset)
    read = transport(file)
    assert (read.dataset, read.label) == (dataset.name, dataset.label.en)
    assert [one.name for one in read.fields] == [one.name for one in dataset.variables]
    assert [one.label for one in read.fields] == [one.label.en for one in dataset.variables]
    assert all(one.label and len(one.label) <= 40 and len(one.name) <= 8 for one in read.fields)
    _, meta = by_pyreadstat(file)
    assert meta.column_labels == [one.label.en for one in dataset.variables]
    assert (meta.table_name, meta.file_label) == (dataset.name, dataset.label.en)


@pytest.mark.parametrize("dataset", EVERY, ids=IDS)
def test_the_file_is_printable_ascii_but_for_its_numbers(dataset):
    read = transport(file_of(dataset))
    for field in read.fields:
        if field.kind == 2:
            assert all(32 <= byte < 127 for value in read.values(field.name) for byte in value)


def test_the_file_says_that_it_was_made_on_the_packages_day():
    assert set(transport(file_of(rotterdam()[0])).times) == {"05JAN26:00:00:00"}
    assert set(transport(file_of(rotterdam()[0], "2031-12-31")).times) == {"31DEC31:00:00:00"}


def test_the_same_data_give_the_same_bytes_whenever_the_file_is_made():
    first = file_of(rotterdam()[0])
    time.sleep(1.1)  # the library writes the second
    assert file_of(rotterdam()[0]) == first


def test_a_dataset_without_rows_is_a_file_with_its_variables():
    dataset = rotterdam()[0]
    empty = AdamDataset(**{**vars(dataset), "frame": dataset.frame.iloc[:0]})
    table = xpt_table(empty)
    frame, meta = by_pyreadstat(xpt_bytes(empty, table, DATED))
    assert len(frame) == 0 and meta.column_names == [one.name for one in dataset.variables]
    assert {one.kind for one in table.losses} == {"name", "label"}


def test_a_large_dataset_comes_back_row_by_row():
    numbers = np.random.default_rng(7).normal(size=200_000) * 1e6
    dataset = column("float", numbers)
    assert losses(dataset) == {}
    assert np.array_equal(by_pyreadstat(file_of(dataset))[0]["V"].to_numpy(), numbers)


def test_nothing_of_the_dataset_is_changed_by_writing_it():
    before = rotterdam()[0].frame.copy(deep=True)
    file_of(rotterdam()[0])
    assert rotterdam()[0].frame.equals(before)
