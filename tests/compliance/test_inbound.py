"""Data of persons abroad brought in for a trial: held where the sender's law asks for something, never blocked."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.compliance.gates import GateAnswer
from rwd_platform.compliance.inbound import DUTIES, EXEMPTIONS, ORIGINS, PREDICATES, inbound, read_import
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.compliance.series import pack_in_force
from rwd_platform.core.errors import PlatformError
from tests.compliance.packs import spoilt

PACK = pack_in_force("inbound", date(2026, 11, 23))
NAME = "inbound-2025"
# Key-coded health data of 10,001 US persons; nothing on file.
BASE: dict[str, Any] = {
    "on": "2026-11-23",
    "origin": "US",
    "persons": 10_001,
    "genomic_persons": 0,
    "health": True,
    "key_coded_or_identified": True,
    "exemption": None,
    "exemption_evidence": False,
    "sender_mechanism_on_file": False,
}
FLAGS = [key for key, value in BASE.items() if isinstance(value, bool)]
CLAIMED = {"exemption": "clinical_investigation"}
SHOWN = CLAIMED | {"exemption_evidence": True}
EUROPE = {"origin": "EEA_UK"}


def ask(**differs: Any) -> GateAnswer:
    return inbound(BASE | differs, PACK)


CASES: list[tuple[str, dict[str, Any], str, tuple[str, ...], tuple[str, ...]]] = [
    ("more than 10,000 health records", {}, "HOLD", ("I2",), ("US_EXEMPTION",)),
    ("exactly 10,000", {"persons": 10_000}, "ALLOW", ("I4",), ()),
    ("more than 10,000 without health data", {"health": False}, "ALLOW", ("I4",), ()),
    ("nobody", {"persons": 0}, "ALLOW", ("I4",), ()),
    (
        "101 genomes",
        {"persons": 101, "genomic_persons": 101},
        "HOLD",
        ("I3",),
        ("US_EXEMPTION",),
    ),
    ("exactly 100 genomes", {"persons": 101, "genomic_persons": 100}, "ALLOW", ("I4",), ()),
    (
        "101 genomes without health data",
        {"persons": 101, "genomic_persons": 101, "health": False},
        "HOLD",
        ("I3",),
        ("US_EXEMPTION",),
    ),
    ("both", {"genomic_persons": 101}, "HOLD", ("I2", "I3"), ("US_EXEMPTION",)),
    ("an exemption is claimed", CLAIMED, "HOLD", ("I2",), ("US_EXEMPTION_EVIDENCE",)),
    ("an exemption is shown", SHOWN, "ALLOW", ("I2",), ()),
    (
        "the other exemption is shown",
        SHOWN | {"exemption": "regulatory_approval", "genomic_persons": 500},
        "ALLOW",
        ("I2", "I3"),
        (),
    ),
    ("evidence of no exemption", {"exemption_evidence": True}, "HOLD", ("I2",), ("US_EXEMPTION",)),
    ("not key-coded makes no difference", {"key_coded_or_identified": False}, "HOLD", ("I2",), ("US_EXEMPTION",)),
    ("a European tool does not serve", {"sender_mechanism_on_file": True}, "HOLD", ("I2",), ("US_EXEMPTION",)),
    ("Europe, key-coded", EUROPE | {"persons": 1}, "HOLD", ("I5",), ("SENDER_MECHANISM",)),
    ("Europe, clauses and assessment on file", EUROPE | {"sender_mechanism_on_file": True}, "ALLOW", ("I5",), ()),
    ("Europe, no personal data", EUROPE | {"key_coded_or_identified": False}, "ALLOW", ("I6",), ()),
    ("Europe, an American exemption does not serve", EUROPE | SHOWN, "HOLD", ("I5",), ("SENDER_MECHANISM",)),
    ("elsewhere", {"origin": "OTHER"}, "ALLOW", ("I7",), ()),
    ("unknown", {"origin": "unknown"}, "HOLD", ("I1",), ("ORIGIN",)),
    (
        "unknown, everything on file",
        SHOWN | {"origin": "unknown", "sender_mechanism_on_file": True, "persons": 1},
        "HOLD",
        ("I1",),
        ("ORIGIN",),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("differs", "verdict", "rules", "missing"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_a_worked_case_is_answered_as_the_rules_say(
    differs: dict[str, Any], verdict: str, rules: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """Both sides of each number, each origin, each paper."""
    found = ask(**differs)
    assert (found.verdict, found.rules, found.missing) == (verdict, rules, missing)


def test_every_rule_and_every_duty_has_a_worked_case() -> None:
    """No rule of the pack goes without an example."""
    found = [ask(**one[1]) for one in CASES]
    assert {id for one in found for id in one.rules} == set(PREDICATES) == {rule.id for rule in PACK.rules}
    assert {id for one in found for id in one.missing} == set(DUTIES) == set(PACK.duties)


def test_the_numbers_are_those_of_the_rule_and_stand_in_the_file() -> None:
    """More than 10,000 persons' health data, more than 100 persons' genomic data, from 8 April 2025."""
    assert PACK.rule("I2").thresholds == {"persons": 10_000}
    assert PACK.rule("I3").thresholds == {"genomic_persons": 100}
    assert PACK.effective_from == PACK.rule("I2").effective_from == date(2025, 4, 8)


def test_a_number_changed_in_the_file_changes_the_answer(tmp_path: Path) -> None:
    """Thresholds are data; the answer carries the hash of the file that decided."""
    found = inbound(BASE | {"persons": 6}, load_pack(spoilt(NAME, tmp_path, "10_000", "5")))
    assert found.verdict == "HOLD" and ask(persons=6).verdict == "ALLOW"
    assert found.rule_pack["sha256"] != ask().rule_pack["sha256"] == PACK.sha256


@pytest.mark.parametrize(
    ("origin", "counsel"), [("US", True), ("EEA_UK", True), ("OTHER", True), ("unknown", False)]
)
def test_what_is_for_counsel_to_confirm_is_said(origin: str, counsel: bool) -> None:
    """Exemptions and how persons are added up; the United Kingdom's own tool; the law of elsewhere."""
    found = ask(origin=origin)
    assert bool(found.confirm) is counsel
    assert ("须由法务核对" in found.zh) is counsel and ("Counsel must confirm" in found.en) is counsel


