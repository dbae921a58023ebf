"""Which papers serve a transfer: every kind, every dimension of its scope, and what more papers may change."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from rwd_platform.compliance.case import read_case
from rwd_platform.compliance.decide import decide
from rwd_platform.compliance.instruments import ANY, Instrument, Scope, kind_of, kinds
from rwd_platform.compliance.standing import (
    Shortfall,
    Wanted,
    agreements,
    is_abroad,
    purposes,
    standing,
    uncovered,
)
from tests.compliance.test_decide import PACK, case_with

DAY = timedelta(days=1)
TODAY = date(2026, 11, 2)
A, B = "org-hospital-a", "org-hospital-b"
WANTED = Wanted(
    on=TODAY, exporter=A, recipient="circle-sponsor", purpose="registration", project="demo",
    fields=frozenset({"results", "quality"}), sites=frozenset({A, B}), persons_to_recipient=500, minors=True,
    zone_scenarios=frozenset({"medicine-1", "medicine-2"}),
)  # fmt: skip
EXACT = Scope(
    purposes=frozenset({"registration"}), fields=WANTED.fields, recipients=frozenset({"circle-sponsor"}),
    projects=frozenset({"demo"}), sites=WANTED.sites, scenarios=frozenset({"medicine-1"}), persons=500,
)  # fmt: skip
# The same scope, short of what is wanted in one dimension: another name, one of two, one person too few.
SHORT: Mapping[str, Any] = {
    "purposes": frozenset({"insurance"}), "fields": frozenset({"results"}), "recipients": frozenset({"circle-branch"}),
    "projects": frozenset({"demo-2"}), "sites": frozenset({A}), "persons": 499,
    "scenarios": frozenset({"medicine-1", "seeds"}),
}  # fmt: skip
HGR, DUTIES, COVERS = "human_genetic_resources", "duties", "covers_purpose_fields_recipient_scale"
# kind -> section and key of the fact that it carries, and what the fact is with and without it.
CARRIES: Mapping[str, tuple[str, str, Any, Any]] = {
    "ciio_check": ("exporter", "ciio", "yes", "unknown"),
    "important_data_check": ("data", "important", "yes", "unknown"),
    "standard_contract": ("mechanism_in_force", COVERS, True, False),
    "certification": ("mechanism_in_force", COVERS, True, False),
    "security_assessment": ("mechanism_in_force", COVERS, True, False),
    "legal_basis": ("exemption_basis", "evidence", True, False),
    "zone_opinion": ("free_trade_zone_pack", "id", "No. zone_opinion", None),
    "impact_assessment": (DUTIES, "impact_assessment", True, False),
    "notice_consent": (DUTIES, "notice_and_separate_consent", True, False),
    "guardian_consent": (DUTIES, "guardian_consent_if_minors", True, False),
    "ethics_approval": (DUTIES, "ethics_approval", True, False),
    "judicial_approval": ("foreign_judicial_request", "authority_approved", True, False),
    "hgr_cooperation": (HGR, "filed_cooperation_both_may_use", True, False),
    "hgr_report": (HGR, "reported", True, False),
    "hgr_backup": (HGR, "backed_up", True, False),
    "hgr_review": (HGR, "review_passed", True, False),
    "hgr_exit_certificate": (HGR, "exit_certificate", True, False),
}
MECHANISMS = ("standard_contract", "certification", "security_assessment")
PAIRS = [(id, dimension) for id in CARRIES for dimension in kind_of(id).scope]


def paper(kind: str, scope: Scope = EXACT, **differs: Any) -> Instrument:
    """A paper of that kind, in force all year, which covers exactly what is wanted."""
    described = kind_of(kind)
    stated: dict[str, Any] = {
        "id": f"paper-{kind}", "exporter": A, "number": f"No. {kind}", "effective_from": date(2026, 1, 1),
        "valid_until": date(2028, 12, 31) if described.needs_end else None, "filed_on": date(2026, 1, 9),
        "answer": described.answers[0] if described.answers else "",
        "evidence_sha256": "ab" * 32 if described.needs_evidence else "",
    } | differs  # fmt: skip
    return Instrument(kind=kind, scope=scope, **stated)


def fact(kind: str, papers: Iterable[Instrument], wanted: Wanted = WANTED) -> Any:
    section, key, *_ = CARRIES[kind]
    return standing(papers, wanted).facts[section][key]


def served(kind: str) -> Any:
    return CARRIES[kind][2]


def absent(kind: str) -> Any:
    return CARRIES[kind][3]


def case_of(papers: Iterable[Instrument], path: str | None = None, **differs: Any) -> dict[str, Any]:
    """A full case of 500 sensitive persons, with the sections that papers answer."""
    case = case_with({"persons.sensitive.count": 500} | differs)
    for section, answers in standing(papers, WANTED, path).facts.items():
        case[section] = {**case[section], **answers}
    return case


# -- every kind, every dimension ----------------------------------------------------------------------------------


def test_every_kind_but_the_agreement_carries_a_fact() -> None:
    """No rule of the table asks for an agreement on data use: it is asked for beside the rules."""
    assert set(CARRIES) == set(kinds()) - {"data_use_agreement"}
    with_it, without = standing([paper("data_use_agreement")], WANTED), standing([], WANTED)
    assert with_it == without


@pytest.mark.parametrize("kind", CARRIES)
def test_a_paper_that_covers_all_of_it_serves_and_is_named(kind: str) -> None:
    held = standing([paper(kind)], WANTED)
    assert fact(kind, [paper(kind)]) == served(kind)
    assert f"paper-{kind}" in held.papers.values() and held.shortfalls == ()


@pytest.mark.parametrize(("kind", "dimension"), PAIRS)
def test_a_paper_short_of_one_dimension_does_not_serve_and_says_which(kind: str, dimension: str) -> None:
    """The person who must mend it reads the dimension, and not merely that something is missing."""
    short = paper(kind, replace(EXACT, **{dimension: SHORT[dimension]}))
    assert fact(kind, [short]) == absent(kind)
    assert standing([short], WANTED).shortfalls == (Shortfall(short.id, kind, (dimension,)),)


@pytest.mark.parametrize(
    ("kind", "dimension"), [pair for pair in PAIRS if pair[1] not in ("persons", "scenarios")]
)
def test_a_star_covers_whatever_it_is_and_silence_covers_nothing(kind: str, dimension: str) -> None:
    anything = paper(kind, replace(EXACT, **{dimension: frozenset({ANY})}))
    silent = paper(kind, replace(EXACT, **{dimension: frozenset()}))
    assert fact(kind, [anything]) == served(kind)
    assert fact(kind, [silent]) == absent(kind)
    assert standing([silent], WANTED).shortfalls[0].dimensions == (dimension,)


def test_several_dimensions_are_all_named_in_the_kinds_own_order() -> None:
    nothing = paper("standard_contract", Scope())
    assert uncovered(nothing, WANTED) == kind_of("standard_contract").scope


@pytest.mark.parametrize("kind", MECHANISMS)
@pytest.mark.parametrize(
    ("filed_for", "wanted", "covers"),
    [(500, 499, True), (500, 500, True), (500, 501, False), (1, 1, True), (1, 2, False), (None, 1, False)],
)
def test_the_scale_is_held_on_both_sides_of_its_border(
    kind: str, filed_for: int | None, wanted: int, covers: bool
) -> None:
    """Persons of the year to this recipient, this transfer included; no scale on paper is no scale at all."""
    one = paper(kind, replace(EXACT, persons=filed_for))
    assert fact(kind, [one], replace(WANTED, persons_to_recipient=wanted)) is covers


@pytest.mark.parametrize("scope", [EXACT, replace(EXACT, fields=frozenset())])
def test_classes_of_data_that_nobody_knows_are_covered_by_no_list(scope: Scope) -> None:
    """What is not known cannot be held against a list; only a paper about everything covers it."""
    unknown = replace(WANTED, fields=frozenset())
    assert uncovered(paper("impact_assessment", scope), unknown) == ("fields",)
    anything = paper("impact_assessment", replace(EXACT, fields=frozenset({ANY})))
    assert uncovered(anything, unknown) == ()


@pytest.mark.parametrize("kind", CARRIES)
@pytest.mark.parametrize(
    "differs",
    [
        {"exporter": B},
        {"exporter": ""},
        {"effective_from": TODAY + DAY},
        {"valid_until": TODAY - DAY},
        {"revoked_on": TODAY},
    ],
    ids=["another exporter's", "nobody's", "not begun", "run out", "revoked"],
)
def test_what_is_another_exporters_or_not_in_force_never_serves(kind: str, differs: dict[str, Any]) -> None:
    """Nor does it fall short: it is not a paper of this transfer."""
    dead = paper(
        kind, replace(EXACT, **{name: frozenset({ANY}) for name in ("projects", "sites")}), **differs
    )
    assert fact(kind, [dead]) == absent(kind)
    assert standing([dead], WANTED) == standing([], WANTED)


def test_a_contract_that_was_not_filed_never_serves() -> None:
    unfiled = paper("standard_contract", filed_on=None)
    assert standing([unfiled], WANTED) == standing([], WANTED)


# -- several papers of a kind -------------------------------------------------------------------------------------


def test_the_newest_check_says_what_holds() -> None:
    older = paper("ciio_check", id="paper-1", answer="no")
    newer = paper("ciio_check", id="paper-0", answer="yes", effective_from=date(2026, 6, 1))
    assert fact("ciio_check", [older, newer]) == fact("ciio_check", [newer, older]) == "yes"
    assert standing([older, newer], WANTED).papers["exporter.ciio"] == "paper-0"
    assert fact("ciio_check", [older, newer], replace(WANTED, on=date(2026, 5, 31))) == "no"


def test_of_two_checks_of_one_day_the_later_id_is_the_newer() -> None:
    """Ids are made in the order of recording, so a correction of the same day holds."""
    first, second = (
        paper("ciio_check", id=id, answer=answer) for id, answer in (("p-1", "yes"), ("p-2", "no"))
    )
    assert fact("ciio_check", [first, second]) == fact("ciio_check", [second, first]) == "no"


def test_an_older_paper_serves_where_the_newest_falls_short() -> None:
    older = paper("impact_assessment", id="paper-old")
    newer = paper("impact_assessment", Scope(), id="paper-new", effective_from=date(2026, 6, 1))
    held = standing([older, newer], WANTED)
    assert held.papers["duties.impact_assessment"] == "paper-old"
    assert [one.instrument for one in held.shortfalls] == ["paper-new"]


# -- mechanisms ---------------------------------------------------------------------------------------------------


def mechanism(papers: Iterable[Instrument], path: str | None = None) -> tuple[Any, Any]:
    found = standing(papers, WANTED, path).facts["mechanism_in_force"]
    return found["kind"], found[COVERS]


@pytest.mark.parametrize(
    ("kinds_on_file", "path", "taken"),
    [
        (["standard_contract"], "CONTRACT_OR_CERT", "STANDARD_CONTRACT"),
        (["certification"], "CONTRACT_OR_CERT", "CERTIFICATION"),
        (["security_assessment"], "CONTRACT_OR_CERT", "SECURITY_ASSESSMENT"),  # asks for more than a contract
        (["security_assessment"], "SECURITY_ASSESSMENT", "SECURITY_ASSESSMENT"),
        (["standard_contract", "security_assessment"], "SECURITY_ASSESSMENT", "SECURITY_ASSESSMENT"),
        (["standard_contract", "certification"], None, "STANDARD_CONTRACT"),
        ([], "CONTRACT_OR_CERT", None),
    ],
)
def test_the_mechanism_is_chosen_for_the_path(
    kinds_on_file: list[str], path: str | None, taken: str | None
) -> None:
    assert mechanism(map(paper, kinds_on_file), path) == (taken, taken is not None)


@pytest.mark.parametrize("kind", ["standard_contract", "certification"])
def test_a_contract_does_not_stand_in_for_an_assessment(kind: str) -> None:
    """It is named, so that people see what there is; the decision asks for the assessment all the same."""
    assert mechanism([paper(kind)], "SECURITY_ASSESSMENT") == (kind.upper(), False)
    case = case_of([paper(kind), *others(kind)], "SECURITY_ASSESSMENT", **{"exporter.ciio": "yes"})
    case["exporter"]["ciio"] = "yes"
    assert decide(case, PACK).missing == ("SA_NOT_IN_FORCE",)


def others(*but: str) -> list[Instrument]:
    """Everything a transfer abroad needs besides a mechanism: parties checked, duties met, no exemption."""
    needed = ("ciio_check", "important_data_check", "impact_assessment", "notice_consent", "guardian_consent")
    no = {"ciio_check": {"answer": "no"}, "important_data_check": {"answer": "no"}}
    return [paper(kind, **no.get(kind, {})) for kind in needed if kind not in but]


def test_a_mechanism_that_does_not_cover_is_named_and_a_covering_one_goes_before_it() -> None:
    """Also before an assessment that is short: a contract that covers serves where a contract is asked for."""
    short = paper("security_assessment", replace(EXACT, persons=499))
    assert mechanism([short], "CONTRACT_OR_CERT") == ("SECURITY_ASSESSMENT", False)
    assert decide(case_of([short, *others()], "CONTRACT_OR_CERT"), PACK).missing == ("SCOPE",)
    both = [short, paper("standard_contract")]
    assert mechanism(both, "CONTRACT_OR_CERT") == ("STANDARD_CONTRACT", True)
    assert decide(case_of([*both, *others()], "CONTRACT_OR_CERT"), PACK).verdict == "ALLOW"


def test_the_last_day_of_the_mechanism_stands_in_the_facts() -> None:
    until = standing([paper("certification")], WANTED).facts["mechanism_in_force"]["valid_until"]
    assert until == "2028-12-31"
    open_end = standing([paper("standard_contract")], WANTED).facts["mechanism_in_force"]["valid_until"]
    assert open_end is None


# -- duties -------------------------------------------------------------------------------------------------------


def approval(id: str, sites: set[str], project: str = "demo", **differs: Any) -> Instrument:
    scope = Scope(projects=frozenset({project}), sites=frozenset(sites))
    return paper("ethics_approval", scope, id=id, **differs)


@pytest.mark.parametrize(
    ("approvals", "approved"),
    [
        ([{A, B}], True),
        ([{A}, {B}], True),  # each site's own committee
        ([{ANY}], True),
        ([{A}, {ANY}], True),
        ([{A, "org-hospital-c"}, {B, "org-hospital-d"}], True),
        ([{A}], False),
        ([{A}, {A}], False),
        ([{"org-hospital-c"}], False),
        ([], False),
    ],
)
def test_every_site_needs_an_approval_of_its_own_or_one_that_names_it(
    approvals: list[set[str]], approved: bool
) -> None:
    papers = [approval(f"paper-{number}", sites) for number, sites in enumerate(approvals)]
    held = standing(papers, WANTED)
    assert held.facts["duties"]["ethics_approval"] is approved
    assert ("duties.ethics_approval" in held.papers) is approved
    assert bool(held.shortfalls) is (bool(approvals) and not approved)


@pytest.mark.parametrize("sites", [{ANY}, {A, B}])
def test_nobody_approved_what_has_no_site(sites: set[str]) -> None:
    """Where the patients come from nobody knows, so no committee can have said yes."""
    held = standing([approval("paper-1", sites)], replace(WANTED, sites=frozenset()))
    assert held.facts["duties"]["ethics_approval"] is False and "duties.ethics_approval" not in held.papers


def test_the_approval_named_is_one_that_approves_a_site_of_the_transfer() -> None:
    newer = approval("paper-new", {"org-hospital-c"}, effective_from=date(2026, 6, 1))
    held = standing([approval("paper-old", {A, B}), newer], WANTED)
    assert held.papers["duties.ethics_approval"] == "paper-old"
    assert held.shortfalls == (Shortfall("paper-new", "ethics_approval", ("sites",)),)


def test_an_approval_of_another_project_adds_no_site() -> None:
    other = approval("paper-2", {B}, project="demo-2")
    held = standing([approval("paper-1", {A}), other], WANTED)
    assert held.facts["duties"]["ethics_approval"] is False
    assert {one.instrument: one.dimensions for one in held.shortfalls} == {
        "paper-1": ("sites",),
        "paper-2": ("projects", "sites"),
    }


@pytest.mark.parametrize("basis", kind_of("legal_basis").answers)
def test_evidence_of_another_ground_stands_for_consent(basis: str) -> None:
    """Separate consent is asked where consent is the ground (PIPL 13, 39)."""
    held = standing([paper("legal_basis", answer=basis)], WANTED)
    assert held.facts["exemption_basis"] == {"kind": basis, "evidence": True}
    assert held.facts["duties"]["notice_and_separate_consent"] is True
    assert held.papers["duties.notice_and_separate_consent"] == "paper-legal_basis"
    both = standing([paper("legal_basis", answer=basis), paper("notice_consent")], WANTED)
    assert both.papers["duties.notice_and_separate_consent"] == "paper-notice_consent"


@pytest.mark.parametrize(
    ("minors", "answer", "fulfilled"),
    [
        (True, None, False),
        (True, "obtained", True),
        (True, "nobody_under_14", False),  # the data say that somebody is
        (None, None, False),
        (None, "obtained", True),
        (None, "nobody_under_14", True),
        (False, None, True),
        (False, "obtained", True),
        (False, "nobody_under_14", True),
    ],
)
def test_guardians_consent_where_somebody_is_under_14_and_a_check_where_nobody_knows(
    minors: bool | None, answer: str | None, fulfilled: bool
) -> None:
    papers = [paper("guardian_consent", answer=answer)] if answer else []
    held = standing(papers, replace(WANTED, minors=minors))
    assert held.facts["duties"]["guardian_consent_if_minors"] is fulfilled


@pytest.mark.parametrize(
    ("answer", "listed", "route"),
    [
        ("outside", "no", None),
        ("contract", "yes", "CONTRACT_OR_CERT"),
        ("assessment", "yes", "SECURITY_ASSESSMENT"),
    ],
)
def test_an_opinion_on_a_zones_list_gives_the_route(answer: str, listed: str, route: str | None) -> None:
    found = standing([paper("zone_opinion", answer=answer)], WANTED).facts["free_trade_zone_pack"]
    assert found == {"id": "No. zone_opinion", "listed": listed, "route_if_listed": route}
    case = case_of([paper("zone_opinion", answer=answer), *others()])
    assert decide(case, PACK).rules == (("M6",) if route is None else ("M7",))


@pytest.mark.parametrize("kind", [kind.id for kind in kinds().values() if kind.needs_evidence])
def test_what_needs_evidence_serves_nothing_without_it(kind: str) -> None:
    """An opinion or a ground takes a transfer out of the usual path: nobody's word alone does that."""
    assert {"zone_opinion", "legal_basis"} == {one.id for one in kinds().values() if one.needs_evidence}
    bare = paper(kind, evidence_sha256="")
    assert standing([bare], WANTED) == standing([], WANTED)


