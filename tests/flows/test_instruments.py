"""Papers on record: who writes down what for whom, once, in words that can be read, and never edited."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.compliance.filings import add_months, deadlines
from rwd_platform.compliance.instruments import kind_of, kinds
from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.instruments import (
    LARGEST_SCALE,
    LAST_DAY,
    MOST_NAMED,
    NewPaper,
    as_instrument,
    file_instrument,
    instruments,
    papers_of,
    record_instrument,
    revoke_instrument,
)
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provide import decide_provisions, leaving
from rwd_platform.flows.release import request_release
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, DataLockRecord, InstrumentRecord, User
from tests.conftest import StandingClock
from tests.flows.log_reading import newest_detail, whole_log
from tests.flows.papers import paper
from tests.flows.releasing import ASSEMBLER, OFFICER, REGULATOR, account, people, put_package

HOSPITAL, OTHER = "org-hospital-a", "org-hospital-b"
CLERK, STRANGER = Actor("clerk-a", "hospital", HOSPITAL), Actor("clerk-b", "hospital", OTHER)
OPERATOR = Actor("machine-room", "operator", "org-operator")
TODAY, TOMORROW = "2026-11-02", "2026-11-03"
SCOPE = {"purposes": ["registration"], "fields": ["*"], "recipients": ["circle-sponsor"], "persons": 500}
CONTRACT = NewPaper(HOSPITAL, "standard_contract", "SC-2026-01", "2026-10-20", scope=SCOPE)
CERTIFICATE = NewPaper(HOSPITAL, "certification", "CERT-7", "2026-01-01", "2028-12-31", scope=SCOPE)
CHECK = NewPaper(HOSPITAL, "ciio_check", "函〔2026〕3号", "2026-10-01", answer="no")
WHY = "合同已解除。"


def furnished(platform: Platform) -> Platform:
    accounts = [account(one) for one in (CLERK, STRANGER, OFFICER, ASSEMBLER, REGULATOR, OPERATOR)]
    platform.records.write(*accounts, audit=Act(OPERATOR, "seed.written", Object("user", "all")))
    return platform


def put(platform: Platform, row: Any) -> None:
    platform.records.write(row, audit=Act(OPERATOR, "seed.written", Object(str(row.__tablename__), row.id)))


@pytest.fixture
def desk(platform: Platform) -> Platform:
    """A deployment with an account for everybody who turns up here."""
    return furnished(platform)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def each_desk(platform: Platform, request: pytest.FixtureRequest) -> Platform:
    """The same, once on each database."""
    if request.param == "postgres":
        records = request.getfixturevalue("records_postgres")
        platform = replace(platform, records=records, keys=records.keys)
        register_organisations(platform)
    return furnished(platform)


def refused(code: str, work: Callable[..., object], *args: Any) -> PlatformError:
    with pytest.raises(PlatformError) as caught:
        work(*args)
    assert caught.value.code == code
    return caught.value


def entries(platform: Platform, action: str = "instrument.") -> list[dict[str, Any]]:
    rows = platform.records.all(select(AuditEntry).order_by(AuditEntry.sequence))  # type: ignore[arg-type]  # SQLModel types columns as values
    return [json.loads(row.body) for row in rows if row.action.startswith(action)]


def stored(platform: Platform) -> list[InstrumentRecord]:
    return list(platform.records.all(select(InstrumentRecord)))


def row_of(platform: Platform, id: str) -> InstrumentRecord:
    return platform.records.get(InstrumentRecord, id)


# -- who records what for whom ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("actor", "exporter"), [(CLERK, HOSPITAL), (OFFICER, HOSPITAL), (OFFICER, "org-operator")]
)
def test_a_hospital_records_its_own_papers_and_a_privacy_officer_anybodys(
    each_desk: Platform, actor: Actor, exporter: str
) -> None:
    made = record_instrument(each_desk, actor, replace(CONTRACT, exporter=exporter))
    kept = row_of(each_desk, made.id)
    assert (kept.organisation_id, kept.recorded_by, kept.version) == (exporter, actor.id, 1)
    assert (kept.kind, kept.number, kept.effective_from) == ("standard_contract", "SC-2026-01", "2026-10-20")
    assert kept.scope == SCOPE and kept.revoked_on == kept.filed_on == kept.valid_until == ""
    (entry,) = entries(each_desk)
    assert (entry["action"], entry["object"]["id"], entry["actor"]["id"]) == (
        "instrument.recorded",
        made.id,
        actor.id,
    )
    assert entry["decision"]["exporter"] == exporter and entry["new_hash"] and not entry["old_hash"]


def test_what_is_recorded_is_what_the_rules_read(each_desk: Platform) -> None:
    """Day by day and name by name, and only the exporter's."""
    record_instrument(each_desk, CLERK, replace(CERTIFICATE, number="  CERT  7 "))
    record_instrument(each_desk, STRANGER, replace(CHECK, exporter=OTHER))
    with each_desk.records.reading() as session:
        (found,) = papers_of(session, HOSPITAL)
        (check,) = papers_of(session, OTHER)
        assert papers_of(session, "org-hospital-c") == []
    assert (found.kind, found.number, found.exporter) == ("certification", "CERT 7", HOSPITAL)
    assert (found.effective_from, found.valid_until) == (date(2026, 1, 1), date(2028, 12, 31))
    assert found.scope.fields == {"*"} and found.scope.persons == 500 and found.scope.projects == frozenset()
    assert (found.filed_on, found.revoked_on) == (None, None)
    assert (check.answer, check.scope.persons, check.valid_until) == ("no", None, None)


