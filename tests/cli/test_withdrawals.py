"""`rwd patient`: people by their login, one document on stdout, and a refusal is exit 3."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from sqlmodel import select

from rwd_platform.access.passwords import hash_password
from rwd_platform.flows.erase_certificate import ledger_path
from rwd_platform.flows.jobs import drain
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import LegalHold, LockNotice, User
from rwd_platform.settings import Settings
from tests.cli.calling import Answer, Rwd
from tests.flows.erasing import INSPECTOR, NO_DUTY, OFFICERS, VICTIM, WHY, pseudonym, settle_people
from tests.flows.linking import person
from tests.flows.sending import CLERK, ndjson, patient, sent

HOLD_WHY = "琼药监函〔2026〕7号要求保全该患者的全部记录"
DUTIES = [part for rule in NO_DUTY for part in ("--duty", f"{rule}=no")]
SAID = ("--on", "2026-11-01", "--consent", "v3")


@pytest.fixture
def platform(rwd: Rwd, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    """A deployment with two patients of one hospital, and people with a password."""
    opened = open_platform(Settings(home=home, demo=True))
    settle_people(opened)
    sent(opened, {"two.ndjson": ndjson(patient(VICTIM), patient("another"))})
    secret = hash_password("a password for tests")
    for actor in (CLERK, *OFFICERS, INSPECTOR):
        user = opened.records.get(User, actor.id)
        user.password_hash = secret
        opened.records.write(user, audit=Act(CLERK, "user.registered", Object("user", user.id)))
    monkeypatch.setattr(typer, "prompt", lambda *_args, **_more: "a password for tests")
    yield opened
    opened.records.engine.dispose()


def error_of(answer: Answer) -> tuple[int, str]:
    return answer.code, answer.document["error"]["code"]


def test_from_the_withdrawal_to_the_certificate_and_after_a_restore(rwd: Rwd, platform: Platform) -> None:
    """Each verb once: recorded, asked, approved by two, erased, certified; the ledger has nothing left to do."""
    clerk, officers = ("--login", CLERK.id), [("--login", one.id) for one in OFFICERS]
    done = rwd("patient", "withdraw", VICTIM, *clerk, *SAID, "--json")
    assert done.code == 0 and done.document["patient_id"] == pseudonym(platform)
    assert done.document["locks"] == []
    again = rwd("patient", "withdraw", VICTIM, *clerk, *SAID)
    told = again.stdout.decode().splitlines()
    assert told[-1] == done.document["id"], "recorded again it is the same record"
    assert VICTIM in told[0] and "consent withdrawn" in told[0], "named as the clerk named them"
    assert pseudonym(platform) not in again.stdout.decode()
    assert "1 chart" in told[1] and "no lock holds" in told[2] and "rwd patient erase" in told[3]

    asked = rwd("patient", "erase", VICTIM, *clerk, *DUTIES, "--json")
    assert (asked.code, asked.document["state"]) == (0, "requested")
    id = asked.document["id"]
    assert error_of(rwd("patient", "certificate", id, *clerk, "--json")) == (2, "erasure.certificate_missing")
    vote = ("patient", "vote", id, "--approve", "--reason", WHY)
    assert error_of(rwd(*vote, *clerk, "--json")) == (3, "access.not_allowed")
    assert rwd(*vote, *officers[0], "--json").document["state"] == "requested"
    assert error_of(rwd(*vote, *officers[0], "--json")) == (2, "erasure.voted")
    assert rwd(*vote, *officers[1]).stdout.decode().strip() == "approved"

    assert rwd("patient", "resume", "--json").document == {"requests": [id]}
    assert [job.state for job in drain(platform, "test") if job.kind == "erase"] == ["done"]
    assert rwd("patient", "resume").stdout.decode().strip() == "-"
    signed = rwd("patient", "certificate", id, *clerk, "--json")
    assert signed.code == 0 and signed.document["request"] == id and signed.document["signed"]
    assert "删除证明" in rwd("patient", "certificate", id, *clerk).stdout.decode()
    [line] = rwd("patient", "status", *clerk, "--json").lines
    assert line["frozen"] and line["requests"][0]["state"] == "erased"

    ledger = ledger_path(platform)
    assert rwd("patient", "replay", ledger, "--json").document == {"erased": []}
    ledger.write_bytes(ledger.read_bytes().replace(b"consent-withdrawn", b"purpose-ended"))
    assert error_of(rwd("patient", "replay", ledger, "--json")) == (1, "erasure.ledger_damaged")
    assert error_of(rwd("patient", "replay", "none.jsonl", "--json")) == (2, "erasure.ledger_missing")


def test_the_locks_that_a_withdrawal_touches_are_named_with_the_next_step(
    rwd: Rwd, platform: Platform
) -> None:
    clerk = ("--login", CLERK.id)
    id = rwd("patient", "withdraw", VICTIM, *clerk, *SAID, "--json").document["id"]
    notice = LockNotice(
        lock_id="L-1",
        cause=id,
        organisation_id="org-operator",
        project_id="p",
        kind="withdrawn",
        noted_at="-",
    )
    platform.records.write(notice, audit=Act(CLERK, "test.noted", Object("lock", "L-1")))
    told = rwd("patient", "withdraw", VICTIM, *clerk, *SAID).stdout.decode()
    assert "1 lock affected:\n  L-1\n" in told and "rwd study lock" in told


def test_a_status_with_nothing_on_record_says_so(rwd: Rwd, platform: Platform) -> None:
    told = rwd("patient", "status", "--login", CLERK.id)
    assert (told.code, told.stdout.decode()) == (0, "没有记录 · nothing on record\n")
    assert rwd("patient", "status", "--login", CLERK.id, "--json").stdout == b""


def test_a_hold_refuses_and_its_end_lets_ask_again(rwd: Rwd, platform: Platform) -> None:
    inspector, clerk = ("--login", INSPECTOR.id), ("--login", CLERK.id)
    hold = ("patient", "hold", VICTIM, *inspector, "--organisation", CLERK.organisation, "--reason")
    assert error_of(rwd(*hold, "好", "--json")) == (2, "withdrawal.text_unfit")
    held = rwd(*hold, HOLD_WHY, "--json")
    assert held.code == 0
    refused = rwd("patient", "erase", VICTIM, *clerk, *DUTIES, "--json")
    assert error_of(refused) == (3, "erasure.held") and HOLD_WHY in refused.document["error"]["zh"]
    lift = ("patient", "release-hold", held.document["id"], "--reason", "案件已结，不再需要保全该患者的记录")
    assert error_of(rwd(*lift, *clerk, "--json")) == (3, "access.not_allowed")
    assert rwd(*lift, *inspector, "--json").document["lifted_at"]
    assert error_of(rwd(*lift, *inspector, "--json")) == (2, "hold.lifted")
    assert platform.records.all(select(LegalHold))[0].lifted_at
    assert rwd("patient", "erase", VICTIM, *clerk, *DUTIES).code == 0


REFUSED: list[tuple[tuple[str, ...], tuple[int, str]]] = [
    (("withdraw", "nobody", *SAID), (2, "withdrawal.patient_unknown")),
    (("withdraw", "", *SAID), (2, "withdrawal.patient_unknown")),
    (("withdraw", VICTIM, *SAID, "--reason", "because"), (2, "withdrawal.reason_unknown")),
    (("withdraw", VICTIM, "--on", "tomorrow", "--consent", "v3"), (2, "withdrawal.date_unfit")),
    (("withdraw", VICTIM, *SAID[:2], "--consent", "110101199003071233"), (2, "withdrawal.consent_unfit")),
    (("erase", VICTIM, "--duty", "medical-record"), (2, "cli.duty_form")),
    (("erase", VICTIM, "--duty", "medical-record=no"), (2, "erasure.duties_unanswered")),
    (("erase", "nobody", *DUTIES), (2, "withdrawal.patient_unknown")),
    (("hold", VICTIM, "--organisation", CLERK.organisation, "--reason", HOLD_WHY), (3, "access.not_allowed")),
    (("vote", "none", "--refuse", "--reason", WHY), (3, "access.not_allowed")),
    (("certificate", "none"), (2, "records.not_found")),
    (("certificate", "../../etc/passwd"), (2, "records.not_found")),
    (("release-hold", "none", "--reason", WHY), (3, "access.not_allowed")),
]  # fmt: skip


def test_what_is_refused_and_how(rwd: Rwd, platform: Platform) -> None:
    """2 for wrong use, 3 for what the caller may not; nothing that was typed of a patient is said again."""
    for words, expected in REFUSED:
        answer = rwd("patient", *words, "--login", CLERK.id, "--json")
        assert error_of(answer) == expected, words
        assert VICTIM not in json.dumps(answer.document) + answer.stderr
    assert rwd("patient", "status", "--login", CLERK.id, "--json").lines == []


def test_the_rules_need_no_login(rwd: Rwd) -> None:
    """Reasons and duties, each with its source; options that are missing are wrong use."""
    document = rwd("patient", "rules", "--json").document
    assert {one["id"] for one in document["rules"]} == set(NO_DUTY)
    assert "consent-withdrawn" in document["reasons"]
    words = rwd("patient", "rules").stdout.decode()
    assert all(one["source"] in words for one in document["rules"])
    for missing in (("withdraw",), ("erase", "x"), ("vote", "x"), ("hold",), ("replay",), ("certificate",)):
        assert rwd("patient", *missing, "--json").code == 2


def test_a_system_and_the_number_of_charts_are_asked_for_where_they_are_needed(
    rwd: Rwd, platform: Platform
) -> None:
    """An id of two systems is refused with their names; a person with two charts once they are counted."""
    clerk = ("--login", CLERK.id)
    somebody = {**person(1), "id": VICTIM}
    sent(platform, {"b.ndjson": ndjson(somebody, {**somebody, "id": "second"})}, source_system="lis")
    assert error_of(rwd("patient", "withdraw", VICTIM, *clerk, *SAID, "--json")) == (
        2,
        "withdrawal.patient_ambiguous",
    )
    asked = ("patient", "withdraw", VICTIM, "--source", "lis", *clerk, *SAID, "--json")
    assert error_of(rwd(*asked)) == (2, "withdrawal.charts_unseen")
    done = rwd(*asked, "--charts", "2")
    assert (done.code, done.document["charts"], done.document["other_hospitals"]) == (0, 2, 0)
    erasing = ("patient", "erase", "second", *clerk, *DUTIES, "--json")
    assert error_of(rwd(*erasing)) == (2, "withdrawal.charts_unseen")
    assert rwd(*erasing, "--charts", "2").document["charts"] == 2
