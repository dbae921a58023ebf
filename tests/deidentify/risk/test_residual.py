"""The last look for identifiers: counts by column and kind, never a value."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from deidentify.identifiers_cn import scan
from deidentify.pseudonym import Pseudonymiser
from deidentify.risk.residual import scan_frames, scan_table
from tests.deidentify.risk.tables import opened

MOBILE = "13800138000"
EMAIL = "wang@example.org"


def test_identifiers_are_counted_by_column_and_kind(tmp_path: Path) -> None:
    """A text counts once for each record that holds it, also when it names the same kind twice."""
    text = f"note,code\n电话{MOBILE}、{MOBILE},C50\n电话{MOBILE}、{MOBILE},C50\n{EMAIL},C50\n无,C50\n"
    with opened(tmp_path, text) as table:
        found = scan_table(table)
    assert found.found == {"note": {"email": 1, "mobile": 2}}
    assert (found.records, found.columns, found.total) == (4, 2, 3)


def test_no_value_is_in_what_is_found(tmp_path: Path) -> None:
    with opened(tmp_path, f"note\n{MOBILE}\n{EMAIL}\n") as table:
        told = json.dumps(scan_table(table).as_dict()) + repr(scan_table(table))
    assert MOBILE not in told and EMAIL not in told


def test_a_clean_table_lists_no_column(tmp_path: Path) -> None:
    with opened(tmp_path, "a,b\nC50.9,2024-01-01\nC61,12.5\n") as table:
        assert scan_table(table).found == {}


def test_every_table_of_a_release_is_looked_at() -> None:
    """Digests of files and lines are nobody's words. An address of a code system is no person's address,
    where the policy lists it; in any other column it is one."""
    address = "https://example.org/patients/7"
    frames = {
        "subject": pd.DataFrame({"note": [MOBILE], "source_file_sha256": ["13800138000" * 6]}),
        "condition": pd.DataFrame({"code_system": [address], "code": [address]}),
        "visit": pd.DataFrame({"start_day": pd.array([1, None], dtype="Int64")}),
        "empty": pd.DataFrame({"a": []}),
    }
    found = scan_frames(frames)
    assert set(found.found) == {"subject.note", "condition.code"}
    assert found.columns == 4


ORDINARY = {
    "diagnosis": [
        "高血压",
        "糖尿病",
        "白内障",
        "肺炎",
        "胃癌",
        "甲状腺结节",
        "冠心病",
        "石胆",
        "黄疸",
        "和缓",
    ],
    "city": ["万宁市", "文昌市", "琼海市", "儋州市", "东方市", "海口市"],
    "drug": ["何首乌", "白术", "高良姜", "黄芪", "石膏", "阿司匹林"],
    "code": [f"C{number:02}.9" for number in range(60)],
}


def test_ordinary_columns_are_no_lists_of_people() -> None:
    """Diseases, towns and herbs begin with surnames; codes are short."""
    for column, values in ORDINARY.items():
        frame = pd.DataFrame({column: values * 3})
        assert scan_frames({"t": frame}).found == {}, column


def test_names_of_minorities_and_in_letters_are_names_too() -> None:
    names = ["阿依古丽·买买提", "扎西·次仁", "巴特尔·苏和", "Zhang Wei", "Wang Xiaoming", "欧阳慧敏"]
    assert scan_frames({"t": pd.DataFrame({"who": names})}).found == {"t.who": {"name": 6}}


def test_pseudonyms_of_the_platform_are_no_numbers_of_a_hospital() -> None:
    """Of ten thousand tokens one spells what looks like a record number; with a number after it, it is no token."""
    names = Pseudonymiser(b"k" * 32, "s")
    tokens = [names.token("Patient", str(number)) for number in range(30_000)]
    assert any(scan(token) for token in tokens), "otherwise nothing is tested"
    assert scan_frames({"t": pd.DataFrame({"patient_id": tokens})}).found == {}
    found = scan_frames({"t": pd.DataFrame({"patient_id": [f"{tokens[0]} 13876543210"]})}).found
    assert found == {"t.patient_id": {"mobile": 1}}


@pytest.mark.parametrize("column", ["姓名", "患者ID", "patient_id", "住院号", "phone", "home_address"])
def test_a_header_is_believed_whatever_stands_below(column: str) -> None:
    """One visit number or a letter says nothing; the header does. The count is that of the values that are there."""
    found = scan_frames({"t": pd.DataFrame({column: ["A", "B", "A", None]})}).found
    assert [sum(kinds.values()) for kinds in found.values()] == [3]


def test_a_header_is_not_believed_of_pseudonyms_and_of_nothing() -> None:
    tokens = [Pseudonymiser(b"k" * 32, "s").token("Patient", str(number)) for number in range(3)]
    assert scan_frames({"t": pd.DataFrame({"patient_id": [*tokens, None], "name": [None] * 4})}).found == {}
    assert set(scan_frames({"t": pd.DataFrame({"patient_id": [*tokens, "S1"]})}).found) == {"t.patient_id"}


FEW = [
    (["张伟", "李娜", "王芳", "刘洋"], True),
    (["张伟", "李娜"], True),
    (["Wang Wei", "Li Na"], True),
    (["张伟", "李娜", "王芳", "未知"], True),
    (["万宁", "文昌"], False),
    (["何首乌", "黄芪"], False),
    (["白班", "夜班"], False),
    (["满意", "安静", "周一"], False),
    (["Male", "Female"], False),
]


@pytest.mark.parametrize(("values", "are_people"), FEW, ids=[" ".join(values) for values, _ in FEW])
def test_few_distinct_names_are_a_list_of_people_too(values: list[str], are_people: bool) -> None:
    found = scan_frames({"t": pd.DataFrame({"who": values * 60})}).found
    assert (found == {}) is not are_people
