"""What people read of provisions: lists that are theirs, exact counts, what is due, and alarms about splitting."""

from __future__ import annotations

import random
from datetime import date
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlmodel import select

from rwd_platform.compliance.ledger import total
from rwd_platform.compliance.person_sets import PersonSet
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import provision_view as view
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import Leaving, cancel_provisions, post_provisions, provisions_of
from rwd_platform.flows.provision_counts import YearCount, as_ledgers, increments
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, OutputRelease, PersonPosting, Provision
from tests.conftest import StandingClock
from tests.flows.papers import paper, party
from tests.flows.providing import (
    ABROAD,
    HOSPITAL,
    RESEARCHER,
    decided,
    keys,
    part,
    put,
    put_everything,
    revoke,
)
from tests.flows.releasing import ASSEMBLER, OFFICER, REGULATOR, people, put_package

OTHER = "org-hospital-b"
CLERK = Actor("clerk", "hospital", HOSPITAL)
CLERK_B = Actor("clerk-b", "hospital", OTHER)
OPERATOR = Actor("op", "operator", "org-operator")


def posted(leaving: Leaving) -> None:
    act = Act(RESEARCHER, "release.released", Object("release", leaving.asked.id))
    with leaving.platform.records.transaction(audit=act) as session:
        post_provisions(session, leaving)


def year_of(platform: Platform, actor: Actor = OFFICER, exporter: str = HOSPITAL) -> view.ExporterYear:
    (one,) = [one for one in view.ledger_of_year(platform, actor, 2026) if one.exporter == exporter]
    return one


# -- counting: against sets of Python's own ------------------------------------------------------------------------

_SETS = st.lists(
    st.tuples(st.frozensets(st.integers(0, 12), max_size=8), st.frozensets(st.integers(0, 12), max_size=8)),
    max_size=6,
)


def as_set(general: frozenset[int], sensitive: frozenset[int]) -> PersonSet:
    return PersonSet.of([n.to_bytes(16, "big") for n in general], [n.to_bytes(16, "big") for n in sensitive])


def counted_by_hand(sets: list[tuple[frozenset[int], frozenset[int]]]) -> list[tuple[int, int]]:
    general: set[int] = set()
    sensitive: set[int] = set()
    found = []
    for some, others in sets:
        before = (len(general - sensitive), len(sensitive))
        general |= some
        sensitive |= others
        found.append((len(general - sensitive) - before[0], len(sensitive) - before[1]))
    return found


@settings(max_examples=300, deadline=None)
@given(_SETS)
def test_each_provisions_part_in_the_count_is_what_sets_say(
    sets: list[tuple[frozenset[int], frozenset[int]]],
) -> None:
    assert increments([as_set(*one) for one in sets]) == counted_by_hand(sets)


@settings(max_examples=200, deadline=None)
@given(_SETS)
def test_numbered_persons_count_like_the_keys_they_stand_for(
    sets: list[tuple[frozenset[int], frozenset[int]]],
) -> None:
    """The alarms work on ledgers of numbers: each alone and all together have the counts of the sets."""
    ledgers = as_ledgers([as_set(*one) for one in sets])
    for one, (some, others) in zip(ledgers, sets, strict=True):
        assert (one.general, one.sensitive.count) == (len(some - others), len(others))
        for intervals in (one.general_only.intervals, one.sensitive.intervals):
            assert all(a[1] < b[0] for a, b in pairwise(intervals)), "do not touch"
    whole = total(ledgers)
    by_hand = counted_by_hand(sets)
    assert (whole.general, whole.sensitive.count) == tuple(sum(one[i] for one in by_hand) for i in (0, 1))


def test_a_hundred_thousand_persons_in_random_order_are_counted_exactly() -> None:
    """Keys of 16 random bytes, half of them in both sets."""
    generator = np.random.default_rng(20261102)
    raw = generator.bytes(16 * 150_000)
    some = [raw[at : at + 16] for at in range(0, len(raw), 16)]
    random.Random(7).shuffle(some)
    first, second = PersonSet.of(some[:100_000]), PersonSet.of((), some[50_000:])
    assert increments([first, second]) == [(100_000, 0), (-50_000, 100_000)]