@pytest.mark.parametrize("answer", kind_of("zone_opinion").answers)
@pytest.mark.parametrize(
    ("opinion", "adopted"),
    [
        ({"medicine-1"}, set()),  # as shipped: nobody adopted a list, or it is silent on medicine
        ({"medicine-1"}, {"medicine-2"}),
        ({"medicine-1", "medicine-3"}, {"medicine-1", "medicine-2"}),
        ({ANY}, {"medicine-1"}),
        (set(), {"medicine-1"}),
        ({ANY}, set()),
        (set(), set()),
    ],
)
def test_an_opinion_on_what_no_adopted_list_has_is_as_if_there_were_none(
    answer: str, opinion: set[str], adopted: set[str]
) -> None:
    """The national rules decide then, and the page of the provision says in which dimension the opinion fell short."""
    one = paper("zone_opinion", replace(EXACT, scenarios=frozenset(opinion)), answer=answer)
    held = standing([one], replace(WANTED, zone_scenarios=frozenset(adopted)))
    assert held.facts == standing([], WANTED).facts
    assert held.shortfalls == (Shortfall(one.id, "zone_opinion", ("scenarios",)),)
    assert Wanted(*(getattr(WANTED, name) for name in _STATED)).zone_scenarios == frozenset()


_STATED = (
    "on", "exporter", "recipient", "purpose", "project", "fields", "sites", "persons_to_recipient", "minors",
)  # fmt: skip


