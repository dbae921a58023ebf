"""Exact matching against the structured record, in every spelling, for one note and for many."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.free_text.clean import clean
from deidentify.free_text.detector import TextContext
from deidentify.free_text.seeds import Person, Roster, SeededMatching
from deidentify.identifiers_cn.normal_form import simplified_characters
from rwd_platform.core.errors import PlatformError

ROSTER = Roster(
    (
        Person(
            "patient",
            ("何首乌", "He Shouwu"),
            ("460025197103124810", "13876543210", "ZY20240318025", "a.b@example.com", "0898-62826888"),
            ("海南省琼海市嘉积镇东风路18号",),
        ),
        Person("wife", ("王秀英",)),
        Person("doctor", ("欧阳慧敏",)),
        Person("other", ("阿依古丽·买买提", "Li Na")),
    )
)


def found(text: str, roster: Roster = ROSTER) -> list[tuple[str, str]]:
    return [(one.kind, text[one.start : one.end]) for one in roster.find(text)]


SPELLED = """
    患者何首乌，            | name            | 何首乌
    患者何 首 乌，          | name            | 何 首 乌
    患者何　首乌，          | name            | 何　首乌
    患者何\u200b首乌，      | name            | 何\u200b首乌
    患者何\n首乌，          | name            | 何\n首乌
    妻王秀英              | name            | 王秀英
    秀英陪同                | name            | 秀英
    王女士                  | name            | 王
    欧阳主任查房            | name            | 欧阳
    HE SHOUWU signed        | name            | HE SHOUWU
    Shouwu, He              | name            | Shouwu, He
    heshouwu                | name            | heshouwu
    ＨＥ Shouwu             | name            | ＨＥ Shouwu
    阿依古丽•买买提         | name            | 阿依古丽•买买提
    阿依古丽说              | name            | 阿依古丽
    身份证460025197103124810 | resident-id     | 460025197103124810
    ４６００２５197103124810 | resident-id     | ４６００２５197103124810
    460025 1971 0312 4810   | resident-id     | 460025 1971 0312 4810
    尾号197103124810        | resident-id     | 197103124810
    138-7654-3210           | mobile          | 138-7654-3210
    +8613876543210          | mobile          | 13876543210
    (0898)62826888          | landline        | 0898)62826888
    zy20240318025           | hospital-number | zy20240318025
    X99ZY20240318025Y       | hospital-number | ZY20240318025
    A.B@EXAMPLE.COM         | email           | A.B@EXAMPLE.COM
    住嘉积镇东风路18号院    | address         | 嘉积镇东风路18号
    在琼海市                | address         | 琼海市
"""


@pytest.mark.parametrize("line", SPELLED.strip("\n").replace("\n首", "\x00首").splitlines())
def test_a_known_value_is_found_in_every_spelling(line: str):
    """Full width, spaced, unseen characters, another case, other orders, with a title, in parts."""
    text, kind, value = (part.strip(" ") for part in line.replace("\x00", "\n").split("|"))
    assert found(text) == [(kind, value)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "海南省患者",
        "carolina",
        "主任查房",
        "Li",
        "首乌藤",
        "王某",
        "1387654",
        "何首先",
        "患者主张，秀丽",
        "linab",
    ],
)
def test_what_is_nobodys_is_left(text: str):
    """Latin names count between borders only, provinces and single characters not at all."""
    assert found(text) == []


def test_who_is_who_is_known_unless_two_share_it():
    """王主任 is nobody's when two doctors are called Wang."""
    two = Roster((Person("a", ("王强",)), Person("b", ("王秀英",))))
    assert {(one.subject) for one in two.find("王强、王秀英")} == {"a", "b"}
    assert [one.subject for one in two.find("王主任")] == [""]
    assert [one.subject for one in Roster((Person("a", ("王强",)),)).find("王主任")] == ["a"]


def test_a_herb_with_its_dose_is_the_herb_even_in_the_notes_of_a_patient_of_that_name():
    """何首乌12g is a prescription; 何首乌 is the patient."""
    context = TextContext("p", "x", b"k" * 32, roster=ROSTER)
    text = "何首乌，男，予何首乌12g、何首乌 １５克煎服"
    assert [(one.start, one.end) for one in SeededMatching().find(text, context)] == [(0, 3)]


PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "identifier": [{"system": "http://h/mrn", "value": "ZY20240318025"}],
    "name": [
        {"text": "何首乌"},
        {"family": "He", "given": ["Shou", "Wu"]},
        {"family": "何", "given": ["首乌"]},
    ],
    "telecom": [{"system": "phone", "value": "+86 138 7654 3210"}],
    "address": [{"line": ["嘉积镇东风路18号"], "city": "琼海市", "state": "海南省", "postalCode": "571400"}],
    "contact": [{"name": {"text": "王秀英"}, "telecom": [{"value": "13900001234"}]}],
}
PRACTITIONER = {"resourceType": "Practitioner", "name": [{"text": "欧阳慧敏"}]}


@pytest.mark.parametrize(
    "content",
    [
        [PATIENT, PRACTITIONER],
        {"resourceType": "Bundle", "entry": [{"resource": PATIENT}, {"resource": PRACTITIONER}, {}, 3]},
    ],
    ids=["resources", "bundle"],
)
def test_a_roster_is_made_of_fhir_resources(content: object):
    """Names, numbers and addresses of patient, contacts and clinicians."""
    text = "何首乌 He ShouWu 13876543210 13900001234 王秀英 欧阳慧敏 ZY20240318025 海南省琼海市嘉积镇东风路18号 571400"
    roster = Roster.from_dict(content)
    values = {value for _, value in found(text, roster)}
    assert {
        "何首乌",
        "He ShouWu",
        "13876543210",
        "13900001234",
        "王秀英",
        "欧阳慧敏",
        "ZY20240318025",
        "571400",
    } <= values
    assert any("东风路18号" in value for value in values)


UNFIT = [
    ("text.roster_keyless", "text"),
    ("text.roster_keyless", {"persons": []}),
    ("text.roster_keyless", {"patients": []}),
    ("text.roster_keyless", {"people": "王秀英"}),
    ("text.roster_keyless", [3]),
    ("text.roster_unfit", {"people": ["王秀英"]}),
    ("text.roster_unfit", {"people": [{"names": "王秀英"}]}),
    ("text.roster_unfit", {"people": [{"names": [3]}]}),
    ("text.roster_unfit", {"people": [{"name": ["王秀英"]}]}),
    ("text.roster_empty", {"people": []}),
    ("text.roster_empty", {"people": [{"names": ["王"]}]}),
    ("text.roster_empty", {"resourceType": "Observation"}),
    ("text.roster_empty", []),
]


@pytest.mark.parametrize(("code", "content"), UNFIT)
def test_a_roster_that_is_not_one_is_refused(code: str, content: object):
    """An empty roster would let every name through in silence; no message repeats what stood there."""
    with pytest.raises(PlatformError) as refused:
        Roster.from_dict(content)
    assert refused.value.code == code
    assert "王秀英" not in str(refused.value.as_dict())


def test_a_roster_without_people_is_told_what_it_lacks():
    """There is no first person to find fault with: the key is named, and the shape shown."""
    with pytest.raises(PlatformError) as refused:
        Roster.from_dict({"patients": []})
    error = refused.value
    assert "`people`" in error.zh and "`people`" in error.en and "第 1 个人" not in error.zh
    for hint in (error.next_zh, error.next_en):
        assert '{"people": [{"names": ["…"], "numbers": ["…"], "addresses": ["…"]}]}' in hint


def test_a_roster_does_not_show_who_is_in_it():
    """It appears in tracebacks and logs otherwise."""
    assert "何首乌" not in repr(ROSTER)


def test_many_notes_give_what_each_gives_alone():
    """One automaton reads them all, in their order, the empty one too."""
    notes = ["患者何首乌", "", "无", "王女士，13876543210", "何\u200b首乌", "Li Na签字"]
    assert list(ROSTER.find_many(notes)) == [ROSTER.find(note) for note in notes]


HAN = st.text(alphabet="何首乌王秀英欧阳慧敏，。、 　\n·-.女士主任A1", max_size=40)


@settings(deadline=None, max_examples=60)
@given(HAN, st.sampled_from(["何首乌", "王秀英", "欧阳慧敏", "13876543210"]), HAN)
def test_a_known_value_is_covered_whatever_stands_around_it(before: str, value: str, after: str):
    """Also by another known value that begins earlier and ends later."""
    text = before + value + after
    places = {at for one in ROSTER.find(text) for at in range(one.start, one.end)}
    start = len(before)
    assert set(range(start, start + len(value))) <= places


