"""Output checking through the pages and the API: ask, read the findings, vote, carry out, download."""

from __future__ import annotations

from typing import Any

import pytest

from rwd_platform.flows.platform import Platform
from tests.flows.releasing import CONDITIONS, people, put_package, results_of
from tests.server import seed
from tests.server.conftest import LogIn
from tests.server.test_pages import _CJK, visible_text

GROUP = {"all": people(1, 200)}
FORM = {"package_id": "EP-1", "recipient": "sponsor", "circle": "Sponsor Ltd", "purpose": "上市后研究"}
AUTHORITY = {
    "package_id": "EP-1", "recipient": "competent_authority", "circle": "org-authority", **CONDITIONS,
}  # fmt: skip


def ask(as_user: LogIn, **form: str) -> str:
    """The address of the new release."""
    answer = as_user("researcher").post("/releases", data={**FORM, **form})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


def test_the_whole_way_of_a_release_to_an_authority(platform: Platform, as_user: LogIn):
    """Before: the regulator's download is refused with the next step. After two votes it is theirs."""
    put_package(platform, GROUP, results_of(GROUP, rare=3), audience="authority")
    regulator = as_user("regulator")
    for path in ("/packages/EP-1/file", "/api/v1/packages/EP-1/file"):
        refused = regulator.get(path)
        assert (refused.status_code, "release.needed" in refused.text) == (403, True)
    place = ask(as_user, **AUTHORITY)
    page = as_user("privacy").get(place).text
    assert "演示监管部门" in page and "张 researcher" in page and "org-authority" not in page
    assert "演示监管部门" in as_user("privacy").get("/releases").text
    assert "还需 2 人同意" in page and "药监函〔2026〕12号" in page and 'name="approved"' in page
    for officer in ("privacy", "privacy-2"):
        client = as_user(officer)
        answer = client.post(f"{place}/vote", data={"approved": "true", "reason": f"{officer} 已核对"})
        assert answer.status_code == 303, answer.text
        assert 'name="approved"' not in client.get(place).text
    researcher = as_user("researcher")
    assert "执行发布" in researcher.get(place).text
    assert researcher.post(f"{place}/complete").status_code == 303
    page = as_user("privacy", language="en").get(place).text
    assert "Released" in page and "privacy-2 已核对" in page and "a" * 64 in page
    assert regulator.get("/packages/EP-1/file").status_code == 200
    log = regulator.get("/api/v1/log", params={"action": "package.downloaded"}).json()
    assert log["total"] == 1


def test_numbers_on_the_platform_ask_the_same_gate_as_a_file(platform: Platform, as_user: LogIn):
    """A number that another organisation reads on a page has left. Before the release a regulator sees that the
    package exists and may verify it; numbers, runs and the lock's counts come with the release."""
    seed.seed_study(platform)
    seed.seed_package(platform)
    regulator = as_user("regulator", language="en")
    package, numbers = f"/packages/{seed.PACKAGE}", f"/api/v1/packages/{seed.PACKAGE}/numbers"
    study = regulator.get("/api/v1/studies").json()[0]["id"]

    def seen() -> tuple[int, int, bool, bool]:
        runs = regulator.get(f"/api/v1/studies/{study}/runs").json()
        manifests = [one["manifest"] for one in regulator.get(f"/api/v1/studies/{study}/locks").json()]
        page = regulator.get(package).text
        return regulator.get(numbers).status_code, len(runs), any(manifests), "Not released to" in page

    assert seen() == (403, 0, False, True)
    assert "release.needed" in regulator.get(numbers).text
    assert "who left for which reason" not in regulator.get(f"/studies/{study}").text
    refusals = regulator.get("/api/v1/log", params={"action": "access.refused"}).json()["total"]
    assert refusals == 2
    seed.seed_release(platform)
    assert seen() == (200, 1, True, False)
    for reader in (regulator, as_user("researcher", language="en")):
        page = reader.get(package).text
        assert "Release to the competent authority" in page and "/releases/release-done" in page
    assert as_user("researcher").get(numbers).status_code == 200


def test_what_fails_is_shown_by_rule_with_its_remedy_and_nothing_left(platform: Platform, as_user: LogIn):
    """The page of a refused release: rule, place, what to do, and the smallest change; the gate repeats it."""
    put_package(platform, GROUP, results_of(GROUP, rare=3, scarce=4))
    place = ask(as_user)
    page = as_user("researcher").get(place).text
    for text in (
        "未通过",
        "小单元",
        "small_cell",
        "rare.subjects",
        "scarce.subjects",
        "隐藏该数",
        "能通过的最小修改",
    ):
        assert text in page, text
    assert "执行发布" not in page and "没有任何内容发出" in page
    english = as_user("privacy", language="en").get(place).text
    for text in ("Small cells", "between 1 and 9", "Withhold it", "The smallest change"):
        assert text in english, text
    assert 'name="approved"' not in english


def test_a_condition_that_is_missing_comes_back_with_the_form_kept(platform: Platform, as_user: LogIn):
    """The condition is named; what was filled in stays filled in."""
    put_package(platform, GROUP, audience="authority")
    client = as_user("researcher")
    assert "EP-1" in client.get("/releases/new?package=EP-1").text
    answer = client.post("/releases", data={**AUTHORITY, "encryption": "by courier"})
    assert answer.status_code == 422
    for text in ("release.condition_missing", "encryption", "by courier", "药监函〔2026〕12号"):
        assert text in answer.text, text
    assert client.get("/api/v1/releases").json() == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"package_id": "EP-1"},
        {"package_id": "EP-1", "recipient": "everybody", "circle": "x"},
        {"package_id": "EP-1", "recipient": "sponsor", "circle": "x", "approvers": ["a", "b"]},
        {"package_id": "EP-1", "recipient": "sponsor", "circle": "x" * 201},
    ],
)
def test_the_api_refuses_what_it_was_not_asked_for(platform: Platform, as_user: LogIn, body: dict[str, Any]):
    """Approvers are votes, not a field: nobody can bring their own."""
    put_package(platform, GROUP)
    answer = as_user("researcher").post("/api/v1/releases", json=body)
    assert answer.status_code in (400, 422), answer.text


