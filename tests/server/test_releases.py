"""Output checking through the pages and the API: ask, read the findings, vote, carry out, download."""

from __future__ import annotations

from typing import Any

import pytest

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import OutputRelease
from rwd_platform.server.releases import place_label
from tests.flows.papers import party
from tests.flows.providing import put
from tests.flows.releasing import ASSEMBLER, CIRCLES, CONDITIONS, people, put_package, results_of
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
    assert "还差 2 位" in page and "药监函〔2026〕12号" in page and 'name="word"' in page
    for officer in ("privacy", "privacy-2"):
        client = as_user(officer)
        answer = client.post(
            f"{place}/vote", data={"word": "approve", "reason": f"{officer} 已核对结论、用途与方案"}
        )
        assert answer.status_code == 303, answer.text
        assert 'name="word"' not in client.get(place).text
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
    assert 'name="word"' not in english


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
        json={
            "package_id": "EP-1",
            "recipient": "sponsor",
            "circle": "Sponsor Ltd",
            "purpose": "post-market study",
        },
    )
    assert asked.status_code == 201, asked.text
    made = asked.json()
    assert (made["state"], made["verdict"]["outcome"], made["votes"]) == ("requested", "pass", [])
    for officer in ("privacy", "privacy-2"):
        voted = as_user(officer).post(
            f"/api/v1/releases/{made['id']}/votes",
            json={"word": "approve", "reason": "已核对输出检查的结论与用途"},
        )
        assert voted.status_code == 200, voted.text
    assert [one["approver_id"] for one in voted.json()["votes"]] == ["user-privacy", "user-privacy-2"]
    done = as_user("researcher").post(f"/api/v1/releases/{made['id']}/completion")
    assert (done.status_code, done.json()["state"]) == (200, "released")
    listed = as_user("regulator").get("/api/v1/releases").json()
    assert [one["id"] for one in listed] == [made["id"]]
    assert as_user("researcher").get("/api/v1/releases/release-x").status_code == 404


def test_the_form_asks_whether_a_foreign_judicial_body_wants_it(platform: Platform, as_user: LogIn):
    """Neither answer is chosen beforehand. What was answered is on the release's page and in the log."""
    put_package(platform, GROUP)
    client = as_user("researcher")
    form = client.get("/releases/new?package=EP-1").text
    for answer in ("yes", "no"):
        assert f'name="foreign_judicial_request" value="{answer}"><label' in form
    wrong = client.post("/releases", data={**FORM, "foreign_judicial_request": "perhaps"})
    assert wrong.status_code == 422 and "release.judicial_answer_malformed" in wrong.text
    again = client.post("/releases", data={**FORM, "purpose": "", "foreign_judicial_request": "yes"})
    assert again.status_code == 422 and 'value="yes" checked' in again.text
    assert client.get("/api/v1/releases").json() == []
    place = ask(as_user, foreign_judicial_request="yes")
    shown = visible_text(as_user("privacy").get(place).text)
    assert "是否应外国司法或者执法机构的请求提供 是" in " ".join(shown.split())
    (made,) = client.get("/api/v1/releases").json()
    assert made["conditions"]["foreign_judicial_request"] == "yes"
    entry = as_user("auditor").get("/api/v1/log", params={"action": "release.requested"})
    assert entry.json()["total"] == 1 and '"foreign_judicial_request"' in entry.text