# -- the hospitals' agreements -------------------------------------------------------------------------------------


def of_hospital(site: str, scope: Scope = EXACT, **differs: Any) -> Instrument:
    return paper("data_use_agreement", scope, **{"id": f"agreement-{site}", "exporter": site} | differs)


def test_every_hospital_whose_patients_they_are_has_an_agreement_of_its_own() -> None:
    """Whoever exports: a platform that exports what two hospitals sent needs both."""
    every = [of_hospital(A), of_hospital(B)]
    by_platform = replace(WANTED, exporter="org-operator")
    for wanted in (WANTED, by_platform):
        found = agreements(every, wanted)
        assert (dict(found.papers), found.lacking) == ({A: f"agreement-{A}", B: f"agreement-{B}"}, ())
        assert agreements(every[:1], wanted).lacking == (B,)
        assert agreements([], wanted).lacking == (A, B)
    own = of_hospital("org-operator")
    assert agreements([own], by_platform).lacking == (A, B)


@pytest.mark.parametrize("dimension", kind_of("data_use_agreement").scope)
def test_an_agreement_short_of_one_dimension_does_not_serve(dimension: str) -> None:
    short = of_hospital(B, replace(EXACT, **{dimension: SHORT[dimension]}))
    found = agreements([of_hospital(A), short], WANTED)
    assert found.lacking == (B,)
    assert found.shortfalls == (Shortfall(short.id, "data_use_agreement", (dimension,)),)


