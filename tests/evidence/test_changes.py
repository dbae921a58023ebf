"""A version and the one before it: every result that is new, gone or different is named, and nothing else is."""

from __future__ import annotations

import copy
import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pytest

from rwd_platform.core.errors import PlatformError
from studies.evidence.changes import (
    CHANGES_JSON,
    CHANGES_TEXT,
    Version,
    changes,
    read_version,
    statement_changes,
    texts,
    value_text,
)
from studies.evidence.package import BuiltPackage, build
from studies.evidence.templates import verify as standalone
from tests.evidence.fixtures import small_inputs


@pytest.fixture(scope="module")
def first(package: BuiltPackage) -> Version:
    return read_version(package.path)


def edited(version: Version, **rows: dict[str, Any] | None) -> Version:
    """The same with rows changed, added (of no such id) or taken out (None)."""
    results = copy.deepcopy(dict(version.results))
    by_id = {row["id"]: row for row in results["rows"]}
    for id, fields in rows.items():
        if fields is None:
            del by_id[id]
        else:
            by_id[id] = {**by_id.get(id, {"id": id, "unit": ""}), **fields}
    results["rows"] = list(by_id.values())
    return dataclasses.replace(version, results=results)


def some_ids(version: Version) -> list[str]:
    return [row["id"] for row in version.results["rows"] if isinstance(row["value"], float)]


def test_a_version_beside_itself_has_no_change(first: Version) -> None:
    found = changes(first, first)
    results = found["results"]
    assert results["unchanged"] == len(first.results["rows"]) > 100
    assert not (results["added"] or results["removed"] or results["changed"])
    assert all(found["same"].values())
    assert found["files"] == found["not_done"] == {"added": [], "removed": [], "changed": []}
    assert "无变化" in texts(found)["zh"] and "No change" in texts(found)["en"]


def test_each_row_that_is_new_gone_or_different_is_named_with_both_values(first: Version) -> None:
    one, other = some_ids(first)[:2]
    old = next(row for row in first.results["rows"] if row["id"] == one)
    now = edited(first, **{one: {"value": old["value"] + 0.5}, other: None, "new.row": {"value": 7, "n": 3}})
    found = changes(first, now)["results"]
    assert [each["id"] for each in found["changed"]] == [one]
    assert found["changed"][0]["before"]["value"] == old["value"]
    assert found["changed"][0]["after"]["value"] == old["value"] + 0.5
    assert [each["id"] for each in found["removed"]] == [other] and [
        each["id"] for each in found["added"]
    ] == ["new.row"]
    assert found["unchanged"] == len(first.results["rows"]) - 2
    text = texts(changes(first, now))
    for language in ("zh", "en"):
        assert all(f"`{id}`" in text[language] for id in (one, other, "new.row"))
    assert f"{old['value']:.6g}" in text["en"] and f"{old['value'] + 0.5:.6g}" in text["en"]


@pytest.mark.parametrize("field", ["value", "ci_low", "ci_high", "n", "events"])
def test_any_printed_field_makes_a_change_and_the_smallest_does(first: Version, field: str) -> None:
    row = next(row for row in first.results["rows"] if row[field] is not None and row["value"] is not None)
    value = row[field]
    other = value + 1 if isinstance(value, int) else math.nextafter(value, math.inf)
    found = changes(first, edited(first, **{row["id"]: {field: other}}))["results"]
    assert [each["id"] for each in found["changed"]] == [row["id"]]


def test_a_result_that_was_estimable_and_is_no_more_is_a_change(first: Version) -> None:
    id = some_ids(first)[0]
    found = changes(first, edited(first, **{id: {"value": None}}))
    assert found["results"]["changed"][0]["after"]["value"] is None and "–" in texts(found)["en"]


def test_what_is_rendered_and_what_is_volatile_is_no_change(first: Version) -> None:
    for path in ("data/06_report/report_zh.pdf", "data/09_audit/checkpoint.txt", "signature.json"):
        assert path not in first.hashes
    assert standalone.ARD_JSON in first.hashes and "data/06_report/report.json" in first.hashes


def test_a_file_that_is_new_gone_or_different_is_named(first: Version) -> None:
    hashes = dict(first.hashes)
    taken, other = sorted(hashes)[3], sorted(hashes)[5]
    del hashes[taken]
    hashes |= {other: "0" * 64, "data/03_data/define.xml": "1" * 64}
    found = changes(first, dataclasses.replace(first, hashes=hashes))["files"]
    assert found == {"added": ["data/03_data/define.xml"], "removed": [taken], "changed": [other]}


def test_another_protocol_lock_or_audience_is_said_first(first: Version) -> None:
    for name, zh in (
        ("protocol_sha256", "研究方案：不同"),
        ("lock_id", "数据锁定：不同"),
        ("audience", "接收范围：不同"),
    ):
        now = dataclasses.replace(first, description={**first.description, name: "other"})
        found = changes(first, now)
        assert found["same"][name] is False and zh in texts(found)["zh"]


