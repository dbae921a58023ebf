"""An inspector on the pages: one study, every page in the log and marked; and the pages of members and inspections."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.flows import inspections, members
from rwd_platform.flows.inspections import Asked
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import Inspection, Study
from rwd_platform.server import inspected
from tests.conftest import StandingClock
from tests.house.test_routes_by_role import present
from tests.server import sealing, seed
from tests.server.conftest import LogIn

WHY = "按药监核查通知书开放远程核查，已核对文号"
OFFICER = Actor("user-privacy", "privacy", "org-operator")
ADMIN = Actor("user-security", "security", "org-operator")
FORM = {
    "user_id": "user-inspector", "project_id": "demo", "since": "2026-11-02", "until": "2026-11-30",
    "document": "药监核查〔2026〕12号", "reason": WHY,
}  # fmt: skip


@pytest.fixture
def granted(platform: Platform) -> Inspection:
    """A study with results, package and lock; another one beside it; and an inspection of the first."""
    seed.seed_everything(platform)
    sealing.seed_sealed(platform)
    return inspections.grant_inspection(platform, OFFICER, Asked(**FORM))


def reads(platform: Platform) -> list[dict[str, Any]]:
    rows = platform.records.log_entries(limit=10_000)
    return [json.loads(row.body) for row in rows if row.action == "inspection.read"]


SHOWN = ("/", "/studies", f"/studies/{seed.STUDY}", "/packages", f"/packages/{seed.PACKAGE}", f"/locks/{seed.LOCK}",
         "/locks", "/risk", f"/packages/{seed.PACKAGE}/numbers/{seed.NUMBER}")  # fmt: skip


@pytest.mark.parametrize("path", SHOWN)
def test_every_page_of_the_study_is_one_entry_and_carries_the_mark(
    platform: Platform, as_user: LogIn, granted: Inspection, path: str
) -> None:
    page = as_user("inspector").get(path)
    assert page.status_code == 200, page.text[:500]
    [entry] = reads(platform)
    assert (entry["object"]["id"], entry["purpose"], entry["actor"]["id"]) == (
        granted.id,
        path,
        "user-inspector",
    )
    mark = f"张 inspector · 演示监管部门 · {granted.id} · 2026-11-02 16:00 北京时间"
    assert page.text.count(f"<span>{mark}</span>") == 60 and f"</strong> {mark}" in page.text
    assert 'style="' not in page.text and "<img" in page.text, (
        "text, by the style sheet: the policy stays strict"
    )


def test_the_mark_is_in_english_on_english_pages_and_on_nobody_elses(
    platform: Platform, as_user: LogIn, granted: Inspection
) -> None:
    page = as_user("inspector", language="en").get("/studies").text
    assert f"Demo Authority · {granted.id} · 2026-11-02 16:00 Asia/Shanghai" in page
    assert "watermark" not in as_user("regulator").get("/studies").text


def test_the_inspector_sees_the_results_of_the_study_and_nothing_of_another(
    platform: Platform, as_user: LogIn, granted: Inspection
) -> None:
    me = as_user("inspector")
    assert "0.84" in me.get(f"/studies/{seed.STUDY}").text
    listed = me.get("/studies").text
    assert len(re.findall(r'href="/studies/[^"/]+"', listed)) == 1 and seed.STUDY in listed
    other = next(row.id for row in platform.records.all(select(Study)) if row.id != seed.STUDY)
    foreign, absent = me.get(f"/studies/{other}"), me.get("/studies/study-none")
    assert foreign.status_code == absent.status_code == 404
    assert foreign.text.replace(other, "ID") == absent.text.replace("study-none", "ID")


CLOSED = ("/uploads", "/quality", "/log", "/people", "/transfers", "/releases", "/releases/circles", "/catalogue",
          "/cohorts", "/policies", "/questions", "/linkage", "/withdrawals", "/inspections",
          f"/packages/{seed.PACKAGE}/file")  # fmt: skip


def test_everything_else_is_closed(as_user: LogIn, granted: Inspection) -> None:
    me = as_user("inspector")
    assert {path: me.get(path).status_code for path in CLOSED} == dict.fromkeys(CLOSED, 403)


def test_a_page_that_shows_nothing_of_the_study_is_no_entry(
    platform: Platform, as_user: LogIn, granted: Inspection
) -> None:
    """One's own account, what was refused, what is not there."""
    me = as_user("inspector")
    for path in ("/account", "/uploads", "/studies/study-none", "/language/en"):
        me.get(path)
    assert reads(platform) == []