@pytest.mark.parametrize(
    "differs",
    [
        {"effective_from": TODAY + DAY},
        {"valid_until": TODAY - DAY},
        {"revoked_on": TODAY},
    ],
)
def test_an_agreement_serves_while_it_is_in_force(differs: dict[str, Any]) -> None:
    assert agreements([of_hospital(A), of_hospital(B, **differs)], WANTED).lacking == (B,)


def test_a_cooperation_in_which_only_one_party_may_use_the_data_covers_nothing() -> None:
    """HGR Regulation 28: the report is spared only where the agreement lets both use the information."""
    own = paper("hgr_cooperation", answer="own_use_only")
    assert fact("hgr_cooperation", [own]) is False
    genetic = {"data.human_genetic_information": True, "recipient.foreign_or_foreign_controlled": True}
    case = case_of([own, paper("ethics_approval"), *others()], **genetic)
    case["data"]["human_genetic_information"] = True
    assert decide(case, PACK).genetic_resources_path == "REPORT+BACKUP"


# -- more papers, in any order ------------------------------------------------------------------------------------

some_days = st.sampled_from([date(2026, 1, 1), date(2026, 6, 1), TODAY, TODAY + DAY])
some_ends = st.sampled_from([None, TODAY - DAY, TODAY, date(2028, 12, 31)])


