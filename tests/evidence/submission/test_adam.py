"""A dataset being made: what a column may hold, and what metadata follow from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rwd_platform.core.text import Bilingual
from studies.evidence.submission.adam import AdamVariable, Code, CodeList, Sheet

TITLE = Bilingual("变量", "Variable")


def variable(name: str = "V", type_: str = "text", **known) -> AdamVariable:
    return AdamVariable(name, known.pop("title", TITLE), type_, "Derived", **known)


def column(type_, values):
    sheet = Sheet(len(values))
    sheet.add(variable(type_=type_), values)
    return sheet.columns["V"]


@pytest.mark.parametrize("name", ["", "lower", "1ST", "_X", "TOOLONGNM", "A B", "É", "A-B", "V\n"])
def test_a_name_that_no_transport_file_could_have_is_refused(name):
    with pytest.raises(ValueError, match="not a name"):
        Sheet(1).add(variable(name), ["x"])


def test_a_second_variable_of_the_same_name_is_refused():
    sheet = Sheet(1)
    sheet.add(variable("AGE"), ["x"])
    with pytest.raises(ValueError, match="not a name"):
        sheet.add(variable("AGE"), ["y"])


@pytest.mark.parametrize("values", [[], ["a"], ["a", "b", "c"]])
def test_a_column_of_another_length_than_the_table_is_refused(values):
    with pytest.raises(ValueError, match="2 rows"):
        Sheet(2).add(variable(), values)


def test_a_text_knows_the_characters_of_its_longest_value():
    sheet = Sheet(3)
    sheet.add(variable(), ["", "海南省", None])
    assert sheet.variables[0].length == 3
    sheet.add(variable("W"), [None, "", None])
    assert sheet.variables[1].length == 1  # no format has a text of no length


def test_a_number_has_eight_bytes_whatever_its_values():
    sheet = Sheet(1)
    sheet.add(variable(type_="float"), [1e70])
    assert sheet.variables[0].length == 8


def test_missing_is_one_thing_in_each_kind_of_column():
    for missing in (None, pd.NA, float("nan"), np.nan):
        assert column("text", [missing]).tolist() == [""]
        assert column("integer", [missing])[0] is pd.NA
        assert np.isnan(column("float", [missing])[0])


def test_infinity_is_no_number_of_a_dataset():
    assert np.isnan(column("float", [float("inf"), float("-inf")])).all()


def test_columns_have_the_types_that_the_docstring_promises():
    assert column("integer", [1, 2]).dtype == "Int64"
    assert column("float", [1, 2]).dtype == "float64"
    assert all(isinstance(one, str) for one in column("text", ["a", 5, None]))


def test_half_a_surrogate_pair_does_not_reach_a_file():
    """Text that UTF-8 cannot write would stop the whole package when it is written."""
    assert column("text", ["a\ud800b"]).tolist() == ["a?b"]


def test_an_empty_table_keeps_its_columns_and_types():
    sheet = Sheet(0)
    sheet.add(variable("T"), [])
    sheet.add(variable("I", "integer"), [])
    sheet.constant(variable("F", "float"), 1.0)
    made = sheet.dataset("ADX", TITLE, TITLE, ("", ""), ("T",))
    assert list(made.frame.columns) == ["T", "I", "F"] and len(made.frame) == 0
    assert str(made.frame["I"].dtype) == "Int64"


def test_a_dataset_knows_the_place_of_each_key():
    sheet = Sheet(1)
    for name in ("A", "B", "C"):
        sheet.constant(variable(name), "x")
    made = sheet.dataset("ADX", TITLE, TITLE, ("", ""), ("B", "A"))
    assert [made.key_sequence(name) for name in ("A", "B", "C")] == [2, 1, None]
    assert made.variable("C").name == "C"


def test_a_label_is_what_fits_and_the_title_keeps_the_rest():
    long = variable(title=Bilingual("很长的标签", "The whole of a label that is longer than forty bytes"))
    assert long.label == Bilingual("很长的标签", "The whole of a label that is longer than")
    assert long.title.en.endswith("forty bytes")


def test_a_list_spells_each_value_once_in_both_scripts():
    yes, no = Bilingual("是", "Yes"), Bilingual("否", "No")
    codes = CodeList("NY", TITLE, (Code("是", yes, "Yes"), Code("否", no, "No")))
    assert [(one.value, one.meaning) for one in codes.spellings()] == [
        ("是", yes), ("否", no), ("Yes", yes), ("No", no),
    ]  # fmt: skip


def test_a_list_whose_values_are_ascii_has_each_once():
    codes = CodeList("NY", TITLE, (Code("Y", Bilingual("是", "Yes")), Code("Y", Bilingual("是", "Yes"))))
    assert [one.value for one in codes.spellings()] == ["Y"]


def test_a_variable_knows_the_english_of_its_codes_and_of_its_other_values():
    codes = CodeList("L", TITLE, (Code("是", Bilingual("是", "Yes"), "Yes"), Code("Z", Bilingual("Z", "Z"))))
    assert variable(codes=codes, english={"甲": "A"}).spelt == {"甲": "A", "是": "Yes"}
    assert variable().spelt == {}


@pytest.mark.parametrize(("type_", "shown"), [("text", ""), ("integer", "8."), ("float", "BEST12.")])
def test_each_type_has_its_sas_format(type_, shown):
    assert variable(type_=type_).display_format == shown
