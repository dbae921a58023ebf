"""A period's audit trail is looked at, findings are noted, and a person who does not run the platform signs it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text as sql
from sqlmodel import Session, select

from rwd_platform.audit.checkpoints import latest_checkpoint
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import log_review
from rwd_platform.flows.log_review import (
    add_finding,
    entries_of,
    findings_of,
    open_review,
    period_of_days,
    period_waiting,
    sign_review,
    waiting,
)
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.log.checkpoint import parse_checkpoint
from rwd_platform.log.entry import Act, Actor, Entry, Object
from rwd_platform.records.tables import AuditEntry, LogReview, LogReviewFinding, Organisation, User
from rwd_platform.settings import Settings
from tests.conftest import StandingClock

OFFICER = Actor("user-auditor-2", "auditor", "org-platform")
PRIVACY = Actor("user-privacy", "privacy", "org-platform")
AUDITOR = Actor("user-auditor", "auditor", "org-platform")
OPERATOR = Actor("user-operator", "operator", "org-platform")
RESEARCHER = Actor("user-researcher", "researcher", "org-platform")


@pytest.fixture
def platform(tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    """Accounts for five people, then six acts, one an hour."""
    found = open_platform(Settings(home=tmp_path / "home", demo=True), clock)
    organisation = Organisation(id="org-platform", kind="operator", name_zh="平台", name_en="Platform")
    found.records.write(organisation, audit=act("organisation.registered"))
    for who in (OFFICER, AUDITOR, OPERATOR, RESEARCHER, PRIVACY):
        person = User(id=who.id, organisation_id=who.organisation, login=who.id, role=who.role, name="N",
                      password_hash="x", language="zh", created_at="t")  # fmt: skip
        found.records.write(person, audit=act("user.registered"))
    for number in range(6):
        clock.advance(hours=1)
        found.records.record(act("package.read" if number % 2 else "study.read", f"p-{number}"))
    clock.advance(hours=1)
    yield found
    found.records.engine.dispose()


def act(action: str, id: str = "x") -> Act:
    return Act(Actor("u", "researcher", "org"), action, Object("package", id))


def opened(platform: Platform, actor: Actor = OFFICER, **chosen: str) -> LogReview:
    now = platform.clock()
    return open_review(platform, actor, now - timedelta(hours=7), now, **chosen)


def code_of(work: object, *given: object, **named: object) -> str:
    with pytest.raises(PlatformError) as caught:
        work(*given, **named)  # type: ignore[operator]  # any call that must fail
    return caught.value.code


def entries(platform: Platform) -> list[AuditEntry]:
    return list(platform.records.log_entries(limit=1000))


def test_a_review_pins_what_was_looked_at(platform: Platform) -> None:
    """How many, from which to which, a digest over their hashes, and the root that the log had then."""
    before = entries(platform)
    review = opened(platform, action="package.read")
    looked = [row for row in before if row.action == "package.read"]
    assert review.entries == len(looked) == 3
    assert (review.first_sequence, review.last_sequence) == (looked[0].sequence, looked[-1].sequence)
    leaves = b"".join(Entry(row.sequence, row.body).leaf_hash for row in looked)
    assert review.leaves_sha256 == hashlib.sha256(leaves).hexdigest()
    head = latest_checkpoint(platform.records)
    assert head is not None and review.tree_size == len(before) == head.size
    assert review.root == parse_checkpoint(head.note).root.hex()
    page = entries_of(platform, OFFICER, review.id)
    assert [line.sequence for line in page.lines] == [row.sequence for row in looked][::-1]


def test_opening_finding_and_signing_are_acts(platform: Platform) -> None:
    review = opened(platform)
    add_finding(platform, OFFICER, review.id, review.first_sequence, "谁读了数据包？", "没有记录用途")
    sign_review(platform, OFFICER, review.id)
    told = [json.loads(row.body) for row in entries(platform)[-3:]]
    assert [one["action"] for one in told] == [
        "log_review.opened", "log_review.finding_added", "log_review.signed",
    ]  # fmt: skip
    assert told[-1]["actor"]["id"] == OFFICER.id and told[-1]["object"]["version"] == review.leaves_sha256
    assert (told[-1]["decision"]["entries"], told[-1]["decision"]["findings"]) == (review.entries, 1)
    assert told[-1]["decision"]["root"] == review.root
    assert "谁读了" not in json.dumps(
        told, ensure_ascii=False
    )  # people's own words are sealed beside the entry
    (found,) = findings_of(platform, OFFICER, review.id)
    assert (found.text, found.reason, found.found_by) == ("谁读了数据包？", "没有记录用途", OFFICER.id)


def test_the_same_person_cannot_sign_a_period_twice(platform: Platform) -> None:
    """Neither this review nor another of the same period and filter; somebody else can."""
    review = opened(platform)
    sign_review(platform, OFFICER, review.id)
    assert code_of(sign_review, platform, OFFICER, review.id) == "log_review.signed_already"
    again = open_review(platform, OFFICER, *period(review))
    assert code_of(sign_review, platform, OFFICER, again.id) == "log_review.signed_already"
    sign_review(platform, AUDITOR, review.id)
    signed = log_review.signatures_of(platform, OFFICER, review.id)
    assert {one.signer_id for one in signed} == {OFFICER.id, AUDITOR.id}
    another = open_review(platform, OFFICER, *period(review), action="study.read")
    sign_review(platform, OFFICER, another.id)


def period(review: LogReview) -> tuple[datetime, datetime]:
    return datetime.fromisoformat(review.since), datetime.fromisoformat(review.until)


def test_new_entries_do_not_enter_a_review(platform: Platform, clock: StandingClock) -> None:
    """Not even one that claims an instant within the period: a clock that went back changes nothing."""
    review = opened(platform)
    clock.advance(hours=-3)
    platform.records.record(act("package.read", "late"))
    clock.advance(hours=3)
    late = entries(platform)[-1]
    assert review.since <= late.at < review.until
    assert late.sequence not in [line.sequence for line in entries_of(platform, OFFICER, review.id).lines]
    code = code_of(add_finding, platform, OFFICER, review.id, late.sequence, "late", "late")
    assert code == "log_review.not_in_review"
    sign_review(platform, OFFICER, review.id)
    assert platform.records.get(LogReview, review.id).entries == review.entries


def test_after_a_signature_nothing_is_added(platform: Platform) -> None:
    review = opened(platform)
    sign_review(platform, OFFICER, review.id)
    code = code_of(add_finding, platform, AUDITOR, review.id, review.first_sequence, "x", "y")
    assert code == "log_review.closed"
    assert findings_of(platform, OFFICER, review.id) == []


def test_who_runs_the_platform_does_not_sign(platform: Platform) -> None:
    """Nor opens, reads or adds; nor a researcher, nor who decides about releases; and the refusal is in the log."""
    review = opened(platform)
    for actor in (OPERATOR, RESEARCHER, PRIVACY):
        assert code_of(sign_review, platform, actor, review.id) == "access.not_allowed"
        assert code_of(opened, platform, actor) == "access.not_allowed"
        assert code_of(entries_of, platform, actor, review.id) == "access.not_allowed"
        assert code_of(log_review.reviews_of, platform, actor) == "access.not_allowed"
        assert code_of(add_finding, platform, actor, review.id, 0, "x", "y") == "access.not_allowed"
    assert json.loads(entries(platform)[-1].body)["action"] == "access.refused"


def test_an_operator_does_not_sign_even_if_the_table_of_permissions_let_them(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    review = opened(platform)
    monkeypatch.setattr(log_review, "check_may", lambda *_: None)
    assert code_of(sign_review, platform, OPERATOR, review.id) == "log_review.not_by_operator"


def test_only_a_person_with_an_account_signs(platform: Platform) -> None:
    """No program, nobody unknown, no disabled account."""
    review = opened(platform)
    nobody = Actor("cli:root", "auditor", "org-platform")
    assert code_of(sign_review, platform, nobody, review.id) == "access.no_account"
    user = platform.records.get(User, OFFICER.id)
    user.disabled_at = "2026-01-01T00:00:00.000000Z"
    platform.records.write(user, audit=act("user.disabled"))
    assert code_of(sign_review, platform, OFFICER, review.id) == "access.no_account"


@pytest.mark.parametrize(("since", "until"), [(0, 0), (1, 0), (-5, 1), (-5, 8)])
def test_a_period_that_is_not_over_cannot_be_reviewed(platform: Platform, since: int, until: int) -> None:
    now = platform.clock()
    code = code_of(open_review, platform, OFFICER, now + timedelta(hours=since), now + timedelta(hours=until))
    assert code == "log_review.period_unfit"


@pytest.mark.parametrize("chosen", [{"page": "2"}, {"below": "1"}, {"nonsense": "x"}, {"action": "x" * 201}])
def test_a_filter_is_one_of_the_known_ones(platform: Platform, chosen: dict[str, str]) -> None:
    assert code_of(opened, platform, **chosen) == "log_review.filter_unfit"


@pytest.mark.parametrize(
    ("text", "reason"), [("", "y"), ("x", ""), (" ", "y"), ("x" * 2001, "y"), ("x", "y" * 2001)]
)
def test_a_finding_has_a_text_and_a_reason(platform: Platform, text: str, reason: str) -> None:
    review = opened(platform)
    code = code_of(add_finding, platform, OFFICER, review.id, review.first_sequence, text, reason)
    assert code == "log_review.text_unfit"


def test_entries_changed_behind_the_log_are_not_signed_for(platform: Platform) -> None:
    """An entry edited, or one cut off, since the review was opened."""
    review = opened(platform)
    with Session(platform.records.engine) as session:
        row = session.get_one(AuditEntry, review.last_sequence)
        row.body = row.body.replace(b"p-5", b"p-9")
        session.add(row)
        session.commit()
    assert code_of(sign_review, platform, OFFICER, review.id) == "log_review.log_changed"


def test_a_period_without_entries_can_be_signed(platform: Platform) -> None:
    """That nothing happened is something to have looked at."""
    review = opened(platform, action="nothing.done")
    assert (review.entries, review.first_sequence, review.last_sequence) == (0, -1, -1)
    sign_review(platform, OFFICER, review.id)


def test_a_review_that_is_not_there_is_not_found(platform: Platform) -> None:
    for work in (sign_review, entries_of):
        assert code_of(work, platform, OFFICER, "log_review-nothing") == "records.not_found"
    assert code_of(add_finding, platform, OFFICER, "log_review-nothing", 0, "x", "y") == "records.not_found"
    assert platform.records.all(select(LogReviewFinding)) == []


# -- what waits, and periods ----------------------------------------------------------------------------


def test_entries_wait_until_somebody_signs_for_all_of_them(platform: Platform, clock: StandingClock) -> None:
    """An open review and a signed one with a filter leave the entries waiting; a signed one of all does not."""
    everything = len(entries(platform))
    found = waiting(platform, OFFICER)
    assert (found.entries, found.earliest, found.signed_at) == (everything, entries(platform)[0].at, "")
    assert found.open == ()
    since, until = period_waiting(platform, OFFICER)
    part = open_review(platform, OFFICER, since, until, action="package.read")
    sign_review(platform, OFFICER, part.id)
    review = open_review(platform, OFFICER, since, until)
    assert review.entries == everything
    found = waiting(platform, OFFICER)
    assert found.signed_at == "" and [one.id for one in found.open] == [review.id]
    sign_review(platform, OFFICER, review.id)
    found = waiting(platform, OFFICER)
    assert found.earliest == found.signed_at == review.until and found.open == ()
    assert found.entries == 4, "opening and signing both reviews happened at that very instant"


def test_after_a_review_of_everything_the_next_begins_where_it_ended(
    platform: Platform, clock: StandingClock
) -> None:
    first = open_review(platform, OFFICER, *period_waiting(platform, OFFICER))
    sign_review(platform, OFFICER, first.id)
    clock.advance(hours=2)
    since, until = period_waiting(platform, OFFICER)
    assert (since.isoformat()[:19], until) == (first.until[:19], clock())
    second = open_review(platform, OFFICER, since, until)
    assert second.first_sequence == first.last_sequence + 1, "no entry falls between two periods"
    assert code_of(waiting, platform, PRIVACY) == "access.not_allowed"


def test_entries_before_a_review_began_still_wait_after_it(platform: Platform, clock: StandingClock) -> None:
    """Signing for the last hour says nothing of the hours before: they are counted, and offered first."""
    everything = len(entries(platform))
    now = clock()
    review = open_review(platform, OFFICER, now - timedelta(hours=1), now)
    sign_review(platform, OFFICER, review.id)
    found = waiting(platform, OFFICER)
    assert found.entries == everything - review.entries + 2, "and the two acts of the review itself"
    assert found.earliest == entries(platform)[0].at
    assert period_waiting(platform, OFFICER)[0] == datetime.fromisoformat(found.earliest)
    clock.advance(minutes=1)
    rest = open_review(platform, OFFICER, *period_waiting(platform, OFFICER))
    sign_review(platform, OFFICER, rest.id)
    assert waiting(platform, OFFICER).entries == 2


def test_an_entry_written_while_the_clock_was_back_waits(platform: Platform, clock: StandingClock) -> None:
    """It claims an instant that was signed for, and came later: no review looked at it."""
    review = open_review(platform, OFFICER, *period_waiting(platform, OFFICER))
    sign_review(platform, OFFICER, review.id)
    clock.advance(hours=-3)
    platform.records.record(act("package.read", "late"))
    late = entries(platform)[-1]
    clock.advance(hours=3)
    found = waiting(platform, OFFICER)
    assert (found.entries, found.earliest) == (3, late.at)
    clock.advance(minutes=1)
    second = open_review(platform, OFFICER, *period_waiting(platform, OFFICER))
    assert late.sequence in [line.sequence for line in entries_of(platform, OFFICER, second.id).lines]


def test_a_filter_that_says_nothing_is_none(platform: Platform) -> None:
    """A field left empty filters nothing, so the review is one of all entries."""
    review = open_review(platform, OFFICER, *period_waiting(platform, OFFICER), actor_id="", action="")
    assert review.filter == {}
    sign_review(platform, OFFICER, review.id)
    assert waiting(platform, OFFICER).signed_at != ""


@pytest.mark.parametrize("at", ["", "nonsense", "9999-99-99T00:00:00Z"])
def test_where_every_entry_was_made_to_say_no_instant_the_period_begins_with_the_platform(
    platform: Platform, at: str
) -> None:
    with platform.records.engine.begin() as connection:
        connection.execute(sql("UPDATE audit_entry SET at = :at"), {"at": at})
    assert waiting(platform, OFFICER).entries == len(entries(platform)), "they wait all the same"
    since, until = period_waiting(platform, OFFICER)
    assert since.year == 2000 and until == platform.clock()


def test_a_period_of_days_is_of_the_days_in_shanghai(platform: Platform, clock: StandingClock) -> None:
    """2 November 08:00 UTC and some hours: in Shanghai it is the night of the same day, which ends now."""
    today = clock().astimezone(ZoneInfo("Asia/Shanghai")).date()
    since, until = period_of_days(platform, today - timedelta(days=1), today)
    assert since.astimezone(UTC) == datetime(2026, 10, 31, 16, tzinfo=UTC) and until == clock()
    since, until = period_of_days(platform, today - timedelta(days=3), today - timedelta(days=3))
    assert until - since == timedelta(days=1) and until.astimezone(UTC).hour == 16
    for first, last in (
        (today, today + timedelta(days=1)),
        (date(1, 1, 1), today),
        (date(1999, 12, 31), today),
    ):
        assert code_of(period_of_days, platform, first, last) == "log_review.period_unfit"


def test_a_year_that_is_no_instant_in_utc_is_refused(platform: Platform) -> None:
    edge = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
    assert code_of(open_review, platform, OFFICER, edge, platform.clock()) == "log_review.period_unfit"


@pytest.mark.parametrize("text", ["a\x00b", "\ud800"])
def test_what_no_database_holds_is_refused_with_words(platform: Platform, text: str) -> None:
    assert code_of(opened, platform, object_id=text) == "log_review.filter_unfit"
    review = opened(platform)
    code = code_of(add_finding, platform, OFFICER, review.id, review.first_sequence, text, "why")
    assert code == "log_review.text_unfit"


def test_entries_that_were_made_text_behind_the_log_are_not_signed_for(platform: Platform) -> None:
    """`UPDATE ... replace(body, ...)` leaves text where bytes were: it is told, and stops nothing else."""
    review = opened(platform)
    changed = "UPDATE audit_entry SET body = replace(CAST(body AS TEXT), 'p-5', 'p-9') WHERE sequence = :last"
    with platform.records.engine.begin() as connection:
        connection.execute(sql(changed), {"last": review.last_sequence})
    assert len(entries_of(platform, OFFICER, review.id).lines) == review.entries
    assert code_of(sign_review, platform, OFFICER, review.id) == "log_review.log_changed"
