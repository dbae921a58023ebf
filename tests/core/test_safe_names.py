"""Names out of a hospital's file: what is shown is FHIR's own word, or nearly."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from deidentify.identifiers_cn.names import words
from rwd_platform.core.json_text import JsonRefused, loads
from rwd_platform.core.safe_names import fhir_names, is_safe_name, shown_member, shown_name


def _of_models(package: str) -> set[str]:
    types = vars(importlib.import_module(f"{package}.fhirtypes"))
    found = {"resourceType"}
    for name, fhir_type in types.items():
        if name.endswith("Type") and hasattr(fhir_type, "get_model_klass"):
            model: Any = fhir_type.get_model_klass()
            found |= {field.alias or key for key, field in model.model_fields.items()}
            found |= {model.__name__} if model.has_resource_base() else set()
    return {name.removeprefix("_") for name in found} - {"fhir_comments"}


def test_the_list_is_what_the_models_of_fhir_know() -> None:
    assert fhir_names() == _of_models("fhir.resources.R4B") | _of_models("fhir.resources")


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("birthDate", True), ("_birthDate", True), ("Patient", True), ("valueBase64Binary", True), ("id", True),
        ("birthdate", True), ("brithDate", True), ("gendre", True), ("identifer", True), ("telecoms", True),
        ("wang13800138000", False), ("WangXiaoming", False), ("valueWang13800138000", False), ("gender1", False),
        ("王小明", False), ("gender王", False), ("tang", False), ("li", False), ("", False), ("_", False),
        ("a" * 10_000, False), ("birth Date", False), ("ＷａｎｇＸｉａｏｍｉｎｇ", False),
    ],
)  # fmt: skip
def test_a_name_is_shown_if_it_is_fhirs_or_a_slip_away_from_it(name: str, safe: bool) -> None:
    assert is_safe_name(name) is safe
    shown = shown_name(name, 7)
    assert (shown.zh == shown.en == name) if safe else ("7" in shown.zh and "7" in shown.en)
    if name and name != "_" and not safe:
        assert name not in shown.zh.replace("名称不予显示的元素", "") and name not in shown.en.split()


def test_hardly_a_persons_name_in_pinyin_is_a_slip_away_from_a_word_of_fhir() -> None:
    """Of surnames with 20 common given names at most one in 200 is near enough, such as `aiming` to `timing`."""
    given = (
        "wei fang xiuying min na jing li qiang lei jun yang yong yan jie juan tao ming chao xiaoming guihua"
    )
    names = [surname + other for surname in sorted(words().pinyin) for other in given.split()]
    shown = [name for name in [*names, *map(str.title, names)] if is_safe_name(name)]
    assert len(shown) <= len(names) / 100, shown


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Patient.ndjson", "member 2 (Patient.ndjson)"),
        ("Observation-000.ndjson.gz", "member 2 (Observation-000.ndjson.gz)"),
        ("export/Patient.json", "member 2"), ("Patient_19800304.json", "member 2"), ("1.json", "member 2"),
        ("王小明13800138000/检验.csv", "member 2"), ("ZhangSan.json", "member 2"), ("Patient\\王.json", "member 2"),
        ("../Patient.json", "member 2 (../Patient.json)"),
    ],
)  # fmt: skip
def test_a_file_in_an_archive_is_told_by_its_place(name: str, shown: str) -> None:
    assert shown_member(name, 2) == shown


@pytest.mark.parametrize(
    "key", ["王小明", "wang13800138000", "WangXiaoming", "valueWang13800138000", "13800138000"]
)
def test_a_key_that_stands_twice_is_shown_only_if_it_is_fhirs(key: str) -> None:
    with pytest.raises(JsonRefused) as refused:
        loads(f'{{"id":"1","{key}":1,"{key}":2}}')
    assert key not in str(refused.value) + refused.value.zh
    assert "position 3" in refused.value.en and "第 3 个" in refused.value.zh
    with pytest.raises(JsonRefused, match="The key gender stands twice"):
        loads('{"gender":"male","gender":"female"}')
