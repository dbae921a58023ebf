"""What the law asks about a legal entity: answered by a privacy officer, dated, and never overwritten in the log."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.resources import files
from itertools import product
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.compliance.standing import is_abroad
from rwd_platform.core.errors import PlatformError
from rwd_platform.demo.people import register_organisations
from rwd_platform.flows.parties import ANSWERS, QUESTIONS, Profile, countries, parties, party_in, record_party
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_ledger import PUBLIC
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, LegalParty, ReleaseCircle, User
from tests.conftest import StandingClock
from tests.flows.releasing import ASSEMBLER, CIRCLES, OFFICER, OFFICER_2, REGULATOR, account

HOSPITAL = "org-hospital-a"
CLERK, OPERATOR = Actor("clerk-a", "hospital", HOSPITAL), Actor("machine-room", "operator", "org-operator")
TODAY, TOMORROW = "2026-11-02", "2026-11-03"
PROFILE = Profile("CN", "no", "no", "unknown", "2026-10-30", "dpo@hospital-a.example")


def furnished(platform: Platform) -> Platform:
    rows = [account(one) for one in (OFFICER, OFFICER_2, CLERK, ASSEMBLER, REGULATOR, OPERATOR)]
    seeded = Act(OPERATOR, "seed.written", Object("user", "all"))
    platform.records.write(*rows, *(ReleaseCircle(**one) for one in CIRCLES), audit=seeded)
    return platform


@pytest.fixture
def desk(platform: Platform) -> Platform:
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


def entries(platform: Platform, action: str = "party.recorded") -> list[dict[str, Any]]:
    rows = platform.records.all(select(AuditEntry).order_by(AuditEntry.sequence))  # type: ignore[arg-type]  # SQLModel types columns as values
    return [json.loads(row.body) for row in rows if row.action == action]


def said_of(row: LegalParty) -> Profile:
    return Profile(**{name: getattr(row, name) for name in asdict(PROFILE)})


# -- what is recorded ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", [HOSPITAL, "org-operator", "org-authority", "circle-sponsor"])
def test_an_organisation_or_a_recipient_is_recorded_as_it_was_said(each_desk: Platform, id: str) -> None:
    stated = replace(PROFILE, group_name="申办者甲集团")
    record_party(each_desk, OFFICER, id, stated)
    (kept,) = parties(each_desk)
    assert (kept.id, said_of(kept)) == (id, stated)
    assert (kept.organisation_id, kept.recorded_by) == (OFFICER.organisation, OFFICER.id)
    assert kept.recorded_at == "2026-11-02T08:00:00.000000Z"
    with each_desk.records.reading() as session:
        assert party_in(session, id) == kept and party_in(session, "org-hospital-b") is None
    (entry,) = entries(each_desk)
    assert (entry["object"]["id"], entry["actor"]["id"]) == (id, OFFICER.id)
    assert entry["new_hash"] and not entry["old_hash"]


def test_a_second_record_takes_the_place_of_the_first_and_the_log_keeps_both(
    each_desk: Platform, clock: StandingClock
) -> None:
    record_party(each_desk, OFFICER, HOSPITAL, PROFILE)
    clock.advance(days=1)
    later = replace(
        PROFILE, country="HK", restricted="no", checked_on=TOMORROW, contact="new@hospital-a.example"
    )
    record_party(each_desk, OFFICER_2, HOSPITAL, later)
    (kept,) = parties(each_desk)
    assert said_of(kept) == later and kept.recorded_by == OFFICER_2.id
    first, second = entries(each_desk)
    unchanged = {"foreign_controlled": "no", "state_organ": "no"}
    assert first["decision"] == {
        "country": "CN",
        "restricted": "unknown",
        "checked_on": "2026-10-30",
        **unchanged,
    }
    assert second["decision"] == {"country": "HK", "restricted": "no", "checked_on": TOMORROW, **unchanged}
    assert second["old_hash"] == first["new_hash"] != second["new_hash"]


def test_a_change_of_the_contact_alone_is_in_the_log_by_its_hash(desk: Platform) -> None:
    """Who answers the telephone is no decision, and still nobody changes it unseen."""
    record_party(desk, OFFICER, HOSPITAL, PROFILE)
    record_party(desk, OFFICER, HOSPITAL, replace(PROFILE, contact="somebody@else.example"))
    first, second = entries(desk)
    assert first["decision"] == second["decision"] and second["old_hash"] != second["new_hash"]
    assert "somebody@else" not in json.dumps(entries(desk))


def test_parties_are_listed_in_the_order_of_their_ids(desk: Platform) -> None:
    ids = ["org-operator", "circle-sponsor", HOSPITAL, "circle-branch"]
    for id in ids:
        record_party(desk, OFFICER, id, PROFILE)
    assert [one.id for one in parties(desk)] == sorted(ids)


@pytest.mark.parametrize("answers", list(product(ANSWERS, repeat=3)), ids="-".join)
def test_every_question_takes_every_answer(desk: Platform, answers: tuple[str, ...]) -> None:
    """Three questions, three answers: each is kept where it belongs."""
    stated = replace(PROFILE, **dict(zip(QUESTIONS, answers, strict=True)))
    kept = record_party(desk, OFFICER, HOSPITAL, stated)
    assert (kept.foreign_controlled, kept.state_organ, kept.restricted) == answers


# -- countries ----------------------------------------------------------------------------------------------------


def test_countries_are_those_of_the_standard() -> None:
    """ISO 3166-1 as the time zone database lists it."""
    table = files("tzdata").joinpath("zoneinfo", "iso3166.tab").read_text("utf-8").splitlines()
    assert countries() == {line.split("\t")[0] for line in table if line and not line.startswith("#")}


@pytest.mark.parametrize(
    ("typed", "kept", "abroad"),
    [
        ("CN", "CN", False),
        ("cn", "CN", False),
        (" Cn\n", "CN", False),
        ("HK", "HK", True),
        ("MO", "MO", True),
        ("TW", "TW", True),
        ("tw", "TW", True),
        ("US", "US", True),
    ],
)
def test_a_country_is_kept_in_capitals(desk: Platform, typed: str, kept: str, abroad: bool) -> None:
    """Hong Kong, Macao and Taiwan have codes of their own, and what goes there goes abroad."""
    row = record_party(desk, OFFICER, "circle-sponsor", replace(PROFILE, country=typed))
    assert row.country == kept and is_abroad(row.country) is abroad


# -- what cannot be used ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        *(
            ({"country": country}, "country")
            for country in (
                "", "  ", "XX", "EU", "ZZ", "UN", "XK", "UK", "CHN", "C", "C N", "86", "中国", "China", "CN\x00",
                "ß", "ﬁ", "uſ", "ＣＮ", "cı", "\ud800", "x" * 100_000,
            )
        ),
        *(
            ({question: answer}, question)
            for question in ("foreign_controlled", "state_organ", "restricted")
            for answer in ("", "YES", "yes ", "true", "maybe", "是", "\x00", "y" * 100_000)
        ),
        *(
            ({"checked_on": day}, "checked_on")
            for day in (
                "", TOMORROW, "2027-01-01", "2026-02-30", "2026-1-5", "20260105", "today", "2026-10-30\n", "٢٠٢٦-10-30",
            )
        ),
        *(({"contact": text}, "contact") for text in ("", " \u3000", "c" * 201, "a\x00b", "a\u202eb", "\ud800")),
        *(({"group_name": text}, "group_name") for text in ("g" * 201, "a\x00b", "a\x1b[2J", "\ud800")),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_by_the_name_of_its_field(
    desk: Platform, changes: dict[str, str], field: str
) -> None:
    """Nothing of it is kept, nor repeated."""
    error = refused("party.malformed", record_party, desk, OFFICER, HOSPITAL, replace(PROFILE, **changes))
    assert error.http == 422 and f"field {field} " in error.en and f" {field} " in error.zh
    assert (error.zh + error.en).isprintable() and len(error.en) < 200
    assert parties(desk) == [] and entries(desk) == []
    (entry,) = entries(desk, "access.refused")
    assert (entry["reason"], entry["object"]["id"]) == ("party.malformed", HOSPITAL)


def test_what_lies_on_the_border_is_kept_without_blanks_at_its_ends(each_desk: Platform) -> None:
    stated = replace(PROFILE, checked_on=TODAY, contact=" " + "c" * 200 + "\n", group_name="g" * 200)
    kept = record_party(each_desk, OFFICER, HOSPITAL, stated)
    assert (kept.contact, kept.group_name, kept.checked_on) == ("c" * 200, "g" * 200, TODAY)


@pytest.mark.parametrize(
    ("instant", "allowed"), [("2026-11-02T15:59:59Z", False), ("2026-11-02T16:00:00Z", True)]
)
def test_the_day_of_the_check_is_a_day_in_shanghai(
    desk: Platform, clock: StandingClock, instant: str, allowed: bool
) -> None:
    """16:00Z on the 2nd is the 3rd there."""
    clock.now = datetime.fromisoformat(instant).astimezone(UTC)
    checked = replace(PROFILE, checked_on=TOMORROW)
    if allowed:
        assert record_party(desk, OFFICER, HOSPITAL, checked).checked_on == TOMORROW
    else:
        refused("party.malformed", record_party, desk, OFFICER, HOSPITAL, checked)


@pytest.mark.parametrize(
    "text", ["x'); DROP TABLE legal_party; --", "<script>alert(1)</script>", "{0.__class__}"]
)
def test_statements_and_markup_are_kept_as_the_text_that_they_are(each_desk: Platform, text: str) -> None:
    record_party(each_desk, OFFICER, HOSPITAL, replace(PROFILE, contact=text, group_name=text))
    (kept,) = parties(each_desk)
    assert kept.contact == kept.group_name == text


@pytest.mark.parametrize(
    "id",
    [
        "org-nowhere",
        "",
        PUBLIC,
        "ORG-HOSPITAL-A",
        "*",
        "x" * 100_000,
        "org\x00",
        "\ud800",
        "org\x1b[2J",
        "'; --",
    ],
)
def test_nobody_is_recorded_whom_the_platform_does_not_know(each_desk: Platform, id: str) -> None:
    """Nor is the public: it is everybody, whatever anybody might write down about it."""
    error = refused("party.unknown", record_party, each_desk, OFFICER, id, PROFILE)
    assert (error.zh + error.en).isprintable() and len(error.en) < 300
    assert parties(each_desk) == [] and entries(each_desk) == []
    assert len(entries(each_desk, "access.refused")) == 1


# -- who records it -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("actor", [CLERK, ASSEMBLER, REGULATOR, OPERATOR], ids=lambda actor: actor.role)
def test_nobody_but_a_privacy_officer_says_what_a_legal_entity_is(desk: Platform, actor: Actor) -> None:
    """Not about themselves either; and the words are the same for who exists and who does not."""
    ids = (actor.organisation, HOSPITAL, "org-nowhere")
    said = {refused("access.not_allowed", record_party, desk, actor, id, PROFILE).en for id in ids}
    assert len(said) == 1 and parties(desk) == []
    assert [one["purpose"] for one in entries(desk, "access.refused")] == ["party.record"] * 3


def test_it_takes_an_account_in_use(desk: Platform) -> None:
    refused(
        "access.no_account", record_party, desk, Actor("cli:x", "privacy", "org-operator"), HOSPITAL, PROFILE
    )
    left = desk.records.get(User, OFFICER.id)
    left.disabled_at = "2026-11-01T00:00:00.000000Z"
    desk.records.write(left, audit=Act(OPERATOR, "seed.written", Object("user", left.id)))
    refused("access.no_account", record_party, desk, OFFICER, HOSPITAL, PROFILE)
    assert parties(desk) == []


def test_without_its_entry_nothing_is_written(each_desk: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    record_party(each_desk, OFFICER, HOSPITAL, PROFILE)

    def broken(*_: object) -> None:
        raise OSError("the log cannot be written")

    monkeypatch.setattr("rwd_platform.records.journal.append", broken)
    for id in (HOSPITAL, "circle-sponsor"):
        with pytest.raises(OSError, match="cannot be written"):
            record_party(each_desk, OFFICER, id, replace(PROFILE, country="US"))
    assert [(one.id, one.country) for one in parties(each_desk)] == [(HOSPITAL, "CN")]