def test_the_api_walks_the_same_way(platform: Platform, as_user: LogIn):
    """Verdict, votes and state in one answer; another organisation's release looks like none."""
    put_package(platform, GROUP)
    asked = as_user("researcher").post(
        "/api/v1/releases",
        json={"package_id": "EP-1", "recipient": "sponsor", "circle": "Sponsor Ltd", "purpose": "x"},
    )
    assert asked.status_code == 201, asked.text
    made = asked.json()
    assert (made["state"], made["verdict"]["outcome"], made["votes"]) == ("requested", "pass", [])
    for officer in ("privacy", "privacy-2"):
        voted = as_user(officer).post(
            f"/api/v1/releases/{made['id']}/votes", json={"approved": True, "reason": "ok"}
        )
        assert voted.status_code == 200, voted.text
    assert [one["approver_id"] for one in voted.json()["votes"]] == ["user-privacy", "user-privacy-2"]
    done = as_user("researcher").post(f"/api/v1/releases/{made['id']}/completion")
    assert (done.status_code, done.json()["state"]) == (200, "released")
    listed = as_user("regulator").get("/api/v1/releases").json()
    assert [one["id"] for one in listed] == [made["id"]]
    assert as_user("researcher").get("/api/v1/releases/release-x").status_code == 404


@pytest.mark.parametrize("login", ["researcher", "regulator", "privacy"])
def test_an_empty_list_names_the_next_step(as_user: LogIn, login: str):
    page = as_user(login).get("/releases")
    assert page.status_code == 200 and "还没有发布申请" in page.text


def test_the_pages_in_english_are_english(platform: Platform, as_user: LogIn):
    """Apart from what people typed, no Chinese is left; a hostile circle is shown as text."""
    put_package(platform, GROUP, results_of(GROUP, rare=3))
    place = ask(as_user, circle="<script>alert(1)</script>", purpose="plain")
    client = as_user("researcher", language="en")
    for path in ("/releases", "/releases/new?package=EP-1", place):
        page = client.get(path).text
        assert "<script>alert" not in page
        text = visible_text(page)
        for given in ("张", "中文"):
            text = text.replace(given, "")
        assert not _CJK.search(text), (path, _CJK.findall(text)[:20])


def test_a_second_check_that_fails_is_shown_on_the_page(platform: Platform, as_user: LogIn):
    """Between approval and leaving the sponsor received a table that differs by a few: refused with its reason."""
    put_package(platform, GROUP)
    put_package(platform, {"all": people(3, 200)}, id="EP-2")
    places = [ask(as_user), ask(as_user, package_id="EP-2")]
    for officer in ("privacy", "privacy-2"):
        for place in places:
            as_user(officer).post(f"{place}/vote", data={"approved": "true", "reason": "ok"})
    researcher = as_user("researcher")
    assert researcher.post(f"{places[0]}/complete").status_code == 303
    answer = researcher.post(f"{places[1]}/complete")
    assert answer.status_code == 403
    assert "release.below_threshold" in answer.text and "differencing" in answer.text


def test_the_authoritys_version_is_offered_to_an_authority_only(platform: Platform, as_user: LogIn):
    """The form has one kind of recipient; whoever posts another is told what to assemble instead."""
    put_package(platform, GROUP, audience="authority")
    client = as_user("researcher", language="en")
    form = client.get("/releases/new?package=EP-1").text
    assert 'value="competent_authority"' in form and 'value="sponsor"' not in form
    answer = client.post("/releases", data=FORM)
    assert answer.status_code == 422
    assert "release.audience_not_allowed" in answer.text and "aggregate package" in answer.text


def test_a_finding_that_nobody_saw_is_shown_when_the_release_is_refused(platform: Platform, as_user: LogIn):
    """Two projects without a map of persons: after the first has left, a person must look at the second."""
    put_package(platform, GROUP)
    put_package(platform, {"all": [f"x{n:04d}" for n in range(1, 220)]}, id="EP-2", project="second")
    places = [ask(as_user), ask(as_user, package_id="EP-2")]
    for officer in ("privacy", "privacy-2"):
        for place in places:
            as_user(officer).post(f"{place}/vote", data={"approved": "true", "reason": "ok"})
    researcher = as_user("researcher", language="en")
    assert researcher.post(f"{places[0]}/complete").status_code == 303
    answer = researcher.post(f"{places[1]}/complete")
    assert (answer.status_code, "release.findings_unseen" in answer.text) == (403, True)
    assert "voted down" not in answer.text and "had not seen" in answer.text


def test_a_package_page_offers_to_ask_for_a_release(platform: Platform, as_user: LogIn):
    """Where the download is, there is the way out of the enclave; a regulator has no such button."""
    seed.seed_everything(platform)
    assert (
        f"/releases/new?package={seed.PACKAGE}" in as_user("researcher").get(f"/packages/{seed.PACKAGE}").text
    )
    assert "/releases/new" not in as_user("regulator").get(f"/packages/{seed.PACKAGE}").text
