"""Cleaning: no planted value in any form, the same surrogates for the same patient, nothing cleaned twice."""

from __future__ import annotations

import json
import os
import re
import time
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.free_text import FILLINGS, TUNING, Values, fill, read_templates, wilson
from deidentify.free_text.clean import DETECTORS, clean, find_all
from deidentify.free_text.detector import Span, TextContext
from deidentify.free_text.lexicon import TABLE as LEXICON
from deidentify.free_text.lexicon import clinical_words
from deidentify.free_text.merge import merge
from deidentify.free_text.seeds import Person, Roster
from deidentify.free_text.surrogates import LABELS, own_surrogates, surrogate
from deidentify.identifiers_cn import found, is_mobile, is_resident_id, scan
from rwd_platform.core.errors import PlatformError

KEY = b"a key of thirty-two bytes, or so"
PEOPLE = (
    Person(
        "patient",
        ("何首乌",),
        ("460025197103124810", "13876543210", "ZY20240318025"),
        ("海南省琼海市嘉积镇东风路18号",),
    ),
    Person("wife", ("王秀英",)),
)
CONTEXT = TextContext("p1.intl.1.aaaa", "R-017", KEY, -53, Roster(PEOPLE))
NOTE = (
    "患者何首乌，男，53岁，身份证号４６００２５ 19710312 4810，2023年11月5日入院，11月8日手术，电话138 7654 3210，"
    "住院号ZY20240318025。妻子王秀英，现住海南省琼海市嘉积镇东风路18号。王女士诉其间断胸闷3月。方剂：何首乌12g。"
)


def test_a_note_comes_out_with_surrogates_and_shifted_dates():
    """Types stay readable, one person is one code, dates keep their distance, the herb is still a herb."""
    cleaned = clean(NOTE, CONTEXT)
    plain = re.sub("·[A-Z]{4}⟧", "⟧", cleaned.text)
    plain = re.sub("(姓名|身份证|手机|院内号|地址)[A-Z]{4}⟧", r"\1⟧", plain)
    assert plain == (
        "患者⟦姓名⟧，男，53岁，身份证号⟦身份证⟧，⟦2023年9月13日⟧入院，⟦9月16日⟧手术，电话⟦手机⟧，"
        "住院号⟦院内号⟧。妻子⟦姓名⟧，现住⟦地址⟧。⟦姓名⟧女士诉其间断胸闷3月。方剂：何首乌12g。"
    )
    assert cleaned.surrogates["王秀英"] == cleaned.surrogates["王"] != cleaned.surrogates["何首乌"]


def squeezed(text: str) -> str:
    return re.sub(r"[\s\-·._]", "", unicodedata.normalize("NFKC", text)).lower()


FORMS = {
    "as it is": str,
    "full width": lambda value: value.translate({code: code + 0xFEE0 for code in range(0x21, 0x7F)}),
    "spaced": " ".join,
    "zero-width": "\u200b".join,
    "right-to-left marks": "\u200f".join,
    "broken": lambda value: value[:2] + "\n" + value[2:],
}
AROUND = ["患者{}，入院", "{}", "术后{}复查", "（{}）", "A{}。", "见{}及{}"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("around", AROUND)
def test_no_planted_value_survives_in_any_form(form: str, around: str):
    """Names, ids, phones, record numbers and addresses of the roster, however they are typed."""
    for person in PEOPLE:
        for value in (*person.names, *person.numbers, *person.addresses):
            cleaned = clean(around.replace("{}", FORMS[form](value)), CONTEXT).text
            assert squeezed(value) not in squeezed(cleaned)
            assert squeezed(value)[-8:] not in squeezed(cleaned) or len(value) < 8


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6))
def test_no_generated_value_survives_when_the_roster_knows_it(seed: int):
    """Whatever the template: the structured record is what protects."""
    (template,) = [one for one in read_templates(TUNING) if one.startswith("联系人：{NAME}（配偶）")]
    for filled in fill([template], seed, 1):
        values = {kind: filled.text[start:end] for kind, start, end in filled.planted}
        person = Person("x", (values["NAME"],), (values["MOBILE"],), (values["ADDR"],))
        cleaned = clean(filled.text, replace(CONTEXT, roster=Roster((person,)))).text
        assert not any(squeezed(value) in squeezed(cleaned) for value in values.values())


def test_places_lead_back_to_the_original():
    """The account of what was replaced points into the text as it was received."""
    cleaned = clean(NOTE, CONTEXT)
    pieces = [NOTE[span.start : span.end] for span in cleaned.spans]
    assert pieces == [
        "何首乌", "４６００２５ 19710312 4810", "2023年11月5日", "11月8日", "138 7654 3210", "ZY20240318025", "王秀英",
        "海南省琼海市嘉积镇东风路18号", "王",
    ]  # fmt: skip
    assert all(cleaned.surrogates[piece] in cleaned.text for piece in pieces)


