"""What the page says of the package's parts: each language links its own files, and sealed rows are explained."""

from __future__ import annotations

import re
from typing import Any

import pytest

from studies.evidence.documents import SEALED
from studies.evidence.report.contents_part import contents, in_language

GUIDE = "data/03_data/data_guide_{}.docx"
DRAWING = "data/01_protocol/design_diagram_{}.svg"
THERE = {one.format(language) for one in (GUIDE, DRAWING) for language in ("zh", "en")} | {
    SEALED,
    "data/03_data/define.xml",
    "data/05_results/only_zh.csv",
}


def document(*files: str) -> dict[str, Any]:
    part = {
        "title": {"zh": "递交数据集", "en": "Submission data"},
        "place": None,
        "confirm_place": False,
        "statement": None,
        "files": list(files),
        "status": "found",
        "reason": None,
    }
    pair = {"zh": "读者", "en": "reader"}
    return {"reader": pair, "title": pair, "says": [], "expected": 1, "found": 1, "parts": [part]}


def links(language: Any, *files: str) -> list[str]:
    return re.findall(r'href="\.\./([^"]+)"', contents(document(*files), [], language, THERE))


@pytest.mark.parametrize("language", ["zh", "en"])
def test_each_language_links_the_files_of_its_own(language):
    found = links(language, GUIDE.format("zh"), DRAWING.format("zh"), "data/03_data/define.xml")
    assert found == [
        f"03_data/data_guide_{language}.docx",
        f"01_protocol/design_diagram_{language}.svg",
        "03_data/define.xml",
    ]


def test_a_part_that_lists_both_shows_the_one_of_the_language_once():
    both = [GUIDE.format("zh"), GUIDE.format("en")]
    assert in_language(both, "en", THERE) == [GUIDE.format("en")]
    assert in_language(both, "zh", THERE) == [GUIDE.format("zh")]


def test_a_file_without_a_twin_is_linked_as_it_is():
    assert links("en", "data/05_results/only_zh.csv") == ["05_results/only_zh.csv"]
    assert in_language(["data/a_zh.csv"], "en", ()) == ["data/a_zh.csv"]


@pytest.mark.parametrize(
    ("language", "words"),
    [("zh", ("接收方", "私钥", "数据说明")), ("en", ("recipient alone", "private key", "data guide"))],
)
def test_sealed_rows_are_explained_with_the_line_that_opens_them(language, words):
    page = contents(document(SEALED), [], language, THERE)
    assert all(word in page for word in words)
    line = "openssl cms -decrypt -inform DER -in rows.p7m -inkey private_key.pem -out rows.zip"
    assert f"<code>{line}</code>" in page


def test_a_package_without_sealed_rows_has_no_word_of_them():
    assert "openssl" not in contents(document("data/03_data/define.xml"), [], "en", THERE)
