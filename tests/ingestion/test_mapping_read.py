"""Tables into units: encodings, headers, rows that cannot be mapped, and the exact bytes of each row."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, BinaryIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.mapping import load_mapping, read_coverage, read_table
from ingestion.mapping.rows import ROW_BYTES, rows_of
from rwd_platform.core.errors import PlatformError
from rwd_platform.core.units import Place, Unit

DEMO = load_mapping("demo-hospital-c")
HEADERS = DEMO.tables[0].columns
FRONT_VALUES = (
    "ZY0001 演示甲 469001193001019961 女 1930/1/1 15500000001 海南省演示市 1984-03-01 19840308 1984/2/20 C50.9 "
    "1984-03-01 85.4 是 绝经后 ≤20mm 3 2 0.40 12"
)
FRONT = dict(zip(HEADERS, FRONT_VALUES.split(), strict=True))
FOLLOW = "病案号,复发状态,复发或末次检查日期,生存状态,死亡或末次联系日期"
OK = "ZY0001,未复发,1990-01-01,存活,1991/2/3"


LONG_NAME = "Ann" * 300
DISPENSED = "病案号,处方号,药品代码,药品名称,发药日期\nZY0001,RX1,DEMO-A,演示药 A,1984/3/1\n"


def front(**changes: str) -> str:
    row = {**FRONT, **changes}
    return ",".join(HEADERS) + "\r\n" + ",".join(row.values()) + "\r\n"


def read(text: str | bytes, name: str = "随访.csv", encoding: str = "gb18030") -> list[Unit]:
    content = text.encode(encoding) if isinstance(text, str) else text
    return list(read_table(name, io.BytesIO(content), DEMO))


def follow_up(*rows: str) -> list[Unit]:
    return read("\n".join([FOLLOW, *rows]))


def rules(units: list[Unit]) -> list[list[str]]:
    return [[issue.rule for issue in unit.issues] for unit in units]


def refused(text: str | bytes, name: str = "随访.csv", encoding: str = "gb18030") -> PlatformError:
    with pytest.raises(PlatformError) as raised:
        read(text, name, encoding)
    return raised.value


def test_a_front_page_gives_the_patient_the_stay_the_diagnosis_the_procedures_and_six_measures() -> None:
    """One row stands for eleven resources, ten without chemotherapy; each points at the patient."""
    units = read(front(), "病案首页.csv")
    kinds = [unit.resource["resourceType"] for unit in units if unit.resource]
    assert kinds == ["Patient", "Encounter", "Condition", "Procedure", "Procedure", *["Observation"] * 6]
    by_id: dict[str, Any] = {unit.resource["id"]: unit.resource for unit in units if unit.resource}
    patient = by_id["c-ZY0001"]
    assert patient["gender"] == "female"
    assert patient["birthDate"] == "1930-01-01"
    assert [one["value"] for one in patient["identifier"]] == ["469001193001019961", "ZY0001"]
    assert by_id["c-ZY0001-encounter"]["period"] == {"start": "1984-03-01", "end": "1984-03-08"}
    assert by_id["c-ZY0001-condition"]["onsetDateTime"] == "1984-02-20"
    assert by_id["c-ZY0001-tumour-grade"]["valueInteger"] == 3
    assert by_id["c-ZY0001-positive-nodes"]["valueQuantity"] == {
        "value": Decimal(2), "unit": "nodes", "system": "http://unitsofmeasure.org", "code": "{nodes}",
    }  # fmt: skip
    assert str(by_id["c-ZY0001-progesterone-receptor"]["valueQuantity"]["value"]) == "0.40"
    size = by_id["c-ZY0001-tumour-size"]["valueCodeableConcept"]["coding"][0]["code"]
    assert size == "<=20"
    subjects = {resource["subject"]["reference"] for key, resource in by_id.items() if key != "c-ZY0001"}
    assert subjects == {"Patient/c-ZY0001"}


def test_what_is_mapped_is_valid_fhir() -> None:
    """Every resource of the three tables passes the same check as one that a hospital sends as FHIR."""
    from ingestion.validate import check

    units = [*read(front(), "病案首页.csv"), *read(DISPENSED, "用药.csv"), *follow_up(OK)]
    assert len(units) == 14
    assert [check(unit) for unit in units] == [()] * 14


def test_chemotherapy_is_emitted_when_it_is_said_and_refused_when_it_is_unclear() -> None:
    """`否` gives no procedure; anything but `是` and `否` gives no row at all, rather than a silent no."""
    codes = [
        unit.resource["code"]["coding"][0]["code"]
        for unit in read(front(化疗="否"), "病案首页.csv")
        if unit.resource and unit.resource["resourceType"] == "Procedure"
    ]
    assert codes == ["85.4"]
    assert rules(read(front(化疗="可能"), "病案首页.csv")) == [["table.unknown_code"]]


def test_what_was_not_measured_gives_no_observation() -> None:
    """An empty cell, or one of the marks that the mapping takes for empty, is no zero."""
    units = read(front(雌激素受体="", 孕激素受体="－", 组织学分级="-", 联系电话=" "), "病案首页.csv")
    ids = [unit.resource["id"] for unit in units if unit.resource]
    assert "c-ZY0001-oestrogen-receptor" not in ids
    assert "c-ZY0001-tumour-grade" not in ids
    assert units[0].resource is not None
    assert "telecom" not in units[0].resource


def test_a_dispensing_and_a_follow_up_give_their_resources() -> None:
    (dispense,) = read(
        "病案号,处方号,药品代码,药品名称,发药日期\nZY0001,RX1,DEMO-A,演示药 A,1984-3-1\n".replace(
            "1984-3-1", "1984/3/1"
        ),
        "用药.csv",
    )
    assert dispense.resource is not None
    assert dispense.resource["id"] == "c-ZY0001-dispense-RX1"
    assert dispense.resource["whenHandedOver"] == "1984-03-01"
    assert dispense.resource["medicationCodeableConcept"]["coding"][0]["code"] == "DEMO-A"
    recurrence, vital = (unit.resource for unit in follow_up(OK))
    assert recurrence is not None and vital is not None
    assert recurrence["effectiveDateTime"] == "1990-01-01"
    assert vital["valueCodeableConcept"]["coding"][0]["code"] == "alive"


# --- places and bytes ---


def test_a_unit_names_its_row_its_line_and_keeps_the_exact_bytes() -> None:
    """Lines count as an editor shows them, blank ones included; rows count what is data.

    The bytes of a row are what its digest is made of: quotes, blanks and all, without the line's ending.
    """
    quoted = 'ZY0002,"未复发","1990-01-01\n",存活,1991-02-03'
    content = f"{FOLLOW}\r\n\r\n{OK}\r\n{quoted}\r\n  \r\nZY0003, 复发 ,19900101,死亡,19910203".encode(
        "gb18030"
    )
    units = read(content)
    assert [(unit.place.line, unit.place.row) for unit in units[::2]] == [(3, 1), (4, 2), (7, 3)]
    assert [unit.raw for unit in units[::2]] == [
        OK.encode("gb18030"),
        quoted.encode("gb18030"),
        "ZY0003, 复发 ,19900101,死亡,19910203".encode("gb18030"),
    ]
    assert all(unit.resource for unit in units)


def test_columns_may_stand_in_any_order_and_new_ones_are_reported() -> None:
    """A hospital that adds or moves a column breaks nothing; what the mapping does not know is listed."""
    header = "新列,生存状态,死亡或末次联系日期,病案号,复发状态,复发或末次检查日期"
    content = f"{header}\nx,存活,1991-02-03,ZY0001,复发,1990-01-01\n"
    assert [unit.resource is not None for unit in read(content)] == [True, True]
    coverage = read_coverage("随访.csv", io.BytesIO(content.encode("gb18030")), DEMO)
    assert coverage.unknown == ("新列",)
    assert coverage.unused == ()
    assert len(coverage.used) == 5


# --- encodings ---

ENCODINGS = ["gb18030", "gbk", "utf-8", "utf-8-sig"]


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_the_encoding_is_found_without_being_told(encoding: str) -> None:
    """Excel in China writes GBK or UTF-8 with a byte order mark, depending on the menu entry."""
    units = read(f"{FOLLOW}\n{OK}\n", encoding=encoding)
    assert [unit.resource["id"] for unit in units if unit.resource] == [
        "c-ZY0001-recurrence-status",
        "c-ZY0001-vital-status",
    ]


ASCII_MAPPING = load_mapping(
    """
