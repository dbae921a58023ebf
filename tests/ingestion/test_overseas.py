"""Aggregate results of trials abroad, read from a table that people keep."""

from __future__ import annotations

import pytest

from deidentify.classification import classify
from ingestion.overseas import columns, overseas_results
from rwd_platform.core.errors import PlatformError

HEAD = ",".join(column.name for column in columns())
GOOD = {
    "study_id": "INVENTED-1",
    "product_code": "LC-0173",
    "population": "ITT",
    "region": "US",
    "arm": "LC-0173/placebo",
    "endpoint_code": "os",
    "measure": "hazard-ratio",
    "subjects": "120",
    "estimate": "0.70",
    "lower": "0.50",
    "upper": "0.98",
    "confidence_level": "0.95",
    "source": "invented for this test",
    "source_date": "2020-05",
    "entered_by": "one",
    "checked_by": "two",
}


def table(**changes: str) -> bytes:
    row = {**GOOD, **changes}
    return f"# a remark\n{HEAD}\n{','.join(row.get(column.name, '') for column in columns())}\n".encode()


def test_the_platform_s_own_table_holds_no_line_that_nobody_has_checked() -> None:
    """It starts empty: a number without a source and two names has no place in it."""
    found = overseas_results()
    assert found.empty and "estimate_text" in found.columns


def test_a_line_is_read_with_its_digits_and_its_number() -> None:
    (row,) = overseas_results(table()).to_dict("records")
    assert (row["estimate_text"], row["estimate"], row["subjects"]) == ("0.70", 0.7, 120)
    assert row["registry_id"] is None


WRONG = [
    ({"study_id": ""}, "study_id"),
    ({"source": " "}, "source"),
    ({"subjects": "1.5"}, "subjects"),
    ({"subjects": "-3"}, "subjects"),
    ({"estimate": "1,5"}, "-"),
    ({"estimate": "NaN"}, "estimate"),
    ({"estimate": "\uff11"}, "estimate"),
    ({"estimate": "1.2"}, "estimate"),
    ({"upper": ""}, "lower"),
    ({"confidence_level": ""}, "lower"),
    ({"confidence_level": "95"}, "confidence_level"),
    ({"measure": "effect"}, "measure"),
    ({"source_date": "2020-13"}, "source_date"),
    ({"source_date": "May 2020"}, "source_date"),
    ({"checked_by": "one"}, "checked_by"),
    ({"measure": "proportion", "events": "121"}, "events"),
    ({"population": "x" * 501}, "population"),
    ({"population": "a\x00b"}, "population"),
]


@pytest.mark.parametrize(("changes", "column"), WRONG, ids=str)
def test_a_line_that_is_wrong_is_named_and_nothing_is_read(changes: dict[str, str], column: str) -> None:
    with pytest.raises(PlatformError) as refused:
        overseas_results(table(**changes))
    assert refused.value.code == "overseas.malformed" and f"line 3, {column}" in refused.value.en


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"a,b\n1,2\n", HEAD.encode() + b"\n1,2\n", HEAD.encode() + b'\n"', b"#" * (6 << 20)],
    ids=["empty", "not UTF-8", "other heads", "too few fields", "no CSV", "too large"],
)
def test_a_file_that_is_no_such_table_is_refused(content: bytes) -> None:
    with pytest.raises(PlatformError) as refused:
        overseas_results(content)
    assert refused.value.code == "overseas.malformed"


def test_every_column_is_told_in_both_languages_and_classified() -> None:
    for column in columns():
        assert any("\u4e00" <= one <= "\u9fff" for one in column.zh) and column.en
    for name in overseas_results().columns:
        assert classify("overseas_result", name, "derived").level in (1, 3)
