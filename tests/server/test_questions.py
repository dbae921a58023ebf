"""The quality page, questions to hospitals and fitness for use: what each role sees, does, and may not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import urlencode

import pytest
from fastapi.testclient import TestClient

from rwd_platform.flows import quality_questions
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.quality_question_rows import find_rows
from rwd_platform.flows.study import register_study
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import QualityQuestion, QualityQuestionRow
from rwd_platform.server import quality_view
from rwd_platform.server.quality_charts import status_bar, trend
from tests.conftest import StandingClock
from tests.server import quality_seed, seed
from tests.server.conftest import LogIn
from tests.server.quality_seed import FAILING

WHY = "已与病案室逐行核对，原始记录如此。"
CHECKED = "已抽查原始病历，与医院的说明一致。"
PROTOCOL = (Path(__file__).parents[2] / "studies/protocols/rotterdam.yaml").read_text(encoding="utf-8")


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.fixture
def checked(platform: Platform, clock: StandingClock) -> Platform:
    """One check of two hospitals, a minute ago."""
    found = [*quality_seed.results("hospital-a"), *quality_seed.results("hospital-b", 4)]
    quality_seed.seed_run(platform, "run-1", found)
    clock.advance(minutes=1)
    return platform


def ask(client: TestClient, hospital: str = "hospital-a", rule: str = FAILING) -> str:
    answer = client.post("/questions", data={"organisation_id": hospital, "rule": rule})
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"]).rsplit("/", 1)[1]


def put_rows(platform: Platform, question_id: str, count: int) -> None:
    with platform.records.transaction(
        audit=Act(seed.SEED, "seed.written", Object("question", "x"))
    ) as session:
        question = session.get_one(QualityQuestion, question_id)
        question.rows_total = count
        for place in range(count):
            session.add(
                QualityQuestionRow(
                    question_id=question_id,
                    place=place,
                    organisation_id="hospital-a",
                    upload_id=seed.UPLOAD,
                    resource_type="Encounter",
                    file_sha256=seed.FILE_SHA256,
                    line=1000 + place,
                )
            )


# -- the quality page ---------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_status_is_counted_and_not_run_is_seen(checked: Platform, as_user: LogIn, language: str):
    """Three tables of three rules; nobody sent a measurement, and that is no pass."""
    page = text_of(as_user("researcher", language=language).get("/quality").text)
    assert ("未检查 3" if language == "zh" else "Not run 3") in page
    assert ("通过，有违规行 1" if language == "zh" else "Pass, with rows 1") in page
    assert ("违反 / 检查 少于 10 / 120" if language == "zh" else "broken / asked under 10 / 120") in page


@pytest.mark.parametrize("login", ["hospital-a", "operator", "researcher", "regulator", "privacy"])
def test_small_counts_are_shown_to_the_hospital_and_the_operator_alone(
    checked: Platform, as_user: LogIn, login: str
):
    """As in the catalogue: others read that it is fewer than ten, and no other number on the page says how many."""
    page = text_of(as_user(login).get("/quality").text)
    exact = login in ("hospital-a", "operator")
    assert ("违反 / 检查 9 / 120" in page) is exact and ("违反 / 检查 少于 10 / 120" in page) is not exact
    assert ("2 / 3 120 9 " in page) is exact and ("2 / 3 120 少于 10 " in page) is not exact


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_headline_counts_rules_and_names_those_that_fail(
    checked: Platform, as_user: LogIn, language: str
):
    """No percentage stands over a rule that fails; what was never asked is not among the kept."""
    page = text_of(as_user("hospital-a", language=language).get("/quality").text)
    zh = language == "zh"
    assert ("演示医院甲 4 条规则中 3 条达标" if zh else "Demo Hospital A 3 of 4 rules kept") in page
    assert ("未通过的规则：1" if zh else "Rules not kept: 1") in page
    assert ("质量门：放行" if zh else "Gate: Admit") in page
    beside = page.split("3 条达标" if zh else "rules kept")[1]
    assert ("就诊在开始之前就已结束" if zh else "The visit ends before it begins") in beside[:200]
    assert ("就诊 visit" if zh else "visit") in page and "97.06%" not in page
    home = text_of(as_user("hospital-a", language=language).get("/").text)
    assert "%" not in home


def test_a_registered_hospital_without_a_row_is_not_checked_rather_than_fine(
    platform: Platform, as_user: LogIn
):
    quality_seed.seed_run(platform, "run-1", quality_seed.results("hospital-a"))
    page = text_of(as_user("researcher").get("/quality?hospital=hospital-b").text)
    assert "演示医院乙 未检查" in page and "没有检查，不等于通过" in page


def test_the_filter_narrows_and_a_strange_one_finds_nothing(checked: Platform, as_user: LogIn):
    client = as_user("researcher")
    everything = client.get("/quality?status=all").text
    assert everything.count('<li id="') == 18, "nine rules of two hospitals"
    assert client.get("/quality?status=fail").text.count('<li id="') == 2
    assert client.get("/quality?status=fail&hospital=hospital-b").text.count('<li id="') == 1
    assert client.get("/quality?status=all&table=patient&category=completeness").text.count('<li id="') == 2
    for wanted in ({"status": "<script>"}, {"hospital": "nowhere"}, {"table": "'; DROP"}, {"page": "99999"}):
        page = client.get(f"/quality?{urlencode(wanted)}").text
        assert "没有符合筛选条件的规则" in page and "<script>" not in page.replace("<script src", "")
    assert client.get("/quality?page=0").status_code == 422
    assert client.get(f"/quality?table={'x' * 300}").status_code == 422


def test_no_page_holds_more_than_its_share(platform: Platform, as_user: LogIn):
    """Forty hospitals and three hundred rules: page by page, and nobody is left out of the count."""
    hospitals = quality_seed.seed_hospitals(platform, 40)
    found = [
        quality_seed.result(f"visit.more_{number}", hospital, "fail", 2, 100)
        for hospital in hospitals
        for number in range(30)
    ]
    quality_seed.seed_run(platform, "run-1", found, more_rules=30)
    client = as_user("researcher")
    page = client.get("/quality?status=all").text
    assert page.count("<li") + page.count("<tr") < 2000
    assert page.count('<li id="') == quality_view.RULES_ON_A_PAGE
    assert page.count("status-lines") == quality_view.HOSPITALS_ON_A_PAGE and "共 42 家" in text_of(page)
    assert "many-039" in client.get("/quality?hospital_page=5").text


def test_a_hospital_sees_its_own_alone(checked: Platform, as_user: LogIn):
    page = as_user("hospital-a").get("/quality?status=all&hospital=hospital-b").text
    assert "演示医院乙" not in page and "4 / 120" not in page
    own = as_user("hospital-a").get("/quality").text
    assert "演示医院甲" in own and "向医院提出质疑" not in own


def test_runs_of_before_there_were_counts_still_show(platform: Platform, as_user: LogIn):
    """An old report has no checks; the page shows its scorecard."""
    seed.seed_quality(platform)
    assert "4 条规则中 3 条达标" in as_user("researcher").get("/quality").text


def test_the_drawings_hold_what_they_are_given():
    """A part that is there is seen; a gap is a gap; labels are text."""
    bar = str(status_bar({"pass": 9999, "fail": 1}, '"><script>'))
    widths = [float(one) for one in re.findall(r'width="([\d.]+)" height', bar)]
    assert sum(widths) == pytest.approx(1000) and min(widths) >= 8 and "<script>" not in bar
    assert "rule-not_run" in str(status_bar({}, "empty"))
    drawn = str(trend([("a", 1.0), ("b", None), ("c", 0.5), ("<d>", 0.0)], "t"))
    assert drawn.count("<circle") == 3 and drawn.count("<path") == 1 and "<d>" not in drawn
    assert "<circle" not in str(trend([], "nothing"))


# -- questions on the pages ---------------------------------------------------------------------------


def test_the_whole_way_on_the_pages(checked: Platform, as_user: LogIn):
    """From the failing rule to the closed question, each by who may."""
    researcher = as_user("researcher")
    assert f'name="rule" value="{FAILING}"' in researcher.get("/quality").text
    id = ask(researcher)
    assert f"/questions/{id}" in researcher.get("/quality").text, "the rule now leads to its question"
    clerk = as_user("hospital-a")
    put_rows(checked, id, 3)
    page = text_of(clerk.get(f"/questions/{id}").text)
    assert "就诊在开始之前就已结束" in page and "1,000" in page and "共 3 行" in page
    answered = clerk.post(f"/questions/{id}/answers", data={"answer": "confirmed", "text": WHY})
    assert answered.status_code == 303
    assert "不能由您关闭" in researcher.get(f"/questions/{id}").text
    second = as_user("researcher-2")
    assert 'name="seen" value="2"' in second.get(f"/questions/{id}").text
    decided = second.post(
        f"/questions/{id}/decisions", data={"decision": "close", "text": CHECKED, "seen": 2}
    )
    assert decided.status_code == 303
    page = text_of(as_user("regulator").get(f"/questions/{id}").text)
    for words in ("提出质疑", "医院答复", "核对无误", WHY, CHECKED, "已关闭"):
        assert words in page


def test_a_second_click_leads_to_the_same_question(checked: Platform, as_user: LogIn):
    client = as_user("researcher")
    assert ask(client) == ask(client)


def test_places_are_shown_to_the_hospital_alone(checked: Platform, as_user: LogIn):
    """Everybody else learns how many rows there are."""
    id = ask(as_user("researcher"))
    put_rows(checked, id, 3)
    for login in ("researcher", "regulator", "operator"):
        page = as_user(login).get(f"/questions/{id}").text
        assert seed.FILE_SHA256 not in page and "1,000" not in page and "3 行" in text_of(page)
        assert as_user(login).get(f"/api/v1/questions/{id}/rows").status_code == 403
    assert as_user("hospital-b").get(f"/api/v1/questions/{id}/rows").status_code == 404
    places = as_user("hospital-a").get(f"/api/v1/questions/{id}/rows").json()
    assert (places["listed"], places["total"], places["places"][0]["line"]) == (3, 3, 1000)


def test_many_places_come_page_by_page(checked: Platform, as_user: LogIn):
    id = ask(as_user("researcher"))
    count = quality_questions.limits().page_rows + 5
    put_rows(checked, id, count)
    first, second = (as_user("hospital-a").get(f"/questions/{id}?page={n}").text for n in (1, 2))
    assert first.count("<tr>") == quality_questions.limits().page_rows + 1 and second.count("<tr>") == 6


def test_anothers_question_looks_like_none(checked: Platform, as_user: LogIn):
    id = ask(as_user("researcher"))
    other = as_user("hospital-b")
    assert id not in other.get("/questions?state=").text
    for path, form in (("", None), ("/answers", {"answer": "confirmed", "text": WHY})):
        method = "POST" if form else "GET"
        hidden = other.request(method, f"/questions/{id}{path}", data=form)
        absent = other.request(method, f"/questions/none{path}", data=form)
        assert hidden.status_code == absent.status_code == 404
        assert text_of(hidden.text).replace(id, "") == text_of(absent.text).replace("none", "")


def test_a_mistake_keeps_what_was_typed_but_not_a_persons_number(checked: Platform, as_user: LogIn):
    id = ask(as_user("researcher"))
    clerk = as_user("hospital-a")
    short = clerk.post(f"/questions/{id}/answers", data={"answer": "confirmed", "text": "<b>好</b>"})
    assert short.status_code == 422 and "&lt;b&gt;好" in short.text and "<b>好" not in short.text
    number = "患者 11010519491231002X，已与病案室逐行核对。"
    named = clerk.post(f"/questions/{id}/answers", data={"answer": "confirmed", "text": number})
    assert (
        named.status_code == 422 and "110105" not in named.text and "question.text_identifies" in named.text
    )
    huge = clerk.post(f"/questions/{id}/answers", data={"answer": "confirmed", "text": "核" * 100_000})
    assert huge.status_code == 422 and huge.text.count("核") < 3_000
    assert clerk.post(f"/questions/{id}/answers", data={"text": WHY * 100_000}).status_code in (413, 422)


def test_hostile_text_is_text(checked: Platform, as_user: LogIn):
    id = ask(as_user("researcher"))
    typed = "<script>alert(1)</script>已与病案室逐行核对，原始记录如此。"
    as_user("hospital-a").post(f"/questions/{id}/answers", data={"answer": "confirmed", "text": typed})
    page = as_user("researcher").get(f"/questions/{id}").text
    assert "<script>alert" not in page and "&lt;script&gt;alert(1)" in page


def test_without_the_sessions_token_nothing_is_asked(checked: Platform, as_user: LogIn):
    client = as_user("researcher")
    del client.headers["X-CSRF-Token"]
    assert (
        client.post("/questions", data={"organisation_id": "hospital-a", "rule": FAILING}).status_code == 403
    )
    assert "没有符合条件的质疑" in as_user("researcher").get("/questions").text


def test_lists_filter_and_say_what_the_newest_check_says(
    checked: Platform, as_user: LogIn, clock: StandingClock
):
    """A rule that asks about no row any more leaves its question where it is."""
    id = ask(as_user("researcher"))
    clock.advance(days=10)
    gone = [quality_seed.result(FAILING, "hospital-a", "not_applicable", 0, 0)]
    quality_seed.seed_run(checked, "run-2", gone)
    client = as_user("researcher")
    page = text_of(client.get("/questions?older_than_days=10").text)
    assert "不适用" in page and "质疑仍保留" in page
    assert id in client.get("/questions?hospital=hospital-a").text
    assert id not in client.get("/questions?older_than_days=11").text
    assert id not in client.get("/questions?state=closed").text
    assert client.get("/questions?state=strange").status_code == 422
    english = text_of(as_user("hospital-a", language="en").get("/questions").text)
    assert "the question stays" in english and "10 days ago" in english


# -- the API ------------------------------------------------------------------------------------------


def test_the_api_keeps_the_same_rules(checked: Platform, as_user: LogIn):
    asked = {"organisation_id": "hospital-a", "rule": FAILING, "text": "请核对导出口径。"}
    made = as_user("researcher").post("/api/v1/questions", json=asked)
    assert made.status_code == 201 and made.json()["now"]["failing"] == 9
    path = f"/api/v1/questions/{made.json()['id']}"
    again = as_user("researcher").post("/api/v1/questions", json=asked)
    assert (again.status_code, again.json()["code"]) == (409, "question.already_asked")
    answered = as_user("hospital-a").post(f"{path}/answers", json={"answer": "confirmed", "text": WHY})
    assert (answered.status_code, answered.json()["state"]) == (201, "answered")
    word = {"decision": "close", "text": CHECKED, "seen": 2}
    assert (
        as_user("researcher").post(f"{path}/decisions", json=word).json()["code"] == "question.second_person"
    )
    stale = as_user("researcher-2").post(f"{path}/decisions", json={**word, "seen": 1})
    assert stale.json()["code"] == "question.moved_on"
    assert as_user("researcher-2").post(f"{path}/decisions", json=word).json()["state"] == "closed"
    listed = as_user("regulator").get("/api/v1/questions?state=closed").json()
    assert listed["total"] == 1 and [one["kind"] for one in as_user("regulator").get(path).json()["entries_said"]] == [
        "asked", "answered", "closed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [b"{}", b"[]", b"{", b'{"answer": 1, "text": []}', b'{"answer": "confirmed", "text": "\\ud800"}',
     json.dumps({"answer": "confirmed", "text": "x" * 300_000}).encode()],
)  # fmt: skip
def test_a_malformed_answer_is_refused_without_repeating_it(checked: Platform, as_user: LogIn, body: bytes):
    id = ask(as_user("researcher"))
    headers = {"content-type": "application/json"}
    answer = as_user("hospital-a").post(f"/api/v1/questions/{id}/answers", content=body, headers=headers)
    assert answer.status_code == 422 and "xxxx" not in answer.text


# -- fitness ------------------------------------------------------------------------------------------


@pytest.fixture
def study(checked: Platform) -> str:
    return register_study(checked, Actor("user-researcher", "researcher", "org-operator"), PROTOCOL).id


def test_fitness_from_the_first_click_to_a_judgement(checked: Platform, as_user: LogIn, study: str):
    """A job measures, a person judges under their name, an auditor reads both."""
    from rwd_platform.flows.jobs import drain

    client = as_user("researcher")
    path = f"/studies/{study}/fitness"
    assert "还没有评估过" in client.get(path).text
    assert client.post(path).status_code == 303 and client.post(path).status_code == 303
    assert [job.kind for job in drain(checked, "test")] == ["fitness"], "two clicks are one job"
    page = text_of(client.get(path).text)
    assert "这些数据适合回答本研究的问题吗" in page and "须由人判断" in page and "第 3.3 节" in page
    judged = {"item": "relevance.sample_size", "status": "partly", "text": "置信区间偏宽，主要分析仍可进行。"}
    assert client.post(f"{path}/answers", data=judged).status_code == 303
    for login, name in (("researcher", "zh"), ("regulator", "zh")):
        page = text_of(as_user(login, language=name).get(path).text)
        assert "置信区间偏宽" in page and "张 researcher" in page
    assert "作出判断" not in as_user("regulator").get(path).text
    wrong = client.post(f"{path}/answers", data={**judged, "text": "<i>短</i>"})
    assert wrong.status_code == 422 and "&lt;i&gt;短" in wrong.text
    document = client.get(f"/api/v1{path}").json()
    assert document["stale"] is False
    assert sum(document["assessment"]["counts"]["relevance"].values()) == 9


def test_fitness_is_not_for_everybody(checked: Platform, as_user: LogIn, study: str):
    path = f"/studies/{study}/fitness"
    assert as_user("hospital-a").get(path).status_code == 403
    assert as_user("regulator").post(path).status_code == 403
    assert as_user("researcher").get("/studies/none/fitness").status_code == 404
    queued = as_user("researcher").post(f"/api/v1{path}")
    assert (queued.status_code, queued.json()["kind"]) == (202, "fitness")
    given = {"item": "relevance.exposure", "status": "met", "text": WHY}
    refused = as_user("researcher").post(f"/api/v1{path}/answers", json=given)
    assert (refused.status_code, refused.json()["code"]) == (422, "fitness.no_such_item")


def test_the_search_for_rows_of_an_empty_store_ends_well(checked: Platform, as_user: LogIn):
    """What a worker does after the click; the page then says that none is found."""
    id = ask(as_user("researcher"))
    assert find_rows(checked, Actor("user-researcher", "researcher", "org-operator"), id) == 0
    assert "目前没有违反该规则的行" in as_user("hospital-a").get(f"/questions/{id}").text