def test_a_surrogate_is_stable_for_a_patient_and_shares_nothing_between_two():
    """Nor between two projects, nor two keys: codes cannot be joined."""
    contexts = [
        CONTEXT,
        replace(CONTEXT, patient="p1.intl.1.bbbb"),
        replace(CONTEXT, project="R-018"),
        replace(CONTEXT, key=KEY[::-1]),
        replace(CONTEXT, suite="gm"),
    ]
    made = [surrogate(context, found.MOBILE, "13876543210") for context in contexts]
    assert len(set(made)) == len(contexts)
    assert surrogate(CONTEXT, found.MOBILE, "+86 138-7654-3210") == made[0]
    assert surrogate(CONTEXT, found.MOBILE, "１３８７６５４３２１０") == made[0]
    assert surrogate(CONTEXT, found.MOBILE, "13876543211") != made[0]
    assert clean(NOTE, CONTEXT).text == clean(NOTE, CONTEXT).text


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(sorted(LABELS)), st.text(max_size=20), st.binary(min_size=32, max_size=32))
def test_a_surrogate_is_no_identifier_of_anybody(kind: str, value: str, key: bytes):
    """It can equal no name of a roster, no id, no phone: its brackets stand in nobody's."""
    made = surrogate(replace(CONTEXT, key=key), kind, value)
    assert made.startswith("⟦") and made.endswith("⟧")
    assert not is_resident_id(made) and not is_mobile(made) and scan(made) == []
    assert not Roster(PEOPLE).holds(made)


@pytest.mark.parametrize(
    "text", [NOTE, "", "无异常。", "农历八月十五，3月12日，张先生", "a\ufeffb", "⟦姓名AAAA·BBBB⟧王秀英"]
)
def test_cleaning_what_is_clean_changes_nothing(text: str):
    """Above all, no date is shifted twice."""
    once = clean(text, CONTEXT).text
    again = clean(once, CONTEXT)
    assert again.text == once and again.spans == ()


@pytest.mark.parametrize(
    "hidden", ["王秀英", "13876543210", "2023年11月5日·ABCD", "姓名AAAA·王秀英", "姓名KDFA·QTDM"]
)
def test_brackets_that_somebody_else_wrote_hide_nothing(hidden: str):
    """A surrogate proves by the key that it is one; other brackets become ordinary and are read through."""
    cleaned = clean(f"患者⟦{hidden}⟧入院", CONTEXT).text
    assert "王秀英" not in cleaned and "13876543210" not in cleaned and "2023年11月5日" not in cleaned
    kept = [cleaned[start:end] for start, end in own_surrogates(CONTEXT, cleaned)]
    assert cleaned.count("⟦") == len(kept)
    other = replace(CONTEXT, patient="p2")
    assert own_surrogates(other, clean(NOTE, CONTEXT).text) == []


class Nose:
    """A detector that a hospital plugs in: it smells the word 保密."""

    name, version = "nose", "9"

    def find(self, text: str, context: TextContext) -> Sequence[Span]:
        return [Span("secret", match.start(), match.end(), self.name) for match in re.finditer("保密", text)]


class Stubborn(Nose):
    """A detector that finds something in every text."""

    def find(self, text: str, context: TextContext) -> Sequence[Span]:
        return [Span("secret", 0, 1, self.name)] if text else []


def test_a_detector_plugs_in_behind_the_one_interface():
    """What it finds is replaced by a surrogate of the type that says no more than it knows."""
    cleaned = clean("此事保密。", CONTEXT, (*DETECTORS, Nose()))
    assert re.fullmatch("此事⟦标识[A-Z]{4}·[A-Z]{4}⟧。", cleaned.text)
    assert cleaned.detectors[-1] == "nose 9" and cleaned.detectors[0].startswith("seeds ")


def test_a_text_in_which_something_is_left_is_withheld():
    """The second reading must find nothing; the message names kinds and no value."""
    with pytest.raises(PlatformError) as withheld:
        clean("此事保密王秀英", CONTEXT, (*DETECTORS, Stubborn()))
    assert withheld.value.code == "text.withheld" and withheld.value.exit == 3
    assert "王秀英" not in str(withheld.value.as_dict())


def test_a_short_key_is_refused_and_no_key_shows():
    """Numbers are guessable, so all of the protection lies in the key."""
    with pytest.raises(PlatformError) as refused:
        clean(NOTE, replace(CONTEXT, key=b"short"))
    assert refused.value.code == "text.key_unfit"
    assert (
        "thirty" not in repr(CONTEXT)
        and "-53" not in repr(CONTEXT)
        and "王秀英" not in repr(clean(NOTE, CONTEXT))
    )


