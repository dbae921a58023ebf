"""A sealed run at every door: no estimate in any answer, and the two people's way on the page and in the API."""

from __future__ import annotations

import logging
import re

import pytest

from rwd_platform.core.canonical import sha256_hex, sha256_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.trace import trace_number
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import AnalysisRun, Study
from tests.server import seed
from tests.server.conftest import LogIn
from tests.server.sealing import MARKER, MARKERS, seed_sealed

WHY = "已核对基线平衡与重叠，加权后差异都在界限以内"
AGREED = "诊断逐项看过，同意按方案揭盲"
KNOWN = {"reason": WHY, "knowledge": "registered"}
LOGINS = ("researcher", "researcher-2", "privacy", "regulator", "operator")


@pytest.fixture
def study(platform: Platform) -> Study:
    return seed_sealed(platform)


def pages_of(study: Study) -> list[str]:
    """Every address that shows the study, its lock, its run or who did what to it."""
    lock = f"L-{sha256_hex(study.project_id.encode())}"
    return [
        "/", "/studies", f"/studies/{study.id}", f"/studies/{study.id}/fitness", "/locks", f"/locks/{lock}",
        "/packages", "/releases", "/log", f"/log?object={study.id}", "/log?object=run-sealed", "/risk", "/quality",
        "/api/v1/studies", f"/api/v1/studies/{study.id}", f"/api/v1/studies/{study.id}/runs",
        f"/api/v1/studies/{study.id}/locks", f"/api/v1/studies/{study.id}/unsealings", "/api/v1/log",
    ]  # fmt: skip


def request_id(client_page: str) -> str:
    (found,) = set(re.findall(r"/unsealings/(unsealing-[^/]+)/vote", client_page))
    return str(found)


# -- nothing of it in any answer -------------------------------------------------------------------------------------


@pytest.mark.parametrize("waiting", [False, True], ids=["sealed", "asked for"])
def test_a_sealed_estimate_is_in_no_answer_and_in_no_log(
    as_user: LogIn, study: Study, caplog: pytest.LogCaptureFixture, waiting: bool
) -> None:
    """Every page and every JSON that shows the study, as every role, before and after somebody asked."""
    with caplog.at_level(logging.DEBUG):
        if waiting:
            assert as_user("researcher").post(f"/studies/{study.id}/unseal", data=KNOWN).status_code == 303
        for login in LOGINS:
            client = as_user(login)
            for address in pages_of(study):
                answer = client.get(address)
                held = [one for one in MARKERS if one in answer.text]
                assert answer.status_code in (200, 403, 404) and not held, (login, address, held)
    assert not [one for one in MARKERS if one in caplog.text]


def test_the_marker_is_there_once_unsealed(platform: Platform, as_user: LogIn, study: Study) -> None:
    """Otherwise the test above would find nothing whatever happened."""
    as_user("researcher").post(f"/studies/{study.id}/unseal", data=KNOWN)
    page = as_user("researcher-2").get(f"/studies/{study.id}").text
    vote = as_user("researcher-2").post(
        f"/unsealings/{request_id(page)}/vote", data={"agree": "true", "reason": AGREED}
    )
    assert vote.status_code == 303
    (run,) = as_user("researcher").get(f"/api/v1/studies/{study.id}/runs").json()
    assert str(MARKER) in str(run["results"]) and run["results_sha256"] == sha256_of(run["results"])
    assert (run["sealed"], bool(run["unsealed_at"])) == (False, True)
    assert "封存标记" in as_user("researcher").get(f"/studies/{study.id}").text


def test_the_api_says_what_waits_and_gives_the_diagnostics(as_user: LogIn, study: Study) -> None:
    (run,) = as_user("researcher").get(f"/api/v1/studies/{study.id}/runs").json()
    assert run["sealed"] and "restricted.crude" in run["sealed_analyses"]
    statistics = {row["statistic"] for row in run["results"]["rows"]}
    assert {"smd_weighted", "area_under_curve", "remaining"} <= statistics
    assert "p_value" not in statistics


def test_another_organisation_sees_that_it_is_sealed_and_no_diagnostics(as_user: LogIn, study: Study) -> None:
    """Diagnostics are numbers of the results: they reach a regulator by a release, as the rest does."""
    as_user("researcher").post(f"/studies/{study.id}/unseal", data=KNOWN)
    page = as_user("regulator").get(f"/studies/{study.id}").text
    assert "结果已封存" in page and WHY not in page and 'id="checks"' not in page
    assert as_user("regulator").get(f"/api/v1/studies/{study.id}/unsealings").json() == []


# -- the page --------------------------------------------------------------------------------------------------------


def test_the_page_shows_diagnostics_and_what_waits(as_user: LogIn, study: Study) -> None:
    page = as_user("researcher").get(f"/studies/{study.id}").text
    for words in (
        "结果已封存",
        "诊断：两组能否比较？",
        "两组的倾向评分重叠吗？",
        "两组在起始时有多相近？",
        "结果封存",
    ):
        assert words in page, words
    assert "drawing-love" in page and "drawing-overlap" in page
    assert "drawing-forest" not in page and "drawing-survival" not in page
    assert f'action="/studies/{study.id}/unseal"' in page
    assert f'action="/studies/{study.id}/assemble"' not in page, "no package of what is sealed"
    assert "诊断待核对，结果待揭盲" in as_user("researcher").get("/").text