def test_two_real_builds_of_other_results_differ_where_the_results_do(first: Version, tmp_path: Path) -> None:
    inputs = small_inputs()
    rows = list(inputs.results.rows)
    place = next(number for number, row in enumerate(rows) if row.statistic == "hazard_ratio")
    value = rows[place].value
    assert isinstance(value, float)
    rows[place] = dataclasses.replace(rows[place], value=value * 1.25)
    other = dataclasses.replace(
        inputs, results=dataclasses.replace(inputs.results, rows=tuple(rows)), version=2
    )
    second = read_version(build(other, tmp_path).path)
    found = changes(first, second)
    assert [each["id"] for each in found["results"]["changed"]] == [rows[place].id]
    assert found["same"] == {
        "protocol_sha256": True,
        "lock_id": True,
        "results_sha256": False,
        "audience": True,
    }
    assert standalone.ARD_JSON in found["files"]["changed"] and not found["files"]["added"]
    json.dumps(found, allow_nan=False)


def test_a_thousand_changes_are_all_in_the_json_and_cut_in_the_text(first: Version) -> None:
    now = edited(first, **{f"many.{number}": {"value": number} for number in range(1000)})
    found = changes(first, now)
    assert len(found["results"]["added"]) == 1000
    text = texts(found)
    assert "另有 800 项" in text["zh"] and "800 more" in text["en"] and len(text["en"]) < 40_000


@pytest.mark.parametrize("spoil", ["gone", "cut", "no_results", "not_json", "a_list", "no_rows", "no_files"])
def test_a_last_version_that_cannot_be_read_is_named_and_left_as_it_is(
    package: BuiltPackage, tmp_path: Path, spoil: str
) -> None:
    path = tmp_path / package.path.name
    members = standalone.zip_members(package.path.read_bytes())
    top = package.path.stem
    ard, description = f"{top}/{standalone.ARD_JSON}", f"{top}/{standalone.PACKAGE_JSON}"
    if spoil == "cut":
        path.write_bytes(package.path.read_bytes()[:-100])
    elif spoil != "gone":
        if spoil == "no_results":
            del members[ard]
        elif spoil == "no_files":
            members[description] = b"{}"
        else:
            members[ard] = {"not_json": b"{", "a_list": b"[]", "no_rows": b'{"rows": [1]}'}[spoil]
        path.write_bytes(standalone.zip_bytes(members))
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(PlatformError, match=r"evidence\.previous_unreadable"):
        changes(read_version(path), read_version(package.path))
    assert (path.read_bytes() if path.exists() else None) == before


def test_a_hostile_id_breaks_no_table(first: Version) -> None:
    now = edited(first, **{"a|b": {"value": "x|y\n| z"}})
    text = texts(changes(edited(first, **{"a|b": {"value": 1}}), now))["en"]
    (row,) = (line for line in text.splitlines() if line.startswith("| `"))
    assert row.replace("\\|", "").count("|") == 4 and row.endswith("|") and "y" in row and "z" in row


# -- in a package ------------------------------------------------------------------------------------------


def second_of(first: Version, folder: Path, **more: Any) -> BuiltPackage:
    return build(dataclasses.replace(small_inputs(), version=2, previous=first, **more), folder)


def test_a_second_version_carries_its_changes_and_the_same_inputs_the_same_bytes(
    first: Version, tmp_path: Path
) -> None:
    made, again = (second_of(first, tmp_path / name) for name in ("one", "two"))
    assert made.sha256 == again.sha256 and made.package_id != first.description["package_id"]
    assert {CHANGES_JSON, *CHANGES_TEXT.values()} <= set(made.file_names)
    found = json.loads((made.folder / CHANGES_JSON).read_text(encoding="utf-8"))
    assert found["before"]["package_id"] == first.description["package_id"]
    assert "package_id" not in found["after"] and found["after"]["version"] == 2
    assert not found["results"]["changed"] and found["results"]["unchanged"] > 100
    # The report prints its version, and the protocol's documents do not.
    assert all("06_report" in name or "index" in name for name in found["files"]["changed"]), found["files"]
    listed = json.loads((made.folder / standalone.PACKAGE_JSON).read_text(encoding="utf-8"))["files"]
    assert CHANGES_JSON in listed["identifying"]


def test_a_first_version_has_nothing_to_compare_with(package: BuiltPackage) -> None:
    assert not [name for name in package.file_names if "changes" in name]


def test_the_version_before_belongs_to_what_identifies_a_version(first: Version, tmp_path: Path) -> None:
    other = dataclasses.replace(first, description={**first.description, "package_id": "EP-" + "0" * 32})
    ids = {second_of(one, tmp_path / str(n)).package_id for n, one in enumerate((first, other))}
    assert len(ids) == 2


