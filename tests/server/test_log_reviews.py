"""Reviews of the audit trail on the pages and over the API: opened, gone through, noted, signed once, by auditors."""

from __future__ import annotations

import json
import re

import pytest
from sqlalchemy import text
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import (
    AuditEntry,
    LogReview,
    LogReviewFinding,
    LogReviewSignature,
    User,
)
from tests.conftest import StandingClock
from tests.server.conftest import LogIn

AUDITOR = Actor("user-auditor", "auditor", "org-operator")
FROM_START = {"span": "waiting"}


@pytest.fixture
def acted(platform: Platform, clock: StandingClock) -> Platform:
    """A changed name, then thirty reads; an hour later nothing has happened since."""
    user = platform.records.get(User, "user-hospital-a")
    user.name = "新名字"
    platform.records.write(user, audit=Act(AUDITOR, "user.role_changed", Object("user", user.id)))
    reads = [
        Act(Actor("u", "operator", "org-operator"), "receipt.read", Object("receipt", f"r-{n}"))
        for n in range(30)
    ]
    platform.records.append_many(reads)
    clock.advance(hours=1)
    return platform


def opened(platform: Platform, as_user: LogIn, **typed: str) -> LogReview:
    answer = as_user("auditor").post("/log/reviews", data={**FROM_START, **typed})
    assert answer.status_code == 303, answer.text
    return platform.records.get(LogReview, answer.headers["location"].rsplit("/", 1)[1])


def signatures(platform: Platform) -> list[LogReviewSignature]:
    return list(platform.records.all(select(LogReviewSignature)))


def test_a_review_goes_from_the_form_to_the_signature(acted: Platform, as_user: LogIn) -> None:
    client = as_user("auditor")
    everything = len(acted.records.log_entries(limit=1000))
    assert "还没有审查过" in client.get("/log/reviews").text
    assert f"至今：{everything} 条待审查" in client.get("/log/reviews/new").text
    review = opened(acted, as_user)
    assert review.entries == everything and review.first_sequence == 0
    page = client.get(f"/log/reviews/{review.id}").text
    assert page.count('<li id="entry-') == 25 and f'href="/log/reviews/{review.id}?page=2#entries"' in page
    note = {"sequence": review.last_sequence, "text": "谁读的？<b>", "reason": "没有理由", "page": 1}
    answer = client.post(f"/log/reviews/{review.id}/findings", data=note)
    assert answer.headers["location"].endswith(f"?page=1#entry-{review.last_sequence}")
    page = client.get(f"/log/reviews/{review.id}").text
    assert "谁读的？&lt;b&gt;" in page and "1 项发现" in page and "有发现" in page
    confirm = client.get(f"/log/reviews/{review.id}/sign").text
    assert f"查看了以上 {everything} 条日志，1 项发现" in confirm and "谁读的？&lt;b&gt;" in confirm
    assert client.post(f"/log/reviews/{review.id}/sign", data={"confirmed": "yes"}).status_code == 303
    page = client.get(f"/log/reviews/{review.id}").text
    assert "已签署" in page and "记录发现" not in page and "data-print" in page
    assert "已签署" in client.get("/log/reviews").text
    assert "条日志尚无签署的审查" not in as_user("auditor").get("/").text, (
        "nothing is due on the day of a signature"
    )


def test_each_entry_under_review_shows_old_and_new(acted: Platform, as_user: LogIn) -> None:
    review = opened(acted, as_user, action="user.role_changed")
    for language, words in (("zh", ("旧值", "新值")), ("en", ("Old", "New"))):
        page = as_user("auditor", language=language).get(f"/log/reviews/{review.id}").text
        assert "张 hospital-a" in page and "新名字" in page and all(one in page for one in words)


def test_a_signature_is_confirmed_first(acted: Platform, as_user: LogIn) -> None:
    review = opened(acted, as_user)
    client = as_user("auditor")
    for said in ({}, {"confirmed": "no"}, {"confirmed": ""}):
        answer = client.post(f"/log/reviews/{review.id}/sign", data=said)
        assert answer.status_code == 422 and "log_review.not_confirmed" in answer.text
    assert signatures(acted) == []


def test_the_same_person_signs_once(acted: Platform, as_user: LogIn) -> None:
    review = opened(acted, as_user)
    client = as_user("auditor")
    assert client.post(f"/log/reviews/{review.id}/sign", data={"confirmed": "yes"}).status_code == 303
    answer = client.post(f"/log/reviews/{review.id}/sign", data={"confirmed": "yes"})
    assert answer.status_code == 409 and "log_review.signed_already" in answer.text
    assert client.post(f"/api/v1/log/reviews/{review.id}/sign").status_code == 409
    assert len(signatures(acted)) == 1
    assert 'name="confirmed"' not in client.get(f"/log/reviews/{review.id}/sign").text


