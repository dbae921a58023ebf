"""What people write for a dossier: read from a file, held to what is asked, kept as words whatever it says."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.core.errors import PlatformError
from rwd_platform.core.text import Bilingual
from studies.evidence.checklists.reader import every_checklist, shared
from studies.evidence.profiles.dossier import WHO
from studies.evidence.profiles.profile import profile, profiles
from studies.evidence.statements import (
    LONGEST,
    SHORTEST_REASON,
    asked,
    asked_by,
    asked_for,
    blank_file,
    check,
    check_all,
    document,
    of_profile,
    read_statements,
)
from tests.evidence.fixtures import fit_statements

HEAD = "format_version: 1\nstatements:\n"
HOSTILE = '<script>alert(1)</script> =cmd|" /C calc"!A0 {{7*7}} %s %(x)s ${HOME} ../../etc/passwd \'; DROP TABLE x;--'
CHOICE = "priority_situation"


def refusal(text: str) -> PlatformError:
    with pytest.raises(PlatformError) as told:
        read_statements(text)
    assert all(told.value.as_dict().values()), "said in both languages, with what to do next"
    return told.value


def unfit(id: str, zh: str, en: str = "") -> PlatformError:
    with pytest.raises(PlatformError) as told:
        check(id, Bilingual(zh, en))
    return told.value


def words(number: int) -> str:
    return "字" * number


# What is asked


def test_all_that_profiles_and_checklists_ask_is_asked_once_with_who_and_what() -> None:
    ids = {one.id for each in profiles().values() for one in each.statements} | set(shared().statements)
    reasons = {f"{each.id}.{item.id}" for each in every_checklist() for item in each.items}
    reasons |= {f"part.{part.id}" for each in profiles().values() for part in each.parts if part.files}
    assert set(asked()) == ids | reasons
    for id, one in asked().items():
        assert one.id == id and 0 < one.least <= one.most <= LONGEST
        assert all((*one.asks, *one.who, *one.next)), id
        assert (one.choices is None) or all(key == key.lower() for key in one.choices)


def test_where_two_ask_the_same_the_stricter_lengths_hold() -> None:
    """`communication` is a checklist's without limits and a registration's of 10 to 4000 characters."""
    assert "communication" in shared().statements
    assert (asked()["communication"].least, asked()["communication"].most) == (10, 4000)
    for each in profiles().values():
        for one in each.statements:
            found = asked()[one.id]
            assert found.choices == one.choices
            assert one.choices or (found.least >= one.least and found.most <= one.most), one.id


def test_a_reason_why_an_item_has_no_answer_is_a_sentence_and_not_a_word() -> None:
    assert asked()["TARGET.6"].least == SHORTEST_REASON
    assert unfit("TARGET.6", "无").code == "evidence.statement_unfit"
    assert check("TARGET.6", Bilingual(words(SHORTEST_REASON), "")).zh == words(SHORTEST_REASON)


@pytest.mark.parametrize("id", sorted(profiles()))
def test_what_a_profile_may_ask_is_listed_once_its_own_parts_first(id: str) -> None:
    one = profile(id)
    listed = asked_for(one)
    assert len(listed) == len(set(listed)) and set(listed) <= set(asked())
    own = [part.statement for part in one.parts if part.statement]
    assert list(listed[: len(own)]) == own
    assert {each.id for each in one.statements} <= set(listed)


# Checking


def test_ends_are_stripped_and_blank_english_is_the_chinese() -> None:
    assert check("funding", Bilingual("  无资助 \n", " \n ")) == Bilingual("无资助", "无资助")
    assert check("funding", Bilingual("无", " none ")) == Bilingual("无", "none")


@pytest.mark.parametrize(("number", "fits"), [(19, False), (20, True), (2000, True), (2001, False)])
def test_lengths_hold_at_their_ends_in_each_language(number: int, fits: bool) -> None:
    for zh, en in ((words(number), words(100)), (words(100), words(number))):
        if fits:
            assert check("gap", Bilingual(zh, en)) == Bilingual(zh, en)
        else:
            assert unfit("gap", zh, en).code == "evidence.statement_unfit"


def test_nine_thousand_characters_are_too_many_for_anything() -> None:
    for id, one in asked().items():
        if one.choices is None:
            told = unfit(id, words(9000))
            assert told.code == "evidence.statement_unfit" and str(one.most) in told.en
            assert "字字" not in str(told.as_dict()), "what was written is not repeated"


def test_spaces_alone_are_no_statement_however_many() -> None:
    for blank in ("", " " * 50, "\n" * 50, "\u3000" * 50, "\u00a0" * 50):
        assert unfit("gap", blank, words(50)).code == "evidence.statement_unfit"


@pytest.mark.parametrize(
    "sign",
    [
        "\x00", "\x07", "\x1b[31m", "\t", "\r", "\x0b", "\x7f", "\x85", "\u200b", "\u202e", "\u2028", "\ufeff",
        "\ud800", "\ue000", "\U000e0001",
    ],
)  # fmt: skip
def test_what_does_not_print_is_refused_and_not_repeated(sign: str) -> None:
    for said in (Bilingual(f"前{sign}后", ""), Bilingual("前后", f"a{sign}b")):
        with pytest.raises(PlatformError) as told:
            check("funding", said)
        assert told.value.code == "evidence.statement_unfit"
        assert "control signs" in told.value.en and sign not in str(told.value.as_dict())


def test_paragraphs_as_people_write_them_are_taken() -> None:
    """Two wide spaces begin a Chinese paragraph; a browser's form ends its lines with two signs."""
    said = check("funding", Bilingual("第一段。\r\n\r\n\u3000\u3000第二段，10\u00a0mg。", "One.\r\nTwo."))
    assert said == Bilingual("第一段。\n\n\u3000\u3000第二段，10\u00a0mg。", "One.\nTwo.")


