"""Chinese identifiers: checked against the standard's own examples, found without losing any."""

from __future__ import annotations

import hashlib
import json
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.identifiers_cn import check_digit, is_mobile, is_resident_id, scan

# The two examples printed in GB 11643-1999.
STANDARD_EXAMPLES = ("11010519491231002X", "440524188001010014")

NOT_RESIDENT_IDS = [
    ("wrong check digit", "110105194912310021"),
    ("30 February", "110105194902300020"),
    ("no such province", "990105194912310000"[:17] + "9"),
    ("province 47", "470105194912310023"),
    ("17 digits", "11010519491231002"),
    ("19 digits", "11010519491231002X0"),
    ("letters", "abcdefghijklmnopqr"),
    ("empty", ""),
]


@pytest.mark.parametrize("number", STANDARD_EXAMPLES)
def test_the_standards_own_examples_are_valid(number: str):
    """GB 11643-1999 prints two numbers with their check digits."""
    assert is_resident_id(number)
    assert check_digit(number[:17]) == number[17]


@pytest.mark.parametrize(("what", "number"), NOT_RESIDENT_IDS, ids=[case[0] for case in NOT_RESIDENT_IDS])
def test_a_number_that_cannot_be_a_resident_id_is_not_one(what: str, number: str):
    """Province, birth date and check digit must all be right."""
    assert not is_resident_id(number)


@settings(deadline=None)
@given(st.integers(0, 16), st.integers(1, 9))
def test_the_check_digit_finds_every_single_wrong_digit(position: int, change: int):
    """ISO 7064 MOD 11-2 detects every single substitution."""
    number = STANDARD_EXAMPLES[1]
    wrong = number[:position] + str((int(number[position]) + change) % 10) + number[position + 1 :]
    assert check_digit(wrong[:17]) != number[17]


@settings(deadline=None)
@given(st.integers(0, 15))
def test_the_check_digit_finds_two_neighbours_changed_about(position: int):
    """... and every transposition of neighbours that are not the same."""
    number = STANDARD_EXAMPLES[1]
    digits = list(number[:17])
    digits[position], digits[position + 1] = digits[position + 1], digits[position]
    if digits != list(number[:17]):
        assert check_digit("".join(digits)) != number[17]


def test_full_width_forms_and_small_x_are_the_same_number():
    """Records are typed in full width as well."""
    assert is_resident_id("１１０１０５１９４９１２３１００２Ｘ")
    assert is_resident_id("11010519491231002x")


@pytest.mark.parametrize(
    "text", ["13876543210", "+86 138-7654-3210", "0086 13876543210", "１３８７６５４３２１０"]
)
def test_a_mobile_number_is_known_in_its_usual_forms(text: str):
    """With and without country code, spaces, hyphens, in full width."""
    assert is_mobile(text)


@pytest.mark.parametrize("text", ["12876543210", "1387654321", "138765432100", "", "1387654321O"])
def test_what_is_no_mobile_number_is_not_one(text: str):
    """Eleven digits, beginning with 13 to 19."""
    assert not is_mobile(text)


FOUND = [
    ("身份证号11010519491231002X，", "resident-id", "11010519491231002X"),
    ("身份证１１０１０５１９４９１２３１００２Ｘ入院", "resident-id", "１１０１０５１９４９１２３１００２Ｘ"),
    ("旧证110105491231002。", "old-resident-id", "110105491231002"),
    ("电话138 7654 3210转", "mobile", "138 7654 3210"),
    ("座机0898-66668888。", "landline", "0898-66668888"),
    ("邮箱zhao.min@example.com，", "email", "zhao.min@example.com"),
    ("护照号E87654321，", "travel-document", "E87654321"),
    ("住院号：ZY20240318025，", "hospital-number", "ZY20240318025"),
    ("车牌琼A12345停", "licence-plate", "琼A12345"),
    ("卡号6222021234567890128付", "bank-card", "6222021234567890128"),
]


@pytest.mark.parametrize(("text", "kind", "value"), FOUND, ids=[case[1] + case[0][:4] for case in FOUND])
def test_an_identifier_is_found_between_chinese_characters(text: str, kind: str, value: str):
    """There is no word border between a digit and a Chinese character; the scan needs none."""
    (found,) = scan(text)
    assert (found.kind, text[found.start : found.end]) == (kind, value)


CLEAN = [
    "",
    "阳性淋巴结3枚，肿瘤大小20-50mm，随访1799天。",
    "体温36.5，血压120/80，白细胞4.31×10^9/L，ER 291 fmol/L",
    "p1.intl.1.qkq3vgyb7uhzl5zvysr5hbwlia",
    "HR 0.6695251692 (0.5694320940–0.7872123067)",
    "2023-11-05 2023年11月5日 1984-Q3",
]


@pytest.mark.parametrize("text", CLEAN)
def test_clinical_numbers_are_no_identifiers(text: str):
    """Counts, results and hazard ratios are what a report is made of."""
    assert scan(text) == []


def test_a_digest_is_not_searched_for_numbers():
    """Ten thousand SHA-256 hashes contain many runs of digits; none of them is anybody's number."""
    digests = " ".join(hashlib.sha256(str(number).encode()).hexdigest() for number in range(10_000))
    assert scan(digests) == []


def test_a_number_hidden_behind_zeros_is_not_a_digest():
    """Only text with letters among its hex digits counts as a digest, so digits alone are still read."""
    assert [found.kind for found in scan("f" * 31 + " 13876543210 " + "a1" * 10)] == ["mobile"]


def test_a_finding_does_not_repeat_the_value():
    """A leak is reported by kind and place, so that the report is no leak."""
    (found,) = scan("电话13876543210")
    assert "138" not in repr(found)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_can_be_scanned(text: str):
    """Findings lie inside the text, in order, and do not overlap."""
    found = scan(text)
    assert all(0 <= one.start < one.end <= len(text) for one in found)
    assert all(first.end <= second.start for first, second in pairwise(found))


def test_a_megabyte_without_identifiers_is_scanned_quickly():
    """Patterns are bounded, so that a hostile text costs time in proportion to its length only."""
    assert scan("a" * 500_000 + "1" * 500_000) == []


def test_the_numbers_in_labelled_clinical_sentences_are_all_found():
    """Twenty sentences labelled by hand; names, addresses, dates, WeChat and QQ are not this scan's task."""
    suites = Path(os.environ.get("RWD_SUITES", Path(__file__).parents[3].parent / "shared" / "data"))
    file = suites / "deidentification" / "zh_clinical_20.jsonl"
    if not file.is_file():
        pytest.skip("the labelled sentences (RWD_SUITES/deidentification) are not on this machine")
    elsewhere = {"NAME", "ADDR", "DATE", "HOSP", "WECHAT", "QQ"}
    wanted = 0
    for line in file.read_text(encoding="utf-8").splitlines():
        sentence = json.loads(line)
        labelled = {(span["start"], span["end"]): span["type"] for span in sentence["spans"]}
        found = {(one.start, one.end) for one in scan(sentence["text"])}
        assert found <= labelled.keys(), sentence["text"]
        numbers = {place for place, kind in labelled.items() if kind not in elsewhere}
        assert numbers <= found, sentence["text"]
        wanted += len(numbers)
    assert wanted == 14
