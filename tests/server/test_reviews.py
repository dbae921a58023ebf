"""Questions about packages on pages and by API: the forms, the clock, what comes back after a mistake."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import PackageQuestion
from tests.server import seed
from tests.server.conftest import LogIn

WHY = "为什么这个区间比方案预期的宽"
SAID = "失访多于预期，见报告第六节"
RESIDENT_ID = "110101199003070011"  # of nobody: the checksum of an example
HOSTILE = "<script>alert(1)</script><img src=x onerror=1> 为什么这么宽"
ASK = f"/packages/{seed.PACKAGE}/ask"
API = f"/api/v1/packages/{seed.PACKAGE}/questions"


@pytest.fixture
def released(platform: Platform) -> Platform:
    seed.seed_everything(platform)
    return platform


def questions(platform: Platform) -> list[PackageQuestion]:
    return list(platform.records.all(select(PackageQuestion)))


def asked(client: TestClient, text: str = WHY, number: str = seed.NUMBER) -> str:
    """By the form: the question's address."""
    done = client.post(ASK, data={"text": text, "number": number})
    assert done.status_code == 303, done.text
    return str(done.headers["location"])


def test_a_regulator_asks_at_a_number_the_team_answers_and_both_see_it(
    released: Platform, as_user: LogIn
) -> None:
    regulator = as_user("regulator")
    number = regulator.get(f"/packages/{seed.PACKAGE}/numbers/{seed.NUMBER}")
    assert f'href="{ASK}?number={seed.NUMBER}"' in number.text
    assert "工作日" in regulator.get(ASK, params={"number": seed.NUMBER}).text
    address = asked(regulator)
    team = as_user("researcher")
    home = team.get("/")
    assert "个对证据包的提问待答复" in home.text and 'href="/package-questions"' in home.text
    page = team.get(address)
    assert WHY in page.text and "提交答复" in page.text and "关闭提问" not in page.text
    assert team.post(f"{address}/answers", data={"text": SAID}).status_code == 303
    regulator = as_user("regulator")
    assert "个提问已得到答复" in regulator.get("/").text
    page = regulator.get(address)
    assert SAID in page.text and "再次提问" in page.text and "提交答复" not in page.text
    assert regulator.post(f"{address}/close", data={"text": "已说明清楚，没有问题"}).status_code == 303
    page = regulator.get(address)
    assert "已关闭" in page.text and "<textarea" not in page.text
    assert "提问已得到答复" not in regulator.get("/").text


def test_the_package_s_page_lists_what_was_asked_about_it(released: Platform, as_user: LogIn) -> None:
    regulator = as_user("regulator")
    before = regulator.get(f"/packages/{seed.PACKAGE}").text
    assert "还没有提问" in before and f'href="{ASK}"' in before
    address = asked(regulator)
    after = regulator.get(f"/packages/{seed.PACKAGE}").text
    assert f'href="{address}"' in after and WHY in after and "待研究团队答复" in after
    assert f'href="{ASK}"' not in as_user("researcher").get(f"/packages/{seed.PACKAGE}").text


@pytest.mark.parametrize(
    ("text", "number", "code"),
    [
        ("", "", "review.text_unfit"),
        ("？？", "", "review.text_unfit"),
        (WHY, "n9999", "review.number_unknown"),
    ],
)
def test_what_was_typed_comes_back_with_the_mistake_named(
    released: Platform, as_user: LogIn, text: str, number: str, code: str
) -> None:
    done = as_user("regulator").post(ASK, data={"text": text, "number": number})
    assert done.status_code == 422 and code in done.text and (not text or text in done.text)
    assert not questions(released)


def test_words_that_name_a_person_do_not_come_back(released: Platform, as_user: LogIn) -> None:
    client = as_user("regulator")
    done = client.post(ASK, data={"text": f"患者 {RESIDENT_ID} 的结局为何是删失", "number": ""})
    assert done.status_code == 422 and "review.text_identifies" in done.text and RESIDENT_ID not in done.text
    answered = client.post(API, json={"text": f"患者 {RESIDENT_ID} 的结局为何是删失"})
    assert answered.status_code == 422 and RESIDENT_ID not in answered.text