format_version: 1
name: ascii
version: "1"
title: {zh: 英文表头, en: English header}
tables:
  - name: people
    source: {match: ["*.csv"]}
    columns: [number, name]
    key: [number]
    emit:
      - name: person
        resource: {resourceType: Patient, id: {$id: ["{number}"]}, name: [{text: "{name}"}]}
"""
)


@pytest.mark.parametrize("encoding", ENCODINGS[:3])
def test_a_file_that_starts_in_plain_letters_settles_its_encoding_at_the_first_chinese_row(
    encoding: str,
) -> None:
    content = "number,name\n" + "".join(f"{n},{LONG_NAME}\n" for n in range(1_200)) + "x,乐城\n"
    units = list(read_table("p.csv", io.BytesIO(content.encode(encoding)), ASCII_MAPPING))
    assert units[-1].resource == {"resourceType": "Patient", "id": "x", "name": [{"text": "乐城"}]}
    assert len(content) > 1 << 20
    assert len(units) == 1_201


def test_a_character_cut_by_the_probe_does_not_change_the_encoding() -> None:
    """The first mebibyte may end inside a character."""
    for shift in range(3):
        content = ("number,name\n" + "a" * shift + "1,乐" + f"\n1,{'乐' * 400}" * 1_000).encode()
        units = list(read_table("p.csv", io.BytesIO(content), ASCII_MAPPING))
        assert units[-1].resource is not None
        assert units[-1].resource["name"] == [{"text": "乐" * 400}]


def test_bytes_that_are_no_text_spoil_their_row_and_name_their_column() -> None:
    content = (
        f"{FOLLOW}\n{OK}\n".encode()
        + b"ZY0002,\xff\xfe,1990-01-01,\xe5\xad\x98\xe6\xb4\xbb,1991-02-03\n"
        + OK.encode()
    )
    units = read(content)
    (bad,) = [unit for unit in units if unit.resource is None]
    assert bad.place == Place("随访.csv", 3, 2, column="复发状态")
    assert bad.issues[0].rule == "table.encoding"
    assert "UTF-8" in bad.issues[0].en
    assert len(units) == 5


@pytest.mark.parametrize(
    "content",
    [f"{FOLLOW}\n{OK}".encode("utf-16"), f"{FOLLOW}\n".encode("utf-16-be"), b"\x00\x01\x02", b"\xff,\xff\n"],
)
def test_utf_16_and_binary_files_are_refused_whole(content: bytes) -> None:
    error = refused(content)
    assert error.code == "mapping.encoding"
    assert "随访.csv" in error.zh


# --- headers ---


def test_a_missing_column_refuses_the_file_naming_what_is_expected_and_what_is_there() -> None:
    """Nothing is read on: with a column gone, every value after it may be another one's."""
    error = refused("病案号,复发状态,复发或末次检查日期,生存,死亡或末次联系日期\n" + OK)
    assert error.code == "mapping.headers"
    for text in (error.zh, error.en):
        assert "生存状态" in text and "死亡或末次联系日期" in text
    assert "the file has: 病案号, 复发状态, 复发或末次检查日期, 生存," in error.en


