"""Mapping files: what they may say, and how what is wrong with them is named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestion.mapping import TableMapping, load_mapping
from ingestion.mapping.functions import date_reader, half_width, trim
from ingestion.mapping.problems import CellRefused
from ingestion.mapping.templates import compile_template, resource_id
from ingestion.mapping.yaml_text import Node, read_yaml
from rwd_platform.core.errors import PlatformError

GOOD = """
format_version: 1
name: small
version: 1.0.0
title: {zh: 小, en: small}
codemaps:
  sex: {version: "1", entries: {男: male, 女: female}}
tables:
  - name: people
    source: {match: ["people*.csv"], empty: ["-"]}
    columns: [number, sex, nodes, note]
    key: [number]
    types:
      sex: [trim, {lookup: sex}]
      nodes: [trim, halfwidth, int]
    emit:
      - name: person
        resource:
          resourceType: Patient
          id: {$id: [p, "{number}"]}
          gender: "{sex}"
"""


def refusal(text: str) -> PlatformError:
    with pytest.raises(PlatformError) as raised:
        load_mapping(text)
    assert raised.value.code == "mapping.invalid"
    return raised.value


def test_a_mapping_is_named_by_its_name_version_and_hash() -> None:
    """A package cites the mapping that made its rows, so any change of a letter or a code changes the hash."""
    mapping = load_mapping(GOOD)
    assert (mapping.name, mapping.version, mapping.fhir_version) == ("small", "1.0.0", "R4")
    assert load_mapping(GOOD).sha256 == mapping.sha256
    assert load_mapping(GOOD.replace("male,", "other,")).sha256 != mapping.sha256


def test_a_changed_code_map_file_is_a_changed_mapping(tmp_path: Path) -> None:
    text = GOOD.replace("entries: {男: male, 女: female}", "file: sex.csv")
    hashes = []
    for code in ("male", "unknown"):
        (tmp_path / "sex.csv").write_text(f"source,code,display\n男,{code},\n", encoding="utf-8")
        hashes.append(load_mapping(text, tmp_path).sha256)
    assert hashes[0] != hashes[1]


def test_a_mapping_is_found_by_name_by_path_and_by_text(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD, encoding="utf-8")
    assert (
        load_mapping(file) == load_mapping(str(file))
        or load_mapping(file).sha256 == load_mapping(GOOD).sha256
    )
    shipped = load_mapping("demo-hospital-c")
    assert [table.name for table in shipped.tables] == ["front-page", "medication", "follow-up"]


FILE_NAMES = [
    ("people.csv", True),
    ("people_2024.csv", True),
    ("upload.zip!2024/people.csv", True),
    ("C:\\export\\people.csv", True),
    ("my people.csv", False),
    ("people.csv.bak", False),
    ("", False),
]


@pytest.mark.parametrize(("name", "known"), FILE_NAMES)
def test_a_table_is_recognised_by_the_file_name_alone(name: str, known: bool) -> None:
    assert (load_mapping(GOOD).table_for(name) is not None) is known


EMIT = "tables[0].emit[0]"
PERSON = "      - name: person\n"
WHEN = "        when: "
WRONG = [
    ("format_version: 1", "format_version: 2", "format_version", "must be 1"),
    ("name: small", "nmae: small", "nmae", "no such key"),
    ("version: 1.0.0\n", "", "version", "missing"),
    ("version: 1.0.0\n", "version: 1.0\n", "version", "must be a text"),
    ("title: {zh: 小, en: small}", "title: {zh: 小}", "title.en", "missing"),
    ('version: "1", entries', 'version: "1", file: x.csv, entries', "codemaps.sex", "either"),
    ("entries: {男: male, 女: female}", "file: ../x.csv", "codemaps.sex.file", "plain name"),
    ("entries: {男: male, 女: female}", "file: absent.csv", "codemaps.sex.file", "cannot be read"),
    ("女: female}}", "女: female}, unmapped: guess}", "codemaps.sex.unmapped", "one of"),
    ("    source: {match", "    sauce: {match", "tables[0].sauce", "no such key"),
    ('["people*.csv"]', "[]", "tables[0].source.match", "at least one"),
    ('empty: ["-"]', "encoding: latin1", "tables[0].source.encoding", "one of"),
    ('empty: ["-"]', 'delimiter: "x"', "tables[0].source.delimiter", "one of"),
    ("[number, sex,", "[number, number, sex,", "tables[0].columns[1]", "stands twice"),
    ("key: [number]", "key: [nummer]", "tables[0].key[0]", "no column"),
    ("      nodes: [trim", "      knots: [trim", "tables[0].types.knots", "no column"),
    ("halfwidth, int]", "halfwidth, float]", "tables[0].types.nodes[2]", "no function float"),
    ("halfwidth, int]", "{date: [YY/M/D]}]", "tables[0].types.nodes[1].date", "date format"),
    ("halfwidth, int]", "date]", "tables[0].types.nodes[1]", "not with this argument"),
    ("{lookup: sex}", "{lookup: gender}", "tables[0].types.sex[1].lookup", "no code map"),
    ("{lookup: sex}", "{lookup: [sex, colour]}", "tables[0].types.sex[1].lookup[1]", "one of"),
    ("    types:", "    types:\n      number: {from: sex, apply: [trim]}", "tables[0].types.number", "taken"),
    ('gender: "{sex}"', 'gender: "{sax}"', EMIT + ".resource.gender", "no column `sax`"),
    ('gender: "{sex}"', 'gender: "{sex"', EMIT + ".resource.gender", "brace"),
    ('gender: "{sex}"', "gender:", EMIT + ".resource.gender", "empty"),
    ('gender: "{sex}"', "gender: {$run: x}", EMIT + ".resource.gender", "no function $run"),
    ('gender: "{sex}"', "gender: {$const: x, a: b}", EMIT + ".resource.gender", "beside"),
    ('gender: "{sex}"', "name: {}", EMIT + ".resource.name", "empty"),
    ('gender: "{sex}"', "link: {$ref: [patient, p, \"{number}\"]}", EMIT + ".resource.link.$ref", "resource type"),
    ("resourceType: Patient", "language: zh", EMIT + ".resource", "no resourceType"),
    ('id: {$id: [p, "{number}"]}', "id: p", EMIT + ".resource", "$id"),
    ('id: {$id: [p, "{number}"]}', "id: {$id: [p]}", EMIT + ".resource.id.$id", "needs a column"),
    ('id: {$id: [p, "{number}"]}', 'id: {$id: ["p/", "{number}"]}', EMIT + ".resource.id.$id[0]", "letters"),
    ('id: {$id: [p, "{number}"]}', 'id: {$id: [p, "{sex}"]}', EMIT + ".resource.id", "must be a key"),
    (PERSON, PERSON + WHEN + "{column: sax, equals: x}\n", EMIT + ".when.column", "no column"),
    (PERSON, PERSON + WHEN + "{column: sex}\n", EMIT + ".when", "exactly one"),
    (PERSON, PERSON + WHEN + "{column: sex, present: 1}\n", EMIT + ".when.present", "true or false"),
    (PERSON, PERSON + WHEN + "{column: sex, equals: [a]}\n", EMIT + ".when", "text or a number"),
]  # fmt: skip


@pytest.mark.parametrize(("good", "bad", "path", "reason"), WRONG, ids=[f"{w[2]}-{w[3]}" for w in WRONG])
def test_what_is_wrong_is_named_by_its_path_in_both_languages(
    good: str, bad: str, path: str, reason: str
) -> None:
    """An informatician corrects the file from the message alone; unknown keys are never ignored."""
    assert good in GOOD
    error = refusal(GOOD.replace(good, bad, 1))
    assert error.details["path"] == path
    assert path in error.en and path in error.zh
    assert reason in error.en
    assert any("\u4e00" <= character <= "\u9fff" for character in str(error.details["why_zh"]))


NOT_YAML = [
    ("a: b: c\n", "line 1"),
    ("a: 1\na: 2\n", "line 2"),
    ("1: x\n", "line 1"),
    ("a: &x [1]\nb: *x\n", "line 1"),
    ("a: [1\n", "line 2"),
    ("a: !!python/object:os.system x\n", "line 1"),
    ("- 1\n", "/"),
    ("\n", "/"),
    ("a: \x00\n", "/"),
    ("[" * 200 + "\n", "line 1"),
    ("a: " + "x" * (1 << 20) + "\n", "/"),
]


@pytest.mark.parametrize(("text", "path"), NOT_YAML, ids=[text[:12] for text, _ in NOT_YAML])
def test_text_that_is_no_plain_yaml_is_refused(text: str, path: str) -> None:
    """Equal keys, anchors, tags and endless nesting are refused: YAML takes the first three in silence."""
    assert refusal(text).details["path"] == path


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    for name, content in (("a.yaml", None), ("b.yaml", "名".encode("gb18030"))):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(PlatformError, match="cannot be read"):
            load_mapping(tmp_path / name)


def test_yaml_words_mean_what_they_say() -> None:
    """`no` is a word and not false, a version stays text, 1.50 keeps its zero, and a date is a text."""
    value = read_yaml(
        "{a: no, b: 1.0.0, c: 1.50, d: 2024-01-05, e: 12, f: true, g: 010, h: 1:30, i: .inf}\n"
    ).value
    assert value == {
        "a": "no", "b": "1.0.0", "c": Decimal("1.50"), "d": "2024-01-05", "e": 12, "f": True,
        "g": "010", "h": "1:30", "i": ".inf",
    }  # fmt: skip
    assert str(value["c"]) == "1.50"


CODEMAP_FILES = ["", "source,code\n", "source,code,display\n男\n", "source,code,display\n,male,\n",
                 "source,code,display\n男,male,\n男,other,\n"]  # fmt: skip


@pytest.mark.parametrize("content", CODEMAP_FILES)
def test_a_code_map_that_is_incomplete_or_ambiguous_is_refused(tmp_path: Path, content: str) -> None:
    """One source has one meaning, and every line says what it means."""
    (tmp_path / "sex.csv").write_text(content, encoding="utf-8")
    with pytest.raises(PlatformError, match=r"sex\.csv"):
        load_mapping(GOOD.replace("entries: {男: male, 女: female}", "file: sex.csv"), tmp_path)


# --- cells ---


def test_blanks_of_every_kind_go_and_full_width_signs_become_ordinary_ones() -> None:
    """Exports carry ideographic spaces, byte order marks and full-width digits that nobody sees."""
    assert trim(" \u3000\ufeff\u200b 男 \u00a0\t") == "男"
    assert trim("\u3000") == ""
    assert half_width("ＺＹ１２３，％　（女）") == "ZY123,% (女)"


DATES = """
    YYYY-MM-DD  | 2024-01-05 | 2024-01-05
    YYYY/M/D    | 2024/1/5   | 2024-01-05
    YYYY/M/D    | 2024/01/05 | 2024-01-05
    YYYYMMDD    | 20240105   | 2024-01-05
    YYYY年M月D日 | 2024年1月5日 | 2024-01-05
    YYYY-MM     | 2024-01    | 2024-01
    YYYY        | 2024       | 2024
    YYYY-MM-DD  | 2024-02-29 | 2024-02-29
    YYYY-MM-DD  | 2023-02-29 | -
    YYYY-MM-DD  | 2024-1-5   | -
    YYYY-MM-DD  | 2024-01-05 00:00 | -
    YYYYMMDD    | 202415     | -
    YYYYMMDD    | 20241305   | -
    YYYY/M/D    | 0000/1/1   | -
    YYYY/M/D    | ２０２４/1/5 | -
    YYYY/M/D    | 45296      | -