def test_without_an_offset_dates_are_replaced():
    """A project that gives days since index has no shifted dates; a true date never stays."""
    cleaned = clean("2023年11月5日入院，术后第3天", replace(CONTEXT, days=None)).text
    assert re.fullmatch("⟦日期[A-Z]{4}·[A-Z]{4}⟧入院，术后第3天", cleaned)


OVERLAPS = [
    ("apart", [(0, 2, "rules"), (3, 5, "rules")], [(0, 2, "rules"), (3, 5, "rules")]),
    ("touching", [(0, 2, "rules"), (2, 5, "rules")], [(0, 2, "rules"), (2, 5, "rules")]),
    ("inside", [(0, 9, "segments"), (3, 5, "seeds")], [(0, 9, "seeds")]),
    ("chained", [(0, 3, "segments"), (2, 6, "rules"), (5, 9, "segments")], [(0, 9, "rules")]),
    ("plugged in", [(0, 3, "segments"), (0, 3, "model")], [(0, 3, "model")]),
    ("none", [], []),
]


@pytest.mark.parametrize(("how", "spans", "merged"), OVERLAPS, ids=[case[0] for case in OVERLAPS])
def test_overlapping_findings_become_their_union(
    how: str, spans: list[tuple[int, int, str]], merged: list[tuple[int, int, str]]
):
    """Nothing that was found is given up; the surest detector says what it is."""
    result = merge([Span("name", start, end, detector) for start, end, detector in spans])
    assert [(one.start, one.end, one.detector) for one in result] == merged


@settings(deadline=None, max_examples=30)
@given(st.text(max_size=120))
def test_any_text_can_be_cleaned(text: str):
    """Control characters, lone surrogates, marks of direction: cleaned, or withheld, and never a crash."""
    try:
        cleaned = clean(text, CONTEXT)
    except PlatformError as withheld:
        assert withheld.code == "text.withheld"
        return
    assert find_all(cleaned.text, CONTEXT) == []


HOSTILE = [
    "1", "1 ", "a@a.", "张", "患者：", "阿·", "海南省琼海市", "人民路18号", "医院医", "\u200b1",
    "46,X", "2023-", "⟦", "⟦姓名·", "何首乌",
]  # fmt: skip


@pytest.mark.parametrize("unit", HOSTILE)
def test_the_time_grows_with_the_length_only(unit: str):
    """Four times the text takes about four times the time; a quadratic pattern would take sixteen times."""

    def seconds(size: int) -> float:
        text = (unit * size)[:size]
        began = time.process_time()
        find_all(text, CONTEXT)
        return time.process_time() - began

    find_all(unit * 50, CONTEXT)  # loads what is loaded once
    short, long = (min(seconds(size) for _ in range(2)) for size in (1_500, 6_000))
    assert long < 9 * max(short, 0.01)


def test_the_lexicon_names_its_sources_and_holds_the_known_traps():
    """Each of these was once taken for a person."""
    assert "药典" in LEXICON.read_text(encoding="utf-8")
    assert {"何首乌", "高良姜", "陈旧性", "麻醉", "白术", "黄芪", "周一次", "叶结节"} <= clinical_words()


# Tuning sentences in which a word is still taken for a person or a place. They came from a set that had been
# held out: mending the rules on them would need another set, unseen, before a figure is published again.
# Each is known word by word, so that a sixth, or one of these mended, is seen.
STILL_TAKEN = {
    "胡黄连、马钱子须炮制后用，安宫牛黄丸半丸化服，余甘子喷雾含漱。": ["胡黄连"],
    "王氏连朴饮三剂后呕止；唐氏筛查低风险1:12000，NT 1.2mm。": ["王氏", "唐氏筛"],
    "马方综合征，Bentall术后，华法林3mg/d，INR 2.4，目标2.0-3.0。": ["马方"],
    "吉兰-巴雷综合征可能，Hughes 3级，脑脊液蛋白细胞分离，IVIG 0.4g/kg×5d。": ["巴雷"],
    "广州管圆线虫抗体阳性，日本血吸虫阴性，汉坦病毒IgM弱阳。": ["广州"],
}


@pytest.mark.parametrize("text", [line for line in read_templates(TUNING) if "{" not in line])
def test_in_a_clinical_sentence_without_identifiers_only_known_words_are_taken(text: str):
    """Tuning sentences: a change of the rules that breaks one is seen. No measure of precision."""
    spans = find_all(text, replace(CONTEXT, roster=None))
    assert [text[span.start : span.end] for span in spans] == STILL_TAKEN.get(text, [])