def test_hostile_words_stay_the_same_words() -> None:
    said = check("funding", Bilingual(HOSTILE, HOSTILE))
    assert said == Bilingual(HOSTILE, HOSTILE)
    stated = json.loads(json.dumps(document(profile("reg_drug"), {"funding": said})))["statements"]["funding"]
    assert stated["said"] == [HOSTILE, HOSTILE]


@pytest.mark.parametrize(
    "id", ["", "nothing", "GAP", "gap ", "TARGET.999", "x" * 5000, "a\nb", "姓名张三", "../x"]
)
def test_an_unknown_id_is_refused_and_repeated_only_where_it_is_one(id: str) -> None:
    with pytest.raises(PlatformError) as told:
        check(id, Bilingual(words(50), ""))
    assert told.value.code == "evidence.statement_unknown"
    shown = told.value.as_dict()["en"]
    assert (id in shown) if id in ("nothing", "GAP", "TARGET.999") else ("?" in shown and len(shown) < 200)


def test_a_choice_is_one_of_its_ids_in_both_languages() -> None:
    choices = asked()[CHOICE].choices
    assert choices and len(choices) > 2
    for id in choices:
        assert check(CHOICE, Bilingual(id, id)) == Bilingual(id, id)
    first = next(iter(choices))
    wrong = [("", ""), ("none", "none"), (first, ""), (first, "other"), (first.upper(), first.upper())]
    wrong += [(f" {first}", f" {first}"), (choices[first].zh, choices[first].en)]
    for zh, en in wrong:
        told = unfit(CHOICE, zh, en)
        assert told.code == "evidence.statement_unfit" and all(id in told.en for id in choices)


def test_one_that_is_unfit_refuses_all() -> None:
    good = fit_statements()
    assert check_all(good) == good
    with pytest.raises(PlatformError, match="statement_unfit"):
        check_all(good | {"gap": Bilingual("短", "short")})


# The file


@pytest.mark.parametrize("id", sorted(profiles()))
def test_a_file_as_given_out_is_read_back_as_nothing_or_as_what_was_said(id: str) -> None:
    one = profile(id)
    assert read_statements(blank_file(one, {})) == {}
    said = of_profile(one, fit_statements())
    assert set(asked_for(one)) <= set(said)
    assert read_statements(blank_file(one, said)) == said
    assert read_statements(blank_file(one, fit_statements())) == said, "what another purpose asks stays out"