@pytest.mark.parametrize("differs", [one[1] for one in CASES], ids=[one[0] for one in CASES])
def test_an_answer_reads_with_its_source_and_ends_with_the_disclaimer(differs: dict[str, Any]) -> None:
    """The verdict, why with the source and the numbers, what is missing and from whom, in both languages."""
    found = ask(**differs)
    assert found.zh.startswith(PACK.verdicts[found.verdict].zh)
    assert found.zh.endswith("决策支持，非法律意见") and found.en.endswith(
        "decision support, not legal advice"
    )
    assert re.search("第202部分|GDPR", found.zh) and re.search("28 CFR part 202|GDPR", found.en)
    for id in found.missing:
        duty = PACK.duties[id]
        assert duty.sentence.zh in found.zh and duty.supplied_by.en in found.en
    assert "{" not in found.zh + found.en and found.en.isascii()
    json.dumps(found.as_dict())


def test_the_numbers_of_the_case_and_of_the_rule_stand_in_the_sentence() -> None:
    """A reader sees how far over the number it is."""
    found = ask(persons=12_345, genomic_persons=678)
    for text in (found.zh, found.en):
        assert all(number in text for number in ("12,345", "10,000", "678", "100"))


# -- for every import -----------------------------------------------------------------------------------------------


imports = st.fixed_dictionaries(
    {key: st.booleans() for key in FLAGS}
    | {
        "on": st.just("2026-11-23"),
        "origin": st.sampled_from(ORIGINS),
        "exemption": st.sampled_from(EXEMPTIONS),
        "persons": st.sampled_from([0, 100, 101, 10_000, 10_001]) | st.integers(0, 20_000),
        "genomic_persons": st.sampled_from([0, 100, 101]),
    }
).map(lambda facts: facts | {"genomic_persons": min(facts["genomic_persons"], facts["persons"])})