def test_no_door_that_changes_anything_lists_an_inspector() -> None:
    """Read-only by construction: the matrix of every route says so, but for the inspector's own account."""
    open_ones = {
        name
        for name, row in present().items()
        if not name.startswith("GET ") and row["inspector"] not in ("no", "open")
    }
    own = {
        "POST /logout", "DELETE /api/v1/session", "POST /jobs/{job_id}/resume", "POST /account/password",
        "POST /account/sessions/end", "POST /account/sessions/end-others", "POST /account/second-factor",
        "POST /account/second-factor/confirm", "POST /account/second-factor/codes",
        "POST /account/second-factor/remove", "POST /account/identity", "POST /account/identity/unbind",
    }  # fmt: skip
    assert open_ones == own


def test_without_an_inspection_or_after_it_there_is_nothing(
    platform: Platform, as_user: LogIn, granted: Inspection, clock: StandingClock
) -> None:
    me = as_user("inspector")
    assert me.get(f"/studies/{seed.STUDY}").status_code == 200
    inspections.end_inspection(platform, OFFICER, granted.id, WHY)
    gone, home = me.get(f"/studies/{seed.STUDY}"), me.get("/")
    assert gone.status_code == 404 and "watermark" not in gone.text
    assert "现在没有授权给您的核查" in home.text and seed.STUDY not in home.text
    assert len(reads(platform)) == 1