def test_nothing_is_added_to_a_signed_review(acted: Platform, as_user: LogIn) -> None:
    review = opened(acted, as_user)
    client = as_user("auditor")
    client.post(f"/log/reviews/{review.id}/sign", data={"confirmed": "yes"})
    answer = client.post(
        f"/log/reviews/{review.id}/findings", data={"sequence": 0, "text": "x", "reason": "y"}
    )
    assert answer.status_code == 409 and "log_review.closed" in answer.text
    assert acted.records.all(select(LogReviewFinding)) == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "为何"), ("写了很多", ""), ("  ", "为何"), ("字" * 2001, "为何"), ("a\x00b", "为何")],
)
def test_what_was_written_stays_where_it_cannot_be_taken(
    acted: Platform, as_user: LogIn, text: str, reason: str
) -> None:
    review = opened(acted, as_user)
    data = {"sequence": review.last_sequence, "text": text, "reason": reason}
    answer = as_user("auditor").post(f"/log/reviews/{review.id}/findings", data=data)
    assert answer.status_code in (400, 422) and "log_review.text_unfit" in answer.text
    kept = re.findall(r"<textarea[^>]*>([^<]+)</textarea>", answer.text)
    assert {one for one in (text, reason) if one} == set(kept)
    assert acted.records.all(select(LogReviewFinding)) == []


@pytest.mark.parametrize("sequence", ["-1", "999999", "9" * 15, "9" * 30, "x", ""])
def test_a_finding_is_about_an_entry_of_the_review(acted: Platform, as_user: LogIn, sequence: str) -> None:
    review = opened(acted, as_user)
    data = {"sequence": sequence, "text": "x", "reason": "y"}
    answer = as_user("auditor").post(f"/log/reviews/{review.id}/findings", data=data)
    assert answer.status_code in (400, 409, 422)
    assert acted.records.all(select(LogReviewFinding)) == []


def test_days_are_of_shanghai_and_today_ends_now(
    acted: Platform, as_user: LogIn, clock: StandingClock
) -> None:
    review = opened(acted, as_user, span="days", since="2026-11-01", until="2026-11-02")
    assert (review.since, review.until) == ("2026-10-31T16:00:00.000000Z", "2026-11-02T09:00:00.000000Z")
    named = opened(acted, as_user, since="2026-11-01", until="2026-11-01")
    assert named.until == "2026-11-01T16:00:00.000000Z", "days that are filled in count"


@pytest.mark.parametrize(
    "typed",
    [
        {"span": "days"},
        {"span": "days", "since": "2026-11-02"},
        {"span": "days", "since": "2026-11-02", "until": "2026-11-03"},
        {"span": "days", "since": "2026-11-02", "until": "2026-11-01"},
        {"span": "days", "since": "never", "until": "2026-11-01"},
        {"span": "days", "since": "0001-01-01", "until": "2026-11-01"},
    ],
)
def test_a_period_that_cannot_be_is_told_and_what_was_typed_stays(
    acted: Platform, as_user: LogIn, typed: dict[str, str]
) -> None:
    answer = as_user("auditor").post("/log/reviews", data={**typed, "object_id": "r-7"})
    assert answer.status_code in (400, 422)
    assert "log_review.period_unfit" in answer.text or "log.day_unfit" in answer.text
    assert 'value="r-7"' in answer.text
    assert acted.records.all(select(LogReview)) == []


def test_a_person_may_be_named_in_the_filter(acted: Platform, as_user: LogIn) -> None:
    """The id is what is kept: a login or a name may change."""
    assert opened(acted, as_user, actor_id="auditor").filter == {"actor_id": "user-auditor"}


def test_only_auditors_come_in(acted: Platform, as_user: LogIn) -> None:
    """Neither who decides about releases nor who runs the platform; and a review that is not there is not found."""
    review = opened(acted, as_user)
    for login in ("privacy", "operator", "regulator", "researcher", "hospital-a", "security"):
        client = as_user(login)
        for path in ("/log/reviews", "/log/reviews/new", f"/log/reviews/{review.id}", f"/log/reviews/{review.id}/sign",
                     "/api/v1/log/reviews", f"/api/v1/log/reviews/{review.id}"):  # fmt: skip
            assert client.get(path).status_code == 403, (login, path)
        for path in (
            "/log/reviews",
            f"/log/reviews/{review.id}/sign",
            f"/api/v1/log/reviews/{review.id}/sign",
        ):
            assert client.post(path, data={"confirmed": "yes"}).status_code == 403, (login, path)
        assert "/log/reviews" not in client.get("/").text
    client = as_user("auditor")
    for id in ("log_review-none", "x" * 300, "%00", "-1"):
        for path in (f"/log/reviews/{id}", f"/log/reviews/{id}/sign", f"/api/v1/log/reviews/{id}"):
            assert client.get(path).status_code == 404, path
        assert client.post(f"/log/reviews/{id}/sign", data={"confirmed": "yes"}).status_code == 404
    assert signatures(acted) == []