def test_nothing_typed_is_lost_when_something_is_missing(as_user: LogIn, study: Study) -> None:
    client = as_user("researcher", language="en")
    answer = client.post(f"/studies/{study.id}/unseal", data={"reason": WHY, "knowledge": "seen", "seen": ""})
    assert answer.status_code == 422 and "unsealing.knowledge_unclear" in answer.text
    assert WHY in answer.text and 'value="seen" required checked' in answer.text


def test_the_second_person_sees_what_to_check_and_the_first_has_no_button(
    as_user: LogIn, study: Study
) -> None:
    """Who asked, what they know, the diagnostics of this run: whoever asked is told to wait."""
    as_user("researcher").post(f"/studies/{study.id}/unseal", data=KNOWN)
    first = as_user("researcher").get(f"/studies/{study.id}").text
    assert "/vote" not in first and "请由申请人以外的研究者或隐私专员决定" in first
    for login in ("researcher-2", "privacy"):
        page = as_user(login).get(f"/studies/{study.id}").text
        assert request_id(page) and WHY in page and "如方案所登记" in page and 'id="checks"' in page
        assert "本研究的结局此前未揭示过" in page
        assert "方案中登记的既有了解" in page and "撰写本方案前作者已知其结果" in page
        assert "揭盲待您决定" in as_user(login).get("/").text
    assert "揭盲待您决定" not in as_user("researcher").get("/").text


def test_a_refusal_is_shown_with_its_reason_and_may_be_asked_again(as_user: LogIn, study: Study) -> None:
    as_user("researcher").post(f"/studies/{study.id}/unseal", data=KNOWN)
    page = as_user("privacy").get(f"/studies/{study.id}").text
    no = {"agree": "false", "reason": "加权后的平衡还需要说明理由再议"}
    assert as_user("privacy").post(f"/unsealings/{request_id(page)}/vote", data=no).status_code == 303
    page = as_user("researcher").get(f"/studies/{study.id}").text
    assert (
        no["reason"] in page
        and "上一次申请未获同意" in page
        and f'action="/studies/{study.id}/unseal"' in page
    )


def test_a_short_reason_of_the_second_person_comes_back_with_the_page(as_user: LogIn, study: Study) -> None:
    as_user("researcher").post(f"/studies/{study.id}/unseal", data=KNOWN)
    client = as_user("privacy")
    found = request_id(client.get(f"/studies/{study.id}").text)
    answer = client.post(f"/unsealings/{found}/vote", data={"agree": "true", "reason": "可以"})
    assert (
        answer.status_code == 422
        and "unsealing.reason_missing" in answer.text
        and 'id="checks"' in answer.text
    )


def test_afterwards_the_page_says_who_and_when(as_user: LogIn, study: Study) -> None:
    asked = as_user("researcher").post(f"/api/v1/studies/{study.id}/unsealings", json=KNOWN)
    assert asked.status_code == 201 and asked.json()["state"] == "requested"
    word = {"agree": True, "reason": AGREED}
    answer = as_user("privacy").post(f"/api/v1/unsealings/{asked.json()['id']}/votes", json=word)
    assert (answer.status_code, answer.json()["state"]) == (200, "unsealed")
    page = as_user("researcher").get(f"/studies/{study.id}").text
    for words in ("谁在何时揭盲", "张 privacy", AGREED, "drawing-forest", "结果与结论级别"):
        assert words in page, words
    assert f'action="/studies/{study.id}/assemble"' in page
    (seen,) = as_user("researcher").get(f"/api/v1/studies/{study.id}/unsealings").json()
    assert seen["votes"][0]["voter_id"] == "user-privacy"


def test_a_package_of_a_sealed_run_is_refused_at_the_door(as_user: LogIn, study: Study) -> None:
    wanted = {"purpose": "registration", "audience": "authority"}
    answer = as_user("researcher").post(f"/api/v1/studies/{study.id}/packages", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (409, "study.results_sealed")


def test_a_run_of_before_there_were_seals_shows_everything(platform: Platform, as_user: LogIn) -> None:
    seed.seed_study(platform)
    page = as_user("researcher").get(f"/studies/{seed.STUDY}").text
    assert "drawing-forest" in page and "结果已封存" not in page and "未封存" in page


def test_a_number_of_a_sealed_run_is_not_followed(platform: Platform, as_user: LogIn) -> None:
    """No package is made of one; should a record say so, the number's chain says sealed, on the page too."""
    seed.seed_everything(platform)
    run = platform.records.get(AnalysisRun, seed.RUN)
    run.sealed_part = b"sealed"
    seed._write(platform, run)
    answer = as_user("researcher").get(f"/packages/{seed.PACKAGE}/numbers/{seed.NUMBER}")
    assert answer.status_code == 409 and "study.results_sealed" in answer.text and "封存" in answer.text
    with pytest.raises(Exception, match=r"study\.results_sealed"):
        trace_number(
            platform, Actor("user-researcher", "researcher", "org-operator"), seed.PACKAGE, seed.NUMBER
        )
