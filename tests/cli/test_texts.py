"""`rwd text`: kinds and places, never values; a cleaned file; a hospital's forms of numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.calling import Rwd, is_chinese

NOTE = (
    "患者何首乌，男，53岁，身份证号46002519710312481０，2023年11月5日入院，电话138 7654 3210。\n"
    "EGFR 19del，何首乌12g。\n"
)
ROSTER = {"people": [{"names": ["何首乌"], "numbers": ["460025197103124810", "13876543210"]}]}
VALUES = ("何首乌，男", "4600251971", "138 7654", "2023年11月5日")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "note.txt").write_text(NOTE, encoding="utf-8")
    (tmp_path / "roster.json").write_text(json.dumps(ROSTER, ensure_ascii=False), encoding="utf-8")
    (tmp_path / "key").write_bytes(b"k" * 32)
    return tmp_path


def clean(rwd: Rwd, folder: Path, *more: str, out: str = "out.txt"):
    options = ("--roster", folder / "roster.json", "--key-file", folder / "key", "--out", folder / out)
    return rwd("text", "clean", str(folder / "note.txt"), *map(str, options), *more)


def test_scan_names_kinds_and_places_and_never_a_value(rwd: Rwd, folder: Path) -> None:
    """The answer to whether a text is free of identifiers is no: exit 1."""
    answer = rwd("text", "scan", str(folder / "note.txt"), "--json")
    assert answer.code == 1
    found = {(one["kind"], NOTE[one["start"] : one["end"]]) for one in answer.document["findings"]}
    assert found == {
        ("name", "何首乌"),
        ("resident-id", "46002519710312481０"),
        ("date", "2023年11月5日"),
        ("mobile", "138 7654 3210"),
    }
    assert [NOTE[one["start"] : one["end"]] for one in answer.document["genetic"]] == ["EGFR 19del"]
    assert len(answer.stderr.splitlines()) == 1, "beside JSON the summary alone"
    assert not any(value in answer.stderr + answer.stdout.decode() for value in VALUES)


@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_scan_gives_the_line_and_the_column_that_an_editor_shows(rwd: Rwd, folder: Path, end: str) -> None:
    """Both from 1, the column in characters, in words and in JSON, beside the offset in the text as read: a line
    end is one character of it."""
    note = "一\n\n主诉：电话13876543210。\n末行 EGFR 19del"
    (folder / "note.txt").write_bytes(note.replace("\n", end).encode())
    document = rwd("text", "scan", str(folder / "note.txt"), "--json").document
    (mobile,), (variant,) = document["findings"], document["genetic"]
    assert (mobile["line"], mobile["column"], mobile["start"]) == (3, 6, note.index("138"))
    assert (variant["line"], variant["column"], variant["start"]) == (4, 4, note.index("EGFR"))
    lines = rwd("text", "scan", str(folder / "note.txt")).stdout.decode().splitlines()
    assert lines[0] == "note.txt:3:6 mobile  第 3 行第 6 字 · line 3, column 6  [8-19]"
    assert lines[1].startswith("note.txt:4:4 ") and len(lines) == 3


def test_scan_of_a_clinical_sentence_says_yes(rwd: Rwd, folder: Path) -> None:
    """Exit 0: nothing was found."""
    (folder / "note.txt").write_text("术后第3天，体温36.5℃。", encoding="utf-8")
    answer = rwd("text", "scan", str(folder / "note.txt"), "--json")
    assert answer.code == 0 and answer.document["findings"] == [] == answer.document["genetic"]


def test_clean_writes_surrogates_and_shifted_dates(rwd: Rwd, folder: Path) -> None:
    """The same key, patient and project give the same text; another patient another one."""
    answer = clean(rwd, folder, "--json")
    assert answer.code == 0
    text = (folder / "out.txt").read_text(encoding="utf-8")
    assert not any(value in text for value in VALUES) and text.count("⟦") == 4
    assert text.endswith("何首乌12g。\n")
    assert {one["kind"] for one in answer.document["spans"]} == {"name", "resident-id", "date", "mobile"}
    assert not any(value in answer.stderr + answer.stdout.decode() for value in VALUES)
    assert clean(rwd, folder, out="again.txt").code == 0
    assert (folder / "again.txt").read_text(encoding="utf-8") == text
    assert clean(rwd, folder, "--patient", "p2", out="other.txt").code == 0
    assert (folder / "other.txt").read_text(encoding="utf-8") != text


def test_learned_forms_find_a_number_without_a_word_before_it(rwd: Rwd, folder: Path) -> None:
    """`learn` reads the structured feed; `scan --registry` uses what it wrote."""
    lines = [
        json.dumps(
            {"resourceType": "Encounter", "identifier": [{"system": "http://h/v", "value": f"ZY{number:08}"}]}
        )
        for number in range(30)
    ]
    (folder / "feed.ndjson").write_text("\n".join(lines) + "\n\n", encoding="utf-8")
    learned = rwd("text", "learn", str(folder / "feed.ndjson"), "--out", str(folder / "forms.toml"), "--json")
    assert learned.code == 0 and learned.document["forms"] == 1
    (folder / "note.txt").write_text("见ZY99999999。", encoding="utf-8")
    assert rwd("text", "scan", str(folder / "note.txt")).code == 0
    answer = rwd("text", "scan", str(folder / "note.txt"), "--registry", str(folder / "forms.toml"), "--json")
    assert answer.code == 1 and answer.document["findings"][0]["kind"] == "hospital-number"


WRONG = [
    ("key", b"short", "text.key_unfit"),
    ("roster.json", b"{", "text.not_json"),
    ("roster.json", b'{"people": []}', "text.roster_empty"),
    ("roster.json", b'{"people": [1]}', "text.roster_unfit"),
    ("note.txt", b"\xff\xfe", "cli.not_text"),
]


@pytest.mark.parametrize(("name", "content", "code"), WRONG, ids=[case[2] for case in WRONG])
def test_what_cannot_be_used_is_refused_and_nothing_written(
    rwd: Rwd, folder: Path, name: str, content: bytes, code: str
) -> None:
    """A short key, a roster that is none or names nobody, a file that is no text: exit 2, in both languages."""
    (folder / name).write_bytes(content)
    answer = clean(rwd, folder, "--json")
    error = answer.document["error"]
    assert answer.code == 2 and error["code"] == code and is_chinese(error["zh"]) and error["next_en"]
    assert not (folder / "out.txt").exists()


def test_the_place_of_a_fault_in_a_roster_and_its_form_are_shown(rwd: Rwd, folder: Path) -> None:
    """Whoever writes a roster by hand sees the form in both languages, and the line that broke it."""
    (folder / "roster.json").write_text('{"people": [\n {"names": ["甲"],}\n]}', encoding="utf-8")
    error = clean(rwd, folder, "--json").document["error"]
    assert error["code"] == "text.not_json" and "第 2 行" in error["zh"] and "Line 2 " in error["en"]
    form = '{"people": [{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}]}'
    assert form in error["next_zh"] and form in error["next_en"]
    (folder / "roster.json").write_bytes(b"\xef\xbb\xbf" + json.dumps(ROSTER).encode())
    assert clean(rwd, folder).code == 0, "an editor's byte order mark is no fault"


def test_the_original_is_not_written_over(rwd: Rwd, folder: Path) -> None:
    """Nor is a file that is not there read, nor a folder that is not there made."""
    assert clean(rwd, folder, "--json", out="note.txt").document["error"]["code"] == "cli.own_input"
    learned = rwd("text", "learn", str(folder / "note.txt"), "--out", str(folder / "note.txt"), "--json")
    assert learned.document["error"]["code"] == "cli.own_input"
    assert (folder / "note.txt").read_text(encoding="utf-8") == NOTE
    assert clean(rwd, folder, "--json", out="none/out.txt").document["error"]["code"] == "cli.cannot_write"
    assert (
        rwd("text", "scan", str(folder / "none.txt"), "--json").document["error"]["code"]
        == "cli.file_missing"
    )
