"""What waits for a person is the first thing on their home: questions to answer or check, erasures to vote on."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.flows.erase_request import request_erasure, vote
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.quality_questions import CONFIRMED, answer, ask
from rwd_platform.flows.withdraw import place_hold, retention
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import ErasureRequest, EvidencePackage
from tests.conftest import StandingClock
from tests.server import quality_seed, seed
from tests.server.conftest import PEOPLE, LogIn
from tests.server.quality_seed import FAILING
from tests.server.test_break_glass import NAME, NUMBER, PATIENT, PHONE, keep_somebody

WHY = "已核对患者的书面申请与伦理委员会意见"
DUTIES = {rule["id"]: "no" for rule in retention().rules}


def actor(login: str) -> Actor:
    role, organisation = PEOPLE[login]
    return Actor(f"user-{login}", role, organisation)


@pytest.fixture
def checked(platform: Platform, clock: StandingClock) -> Platform:
    """A quality check a minute ago: one failing rule in each of two hospitals."""
    found = [*quality_seed.results("hospital-a"), *quality_seed.results("hospital-b", 4)]
    quality_seed.seed_run(platform, "run-1", found)
    clock.advance(minutes=1)
    return platform


def test_a_hospital_is_shown_how_many_questions_wait_for_it_and_no_other_hospitals(
    checked: Platform, as_user: LogIn
) -> None:
    assert "待答复" not in as_user("hospital-a").get("/").text, "nothing waits yet"
    ask(checked, actor("researcher"), "hospital-a", FAILING)
    home = as_user("hospital-a").get("/").text
    assert "1 项数据质疑待答复" in home and 'href="/questions"' in home
    english = as_user("hospital-a", language="en").get("/").text
    assert "Questions about your data that wait for an answer: 1" in english
    for login in ("hospital-b", "researcher", "operator"):
        assert "待答复" not in as_user(login).get("/").text, login


def test_an_answer_leaves_the_hospitals_home_and_stands_on_the_researchers(
    checked: Platform, as_user: LogIn
) -> None:
    """The link leads to the answered questions; whoever cannot close a question is not asked to check it."""
    question = ask(checked, actor("researcher"), "hospital-a", FAILING)
    assert "待核对" not in as_user("researcher").get("/").text
    answer(checked, actor("hospital-a"), question.id, CONFIRMED, "已与病案室逐行核对，原始记录如此。")
    assert "待答复" not in as_user("hospital-a").get("/").text
    client = as_user("researcher-2")
    home = client.get("/").text
    assert "1 项医院答复待核对" in home and 'href="/questions?state=answered"' in home
    assert f"/questions/{question.id}" in client.get("/questions?state=answered").text
    assert "wait to be checked: 1" in as_user("researcher", language="en").get("/").text
    for login in ("hospital-a", "regulator"):
        assert "待核对" not in as_user(login).get("/").text, login


def asked_to_erase(platform: Platform) -> ErasureRequest:
    keep_somebody(platform, "hospital-a")
    return request_erasure(platform, actor("hospital-a"), PATIENT, reason="consent-withdrawn", duties=DUTIES)


def test_an_erasure_waits_on_the_home_of_each_officer_until_they_voted(
    platform: Platform, as_user: LogIn
) -> None:
    """Which hospital asks is said; who the patient is stands on the request's own page alone."""
    row = asked_to_erase(platform)
    for language, words in (
        ("zh", "演示医院甲申请删除一名患者的数据"),
        ("en", "Demo Hospital A asks to erase"),
    ):
        home = as_user("privacy", language=language).get("/").text
        assert words in home and f'href="/erasures/{row.id}"' in home
        assert not any(one in home for one in (PATIENT, NAME, NUMBER, PHONE))
    vote(platform, actor("privacy"), row.id, True, WHY)
    assert "删除申请待您表决" not in as_user("privacy").get("/").text
    assert "删除申请待您表决" in as_user("privacy-2").get("/").text
    for login in ("hospital-a", "researcher", "regulator"):
        assert f"/erasures/{row.id}" not in as_user(login).get("/").text, login


def test_an_erasure_that_a_hold_ended_waits_for_nobody(platform: Platform, as_user: LogIn) -> None:
    row = asked_to_erase(platform)
    place_hold(platform, actor("regulator"), "hospital-a", PATIENT, "检查正在进行，相关记录须保持原样")
    [now] = platform.records.all(select(ErasureRequest))
    assert (now.id, now.state) == (row.id, "refused")
    assert "删除申请待您表决" not in as_user("privacy").get("/").text


def test_a_regulator_is_told_which_packages_for_the_authority_nobody_verified(
    platform: Platform, as_user: LogIn
) -> None:
    """By somebody of their own organisation: a verification by the researchers is not theirs. Then it says when."""
    seed.seed_study(platform)
    seed.seed_package(platform)
    package = platform.records.get(EvidencePackage, seed.PACKAGE)
    package.audience = "authority"
    researcher = actor("researcher")
    platform.records.write(package, audit=Act(researcher, "seed.written", Object("package", package.id)))
    platform.records.record(Act(researcher, "package.verified", Object("package", package.id)))
    page = as_user("regulator").get("/").text
    assert "尚未核验交给监管部门的证据包" in page and "贵机构未核验" in page
    assert "尚未核验" not in as_user("researcher").get("/").text
    verified = Act(actor("regulator"), "package.verified", Object("package", package.id), outcome="failed")
    platform.records.record(verified)
    page = as_user("regulator").get("/").text
    assert "尚未核验" not in page and "核验未通过 2026-11-02" in page
    platform.records.record(Act(actor("regulator"), "package.verified", Object("package", package.id)))
    assert "已核验 2026-11-02" in as_user("regulator").get("/").text