def test_a_page_whose_entry_cannot_be_written_is_not_sent(
    platform: Platform, as_user: LogIn, granted: Inspection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no log, no page")

    client = as_user("inspector")
    monkeypatch.setattr(inspected, "note_page", broken)
    quiet = TestClient(client.app, raise_server_exceptions=False, cookies=dict(client.cookies))
    answer = quiet.get(f"/studies/{seed.STUDY}")
    assert answer.status_code == 500 and "演示研究" not in answer.text and "0.84" not in answer.text


def test_the_api_notes_what_it_shows_too(platform: Platform, as_user: LogIn, granted: Inspection) -> None:
    answer = as_user("inspector").get(f"/api/v1/studies/{seed.STUDY}")
    assert answer.status_code == 200 and answer.headers["x-inspection"] == granted.id
    assert [entry["purpose"] for entry in reads(platform)] == [f"/api/v1/studies/{seed.STUDY}"]


# -- granting on the page ----------------------------------------------------------------------------------


def test_a_privacy_officer_grants_and_ends_an_inspection_on_the_page(
    platform: Platform, as_user: LogIn
) -> None:
    seed.seed_study(platform)
    officer = as_user("privacy")
    assert "没有核查" in officer.get("/inspections").text
    assert officer.post("/inspections", data=FORM).status_code == 303
    page = officer.get("/inspections").text
    assert "正在核查" in page and "药监核查〔2026〕12号" in page
    [row] = inspections.inspections(platform, OFFICER)
    assert officer.post(f"/inspections/{row.row.id}/end", data={"reason": ""}).status_code == 422
    assert officer.post(f"/inspections/{row.row.id}/end", data={"reason": WHY}).status_code == 303
    assert "已结束" in officer.get("/inspections").text
    assert officer.post("/inspections/none/end", data={"reason": WHY}).status_code == 404


def test_a_mistake_keeps_what_was_filled_in(platform: Platform, as_user: LogIn) -> None:
    seed.seed_study(platform)
    page = as_user("privacy").post("/inspections", data={**FORM, "until": "2028-01-01"})
    assert page.status_code == 422 and "inspection.too_long" in page.text
    assert 'value="药监核查〔2026〕12号"' in page.text and WHY in page.text


# -- members on the page -----------------------------------------------------------------------------------


def registered(platform: Platform, as_user: LogIn) -> str:
    """A study that `researcher` registered through the door, so that the log names the registrant."""
    from rwd_platform.server import protocols

    text = protocols.example(next(iter(protocols.example_names())))
    made = as_user("researcher").post("/api/v1/studies", json={"protocol": text})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


def test_the_registrant_names_a_member_and_others_no_longer_see_the_study(
    platform: Platform, as_user: LogIn
) -> None:
    """List, page, protocol, API, log and jobs alike: to a colleague who is no member it is not there."""
    study_id = registered(platform, as_user)
    owner, colleague = as_user("researcher"), as_user("researcher-2")
    assert f"/studies/{study_id}/members" in owner.get(f"/studies/{study_id}").text
    assert study_id in colleague.get("/studies").text and study_id in colleague.get("/log").text
    named = owner.post(f"/studies/{study_id}/members", data={"user_id": "user-researcher", "reason": WHY})
    assert named.status_code == 303, named.text
    for path in ("/studies", "/", "/log", "/api/v1/studies", "/api/v1/log"):
        assert study_id in owner.get(path).text, path
        assert study_id not in colleague.get(path).text, path
    for path in ("", "/protocol.yaml", "/members", "/fitness"):
        foreign, absent = (
            colleague.get(f"/studies/{study_id}{path}"),
            colleague.get(f"/studies/study-x{path}"),
        )
        assert foreign.status_code == absent.status_code == 404, path
    assert colleague.post(f"/studies/{study_id}/freeze", data={"reason": WHY}).status_code == 404
    assert study_id in as_user("regulator").get("/studies").text


def test_asking_for_a_closed_study_leaves_the_same_line_in_ones_own_log_as_asking_for_none(
    platform: Platform, as_user: LogIn
) -> None:
    """People read their organisation's entries: a line that is missing there would tell which of the two it was."""
    study_id = registered(platform, as_user)
    as_user("researcher").post(
        f"/studies/{study_id}/members", data={"user_id": "user-researcher", "reason": WHY}
    )
    colleague = as_user("researcher-2")
    for id in (study_id, "study-none"):
        colleague.get(f"/studies/{id}")
    own = colleague.get("/api/v1/log?action=access.refused").json()
    assert study_id in str(own) and "study-none" in str(own)
    as_user("researcher").post(f"/studies/{study_id}/freeze", data={"reason": ""})
    assert study_id not in colleague.get("/log?action=study.registered").text


def test_a_member_within_the_days_sees_it_again(
    platform: Platform, as_user: LogIn, clock: StandingClock
) -> None:
    study_id = registered(platform, as_user)
    owner = as_user("researcher")
    fields = {"user_id": "user-researcher-2", "since": "2026-11-03", "until": "2026-11-03", "reason": WHY}
    assert owner.post(f"/studies/{study_id}/members", data=fields).status_code == 303
    assert as_user("researcher-2").get(f"/studies/{study_id}").status_code == 404
    clock.now = clock.now.replace(hour=16, minute=0)
    assert as_user("researcher-2").get(f"/studies/{study_id}").status_code == 200
    clock.advance(days=1)
    assert as_user("researcher-2").get(f"/studies/{study_id}").status_code == 404


def test_a_security_administrator_manages_members_by_the_projects_id_alone(
    platform: Platform, as_user: LogIn
) -> None:
    study_id = registered(platform, as_user)
    admin = as_user("security")
    [(study, _)] = members.projects(platform, ADMIN)
    pages = [admin.get("/people/members").text, admin.get(f"/studies/{study_id}/members").text]
    assert all(study.project_id in page for page in pages)
    assert not any(study.title_zh in page or study.title_en in page for page in pages)
    assert admin.get(f"/studies/{study_id}").status_code == 403
    done = admin.post(f"/studies/{study_id}/members", data={"user_id": "user-researcher-2", "reason": WHY})
    assert done.status_code == 303
    [grant] = [
        one.grant
        for one in members.membership(platform, ADMIN, study_id).members
        if one.user.login == "researcher-2"
    ]
    removed = admin.post(f"/studies/{study_id}/members/{grant.id}/remove", data={"reason": WHY})
    assert removed.status_code == 303
    assert as_user("researcher-2").get(f"/studies/{study_id}").status_code == 404


def test_a_colleague_sees_the_members_and_no_form(platform: Platform, as_user: LogIn) -> None:
    study_id = registered(platform, as_user)
    page = as_user("researcher-2").get(f"/studies/{study_id}/members").text
    assert '<form class="panel"' not in page and "成员由登记人或安全管理员管理" in page
    refused = as_user("researcher-2").post(
        f"/studies/{study_id}/members", data={"user_id": "user-researcher-2", "reason": WHY}
    )
    assert refused.status_code == 403 and "member.not_registrant" in refused.text