# -- the ledger ------------------------------------------------------------------------------------------------------


def test_what_is_reserved_stands_apart_from_what_has_left(platform: Platform) -> None:
    """Ten have left; twelve are reserved, of whom five are among those ten."""
    put_everything(platform)
    posted(part(platform, 1, keys(1, 10)))
    decided(part(platform, 2, keys(6, 17)))
    count = year_of(platform).count
    assert count == YearCount(0, 10, 0, 7) and count.sensitive == 17


def test_the_count_is_of_the_sets_also_after_another_reservation_was_cancelled(platform: Platform) -> None:
    """The second one's persons were all reserved already, so that it added nobody. The first is cancelled: what the
    second holds is counted all the same."""
    put_everything(platform)
    first = part(platform, 1, keys(1, 10))
    decided(first)
    decided(part(platform, 2, keys(1, 10)))
    act = Act(RESEARCHER, "release.refused", Object("release", "release-1"))
    with platform.records.transaction(audit=act) as session:
        cancel_provisions(session, platform, "release-1", "voted down")
    assert len(platform.records.all(select(PersonPosting))) == 1
    assert year_of(platform).count == YearCount(0, 0, 0, 10)


def test_a_year_without_anything_is_a_ledger_of_noughts(platform: Platform) -> None:
    own = view.ledger_of_year(platform, CLERK, 2026)
    assert [(one.exporter, one.count) for one in own] == [(HOSPITAL, YearCount(0, 0, 0, 0))]
    assert view.ledger_of_year(platform, OFFICER, 2026) == [], "no exporter has a paper or a provision"
    assert all("尚无出境记录" in one.text.zh for one in own[0].outlooks)


@pytest.mark.parametrize("year", [2000, 2023, 2025, 2027, 2200])
def test_other_years_are_other_ledgers(platform: Platform, year: int) -> None:
    """Nothing of 2026 is in them, a year to come has no forecast, and one before the rules neither."""
    put_everything(platform)
    posted(part(platform, 1, keys(1, 10)))
    (one,) = view.ledger_of_year(platform, CLERK, year)
    assert one.count == YearCount(0, 0, 0, 0)
    assert bool(one.outlooks) is (year == 2025)


def test_the_forecast_knows_what_left_what_is_reserved_and_what_is_held(platform: Platform) -> None:
    """8,000 left, 1,500 reserved, 600 held for a duty that is missing: the plans reach 10,000 today."""
    put_everything(platform)
    posted(part(platform, 1, keys(1, 8_000)))
    decided(part(platform, 2, keys(8_001, 9_500)))
    held = decided(part(platform, 3, keys(9_501, 10_100), minors=True))
    assert held.verdict == "HOLD"
    (sensitive,) = [one for one in year_of(platform).outlooks if one.threshold.id == "assessment_sensitive"]
    assert (sensitive.now, sensitive.with_plans) == (8_000, 10_100)
    assert sensitive.reached_by_plans == date(2026, 11, 2)


def test_what_is_held_and_would_not_count_is_no_plan(platform: Platform) -> None:
    """Exempt on a basis, at home, or nobody's any more: held for its assessment, and added to nothing."""
    put_everything(platform, but=["impact_assessment"])
    put(platform, party("circle-home"))
    assert decided(part(platform, 1, keys(1, 50), recipient="circle-home")).verdict == "HOLD"
    put(platform, paper("legal_basis", HOSPITAL, answer="contract"))
    assert decided(part(platform, 2, keys(1, 50))).decision["rules"] == ["M5"]
    one = year_of(platform)
    assert [each.with_plans for each in one.outlooks] == [0, 0, 0] and one.uncounted_plans == 0


def test_a_held_provision_whose_persons_nobody_counted_is_told_beside_the_forecast(
    platform: Platform,
) -> None:
    put_everything(platform)
    put(platform, party(ABROAD, country="US", restricted="unknown"))
    decided(part(platform, 1, keys(1, 50)))
    one = year_of(platform)
    assert one.uncounted_plans == 1 and one.outlooks[1].with_plans == 0