@pytest.mark.parametrize("exporter", [OTHER, "org-nowhere", "", "*"])
def test_a_hospital_cannot_tell_another_exporter_from_none(desk: Platform, exporter: str) -> None:
    error = refused("records.not_found", record_instrument, desk, CLERK, replace(CONTRACT, exporter=exporter))
    assert error.http == 404
    assert {name: error.details[name] for name in ("kind", "id")} == {"kind": "organisation", "id": exporter}
    (entry,) = entries(desk, "access.refused")
    assert (entry["reason"], entry["purpose"]) == ("records.not_found", "instrument.record")
    assert stored(desk) == []


@pytest.mark.parametrize("actor", [ASSEMBLER, REGULATOR, OPERATOR], ids=lambda actor: actor.role)
def test_whoever_records_no_papers_learns_nothing_from_asking(desk: Platform, actor: Actor) -> None:
    """The same words for one's own organisation, another one and none; for a paper on record and for none."""
    made = record_instrument(desk, CLERK, CONTRACT)
    said = {
        refused("access.not_allowed", record_instrument, desk, actor, replace(CONTRACT, exporter=exporter)).en
        for exporter in (actor.organisation, HOSPITAL, "org-nowhere")
    }
    for id in (made.id, "paper-none"):
        said.add(refused("access.not_allowed", file_instrument, desk, actor, id, TODAY).en)
        said.add(refused("access.not_allowed", revoke_instrument, desk, actor, id, WHY).en)
    assert len(said) == 1
    assert len(entries(desk, "access.refused")) == 7
    assert stored(desk) == [made]


def test_a_paper_of_another_hospital_looks_like_one_that_does_not_exist(desk: Platform) -> None:
    made = record_instrument(desk, STRANGER, replace(CONTRACT, exporter=OTHER))
    for work, words in ((file_instrument, TODAY), (revoke_instrument, WHY)):
        there = refused("records.not_found", work, desk, CLERK, made.id, words)
        absent = refused("records.not_found", work, desk, CLERK, "paper-none", words)
        assert there.en.replace(made.id, "paper-none") == absent.en and there.http == absent.http == 404
    assert row_of(desk, made.id) == made


def test_it_takes_an_account_in_use_in_the_role_that_acts(desk: Platform) -> None:
    """A program with a name of its own records nothing; neither does who left."""
    refused("access.no_account", record_instrument, desk, Actor("cli:x", "privacy", "org-operator"), CONTRACT)
    made = record_instrument(desk, CLERK, CONTRACT)
    left = desk.records.get(User, CLERK.id)
    left.disabled_at = "2026-11-01T00:00:00.000000Z"
    put(desk, left)
    refused("access.no_account", record_instrument, desk, CLERK, CONTRACT)
    refused("access.no_account", file_instrument, desk, CLERK, made.id, TODAY)
    refused("access.no_account", revoke_instrument, desk, CLERK, made.id, WHY)
    assert stored(desk) == [made]


def test_a_list_shows_a_hospital_its_own_and_others_everything_the_newest_first(
    each_desk: Platform, clock: StandingClock
) -> None:
    made = []
    for actor, exporter in ((CLERK, HOSPITAL), (STRANGER, OTHER), (OFFICER, HOSPITAL)):
        made.append(record_instrument(each_desk, actor, replace(CONTRACT, exporter=exporter)).id)
        clock.advance(minutes=1)
    first, foreign, last = made
    assert [one.id for one in instruments(each_desk, CLERK)] == [last, first]
    assert [one.id for one in instruments(each_desk, STRANGER)] == [foreign]
    for actor in (OFFICER, ASSEMBLER, REGULATOR):
        assert [one.id for one in instruments(each_desk, actor)] == [last, foreign, first]
    refused("access.not_allowed", instruments, each_desk, OPERATOR)


# -- what is written down -----------------------------------------------------------------------------------------


def scope(**differs: Any) -> dict[str, Any]:
    return {"scope": {**SCOPE, **differs}}


TOO_MANY = [f"circle-{number:03d}" for number in range(MOST_NAMED + 1)]