@settings(max_examples=150, deadline=None)
@given(imports)
def test_every_import_has_one_consistent_answer_and_is_never_blocked(facts: dict[str, Any]) -> None:
    """HOLD is what lacks something; some rule always fires; each origin only by its own rules."""
    found = inbound(facts, PACK)
    assert found.verdict in ("ALLOW", "HOLD")
    assert (found.verdict == "HOLD") == bool(found.missing)
    own = {"unknown": {"I1"}, "US": {"I2", "I3", "I4"}, "EEA_UK": {"I5", "I6"}, "OTHER": {"I7"}}
    assert found.rules and set(found.rules) <= own[facts["origin"]]
    assert inbound(dict(reversed(facts.items())), PACK) == found


@settings(max_examples=150, deadline=None)
@given(imports, st.integers(1, 20_000), st.sampled_from(["persons", "genomic_persons"]))
def test_more_persons_are_never_treated_less_strictly(facts: dict[str, Any], more: int, key: str) -> None:
    """Adding persons never turns HOLD into ALLOW."""
    greater = facts | {"persons": facts["persons"] + more}
    if key == "genomic_persons":
        greater["genomic_persons"] = facts["genomic_persons"] + more
    if inbound(facts, PACK).verdict == "HOLD":
        assert inbound(greater, PACK).verdict == "HOLD"


@settings(max_examples=100, deadline=None)
@given(imports, st.sampled_from(["exemption_evidence", "sender_mechanism_on_file"]))
def test_having_one_more_paper_never_hurts(facts: dict[str, Any], paper: str) -> None:
    """Evidence on file never adds to what is missing."""
    without, fulfilled = inbound(facts | {paper: False}, PACK), inbound(facts | {paper: True}, PACK)
    assert set(fulfilled.missing) <= set(without.missing)


# -- the strict reader ----------------------------------------------------------------------------------------------