def test_the_calendar_of_an_exporters_papers_is_that_of_the_day(platform: Platform) -> None:
    """A contract of 26 October that nobody filed: ten working days end on 9 November; of 2 November 7 days are left."""
    put_everything(platform, but=["standard_contract"])
    put(platform, paper("standard_contract", HOSPITAL, effective_from="2026-10-26"))
    (due,) = year_of(platform).deadlines
    assert (due.what, due.due, due.days_left) == ("file", date(2026, 11, 9), 7)
    revoke(platform, "standard_contract")
    assert year_of(platform).deadlines == ()


def test_persons_that_cannot_be_opened_are_an_error_of_that_exporter_alone(platform: Platform) -> None:
    """No count is shown where one cannot be had; the other exporter's page is whole."""
    put_everything(platform)
    put_everything(platform, OTHER)
    posted(part(platform, 1, keys(1, 10)))
    posted(part(platform, 2, keys(1, 4), exporter=OTHER))
    row = platform.records.all(select(PersonPosting).where(PersonPosting.organisation_id == HOSPITAL))[0]
    row.sealed = row.sealed[:-1] + bytes([row.sealed[-1] ^ 1])
    act = Act(RESEARCHER, "seed.written", Object("person_posting", row.provision_id))
    platform.records.write(row, audit=act)
    damaged = year_of(platform)
    assert damaged.count is None and damaged.problem is not None
    assert damaged.problem.code == "provision.posting_damaged"
    assert year_of(platform, exporter=OTHER).count == YearCount(0, 4, 0, 0)


# -- who sees what ---------------------------------------------------------------------------------------------------


def test_a_hospital_sees_its_own_provisions_and_an_officer_all(platform: Platform) -> None:
    put_everything(platform)
    put_everything(platform, OTHER)
    mine, theirs = (
        decided(part(platform, 1, keys(1, 3))),
        decided(part(platform, 2, keys(1, 3), exporter=OTHER)),
    )
    for actor, wanted in (
        (CLERK, {mine.id}),
        (CLERK_B, {theirs.id}),
        (OFFICER, {mine.id, theirs.id}),
        (REGULATOR, {mine.id, theirs.id}),
    ):
        assert {row.id for row in view.provisions(platform, actor)} == wanted
        assert {one.exporter for one in view.ledger_of_year(platform, actor, 2026)} == {
            row.organisation_id for row in (mine, theirs) if row.id in wanted
        }
    for id in (theirs.id, "provision-x"):
        with pytest.raises(PlatformError) as refused:
            view.provision(platform, CLERK, id)
        assert refused.value.code == "records.not_found"


def test_a_role_without_the_permission_sees_nothing_and_a_researcher_no_count(platform: Platform) -> None:
    with pytest.raises(PlatformError) as refused:
        view.provisions(platform, OPERATOR)
    assert refused.value.code == "access.not_allowed"
    put_everything(platform)
    mine, others = part(platform, 1, keys(1, 3)), part(platform, 2, keys(1, 3))
    others.asked.organisation_id = "org-elsewhere"
    for one in (mine, others):
        put(platform, one.asked)
    seen, hidden = decided(mine), decided(others)
    assert view.provisions(platform, RESEARCHER) == [seen]  # of releases that are theirs to see
    assert view.provision(platform, RESEARCHER, seen.id) == seen
    for absent in (hidden.id, "provision-none"):
        with pytest.raises(PlatformError) as refused:
            view.provision(platform, RESEARCHER, absent)
        assert refused.value.code == "records.not_found"
    assert view.ledger_of_year(platform, RESEARCHER, 2026) == [] and not view.sees_counts(RESEARCHER)