def test_a_reason_that_was_given_is_in_the_file_it_belongs_to() -> None:
    said = {"TARGET.6": Bilingual("未逐项列出全部要素。", "Not all elements are listed.")}
    assert read_statements(blank_file(profile("reg_drug"), said)) == said
    assert read_statements(blank_file(profile("award"), said)) == {}


@settings(max_examples=60)
@given(
    zh=st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"]), min_size=10),
    en=st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"])),
    lines=st.lists(
        st.sampled_from(["- a", "# b", "key: c", '"', "'", "\\", "---", "...", "!!x", "&a", "*a"])
    ),
)
def test_any_words_survive_the_file(zh: str, en: str, lines: list[str]) -> None:
    """Quotes, backslashes, signs of YAML and of every plane of the alphabet."""
    written = Bilingual("\n".join(["说明文字十个字以上了", zh, *lines]), en)
    said = {
        "used_in_registration": check(
            "used_in_registration", Bilingual(written.zh[:2000], "x" * 10 + en[:999])
        )
    }
    assert read_statements(blank_file(profile("award"), said)) == said


def test_the_file_explains_itself_in_both_languages_and_to_any_reader() -> None:
    text = blank_file(profile("nhsa"), {})
    assert set(yaml.safe_load(text)["statements"]) == set(asked_for(profile("nhsa")))
    for id, choice in (asked()[CHOICE].choices or {}).items():
        assert f"# {id}: {choice.zh} · {choice.en}" in text
    for id in asked_for(profile("nhsa")):
        one = asked_by(profile("nhsa"))[id]
        assert " ".join(one.asks.zh.split()) in text and " ".join(one.next.en.split()) in text
    assert "# 20 至 2000 个字符 · 20 to 2000 characters\n  gap:" in text, "how much is wanted stands above it"


def test_each_purpose_asks_in_its_own_words() -> None:
    """`gap` is asked of a registration and of a reimbursement: neither reader is told of the other's list."""
    drug, insurer = (asked_by(profile(id))["gap"].asks.zh for id in ("reg_drug", "nhsa"))
    assert drug == profile("reg_drug").statement("gap").asks.zh and "注册" in drug and "目录" not in drug
    assert "目录" in insurer and asked()["gap"].asks.zh.count(" / ") >= 1
    stated = document(profile("reg_drug"), {"gap": Bilingual(words(20), "w" * 20)})["statements"]
    assert isinstance(stated, dict) and stated["gap"]["asks"].zh == drug
    for each in profiles().values():
        mine = asked_by(each)
        assert set(mine) == set(asked())
        assert all(mine[one.id].asks == one.asks for one in each.statements)
        assert all((mine[id].least, mine[id].most) == (one.least, one.most) for id, one in asked().items())


def test_roles_have_one_name_in_profiles_and_checklists() -> None:
    """One person reads both: nobody is 申办者 at one line and 申办方 at the next."""
    named = {one.who.zh for each in profiles().values() for one in asked_by(each).values()}
    assert {"申办者", "医疗机构", "研究者"} <= named and not named & {"申办方", "医院"}
    known = {words.en: words.zh for words in WHO.values()}
    for one in (*shared().statements.values(), *shared().places.values()):
        role = one.action.who.en.removeprefix("the ")
        assert known.get(role, one.action.who.zh) == one.action.who.zh, one.id


@pytest.mark.parametrize("rare", ["𠮷", "😀", "🇨🇳", "䶮", "\U00031350", "❤\ufe0f"])
def test_rare_characters_and_pictures_are_text(rare: str) -> None:
    assert check("funding", Bilingual(f"资助方{rare}", "")).zh == f"资助方{rare}"