def test_a_third_version_does_not_call_the_second_s_changes_a_change(first: Version, tmp_path: Path) -> None:
    second = read_version(second_of(first, tmp_path / "second").path)
    third = build(dataclasses.replace(small_inputs(), version=3, previous=second), tmp_path / "third")
    found = json.loads((third.folder / CHANGES_JSON).read_text(encoding="utf-8"))
    assert not [name for sort in found["files"].values() for name in sort if "changes" in name]


def test_an_aggregate_version_names_what_changed_and_no_value_of_the_version_before(
    first: Version, tmp_path: Path
) -> None:
    before = read_version(
        build(dataclasses.replace(small_inputs(), audience="aggregate"), tmp_path / "v1").path
    )
    id = some_ids(before)[0]
    before = edited(before, **{id: {"value": 123.456789}})
    made = second_of(before, tmp_path / "v2", audience="aggregate")
    text = "".join(
        (made.folder / name).read_text(encoding="utf-8") for name in (CHANGES_JSON, *CHANGES_TEXT.values())
    )
    assert "123.45" not in text and text.count(id) >= 3
    found = json.loads((made.folder / CHANGES_JSON).read_text(encoding="utf-8"))["results"]
    assert found["changed"] == [{"id": id, "unit": found["changed"][0]["unit"]}]


def test_a_package_with_changes_verifies_and_one_whose_changes_were_edited_does_not(
    first: Version, tmp_path: Path
) -> None:
    made = second_of(first, tmp_path)
    assert not standalone_failures(made.folder)
    path = made.folder / CHANGES_TEXT["zh"]
    path.write_text(path.read_text(encoding="utf-8") + "\n没有其他变化。\n", encoding="utf-8")
    assert CHANGES_TEXT["zh"] in {one.place for one in standalone_failures(made.folder)}


def standalone_failures(folder: Path) -> list[standalone.Failure]:
    from studies.evidence.verify import verify_package

    return list(verify_package(folder).failures)


# -- what people said ---------------------------------------------------------------------------------------------


def said(**words: str) -> dict[str, Any]:
    asks = {"zh": "问", "en": "asks"}
    return {id: {"asks": asks, "said": {"zh": text, "en": text.upper()}} for id, text in words.items()}


def test_statements_new_withdrawn_and_said_otherwise_are_told_with_both_words(first: Version) -> None:
    before = dataclasses.replace(first, statements=said(a="same", b="was", c="gone"))
    after = dataclasses.replace(first, statements=said(a="same", b="is", d="new"))
    found = statement_changes(before, after)
    assert {kind: [one["id"] for one in found[kind]] for kind in found} == {
        "added": ["d"], "removed": ["c"], "changed": ["b"]
    }  # fmt: skip
    [changed] = found["changed"]
    assert (changed["before"]["zh"], changed["after"]["en"]) == ("was", "IS") and changed["asks"][
        "zh"
    ] == "问"
    assert found["added"][0]["before"] is None and found["removed"][0]["after"] is None


def test_the_same_words_are_no_change_whatever_the_question_is_called(first: Version) -> None:
    before = dataclasses.replace(first, statements=said(a="same"))
    other = {"a": {**before.statements["a"], "asks": {"zh": "另问", "en": "asked otherwise"}}}
    found = statement_changes(before, dataclasses.replace(first, statements=other))
    assert not any(found.values())


def with_statements(package: BuiltPackage, tmp_path: Path, content: bytes) -> Path:
    members = standalone.zip_members(package.path.read_bytes())
    root = next(iter(members)).partition("/")[0]
    path = tmp_path / "package.zip"
    path.write_bytes(standalone.zip_bytes({**members, f"{root}/data/02_governance/statements.json": content}))
    return path


def test_a_package_s_own_statements_are_read(package: BuiltPackage, tmp_path: Path) -> None:
    document = {"format_version": 1, "statements": said(a="words")}
    path = with_statements(package, tmp_path, json.dumps(document).encode())
    assert read_version(path).statements == said(a="words")
    assert read_version(package.path).statements == {}, "a package for no reader in particular has none"


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{}", b'{"statements": []}', b'{"statements": {"a": 1}}', b'{"statements": {"a": {}}}'],
)
def test_statements_that_cannot_be_read_name_their_file(
    package: BuiltPackage, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(PlatformError, match=r"statements\.json"):
        read_version(with_statements(package, tmp_path, content))


@pytest.mark.parametrize("value", [None, 0.5, 12, "text"])
def test_a_value_reads_as_it_is_compared(value: Any) -> None:
    shown = {"value": value, "ci_low": None, "ci_high": None}
    expected = {None: "–", 0.5: "0.5 days", 12: "12 days", "text": "text days"}[value]
    assert value_text(shown, "days" if value is not None else "") == expected
    assert value_text({**shown, "ci_low": 0.1234567, "ci_high": None}, "").endswith("(0.123457, –)")
