"""Legal entities on the pages and in the API: who was checked, recorded by privacy officers alone."""

from __future__ import annotations

import pytest

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import LegalParty
from rwd_platform.server.countries import country_name, country_names
from rwd_platform.server.parties import to_check
from tests.flows.papers import paper, party
from tests.flows.providing import decided, keys, part, put
from tests.server.conftest import LogIn
from tests.server.provision_seed import ABROAD, UNCHECKED, put_circles
from tests.server.test_pages import _CJK, visible_text

FORM = {
    "country": "US",
    "foreign_controlled": "yes",
    "state_organ": "no",
    "restricted": "no",
    "checked_on": "2026-11-01",
    "contact": "dpo@example.org",
    "group_name": "Group One",
}


def test_an_entity_is_not_on_record_until_an_officer_records_it(platform: Platform, as_user: LogIn) -> None:
    """The list names what waits; the form keeps what was said; the next visit shows it."""
    put_circles(platform)
    officer = as_user("privacy")
    page = officer.get("/parties").text
    assert "境外申办者甲" in page and "尚未登记" in page and "8 个主体还没有核查清楚" in page
    answer = officer.post(f"/parties/{ABROAD}", data=FORM)
    assert (answer.status_code, answer.headers["location"]) == (303, "/parties"), answer.text
    page = officer.get("/parties").text
    assert (
        "7 个主体还没有核查清楚" in page and "美国" in page and "2026-11-01" in page and "Group One" in page
    )
    one = officer.get(f"/parties/{ABROAD}").text
    assert 'value="US" selected' in one and 'value="Group One"' in one and "张 privacy 于" in one
    stored = platform.records.get(LegalParty, ABROAD)
    assert (stored.country, stored.restricted, stored.recorded_by) == ("US", "no", "user-privacy")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("country", ""),
        ("country", "XX"),
        ("restricted", "perhaps"),
        ("checked_on", "2026-11-03"),
        ("checked_on", "1.11.2026"),
        ("contact", ""),
        ("contact", "x" * 201),
        ("group_name", "a\x00b"),
    ],
)
def test_what_cannot_be_used_comes_back_with_the_rest_kept(
    platform: Platform, as_user: LogIn, field: str, value: str
) -> None:
    put_circles(platform)
    answer = as_user("privacy").post(f"/parties/{ABROAD}", data={**FORM, field: value})
    assert answer.status_code == 422 and "party.malformed" in answer.text and field in answer.text
    for name, kept in FORM.items():
        if name != field and name in ("contact", "group_name", "checked_on"):
            assert f'value="{kept}"' in answer.text, name
    assert platform.records.find(LegalParty, ABROAD) is None


@pytest.mark.parametrize("login", ["hospital-a", "researcher", "regulator", "operator", "auditor"])
def test_nobody_else_reads_or_records_a_legal_entity(platform: Platform, as_user: LogIn, login: str) -> None:
    put_circles(platform)
    client = as_user(login)
    for path in (
        "/parties",
        f"/parties/{ABROAD}",
        "/parties/x",
        "/api/v1/parties",
        f"/api/v1/parties/{ABROAD}",
    ):
        assert client.get(path).status_code == 403, path
    assert client.post(f"/parties/{ABROAD}", data=FORM).status_code == 403
    assert client.put(f"/api/v1/parties/{ABROAD}", json=FORM).status_code == 403
    assert platform.records.find(LegalParty, ABROAD) is None


def test_an_entity_that_is_not_there_is_a_page_not_found(as_user: LogIn) -> None:
    officer = as_user("privacy")
    for path in ("/parties/circle-none", "/parties/%3Cscript%3E", "/api/v1/parties/x"):
        answer = officer.get(path)
        assert answer.status_code == 404 and "<script>" not in answer.text
    assert officer.post("/parties/circle-none", data=FORM).status_code == 404
    assert officer.put("/api/v1/parties/circle-none", json=FORM).status_code == 404


def test_the_api_records_and_lists_alike(platform: Platform, as_user: LogIn) -> None:
    put_circles(platform)
    officer = as_user("privacy")
    made = officer.put(f"/api/v1/parties/{ABROAD}", json=FORM)
    assert (made.status_code, made.json()["status"]["country"]) == (200, "US"), made.text
    listed = {one["id"]: one["status"] for one in officer.get("/api/v1/parties").json()}
    assert listed[ABROAD]["group_name"] == "Group One" and listed[UNCHECKED] is None
    assert officer.put(f"/api/v1/parties/{ABROAD}", json={**FORM, "extra": "x"}).status_code in (400, 422)
    assert officer.put(f"/api/v1/parties/{ABROAD}", json={**FORM, "country": "QQ"}).status_code == 422


def test_hostile_words_are_shown_as_words(platform: Platform, as_user: LogIn) -> None:
    put_circles(platform)
    officer = as_user("privacy", language="en")
    hostile = {**FORM, "contact": "<img src=x onerror=alert(1)>", "group_name": "{{ 7*7 }}<script>"}
    assert officer.post(f"/parties/{ABROAD}", data=hostile).status_code == 303
    for path in ("/parties", f"/parties/{ABROAD}"):
        page = officer.get(path).text
        assert "<img src=x" not in page and "<script>" not in page.split("<main", 1)[1] and "49" not in page


def test_the_pages_are_english_in_english(platform: Platform, as_user: LogIn) -> None:
    put_circles(platform)
    put(platform, party(ABROAD, country="TW", restricted="yes", state_organ="unknown"))
    officer = as_user("privacy", language="en")
    for path in ("/parties", f"/parties/{ABROAD}", f"/parties/{UNCHECKED}"):
        text = visible_text(officer.get(path).text).replace("张", "").replace("中文", "")
        assert not _CJK.search(text), (path, _CJK.findall(text)[:20])


def test_hong_kong_macao_and_taiwan_are_named_as_documents_name_them() -> None:
    names = country_names()
    assert [names[code].zh for code in ("CN", "HK", "MO", "TW")] == [
        "中国",
        "中国香港",
        "中国澳门",
        "中国台湾",
    ]
    assert list(names)[:4] == ["CN", "HK", "MO", "TW"] and len(names) > 240
    assert country_name("DE").en == "Germany" and country_name("??").zh == "??"


def test_whom_somebody_has_to_check_now(platform: Platform) -> None:
    """Registered recipients, holders of papers, both sides of what is open; never everybody on record."""
    assert to_check(platform) == []
    put_circles(platform)
    for id in ("circle-abroad", "circle-home", "circle-unchecked"):
        put(platform, party(id))
    assert to_check(platform) == []
    put(platform, paper("ciio_check", "hospital-b", answer="no"))
    assert [one.id for one in to_check(platform)] == ["hospital-b"]
    decided(part(platform, 1, keys(1, 2), exporter="hospital-a"))
    assert {one.id for one in to_check(platform)} == {"hospital-a", "hospital-b"}
    put(platform, party("hospital-a"), party("hospital-b", foreign_controlled="unknown"))
    assert [(one.id, one.unknown) for one in to_check(platform)] == [("hospital-b", ("foreign_controlled",))]
