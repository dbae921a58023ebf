"""The risk pages and their API: empty, one report, many; who sees what; and that a column name is only text."""

from __future__ import annotations

import re

import pytest
from sqlmodel import select

from deidentify.risk.measures import Measures
from deidentify.risk.quasi import QuasiRank
from deidentify.risk.report import Findings, Subject, risk_report
from deidentify.risk.residual import Residual
from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import Job, RiskRun
from tests.server import seed
from tests.server.conftest import LogIn

OFFICER = Actor("user-privacy", "privacy", "org-operator")
HOSTILE = "<script>alert(1)</script>"


def with_report(
    platform: Platform, id: str, *, of_kind: str, of_id: str, column: str = "age_years"
) -> RiskRun:
    """A report as the flow writes it, of fifty invented people in classes of 1, 9 and 20."""
    measures = Measures(50, (column, "gender"), "outcome", False, {1: 1, 9: 1, 20: 2}, 2, 1.5, 0.2)
    ranking = (
        QuasiRank((column,), 0.08, 0.7),
        QuasiRank(("gender",), 0.04, 0.5),
        QuasiRank((column, "gender"), 0.1, 0.9),
    )
    subject = Subject(of_kind, of_id, Bilingual("数据锁定", "the lock"))
    report = risk_report(subject, Findings(measures, ranking=ranking, residual=Residual(50, 3, {})))
    run = RiskRun(
        id=id, organisation_id="org-operator", project_id="demo", of_kind=of_kind, of_id=of_id,
        level=report.level, verdict=report.verdict, made_at="2026-11-02T08:00:00.000000Z", report=report.as_dict(),
    )  # fmt: skip
    platform.records.write(run, audit=Act(OFFICER, "risk.computed", Object("risk", id)))
    return run


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.mark.parametrize(
    ("language", "said"), [("zh", "还没有数据锁定"), ("en", "There is no data lock yet")]
)
def test_without_anything_the_page_says_what_comes_first(as_user: LogIn, language: str, said: str) -> None:
    page = as_user("privacy", language=language).get("/risk")
    assert page.status_code == 200 and said in page.text


def test_a_lock_without_a_report_offers_one_and_a_click_queues_it_once(
    platform: Platform, as_user: LogIn
) -> None:
    seed.seed_study(platform)
    client = as_user("researcher", language="en")
    assert "not assessed" in client.get("/risk").text
    for _ in range(2):
        assert client.post(f"/risk/locks/{seed.LOCK}").headers["location"] == "/risk"
    jobs = platform.records.all(select(Job).where(Job.kind == "risk"))
    assert [job.payload for job in jobs] == [{"lock_id": seed.LOCK}]
    assert "Risk report" in client.get("/risk").text, "the job's card is on the page"


def test_a_report_is_read_in_both_languages(platform: Platform, as_user: LogIn) -> None:
    """Verdicts with their reasons, the sections in order, and drawings whose numbers stand beside them."""
    seed.seed_study(platform)
    with_report(platform, "risk-1", of_kind="lock", of_id=seed.LOCK)
    chinese = as_user("privacy").get("/risk/risk-1").text
    for told in ("6.1 评估准备", "6.6 评估文档", "完全公开", "受控公开", "领地公开", "最小的改动"):
        assert told in words(chinese)
    english = words(as_user("privacy", language="en").get("/risk/risk-1").text)
    assert "smallest class k = 1, at least 20 is asked" in english
    assert chinese.count('<svg class="drawing') == 2
    assert not re.search(r"<script(?! src)|style=", chinese), "the content policy forbids both inside a page"


def test_many_reports_of_the_lake_are_listed_and_each_opens(platform: Platform, as_user: LogIn) -> None:
    for number in range(3):
        with_report(platform, f"risk-{number}", of_kind="lake", of_id=f"upload-{number}")
    client = as_user("privacy", language="en")
    page = client.get("/risk").text
    assert all(f'href="/risk/risk-{number}"' in page for number in range(3))
    assert client.get("/risk/risk-2").status_code == 200