@st.composite
def some_papers(draw: st.DrawFn, id: str = "") -> Instrument:
    """Papers of any kind, of one of two exporters, short in any dimensions, in force or not."""
    kind = draw(st.sampled_from(sorted(kinds())))
    described = kind_of(kind)
    short = draw(st.frozensets(st.sampled_from(sorted(SHORT)), max_size=2))
    until = draw(some_ends)
    return paper(
        kind,
        replace(EXACT, **{dimension: SHORT[dimension] for dimension in short}),
        id=id or draw(st.uuids()).hex,
        exporter=draw(st.sampled_from([A, A, A, B])),
        answer=draw(st.sampled_from(described.answers or ("",))),
        effective_from=draw(some_days),
        valid_until=until or (date(2028, 12, 31) if described.needs_end else None),
        filed_on=draw(st.sampled_from([None, date(2026, 1, 9), TODAY + DAY])),
        revoked_on=draw(st.sampled_from([None, None, TODAY, TODAY + DAY])),
    )


paths = st.sampled_from([None, "CONTRACT_OR_CERT", "SECURITY_ASSESSMENT"])


def fulfilled(papers: Iterable[Instrument], path: str | None) -> set[str]:
    """What is shown by the papers: every duty met, every status checked, a mechanism that covers and serves."""
    facts = standing(papers, WANTED, path).facts
    shown = {
        f"{section}.{key}" for section, answers in facts.items() for key in answers if answers[key] is True
    }
    checked = {"exporter.ciio": facts["exporter"]["ciio"], "data.important": facts["data"]["important"]}
    shown |= {name for name, answer in checked.items() if answer != "unknown"}
    return shown | ({"zone"} if facts["free_trade_zone_pack"]["id"] else set())


