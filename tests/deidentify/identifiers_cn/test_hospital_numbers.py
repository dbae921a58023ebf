"""A hospital's own numbers: their forms are learned from its structured feed, and are that hospital's only."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deidentify.identifiers_cn import Registry, learn, scan
from deidentify.identifiers_cn.hospital_numbers import (
    FEWEST_PATIENTS,
    MINIMUM_SUPPORT,
    Form,
    OwnedNumber,
    find_beds,
    find_hospital_numbers,
    find_numbered,
    identifier_values,
)
from deidentify.identifiers_cn.normal_form import NormalText
from rwd_platform.core.errors import PlatformError

CHANCE = random.Random(7)
INPATIENT = [f"ZY{CHANCE.randint(2015, 2025)}{CHANCE.randint(0, 999_999):06}" for _ in range(60)]
OUTPATIENT = [f"{CHANCE.randint(0, 9_999_999):07}" for _ in range(60)]
PATHOLOGY = [
    f"{CHANCE.choice('BCM')}{CHANCE.randint(15, 25)}-{CHANCE.randint(0, 99_999):05}" for _ in range(200)
]


def owned(values: list[str], patients: int = 10) -> list[OwnedNumber]:
    """The values as those of so many patients, in turn."""
    return [OwnedNumber(value, f"p{number % patients}") for number, value in enumerate(values)]


SYSTEMS = {
    "http://h/inpatient": owned(INPATIENT),
    "http://h/outpatient": owned(OUTPATIENT),
    "http://h/pathology": owned(PATHOLOGY),
}


def forms(registry: Registry) -> set[tuple[str, str]]:
    return {(one.system, one.form) for one in registry.forms}


def test_values_become_forms_of_letters_and_counted_digits():
    """Letters that many values share stay; digits are only counted, for next year's are other ones."""
    registry = learn(SYSTEMS)
    assert ("http://h/inpatient", "ZY{10}") in forms(registry)
    assert ("http://h/outpatient", "{7}") in forms(registry)
    assert {("http://h/pathology", f"{letter}{{2}}-{{5}}") for letter in "BCM"} <= forms(registry)


def test_a_registry_holds_no_value():
    """It travels to where texts are read; a number of a patient in it would travel along."""
    text = learn(SYSTEMS).to_toml() + repr(learn(SYSTEMS))
    assert not any(value in text for values in SYSTEMS.values() for value, _ in values)


@pytest.mark.parametrize("patients", [0, 1, FEWEST_PATIENTS - 1, FEWEST_PATIENTS])
def test_letters_that_few_patients_share_are_counted_however_many_values_have_them(patients: int):
    """Thirty visits of one patient whose numbers are WANGXIAOMING01 to 30: the letters are her name."""
    values = [f"WANGXIAOMING{number:02}" for number in range(30)]
    whose = owned(values, patients) if patients else [OwnedNumber(value) for value in values]
    expected = "WANGXIAOMING{2}" if patients >= FEWEST_PATIENTS else "[12]{2}"
    for feed in (whose, [*whose, *values]):
        assert forms(learn({"s": feed})) == {("s", expected)}


@pytest.mark.parametrize(
    "system",
    [
        "http://his/王小明", "http://his/wangxiaoming", "http://his/WangXiaoming", "urn:zhang-wei", "http://h/xiaoming.wang",
        "http://h/460025197103124810", "http://h/13876543210", "病案号", "ＨＩＳ／張偉",
    ],
)  # fmt: skip
def test_a_system_that_may_name_somebody_is_not_written(system: str):
    """The form is kept, for it finds numbers; what it was called at its source is left out."""
    registry = learn({system: owned(INPATIENT)})
    assert forms(registry) == {("", "ZY{10}")}
    assert Registry.from_toml(registry.to_toml()) == registry


@pytest.mark.parametrize(
    "system",
    ["http://h/inpatient", "urn:oid:1.2.156.112635.1", "http://hospital.example.cn/fhir/sid/mrn", ""],
)
def test_an_ordinary_system_is_written_as_it_is(system: str):
    assert forms(learn({system: owned(INPATIENT)})) == {(system, "ZY{10}")}


WHOSE = [
    ({"resourceType": "Patient", "id": "p1"}, "p1"),
    ({"resourceType": "Encounter", "subject": {"reference": "Patient/p1"}}, "p1"),
    ({"resourceType": "Claim", "patient": {"reference": "https://h.example/fhir/Patient/p1"}}, "p1"),
    ({"resourceType": "Observation", "subject": {"reference": "Group/g"}}, ""),
    ({"resourceType": "Practitioner", "id": "d1"}, ""),
    ({"resourceType": "Observation", "subject": "Patient/p1", "patient": [3]}, ""),
]