@settings(deadline=None)
@given(st.text(max_size=80))
def test_the_quick_way_and_the_slow_way_find_the_same(text: str):
    """A zero-width space sends a note the slow way; without effect on what is found."""
    slow = ROSTER.find("\u200b" + text)
    quick = ROSTER.find(text)
    assert [(one.kind, one.start, one.end) for one in quick] == [
        (one.kind, one.start - 1, one.end - 1) for one in slow
    ]


def of(name: str = "", number: str = "") -> Roster:
    return Roster((Person("a", (name,) if name else (), (number,) if number else ()),))


LEAKED = [
    (of("Wang Xiaoming"), "WANG XM signed", "WANG XM"),
    (of("Wang Xiaoming"), "X.M. Wang signed", "X.M. Wang"),
    (of("Xiaoming Wang"), "wang, X.-M.", "wang, X.-M"),
    (of("Wang Xiao Ming"), "Wang X. M.", "Wang X. M"),
    (of("John Smith"), "J. Smith", "J. Smith"),
    (of("王曉明"), "患者王晓明入院", "王晓明"),
    (of("黃國強"), "患者黄国强入院", "黄国强"),
    (of("黄国强"), "患者黃國強入院", "黃國強"),
    (of("Hans Müller"), "Muller Hans signed", "Muller Hans"),
    (of("Müller"), "Muller Hans", "Muller"),
    (of("Hans Muller"), "Hans Mu\u0308ller", "Hans Mu\u0308ller"),
    (of("Wang Xiaoming"), "患者Wáng Xiǎomíng", "Wáng Xiǎomíng"),
    (of("Wáng Xiǎomíng"), "Wang Xiaoming", "Wang Xiaoming"),
    (of("王小明"), "患者王*小*明入院", "王*小*明"),
    (of("王小明"), "王【小】明", "王【小】明"),
    (of("王小明"), "王，小，明", "王，小，明"),
    (of(number="13812345678"), "138,1234,5678", "138,1234,5678"),
    (of(number="13812345678"), "手机尾号5678", "5678"),
    (of(number="13812345678"), "后四位为 5678", "5678"),
    (of(number="46002519710312481X"), "身份证后4位：481x", "481x"),
    (of(number="ZY20240318025"), "住院20240318025", "20240318025"),
    (of(number="00123456"), "病人123456", "123456"),
]


@pytest.mark.parametrize(("roster", "text", "value"), LEAKED, ids=[case[1] for case in LEAKED])
def test_no_way_of_writing_hides_a_known_value(roster: Roster, text: str, value: str):
    """Traditional characters, marks on letters, any sign between, the last four digits, no prefix."""
    assert [text[one.start : one.end] for one in roster.find(text)] == [value]


@pytest.mark.parametrize("text", ["患者主张，伟大", "尾号1234", "尾号56789", "WBC 5678", "2024031802512"])
def test_folding_finds_nobody_new(text: str):
    people = Person("a", ("张伟",), ("13812345678", "ZY20240318025"))
    assert Roster((people,)).find(text) == []


@pytest.mark.parametrize("text", ["lump in the breast", "a LUMP", "Wang xm", "xmwang", "WANGXMA"])
def test_initials_are_capitals_or_nobodys(text: str):
    """Lu M. P. is no lump, and a person's initials stand apart."""
    assert [text[one.start : one.end] for one in of("Wang Xiaoming").find(text)] == []
    assert of("Lu Ming Pei").find("lump") == []


def test_one_person_in_both_ways_of_writing_is_one_surrogate():
    """王曉明 and 王晓明 of one record, or of two records of nobody else: the same code; another person's is another."""
    context = TextContext(
        "p", "x", b"k" * 32, roster=Roster((Person("a", ("王曉明", "王小明")), Person("b", ("李强",))))
    )
    made = clean("王曉明、王晓明、王小明、李强", context).surrogates
    assert made["王曉明"] == made["王晓明"] == made["王小明"] != made["李强"]
    two = replace(context, roster=Roster((Person("a", ("王曉明",)), Person("b", ("王晓明",)))))
    apart = clean("王曉明、王晓明", two).surrogates
    assert apart["王曉明"] == apart["王晓明"]


def test_the_table_of_characters_maps_one_to_one_and_ends():
    """No simplified character is itself folded further: roster and text meet in one spelling."""
    pairs = simplified_characters()
    assert len(pairs) > 400 and not pairs.keys() & set(pairs.values())