@settings(max_examples=400, deadline=None)
@given(papers=st.lists(some_papers(), max_size=8), added=some_papers(), path=paths)
def test_one_more_paper_never_takes_away_what_was_fulfilled(
    papers: list[Instrument], added: Instrument, path: str | None
) -> None:
    """Except a check that finds something else: guardians who consented, then a check that nobody is under 14; a
    cooperation that both may use, then one that only one may. What a check says now holds, whatever it said before.
    And except one that has run out: the older check does not speak again.
    """
    assume(added.valid_until is None or added.valid_until >= TODAY)
    before = [one for one in papers if (one.effective_from, one.id) < (added.effective_from, added.id)]
    assume(not any(one.kind == added.kind and one.answer != added.answer for one in before))
    assert fulfilled(papers, path) <= fulfilled([*papers, added], path)


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("guardian_consent", "obtained", "nobody_under_14"),
        ("hgr_cooperation", "both_may_use", "own_use_only"),
    ],
)
def test_a_newer_check_with_another_answer_is_that_exception(kind: str, before: str, after: str) -> None:
    old = paper(kind, id="paper-1", answer=before)
    new = paper(kind, id="paper-2", answer=after, effective_from=date(2026, 6, 1))
    assert (fact(kind, [old]), fact(kind, [old, new])) == (True, False)


