"""What comes in is refused by place where it is no result, and a table in a file is read as people write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deidentify.disclosure.read import read_file, read_results, table_mapping
from rwd_platform.core.errors import PlatformError
from tests.deidentify.disclosure.results import held, row


def refusal(work: Any) -> PlatformError:
    with pytest.raises(PlatformError) as refused:
        work()
    assert refused.value.code == "disclosure.results_malformed"
    return refused.value


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"value": float("nan")}, "rows[0].value"),
        ({"value": float("inf")}, "rows[0].value"),
        ({"value": -1}, "rows[0].value"),
        ({"value": True}, "rows[0].value"),
        ({"value": [1]}, "rows[0].value"),
        ({"value": 10**30}, "rows[0].value"),
        ({"n": -3}, "rows[0].n"),
        ({"n": 3.5}, "rows[0].n"),
        ({"events": "many"}, "rows[0].events"),
        ({"id": ""}, "rows[0].id"),
        ({"id": "x" * 501}, "rows[0].id"),
        ({"statistic": None}, "rows[0].statistic"),
        ({"dims": ["a"]}, "rows[0].dims"),
        ({"contributions": [1.0, "x"]}, "rows[0].contributions"),
        ({"ci_low": "low"}, "rows[0].ci_low"),
    ],
)
def test_a_row_that_is_none_is_named_by_its_place(changes, where):
    """NaN, negative counts, text for numbers: the place is told, the value is not."""
    error = refusal(lambda: read_results(held([{**row("a.x", "count", 12), **changes}])))
    assert where in error.en and where in error.zh


@pytest.mark.parametrize(
    "mapping",
    [
        {"rows": {}},
        {"rows": [7]},
        {"series": "x"},
        {"series": [{"id": "a", "columns": ["x"], "points": [[1, 2]]}]},
        {"series": [{"id": "a", "columns": [1], "points": []}]},
        {"series": [{"id": "a", "columns": ["x"], "points": [[float("nan")]]}]},
        {"row_sets": []},
        {"row_sets": {"all": 7}},
        {"rows": [row("a.x", "count", 12), row("a.x", "count", 13)]},
    ],
)
def test_a_shape_that_is_no_result_is_refused(mapping):
    refusal(lambda: read_results(mapping))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"rows": [NaN]}', b"[" * 100_000])
def test_a_file_that_is_no_json_object_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / "results.json"
    path.write_bytes(content)
    refusal(lambda: read_results(read_file(path)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "arm,stage\na,b\n",
        "arm,count\na\n",
        "arm,count\na,twelve\n",
        "arm,count\na,NaN\n",
        "arm,count\na,inf\n",
        "arm,arm,count\na,b,1\n",
        'arm,count\n"a,1\n',
    ],
)
def test_a_table_that_is_none_is_refused(text):
    refusal(lambda: read_results(table_mapping(text.encode())))


def test_a_negative_count_in_a_table_is_refused():
    refusal(lambda: read_results(table_mapping(b"arm,count\na,-4\n")))


def test_a_table_is_read_as_people_write_it():
    """A byte-order mark, thousands, Chinese margins, blank lines, stars for what was withheld."""
    text = '\ufeff分期,count,n\nI,"1,200",1500\n\nII,*,1500\n合计,1500,\n'
    rows = table_mapping(text.encode())["rows"]
    read = read_results({"rows": rows})
    assert [(one.statistic, one.value, one.dims[0][1]) for one in read.rows if one.statistic == "count"] == [
        ("count", 1200, "I"), ("count", None, "II"), ("count", 1500, ""),
    ]  # fmt: skip
    assert read.rows[0].n == 1500


def test_a_series_may_be_named_as_the_row_that_counts_its_points_and_no_id_is_there_twice():
    """`all.specification.specifications` is how many ways there were, and the ways."""
    one = row("a.specifications", "specifications", 1)
    series = {"id": "a.specifications", "analysis": "a", "columns": ["x"], "points": [[1]], "row_set": ""}
    read = read_results({"rows": [one], "series": [series]})
    assert read.rows[0].id == read.series[0].id
    for twice in ({"rows": [one, one]}, {"rows": [], "series": [series, series]}):
        assert "occurs twice" in refusal(lambda twice=twice: read_results(twice)).en
