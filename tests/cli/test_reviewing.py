"""`rwd audit review`: under a person's own login; JSON alone on stdout; signing is confirmed and done once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import text

from rwd_platform.demo.people import give_new_passwords
from rwd_platform.flows.platform import open_platform
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd, is_chinese

LogIn = Callable[[str], tuple[str, str]]


@pytest.fixture
def login(home: Path, monkeypatch: pytest.MonkeyPatch) -> LogIn:
    """`login("auditor")` gives the options, and the password is typed when it is asked for."""
    platform = open_platform(Settings())
    passwords = {login: password for login, _, password in give_new_passwords(platform)}
    platform.records.engine.dispose()

    def options(name: str) -> tuple[str, str]:
        monkeypatch.setattr("typer.prompt", lambda *_, **__: passwords[name])
        return "--login", name

    return options


def test_a_review_goes_from_open_to_signed(rwd: Rwd, login: LogIn) -> None:
    """What waits is exit 1, what is signed twice exit 3, an unconfirmed signature exit 2."""
    me = login("auditor")
    waits = rwd("audit", "review", "list", *me, "--json")
    assert waits.code == 1 and waits.document["reviews"] == [] and waits.document["waiting"]["entries"] > 0
    opened = rwd("audit", "review", "open", *me, "--json")
    assert opened.code == 0 and opened.document["first_sequence"] == 0 and opened.document["filter"] == {}
    id, last = opened.document["id"], opened.document["last_sequence"]
    found = rwd(
        "audit", "review", "finding", id, *me, "--entry", last, "--text", "谁？", "--reason", "为何", "--json"
    )
    assert found.code == 0 and (found.document["sequence"], found.document["text"]) == (last, "谁？")
    shown = rwd("audit", "review", "show", id, *me, "--json").document
    assert [one["text"] for one in shown["findings"]] == ["谁？"] and shown["signatures"] == []
    assert [one["sequence"] for one in shown["listed"]][:2] == [last, last - 1]
    new = [change for one in shown["listed"] for change in one["changes"]]
    assert {"table": "user_account", "field": "login", "old": None, "new": "auditor"}.items() <= next(
        one for one in new if one["new"] == "auditor" and one["field"] == "login"
    ).items()
    unconfirmed = rwd("audit", "review", "sign", id, *me, "--json")
    assert (unconfirmed.code, unconfirmed.document["error"]["code"]) == (2, "cli.signature_not_confirmed")
    signed = rwd("audit", "review", "sign", id, *me, "--yes", "--json")
    assert signed.code == 0 and signed.document["review_id"] == id
    twice = rwd("audit", "review", "sign", id, *me, "--yes", "--json")
    assert (twice.code, twice.document["error"]["code"]) == (3, "log_review.signed_already")
    late = rwd(
        "audit", "review", "finding", id, *me, "--entry", last, "--text", "x", "--reason", "y", "--json"
    )
    assert (late.code, late.document["error"]["code"]) == (3, "log_review.closed")
    after = rwd("audit", "review", "list", *me, "--json").document
    assert [len(one["signed_by"]) for one in after["reviews"]] == [1]
    assert after["waiting"]["earliest"] >= opened.document["until"]


def test_it_is_said_in_words_too(rwd: Rwd, login: LogIn) -> None:
    me = login("auditor")
    id = rwd("audit", "review", "open", *me, "--json").document["id"]
    for words in (("list", *me), ("show", id, *me), ("sign", id, *me, "--yes")):
        answer = rwd("audit", "review", *words)
        assert answer.stdout and (is_chinese(answer.stdout.decode()) or b"user-" in answer.stdout), words


@pytest.mark.parametrize("who", ["privacy", "operator", "regulator", "researcher"])
def test_only_auditors_review(rwd: Rwd, login: LogIn, who: str) -> None:
    for words in (("list",), ("open",), ("show", "log_review-x"), ("sign", "log_review-x", "--yes")):
        refused = rwd("audit", "review", *words, *login(who), "--json")
        assert (refused.code, refused.document["error"]["code"]) == (3, "access.not_allowed"), words


def test_days_are_given_together_and_are_not_to_come(rwd: Rwd, login: LogIn) -> None:
    me = login("auditor")
    half = rwd("audit", "review", "open", *me, "--since", "2026-01-01", "--json")
    assert (half.code, half.document["error"]["code"]) == (2, "cli.period_half")
    ahead = rwd("audit", "review", "open", *me, "--since", "2026-01-01", "--until", "2199-01-01", "--json")
    assert (ahead.code, ahead.document["error"]["code"]) == (2, "log_review.period_unfit")
    assert rwd("audit", "review", "open", *me, "--since", "yesterday", "--until", "x", "--json").code == 2
    past = rwd(
        "audit", "review", "open", *me, "--since", "2020-01-01", "--until", "2020-01-01", "--json"
    ).document
    assert (past["since"], past["entries"]) == ("2019-12-31T16:00:00.000000Z", 0)


def test_changed_entries_are_marked_and_not_signed_for(rwd: Rwd, login: LogIn) -> None:
    me = login("auditor")
    id = rwd("audit", "review", "open", *me, "--json").document["id"]
    platform = open_platform(Settings())
    with platform.records.engine.begin() as connection:
        connection.execute(text("UPDATE audit_entry SET body = 'gone' WHERE sequence = 2"))
    platform.records.engine.dispose()
    shown = rwd("audit", "review", "show", id, *me, "--json").document
    assert [one["sequence"] for one in shown["listed"] if one["altered"]] == [2]
    refused = rwd("audit", "review", "sign", id, *me, "--yes", "--json")
    assert (refused.code, refused.document["error"]["code"]) == (3, "log_review.log_changed")