def test_a_file_without_a_header_is_refused_without_repeating_its_first_patient() -> None:
    """Then the first row is a patient's, and no error text repeats it."""
    error = refused("ZY7788,未复发,1990-01-01,存活,1991/2/3\n" * 3)
    assert error.code == "mapping.headers"
    assert "ZY7788" not in error.zh + error.en and "1990" not in error.zh + error.en


@pytest.mark.parametrize(
    ("header", "reason"),
    [(f"{FOLLOW},病案号", "twice"), (f"{FOLLOW},", "no name"), (FOLLOW.replace(",", ";"), "0 of the expected"),
     ("", "none"), ("\n\n", "none"), (f'"{FOLLOW}', "quotes")],
)  # fmt: skip
def test_a_header_that_cannot_be_trusted_is_refused(header: str, reason: str) -> None:
    error = refused(f"{header}\n" if header.strip() else header)
    assert error.code == "mapping.headers"
    assert reason in error.en


def test_a_file_of_another_name_is_refused_naming_the_names_that_are_known() -> None:
    error = refused(f"{FOLLOW}\n", name="upload.zip!检验.csv")
    assert error.code == "mapping.no_table"
    assert "随访*.csv" in error.zh


def test_the_header_is_checked_before_the_first_unit_is_asked_for() -> None:
    """A refused file leaves nothing half-stored."""
    with pytest.raises(PlatformError):
        read_table("随访.csv", io.BytesIO(b"x\n"), DEMO)


def test_a_table_with_a_header_only_gives_no_units() -> None:
    assert follow_up() == []


# --- rows that cannot be mapped ---

