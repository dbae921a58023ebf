"""Foreign parties and human genetic resources: what is asked before a protocol is frozen."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.compliance.gates import GateAnswer
from rwd_platform.compliance.instruments import Instrument, Scope
from rwd_platform.compliance.participation import ALWAYS, DUTIES, FIRST_OF, Participation, participation
from rwd_platform.compliance.rulepack import load_pack
from rwd_platform.compliance.series import pack_in_force
from rwd_platform.core.errors import PlatformError
from tests.compliance.packs import spoilt

ON = date(2026, 11, 23)
PACK = pack_in_force("genetic_resources", ON)
NAME = "genetic-resources-2024"
ANSWERS = ("yes", "no", "unknown")


def paper(kind: str, *recipients: str, **more: Any) -> Instrument:
    scope = Scope(recipients=frozenset(recipients), projects=frozenset({more.pop("project", "prj-1")}))
    facts: dict[str, Any] = {
        "id": f"ins-{kind}-{'-'.join(recipients)}",
        "exporter": "org-a",
        "number": "No. 17",
        "effective_from": date(2026, 1, 1),
        "valid_until": date(2027, 12, 31),
        "answer": "both_may_use",
    }
    return Instrument(kind=kind, scope=scope, **(facts | more))


COOPERATION = paper("hgr_cooperation", "sponsor", "laboratory")
CERTIFICATE = paper("hgr_exit_certificate", "laboratory")
# Material is collected for a foreign sponsor and a foreign laboratory, nothing leaves, nothing is on file.
BASE = Participation(
    on=ON,
    project="prj-1",
    collects_material="yes",
    produces_information="no",
    foreign_parties=("sponsor", "laboratory"),
    instruments=(),
    samples_leave="no",
)


def ask(**differs: Any) -> GateAnswer:
    return participation(replace(BASE, **differs), PACK)


CASES: list[tuple[str, dict[str, Any], str, tuple[str, ...], tuple[str, ...]]] = [
    ("nothing on file", {}, "HOLD", ("G6",), ("HGR_COOPERATION",)),
    ("a cooperation names both", {"instruments": (COOPERATION,)}, "ALLOW", ("G5",), ()),
    (
        "information without material",
        {"collects_material": "no", "produces_information": "yes"},
        "HOLD",
        ("G6",),
        ("HGR_COOPERATION",),
    ),
    (
        "information, covered",
        {"collects_material": "no", "produces_information": "yes", "instruments": (COOPERATION,)},
        "ALLOW",
        ("G5",),
        (),
    ),
    ("no foreign party", {"foreign_parties": ()}, "ALLOW", ("G3",), ()),
    ("no genetic resources", {"collects_material": "no"}, "ALLOW", ("G4",), ()),
    ("neither", {"foreign_parties": (), "collects_material": "no"}, "ALLOW", ("G3",), ()),
    ("material unknown", {"collects_material": "unknown"}, "HOLD", ("G1",), ("HGR_UNKNOWN",)),
    (
        "information unknown, material yes",
        {"produces_information": "unknown"},
        "HOLD",
        ("G1", "G6"),
        ("HGR_COOPERATION", "HGR_UNKNOWN"),
    ),
    (
        "information unknown, covered",
        {"produces_information": "unknown", "instruments": (COOPERATION,)},
        "HOLD",
        ("G1", "G5"),
        ("HGR_UNKNOWN",),
    ),
    (
        "unknown and nobody foreign yet",
        {"collects_material": "unknown", "foreign_parties": ()},
        "HOLD",
        ("G1", "G3"),
        ("HGR_UNKNOWN",),
    ),
    (
        "samples: unknown",
        {"samples_leave": "unknown", "instruments": (COOPERATION,)},
        "HOLD",
        ("G1", "G5"),
        ("HGR_UNKNOWN",),
    ),
    (
        "samples leave, covered, no certificate",
        {"samples_leave": "yes", "instruments": (COOPERATION,)},
        "HOLD",
        ("G2", "G5"),
        ("HGR_EXIT_CERTIFICATE",),
    ),
    (
        "samples leave, covered, certificate",
        {"samples_leave": "yes", "instruments": (COOPERATION, CERTIFICATE)},
        "ALLOW",
        ("G2", "G5"),
        (),
    ),
    (
        "samples leave, nothing on file",
        {"samples_leave": "yes"},
        "HOLD",
        ("G2", "G6"),
        ("HGR_COOPERATION", "HGR_EXIT_CERTIFICATE"),
    ),
    (
        "samples from a collection leave: they are material",
        {"samples_leave": "yes", "collects_material": "no", "instruments": (CERTIFICATE,)},
        "HOLD",
        ("G2", "G6"),
        ("HGR_COOPERATION",),
    ),
    (
        "samples leave and nobody foreign is named",
        {"samples_leave": "yes", "foreign_parties": ()},
        "HOLD",
        ("G2", "G3"),
        ("HGR_EXIT_CERTIFICATE",),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("differs", "verdict", "rules", "missing"), [one[1:] for one in CASES], ids=[one[0] for one in CASES]
)
def test_a_worked_case_is_answered_as_the_rules_say(
    differs: dict[str, Any], verdict: str, rules: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """Both sides of each border, with the rules that fired and everything that is missing at once."""
    found = ask(**differs)
    assert (found.verdict, found.rules, found.missing) == (verdict, rules, missing)


def test_every_rule_and_every_duty_has_a_worked_case() -> None:
    """No rule of the pack goes without an example."""
    found = [ask(**one[1]) for one in CASES]
    assert {id for one in found for id in one.rules} == {*ALWAYS, *FIRST_OF}
    assert {id for one in found for id in one.missing} == set(DUTIES) == set(PACK.duties)


# -- which cooperation serves ---------------------------------------------------------------------------------------


NOT_COVERED = {
    "it names one party of two": paper("hgr_cooperation", "sponsor"),
    "it names others": paper("hgr_cooperation", "sponsor", "Laboratory"),
    "it names nobody": paper("hgr_cooperation"),
    "another project": paper("hgr_cooperation", "sponsor", "laboratory", project="prj-2"),
    "it began tomorrow": replace(COOPERATION, effective_from=date(2026, 11, 24)),
    "it ended yesterday": replace(COOPERATION, valid_until=date(2026, 11, 22)),
    "it is revoked": replace(COOPERATION, revoked_on=ON),
    "it is a report, no cooperation": paper("hgr_report", "sponsor", "laboratory"),
    "it is an exit certificate": paper("hgr_exit_certificate", "sponsor", "laboratory"),
}


@pytest.mark.parametrize("why", NOT_COVERED)
def test_a_paper_that_does_not_cover_everybody_today_does_not_serve(why: str) -> None:
    """All the parties, this project, in force on the day, and a cooperation."""
    assert ask(instruments=(NOT_COVERED[why],)).missing == ("HGR_COOPERATION",)


def test_two_cooperations_that_name_one_party_each_do_not_make_one() -> None:
    """The law asks for one cooperation in which all take part."""
    two = (paper("hgr_cooperation", "sponsor"), paper("hgr_cooperation", "laboratory"))
    assert ask(instruments=two).verdict == "HOLD"
    assert ask(instruments=(*two, COOPERATION)).verdict == "ALLOW"


@pytest.mark.parametrize(
    "serves",
    [
        paper("hgr_cooperation", "*"),
        paper("hgr_cooperation", "sponsor", "laboratory", "third"),
        paper("hgr_cooperation", "sponsor", "laboratory", project="*"),
        replace(COOPERATION, effective_from=ON, valid_until=ON),
        replace(COOPERATION, valid_until=None),
        replace(COOPERATION, answer="own_use_only"),  # who may use the information is asked when it leaves
    ],
)
def test_a_paper_that_covers_everybody_today_serves(serves: Instrument) -> None:
    """More parties than asked for, a scope that is written down as everything, its first and its last day."""
    assert ask(instruments=(serves,)).verdict == "ALLOW"


@pytest.mark.parametrize(
    "spoilt", [{"project": "prj-2"}, {"revoked_on": ON}, {"effective_from": date(2027, 1, 1)}]
)
def test_an_exit_certificate_is_of_the_project_and_in_force(spoilt: dict[str, Any]) -> None:
    """Another project's certificate, a revoked one and one of next year do not serve."""
    certificate = paper("hgr_exit_certificate", "laboratory", **spoilt)
    found = ask(samples_leave="yes", instruments=(COOPERATION, certificate))
    assert found.missing == ("HGR_EXIT_CERTIFICATE",)