@pytest.mark.parametrize(
    ("new", "changes", "field"),
    [
        (CONTRACT, {"kind": "letter_of_intent"}, "kind"),
        (CONTRACT, {"kind": ""}, "kind"),
        (CONTRACT, {"kind": "x" * 100_000}, "kind"),
        (CONTRACT, {"number": ""}, "number"),
        (CONTRACT, {"number": " \t\u3000"}, "number"),
        (CONTRACT, {"number": "9" * 201}, "number"),
        (CONTRACT, {"number": "SC\x00-1"}, "number"),
        (CONTRACT, {"number": "SC\x1b[2J"}, "number"),
        (CONTRACT, {"number": "SC\u202e1"}, "number"),  # turns what follows around
        (CONTRACT, {"number": "SC\ud800"}, "number"),
        (CONTRACT, {"note": "n" * 2001}, "note"),
        (CONTRACT, {"note": "a\x00b"}, "note"),
        (CONTRACT, {"answer": "yes"}, "answer"),  # a paper answers nothing
        (CHECK, {"answer": ""}, "answer"),
        (CHECK, {"answer": "unknown"}, "answer"),
        (CHECK, {"answer": "No"}, "answer"),
        (CONTRACT, {"evidence_sha256": "ab" * 31}, "evidence_sha256"),
        (CONTRACT, {"evidence_sha256": "AB" * 32}, "evidence_sha256"),
        (CONTRACT, {"evidence_sha256": "xy" * 32}, "evidence_sha256"),
        (CONTRACT, {"evidence_sha256": "ab" * 32 + "\n"}, "evidence_sha256"),
        (CONTRACT, {"effective_from": ""}, "effective_from"),
        (CONTRACT, {"effective_from": "2026-02-30"}, "effective_from"),
        (CONTRACT, {"effective_from": "2026-2-3"}, "effective_from"),
        (CONTRACT, {"effective_from": "20260203"}, "effective_from"),
        (CONTRACT, {"effective_from": "2026-10-20T00:00"}, "effective_from"),
        (CONTRACT, {"effective_from": "２０２６-10-20"}, "effective_from"),
        (CONTRACT, {"effective_from": "0000-01-01"}, "effective_from"),
        (CONTRACT, {"effective_from": "3000-01-01"}, "effective_from"),
        (CONTRACT, {"valid_until": "9999-12-31"}, "valid_until"),  # "for ever" is an empty field
        (CONTRACT, {"valid_until": "2026-10-19"}, "valid_until"),
        (CONTRACT, {"valid_until": "2027-02-29"}, "valid_until"),
        (CONTRACT, {"valid_until": "never"}, "valid_until"),
        (CERTIFICATE, {"valid_until": ""}, "valid_until"),
        (CERTIFICATE, {"valid_until": "2025-12-31"}, "valid_until"),
        (replace(CERTIFICATE, kind="security_assessment"), {"valid_until": ""}, "valid_until"),
        (CONTRACT, {"filed_on": TOMORROW}, "filed_on"),
        (CONTRACT, {"filed_on": "2026-10-19"}, "filed_on"),
        (CONTRACT, {"filed_on": "yesterday"}, "filed_on"),
        (CERTIFICATE, {"filed_on": "2026-02-01"}, "filed_on"),
        (CONTRACT, scope(sites=["*"]), "scope.sites"),
        (CONTRACT, scope(purpose=["*"]), "scope.purpose"),
        (CHECK, scope(), "scope.fields"),
        (CONTRACT, {"scope": {}}, "scope.purposes"),
        (CONTRACT, scope(fields=[]), "scope.fields"),
        (CONTRACT, scope(fields=None), "scope.fields"),
        (CONTRACT, scope(fields="*"), "scope.fields"),
        (CONTRACT, scope(fields={"results": True}), "scope.fields"),
        (CONTRACT, scope(fields=["results", ""]), "scope.fields"),
        (CONTRACT, scope(fields=["results", None]), "scope.fields"),
        (CONTRACT, scope(fields=["a\x07b"]), "scope.fields"),
        (CONTRACT, scope(fields=["x" * 201]), "scope.fields"),
        (CONTRACT, scope(fields=[["*"]]), "scope.fields"),
        (CONTRACT, scope(recipients=["*", "circle-sponsor"]), "scope.recipients"),
        (CONTRACT, scope(recipients=TOO_MANY), "scope.recipients"),
        (CONTRACT, scope(purposes=["marketing"]), "scope.purposes"),
        (CONTRACT, scope(purposes=["registration", "Registration"]), "scope.purposes"),
        (CONTRACT, scope(persons=None), "scope.persons"),
        (CONTRACT, scope(persons=0), "scope.persons"),
        (CONTRACT, scope(persons=-1), "scope.persons"),
        (CONTRACT, scope(persons=True), "scope.persons"),
        (CONTRACT, scope(persons=500.0), "scope.persons"),
        (CONTRACT, scope(persons=float("nan")), "scope.persons"),
        (CONTRACT, scope(persons="500"), "scope.persons"),
        (CONTRACT, scope(persons=["*"]), "scope.persons"),
        (CONTRACT, scope(persons=LARGEST_SCALE + 1), "scope.persons"),
        (CONTRACT, scope(persons=10**30), "scope.persons"),
        (CONTRACT, {"replaces": "paper-none"}, "replaces"),
        (CONTRACT, {"note": "患者 11010519491231002X 已签字"}, "note"),
        (CONTRACT, {"note": "联系 13800138000"}, "note"),
        (CONTRACT, {"number": "11010519491231002X"}, "number"),
    ],
)
def test_what_cannot_be_used_is_refused_by_the_name_of_its_field(
    desk: Platform, new: NewPaper, changes: dict[str, Any], field: str
) -> None:
    """Nothing of it is kept; the log has the refusal and not what was typed."""
    error = refused("instrument.malformed", record_instrument, desk, CLERK, replace(new, **changes))
    assert error.http == 422 and f"field {field} " in error.en and f" {field} " in error.zh
    assert (error.zh + error.en).isprintable() and len(error.en) < 600
    assert stored(desk) == [] and entries(desk) == []
    (entry,) = entries(desk, "access.refused")
    assert (entry["reason"], entry["object"]["id"]) == ("instrument.malformed", "")