def test_a_list_is_found_by_exporter_state_and_what_is_lacking(platform: Platform) -> None:
    put_everything(platform, but=["impact_assessment"])
    put_everything(platform, OTHER)
    held = decided(part(platform, 1, keys(1, 3)))
    allowed = decided(part(platform, 2, keys(1, 3), exporter=OTHER))
    wanted = view.ProvisionFilter
    for filter, expected in (
        (wanted(exporter=OTHER), [allowed.id]),
        (wanted(state="held"), [held.id]),
        (wanted(lacks="PIPIA"), [held.id]),
        (wanted(lacks="HGR"), []),
        (wanted(exporter=OTHER, lacks="PIPIA"), []),
        (wanted(state="' OR 1=1 --"), []),
    ):
        assert [row.id for row in view.provisions(platform, OFFICER, filter)] == expected


@pytest.mark.parametrize(
    ("action", "about", "outdated"),
    [
        ("instrument.recorded", f"paper-{HOSPITAL}-standard_contract", True),
        ("instrument.revoked", f"paper-{HOSPITAL}-impact_assessment", True),
        ("party.recorded", ABROAD, True),
        ("party.recorded", HOSPITAL, True),
        ("package.anonymity_reviewed", "EP-1", True),
        ("package.anonymity_reviewed", "EP-2", False),
        ("party.recorded", OTHER, False),
        ("instrument.recorded", f"paper-{OTHER}-standard_contract", False),
        ("package.downloaded", "EP-1", False),
    ],
)
def test_an_open_provision_says_when_something_it_rests_on_was_recorded_since(
    platform: Platform, clock: StandingClock, action: str, about: str, outdated: bool
) -> None:
    """Whoever reads that a contract is missing must not file one that a review made needless."""
    put_everything(platform)
    put_everything(platform, OTHER)
    row = decided(part(platform, 1, keys(1, 10)))
    assert not view.is_outdated(platform, row)
    clock.advance(seconds=1)
    platform.records.record(Act(OFFICER, action, Object("thing", about)))
    assert view.is_outdated(platform, row) is outdated


def test_a_provision_that_has_left_is_never_outdated(platform: Platform, clock: StandingClock) -> None:
    put_everything(platform)
    leaving = part(platform, 1, keys(1, 10))
    decided(leaving)
    posted(leaving)
    clock.advance(seconds=1)
    platform.records.record(Act(OFFICER, "party.recorded", Object("legal_party", ABROAD)))
    assert not view.is_outdated(platform, provisions_of(platform, "release-1")[0])


def test_a_paper_names_the_provisions_that_rest_on_it(platform: Platform) -> None:
    put_everything(platform)
    row = decided(part(platform, 1, keys(1, 3)))
    contract = paper("standard_contract", HOSPITAL)
    assert [one.id for one in view.rested_on(platform, OFFICER, contract)] == [row.id]
    assert view.rested_on(platform, OFFICER, paper("certification", HOSPITAL)) == []
    assert view.rested_on(platform, OPERATOR, contract) == []


# -- alarms ----------------------------------------------------------------------------------------------------------


def test_two_hospitals_of_one_group_that_reach_the_threshold_together_are_told(platform: Platform) -> None:
    """6,000 and 5,000 persons to one recipient: neither alone reaches 10,000. Each hospital sees no other's counts."""
    put_everything(platform)
    put_everything(platform, OTHER)
    for one in (HOSPITAL, OTHER):
        put(platform, party(one, group_name="乐城医疗集团"))
    decided(part(platform, 1, keys(1, 6_000)))
    decided(part(platform, 2, keys(1, 5_000), exporter=OTHER))
    for exporter in (HOSPITAL, OTHER):
        (alarm,) = year_of(platform, exporter=exporter).alarms
        assert alarm.alarm.kind == "exporters" and alarm.alarm.sensitive == 11_000
        assert "乐城医疗集团" in alarm.text.zh and "org-hospital" not in alarm.text.zh
    assert year_of(platform, CLERK).alarms == ()


def test_one_hospital_that_splits_by_purpose_is_told_also_to_itself(platform: Platform) -> None:
    put_everything(platform)
    decided(part(platform, 1, keys(1, 6_000)))
    other = part(platform, 2, keys(4_001, 9_999))
    other.package.purpose = "research"
    decided(other)
    assert year_of(platform).alarms == (), "together they are 9,999 persons"
    third = part(platform, 3, keys(10_000, 10_000))
    third.package.purpose = "insurance"
    put(platform, paper("security_assessment", HOSPITAL))
    decided(third)
    for actor in (OFFICER, CLERK):
        (alarm,) = year_of(platform, actor).alarms
        assert alarm.alarm.members == ("insurance", "registration", "research") and alarm.alarm.exact
        assert "研究合作" in alarm.text.zh and "Research collaboration" in alarm.text.en


