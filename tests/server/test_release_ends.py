"""Through the doors: words that stay hidden, objections by file, provisions that hold, links, withdrawal and recall."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import pytest
from fastapi.testclient import TestClient

from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import InstrumentRecord, LegalParty, Provision
from rwd_platform.server.app import create_app
from tests.flows.papers import paper, party
from tests.flows.releasing import ASSEMBLER, people, put_package
from tests.server.conftest import LogIn
from tests.server.test_pages import _CJK, visible_text
from tests.server.test_releases import ask

GROUP = {"all": people(1, 200)}
WHY = "已核对输出检查的结论与用途，同意。"
WHY_NOT = "人数没有取整，请修改后重新申请。"
ARD = "data/05_results/ard.json"


def put(platform: Platform, row: LegalParty | InstrumentRecord) -> None:
    about = Object(str(row.__tablename__), row.id)
    platform.records.write(row, audit=Act(ASSEMBLER, "seed.written", about))


def approved(as_user: LogIn, place: str) -> None:
    for officer in ("privacy", "privacy-2"):
        assert (
            as_user(officer).post(f"{place}/vote", data={"word": "approve", "reason": WHY}).status_code == 303
        )


def released(platform: Platform, as_user: LogIn) -> str:
    put_package(platform, GROUP)
    place = ask(as_user)
    approved(as_user, place)
    assert as_user("researcher").post(f"{place}/complete").status_code == 303
    return place


def test_the_second_reviewer_does_not_see_the_first_ones_word(platform: Platform, as_user: LogIn) -> None:
    """On the page, in the API, in the log: nothing before the second is in; then both."""
    put_package(platform, GROUP)
    place = ask(as_user)
    first, second = as_user("privacy"), as_user("privacy-2")
    assert first.post(f"{place}/vote", data={"word": "return", "reason": WHY_NOT}).status_code == 303
    assert WHY_NOT in first.get(place).text
    for reader in ("privacy-2", "researcher", "regulator"):
        client = as_user(reader)
        page = client.get(place).text
        assert WHY_NOT not in page and "已有一位表态" in page, reader
        assert client.get(f"/api/v1{place}").json()["votes"] == []
        assert WHY_NOT not in client.get("/log", params={"object": place.rsplit("/", 1)[1]}).text
    assert second.post(f"{place}/vote", data={"word": "approve", "reason": WHY}).status_code == 303
    shown = as_user("researcher").get(f"/api/v1{place}").json()
    assert (shown["state"], [one["word"] for one in shown["votes"]]) == ("returned", ["return", "approve"])
    assert WHY_NOT in as_user("researcher").get(place).text


def test_an_objection_names_its_file_and_what_was_written_stays(platform: Platform, as_user: LogIn) -> None:
    """Approving with an objection is refused, and the page comes back with every word."""
    put_package(platform, GROUP)
    place = ask(as_user)
    client = as_user("privacy")
    sent = {"word": "approve", "reason": WHY, f"objection:{ARD}": "人数未取整 <b>"}
    refused = client.post(f"{place}/vote", data=sent)
    assert refused.status_code == 422 and "release.objections_stand" in refused.text
    assert WHY in refused.text and "人数未取整 &lt;b&gt;" in refused.text
    assert client.post(f"{place}/vote", data={**sent, "word": "return", "reason": WHY_NOT}).status_code == 303
    assert (
        as_user("privacy-2").post(f"{place}/vote", data={"word": "approve", "reason": WHY}).status_code == 303
    )
    page = as_user("researcher").get(place).text
    assert "人数未取整 &lt;b&gt;" in page and ARD in page and "已退回修改" in page


def test_a_release_abroad_is_held_until_the_missing_paper_is_on_file(
    platform: Platform, as_user: LogIn
) -> None:
    """Approved and not released: the page says what is missing and who supplies it. With the contract filed it goes."""
    put_package(platform, GROUP)
    put(platform, party("circle-sponsor", country="US", foreign_controlled="yes"))
    put(platform, paper("ciio_check", answer="no"))
    place = ask(as_user, foreign_judicial_request="no")
    page = as_user("researcher", language="en").get(place).text
    assert (
        "200" not in visible_text(page).split("May it be provided")[1].split("What reviewers said")[0]
    )  # no count
    assert "SC_OR_CERT_NOT_IN_FORCE" in page and "Decision support, not legal advice" in page
    approved(as_user, place)
    researcher = as_user("researcher")
    held = researcher.post(f"{place}/complete")
    assert held.status_code == 409 and "release.provision_held" in held.text and "标准合同" in held.text
    assert researcher.get(f"/api/v1{place}").json()["state"] == "approved"
    put(platform, paper("standard_contract", filed_on="2026-01-05"))
    assert researcher.post(f"{place}/complete").status_code == 303
    shown = researcher.get(f"/api/v1{place}").json()
    assert (shown["state"], [one["state"] for one in shown["provisions"]]) == ("released", ["posted"])


def test_a_recipient_without_an_account_downloads_by_the_link(platform: Platform, as_user: LogIn) -> None:
    """The link is shown once; looking at it costs nothing, downloading counts, and then it is as if it never was."""
    place = released(platform, as_user)
    researcher = as_user("researcher")
    made = researcher.post(f"{place}/links", data={"made_for": "张经理", "days": "7", "downloads": "1"})
    assert made.status_code == 201
    path = urlsplit(re.search(r"https?://[^<\s]+/r/[\w-]+", made.text)[0]).path  # type: ignore[index]  # the page must show it
    assert path not in researcher.get(place).text
    stranger = TestClient(create_app(platform))
    for _ in range(3):
        page = stranger.get(path)
        assert page.status_code == 200 and "EP-1" in page.text and "张经理" in page.text
    assert not _CJK.search(
        visible_text(stranger.get(path, cookies={"rwd_language": "en"}).text)
        .replace("张经理", "")
        .replace("中文", "")
        .replace("演示研究", "")
    )
    file = stranger.post(path)
    assert file.content == (platform.layout.packages / "EP-1.zip").read_bytes()
    gone, never = stranger.get(path), stranger.get("/r/never-was")
    assert (gone.status_code, never.status_code) == (404, 404)
    assert "release.link_invalid" in gone.text and "EP-1" not in gone.text
    assert stranger.post(path).status_code == 404


def test_another_site_cannot_make_a_browser_download(platform: Platform, as_user: LogIn) -> None:
    place = released(platform, as_user)
    made = (
        as_user("researcher")
        .post(f"/api/v1{place}/links", json={"made_for": "x", "days": 1, "downloads": 1})
        .json()
    )
    stranger = TestClient(create_app(platform))
    assert (
        stranger.post(f"/r/{made['token']}", headers={"origin": "https://elsewhere.example"}).status_code
        == 403
    )
    assert stranger.post(f"/r/{made['token']}").status_code == 200


@pytest.mark.parametrize("token", ["x" * 201, "%00", "..%2f..%2fetc%2fpasswd", "'%20OR%201=1"])
def test_a_hostile_token_is_no_link(platform: Platform, token: str) -> None:
    answer = TestClient(create_app(platform)).get(f"/r/{token}")
    assert answer.status_code in (404, 422) and "Traceback" not in answer.text


def test_a_link_is_ended_on_its_page_and_only_there(platform: Platform, as_user: LogIn) -> None:
    place = released(platform, as_user)
    researcher = as_user("researcher")
    asked = {"made_for": "x", "days": 7, "downloads": 3}
    made = researcher.post(f"/api/v1{place}/links", json=asked).json()
    assert researcher.post(f"/releases/another/links/{made['id']}/end").status_code == 404
    assert as_user("privacy").post(f"{place}/links/{made['id']}/end").status_code == 403
    assert researcher.post(f"{place}/links/{made['id']}/end").status_code == 303
    assert TestClient(create_app(platform)).get(f"/r/{made['token']}").status_code == 404


def test_a_request_is_withdrawn_with_a_reason(platform: Platform, as_user: LogIn) -> None:
    put_package(platform, GROUP)
    place = ask(as_user)
    researcher = as_user("researcher")
    refused = researcher.post(f"{place}/withdraw", data={"reason": "no"})
    assert refused.status_code == 422 and "release.reason_missing" in refused.text
    assert researcher.post(f"{place}/withdraw", data={"reason": WHY_NOT}).status_code == 303
    assert "已撤回申请" in researcher.get(place).text
    assert 'name="word"' not in as_user("privacy").get(place).text


def test_what_was_recalled_is_gone_from_every_door_and_its_deletion_is_recorded(
    platform: Platform, as_user: LogIn
) -> None:
    place = released(platform, as_user)
    made = (
        as_user("researcher")
        .post(f"/api/v1{place}/links", json={"made_for": "x", "days": 7, "downloads": 3})
        .json()
    )
    officer = as_user("privacy")
    assert as_user("researcher").post(f"{place}/recall", data={"reason": WHY_NOT}).status_code == 403
    assert officer.post(f"{place}/recall", data={"reason": WHY_NOT}).status_code == 303
    assert TestClient(create_app(platform)).get(f"/r/{made['token']}").status_code == 404
    provision = officer.get(f"/api/v1{place}").json()["provisions"][0]["id"]
    door = f"{place}/provisions/{provision}/deletion"
    wrong = officer.post(door, data={"letter_sha256": "nothing", "confirmed_on": "2026-11-02"})
    assert wrong.status_code == 422 and "provision.confirmation_malformed" in wrong.text
    early = officer.post(door, data={"letter_sha256": "ab" * 32, "confirmed_on": "1990-01-01"})
    assert early.status_code == 422 and "provision.confirmed_on_unfit" in early.text
    over_api = officer.post(f"/api/v1{door}", json={"letter_sha256": "ab" * 32, "confirmed_on": "1990-01-01"})
    assert (over_api.status_code, over_api.json()["code"]) == (422, "provision.confirmed_on_unfit")
    letter = {"letter_sha256": "AB" * 32, "confirmed_on": "2026-11-02"}
    assert officer.post(f"/releases/another/provisions/{provision}/deletion", data=letter).status_code == 404
    assert officer.post(door, data=letter).status_code == 303
    assert platform.records.get(Provision, provision).state == "deleted"
