"""What the demo's people state is complete, in both languages, and pretends nothing: a dossier is read by strangers."""

from __future__ import annotations

import re

import pytest

from studies.evidence.checklists.reader import shared
from studies.evidence.statements import read_statements
from tests.demo.stated import (
    BOTH,
    CHINESE,
    ECONOMIC,
    FOLDER,
    NAMES,
    NUMBER,
    PAPER,
    PLACE,
    STUDIES,
    asked_of,
    choices_of,
    containing,
    everything,
    file_of,
    pairs_of,
    reasons_of,
    statements_of,
    texts_of,
)

LEAST, MOST, SENTENCES = 25, 1800, 4


# -- whole ------------------------------------------------------------------------------------------


@BOTH
def test_every_statement_that_is_asked_is_there_and_none_that_nobody_asks(study: str):
    """A missing one would leave a hole in the demo's dossier; an unknown one would be refused when it is read."""
    asked = (set(shared().statements) - ECONOMIC) | set(asked_of(study))
    said = {id for id in statements_of(study) if "." not in id}
    assert said == asked
    assert set(statements_of(study)) - said <= reasons_of(study), "a reason belongs to an item that is asked"


def test_only_economics_is_left_out_of_the_checklists():
    """The guard of the test above: were everybody an economist, nothing would be asked."""
    assert {"economic_title", "cost_valuation", "engagement_effect"} <= ECONOMIC
    assert not {"abstract", "funding", "adverse_reporting"} & ECONOMIC
    assert len(ECONOMIC) < len(shared().statements) / 2


@BOTH
def test_a_file_has_a_version_and_says_in_its_first_line_what_it_is(study: str):
    lines = (FOLDER / f"{study}.yaml").read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ") and not lines[1].startswith("#")
    assert list(file_of(study)) == ["format_version", "statements"]
    assert file_of(study)["format_version"] == 1


