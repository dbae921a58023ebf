"""What can be read as a table, what cannot, and that a refusal never repeats what stands in the file."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pytest

from deidentify.risk.measures import measure
from deidentify.risk.table import frame_table, open_table
from rwd_platform.core.errors import PlatformError
from tests.deidentify.risk.tables import written

ROWS = "a,b,s\n1,2,x\n1,2,y\n"
SECRET = "张伟42"

READABLE: list[tuple[str, str, bytes]] = [
    ("commas", "t.csv", ROWS.encode()),
    ("vertical bars", "t.csv", b"a|b|s\n1,5|2|x\n1,5|2|y\n"),
    ("semicolons, and commas in the values", "t.csv", b"a;b;s\n1,5;2;x\n1,5;2;y\n"),
    ("tabs", "t.csv", b"a\tb\ts\n1\t2\tx\n1\t2\ty\n"),
    ("a byte order mark", "t.csv", b"\xef\xbb\xbf" + ROWS.encode()),
    ("CR LF", "t.csv", ROWS.replace("\n", "\r\n").encode()),
    ("no line end at the end", "t.csv", ROWS.rstrip().encode()),
    ("blank lines", "t.csv", ROWS.replace("\n1", "\n\n1").encode() + b"\n\n"),
    ("GB18030", "t.csv", "a,b,s\n北京,二,男\n北京,二,女\n".encode("gb18030")),
    ("gzip", "t.csv.gz", gzip.compress(ROWS.encode())),
    ("gzip of GB18030", "T.CSV.GZ", gzip.compress("a,b,s\n京,1,x\n京,1,y\n".encode("gb18030"))),
    ("gzip in two members", "t.csv.gz", gzip.compress(b"a,b,s\n1,2,x\n") + gzip.compress(b"1,2,y\n")),
    ("a line end inside quotes", "t.csv", b'a,b,s\n"1\n1",2,x\n"1\n1",2,y\n'),
    ("quotes inside quotes", "t.csv", b'a,b,s\n"1""",2,x\n"1""",2,y\n'),
    ("a quoted header", "t.csv", b'"a","b","s"\n1,2,x\n1,2,y\n'),
    ("absent values, quoted or not", "t.csv", b'a,b,s\n,2,x\n"",2,y\n'),
]


@pytest.mark.parametrize(
    ("name", "content"), [case[1:] for case in READABLE], ids=[case[0] for case in READABLE]
)
def test_a_table_is_read_however_it_was_saved(tmp_path: Path, name: str, content: bytes) -> None:
    """Each of these holds two records that agree in a and b and differ in s."""
    with open_table(written(tmp_path, content, name)) as table:
        found = measure(table, ["a", "b"], "s")
    assert (dict(found.class_sizes), found.l) == ({2: 1}, 2)


REFUSED: list[tuple[str, str, bytes, str]] = [
    ("empty", "t.csv", b"", "risk.empty"),
    ("a header alone", "t.csv", b"a,b,s\n", "risk.empty"),
    ("a header without a line end", "t.csv", b"a,b,s", "risk.empty"),
    ("only line ends", "t.csv", b"\n\n", "risk.empty"),
    ("a blank first line", "t.csv", b"\na,b,s\n1,2,3\n", "risk.header"),
    ("two columns of one name", "t.csv", f"{SECRET},{SECRET},s\n1,2,3\n".encode(), "risk.header"),
    ("a column without a name", "t.csv", f"{SECRET},,s\n1,2,3\n".encode(), "risk.header"),
    ("a header whose quotes do not close", "t.csv", b'"a,b,s\n1,2,3\n', "risk.header"),
    ("a row too long", "t.csv", f"a,b,s\n1,2,x\n{SECRET},2,3,4\n".encode(), "risk.malformed"),
    ("a row too short", "t.csv", f"a,b,s\n1,2,x\n{SECRET},2\n".encode(), "risk.malformed"),
    ("a quote that does not close", "t.csv", f'a,b,s\n1,"{SECRET},3\n4,5,6\n'.encode(), "risk.malformed"),
    ("text after a closing quote", "t.csv", f'a,b,s\n1,"2"{SECRET},3\n'.encode(), "risk.malformed"),
    ("mixed line ends", "t.csv", f"a,b,s\n1,2,x\r\n{SECRET},4,y\n5,6,z\r\n".encode(), "risk.malformed"),
    ("NUL bytes", "t.csv", b"a,b,s\n1,\x002,3\n", "risk.malformed"),
    ("UTF-16", "t.csv", "a,b,s\n1,2,3\n".encode("utf-16"), "risk.malformed"),
    ("no encoding that we read", "t.csv", b"a,b,s\n\xff\xff,2,x\n", "risk.malformed"),
    ("a gzip cut short", "t.csv.gz", gzip.compress(ROWS.encode())[:-6], "risk.malformed"),
    ("no gzip", "t.csv.gz", ROWS.encode(), "risk.malformed"),
    ("an endless line", "t.csv", b'a,b,s\n1,"' + b"x" * (5 << 20) + b'",3\n', "risk.malformed"),
    ("no Parquet", "t.parquet", b"PAR1 and nothing", "risk.malformed"),
    ("another kind of file", "t.xlsx", b"PK", "risk.file_kind"),
    ("another kind of text", "t.txt", ROWS.encode(), "risk.file_kind"),
]


