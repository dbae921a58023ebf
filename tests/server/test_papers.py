"""Papers on the pages and in the API: one form a kind, how each stands, its versions, and what rested on it."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from sqlmodel import select

from rwd_platform.compliance.instruments import kinds
from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import AuditEntry, InstrumentRecord
from rwd_platform.server.papers import standing
from tests.flows.papers import paper
from tests.flows.providing import decided, keys, put
from tests.server import seed
from tests.server.conftest import LogIn
from tests.server.provision_seed import ABROAD, A, B, asked, put_circles, seed_provisions
from tests.server.test_pages import _CJK, visible_text

CONTRACT: dict[str, Any] = {
    "kind": "standard_contract",
    "exporter": A,
    "number": "琼网信备〔2026〕7号",
    "effective_from": "2026-10-30",
    "scope-purposes": ["registration", "post_market"],
    "scope-fields": ["health_status"],
    "scope-recipients": [ABROAD],
    "persons": "5,000",
    "note": "原件在档案室",
}


def stored(platform: Platform) -> list[InstrumentRecord]:
    return list(platform.records.all(select(InstrumentRecord).order_by(InstrumentRecord.version)))


# -- the form --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", kinds())
def test_each_kinds_form_asks_for_its_own_dimensions_and_no_other(as_user: LogIn, kind: str) -> None:
    page = as_user("privacy").get(f"/papers/new?kind={kind}").text
    described = kinds()[kind]
    assert ('name="more_scenarios"' in page) is ("scenarios" in described.scope)
    assert 'name="scope-scenarios"' not in page  # nobody adopted a list: there is none to choose from
    assert ("SHA-256（可留空）" in page) is not described.needs_evidence
    for dimension in ("purposes", "fields", "recipients", "projects", "sites"):
        assert (f'name="scope-{dimension}"' in page) is (dimension in described.scope), dimension
    assert ('name="persons"' in page) is ("persons" in described.scope)
    assert ('name="answer"' in page) is bool(described.answers)
    assert ('name="filed_on"' in page) is (described.file_within is not None)
    assert described.name.zh in page and described.source.zh in page


def test_without_a_kind_the_kinds_are_offered(as_user: LogIn) -> None:
    for path in ("/papers/new", "/papers/new?kind=%3Cscript%3E"):
        page = as_user("privacy").get(path)
        assert page.status_code == 200 and "<script>" not in page.text.split("<main", 1)[1]
        assert all(f"/papers/new?kind={id}" in page.text for id in kinds())


def test_a_hospital_is_not_offered_what_only_an_officer_records(platform: Platform, as_user: LogIn) -> None:
    hospital, officer = as_user("hospital-a"), as_user("privacy")
    closed = [id for id, kind in kinds().items() if kind.officers_only]
    assert closed == ["legal_basis", "zone_opinion"]
    for id in closed:
        assert f"/papers/new?kind={id}" not in hospital.get("/papers/new").text
    scope = {"purposes": ["*"], "fields": ["*"], "projects": ["*"], "scenarios": ["medicine-1"]}
    body = {
        "exporter": A, "kind": "zone_opinion", "number": "x", "effective_from": "2026-11-01", "answer": "outside",
        "scope": scope, "evidence_sha256": "ab" * 32,
    }  # fmt: skip
    refused = hospital.post("/api/v1/papers", json=body)
    assert (refused.status_code, refused.json()["code"]) == (403, "instrument.officers_only")
    form = {
        "kind": "zone_opinion", "exporter": A, "number": "法意-1", "effective_from": "2026-11-01", "answer": "outside",
        "scope-purposes": ["*"], "scope-fields": ["*"], "scope-projects": ["*"], "more_scenarios": "medicine-1，seeds ",
        "evidence_sha256": "AB" * 32,
    }  # fmt: skip
    again = hospital.post("/papers", data=form)
    assert (
        again.status_code == 403
        and "instrument.officers_only" in again.text
        and "medicine-1，seeds" in again.text
    )
    assert stored(platform) == []
    made = officer.post("/papers", data=form)
    (row,) = stored(platform)
    assert made.status_code == 303 and row.scope["scenarios"] == ["medicine-1", "seeds"]
    assert "medicine-1、seeds" in officer.get(f"/papers/{row.id}").text
    assert 'value="seeds" checked' in officer.get(f"/papers/new?replaces={row.id}").text
    assert officer.post("/api/v1/papers", json={**body, "evidence_sha256": ""}).status_code == 422
    assert officer.post("/api/v1/papers", json=body).status_code == 201


def test_the_choices_come_out_of_the_records(platform: Platform, as_user: LogIn) -> None:
    """Registered recipients, projects of studies, hospitals; a hospital may choose itself alone as exporter."""
    put_circles(platform)
    seed.seed_study(platform)
    officer = as_user("privacy").get("/papers/new?kind=data_use_agreement").text
    for wanted in ("境外申办者甲", "演示研究", "健康状况", "研究合作", "全部", f'value="{B}"'):
        assert wanted in officer, wanted
    hospital = as_user("hospital-a").get("/papers/new?kind=ethics_approval").text
    exporters = hospital[hospital.index('name="exporter"') : hospital.index("</select>")]
    assert f'value="{A}"' in exporters and f'value="{B}"' not in exporters


def test_a_paper_is_recorded_as_it_was_filled_in(platform: Platform, as_user: LogIn) -> None:
    put_circles(platform)
    officer = as_user("privacy")
    answer = officer.post("/papers", data=CONTRACT)
    (row,) = stored(platform)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/papers/{row.id}"), answer.text
    assert row.scope == {
        "purposes": ["post_market", "registration"],
        "fields": ["health_status"],
        "recipients": [ABROAD],
        "persons": 5_000,
    }
    page = officer.get(f"/papers/{row.id}").text
    for wanted in (
        "琼网信备〔2026〕7号",
        "药品医疗器械注册",
        "健康状况",
        "境外申办者甲",
        "5,000 人",
        "原件在档案室",
    ):
        assert wanted in page, wanted
    assert "待备案，最迟 2026-11-13" in page and "待备案" in officer.get("/papers").text


def test_projects_may_be_named_that_the_list_does_not_offer(platform: Platform, as_user: LogIn) -> None:
    """A hospital sees no list of studies, and its ethics approval names one."""
    data = {
        "kind": "ethics_approval",
        "exporter": A,
        "number": "EC-7",
        "effective_from": "2026-01-01",
        "more_projects": "demo，second, ",
        "scope-sites": ["*"],
    }
    assert as_user("hospital-a").post("/papers", data=data).status_code == 303
    assert stored(platform)[0].scope == {"projects": ["demo", "second"], "sites": ["*"]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", ""),
        ("effective_from", "2026-02-30"),
        ("valid_until", "2025-01-01"),
        ("filed_on", "2026-11-09"),
        ("answer", "yes"),
        ("scope-purposes", []),
        ("scope-purposes", ["*", "registration"]),
        ("scope-purposes", ["conquest"]),
        ("persons", "many"),
        ("persons", "0"),
        ("persons", "-5"),
        ("persons", "9" * 30),
        ("evidence_sha256", "zz"),
        ("kind", "passport"),
        ("replaces", "paper-none"),
    ],
)
def test_nothing_that_was_filled_in_is_lost_when_something_is_wrong(
    platform: Platform, as_user: LogIn, field: str, value: Any
) -> None:
    put_circles(platform)
    answer = as_user("privacy").post("/papers", data={**CONTRACT, field: value})
    assert answer.status_code == 422 and "instrument.malformed" in answer.text, answer.text[:300]
    assert stored(platform) == []
    if field == "kind":
        return
    page = answer.text
    for name in ("number", "effective_from", "persons"):
        if name != field:
            assert f'value="{CONTRACT[name]}"' in page, name
    assert "原件在档案室" in page and f'value="{ABROAD}" checked' in page
    if field != "scope-purposes":
        assert 'value="post_market" checked' in page


def test_a_choice_that_is_offered_no_more_stays_chosen(platform: Platform, as_user: LogIn) -> None:
    answer = as_user("privacy").post(
        "/papers", data={**CONTRACT, "number": "", "scope-recipients": ["circle-gone"]}
    )
    assert answer.status_code == 422 and 'value="circle-gone" checked' in answer.text


# -- how each stands -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("differs", "tone", "words"),
    [
        ({}, "good", "In force"),
        ({"effective_from": "2026-11-03"}, "quiet", "Takes effect on 2026-11-03"),
        ({"valid_until": "2026-11-02"}, "held", "Ends in 0 days"),
        ({"valid_until": "2026-11-03"}, "held", "Ends in 1 day"),
        ({"valid_until": "2027-01-01"}, "held", "Ends in 60 days"),
        ({"valid_until": "2027-01-02"}, "good", "In force"),
        ({"valid_until": "2026-11-01"}, "bad", "Ran out on 2026-11-01"),
        ({"revoked_on": "2026-11-02"}, "quiet", "Ended on 2026-11-02"),
        ({"revoked_on": "2026-11-03"}, "good", "In force"),
        ({"kind": "standard_contract", "effective_from": "2026-10-30"}, "held", "To be filed by 2026-11-13"),
        (
            {"kind": "standard_contract", "effective_from": "2026-10-12"},
            "bad",
            "Not filed: it was due by 2026-10-26",
        ),
        ({"kind": "standard_contract", "filed_on": "2026-01-05"}, "good", "In force"),
    ],
)
def test_how_a_paper_stands_on_a_day(differs: dict[str, str], tone: str, words: str) -> None:
    row = paper(
        differs.get("kind", "impact_assessment"), A, **{k: v for k, v in differs.items() if k != "kind"}
    )
    said = standing(row, date(2026, 11, 2))
    assert (said[0], said[1].en) == (tone, words)


def test_a_list_is_found_by_exporter_and_kind(platform: Platform, as_user: LogIn) -> None:
    seed_provisions(platform)
    officer = as_user("privacy")
    everything = officer.get("/papers").text
    assert "CERT-7" in everything and "SC-B-1" in everything
    only_b = officer.get(f"/papers?exporter={B}").text
    assert "SC-B-1" in only_b and "CERT-7" not in only_b
    assert "CERT-7" in officer.get("/papers?kind=certification").text
    none = officer.get("/papers?kind=%3Cscript%3Ealert(1)").text
    assert "没有符合条件的文件" in none and "<script>alert" not in none


# -- one paper -------------------------------------------------------------------------------------------------------


def test_a_paper_is_filed_once_and_a_wrong_day_is_kept_in_the_form(
    platform: Platform, as_user: LogIn
) -> None:
    put(platform, paper("standard_contract", A, id="paper-1", effective_from="2026-10-30"))
    hospital = as_user("hospital-a")
    wrong = hospital.post("/papers/paper-1/file", data={"filed_on": "2026-11-30"})
    assert wrong.status_code == 422 and 'value="2026-11-30"' in wrong.text
    assert hospital.post("/papers/paper-1/file", data={"filed_on": "2026-11-01"}).status_code == 303
    page = hospital.get("/papers/paper-1").text
    assert "2026-11-01" in page and "登记备案</button>" not in page
    again = hospital.post("/papers/paper-1/file", data={"filed_on": "2026-11-02"})
    assert (again.status_code, "instrument.filed_already" in again.text) == (409, True)


def test_a_paper_is_revoked_with_a_reason_and_offers_nothing_more(platform: Platform, as_user: LogIn) -> None:
    put(platform, paper("impact_assessment", A, id="paper-1"))
    officer = as_user("privacy")
    assert officer.post("/papers/paper-1/revoke", data={"reason": " "}).status_code == 422
    named = officer.post("/papers/paper-1/revoke", data={"reason": "患者 110101199003070011 要求撤回"})
    assert named.status_code == 422 and "people.reason_identifies" in named.text
    assert officer.post("/papers/paper-1/revoke", data={"reason": "评估范围已改变"}).status_code == 303
    page = officer.get("/papers/paper-1").text
    assert "2026-11-02 起不再有效" in page and "可以做什么" not in page
    again = officer.post("/papers/paper-1/revoke", data={"reason": "再次"})
    assert (again.status_code, "instrument.ended" in again.text) == (409, True)
    (entry,) = platform.records.all(select(AuditEntry).where(AuditEntry.action == "instrument.revoked"))
    assert entry.actor_id == "user-privacy"


def test_a_new_version_begins_with_what_the_one_before_says(platform: Platform, as_user: LogIn) -> None:
    put_circles(platform)
    officer = as_user("privacy")
    officer.post("/papers", data=CONTRACT)
    first = stored(platform)[0]
    form = officer.get(f"/papers/new?replaces={first.id}").text
    assert 'value="5000"' in form and 'value="post_market" checked' in form and "新版本" in form
    data = {**CONTRACT, "replaces": first.id, "effective_from": "2026-11-10", "persons": "8000"}
    second = officer.post("/papers", data=data).headers["location"]
    page = officer.get(second).text
    assert "第 2 版（本页）" in page and f"/papers/{first.id}" in page
    assert "2026-11-10" in officer.get(f"/papers/{first.id}").text, "the first says when it ends"


def test_a_paper_names_the_provisions_that_rested_on_it(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    page = as_user("privacy").get(f"/papers/paper-{A}-standard_contract").text
    assert f"/provisions/{ids['posted']}" in page and f"/provisions/{ids['reserved']}" in page
    assert f"/provisions/{ids['held']}" not in page
    assert "还没有" in as_user("privacy").get("/papers/paper-unfiled").text


# -- whose they are --------------------------------------------------------------------------------------------------


def test_a_hospital_sees_and_records_its_own_papers_and_anothers_look_like_none(
    platform: Platform, as_user: LogIn
) -> None:
    put(platform, paper("impact_assessment", B, id="paper-b"))
    client = as_user("hospital-a")
    assert "还没有在案文件" in client.get("/papers").text and client.get("/api/v1/papers").json() == []
    hidden, absent = client.get("/papers/paper-b"), client.get("/papers/paper-x")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("paper-b", "paper-x") == absent.text
    for path, data in (
        ("/papers/paper-b/file", {"filed_on": "2026-11-01"}),
        ("/papers/paper-b/revoke", {"reason": "x"}),
        ("/papers/paper-x/revoke", {"reason": "x"}),
    ):
        assert client.post(path, data=data).status_code == 404, path
    assert client.get("/papers/new?replaces=paper-b").status_code == 404
    assert client.post("/papers", data={**CONTRACT, "exporter": B}).status_code == 404
    assert [row.id for row in stored(platform)] == ["paper-b"]


@pytest.mark.parametrize("login", ["researcher", "regulator"])
def test_who_reads_papers_records_none(platform: Platform, as_user: LogIn, login: str) -> None:
    put(platform, paper("impact_assessment", A, id="paper-1"))
    client = as_user(login)
    page = client.get("/papers/paper-1").text
    assert "可以做什么" not in page and "/papers/new" not in client.get("/papers").text
    assert client.post("/papers", data=CONTRACT).status_code == 403
    assert client.post("/papers/paper-1/revoke", data={"reason": "x"}).status_code == 403
    assert client.post("/api/v1/papers", json={}).status_code in (403, 422)
    assert platform.records.get(InstrumentRecord, "paper-1").revoked_on == ""


def test_a_form_without_its_token_changes_nothing(platform: Platform, as_user: LogIn) -> None:
    client = as_user("privacy")
    del client.headers["X-CSRF-Token"]
    assert client.post("/papers", data=CONTRACT).status_code == 403 and stored(platform) == []


def test_the_api_walks_the_same_way(platform: Platform, as_user: LogIn) -> None:
    put_circles(platform)
    officer = as_user("privacy")
    body = {
        "exporter": A, "kind": "standard_contract", "number": "SC-1", "effective_from": "2026-10-30",
        "scope": {"purposes": ["registration"], "fields": ["*"], "recipients": [ABROAD], "persons": 100},
    }  # fmt: skip
    made = officer.post("/api/v1/papers", json=body)
    assert made.status_code == 201, made.text
    place = f"/api/v1/papers/{made.json()['id']}"
    assert officer.post(f"{place}/filing", json={"filed_on": "2026-11-01"}).json()["filed_on"] == "2026-11-01"
    second = officer.post("/api/v1/papers", json={**body, "replaces": made.json()["id"], "number": "SC-2"})
    assert second.json()["version"] == 2 and officer.get(place).json()["revoked_on"] == "2026-10-30"
    done = officer.post(f"/api/v1/papers/{second.json()['id']}/revocation", json={"reason": "不再使用"})
    assert done.json()["revoked_on"] == "2026-11-02"
    assert [
        one["number"] for one in officer.get("/api/v1/papers", params={"kind": "standard_contract"}).json()
    ]
    for wrong in ({}, {**body, "who": "x"}, {**body, "scope": {"moons": ["*"]}}, {**body, "scope": []}):
        assert officer.post("/api/v1/papers", json=wrong).status_code in (400, 422), wrong


def test_hostile_words_are_shown_as_words(platform: Platform, as_user: LogIn) -> None:
    hostile = "<script>alert(1)</script>{{7*7}}"
    officer = as_user("privacy")
    data = {**CONTRACT, "number": hostile, "note": hostile, "scope-recipients": [hostile]}
    place = officer.post("/papers", data=data).headers["location"]
    for path in (place, "/papers", f"/papers/new?replaces={place.rpartition('/')[2]}"):
        page = officer.get(path).text
        assert "<script>alert" not in page and "{{7*7}}" in page, path


def test_the_pages_in_english_are_english(platform: Platform, as_user: LogIn) -> None:
    seed_provisions(platform)
    decided(asked(platform, 9, keys(1, 3)))
    officer = as_user("privacy", language="en")
    for path in (
        "/papers",
        "/papers/new",
        *(f"/papers/new?kind={kind}" for kind in kinds()),
        "/papers/paper-short",
        "/papers/paper-unfiled",
        "/papers/new?replaces=paper-short",
    ):
        text = visible_text(officer.get(path).text).replace("张", "").replace("中文", "")
        assert not _CJK.search(text), (path, _CJK.findall(text)[:20])