# -- deciding again ----------------------------------------------------------------------------------------------------


def asked_for(platform: Platform, **differs: str) -> OutputRelease:
    """A release under way of a real package, to a recipient who is checked."""
    put_package(platform, {"all": people(1, 30)})
    row = OutputRelease(
        id="release-1", organisation_id="org-operator", project_id="demo", package_id="EP-1", product="p",
        recipient_kind="sponsor", circle="circle-sponsor", content_sha256="0" * 64, conditions={}, verdict={},
        requested_by=ASSEMBLER.id, requested_at="2026-11-01T00:00:00.000000Z", **{"state": "requested"} | differs,
    )  # fmt: skip
    put(platform, row)
    return row


@pytest.mark.parametrize("actor", [ASSEMBLER, OFFICER])
def test_what_is_held_is_decided_again_once_the_paper_is_there(platform: Platform, actor: Actor) -> None:
    release = asked_for(platform)
    revoke(platform, "impact_assessment", "org-operator")
    (held,) = view.decide_again(platform, actor, release.id)
    assert (held.state, held.decision["missing"]) == ("held", ["PIPIA"])
    assert view.may_decide_again(actor, release, held)
    put(platform, paper("impact_assessment", "org-operator", id="paper-new"))
    (allowed,) = view.decide_again(platform, actor, release.id)
    assert (allowed.id, allowed.state) == (held.id, "reserved")
    entries = platform.records.all(select(AuditEntry).where(AuditEntry.action == "transfer.decided"))
    assert [(one.actor_id, one.outcome) for one in entries] == [(actor.id, "refused"), (actor.id, "done")]


@pytest.mark.parametrize("actor", [REGULATOR, CLERK, OPERATOR])
def test_who_neither_asks_nor_approves_cannot_have_it_decided_again(platform: Platform, actor: Actor) -> None:
    release = asked_for(platform)
    with pytest.raises(PlatformError) as refused:
        view.decide_again(platform, actor, release.id)
    assert refused.value.code == "access.not_allowed" and platform.records.all(select(Provision)) == []
    assert platform.records.all(select(AuditEntry).where(AuditEntry.action == "access.refused"))


@pytest.mark.parametrize("state", ["refused", "released", "returned", "withdrawn", "recalled"])
def test_a_release_that_is_settled_reserves_nobody_again(platform: Platform, state: str) -> None:
    release = asked_for(platform, state=state)
    with pytest.raises(PlatformError) as refused:
        view.decide_again(platform, OFFICER, release.id)
    assert refused.value.code == "provision.settled" and provisions_of(platform, release.id) == []


def test_a_release_that_is_not_there_is_refused_like_a_hidden_one(platform: Platform) -> None:
    asked_for(platform)
    stranger = Actor("stranger", "researcher", "org-elsewhere")
    codes = []
    for actor, id in ((stranger, "release-1"), (OFFICER, "release-x")):
        with pytest.raises(PlatformError) as refused:
            view.decide_again(platform, actor, id)
        codes.append(refused.value.code)
    assert codes == ["records.not_found"] * 2


def test_the_ledger_turns_over_at_midnight_in_shanghai(platform: Platform, clock: StandingClock) -> None:
    """What leaves at 2026-12-31T16:00Z is of 2027."""
    put_everything(platform)
    clock.now = clock.now.replace(month=12, day=31, hour=15, minute=59)
    posted(part(platform, 1, keys(1, 5)))
    clock.advance(minutes=1)
    posted(part(platform, 2, keys(6, 7)))
    counts = {year: view.ledger_of_year(platform, CLERK, year)[0].count for year in (2026, 2027)}
    assert counts == {2026: YearCount(0, 5, 0, 0), 2027: YearCount(0, 2, 0, 0)}