def refused(facts: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        inbound(facts, PACK)
    assert caught.value.exit == 2
    return caught.value


@pytest.mark.parametrize("key", sorted(BASE))
def test_an_absent_key_is_named(key: str) -> None:
    """Every fact must be there; an origin that is not known is `unknown`, absence is not."""
    error = refused({name: value for name, value in BASE.items() if name != key})
    assert error.code == "inbound.missing_key" and key in error.en and key in error.zh


@pytest.mark.parametrize("key", ["Origin", "persons ", "", "person", "{key}", "\ud800", "x" * 5000, 5, None])
def test_an_unknown_key_is_named_and_can_be_printed(key: Any) -> None:
    """Whatever it is made of, the message is short and can be written to a terminal."""
    error = refused(BASE | {key: True})
    assert error.code == "inbound.unknown_key"
    assert len(error.en.encode()) < 500 and "sender_mechanism_on_file" in error.next_en


def test_a_misspelt_key_is_called_unknown_rather_than_missing() -> None:
    """The person sees the word they wrote."""
    facts = {"Health" if key == "health" else key: value for key, value in BASE.items()}
    assert "Health" in refused(facts).en


@pytest.mark.parametrize("key", FLAGS)
@pytest.mark.parametrize("value", ["true", 1, 0, None, []])
def test_a_flag_is_true_or_false_and_nothing_like_it(key: str, value: Any) -> None:
    """A truthy text must not become evidence."""
    error = refused(BASE | {key: value})
    assert error.code == "inbound.bad_value" and key in error.en


@pytest.mark.parametrize("key", ["persons", "genomic_persons"])
@pytest.mark.parametrize(
    "value",
    [-1, 1.0, "5", True, None, float("nan"), 10**10 + 1, 10**5000, -(10**5000)],
    ids=lambda one: type(one).__name__,
)
def test_a_count_is_a_whole_number_of_persons(key: str, value: Any) -> None:
    """Neither fractions nor fewer than none, nor more than there are people."""
    error = refused(BASE | {"persons": 10**10, "genomic_persons": 0} | {key: value})
    assert error.code == "inbound.bad_value" and key in error.en and len(error.en) < 300


@pytest.mark.parametrize("key", ["origin", "exemption"])
@pytest.mark.parametrize("value", ["", "us", "EU", "none", 1, True, ["US"], {"is": "US"}, "x" * 100_000])
def test_a_word_comes_from_the_vocabulary(key: str, value: Any) -> None:
    """Values outside the list are refused, shortened, and shown beside those that are allowed."""
    error = refused(BASE | {key: value})
    assert error.code == "inbound.bad_value" and "|" in error.en and len(error.en) < 300


def test_an_origin_is_never_left_open() -> None:
    """`null` is no origin, but it is "no exemption"."""
    assert refused(BASE | {"origin": None}).code == "inbound.bad_value"
    assert read_import(BASE | {"exemption": None}).exemption is None


@pytest.mark.parametrize(
    "value", ["2026-02-30", "20261102", "2026-11-02T00:00:00Z", "", None, 20261102, "２０２６-11-02"]
)
def test_the_day_is_a_calendar_day(value: Any) -> None:
    """Days are written YYYY-MM-DD, in the calendar of Asia/Shanghai, and exist."""
    assert refused(BASE | {"on": value}).code == "inbound.bad_value"


def test_there_are_not_more_genomes_than_persons() -> None:
    """A case that cannot be is an error, not a guess about which number is wrong."""
    assert "genomic_persons" in refused(BASE | {"persons": 5, "genomic_persons": 6}).en
    assert ask(persons=5, genomic_persons=5).verdict == "ALLOW"


@pytest.mark.parametrize("facts", [[], None, "facts", 5, {}])
def test_what_are_no_facts_at_all_are_refused(facts: Any) -> None:
    """A list, a text or an empty object is an error with a next step, not a traceback."""
    refused(facts)


# -- the pack -------------------------------------------------------------------------------------------------------


def test_a_day_before_the_rule_is_not_answered() -> None:
    """8 April 2025 is the first day; earlier ones need the rules of their time."""
    assert ask(on="2025-04-08").verdict == "HOLD"
    error = refused(BASE | {"on": "2025-04-07"})
    assert error.code == "transfer.pack_not_for_day" and "2025-04-07" in error.zh


@pytest.mark.parametrize("name", ["national-2026", "genetic-resources-2024"])
def test_a_pack_of_another_family_does_not_answer(name: str) -> None:
    """Its rules are about something else."""
    with pytest.raises(PlatformError, match=r"transfer\.pack_malformed"):
        inbound(BASE, load_pack(name))


SPOILT = {
    "a rule that nobody knows": (r'id = "I7"', 'id = "I8"'),
    "a rule that is gone": (r'\[\[rules\]\]\nid = "I7"(.|\n)*?(?=\n# --)', ""),
    "no threshold": (r"thresholds\.persons = 10_000.*\n", ""),
    "a threshold under another name": (r"thresholds\.genomic_persons", "thresholds.genomes"),
    "a threshold that is no number": (r"10_000", "'10000'"),
    "a negative threshold": (r"10_000", "-1"),
    "a verdict that blocks": (r'HOLD\.zh = "', 'BLOCK.zh = "x"\nBLOCK.en = "x"\nHOLD.zh = "'),
    "a verdict that is gone": (r"HOLD\..*\n", ""),
    "a duty that is gone": (r'id = "ORIGIN"', 'id = "PLACE"'),
    "a rule that begins after the pack": (
        r'(id = "I2"\n.*\n.*\n)effective_from = 2025-04-08',
        r"\1effective_from = 2030-01-01",
    ),
    "a word of another pack in braces": (r"\{persons\}", "{general}"),
    "another family": (r'family = "inbound"', 'family = "genetic_resources"'),
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILT)
def test_a_malformed_pack_does_not_answer(tmp_path: Path, how: str) -> None:
    """Refused when it is read or when it is asked, and never an ALLOW by silence."""
    path = spoilt(NAME, tmp_path, *SPOILT[how])
    with pytest.raises(PlatformError) as caught:
        inbound(BASE, load_pack(path))
    assert (caught.value.code, caught.value.exit) == ("transfer.pack_malformed", 2)