# -- before and after the revision ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "authority", "not_yet"),
    [
        (date(2024, 4, 30), "国务院科学技术行政部门", "国务院卫生健康主管部门"),
        (date(2024, 5, 1), "国务院卫生健康主管部门", "国务院科学技术行政部门"),
    ],
)
def test_the_competent_authority_changed_with_the_revision(on: date, authority: str, not_yet: str) -> None:
    """Up to 30 April 2024 the Ministry of Science and Technology, from 1 May 2024 the National Health Commission."""
    found = participation(replace(BASE, on=on), pack_in_force("genetic_resources", on))
    assert found.missing == ("HGR_COOPERATION",)
    assert authority in found.zh and not_yet not in found.zh


def test_the_two_packs_hold_the_same_rules() -> None:
    """Only the authority, the days and what counsel must confirm differ."""
    before, after = load_pack("genetic-resources-2023"), load_pack("genetic-resources-2024")
    assert [replace(rule, confirm=None) for rule in before.rules] == [
        replace(rule, confirm=None) for rule in after.rules
    ]
    assert before.duties.keys() == after.duties.keys()
    assert all(before.duties[id].sentence == after.duties[id].sentence for id in before.duties)
    assert before.verdicts == after.verdicts and before.disclaimer == after.disclaimer


def test_what_counsel_must_confirm_is_said_where_it_matters() -> None:
    """The wording after the revision: beside an answer about a cooperation, and only there."""
    assert "核对" in ask().zh and "Counsel must confirm" in ask().en
    assert ask().confirm == (PACK.rule("G6").confirm,)
    assert ask(foreign_parties=()).confirm == ()