@pytest.mark.parametrize(
    ("stated", "verdict", "unknown", "rules"),
    [
        ({}, "HOLD", ["foreign_judicial_request"], []),
        ({"foreign_judicial_request": "yes"}, "BLOCK", [], ["P3"]),
        ({"foreign_judicial_request": "no"}, "HOLD", [], ["U2"]),  # nobody checked the exporter yet
    ],
)
def test_a_release_abroad_through_the_api_answers_for_a_foreign_body(
    platform: Platform,
    as_user: LogIn,
    stated: dict[str, str],
    verdict: str,
    unknown: list[str],
    rules: list[str],
):
    put_package(platform, GROUP)
    put(platform, party("circle-sponsor", country="US", foreign_controlled="yes"))
    body = {
        "package_id": "EP-1",
        "recipient": "sponsor",
        "circle": "Sponsor Ltd",
        "purpose": "post-market study",
    }
    asked = as_user("researcher").post("/api/v1/releases", json={**body, **stated})
    assert asked.status_code == 201, asked.text
    (provision,) = asked.json()["provisions"]
    assert (provision["verdict"], provision["unknown"], provision["rules"]) == (verdict, unknown, rules)
    wrong = as_user("researcher").post("/api/v1/releases", json={**body, "foreign_judicial_request": "maybe"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "release.judicial_answer_malformed")


@pytest.mark.parametrize("login", ["researcher", "regulator", "privacy"])
def test_an_empty_list_names_the_next_step(as_user: LogIn, login: str):
    page = as_user(login).get("/releases")
    assert page.status_code == 200 and "还没有发布申请" in page.text


def test_the_pages_in_english_are_english(platform: Platform, as_user: LogIn):
    """Apart from what people typed, no Chinese is left; a hostile circle is shown as text."""
    put_package(platform, GROUP, results_of(GROUP, rare=3))
    place = ask(as_user, purpose="plain")
    client = as_user("researcher", language="en")
    refused = client.post("/releases", data={**FORM, "circle": "<script>alert(1)</script>"})
    assert (refused.status_code, "<script>alert" in refused.text) == (422, False)
    assert "release.circle_unknown" in refused.text and "Another Sponsor" in refused.text
    for path in ("/releases", "/releases/new?package=EP-1", "/releases/circles", place):
        page = client.get(path).text
        assert "<script>alert" not in page
        text = visible_text(page)
        for given in ("张", "中文", *(one["legal_name"] for one in CIRCLES)):
            text = text.replace(given, "")
        assert not _CJK.search(text), (path, _CJK.findall(text)[:20])


def test_a_second_check_that_fails_is_shown_on_the_page(platform: Platform, as_user: LogIn):
    """Between approval and leaving the sponsor received a table that differs by a few: refused with its reason."""
    put_package(platform, GROUP)
    put_package(platform, {"all": people(3, 200)}, id="EP-2")
    places = [ask(as_user), ask(as_user, package_id="EP-2")]
    for officer in ("privacy", "privacy-2"):
        for place in places:
            as_user(officer).post(
                f"{place}/vote", data={"word": "approve", "reason": "已核对输出检查的结论与用途"}
            )
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
            as_user(officer).post(
                f"{place}/vote", data={"word": "approve", "reason": "已核对输出检查的结论与用途"}
            )
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


NEW = {
    "kind": "insurer",
    "name_zh": "保险甲",
    "name_en": "Insurer A",
    "legal_name": "保险甲有限公司",
    "credit_code": "",
}


def test_an_officer_registers_a_receiver_and_the_form_offers_it(platform: Platform, as_user: LogIn):
    """Registered once; the researcher chooses from the list, and has no form to register anybody."""
    put_package(platform, GROUP)
    officer, researcher = as_user("privacy"), as_user("researcher")
    assert 'name="credit_code"' in officer.get("/releases/circles").text
    assert 'name="credit_code"' not in researcher.get("/releases/circles").text
    assert researcher.post("/releases/circles", data=NEW).status_code == 403
    wrong = officer.post("/releases/circles", data={**NEW, "credit_code": "914403001922038217"})
    assert wrong.status_code == 422 and "GB 32100" in wrong.text and 'value="保险甲"' in wrong.text
    assert officer.post("/releases/circles", data=NEW).status_code == 303
    again = officer.post("/releases/circles", data={**NEW, "name_en": "insurer-a"})
    assert (again.status_code, "release.circle_taken" in again.text) == (409, True)
    assert "保险甲" in researcher.get("/releases/new?package=EP-1").text
    listed = researcher.get("/api/v1/releases/circles").json()
    (made,) = [one for one in listed if one["kind"] == "insurer"]
    place = ask(as_user, recipient="insurer", circle=made["id"])
    assert "保险甲" in researcher.get(place).text


def test_the_api_registers_a_receiver(platform: Platform, as_user: LogIn):
    answer = as_user("privacy").post("/api/v1/releases/circles", json=NEW)
    assert (answer.status_code, answer.json()["name_en"]) == (201, "Insurer A"), answer.text
    assert as_user("researcher").post("/api/v1/releases/circles", json=NEW).status_code == 403
    assert as_user("privacy").post("/api/v1/releases/circles", json={**NEW, "id": "x"}).status_code in (
        400,
        422,
    )


@pytest.mark.parametrize(
    ("where", "zh", "en"),
    [
        ("restricted.kaplan_meier.exposed.median", "生存曲线 · 暴露组 · 中位数", "Survival · exposed · median"),
        ("restricted.kaplan_meier.curve.exposed[3].survival", "生存曲线 · 曲线 · 暴露组 · 第 4 点 · 生存率",
         "Survival · curve · exposed · point 4 · survival"),
        ("all.balance.size.over50.exposed.percent", "all · balance · 肿瘤：大于 50 · 暴露组 · 百分比",
         "all · balance · Tumour: over 50 · exposed · percent"),
        ("attrition.step_2.left", "流失 · 第 2 步 · 排除例数", "attrition · step 2 · excluded"),
        ("condition.approvers", "条件 · 批准人", "condition · approvers"),
        ("line7.count", "第 7 行 · 频数", "line 7 · frequency"),
        ("…", "…", "…"),
        ("[[", "[[", "[["),
        ("x" * 160, "x" * 160, "x" * 160),
    ],
)  # fmt: skip
def test_a_place_is_told_in_words(where: str, zh: str, en: str):
    """Titles come from the study's protocol; what nobody named stays as it is."""
    names = {
        "restricted.kaplan_meier": Bilingual("生存曲线", "Survival"),
        "size over50": Bilingual("肿瘤：大于 50", "Tumour: over 50"),
    }
    assert place_label(where, names) == Bilingual(zh, en)


def test_a_release_shows_names_and_titles_not_ids(platform: Platform, as_user: LogIn):
    """Whoever has no account any more is told as that; a finding's place is the protocol's title with its id beside."""
    held = results_of(GROUP)
    held["rows"].append({**held["rows"][0], "id": "restricted.kaplan_meier.exposed.subjects", "value": 3,
                         "variable": "x"})  # fmt: skip
    put_package(platform, GROUP, held)
    place = ask(as_user)
    page = as_user("researcher", language="en").get(place).text
    assert "Recurrence-free survival · exposed · " in page
    assert "<code>restricted.kaplan_meier.exposed.subjects</code>" in page
    asked = platform.records.get(OutputRelease, place.rpartition("/")[2])
    asked.requested_by = "demo-researcher"
    platform.records.write(asked, audit=Act(ASSEMBLER, "seed.written", Object("release", asked.id)))
    page = as_user("researcher", language="en").get(place).text
    assert "demo-researcher" not in page and "an account that is gone" in page