"""


@pytest.mark.parametrize("line", [line.strip() for line in DATES.strip().splitlines()])
def test_a_date_is_read_in_the_formats_that_the_mapping_names_and_in_no_other(line: str) -> None:
    """A day that does not exist is refused and never moved to the next month; serial numbers are no dates."""
    form, text, expected = (part.strip() for part in line.split("|"))
    read = date_reader((form,), Node([form], "x"))
    if expected == "-":
        with pytest.raises(CellRefused):
            read(text)
    else:
        assert read(text) == expected


# --- templates ---


def build(value: Any, **cells: Any) -> Any:
    return compile_template(Node(value, "t"), frozenset(cells)).build(cells)


TEMPLATES: list[tuple[Any, Any]] = [
    ("{n}", Decimal("0.40")),
    ("no {t}/{n}", "no x/0.40"),
    ("{{n}} {t}", "{n} x"),
    ({"$const": "{nodes}"}, "{nodes}"),
    ("{gone}", None),
    ("no {gone}", None),
    ({"system": "phone", "value": "{gone}"}, None),
    ({"system": "phone", "value": "{t}"}, {"system": "phone", "value": "x"}),
    ({"start": "{t}", "end": "{gone}"}, {"start": "x"}),
    ([{"value": "{gone}"}, {"value": "{t}"}], [{"value": "x"}]),
    ({"a": [{"value": "{gone}"}]}, None),
    ({"coding": [{"code": "c"}], "ok": True, "n": 3}, {"coding": [{"code": "c"}], "ok": True, "n": 3}),
    ({"$ref": ["Patient", "p", "{t}"]}, "Patient/p-x"),
    ({"$ref": ["Patient", "p", "{gone}"]}, None),
    ({"reference": {"$ref": ["Patient", "{gone}"]}, "type": "Patient"}, None),
]


@pytest.mark.parametrize(("template", "expected"), TEMPLATES, ids=str)
def test_a_template_is_the_resource_with_cells_filled_in(template: Any, expected: Any) -> None:
    """An object whose cells are all empty is left out with its constants: no number, no phone."""
    made = build(template, n=Decimal("0.40"), t="x", gone=None)
    assert made == expected
    assert type(made) is type(expected)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.text(max_size=80), st.text(max_size=80))
def test_an_id_is_valid_fhir_and_two_keys_never_share_one(one: str, other: str) -> None:
    """FHIR ids have at most 64 of letters, digits, `-` and `.`; a key that does not fit is hashed."""
    import re

    ids = [resource_id(("c", key, "surgery"), (False, True, False)) for key in (one, other)]
    for made in ids:
        assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", made)
    assert (ids[0] == ids[1]) == (one == other)


def test_a_plain_key_stays_readable_and_a_hyphen_in_a_key_cannot_forge_another_id() -> None:
    """`a-b` + `c` and `a` + `b-c` are two keys, so parts with the joining sign are hashed."""
    assert resource_id(("c", "ZY0001", "surgery"), (False, True, False)) == "c-ZY0001-surgery"
    left, right = resource_id(("a-b", "c"), (True, True)), resource_id(("a", "b-c"), (True, True))
    assert left != right
    assert left.startswith("h.")


def test_a_mapping_says_which_columns_nothing_uses() -> None:
    """Dropped on purpose and dropped unseen are told apart: an unknown column may be a new finding."""
    mapping: TableMapping = load_mapping(GOOD)
    coverage = mapping.tables[0].coverage(["number", "extra", "sex", "nodes", "note"])
    assert coverage.as_dict() == {
        "used": ["number", "sex"],
        "unused": ["nodes", "note"],
        "unknown": ["extra"],
    }