def test_without_the_forms_token_nothing_is_opened_noted_or_signed(acted: Platform, as_user: LogIn) -> None:
    review = opened(acted, as_user)
    client = as_user("auditor")
    asks: tuple[tuple[str, dict[str, str]], ...] = (
        ("/log/reviews", FROM_START),
        (f"/log/reviews/{review.id}/findings", {"sequence": "0", "text": "x", "reason": "y"}),
        (f"/log/reviews/{review.id}/sign", {"confirmed": "yes"}),
        (f"/api/v1/log/reviews/{review.id}/sign", {}),
    )
    for path, data in asks:
        assert client.post(path, data=data, headers={"X-CSRF-Token": "wrong"}).status_code == 403, path
    assert len(acted.records.all(select(LogReview))) == 1
    assert acted.records.all(select(LogReviewFinding)) == [] and signatures(acted) == []


def test_entries_that_changed_since_are_not_signed_for(acted: Platform, as_user: LogIn) -> None:
    """The review's page still opens, marks the entry, and the signature is refused with what to do."""
    review = opened(acted, as_user)
    with acted.records.engine.begin() as connection:
        connection.execute(text("UPDATE audit_entry SET body = 'gone' WHERE sequence = 3"))
    client = as_user("auditor")
    page = client.get(f"/log/reviews/{review.id}?page=2")
    assert page.status_code == 200 and "内容被改动" in page.text
    answer = client.post(f"/log/reviews/{review.id}/sign", data={"confirmed": "yes"})
    assert answer.status_code == 409 and "log_review.log_changed" in answer.text
    assert signatures(acted) == []


def test_the_api_opens_notes_and_signs_the_same(
    acted: Platform, as_user: LogIn, clock: StandingClock
) -> None:
    client = as_user("auditor")
    asked = {
        "since": "2026-11-01T00:00:00Z",
        "until": clock().isoformat(),
        "filter": {"action": "receipt.read"},
    }
    made = client.post("/api/v1/log/reviews", json=asked)
    assert made.status_code == 201 and made.json()["entries"] == 30
    id = made.json()["id"]
    listed = client.get(f"/api/v1/log/reviews/{id}/entries").json()
    assert listed["total"] == 30 and {one["fields"]["action"] for one in listed["entries"]} == {
        "receipt.read"
    }
    finding = {"sequence": made.json()["last_sequence"], "text": "t", "reason": "r"}
    assert client.post(f"/api/v1/log/reviews/{id}/findings", json=finding).json()["text"] == "t"
    assert client.post(f"/api/v1/log/reviews/{id}/sign").json()["signer_id"] == "user-auditor"
    whole = client.get(f"/api/v1/log/reviews/{id}").json()
    assert (len(whole["findings"]), len(whole["signatures"])) == (1, 1)
    assert [one["id"] for one in client.get("/api/v1/log/reviews").json()] == [id]
    actions = [json.loads(row.body)["action"] for row in acted.records.all(select(AuditEntry))]
    assert {"log_review.opened", "log_review.finding_added", "log_review.signed"} <= set(actions)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"since": "2026-11-01", "until": "2026-11-02"},
        {"since": "2026-11-01T00:00:00", "until": "2026-11-02T00:00:00"},
        {"since": "0001-01-01T00:00:00+14:00", "until": "2026-11-02T00:00:00Z"},
        {"since": "2026-11-01T00:00:00Z", "until": "9999-12-31T00:00:00Z"},
        {"since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z", "filter": {"below": "9"}},
        {"since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z", "filter": {"action": "x" * 201}},
        {"since": "2026-11-01T00:00:00Z", "until": "2026-11-02T00:00:00Z", "tree_size": 1},
    ],
)
def test_what_the_api_cannot_take_is_refused(
    acted: Platform, as_user: LogIn, asked: dict[str, object]
) -> None:
    answer = as_user("auditor").post("/api/v1/log/reviews", json=asked)
    assert answer.status_code in (400, 422), answer.text
    assert acted.records.all(select(LogReview)) == []


def test_what_nobody_reviewed_is_told_after_a_later_period_was_signed(
    acted: Platform, as_user: LogIn, clock: StandingClock
) -> None:
    """A review of today leaves the days before: the home, the list and the next form name the earliest of them."""
    began = acted.records.log_entries(limit=1)[0].at
    clock.advance(days=3)
    today = opened(acted, as_user, span="days", since="2026-11-05", until="2026-11-05")
    assert (
        as_user("auditor").post(f"/log/reviews/{today.id}/sign", data={"confirmed": "yes"}).status_code == 303
    )
    left = len(acted.records.log_entries(limit=1000)) - today.entries
    told = {
        "zh": f"{left} 条日志不在任何已签署的审查中，最早一条在 2026-11-02",
        "en": f"{left} entries are in no signed review, the earliest of 2026-11-02",
    }
    for language, words in told.items():
        client = as_user("auditor", language=language)
        home, reviews = client.get("/").text, client.get("/log/reviews").text
        assert words in home and words in reviews and "已签署到" not in home and "signed until" not in home
    rest = opened(acted, as_user)
    assert (rest.since, rest.first_sequence) == (began, 0)