@settings(max_examples=200, deadline=None)
@given(papers=st.lists(some_papers(), max_size=10), path=paths, seed=st.integers(0, 2**16))
def test_the_order_of_papers_does_not_matter(papers: list[Instrument], path: str | None, seed: int) -> None:
    shuffled = random.Random(seed).sample(papers, len(papers))
    assert standing(shuffled, WANTED, path) == standing(papers, WANTED, path)


@settings(max_examples=200, deadline=None)
@given(papers=st.lists(some_papers(), max_size=10), path=paths)
def test_whatever_is_on_file_the_case_is_one_that_can_be_decided(
    papers: list[Instrument], path: str | None
) -> None:
    """Nothing that papers answer is a word that the list of facts does not know."""
    case = case_of(papers, path)
    read_case(case)
    assert decide(case, PACK).verdict in ("ALLOW", "HOLD", "BLOCK")


@pytest.mark.parametrize("kind", kinds())
def test_the_facts_of_each_kind_alone_are_read_as_a_case(kind: str) -> None:
    for answer in kind_of(kind).answers or ("",):
        read_case(case_of([paper(kind, answer=answer)]))


def test_ten_thousand_papers_are_read_in_one_pass() -> None:
    """All of them short by a person: every one is named, none of them serves."""
    many = [paper("standard_contract", replace(EXACT, persons=499), id=f"p-{n:05d}") for n in range(10_000)]
    held = standing(many, WANTED)
    assert len(held.shortfalls) == 10_000 and held.facts["mechanism_in_force"][COVERS] is False


# -- words --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("country", "abroad"), [("CN", False), ("HK", True), ("MO", True), ("TW", True), ("US", True), ("", True)]
)
def test_hong_kong_macao_and_taiwan_are_abroad_and_so_is_what_nobody_knows(
    country: str, abroad: bool
) -> None:
    assert is_abroad(country) is abroad


def test_purposes_have_words_in_both_languages() -> None:
    assert {"registration", "insurance", "post_market", "research"} <= set(purposes())
    for code, said in purposes().items():
        assert code.isidentifier() and code.islower() and said.en.isascii()
        assert any("\u4e00" <= letter <= "\u9fff" for letter in said.zh)


@pytest.mark.parametrize(
    ("kind", "section", "key"),
    [("ciio_check", "exporter", "ciio"), ("important_data_check", "data", "important")],
)
def test_an_older_check_does_not_speak_again_when_the_newer_ones_time_is_over(
    kind: str, section: str, key: str
) -> None:
    """Of two checks the later says what is known; once it has run out, nothing is, until somebody checks again."""
    every = Scope(projects=frozenset({"*"}))
    older = Instrument("p1", kind, WANTED.exporter, "n", date(2026, 1, 1), None, every, answer="no")
    newer = Instrument(
        "p2", kind, WANTED.exporter, "n", date(2026, 6, 1), date(2026, 9, 30), every, answer="yes"
    )
    answers = []
    for on in (date(2026, 5, 31), date(2026, 6, 1), date(2026, 9, 30), date(2026, 10, 1)):
        found = standing([older, newer], replace(WANTED, on=on))
        answers.append(found.facts[section][key])
    assert answers == ["no", "yes", "yes", "unknown"]
    revoked = replace(newer, revoked_on=date(2026, 9, 30))
    assert standing([older, revoked], replace(WANTED, on=date(2026, 10, 1))).facts[section][key] == "no"