def test_the_labelled_sentences_are_covered():
    """Twenty sentences labelled by hand, on which the rules were tuned: no measure of performance either."""
    suites = Path(os.environ.get("RWD_SUITES", Path(__file__).parents[3].parent / "shared" / "data"))
    file = suites / "deidentification" / "zh_clinical_20.jsonl"
    if not file.is_file():
        pytest.skip("the labelled sentences (RWD_SUITES/deidentification) are not on this machine")
    context = replace(CONTEXT, roster=None)
    vain = []
    for line in file.read_text(encoding="utf-8").splitlines():
        sentence = json.loads(line)
        text, spans = sentence["text"], find_all(sentence["text"], context)
        places = {at for span in spans for at in range(span.start, span.end)}
        for label in sentence["spans"]:
            assert set(range(label["start"], label["end"])) <= places, (label["type"], text)
        labelled = {at for label in sentence["spans"] for at in range(label["start"], label["end"])}
        vain += [span.kind for span in spans if not labelled & set(range(span.start, span.end))]
    # Beds, lots and production parts of a UDI are not labelled there.
    assert set(vain) <= {"bed", "lot-number", "device-production-identifier"} and len(vain) <= 3


def test_a_date_that_is_left_beside_a_shifted_one_keeps_the_text_back():
    """The last line: what no form reads and still shows a year is a reason to withhold, beside a moved date."""
    with pytest.raises(PlatformError) as withheld:
        clean("2024年5月1日入院，自2023~5起胸闷", CONTEXT)
    assert withheld.value.code == "text.date_left" and "2023" not in str(withheld.value.as_dict())
    assert "⟦" in clean("2024.5.1-5.3化疗", CONTEXT).text
    assert not re.search("2024.?5|5[.]3", clean("2024.5.1-5.3化疗", CONTEXT).text)


def test_the_digits_of_a_record_number_are_not_shifted_as_a_date():
    """住院号202403181234 looks like a moment; moved as one, its last digits would stay."""
    assert "1234" not in clean("住院号202403181234", CONTEXT).text


def test_values_too_short_to_be_sought_are_counted_with_the_text():
    """Kim and A12 are half of English: nobody looks for them, and the result says how many there were."""
    short = Roster((Person("a", ("Kim", "王", "王秀英"), ("A12", "13876543210"), ()),))
    cleaned = clean("王秀英入院", replace(CONTEXT, roster=short))
    assert cleaned.unsought == short.unsought == {"names": 2, "numbers": 1}
    assert clean("王秀英入院", CONTEXT).unsought == {}


NICKNAMES = [
    ("家属小李代诉病史", "小李"), ("嘱老王复查", "老王"), ("小李自诉胸痛", "小李"), ("老张，男", "老张"),
    ("经理张伟签收", "张伟"), ("老师王芳说", "王芳"),
    ("小苏打片口服", ""), ("小于5cm", ""), ("老师傅说", ""), ("骨小梁稀疏", ""), ("小叶增生", ""), ("小陈旧性梗死", ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name"), NICKNAMES)
def test_nicknames_and_names_after_a_callers_title_are_names(text: str, name: str):
    """老 and 小 with a frequent surname where a name can stand; 经理 and 老师 straight before a whole name."""
    spans = find_all(text, replace(CONTEXT, roster=None))
    assert [text[one.start : one.end] for one in spans if one.kind == found.NAME] == ([name] if name else [])


# -- the measuring itself --------------------------------------------------------------------------


def test_values_of_the_evaluation_are_made_from_the_seed_and_are_valid():
    """The same seed, the same sentences; ids pass their check, so that finding them is no accident."""
    templates = ["{ID} {NAME} {MOBILE} {ADDR} {BANK}"]
    first, again = list(fill(templates, 5)), list(fill(templates, 5))
    assert first == again != list(fill(templates, 6)) and len(first) == FILLINGS
    for one in first:
        for slot, start, end in one.planted:
            value = one.text[start:end]
            assert (
                value and (slot != "ID" or is_resident_id(value)) and (slot != "MOBILE" or is_mobile(value))
            )
    assert all(len(Values(seed).name()) >= 2 for seed in range(50))
    with pytest.raises(KeyError):
        list(fill(["{NOTHING}"]))


def test_the_interval_is_wilsons():
    """Against the figures of Newcombe 1998, table I (81 of 263, 15 of 148, 0 of 20)."""
    published = ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611))
    for successes, trials, low, high in published:
        assert wilson(successes, trials) == pytest.approx((low, high), abs=6e-5)
    assert wilson(0, 0) == (0.0, 1.0)
