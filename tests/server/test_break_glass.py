"""Break-glass in the browser, over the API and at the command line: the same rules behind every door."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.access.passwords import hash_password
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.vault import Identity, Sighting, put_in_vault
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, BreakGlassRequest, Upload, User
from rwd_platform.settings import Settings
from tests.conftest import StandingClock
from tests.server.conftest import LogIn

REASON = "该患者疑似植入物召回批次，须由主治医师当面告知并安排复查。"
WHY = "已核对医嘱与救治记录，同意查看"
PATIENT = f"p1.intl.1.{'b' * 25}a"
NAME, NUMBER, PHONE = "欧阳琼华", "469002195002031222", "13876543210"


@pytest.fixture
def platform(platform: Platform) -> Platform:
    keep_somebody(platform, "hospital-a")
    return platform


def keep_somebody(platform: Platform, organisation: str) -> None:
    """One patient in the vault of a hospital."""
    upload = Upload(
        id="upload-1", organisation_id=organisation, source_system="his", agreement="A", platform_role="joint",
        consent_version="C", ethics_id="E", fhir_version="R4", state="admitted", received_at="", received_by="x",
    )  # fmt: skip
    identity = Identity(
        organisation_id=organisation,
        source_system="his",
        patient_id=PATIENT,
        resource_id="h-1",
        identifiers=(("urn:oid:2.16.156.10011.1.3", NUMBER),),
        names=(NAME, "<script>alert(1)</script>"),
        telecom=(("phone", PHONE),),
        addresses=("海南省琼海市博鳌镇",),
        birth_date="1950-02-03",
    )
    clerk = Actor("x", "hospital", organisation)
    with platform.records.transaction(
        audit=Act(clerk, "upload.admitted", Object("upload", upload.id))
    ) as session:
        session.add(upload)
        session.flush()
        put_in_vault(platform, session, upload, [Sighting(identity)])


def ask(client: TestClient, **fields: object) -> str:
    """A request made on the page; its id."""
    answer = client.post(
        "/break-glass", data={"patient_id": PATIENT, "reason": REASON, "minutes": 30, **fields}
    )
    assert answer.status_code == 303, answer.text
    return answer.headers["location"].rsplit("/", 1)[1]


def approve(as_user: LogIn, request_id: str) -> None:
    for login in ("privacy", "privacy-2"):
        answer = as_user(login).post(
            f"/break-glass/{request_id}/votes", data={"approved": "true", "reason": WHY}
        )
        assert answer.status_code == 303, answer.text


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


# -- pages --------------------------------------------------------------------------------------------


def test_the_whole_way_on_the_pages(as_user: LogIn):
    """Asked by the hospital, approved by two officers, shown to the one who asked - in the answer alone."""
    clerk = as_user("hospital-a")
    request_id = ask(clerk)
    page = text_of(clerk.get(f"/break-glass/{request_id}").text)
    assert REASON in page and "还需 2 位审批人同意" in page and "显示身份" not in page
    approve(as_user, request_id)
    page = text_of(clerk.get(f"/break-glass/{request_id}").text)
    assert "申请人还有 30 分钟可以查看" in page and "显示身份" in page and NAME not in page
    shown = clerk.post(f"/break-glass/{request_id}/open")
    assert shown.status_code == 200 and shown.headers["cache-control"] == "no-store"
    for text in (NAME, NUMBER, PHONE, "海南省琼海市博鳌镇", "1950-02-03", "h-1", "只显示这一次"):
        assert text in text_of(shown.text)
    assert "<script>alert" not in shown.text, "what a hospital wrote is text"
    for again in (clerk.get(f"/break-glass/{request_id}"), clerk.post(f"/break-glass/{request_id}/open")):
        assert NAME not in again.text and NUMBER not in again.text
    assert again.status_code == 409 and "break_glass.already_opened" in again.text


def test_both_languages_say_the_same_thing(as_user: LogIn):
    request_id = ask(as_user("hospital-a"))
    approve(as_user, request_id)
    english = as_user("hospital-a", language="en")
    assert "The requester has 30 min left to look" in text_of(english.get(f"/break-glass/{request_id}").text)
    shown = text_of(english.post(f"/break-glass/{request_id}/open").text)
    assert "Who the patient is: shown only once" in shown and f"{PHONE} phone" in shown
    assert not re.search(r"未填写|联系方式", shown)


def test_a_mistake_keeps_what_was_filled_in_but_not_a_name(as_user: LogIn):
    """The reason is not to be typed twice; what is no pseudonym may be a person, and is not shown again."""
    clerk = as_user("hospital-a")
    short = clerk.post("/break-glass", data={"patient_id": PATIENT, "reason": "需要", "minutes": 30})
    assert short.status_code == 422 and PATIENT in short.text and "break_glass.reason" in short.text
    named = clerk.post("/break-glass", data={"patient_id": NUMBER, "reason": REASON, "minutes": 30})
    assert named.status_code == 422 and REASON in named.text and NUMBER not in named.text


@pytest.mark.parametrize(
    "fields", [{}, {"minutes": "x"}, {"patient_id": "x" * 6000, "minutes": "5"}, {"minutes": str(10**30)}]
)
def test_a_malformed_form_is_refused_without_repeating_it(as_user: LogIn, fields: dict[str, str]):
    answer = as_user("hospital-a").post("/break-glass", data=fields)
    assert answer.status_code == 422 and "x" * 100 not in answer.text


def test_an_approver_who_errs_sees_the_reason_and_may_go_on(as_user: LogIn):
    request_id = ask(as_user("hospital-a"))
    officer = as_user("privacy")
    answer = officer.post(f"/break-glass/{request_id}/votes", data={"approved": "true", "reason": "好"})
    assert answer.status_code == 422 and "break_glass.reason" in answer.text
    assert officer.post(
        f"/break-glass/{request_id}/votes", data={"approved": "true", "reason": WHY}
    ).is_redirect
    page = text_of(officer.get(f"/break-glass/{request_id}").text)
    assert WHY in page and "您的意见" not in page, "a person votes once"
    assert (
        as_user("privacy-2")
        .post(
            f"/break-glass/{request_id}/votes",
            data={"approved": "false", "reason": "理由不足，不予同意查看。"},
        )
        .is_redirect
    )
    assert "有审批人不同意" in text_of(officer.get("/break-glass").text)


@pytest.mark.parametrize("login", ["hospital-b", "regulator"])
def test_anothers_request_looks_like_none(as_user: LogIn, login: str):
    """On the page, in the list, and when it is opened: the same answer as for one that never was."""
    request_id = ask(as_user("hospital-a"))
    approve(as_user, request_id)
    other = as_user(login)
    assert request_id not in other.get("/break-glass").text
    for path in ("", "/open"):
        hidden = other.request("POST" if path else "GET", f"/break-glass/{request_id}{path}")
        absent = other.request("POST" if path else "GET", f"/break-glass/none{path}")
        assert hidden.status_code == absent.status_code == 404
        assert text_of(hidden.text).replace(request_id, "") == text_of(absent.text).replace("none", "")


def test_an_empty_list_says_what_will_stand_there(as_user: LogIn):
    assert "没有申请" in as_user("privacy").get("/break-glass").text
    assert "/break-glass/new" in as_user("hospital-a").get("/break-glass").text
    assert "/break-glass/new" not in as_user("privacy").get("/break-glass").text


def test_a_form_without_the_sessions_token_opens_nothing(as_user: LogIn, platform: Platform):
    """Another site cannot use up a request, nor have the identity fetched."""
    request_id = ask(as_user("hospital-a"))
    approve(as_user, request_id)
    clerk = as_user("hospital-a")
    del clerk.headers["X-CSRF-Token"]
    assert clerk.post(f"/break-glass/{request_id}/open").status_code == 403
    assert platform.records.get(BreakGlassRequest, request_id).state == "approved"


# -- API ----------------------------------------------------------------------------------------------


def test_the_api_keeps_the_same_rules(as_user: LogIn, clock: StandingClock):
    clerk, asked = as_user("hospital-a"), {"patient_id": PATIENT, "reason": REASON, "minutes": 10}
    made = clerk.post("/api/v1/break-glass", json=asked)
    assert made.status_code == 201 and made.json()["state"] == "requested"
    path = f"/api/v1/break-glass/{made.json()['id']}"
    assert clerk.post(f"{path}/open").json()["code"] == "break_glass.not_approved"
    for login, state in (("privacy", "requested"), ("privacy-2", "approved")):
        voted = as_user(login).post(f"{path}/votes", json={"approved": True, "reason": WHY})
        assert (voted.status_code, voted.json()["state"]) == (201, state)
    clock.advance(minutes=4)
    seen = clerk.get(path).json()
    assert (seen["seconds_left"], len(seen["votes"])) == (360, 2)
    shown = clerk.post(f"{path}/open")
    assert shown.headers["cache-control"] == "no-store"
    assert shown.json()["names"][0] == NAME
    assert shown.json()["identifiers"] == [{"system": "urn:oid:2.16.156.10011.1.3", "value": NUMBER}]
    assert clerk.post(f"{path}/open").status_code == 409
    [listed] = clerk.get("/api/v1/break-glass").json()
    assert listed["state"] == "opened" and NAME not in json.dumps(listed, ensure_ascii=False)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"patient_id": PATIENT, "reason": REASON},
        {"patient_id": [PATIENT, PATIENT], "reason": REASON, "minutes": 5},
        {"patient_id": PATIENT, "reason": "x" * 10_000, "minutes": 5},
        {"patient_id": NUMBER, "reason": REASON, "minutes": 5},
        {"patient_id": PATIENT, "reason": REASON, "minutes": 10**30},
    ],
)
def test_a_malformed_question_is_refused_without_repeating_it(as_user: LogIn, body: dict[str, object]):
    answer = as_user("hospital-a").post("/api/v1/break-glass", json=body)
    assert answer.status_code == 422 and NUMBER not in answer.text and PATIENT not in answer.text


def test_nothing_of_the_person_reaches_the_log(as_user: LogIn, platform: Platform):
    clerk = as_user("hospital-a")
    request_id = ask(clerk)
    approve(as_user, request_id)
    clerk.post(f"/break-glass/{request_id}/open")
    entries = b"".join(row.body for row in platform.records.all(select(AuditEntry))).decode()
    assert "break_glass.opened" in entries
    for text in (NAME, NUMBER, PHONE, PATIENT, REASON):
        assert text not in entries


# -- the command line ---------------------------------------------------------------------------------


def test_at_the_command_line_each_person_gives_a_password_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Whoever may run commands on the server is not thereby two approvers."""
    import sys

    import typer

    from rwd_platform.cli.main import main
    from rwd_platform.demo.people import register_organisations

    home = tmp_path / "home"
    platform = open_platform(Settings(home=home, demo=True))
    register_organisations(platform)
    for login, role, organisation in (
        ("clerk", "hospital", "org-hospital-a"),
        ("one", "privacy", "org-operator"),
        ("two", "privacy", "org-operator"),
    ):
        user = User(
            id=f"user-{login}", organisation_id=organisation, login=login, role=role, name=login,
            password_hash=hash_password(f"password of {login}"), created_at="",
        )  # fmt: skip
        platform.records.write(user, audit=Act(platform.operator(), "user.made", Object("user", user.id)))
    keep_somebody(platform, "org-hospital-a")
    platform.records.engine.dispose()
    monkeypatch.setenv("RWD_HOME", str(home))
    monkeypatch.setenv("RWD_DEMO", "true")

    def rwd(*words: str, password: str) -> tuple[int, str]:
        monkeypatch.setattr(typer, "prompt", lambda *_args, **_more: password)
        monkeypatch.setattr(sys, "argv", ["rwd", "break-glass", *words, "--json"])
        capsys.readouterr()
        code = int(main())
        return code, capsys.readouterr().out

    asked = rwd("request", PATIENT, "--login", "clerk", "--reason", REASON, password="password of clerk")
    request_id = json.loads(asked[1])["id"]
    cast = ("vote", request_id, "--yes", "--reason", WHY, "--login")
    assert rwd(*cast, "one", password="password of two")[0] == 3
    assert json.loads(rwd(*cast, "one", password="password of one")[1])["state"] == "requested"
    assert json.loads(rwd(*cast, "two", password="password of two")[1])["state"] == "approved"
    code, shown = rwd("open", request_id, "--login", "clerk", password="password of clerk")
    assert (code, json.loads(shown)["names"][0]) == (0, NAME)