@pytest.mark.parametrize(
    ("name", "content", "code"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_is_no_table_is_refused_by_name(tmp_path: Path, name: str, content: bytes, code: str) -> None:
    """Nothing is computed from a table whose rows cannot be trusted; the refusal repeats none of it."""
    with pytest.raises(PlatformError) as refused, open_table(written(tmp_path, content, name)) as table:
        measure(table, ["a", "b"], "s")
    assert refused.value.code == code
    assert SECRET not in f"{refused.value} {refused.value.as_dict()}"
    assert refused.value.__cause__ is None, "the cause would print the row"


def test_a_refused_row_is_named_by_its_line(tmp_path: Path) -> None:
    text = "a,b,s\n" + "1,2,x\n" * 40 + "1,2\n"
    with pytest.raises(PlatformError) as refused, open_table(written(tmp_path, text)) as table:
        measure(table, ["a"], "s")
    assert "line 42" in refused.value.en and "第 42 行" in refused.value.zh


ASKED: list[tuple[list[str], str, str]] = [
    (["a", "nothing"], "s", "risk.column_unknown"),
    (["a"], "nothing", "risk.column_unknown"),
    (["A"], "s", "risk.column_unknown"),
    ([" a"], "s", "risk.column_unknown"),
    (["a", "b", "a"], "s", "risk.column_twice"),
    ([], "s", "risk.quasi_needed"),
]


@pytest.mark.parametrize(("quasi", "sensitive", "code"), ASKED, ids=repr)
def test_columns_are_asked_for_by_their_exact_names(
    tmp_path: Path, quasi: list[str], sensitive: str, code: str
) -> None:
    """The refusal names what was asked for, and not what is there: a file may lack its header."""
    text = f"a,b,s,{SECRET}\n1,2,x,3\n"
    with pytest.raises(PlatformError) as refused, open_table(written(tmp_path, text)) as table:
        measure(table, quasi, sensitive)
    assert refused.value.code == code
    assert SECRET not in str(refused.value)


# -- Parquet and frames ----------------------------------------------------------------------------


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    """NaN, NULL and empty text are the one category of absent values; 1.0 and 2 are numbers."""
    frame = pd.DataFrame(
        {"a": [1.5, float("nan"), None], "b": ["x", "", None], "s": pd.array([1, 2, None], dtype="Int64")}
    )
    path = tmp_path / "t.parquet"
    frame.to_parquet(path)
    with open_table(path) as table:
        found = measure(table, ["a", "b"], "s")
    assert (dict(found.class_sizes), found.numeric) == ({1: 1, 2: 1}, True)


def test_an_empty_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pd.DataFrame({"a": pd.Series(dtype=str), "s": pd.Series(dtype=str)}).to_parquet(path)
    with pytest.raises(PlatformError) as refused, open_table(path):
        pass
    assert refused.value.code == "risk.empty"


def test_a_file_name_is_a_file_name_and_no_pattern(tmp_path: Path) -> None:
    """Quotes in a path end no statement."""
    frame = pd.DataFrame({"a": ["1"], "s": ["2"]})
    path = tmp_path / "it's.parquet"
    frame.to_parquet(path)
    with open_table(path) as table:
        assert measure(table, ["a"], "s").records == 1
    with open_table(written(tmp_path, "a,s\n1,2\n", "it's.csv")) as table:
        assert measure(table, ["a"], "s").records == 1


def test_a_frame_is_a_table_too() -> None:
    frame = pd.DataFrame(
        {"a": ["x", "x", None], "age": pd.array([40, 40, None], dtype="Int64"), "s": ["1", "2", "3"]}
    )
    with frame_table(frame, "subjects") as table:
        found = measure(table, ["a", "age"], "s")
    assert dict(found.class_sizes) == {1: 1, 2: 1}


def test_a_frame_without_records_is_refused() -> None:
    with pytest.raises(PlatformError) as refused, frame_table(pd.DataFrame({"a": []}), "subjects"):
        pass
    assert refused.value.code == "risk.empty"


# -- memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", ["", "2", "-1GB", "2 TB", "2GB'; --", "0MB"])
def test_a_memory_limit_is_written_in_megabytes_or_gigabytes(tmp_path: Path, limit: str) -> None:
    with pytest.raises(PlatformError) as refused, open_table(written(tmp_path, ROWS), memory=limit):
        pass
    assert refused.value.code == "risk.memory_limit"


def test_too_little_memory_is_said_plainly(tmp_path: Path) -> None:
    with pytest.raises(PlatformError) as refused, open_table(written(tmp_path, ROWS), memory="1MB") as table:
        measure(table, ["a"], "s")
    assert refused.value.code == "risk.memory_spent"


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The spill folder goes with the table, also when reading was refused."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    content = "a,b,s\n京,2,x\n京,2\n".encode("gb18030")
    with pytest.raises(PlatformError), open_table(written(tmp_path, content)) as table:
        assert any(tmp_path.glob("rwd-risk-*"))
        measure(table, ["a"], "s")
    assert not any(tmp_path.glob("rwd-risk-*"))


def test_duckdb_may_fetch_nothing(tmp_path: Path) -> None:
    """Closed hospital networks: no extension is looked for, none is loaded."""
    with open_table(written(tmp_path, ROWS)) as table:
        rows = table.connection.execute(
            "SELECT name, value FROM duckdb_settings() WHERE name IN "
            "('autoinstall_known_extensions', 'autoload_known_extensions')"
        ).fetchall()
    assert dict(rows) == {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
