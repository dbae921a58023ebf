"""Where one patient's data went, in the browser and over the API: the number is in no address and on no page."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.access.permissions import PERMISSIONS, Action
from rwd_platform.access.roles import Role
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.release_ends import recall_release
from rwd_platform.flows.release_links import download_by_link, make_link
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import AuditEntry, Job, Organisation, OutputRelease
from rwd_platform.server import disclosures
from rwd_platform.settings import Settings
from tests.audit.test_balp import broken
from tests.conftest import StandingClock
from tests.flows.disclosing import ELSEWHERE, HER, HIM, a_release_about_her, chart
from tests.flows.homes import copied
from tests.flows.releasing import ASSEMBLER, OFFICER
from tests.server.conftest import PEOPLE, LogIn, settle_people

A, B = "hospital-a", "hospital-b"
API = "/api/v1/disclosures"


@pytest.fixture(scope="module")
def about_her(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People of every role, and results about HER that have left."""
    home = tmp_path_factory.mktemp("about-her") / "home"
    platform = open_platform(Settings(home=home, demo=True), StandingClock())
    settle_people(platform)
    a_release_about_her(platform, hospital=A, other=B)
    platform.records.engine.dispose()
    return home


@pytest.fixture
def platform(about_her: Path, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    with copied(about_her, tmp_path / "home", clock) as found:
        yield found


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def question_of(html: str) -> str:
    (found,) = re.findall(r'name="question" value="([^"]+)"', html)
    return str(found)


def asked(client: TestClient, number: str = HER, **more: str) -> str:
    answer = client.post("/disclosures", data={"patient": number, **more})
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def log_text(platform: Platform) -> str:
    return "".join(one.body.decode() for one in platform.records.all(select(AuditEntry)))


# -- the page ----------------------------------------------------------------------------------------------------


def test_the_page_asks_and_answers_in_both_languages(as_user: LogIn) -> None:
    """To whom, for what, on what, since when, and where it stands in the log."""
    empty = text_of(as_user(A).get("/disclosures").text)
    assert "这位患者的数据去了哪里" in empty and "涉及这位患者的发布" not in empty
    page = text_of(asked(as_user(A)))
    for words in (
        "涉及这位患者的发布：1 次",
        "申办者甲",
        "药品医疗器械注册",
        "演示医院甲",
        "告知与单独同意",
        "没有下载记录",
    ):
        assert words in page
    english = text_of(asked(as_user(A, language="en")))
    for words in (
        "Releases about this patient: 1",
        "Sponsor Ltd",
        "Registration of a drug",
        "no download on record",
    ):
        assert words in english
    assert re.search(r"entry \d+", english)


def test_a_patient_in_none_is_told_so_in_words(as_user: LogIn) -> None:
    assert "没有一次发布涉及这位患者" in text_of(asked(as_user(A), HIM))
    assert "the patient is in none of them" in text_of(asked(as_user(A, language="en"), HIM))


def test_what_cannot_be_told_is_said_and_never_looks_like_none(as_user: LogIn, platform: Platform) -> None:
    for path in (platform.layout.home / "ledger").glob("*.persons"):
        path.unlink()
    page = text_of(asked(as_user(A), HIM))
    assert "无法判断：1 次" in page and "对照表已不存在" in page
    assert "没有一次发布涉及这位患者" not in page
    assert "Cannot be told: 1" in text_of(asked(as_user(A, language="en"), HIM))


def test_downloads_and_a_recall_are_shown(as_user: LogIn, platform: Platform) -> None:
    release = platform.records.all(select(OutputRelease))[0]
    link = make_link(platform, ASSEMBLER, release.id, "申办者甲", 7, 2)
    download_by_link(platform, link.token, "203.0.113.9")
    recall_release(platform, OFFICER, release.id, "接收方合同终止，须收回已提供的结果。")
    page = text_of(asked(as_user(A)))
    assert "下载 1 次" in page and "2026-11-02 16:00 收回" in page
    assert "203.0.113.9" not in page and "接收方合同终止" not in page


def test_a_privacy_officer_names_the_hospital_and_a_clerk_is_not_asked(as_user: LogIn) -> None:
    officer, clerk = as_user("privacy"), as_user(A)
    assert 'name="organisation_id"' in officer.get("/disclosures").text
    assert 'name="organisation_id"' not in clerk.get("/disclosures").text
    assert "涉及这位患者的发布：1 次" in text_of(asked(officer, organisation_id=A))


def test_the_number_is_shown_on_no_page_and_stands_in_no_address(as_user: LogIn, platform: Platform) -> None:
    """Neither in the answer nor in an error, not in the log, not in a job; the answer is a POST."""
    client = as_user(A)
    for number in (HER, HIM, "MR-nobody", "p1.intl.1.x" + HER):
        answer = client.post("/disclosures", data={"patient": number})
        assert (
            number not in answer.text and number not in str(answer.headers) and number not in str(answer.url)
        )
        assert answer.headers["cache-control"] == "no-store"
    assert client.post("/disclosures", data={"patient": "MR-nobody"}).status_code == 404
    assert client.get("/disclosures", params={"patient": HER}).text.count("MR-") == 0
    kept = log_text(platform) + str([one.payload for one in platform.records.all(select(Job))])
    assert HER not in kept and HIM not in kept and "MR-nobody" not in kept


def test_another_hospitals_patient_is_the_same_page_as_nobodys(as_user: LogIn) -> None:
    client = as_user(B)
    pages = [
        client.post("/disclosures", data={"patient": number})
        for number in (HER, "MR-nobody", "", "x" * 3_000)
    ]
    assert {one.status_code for one in pages} == {404}
    assert len({text_of(one.text) for one in pages}) == 1
    assert "不会再次显示" in pages[0].text


def test_markup_that_is_typed_comes_back_nowhere(as_user: LogIn) -> None:
    answer = as_user(A).post(
        "/disclosures", data={"patient": "<script>alert(7)</script>", "source_system": "<b>"}
    )
    assert answer.status_code == 404 and "alert(7)" not in answer.text and "<b>" not in answer.text


def test_the_menu_of_nobody_who_may_not_leads_here_and_their_knocks_are_refused(as_user: LogIn) -> None:
    for login, (role, _) in PEOPLE.items():
        client = as_user(login)
        may = Action.DISCLOSURE_READ in PERMISSIONS[Role(role)]
        assert (client.get("/disclosures").status_code == 200) is may, login
        if not may:
            assert client.post("/disclosures", data={"patient": HER}).status_code == 403
            assert client.post(API, json={"patient": HER}).status_code == 403
    for login in (A, "privacy"):
        assert 'href="/disclosures"' in as_user(login).get("/withdrawals").text
    assert 'href="/disclosures"' not in as_user("regulator").get("/withdrawals").text


@pytest.mark.parametrize("path", ["/disclosures", "/disclosures/file", API, f"{API}/fhir"])
def test_without_the_sessions_token_nothing_is_answered(as_user: LogIn, path: str) -> None:
    client = as_user(A)
    del client.headers["X-CSRF-Token"]
    sent = {"json": {"patient": HER}} if path.startswith("/api") else {"data": {"patient": HER}}
    assert client.post(path, **sent).status_code == 403


# -- the file ----------------------------------------------------------------------------------------------------


def test_the_answer_is_downloaded_as_fhir_with_the_hospitals_own_number(
    as_user: LogIn, platform: Platform
) -> None:
    client = as_user(A)
    token = question_of(asked(client))
    answer = client.post("/disclosures/file", data={"question": token})
    assert answer.headers["content-type"] == "application/fhir+json"
    assert answer.headers["content-disposition"] == 'attachment; filename="disclosures.fhir.json"'
    entry, _ = answer.json()["entry"]
    assert list(broken(entry["resource"])) == []
    assert entry["resource"]["entity"][0]["what"]["identifier"]["value"] == HER
    looks = [
        json.loads(one.body) for one in platform.records.all(select(AuditEntry)) if "disclosure" in one.action
    ]
    assert [one["purpose"] for one in looks] == ["list", "fhir"]


def test_an_officers_file_names_the_patient_by_reference(as_user: LogIn, platform: Platform) -> None:
    client = as_user("privacy")
    answer = client.post(
        "/disclosures/file", data={"question": question_of(asked(client, organisation_id=A))}
    )
    assert HER not in answer.text and chart(platform, HER, A) not in answer.text
    assert answer.json()["entry"][0]["resource"]["entity"][0]["what"]["identifier"]["value"].startswith(
        "patient-"
    )


def test_the_kept_question_opens_for_its_asker_alone_and_for_a_quarter_of_an_hour(
    as_user: LogIn, clock: StandingClock
) -> None:
    token = question_of(asked(as_user(A)))
    assert as_user(B).post("/disclosures/file", data={"question": token}).status_code == 409
    assert as_user("privacy").post("/disclosures/file", data={"question": token}).status_code == 409
    clock.advance(minutes=disclosures.MINUTES)
    assert as_user(A).post("/disclosures/file", data={"question": token}).status_code == 200
    clock.advance(seconds=1)
    late = as_user(A).post("/disclosures/file", data={"question": token})
    assert late.status_code == 409 and "重新查询" in late.text and HER not in late.text


@pytest.mark.parametrize("spoilt", ["", "x", "!!!!", "é", "AAAA", "A" * 20_000, "=" * 9])
def test_a_question_that_nobody_sealed_is_none(as_user: LogIn, spoilt: str) -> None:
    assert as_user(A).post("/disclosures/file", data={"question": spoilt}).status_code == 409


def test_a_question_that_was_touched_is_none(as_user: LogIn) -> None:
    client = as_user(A)
    token = question_of(asked(client))
    for place in range(0, len(token) - 4, 17):
        other = "A" if token[place] != "A" else "B"
        touched = token[:place] + other + token[place + 1 :]
        assert client.post("/disclosures/file", data={"question": touched}).status_code == 409


# -- the API -----------------------------------------------------------------------------------------------------


def test_the_api_takes_the_number_in_the_body_and_gives_none_back(as_user: LogIn) -> None:
    answer = as_user(A).post(API, json={"patient": HER})
    found = answer.json()
    assert answer.status_code == 200 and HER not in answer.text
    assert (found["hospital"], found["disclosures"], found["cannot_be_told"], found["charts"]) == (A, 1, 0, 1)
    (one,) = found["releases"]
    assert (one["certainty"], one["recipient"], one["exporters"]) == ("included", "circle-sponsor", [A])
    assert len(one["logged"]["leaf_hash"]) == 64 and one["logged"]["at"] == one["left_at"]
    assert as_user(A).get(API).status_code == 405


def test_the_api_gives_the_file(as_user: LogIn) -> None:
    own = as_user(A).post(f"{API}/fhir", json={"patient": HER})
    assert own.headers["content-type"] == "application/fhir+json" and HER in own.text
    other = as_user("privacy").post(f"{API}/fhir", json={"patient": HER, "hospital": A})
    assert HER not in other.text and other.json()["entry"][0]["resource"]["resourceType"] == "AuditEvent"
    none = as_user(A).post(f"{API}/fhir", json={"patient": HIM})
    assert none.json()["entry"][0]["resource"]["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 422),
        ({"patient": 7}, 422),
        ({"patient": "x" * 201}, 422),
        ({"patient": [HER]}, 422),
        ({"patient": ""}, 404),
        ({"patient": ELSEWHERE}, 404),
        ({"patient": ELSEWHERE, "hospital": B}, 404),
        ({"patient": HER, "source_system": "lis"}, 404),
        ({"patient": f"{HER}\x00"}, 404),
    ],
)
def test_what_the_api_cannot_answer_is_refused_and_not_repeated(
    as_user: LogIn, body: dict[str, object], status: int
) -> None:
    for path in (API, f"{API}/fhir"):
        answer = as_user(A).post(path, json=body)
        assert answer.status_code == status, answer.text
        assert HER not in answer.text and ELSEWHERE not in answer.text


def test_lone_surrogates_are_unknown(as_user: LogIn) -> None:
    answer = as_user(A).post(
        API, content=b'{"patient": "\\ud800"}', headers={"content-type": "application/json"}
    )
    assert answer.status_code in (404, 422)


def test_hostile_names_of_recipients_are_shown_as_text(as_user: LogIn, platform: Platform) -> None:
    row = platform.records.get(Organisation, A)
    row.name_zh = "<img src=x onerror=alert(1)>"
    platform.records.write(row, audit=Act(ASSEMBLER, "test.renamed", Object("organisation", A)))
    page = asked(as_user(A))
    assert "<img src=x" not in page and "&lt;img src=x" in page


def test_a_long_list_is_cut_on_the_page_and_says_so(as_user: LogIn, monkeypatch: pytest.MonkeyPatch) -> None:
    from rwd_platform.server.pages import disclosures as pages

    monkeypatch.setattr(pages, "MOST_SHOWN", 0)
    page = text_of(asked(as_user(A)))
    assert "涉及这位患者的发布：1 次" in page and "只显示最近 0 次" in page