@pytest.mark.parametrize(("resource", "patient"), WHOSE, ids=[case[0]["resourceType"] for case in WHOSE])
def test_a_number_is_known_by_the_patient_whom_its_resource_is_about(
    resource: dict[str, object], patient: str
):
    """A resource about nobody, or one that is malformed, gives values of nobody."""
    found = list(
        identifier_values({**resource, "identifier": [{"system": "s", "value": "ZY1"}, {"value": 3}]})
    )
    assert found == [("s", OwnedNumber("ZY1", patient))]
    assert list(identifier_values(["x", None])) == []


def test_numbers_are_found_after_traditional_words_and_after_a_bare_one():
    """門診號碼 as 门诊号码; 编号 counts in texts of patients, unless it is a licence's or a protocol's."""
    found = {(one.start, one.end) for one in find_hospital_numbers(NormalText("門診號碼A123456").plain)}
    assert found == {(4, 11)}
    assert [(one.start, one.end) for one in find_numbered("编号0012345")] == [(2, 9)]
    for text in ("注册证编号20233130123", "方案编号00123456", "编号12", "编号：三"):
        assert list(find_numbered(text)) == []


def test_what_few_values_share_is_no_form():
    """A form that one patient alone has would describe that patient's number."""
    few = {"s": INPATIENT[: MINIMUM_SUPPORT - 1] + INPATIENT[:5]}
    assert learn(few).forms == ()
    assert learn({"s": owned(INPATIENT)}, minimum=61).forms == ()


def test_letters_that_differ_are_counted():
    """When no spelling has support enough, the number of letters is the form."""
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    mixed = [f"{CHANCE.choice(letters)}{CHANCE.choice(letters)}{number:06}" for number in range(80)]
    assert forms(learn({"s": owned(mixed)})) == {("s", "[2]{6}")}


def test_a_learned_number_is_found_where_no_word_stands_before_it():
    """Nor does next year's number hide, nor one in full width or in small letters."""
    registry = learn(SYSTEMS)
    text = "见ＺＹ２０２６０００００１及zy2024123456，参考B23-10086。"
    assert scan(text) == []
    found = [text[one.start : one.end] for one in registry.find(text)]
    assert found == ["ＺＹ２０２６０００００１", "zy2024123456", "B23-10086"]


@pytest.mark.parametrize("text", ["白细胞1234567", "ZY20240318025X", "AZY2024031802", "", "批号ZY123"])
def test_digits_alone_and_parts_of_words_are_not_found(text: str):
    """Seven digits are anything; they count after the word for them only, as everywhere."""
    assert learn(SYSTEMS).find(text) == []


def test_eight_digits_that_are_a_day_are_a_day():
    """A hospital with numbers of eight digits must not turn 20240318 into one of them."""
    registry = learn({"s": [f"{number:08}" for number in range(31_000_000, 31_000_050)]})
    text = "20240318复查，号31000099"
    assert [text[one.start : one.end] for one in registry.find(text)] == ["31000099"]


def test_one_hospitals_forms_do_not_reach_another():
    """A registry is a value: what is not given finds nothing."""
    text = "见ZY2026000001"
    assert (
        learn({"s": owned(INPATIENT)}).find(text)
        and Registry().find(text) == []
        and learn({}).find(text) == []
    )


def test_a_registry_survives_its_file():
    """Also with a system that holds quotes, backslashes and line breaks."""
    registry = learn({'a"b\\c\nd\x7f': owned(INPATIENT), **SYSTEMS})
    assert Registry.from_toml(registry.to_toml()) == registry
    assert Registry.from_toml("") == Registry()


BROKEN = [
    "not toml =",
    '[[form]]\nsystem = "s"\nform = ".*"\nsupport = 9\n',
    '[[form]]\nsystem = "s"\nform = "(a+)+$"\nsupport = 9\n',
    '[[form]]\nsystem = "s"\nform = ""\nsupport = 9\n',
    '[[form]]\nsystem = "s"\nsupport = 9\n',
    '[[form]]\nsystem = "s"\nform = "{10}"\nsupport = "many"\n',
]


@pytest.mark.parametrize("text", BROKEN)
def test_a_form_written_by_hand_cannot_bring_a_pattern_of_its_own(text: str):
    """`.*` would find everything, a nested repetition would never end."""
    with pytest.raises(PlatformError) as refused:
        Registry.from_toml(text)
    assert refused.value.code == "text.registry_unfit"


@settings(deadline=None)
@given(st.lists(st.text(max_size=60), max_size=60))
def test_whatever_a_feed_holds_can_be_learned_from(values: list[str]):
    """Empty, long, spaced and odd values are passed over; every form that comes out can be read again."""
    registry = learn({"s": values}, minimum=2)
    assert Registry.from_toml(registry.to_toml()) == registry
    assert all(isinstance(one, Form) and one.pattern for one in registry.forms)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("床号：12", "12"),
        ("于3-12床", "3-12床"),
        ("加5床", "加5床"),
        ("病床B203", "B203"),
        ("床旁超声2次", ""),
    ],
)
def test_a_bed_is_found(text: str, value: str):
    """A bed and a date are a person."""
    assert [text[one.start : one.end] for one in find_beds(text.replace("：", ":"))] == (
        [value] if value else []
    )
