"""Code lists: read or refused by line, signed by a second person, and what became of one in the next version."""

from __future__ import annotations

import hashlib

import pytest

from rwd_platform.core.errors import PlatformError
from studies.code_lists import HERE, codes_of, diff, every_list, load, read_code_list

# A frozen protocol names a list by its version alone, so a version that was shipped keeps its bytes for ever: correct a
# list in a new file, with the next version, and add that file's SHA-256 here.
SHIPPED = {
    "breast-cancer@1": "8ad56b38799fac16dc2ab966fc852181720b69f09f31d3f19bf19f13343246a4",
    "mastectomy@1": "15d09ab16dcdf8a7347e608729cb6c06fd8276965d82121ea18d3f666cf4b4c8",
}

GOOD = """#name,statin
#version,2
#zh,他汀类
#en,Statins
#author,A
#reviewer,B
#signed_date,2026-05-01
#source,ATC
system,code,zh,en
urn:atc,C10AA01,辛伐他汀,simvastatin
urn:atc,C10AA05,阿托伐他汀,atorvastatin
"""


def read(text: str):
    return read_code_list(text.encode(), "statin@2.csv")


def test_a_version_of_a_list_never_changes():
    found = {path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(HERE.glob("*"))}
    assert found == SHIPPED, (
        "a list was edited under its version, removed, or added without being written down here"
    )


def test_a_list_says_what_it_is_and_stands_in_a_definition_under_its_name_and_version():
    found = read(GOOD)
    assert (found.reference, found.title.zh, found.signed) == ("statin@2", "他汀类", True)
    assert found.codes.name == "statin@2"
    assert found.codes.pairs == {("urn:atc", "C10AA01"), ("urn:atc", "C10AA05")}


def test_a_spreadsheet_may_have_added_its_mark_commas_and_line_ends():
    excel = "\ufeff" + GOOD.replace("\n", "\r\n").replace("#version,2", "#version,2,,")
    assert read(excel) == read(GOOD)
    assert read(excel).sha256 == read(GOOD).sha256


def test_a_list_that_nobody_has_signed_is_not_signed():
    assert not read(GOOD.replace("#reviewer,B\n#signed_date,2026-05-01\n", "")).signed


@pytest.mark.parametrize(
    ("wrong", "line", "says"),
    [
        (GOOD.replace("#reviewer,B", "#reviewer,a"), 6, "of their own"),
        (GOOD.replace("2026-05-01", "2026-5-1"), 7, "YYYY-MM-DD"),
        (GOOD.replace("2026-05-01", "2026-02-30"), 7, "YYYY-MM-DD"),
        (GOOD.replace("#signed_date,2026-05-01", "#signed_date,"), 6, "together"),
        (GOOD.replace("C10AA05", "C10AA01"), 11, "twice"),
        (GOOD.replace(",辛伐他汀,simvastatin", ",,"), 10, "missing"),
        (GOOD.replace("urn:atc,C10AA01,", "urn:atc,C10AA01,x,"), 10, "4 columns"),
        (GOOD.replace("system,code,zh,en", "code,system,zh,en"), 9, "columns are"),
        (GOOD.replace("#author,A\n", ""), 1, "author"),
        (GOOD.replace("#name,statin", "#name,../statin"), 1, "characters"),
        (GOOD.replace("#zh,他汀类", "#zh,他汀类\n#colour,red"), 4, "heading"),
        (GOOD[: GOOD.index("urn:atc")], 1, "no codes"),
        ("", 1, "columns are"),
        (GOOD.replace("simvastatin", '"simvastatin'), 1, "no CSV"),
    ],
)
def test_what_is_wrong_is_refused_with_its_line(wrong: str, line: int, says: str):
    with pytest.raises(PlatformError) as refused:
        read(wrong)
    assert refused.value.code == "code_list.malformed"
    assert refused.value.details["line"] == line
    assert says in refused.value.en


def test_bytes_that_are_no_text_and_files_that_are_too_large_are_refused():
    with pytest.raises(PlatformError, match="UTF-8"):
        read_code_list(b"\xff\xfe\x00", "x@1.csv")
    with pytest.raises(PlatformError, match="too large"):
        read_code_list(b"," * 20_000_001, "x@1.csv")


@pytest.mark.parametrize(
    "reference", ["nothing@1", "mastectomy", "../secrets@1", "mastectomy@1/..", "", "a" * 500]
)
def test_a_list_that_is_not_there_is_not_found_whatever_its_name(reference: str):
    with pytest.raises(PlatformError) as refused:
        load(reference)
    is_written_well = reference == "nothing@1"
    assert refused.value.code == f"code_list.{'unknown' if is_written_well else 'reference_malformed'}"


def test_a_file_must_hold_the_list_that_its_name_says(tmp_path):
    (tmp_path / "statin@3.csv").write_text(GOOD, encoding="utf-8")
    with pytest.raises(PlatformError, match="file's name"):
        load("statin@3", tmp_path)


def test_two_versions_differ_by_codes_added_removed_and_renamed():
    newer = GOOD.replace(
        "urn:atc,C10AA01,辛伐他汀,simvastatin\n", "urn:atc,C10AA07,瑞舒伐他汀,rosuvastatin\n"
    ).replace("atorvastatin", "atorvastatin calcium")
    found = diff(read(GOOD), read(newer))
    assert [one.code for one in found.added] == ["C10AA07"]
    assert [one.code for one in found.removed] == ["C10AA01"]
    assert [one.code for one in found.renamed] == ["C10AA05"]
    same = diff(read(GOOD), read(GOOD))
    assert (same.added, same.removed, same.renamed) == ((), (), ())


def test_the_hash_changes_with_the_codes_and_not_with_their_order():
    lines = GOOD.splitlines()
    turned = "\n".join([*lines[:-2], lines[-1], lines[-2]])
    assert read(turned).sha256 == read(GOOD).sha256
    assert read(GOOD.replace("C10AA05", "C10AA06")).sha256 != read(GOOD).sha256


def test_the_lists_of_the_house_can_be_read_and_their_codes_are_of_their_category():
    found = {one.reference: one for one in every_list()}
    assert {one.code for one in found["breast-cancer@1"].entries} == {
        "C50", *(f"C50.{digit}" for digit in (0, 1, 2, 3, 4, 5, 6, 8, 9))
    }  # fmt: skip
    assert {one.code for one in found["mastectomy@1"].entries} == {
        "85.4", *(f"85.4{digit}" for digit in range(1, 9))
    }  # fmt: skip
    assert codes_of("mastectomy@1") == found["mastectomy@1"].codes