@BOTH
def test_no_id_stands_twice_in_a_file(study: str):
    """YAML would keep the second one and say nothing."""
    ids = re.findall(
        r"^  ([A-Za-z0-9_.-]+):", (FOLDER / f"{study}.yaml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(ids) == len(set(ids)) == len(statements_of(study))


@BOTH
def test_a_choice_is_the_id_of_a_choice_and_everything_else_a_pair_of_texts(study: str):
    choices = choices_of(study)
    assert "priority_situation" in choices
    for id, said in statements_of(study).items():
        if id in choices:
            assert said in (choices[id].choices or {}), id
        else:
            assert list(said) == ["zh", "en"] and all(isinstance(text, str) for text in said.values()), id


@BOTH
def test_the_platform_takes_the_file_as_it_stands(study: str):
    """Read as a researcher's would be: nothing refused, nothing stripped, no English filled in with Chinese."""
    read = read_statements((FOLDER / f"{study}.yaml").read_text(encoding="utf-8"))
    assert set(read) == set(statements_of(study))
    assert {id: (one.zh, one.en) for id, one in read.items() if id in pairs_of(study)} == pairs_of(study)


# -- both languages ---------------------------------------------------------------------------------


@BOTH
def test_each_text_is_long_enough_in_both_languages_and_within_what_its_profiles_allow(study: str):
    for _, id, language, text in texts_of(study):
        assert LEAST <= len(text) < MOST, f"{id}.{language}: {len(text)}"
        for one in asked_of(study).get(id, []):
            assert one.least <= len(text) <= (one.most or MOST), f"{id}.{language}: {len(text)}"


@BOTH
def test_a_text_is_one_paragraph_of_a_few_whole_sentences(study: str):
    ends = {"zh": r"[。！？]", "en": r"[.!?](?=\s|$)"}
    for _, id, language, text in texts_of(study):
        place = f"{id}.{language}"
        assert text == text.strip() and text.isprintable() and "  " not in text, place
        assert re.search(rf"(?:{ends[language]})$", text), f"{place} has no end"
        assert 1 <= len(re.findall(ends[language], text)) <= SENTENCES, place


@BOTH
def test_chinese_is_chinese_and_english_is_english(study: str):
    for id, (zh, en) in pairs_of(study).items():
        assert len(CHINESE.findall(zh)) > len(zh) / 3, id
        assert not CHINESE.search(en), id
        assert not re.search(r"[\uff00-\uffef\u3000-\u303f]", en), f"{id}: full-width marks in English"
        assert not re.search(r"[,;:?!()](?!\d{3}|R1|$)", NAMES.sub("", zh)), (
            f"{id}: half-width marks in Chinese"
        )
        assert not re.search(r"[\u3400-\u9fff][A-Za-z0-9]|[A-Za-z0-9][\u3400-\u9fff]", zh), f"{id}: no space"


@BOTH
def test_both_languages_name_the_same_numbers_papers_and_places(study: str):
    """One that says more than the other is a translation that somebody forgot."""
    for id, (zh, en) in pairs_of(study).items():
        for pattern in (PAPER, PLACE):
            assert set(pattern.findall(zh)) == set(pattern.findall(en)), id
        assert set(NUMBER.findall(NAMES.sub("", zh))) == set(NUMBER.findall(NAMES.sub("", en))), id


@BOTH
def test_neither_language_is_a_fragment_of_the_other(study: str):
    """An English character carries about a third of a Chinese one."""
    odd = {
        id: len(en) / len(zh) for id, (zh, en) in pairs_of(study).items() if not 2 <= len(en) / len(zh) <= 5
    }
    assert not odd


@pytest.mark.parametrize("language", [0, 1], ids=["zh", "en"])
def test_no_text_stands_twice(language: int):
    """Not in both studies either: a copied text is true of one of them at most."""
    texts = [pair[language] for study in STUDIES for pair in pairs_of(study).values()]
    assert len(texts) == len(set(texts)) > 100


@BOTH
def test_no_sentence_of_a_study_stands_twice(study: str):
    """The second time it says nothing."""
    said = [one for text in texts_of(study) for one in re.split(r"[。；;]|\.(?=\s|$)", text[-1])]
    whole = [one.strip() for one in said if len(one.strip()) >= 12]
    assert sorted({one for one in whole if whole.count(one) > 1}) == []


# -- no results, no pretence ------------------------------------------------------------------------


RESULTS = (
    r"[%％‰]|百分之|百分点|\bper ?cent\b|percentage",
    r"\d[.．·]\d",
    r"\b(?:HR|RR|OR|SMD|CI)\b|[Pp]\s*[<>=＜＞＝]",
    r"\d\s*[–~～]\s*\d",
    r"显著|\bsignifican(?:t|ce of)",
)
NO_RESULT = re.compile(NAMES.pattern + "|1978–1993")


@pytest.mark.parametrize("result", RESULTS)
def test_no_text_holds_what_looks_like_a_result(result: str):
    """A share, a decimal, an estimate's name, an interval, a verdict: they change with the run."""
    assert containing(result, NO_RESULT) == []


@pytest.mark.parametrize(
    "said",
    ["风险比为 0.67", "成功率 78 %", "HR was two", "达到百分之八十", "p < 1", "区间 33–190", "差别显著"],
)
def test_what_looks_like_a_result_would_be_found(said: str):
    """The guard of the test above."""
    assert any(re.search(one, NO_RESULT.sub("", said)) for one in RESULTS)


def test_a_paper_has_a_demo_number_that_is_called_invented():
    found = 0
    for study, id, language, text in everything():
        for paper in PAPER.finditer(text):
            found += 1
            around = text[max(0, paper.start() - 80) : paper.end() + 80]
            assert ("虚构" if language == "zh" else "invented") in around, f"{study}.{id}.{language}"
    assert found >= 8


def test_no_paper_has_a_number_that_could_be_a_real_one():
    """国械注进20193130001, CTR20190001, NCT01234567, ChiCTR2000000001, 国药准字H20190001."""
    assert containing(r"国械注|国药准字|CTR\d|NCT\d|ChiCTR|ISRCTN|琼药监|GCP\d") == []


def test_nothing_is_said_to_have_been_granted_signed_or_agreed():
    """The demo has no certificate, licence, approval, agreement or meeting; a slip of the pen would claim one."""
    assert containing(r"(?<![未没有尚])(?:已取得|已获|已批准|已签|持有(?!人)|已达成|已上市)") == []
    assert (
        containing(r"\b(?:has been|was|were) (?:granted|approved|licensed|signed|authorised|agreed)\b") == []
    )


NONE = {"zh": r"没有|从未|不提|尚无|未经", "en": r"\b(?:no|not|none|never|neither|nobody|nor)\b"}
ABSENT = (
    *("product_consent", "funding", "registration", "registration_certificate", "communication"),
    *("special_use", "production", "used_in_registration", "agent", "urgent_import", "report_period"),
    *("hospital_agreement", "label_change", "non_clinical", "foreign_status", "risk_minimisation"),
    *("use", "topics", "accuracy", "code_validation", "linkage", "system_validation", "gap"),
    *("access_control", "stage_control", "adverse_reporting"),
)


@BOTH
@pytest.mark.parametrize("id", ABSENT)
def test_what_was_not_done_or_does_not_exist_is_said(study: str, id: str):
    """No paper, no meeting, no chart review, no double reading: each says so in both languages."""
    for language, text in zip(("zh", "en"), pairs_of(study)[id], strict=True):
        assert re.search(NONE[language], text, re.IGNORECASE), text


@BOTH
@pytest.mark.parametrize("id", ["abstract", "not_claimed", "product"])
def test_whoever_reads_one_text_alone_learns_that_it_is_a_demonstration(study: str, id: str):
    zh, en = pairs_of(study)[id]
    assert "演示" in zh and "虚构" in zh
    assert re.search(r"\bdemo(?:nstration)?\b", en, re.IGNORECASE) and "invented" in en


@BOTH
def test_no_decision_may_rest_on_it(study: str):
    for id in ("abstract", "not_claimed"):
        zh, en = pairs_of(study)[id]
        assert re.search(r"不能用于|不得", zh) and re.search(r"supports no|no decision", en)


# -- words ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word",
    [
        r"并发事件|共变量|协变数|截尾数据|审查数据|生存率分析",  # 伴发事件, 协变量, 删失
        r"数据湖|数据锁库|索引日|指标日|恒定时间|验证性",  # 研究数据库, 数据锁定, 起始日, 永恒时间偏倚, 确证性
        r"领先|创新|卓越|优异|完美|全面|强大|赋能|抓手|闭环|一流|首创|高质量",
        r"\b(?:state-of-the-art|robust(?!\s+prior)|powerful|comprehensive|cutting|seamless|novel|excellent)\b",
        r"\b(?:very|really(?! have| are)|clearly|obviously|of course)\b|显然|众所周知|毫无疑问",
        r"TO[D]O|TB[D]|待补|略。|同上|见上",
        r"患者们|被进行|进行了|予以了|作出了",  # translated, not written
        r"/(?:home|work|tmp|usr)/|https?://|\\",
    ],
)
def test_words_that_an_editor_would_strike_are_not_there(word: str):
    assert containing(word) == []


def test_the_words_of_the_field_are():
    said = " ".join(text for *_, language, text in everything() if language == "zh")
    for word in [
        "伴发事件",
        "删失",
        "协变量",
        "数据锁定",
        "起始日",
        "估计目标",
        "结局",
        "假名",
        "隔离",
        "目标值",
        "倾向评分",
    ]:
        assert word in said, word