def test_what_lies_on_the_border_is_kept(each_desk: Platform) -> None:
    widest = replace(
        CONTRACT,
        number="9" * 200,
        note="n" * 2000,
        effective_from="2026-10-20",
        valid_until="2026-10-20",
        filed_on="2026-10-20",
        scope={**SCOPE, "recipients": TOO_MANY[:MOST_NAMED], "persons": LARGEST_SCALE},
        evidence_sha256="ab" * 32,
    )
    kept = row_of(each_desk, record_instrument(each_desk, CLERK, widest).id)
    assert len(kept.scope["recipients"]) == MOST_NAMED == 200 and kept.scope["persons"] == LARGEST_SCALE
    assert (len(kept.number), len(kept.note), kept.filed_on) == (200, 2000, "2026-10-20")
    one = record_instrument(
        each_desk, CLERK, replace(CONTRACT, filed_on=TODAY, scope={**SCOPE, "persons": 1})
    )
    assert one.scope["persons"] == 1 and one.filed_on == TODAY


_ANYTHING: dict[str, Any] = {"persons": 1, "scenarios": ["medicine-1"]}


@pytest.mark.parametrize("begins", ["0001-01-01", LAST_DAY])
def test_whatever_days_are_on_file_deadlines_can_be_counted_from_them(desk: Platform, begins: str) -> None:
    """One paper dated beyond the calendar would hide everybody else's deadlines."""
    for kind in kinds().values():
        scoped = {name: _ANYTHING.get(name, ["*"]) for name in kind.scope}
        months = kind.months_valid or 0
        ends = (
            min(LAST_DAY, add_months(date.fromisoformat(begins), months).isoformat()) if months else LAST_DAY
        )
        new = NewPaper(
            HOSPITAL, kind.id, "1", begins, ends, answer=(kind.answers or ("",))[0], scope=scoped,
            evidence_sha256="ab" * 32,
        )  # fmt: skip
        record_instrument(desk, OFFICER, new)
    with desk.records.reading() as session:
        found = deadlines(papers_of(session, HOSPITAL), date(2026, 11, 2))
    assert {one.kind for one in found} == set(kinds())


@pytest.mark.parametrize("kind", ["certification", "security_assessment"])
def test_what_the_law_makes_valid_for_three_years_cannot_be_recorded_for_longer(
    desk: Platform, kind: str
) -> None:
    new = replace(CONTRACT, kind=kind, effective_from="2026-01-31", filed_on="", valid_until="2029-01-31")
    assert record_instrument(desk, CLERK, new).valid_until == "2029-01-31"
    with pytest.raises(PlatformError) as refused:
        record_instrument(desk, CLERK, replace(new, valid_until="2029-02-01"))
    assert refused.value.code == "instrument.malformed" and "36" in refused.value.en


OPINION = NewPaper(
    HOSPITAL, "zone_opinion", "法意〔2026〕2号", TODAY, answer="outside", evidence_sha256="ab" * 32,
    scope={"purposes": ["*"], "fields": ["*"], "projects": ["*"], "scenarios": ["medicine-1"]},
)  # fmt: skip
GROUND = NewPaper(
    HOSPITAL, "legal_basis", "依据-7", TODAY, answer="contract", evidence_sha256="ab" * 32,
    scope={"purposes": ["*"], "recipients": ["*"], "projects": ["*"]},
)  # fmt: skip