@pytest.mark.parametrize("login", ["regulator", "researcher"])
def test_reports_of_the_lake_are_the_privacy_officers(platform: Platform, as_user: LogIn, login: str) -> None:
    """They are about everybody's patients: for others they look like none."""
    with_report(platform, "risk-1", of_kind="lake", of_id="upload-1")
    client = as_user(login, language="en")
    page = client.get("/risk").text
    assert "risk-1" not in page and "The study store" not in page
    assert client.get("/api/v1/risk").json() == []
    for path in ("/risk/risk-1", "/api/v1/risk/risk-1"):
        assert client.get(path).status_code == 404


def test_a_regulator_reads_a_locks_report_once_its_results_are_released(
    platform: Platform, as_user: LogIn
) -> None:
    """The report counts the lock's people as its results do: it opens with them, and not before."""
    seed.seed_study(platform)
    seed.seed_package(platform)
    with_report(platform, "risk-1", of_kind="lock", of_id=seed.LOCK)
    client = as_user("regulator", language="en")

    def seen() -> tuple[bool, int, list[int]]:
        page = client.get("/risk").text
        statuses = [client.get(path).status_code for path in ("/risk/risk-1", "/api/v1/risk/risk-1")]
        return seed.LOCK[:18] in page, len(client.get("/api/v1/risk").json()), statuses

    assert seen() == (False, 0, [404, 404])
    assert as_user("researcher").get("/risk/risk-1").status_code == 200
    seed.seed_release(platform)
    assert seen() == (True, 1, [200, 200])


def test_a_column_name_is_text_and_nothing_else(platform: Platform, as_user: LogIn) -> None:
    with_report(platform, "risk-1", of_kind="lake", of_id="upload-1", column=HOSTILE)
    page = as_user("privacy").get("/risk/risk-1").text
    assert HOSTILE not in page and "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("path", ["/risk", "/risk/risk-1", "/api/v1/risk", "/api/v1/risk/risk-1"])
@pytest.mark.parametrize("login", ["hospital-a", "operator"])
def test_who_may_not_read_risks_is_told_so(platform: Platform, as_user: LogIn, login: str, path: str) -> None:
    with_report(platform, "risk-1", of_kind="lake", of_id="upload-1")
    assert as_user(login).get(path).status_code == 403


@pytest.mark.parametrize("path", ["/risk/{id}", "/api/v1/risk/{id}"])
def test_another_organisations_report_looks_like_none(platform: Platform, as_user: LogIn, path: str) -> None:
    seed.seed_study(platform)
    run = with_report(platform, "risk-1", of_kind="lock", of_id=seed.LOCK)
    other = RiskRun(**{**run.model_dump(), "id": "risk-2", "organisation_id": "org-somewhere"})
    platform.records.write(other, audit=Act(OFFICER, "risk.computed", Object("risk", "risk-2")))
    client = as_user("researcher")
    hidden, absent = (client.get(path.format(id=id)) for id in ("risk-2", "risk-3"))
    assert hidden.status_code == absent.status_code == 404
    assert "risk-2" not in client.get("/api/v1/risk").text


def test_the_api_lists_reports_and_gives_one_whole(platform: Platform, as_user: LogIn) -> None:
    seed.seed_study(platform)
    run = with_report(platform, "risk-1", of_kind="lock", of_id=seed.LOCK)
    client = as_user("privacy")
    (line,) = client.get("/api/v1/risk").json()
    assert line == {
        "id": "risk-1", "project_id": "demo", "of_kind": "lock", "of_id": seed.LOCK, "level": 2,
        "verdict": "none", "made_at": run.made_at,
    }  # fmt: skip
    assert client.get("/api/v1/risk/risk-1").json()["report"]["figures"]["k"] == 1
    queued = client.post(f"/api/v1/risk/locks/{seed.LOCK}")
    assert queued.status_code == 202 and queued.json()["kind"] == "risk"