def test_hostile_words_stay_words(released: Platform, as_user: LogIn) -> None:
    client = as_user("regulator")
    address = asked(client, HOSTILE)
    for path in (address, "/package-questions", f"/packages/{seed.PACKAGE}"):
        page = client.get(path).text
        assert "<script>alert" not in page and "<img src=x" not in page and "&lt;script&gt;" in page


def test_english_pages_are_english(released: Platform, as_user: LogIn) -> None:
    client = as_user("regulator")
    client.get("/language/en", params={"back": "/"})
    address = asked(client, "Why is this interval wider than the protocol expected")
    for path in (ASK, address, "/package-questions"):
        main = re.sub(r"(?s).*<main|</main>.*|<[^>]+>", " ", client.get(path).text)
        han = set(re.findall(r"[\u4e00-\u9fff]+", main))
        assert han <= {"中文"} | set(re.findall(r"[\u4e00-\u9fff]+", seed_names(released))), path


def seed_names(platform: Platform) -> str:
    """Names of people and organisations stand in their own language."""
    from rwd_platform.records.tables import Organisation, User

    people = [one.name for one in platform.records.all(select(User))]
    return " ".join([*people, *(one.name_zh for one in platform.records.all(select(Organisation)))])


def test_by_api_each_step_answers_with_the_whole_question(released: Platform, as_user: LogIn) -> None:
    regulator = as_user("regulator")
    made = regulator.post(API, json={"text": WHY, "number_id": seed.NUMBER})
    assert made.status_code == 201, made.text
    one: dict[str, Any] = made.json()
    assert one["state"] == "review_asked" and one["ard_id"] == seed.ARD_ID and not one["overdue"]
    assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", one["due_on"]) and [e["kind"] for e in one["entries"]] == [
        "asked"
    ]
    team = as_user("researcher")
    place = f"/api/v1/package-questions/{one['id']}"
    answered = team.post(f"{place}/answers", json={"text": SAID})
    assert answered.status_code == 201 and answered.json()["state"] == "review_answered"
    assert [o["id"] for o in team.get("/api/v1/package-questions").json()] == [one["id"]]
    regulator = as_user("regulator")
    assert (
        regulator.post(f"{place}/again", json={"text": "这没有回答为什么更宽"}).json()["state"]
        == "review_asked"
    )
    closed = regulator.post(f"{place}/close", json={"text": "改为在会上讨论此事"})
    assert closed.json()["state"] == "review_closed" and len(closed.json()["entries"]) == 4
    assert regulator.get(API).json() == [closed.json()] == [regulator.get(place).json()]


def test_the_turn_of_a_step_is_kept_also_on_pages(released: Platform, as_user: LogIn) -> None:
    client = as_user("regulator")
    address = asked(client)
    done = client.post(f"{address}/again", data={"text": WHY})
    assert done.status_code == 409 and "lifecycle.not_allowed" in done.text and WHY in done.text


@pytest.mark.parametrize(
    "path", ["/package-questions/question-none", "/api/v1/package-questions/x", "/packages/EP-none/ask"]
)
def test_what_is_not_there_is_not_there(released: Platform, as_user: LogIn, path: str) -> None:
    assert as_user("regulator").get(path).status_code == 404


def test_a_body_that_is_none_is_refused_before_anything_is_kept(released: Platform, as_user: LogIn) -> None:
    client = as_user("regulator")
    for body in ({}, {"text": 3}, {"text": "x" * 200_001}, {"text": WHY, "number_id": "x" * 81}):
        assert client.post(API, json=body).status_code == 422
    assert not questions(released)


def test_an_empty_list_says_what_it_is_for(released: Platform, as_user: LogIn) -> None:
    assert "没有提问" in as_user("researcher").get("/package-questions").text