BAD_ROWS = [
    ("ZY0001,未复发,1990-02-30,存活,1991-02-03", ["table.bad_date"], "复发或末次检查日期"),
    ("ZY0001,未复发,,存活,1991-02-03", ["table.missing_value"], "复发或末次检查日期"),
    ("ZY0001,未复发,-,存活,1991-02-03", ["table.bad_date"], "复发或末次检查日期"),
    (",未复发,1990-01-01,存活,1991-02-03", ["table.missing_value"], "病案号"),
    ("　,未复发,1990-01-01,存活,1991-02-03", ["table.missing_value"], "病案号"),
    ("ZY0001,不详,1990-01-01,存活,1991-02-03", ["table.unknown_code"], "复发状态"),
    ("ZY0001,不详,x,?,1991-02-03", ["table.unknown_code", "table.bad_date", "table.unknown_code"], None),
    ("ZY0001,未复发,1990-01-01,存活", ["table.cell_count"], None),
    ("ZY0001,未复发,1990-01-01,存活,1991-02-03,", ["table.cell_count"], None),
    ("ZY0001,,未复发,1990-01-01,存活,1991-02-03", ["table.cell_count"], None),
    ("ZY0001,1990-01-01,未复发,1991-02-03,存活", ["table.unknown_code", "table.bad_date"] * 2, None),
    (",,,,", ["table.missing_value"] * 5, None),
    ("ZY\x010001,未复发,1990-01-01,存活,1991-02-03", ["table.control_character"], None),
    ('ZY0001,"未复发"x,1990-01-01,存活,1991-02-03', ["table.quotes"], None),
    ('ZY0001,"未复发,1990-01-01,存活,1991-02-03', ["table.quotes"], None),
]  # fmt: skip


@pytest.mark.parametrize(("row", "expected", "column"), BAD_ROWS, ids=[row for row, _, _ in BAD_ROWS])
def test_a_row_that_cannot_be_mapped_is_one_rejected_unit_with_every_reason(
    row: str, expected: list[str], column: str | None
) -> None:
    """None of its resources is emitted, and the rows around it are untouched. No reason repeats a value."""
    units = follow_up(OK, row, OK)
    assert [unit.resource is not None for unit in units] == [True, True, False, True, True]
    bad = units[2]
    assert [issue.rule for issue in bad.issues] == expected
    assert bad.place == Place("随访.csv", 3, 2, column=column)
    assert bad.raw == row.encode("gb18030")
    for issue in bad.issues:
        assert all((issue.zh, issue.en, issue.next_zh, issue.next_en, issue.code))
        for value in ("ZY0001", "1990", "不详"):
            assert value not in issue.zh + issue.en + issue.next_zh + issue.next_en


BAD_CELLS = [
    ("组织学分级", "3级", "table.bad_integer"),
    ("组织学分级", "3.0", "table.bad_integer"),
    ("组织学分级", "99999999999", "table.bad_integer"),
    ("阳性淋巴结数", "1e5", "table.bad_decimal"),
    ("阳性淋巴结数", "NaN", "table.bad_decimal"),
    ("阳性淋巴结数", "1,5", "table.cell_count"),
    ("孕激素受体", "<1", "table.bad_decimal"),
    ("主要诊断编码", "C61", "table.unknown_code"),
    ("性别", "F", "table.unknown_code"),
]


@pytest.mark.parametrize(("column", "value", "rule"), BAD_CELLS)
def test_a_value_is_never_repaired_by_guessing(column: str, value: str, rule: str) -> None:
    """`3级`, `<1` and `1e5` may mean what one thinks; the hospital says so, and not the platform."""
    assert rules(read(front(**{column: value}), "病案首页.csv")) == [[rule]]


GOOD_CELLS = [
    ("组织学分级", "３"),
    ("阳性淋巴结数", " 2 "),
    ("肿瘤大小", "＞50mm"),
    ("出生日期", "１９３０/1/1"),
    ("性别", "2"),
]


@pytest.mark.parametrize(("column", "value"), GOOD_CELLS)
def test_full_width_signs_and_blanks_around_a_value_are_no_fault(column: str, value: str) -> None:
    assert all(unit.resource for unit in read(front(**{column: value}), "病案首页.csv"))


def test_content_shifted_under_right_headers_rejects_every_row_by_one_rule() -> None:
    """The receipt groups rejects by rule, so a shifted column shows as one finding and not as a thousand."""
    units = follow_up(*["ZY0001,1990-01-01,未复发,存活,1991-02-03"] * 50)
    assert {tuple(row) for row in rules(units)} == {("table.unknown_code", "table.bad_date")}
    assert len(units) == 50


def test_formulas_are_text() -> None:
    """A cell `=1+1` is what the hospital sent; nothing is ever evaluated."""
    units = read(front(姓名='=HYPERLINK("http://x")'), "病案首页.csv")
    assert units[0].resource is not None
    assert units[0].resource["name"][0]["text"] == '=HYPERLINK("http://x")'


