"""Words that say something, and accounts that are one person."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from deidentify.disclosure import reasons
from deidentify.disclosure.reasons import (
    is_filler,
    is_reason,
    letters_of,
    mixes_scripts,
    one_person,
    one_spelling,
)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("已核对输出检查的结论与用途", True),
        ("checked against the protocol", True),
        ("ｃｈｅｃｋｅｄ　ａｌｌ　ｏｆ　ｉｔ", True),
        ("", False),
        (" " * 60, False),
        ("." * 60, False),
        ("\u200b" * 60, False),
        ("\u3164" * 60, False),  # a letter to Unicode, and nothing to see
        ("\u2800" * 60, False),
        ("同意" * 30, False),
        ("abc" * 30, False),
        ("1234567890" * 3, False),
        ("已核对，同意发布", False),  # eight
        ("a" * 100_000, False),
        ("没有理由没有理由没有", False),
        ("asdfghjklqwerty", False),
        ("lkjhgfdsapoiuyt", False),
        ("一二三四五六七八九十", False),
        ("甲乙丙丁戊己庚辛壬癸", False),
        ("abcdefghijklmnop", False),
        ("onetwothreefourfive", False),
        ("qwerty property owner checked the tables", True),
        ("已核对一二三四各表，结论与用途一致", True),
    ],
)
def test_a_reason_has_ten_letters_of_four_kinds(text: str, said: bool):
    assert is_reason(text) is said


@pytest.mark.parametrize(
    "word",
    ["-", ".", "…", "无", "n/a", "N / A", "none", "ＮＯＮＥ", "tbd", "待定", "同上", "", "xx", "11", "x"],
)
def test_a_filler_is_no_answer(word: str):
    assert is_filler(word)


@pytest.mark.parametrize(
    "word", ["上市后研究", "再评价", "1号", "12号", "药监函〔2026〕12号", "test of superiority", "DEMO-1"]
)
def test_a_short_answer_may_be_one(word: str):
    assert not is_filler(word)


@pytest.mark.parametrize(
    "spelt", ["paul", "Paul", "ＰＡＵＬ", "раul", "pаul", "p aul", "pa\u200bul", "pàul", "ραul"]
)
def test_letters_that_look_alike_are_one_persons_name(spelt: str):
    """Cyrillic and Greek letters, widths, blanks, accents and what nobody sees."""
    assert one_person(spelt) == one_person("paul")


@pytest.mark.parametrize("other", ["pauline", "saul", "保罗", "paul-2", ""])
def test_another_name_is_another_person(other: str):
    assert one_person(other) != one_person("paul")


@pytest.mark.parametrize("name", ["王芳2", "王芳２", "王芳 02", "王芳（2）", "王芳-3", "王芳②"])
def test_a_number_at_the_end_makes_no_second_person(name: str):
    assert one_person(name) == one_person("王芳")


def test_ids_of_accounts_may_differ_in_their_number():
    assert one_person("paul2") == one_person("paul")
    assert one_person("privacy-1") != one_person("privacy-2")
    assert one_person("12") != one_person("13") and one_person("2") != ""
    assert one_spelling("paul2") != one_spelling("paul")


@pytest.mark.parametrize(
    ("account", "mixed"),
    [("zhang", False), ("zhаng", True), ("чжан", False), ("张三-a1", False), ("aα", True)],
)
def test_an_account_of_two_alphabets_is_found(account: str, mixed: bool):
    assert mixes_scripts(account) is mixed


def test_every_confusable_letter_is_one_that_is_compared():
    """Lower case after NFKC, of another script, and one Latin letter for it."""
    for line in reasons.CONFUSABLES.read_text(encoding="utf-8").splitlines():
        if line.startswith(("#", "letter,")):
            continue
        letter, latin = line.split(",")
        assert unicodedata.normalize("NFKC", letter).casefold() == letter
        assert len(letter) == 1 and latin.isascii() and latin.islower() and len(latin) == 1


def test_a_list_with_an_empty_field_opens_no_gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "fillers.csv"
    path.write_text("word\nnone\n,\n", encoding="utf-8")
    monkeypatch.setattr(reasons, "FILLERS", path)
    with pytest.raises(ValueError, match="empty"):
        is_filler("something")


def test_letters_are_counted_without_what_is_not_seen():
    assert letters_of("a\u200b b，1 张") == "ab张"