def test_a_file_of_a_few_lines_is_read() -> None:
    text = (
        HEAD + f"  funding:\n    zh: 无资助\n  {CHOICE}: other\n  conflicts: {{zh: 无, en: none}}\n  gap:\n"
    )
    assert read_statements(text) == {
        "funding": Bilingual("无资助", "无资助"),
        CHOICE: Bilingual("other", "other"),
        "conflicts": Bilingual("无", "none"),
    }


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "[]", "{}", "format_version: 1", "format_version: 2\nstatements: {}",
        "format_version: true\nstatements: {}", "format_version: 1\nstatements: []", HEAD + "  - a",
        "format_version: 1\nstatements: {}\nmore: 1", HEAD + "  1: {zh: 无}", HEAD + "  funding: 无",
        HEAD + "  funding: [无]", HEAD + "  funding: {en: none}", HEAD + "  funding: {zh: '', en: none}",
        HEAD + "  funding: {zh: 1}", HEAD + "  funding: {zh: 无, en: 1}", HEAD + "  funding: {zh: 无, fr: non}",
        HEAD + "  funding: {zh: {zh: 无}}", HEAD + f"  {CHOICE}: {{zh: other, en: other}}",
        HEAD + f"  {CHOICE}: [other]", HEAD + f"  {CHOICE}: yes",
        HEAD + "  funding: {zh: 无\n", "\x00", "format_version: 1\nstatements: {}\n---\nformat_version: 1",
    ],
)  # fmt: skip
def test_what_is_no_such_file_is_refused_with_its_place(text: str) -> None:
    assert refusal(text).code == "evidence.statements_file"


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x,x]\nb: &b [*a,*a,*a,*a]\nc: [*b,*b,*b,*b]\n" + HEAD,
        HEAD + "  funding: &f {zh: 无}\n  conflicts: *f\n",
        HEAD + "  <<: {funding: {zh: 无}}\n",
        HEAD + "  funding: {zh: 无}\n  funding: {zh: 有}\n",
        HEAD + "  funding: {zh: 无, zh: 有}\n",
        HEAD + "  funding: {zh: !!python/object/apply:os.system [id]}\n",
        HEAD + "  funding: " + "[" * 5000,
        HEAD + "  funding: " + "{zh: " * 40,
        HEAD + "  funding: {zh: " + "字" * 1_000_001 + "}\n",
    ],
    ids=["bomb", "alias", "merge", "twice", "key twice", "tag", "deep list", "deep map", "huge"],
)
def test_a_file_made_to_harm_is_refused_at_once(text: str) -> None:
    told = refusal(text)
    assert told.code == "evidence.statements_file" and len(str(told.as_dict())) < 2000


def test_unknown_and_unfit_things_of_a_file_have_their_own_errors() -> None:
    assert refusal(HEAD + "  nothing: {zh: 无}").code == "evidence.statement_unknown"
    assert refusal(HEAD + "  gap: {zh: 短}").code == "evidence.statement_unfit"
    for word in ("something", "Other", "其他", "yes please"):
        told = refusal(HEAD + f"  {CHOICE}: {word}")
        assert told.code == "evidence.statement_unfit" and "other (" in told.en and "other (" in told.zh
    assert refusal(HEAD + '  funding: {zh: "a\\u202eb"}').code == "evidence.statement_unfit"


# What a reader is shown


def test_statements_json_says_what_was_asked_and_a_choice_in_words() -> None:
    said = {"gap": Bilingual(words(20), "w" * 20), CHOICE: Bilingual("other", "other")}
    insurer = profile("nhsa")
    made = document(insurer, dict(reversed(said.items())))["statements"]
    assert isinstance(made, dict) and list(made) == ["gap", CHOICE]
    assert made["gap"] == {"asks": insurer.statement("gap").asks, "said": said["gap"]}
    choices = asked()[CHOICE].choices
    assert choices and made[CHOICE]["said"] == choices["other"] != Bilingual("other", "other")


def test_a_reader_gets_no_words_meant_for_another() -> None:
    """A price argument for an insurer is no business of a registration, nor the other way round."""
    said = fit_statements() | {"CHEERS.1": Bilingual("理由" * 5, "reason" * 2)}
    drug, insurer = (of_profile(profile(id), said) for id in ("reg_drug", "nhsa"))
    assert {"value_social", CHOICE, "CHEERS.1"} <= set(insurer) and {"why_no_trial"} <= set(drug)
    assert not {"value_social", CHOICE, "CHEERS.1"} & set(drug)
    assert not {"why_no_trial", "communication", "CN-2023.primary"} & set(insurer)
    assert of_profile(profile("award"), said).keys() == set(asked_for(profile("award")))
    assert of_profile(profile("award"), {"gone": Bilingual("旧", "old")}) == {}