def test_a_code_map_that_keeps_unknown_codes_passes_them_on() -> None:
    text = """
format_version: 1
name: keeping
version: "1"
title: {zh: 保留, en: keep}
codemaps: {sex: {version: "1", entries: {男: male}, unmapped: keep}}
tables:
  - name: people
    source: {match: ["*.csv"], delimiter: ";"}
    columns: [number, sex]
    key: [number]
    types: {sex: [{lookup: sex}]}
    emit:
      - name: person
        resource: {resourceType: Patient, id: {$id: ["{number}"]}, gender: "{sex}"}
"""
    content = "number;sex\n1;男\n2;X\n".encode()
    units = read_table("p.csv", io.BytesIO(content), load_mapping(text))
    assert [unit.resource["gender"] for unit in units if unit.resource] == ["male", "X"]


# --- size ---


class Endless(io.RawIOBase):
    """A table of `rows` rows that is never in memory as a whole; `given` counts what was read."""

    def __init__(self, rows: int) -> None:
        self._chunks: Iterator[bytes] = (f"{n},Ann\n".encode() * 100 for n in range(rows // 100))
        self._buffer = b"number,name\n"
        self.given = 0

    def read(self, size: int = -1) -> bytes:
        while len(self._buffer) < size and (chunk := next(self._chunks, b"")):
            self._buffer += chunk
        part, self._buffer = self._buffer[:size], self._buffer[size:]
        self.given += len(part)
        return part

    def readline(self, size: int | None = -1) -> bytes:
        if b"\n" not in self._buffer:
            self._buffer += next(self._chunks, b"")
        end = self._buffer.find(b"\n") + 1 or len(self._buffer)
        return self.read(end)


def test_a_table_is_read_as_it_is_asked_for() -> None:
    """The first rows are there before the rest is read: a table of any length fits into memory."""
    stream = Endless(1_000_000)
    units = read_table("p.csv", _as_binary(stream), ASCII_MAPPING)
    first = next(units)
    assert first.resource is not None
    assert stream.given < 3 << 20


def _as_binary(stream: Any) -> BinaryIO:
    return stream  # type: ignore[no-any-return]


def test_a_row_that_is_too_long_is_rejected_and_reading_goes_on() -> None:
    """A line of a hundred megabytes costs one row and the memory of one row."""
    content = b"number,name\n1,Ann\n" + b"2," + b"x" * (3 * ROW_BYTES) + b"\n3,Bob\n"
    units = list(read_table("p.csv", io.BytesIO(content), ASCII_MAPPING))
    assert rules(units) == [[], ["table.row_too_long"], []]
    assert len(units[1].raw) == 1024
    assert units[2].place == Place("p.csv", 4, 3)


def test_one_stray_quote_costs_one_row_and_not_the_rest_of_the_file() -> None:
    content = b'number,name\n1,"Ann\n' + f"2,{LONG_NAME}\n".encode() * 1_200
    units = list(read_table("p.csv", io.BytesIO(content), ASCII_MAPPING))
    assert rules(units[:2]) == [["table.quotes"], []]
    assert len(units) == 1_201
    assert units[1].place.line == 3


# --- against something we did not write ---

_CELL = st.text(alphabet='ab ,"\n中文，“', max_size=6)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(st.lists(_CELL, min_size=2, max_size=4), min_size=1, max_size=6),
    st.sampled_from(["utf-8", "gb18030"]),
)
def test_rows_are_split_as_the_standard_library_splits_them(table: list[list[str]], encoding: str) -> None:
    """What a proper CSV writer wrote comes back cell by cell, and joined again gives the file's bytes."""
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(table)
    content = text.getvalue().encode(encoding)
    rows = list(rows_of(io.BytesIO(content), b","))
    cells = [[cell.decode(encoding) for cell in row.cells or ()] for row in rows]
    assert cells == [row for row in table if len(row) > 1 or row[0].strip()]
    assert b"".join(row.raw + b"\r\n" for row in rows) == content


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.binary(max_size=200))
def test_any_bytes_after_the_header_give_units_and_never_an_error(junk: bytes) -> None:
    """Whatever follows a right header, every row is accepted or rejected with a reason."""
    header = f"{FOLLOW}\n".encode("gb18030")
    if b"\x00" in junk:
        junk = junk.replace(b"\x00", b"\x01")
    for unit in read(header + junk):
        assert (unit.resource is None) == bool(unit.issues)
        assert unit.raw in header + junk