@pytest.mark.parametrize("new", [OPINION, GROUND])
def test_what_opens_another_path_is_recorded_by_a_privacy_officer_and_not_by_the_hospital(
    each_desk: Platform, new: NewPaper
) -> None:
    """Otherwise an exporter would say for itself that the rules do not apply to it. The attempt is in the log."""
    error = refused("instrument.officers_only", record_instrument, each_desk, CLERK, new)
    assert (error.http, error.exit) == (403, 3)
    assert kind_of(new.kind).name.zh in error.zh and kind_of(new.kind).name.en in error.en
    assert stored(each_desk) == [] and len(entries(each_desk, "access.refused")) == 1
    made = record_instrument(each_desk, OFFICER, new)
    assert made.evidence_sha256 == "ab" * 32
    refused("instrument.officers_only", record_instrument, each_desk, CLERK, replace(new, replaces=made.id))
    assert row_of(each_desk, made.id).revoked_on == ""
    with each_desk.records.reading() as session:
        (read,) = papers_of(session, HOSPITAL)
    assert read.evidence_sha256 == "ab" * 32


@pytest.mark.parametrize("new", [OPINION, GROUND])
@pytest.mark.parametrize("evidence", ["", "ab" * 31, "g" * 64, "AB" * 32])
def test_it_is_recorded_with_the_checksum_of_the_original(
    desk: Platform, new: NewPaper, evidence: str
) -> None:
    error = refused(
        "instrument.malformed", record_instrument, desk, OFFICER, replace(new, evidence_sha256=evidence)
    )
    assert "evidence_sha256" in error.en and "evidence_sha256" in error.zh and "64" in error.en
    assert stored(desk) == []


@pytest.mark.parametrize("scenarios", [["*"], [], ["medicine-1", "*"], "medicine-1", [7], None])
def test_an_opinion_names_its_scenarios_one_by_one(desk: Platform, scenarios: Any) -> None:
    new = replace(OPINION, scope={**OPINION.scope, "scenarios": scenarios})
    assert "scope.scenarios" in refused("instrument.malformed", record_instrument, desk, OFFICER, new).en


def test_an_ethics_committee_records_its_approvals_and_no_other_paper(desk: Platform) -> None:
    """For any hospital: one committee's approval may be recognised by several sites."""
    committee = Actor("ethics-1", "ethics", "org-operator")
    desk.records.write(
        account(committee), audit=Act(committee, "seed.written", Object("user_account", committee.id))
    )
    approval = NewPaper(
        HOSPITAL, "ethics_approval", "E-1", TODAY, scope={"projects": ["demo"], "sites": [HOSPITAL]}
    )
    assert record_instrument(desk, committee, approval).recorded_by == committee.id
    with pytest.raises(PlatformError) as refused:
        record_instrument(desk, committee, CONTRACT)
    assert refused.value.code == "instrument.malformed"


def test_a_name_said_twice_is_one_name_and_the_order_is_of_no_account(desk: Platform) -> None:
    named = ["  circle-b", "circle-a", "circle-b ", "circle-a"]
    made = record_instrument(desk, CLERK, replace(CONTRACT, **scope(recipients=named)))
    assert made.scope["recipients"] == ["circle-a", "circle-b"]