# -- words ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("differs", [one[1] for one in CASES], ids=[one[0] for one in CASES])
def test_an_answer_reads_with_articles_and_ends_with_the_disclaimer(differs: dict[str, Any]) -> None:
    """The verdict, why with the article, what is missing and from whom, in both languages."""
    found = ask(**differs)
    assert found.zh.startswith(PACK.verdicts[found.verdict].zh)
    assert found.en.startswith(PACK.verdicts[found.verdict].en)
    assert found.zh.endswith("决策支持，非法律意见") and found.en.endswith(
        "decision support, not legal advice"
    )
    assert "《人类遗传资源管理条例" in found.zh and "Art" in found.en
    for id in found.missing:
        duty = PACK.duties[id]
        assert duty.sentence.zh in found.zh and duty.supplied_by.en in found.en
    assert "{" not in found.zh + found.en and found.en.isascii()


def test_the_parties_are_named_and_a_long_list_is_counted() -> None:
    """Five names and how many more."""
    assert "sponsor、laboratory" in ask().zh and "sponsor, laboratory" in ask().en
    many = ask(foreign_parties=tuple(f"party-{place}" for place in range(1000)))
    assert "等 1000 家" in many.zh and "and 995 more" in many.en and "party-5" not in many.en


def test_a_name_with_braces_is_a_name() -> None:
    """What somebody called a party is never read as part of a sentence."""
    assert "{general}" in ask(foreign_parties=("{general}", "{0.__class__}")).zh


def test_the_answer_names_the_pack_and_goes_on_record() -> None:
    """Id, version and hash of the file that decided."""
    record = ask().as_dict()
    assert record["rule_pack"] == {"id": "genetic-resources", "version": "2024.1", "sha256": PACK.sha256}
    assert list(record) == ["verdict", "rules", "missing", "rule_pack", "zh", "en", "confirm"]
    assert record["rules"] == ["G6"] and isinstance(record["confirm"][0], dict)


# -- for every study ------------------------------------------------------------------------------------------------


def test_every_combination_of_answers_has_one_consistent_verdict() -> None:
    """All 27 answers, with and without parties and papers: unknown holds, and HOLD is what lacks something."""
    parties = ((), ("sponsor",))
    papers = ((), (COOPERATION,), (CERTIFICATE,), (COOPERATION, CERTIFICATE))
    for collects, produces, leave, who, on_file in itertools.product(
        ANSWERS, ANSWERS, ANSWERS, parties, papers
    ):
        found = ask(
            collects_material=collects,
            produces_information=produces,
            samples_leave=leave,
            foreign_parties=who,
            instruments=on_file,
        )
        given_answers = (collects, produces, leave)
        assert (found.verdict == "HOLD") == bool(found.missing)
        assert ("HGR_UNKNOWN" in found.missing) == ("unknown" in given_answers)
        assert ("HGR_EXIT_CERTIFICATE" in found.missing) == (leave == "yes" and CERTIFICATE not in on_file)
        needs = bool(who) and "yes" in given_answers and COOPERATION not in on_file
        assert ("HGR_COOPERATION" in found.missing) == needs
        assert found.rules


names = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=4, unique=True)


@settings(max_examples=80, deadline=None)
@given(names, st.lists(names, max_size=3), st.sampled_from(["a", "b"]))
def test_one_party_more_never_makes_it_easier(
    parties: list[str], cooperations: list[list[str]], more: str
) -> None:
    """And one cooperation more never makes it harder."""
    papers = tuple(paper("hgr_cooperation", *named) for named in cooperations)
    found = ask(foreign_parties=tuple(parties), instruments=papers)
    assert found.verdict == (
        "ALLOW" if not parties or any(set(parties) <= set(named) for named in cooperations) else "HOLD"
    )
    with_more = ask(foreign_parties=(*parties, more), instruments=papers)
    assert not (found.verdict == "HOLD" and with_more.verdict == "ALLOW")
    covered = ask(foreign_parties=tuple(parties), instruments=(*papers, paper("hgr_cooperation", *parties)))
    assert covered.verdict == "ALLOW"


# -- malformed ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("question", ["collects_material", "produces_information", "samples_leave"])
@pytest.mark.parametrize("value", ["", "YES", "maybe", True, None, 1, [], "yes "])
def test_an_answer_is_yes_no_or_unknown(question: str, value: Any) -> None:
    """A truthy value is not a yes, and nothing is taken for a no."""
    with pytest.raises(PlatformError) as caught:
        replace(BASE, **{question: value})
    assert (caught.value.code, caught.value.exit) == ("participation.bad_fact", 2)
    assert question in caught.value.en and question in caught.value.zh


@pytest.mark.parametrize("parties", ["sponsor", ["sponsor"], ("",), ("  ",), ("a", None), (1,), None])
def test_parties_are_a_tuple_of_names(parties: Any) -> None:
    """A text would be taken letter by letter, and a party without a name could not be covered."""
    with pytest.raises(PlatformError, match=r"participation\.bad_fact"):
        replace(BASE, foreign_parties=parties)


@pytest.mark.parametrize("on", [date(2023, 7, 1), date(2024, 4, 30)])
def test_a_pack_does_not_answer_about_a_day_it_does_not_cover(on: date) -> None:
    """Neither the new one about days before the revision nor the old one about days after it."""
    with pytest.raises(PlatformError) as caught:
        participation(replace(BASE, on=on), load_pack("genetic-resources-2024"))
    assert caught.value.code == "transfer.pack_not_for_day" and on.isoformat() in caught.value.en
    with pytest.raises(PlatformError, match=r"transfer\.pack_not_for_day"):
        participation(BASE, load_pack("genetic-resources-2023"))


@pytest.mark.parametrize("name", ["national-2026", "inbound-2025"])
def test_a_pack_of_another_family_does_not_answer(name: str) -> None:
    """Its rules are about something else."""
    with pytest.raises(PlatformError, match=r"transfer\.pack_malformed"):
        participation(BASE, load_pack(name))


SPOILT = {
    "a rule that nobody knows": (r'id = "G6"', 'id = "G7"'),
    "rules in another order": (r'id = "G3"', 'id = "G4b"'),
    "a block of another pack": (r'block = "participation"', 'block = "prohibitions"'),
    "a word of another pack in braces": (r"\{parties\}", "{general}"),
    "a duty under another name": (r'id = "HGR_UNKNOWN"', 'id = "HGR"'),
    "a verdict too many": (r'HOLD\.zh = "', 'BLOCK.zh = "x"\nBLOCK.en = "x"\nHOLD.zh = "'),
    "a verdict without words": (r'HOLD\.en = ".*"', 'HOLD.en = ""'),
    "no source": (r"source\.en = .*\n", ""),
    "no day": (r"effective_from = 2024-05-01\n", ""),
    "rules that begin after the pack": (r"effective_from = 2019-07-01", "effective_from = 2030-01-01"),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_malformed_pack_does_not_answer(tmp_path: Path, how: str) -> None:
    """Refused when it is read or when it is asked, and never an ALLOW by silence."""
    path = spoilt(NAME, tmp_path, *SPOILT[how])
    with pytest.raises(PlatformError) as caught:
        participation(BASE, load_pack(path))
    assert (caught.value.code, caught.value.exit) == ("transfer.pack_malformed", 2)