HOSTILE = [
    "x'); DROP TABLE instrument; --",
    "<script>alert(1)</script>",
    "{0.__class__}",
    "${jndi:ldap://x}",
    "%s",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_statements_and_markup_are_kept_as_the_text_that_they_are(each_desk: Platform, text: str) -> None:
    new = replace(CONTRACT, number=text, note=text, scope={**SCOPE, "recipients": [text], "fields": [text]})
    kept = row_of(each_desk, record_instrument(each_desk, CLERK, new).id)
    assert kept.number == kept.note == text and kept.scope["fields"] == kept.scope["recipients"] == [text]
    assert revoke_instrument(each_desk, CLERK, kept.id, text).revoked_on == TODAY
    assert newest_detail(each_desk, "instrument.revoked")["reason"] == text
    assert len(stored(each_desk)) == 1


@pytest.mark.parametrize("name", ["\x1b[2Jfields", "\ud800", "<img src=x>", "f" * 100_000, "a\nb", ""])
def test_a_dimension_that_is_no_word_is_refused_in_words_that_can_be_printed(
    desk: Platform, name: str
) -> None:
    error = refused(
        "instrument.malformed", record_instrument, desk, CLERK, replace(CONTRACT, **scope(**{name: ["*"]}))
    )
    assert (error.zh + error.en).isprintable() and len(error.en) < 300
    assert "scope." in error.en


@pytest.mark.parametrize("field", ["exporter", "replaces"])
@pytest.mark.parametrize("id", ["org\x00hospital", "org-\ud800", "x" * 100_000, "'; --"])
def test_an_id_that_is_none_is_refused_before_a_database_sees_it(
    each_desk: Platform, field: str, id: str
) -> None:
    """PostgreSQL takes no NUL in a text and neither takes half a letter: that would be our fault, not the typist's."""
    error = refused(
        "instrument.malformed", record_instrument, each_desk, OFFICER, replace(CONTRACT, **{field: id})
    )
    assert f"field {field} " in error.en and id not in error.en
    assert stored(each_desk) == []


def test_an_exporter_that_does_not_exist_is_refused_to_a_privacy_officer(each_desk: Platform) -> None:
    new = replace(CONTRACT, exporter="org-nowhere")
    assert "exporter" in refused("instrument.malformed", record_instrument, each_desk, OFFICER, new).en
    assert stored(each_desk) == [] and entries(each_desk) == []


@pytest.mark.parametrize("instant", ["2026-11-02T15:59:59Z", "2026-11-02T16:00:00Z"])
def test_the_day_of_filing_is_a_day_in_shanghai(desk: Platform, clock: StandingClock, instant: str) -> None:
    """16:00Z on the 2nd is the 3rd there."""
    clock.now = datetime.fromisoformat(instant).astimezone(UTC)
    ahead = replace(CONTRACT, filed_on=TOMORROW)
    if clock.now.hour == 16:
        assert record_instrument(desk, CLERK, ahead).filed_on == TOMORROW
    else:
        refused("instrument.malformed", record_instrument, desk, CLERK, ahead)


# -- versions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("begins", ["2026-11-01", TODAY, "2027-01-01"])
def test_a_new_version_takes_over_on_its_first_day_without_a_gap(each_desk: Platform, begins: str) -> None:
    """The day before it is the old one that serves, from then on the new one, and never both."""
    old = record_instrument(each_desk, CLERK, CERTIFICATE)
    new = record_instrument(each_desk, OFFICER, replace(CERTIFICATE, effective_from=begins, replaces=old.id))
    old = row_of(each_desk, old.id)
    assert (old.version, new.version, new.replaces, old.revoked_on) == (1, 2, old.id, begins)
    day = date.fromisoformat(begins)
    for on, serves in ((day - timedelta(days=1), [True, False]), (day, [False, True])):
        assert [as_instrument(one).is_in_force(on) for one in (old, new)] == serves
    _, entry = entries(each_desk)
    assert entry["decision"]["replaces"] == old.id
    assert entry["old_hash"] and entry["new_hash"]  # both rows, in one entry


def test_versions_are_counted_up_and_each_names_the_one_before(desk: Platform) -> None:
    ids = [record_instrument(desk, CLERK, CHECK).id]
    for _ in range(3):
        ids.append(record_instrument(desk, CLERK, replace(CHECK, replaces=ids[-1])).id)
    assert [(row_of(desk, id).version, row_of(desk, id).replaces) for id in ids] == [
        (1, ""), (2, ids[0]), (3, ids[1]), (4, ids[2]),
    ]  # fmt: skip
    assert [id for id in ids if as_instrument(row_of(desk, id)).is_in_force(date(2026, 11, 2))] == ids[-1:]


def test_a_version_that_begins_before_the_old_one_leaves_it_no_day(desk: Platform) -> None:
    old = record_instrument(desk, CLERK, replace(CHECK, effective_from="2026-10-15"))
    record_instrument(desk, CLERK, replace(CHECK, effective_from="2026-10-01", replaces=old.id))
    assert row_of(desk, old.id).revoked_on == "2026-10-15"


def test_only_a_paper_of_the_same_kind_and_exporter_is_replaced(desk: Platform) -> None:
    """A paper of another hospital is refused in the words of one that does not exist."""
    own, foreign = record_instrument(desk, CLERK, CHECK), replace(CHECK, exporter=OTHER)
    other = record_instrument(desk, STRANGER, foreign)
    said = {
        refused("instrument.malformed", record_instrument, desk, CLERK, replace(new, replaces=id)).en
        for new, id in ((CHECK, other.id), (CHECK, "paper-none"), (CONTRACT, own.id))
    }
    assert len(said) == 1
    refused("instrument.malformed", record_instrument, desk, OFFICER, replace(foreign, replaces=own.id))
    assert {row.id: row for row in stored(desk)} == {own.id: own, other.id: other}


@pytest.mark.parametrize("begins", [TODAY, "2027-01-01"])
def test_what_was_replaced_is_not_replaced_again(desk: Platform, begins: str) -> None:
    """Two versions 2 would both be the newest; also while the first of them has not begun."""
    old = record_instrument(desk, CLERK, CHECK)
    again = replace(CHECK, effective_from=begins, replaces=old.id)
    record_instrument(desk, CLERK, again)
    error = refused("instrument.ended", record_instrument, desk, CLERK, again)
    assert error.http == 409 and old.id in error.en and len(stored(desk)) == 2


def test_what_was_revoked_is_not_replaced(desk: Platform) -> None:
    old = record_instrument(desk, CLERK, CHECK)
    revoke_instrument(desk, CLERK, old.id, WHY)
    refused("instrument.ended", record_instrument, desk, CLERK, replace(CHECK, replaces=old.id))


# -- filing and revoking ------------------------------------------------------------------------------------------


def test_a_contract_can_be_filed_on_its_first_day_and_a_cooperation_has_a_report(desk: Platform) -> None:
    """HGR Regulation 26: what is put on record of a cooperation is the day of its report."""
    contract = record_instrument(desk, CLERK, CONTRACT)
    assert file_instrument(desk, CLERK, contract.id, CONTRACT.effective_from).filed_on == "2026-10-20"
    scoped = {"recipients": ["circle-sponsor"], "projects": ["demo"]}
    ended = NewPaper(
        HOSPITAL, "hgr_cooperation", "HGR-3", "2025-01-01", "2026-06-30", answer="both_may_use", scope=scoped
    )
    cooperation = record_instrument(desk, CLERK, ended)
    assert file_instrument(desk, CLERK, cooperation.id, TODAY).filed_on == TODAY
    assert record_instrument(desk, CLERK, replace(ended, filed_on=TODAY)).filed_on == TODAY


def test_a_contract_is_filed_once_and_serves_from_that_day(each_desk: Platform) -> None:
    made = record_instrument(each_desk, CLERK, CONTRACT)
    assert not as_instrument(row_of(each_desk, made.id)).is_in_force(date(2026, 11, 2))
    assert file_instrument(each_desk, CLERK, made.id, "2026-10-30").filed_on == "2026-10-30"
    assert as_instrument(row_of(each_desk, made.id)).is_in_force(date(2026, 10, 30))
    error = refused("instrument.filed_already", file_instrument, each_desk, OFFICER, made.id, TODAY)
    assert "2026-10-30" in error.en and row_of(each_desk, made.id).filed_on == "2026-10-30"
    (entry,) = entries(each_desk, "instrument.filed")
    assert entry["decision"] == {"filed_on": "2026-10-30"} and entry["old_hash"] != entry["new_hash"]


@pytest.mark.parametrize("day", ["", "2026-10-19", TOMORROW, "2026-02-30", "today", "2026-10-30\n", "\x00"])
def test_a_day_of_filing_lies_between_its_start_and_today(desk: Platform, day: str) -> None:
    made = record_instrument(desk, CLERK, CONTRACT)
    refused("instrument.malformed", file_instrument, desk, CLERK, made.id, day)
    assert row_of(desk, made.id) == made and entries(desk, "instrument.filed") == []


@pytest.mark.parametrize("new", [CHECK, CERTIFICATE], ids=lambda new: new.kind)
def test_a_kind_that_is_not_filed_gets_no_day_of_filing(desk: Platform, new: NewPaper) -> None:
    """Neither when it is recorded nor later."""
    made = record_instrument(desk, CLERK, new)
    assert "filed_on" in refused("instrument.malformed", file_instrument, desk, CLERK, made.id, TODAY).en
    assert row_of(desk, made.id).filed_on == ""


def test_a_paper_is_revoked_from_today_on_with_a_reason(each_desk: Platform, clock: StandingClock) -> None:
    made = record_instrument(each_desk, CLERK, CERTIFICATE)
    clock.now = datetime(2026, 11, 2, 16, 0, tzinfo=UTC)  # the 3rd in Shanghai
    assert revoke_instrument(each_desk, CLERK, made.id, f"  {WHY}\n ").revoked_on == TOMORROW
    held = as_instrument(row_of(each_desk, made.id))
    assert [held.is_in_force(date(2026, 11, day)) for day in (2, 3)] == [True, False]
    (entry,) = entries(each_desk, "instrument.revoked")
    assert entry["object"]["id"] == made.id
    assert newest_detail(each_desk, "instrument.revoked")["reason"] == WHY and WHY not in whole_log(each_desk)
    refused("instrument.ended", revoke_instrument, each_desk, CLERK, made.id, WHY)


def test_a_reason_that_identifies_somebody_revokes_nothing(desk: Platform) -> None:
    made = record_instrument(desk, CLERK, CERTIFICATE)
    error = refused(
        "people.reason_identifies",
        revoke_instrument,
        desk,
        CLERK,
        made.id,
        "患者王小明 110101199003070011 要求撤回",
    )
    assert error.http == 422 and "110101" not in error.zh + error.en
    assert row_of(desk, made.id).revoked_on == "" and "110101" not in whole_log(desk)


@pytest.mark.parametrize("reason", ["", "  \n\t", "\x00", "a\x1b[2J", "w" * 2001])
def test_nobody_revokes_without_saying_why(desk: Platform, reason: str) -> None:
    made = record_instrument(desk, CLERK, CERTIFICATE)
    refused("instrument.malformed", revoke_instrument, desk, CLERK, made.id, reason)
    assert row_of(desk, made.id) == made and entries(desk, "instrument.revoked") == []


def test_a_revoked_contract_is_not_filed_any_more(desk: Platform) -> None:
    made = record_instrument(desk, CLERK, CONTRACT)
    revoke_instrument(desk, CLERK, made.id, WHY)
    refused("instrument.ended", file_instrument, desk, CLERK, made.id, TODAY)


def test_until_its_successor_begins_a_paper_can_be_filed_and_revoked(desk: Platform) -> None:
    """A contract that must stop today does not go on serving because its next version was recorded already."""
    old = record_instrument(desk, CLERK, CONTRACT)
    record_instrument(desk, CLERK, replace(CONTRACT, effective_from="2027-01-01", replaces=old.id))
    assert file_instrument(desk, CLERK, old.id, TODAY).filed_on == TODAY
    assert revoke_instrument(desk, CLERK, old.id, WHY).revoked_on == TODAY
    refused("instrument.ended", revoke_instrument, desk, CLERK, old.id, WHY)


# -- all of it in the log, or none --------------------------------------------------------------------------------


@pytest.mark.parametrize("act", ["record", "replace", "file", "revoke"])
def test_without_its_entry_nothing_is_written(
    each_desk: Platform, monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    made = record_instrument(each_desk, CLERK, CONTRACT)
    acts: dict[str, Callable[[], object]] = {
        "record": lambda: record_instrument(each_desk, CLERK, CHECK),
        "replace": lambda: record_instrument(each_desk, CLERK, replace(CONTRACT, replaces=made.id)),
        "file": lambda: file_instrument(each_desk, CLERK, made.id, TODAY),
        "revoke": lambda: revoke_instrument(each_desk, CLERK, made.id, WHY),
    }

    def broken(*_: object) -> None:
        raise OSError("the log cannot be written")

    monkeypatch.setattr("rwd_platform.records.journal.append", broken)
    with pytest.raises(OSError, match="cannot be written"):
        acts[act]()
    assert stored(each_desk) == [made]
    monkeypatch.undo()
    acts[act]()
    assert len(entries(each_desk)) == 2


def test_of_several_at_once_one_replaces_and_one_files(each_desk: Platform) -> None:
    made = record_instrument(each_desk, CLERK, CONTRACT)
    filed = at_once([lambda: file_instrument(each_desk, CLERK, made.id, TODAY)] * 4)
    assert sorted(filed) == ["done", *["instrument.filed_already"] * 3]
    new = replace(CONTRACT, effective_from=TODAY, replaces=made.id)
    replaced = at_once([lambda: record_instrument(each_desk, CLERK, new)] * 4)
    assert sorted(replaced) == ["done", *["instrument.ended"] * 3]
    assert sorted(one.version for one in stored(each_desk)) == [1, 2]


def at_once(works: list[Callable[[], object]]) -> list[str]:
    """All of them started together: `done`, or the code that each was refused with."""
    barrier, found = threading.Barrier(len(works)), list[str]()

    def run(work: Callable[[], object]) -> None:
        barrier.wait()
        try:
            work()
            found.append("done")
        except PlatformError as error:
            found.append(error.code)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


# -- what a paper is worth in a provision -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subjects", "answer", "missing"),
    [
        ({"under_14": 0, "age_unknown": 0, "ages": "years"}, None, False),
        ({"under_14": 0, "age_unknown": 1, "ages": "years"}, None, True),
        ({"under_14": 0, "age_unknown": 1, "ages": "years"}, "nobody_under_14", False),
        ({"under_14": 3, "age_unknown": 0, "ages": "bands"}, None, True),
        ({"under_14": 3, "age_unknown": 0, "ages": "bands"}, "nobody_under_14", False),  # 10-14 may be 14
        ({"under_14": 1, "age_unknown": 0, "ages": "years"}, "nobody_under_14", True),
        ({"under_14": 1, "age_unknown": 9, "ages": "years"}, "nobody_under_14", True),
        ({"under_14": 1, "age_unknown": 0, "ages": "years"}, "obtained", False),
    ],
)
def test_a_check_that_nobody_is_under_14_serves_unless_the_data_show_somebody(
    platform: Platform, subjects: dict[str, Any], answer: str | None, missing: bool
) -> None:
    put_package(platform, {"all": people(1, 200)})
    lock = platform.records.get(DataLockRecord, "L-demo")
    lock.manifest = {"content": {"facts": {"labels": {"subjects": {"count": 200, **subjects}}}, "tables": {}}}
    put(platform, lock)
    seeded = row_of(platform, "paper-org-operator-guardian_consent")
    put(
        platform,
        paper("guardian_consent", answer=answer or seeded.answer, revoked_on="" if answer else TODAY),
    )
    asked = request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", {"purpose": "上市后研究"})
    (row,) = decide_provisions(leaving(platform, ASSEMBLER, asked))
    assert ("GUARDIAN_CONSENT" in row.decision["missing"]) is missing
    assert kind_of("guardian_consent").answers == ("obtained", "nobody_under_14")
