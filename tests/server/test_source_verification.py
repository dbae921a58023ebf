"""Source verification on pages and by API: drawing, the hospital's sheet, what comes back when it cannot be used."""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.clock import as_text
from rwd_platform.flows.jobs import drain
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.source_verification import close_round
from rwd_platform.flows.verification_rounds import RoundSeen, rounds_of
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import Job, VerificationRound, WebSession
from rwd_platform.server.app import create_app
from rwd_platform.server.pages import home
from studies.evidence.sample.sheet import SheetLine
from tests.conftest import StandingClock
from tests.evidence.sample.made import changed
from tests.flows.conftest import analysed  # noqa: F401 - a fixture
from tests.flows.erasing import opened
from tests.flows.sending import CLERK, CLERK_B, REGULATOR, RESEARCHER
from tests.flows.unsealing import settle, unseal
from tests.flows.verifying import NIGHT_SHIFT, UNTIL, chart, drawn, every_third_differs, only_sheet, study_of

As = Callable[..., TestClient]
ENOUGH = "医院已全部核对完毕，本轮结束"
CSV = {"content-type": "text/csv"}


@pytest.fixture
def platform(
    analysed: Path,  # noqa: F811 - the fixture
    tmp_path: Path,
    clock: StandingClock,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Platform]:
    """Thirty patients of one hospital, a lock, and a run whose results are sealed."""
    found = opened(Path(shutil.copytree(analysed, tmp_path / "home", symlinks=True)), clock)
    settle(found, RESEARCHER, CLERK_B, REGULATOR)
    for job in found.records.all(select(Job)):
        job.state = "done"  # the uploads were admitted without their jobs
        found.records.touch(job)
    monkeypatch.setattr(home, "_scorecard", lambda *_: None)  # the home's quality run has none
    yield found
    found.records.engine.dispose()


@pytest.fixture
def logged_in(platform: Platform) -> Iterator[As]:
    made: list[TestClient] = []

    def log_in(actor: Actor, language: str = "zh") -> TestClient:
        client = TestClient(create_app(platform), follow_redirects=False)
        made.append(client)
        token, csrf_token = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        now = platform.clock()
        platform.records.touch(
            WebSession(
                token_sha256=sha256_hex(token.encode()),
                user_id=actor.id,
                organisation_id=actor.organisation,
                csrf_token=csrf_token,
                created_at=as_text(now),
                last_seen_at=as_text(now),
                expires_at=as_text(now + timedelta(hours=12)),
            )
        )
        client.cookies.set("rwd_session", token)
        client.cookies.set("rwd_language", language)
        client.headers["X-CSRF-Token"] = csrf_token
        return client

    yield log_in
    for client in made:
        client.close()


@pytest.fixture
def seen(platform: Platform) -> RoundSeen:
    return drawn(platform)


@pytest.fixture
def place(platform: Platform) -> str:
    return f"/studies/{study_of(platform).id}/source-verification"


def sheet_page(seen: RoundSeen) -> str:
    return f"/verification-sheets/{seen.sheets[0].id}"


def test_from_the_draw_to_the_table_of_agreement(platform: Platform, logged_in: As, place: str) -> None:
    """The team draws, the hospital finds it on its home, downloads, returns; the team reads it after unsealing."""
    team = logged_in(RESEARCHER)
    assert f'href="{place}"' in team.get(place.rsplit("/", 1)[0]).text
    before = team.get(place)
    assert 'name="known_until"' in before.text and 'max="2026-11-02"' in before.text
    assert team.post(place, data={"known_until": UNTIL}).status_code == 303
    drain(platform, "test")
    (seen,) = rounds_of(platform, study_of(platform).id)
    page = team.get(place).text
    assert "演示医院甲" in page and "待医院核查" in page and "330" not in page, "items would tell of outcomes"

    hospital, address = logged_in(CLERK), sheet_page(seen)
    assert "1 张源数据核查表待查阅病历并交回" in hospital.get("/").text
    assert (
        f'href="{address}"' in hospital.get("/").text and address in hospital.get("/verification-sheets").text
    )
    own = hospital.get(address).text
    assert "330" in own and f"{address}/sheet.csv" in own and "data-raw" in own and UNTIL in own
    file = hospital.get(f"{address}/sheet.csv")
    assert sha256_hex(file.content) == seen.sheets[0].issued_sha256
    assert file.headers["content-disposition"] == f'attachment; filename="{seen.sheets[0].id}.csv"'
    assert file.headers["x-content-type-options"] == "nosniff" and file.headers["cache-control"] == "no-store"
    done = hospital.post(
        f"{address}/returns", content=chart(platform, seen, every_third_differs), headers=CSV
    )
    assert done.status_code == 200 and "核查表已接受" in done.text
    assert "源数据核查表待查阅" not in hospital.get("/").text

    page = team.get(place).text
    assert "已交回" in page and "揭盲之后才显示" in page and "κ" not in page
    unseal(platform, study_of(platform).id)
    page = team.get(place).text
    assert "一致性在本轮关闭之后才显示" in page and "κ" not in page and "66.7%" not in page
    assert team.post(f"{place}/close", data={"reason": ENOUGH}).status_code == 303
    page = team.get(place).text
    assert "绝经" in page and "66.7%" in page and "(–" not in page and "κ（95% 置信区间）" in page
    assert f"第 1 轮，病历查阅至 {UNTIL}" in page


def test_a_day_that_was_too_early_is_told_and_another_may_be_given(
    platform: Platform, logged_in: As, place: str
) -> None:
    """The job says why nothing was drawn; the form stands below it, for that day will not do when tried again."""
    team = logged_in(RESEARCHER)
    assert team.post(place, data={"known_until": "1900-01-01"}).status_code == 303
    drain(platform, "test")
    page = team.get(place).text
    assert "verification.day_too_early" in page and 'name="known_until"' in page
    assert rounds_of(platform, study_of(platform).id) == []
    assert team.post(place, data={"known_until": UNTIL}).status_code == 303
    drain(platform, "test")
    assert len(rounds_of(platform, study_of(platform).id)) == 1


def test_the_answer_to_a_sheet_says_how_much_is_answered_and_what_can_hardly_be(
    platform: Platform, logged_in: As, seen: RoundSeen
) -> None:
    def one_age(line: SheetLine) -> tuple[str, str, str]:
        wanted = line.variable.name == "age" and line.row.drawn.place == 1
        return ("999", "否", "其他") if wanted else ("", "", "")

    content = chart(platform, seen, one_age)
    hospital = logged_in(CLERK)
    page = hospital.post(f"{sheet_page(seen)}/returns", content=content, headers=CSV)
    assert page.status_code == 200 and "共 330 项，填写了 1 项" in page.text
    assert "有 1 个值看起来不可能" in page.text and "手术时年龄" in page.text and "999" not in page.text
    answer = hospital.post(f"/api/v1{sheet_page(seen)}/returns", content=content, headers=CSV).json()
    assert answer["hints"] == [{"place": 1, "variable": "age", "low": 0, "high": 130, "unit": "years"}]


def test_a_sheet_of_a_closed_round_waits_for_nobody_on_either_page(
    platform: Platform, logged_in: As, seen: RoundSeen, place: str
) -> None:
    team = logged_in(RESEARCHER)
    team.post(f"{place}/close", data={"reason": ENOUGH})
    hospital = logged_in(CLERK)
    for page in (team.get(place), hospital.get("/verification-sheets"), hospital.get(sheet_page(seen))):
        assert "未交回" in page.text and "待医院核查" not in page.text


def test_what_is_wrong_with_a_sheet_comes_back_as_a_list_with_lines_and_no_value(
    platform: Platform, logged_in: As, seen: RoundSeen
) -> None:
    hospital, good = logged_in(CLERK), chart(platform, seen)
    spoilt = changed(changed(good, 7, in_chart=NIGHT_SHIFT), 90, agrees="")
    done = hospital.post(f"{sheet_page(seen)}/returns", content=spoilt, headers=CSV)
    assert done.status_code == 422 and "有 2 处问题" in done.text
    assert "第 7 行" in done.text and "第 90 行" in done.text and NIGHT_SHIFT not in done.text
    assert only_sheet(platform).state == "sheet_issued"
    assert "1 次" in hospital.get(sheet_page(seen)).text
    assert hospital.post(f"{sheet_page(seen)}/returns", content=good, headers=CSV).status_code == 200


def test_by_api_a_refused_sheet_is_422_with_its_problems_and_an_accepted_one_200(
    platform: Platform, logged_in: As, seen: RoundSeen
) -> None:
    hospital, api = logged_in(CLERK), f"/api/v1{sheet_page(seen)}"
    (listed,) = hospital.get("/api/v1/verification-sheets").json()
    assert listed == hospital.get(api).json() and listed["can_return"] and listed["items"] == 330
    good = chart(platform, seen, encoding="gb18030")
    for content, code in (
        (b"", "verification.sheet_empty"),
        (b"PK\x03\x04" + good, "verification.sheet_not_text"),
        (good + b"\n" * 5_000_001, "verification.sheet_too_large"),
        (changed(chart(platform, seen), 7, in_chart="=1+1"), "verification.cell_formula"),
    ):
        done = hospital.post(f"{api}/returns", content=content, headers=CSV)
        answer = done.json()
        assert (
            done.status_code == 422 and not answer["accepted"] and answer["sheet"]["state"] == "sheet_issued"
        )
        assert [one["code"] for one in answer["problems"]] == [code] and answer["problem_count"] == 1
    done = hospital.post(f"{api}/returns", content=good, headers=CSV)
    assert done.status_code == 200 and done.json()["sheet"]["returned_sha256"] == sha256_hex(good)
    assert done.json()["sheet"]["refused"] == 4 and done.json()["problems"] == []


def test_more_than_is_read_is_refused_before_it_is_looked_at(
    platform: Platform, logged_in: As, seen: RoundSeen
) -> None:
    hospital = logged_in(CLERK)
    for path in (sheet_page(seen), f"/api/v1{sheet_page(seen)}"):
        done = hospital.post(f"{path}/returns", content=b"x" * (9 << 20), headers=CSV)
        assert done.status_code == 413 and done.json()["code"] == "server.too_large"
    assert only_sheet(platform).refused == 0


def test_many_problems_are_told_in_part_and_counted_whole(
    platform: Platform, logged_in: As, seen: RoundSeen
) -> None:
    from tests.evidence.sample.made import rows_of, written

    rows = rows_of(chart(platform, seen))
    for row in rows[1:]:
        row[9] = "=1"
    done = logged_in(CLERK).post(f"/api/v1{sheet_page(seen)}/returns", content=written(rows), headers=CSV)
    assert (done.json()["problem_count"], len(done.json()["problems"])) == (330, 200)


def test_another_hospital_s_sheet_is_not_there_on_any_path(
    platform: Platform, logged_in: As, seen: RoundSeen
) -> None:
    other, content = logged_in(CLERK_B), chart(platform, seen)
    for path in (sheet_page(seen), f"/api/v1{sheet_page(seen)}"):
        assert other.get(path).status_code == 404
        assert other.get(f"{path}/sheet.csv").status_code == 404
        assert other.post(f"{path}/returns", content=content, headers=CSV).status_code == 404
    assert other.get("/api/v1/verification-sheets").json() == []
    assert seen.sheets[0].id not in other.get("/verification-sheets").text
    assert "没有要核查的行" in other.get("/verification-sheets").text
    assert "源数据核查表" not in other.get("/").text
    assert logged_in(RESEARCHER).get(f"{sheet_page(seen)}/sheet.csv").status_code == 403


def test_a_return_needs_the_session_s_token(platform: Platform, logged_in: As, seen: RoundSeen) -> None:
    hospital, content = logged_in(CLERK), chart(platform, seen)
    del hospital.headers["X-CSRF-Token"]
    assert hospital.post(f"{sheet_page(seen)}/returns", content=content, headers=CSV).status_code == 403
    form = {"file": ("sheet.csv", content, "text/csv")}
    assert hospital.post(f"{sheet_page(seen)}/returns", files=form).status_code == 403
    assert only_sheet(platform).state == "sheet_issued"


def test_a_day_that_does_not_fit_comes_back_on_the_page_and_queues_nothing(
    platform: Platform, logged_in: As, place: str
) -> None:
    team = logged_in(RESEARCHER)
    for day in ("", "2026-11-03", "soon"):
        done = team.post(place, data={"known_until": day})
        assert done.status_code == 422 and "verification.day_unfit" in done.text
        assert team.post(f"/api/v1{place}", json={"known_until": day}).status_code == 422
    assert drain(platform, "test") == [] and not platform.records.all(select(VerificationRound))


def test_by_api_the_same_draw_is_the_same_round(platform: Platform, logged_in: As, place: str) -> None:
    team = logged_in(RESEARCHER)
    first = team.post(f"/api/v1{place}", json={"known_until": UNTIL})
    assert first.status_code == 202 and first.json()["kind"] == "draw_rows"
    assert team.post(f"/api/v1{place}", json={"known_until": UNTIL}).json()["id"] == first.json()["id"]
    drain(platform, "test")
    (one,) = team.get(f"/api/v1{place}").json()
    assert team.post(f"/api/v1{place}", json={"known_until": UNTIL}).json() == one
    assert one["sheets"] == [
        {
            "id": only_sheet(platform).id,
            "organisation_id": CLERK.organisation,
            "state": "sheet_issued",
            "returned_at": "",
            "refused": 0,
        }
    ]
    assert team.post(f"/api/v1{place}", json={"known_until": "2026-10-01"}).status_code == 409


def test_closing_takes_a_reason_which_comes_back_unless_it_names_a_person(
    platform: Platform, logged_in: As, seen: RoundSeen, place: str
) -> None:
    team, resident = logged_in(RESEARCHER), "110101199003070011"  # of nobody: the checksum of an example
    done = team.post(f"{place}/close", data={"reason": "短"})
    assert done.status_code == 422 and "verification.reason_unfit" in done.text and ">短<" in done.text
    done = team.post(f"{place}/close", data={"reason": f"患者 {resident} 的病历未找到"})
    assert done.status_code == 422 and resident not in done.text
    hostile = "<script>alert(1)</script> 医院已核对完毕"
    assert team.post(f"{place}/close", data={"reason": hostile}).status_code == 303
    page = team.get(place).text
    assert "<script>alert" not in page and "&lt;script&gt;" in page and "已关闭的核查" in page
    hospital = logged_in(CLERK)
    page = hospital.get(sheet_page(seen)).text
    assert "本轮核查已关闭" in page and "sheet.csv" not in page and "data-raw" not in page
    late = hospital.post(f"{sheet_page(seen)}/returns", content=chart(platform, seen), headers=CSV)
    assert late.status_code == 409 and "verification.round_closed" in late.text


def test_who_reads_studies_sees_how_far_it_is_and_agreement_stays_with_the_team(
    platform: Platform, logged_in: As, seen: RoundSeen, place: str
) -> None:
    from rwd_platform.flows.chart_sheets import return_sheet

    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen))
    api = f"/api/v1{place}/agreement"
    assert logged_in(RESEARCHER).get(api).json()["state"] == "sealed"
    unseal(platform, study_of(platform).id)
    assert logged_in(RESEARCHER).get(api).json() == {"state": "open", "rounds": [], "waits": True}
    close_round(platform, RESEARCHER, study_of(platform).id, ENOUGH)
    told = logged_in(RESEARCHER).get(api).json()
    assert (told["state"], told["waits"]) == ("told", False)
    (one,) = told["rounds"]
    assert (one["number"], one["known_until"], one["closed_because"]) == (1, UNTIL, ENOUGH)
    assert {line["hospital"] for line in one["lines"]} == {"", CLERK.organisation}
    assert all("table" not in line and line["compared"] == 30 for line in one["lines"])
    assert logged_in(CLERK).get(api).status_code == 403
    assert logged_in(CLERK).get(place).status_code == 403


def test_an_earlier_round_stays_on_the_page_and_in_the_api_and_the_open_one_is_not_shown(
    platform: Platform, logged_in: As, seen: RoundSeen, place: str, clock: StandingClock
) -> None:
    from rwd_platform.flows.chart_sheets import return_sheet

    return_sheet(platform, CLERK, seen.sheets[0].id, chart(platform, seen, every_third_differs))
    close_round(platform, RESEARCHER, study_of(platform).id, ENOUGH)
    unseal(platform, study_of(platform).id)
    clock.advance(hours=1)
    later = drawn(platform, until="2026-11-01")
    return_sheet(platform, CLERK, later.sheets[0].id, chart(platform, later))
    team = logged_in(RESEARCHER)
    page = team.get(place).text
    assert "第 1 轮" in page and "第 2 轮" not in page and "66.7%" in page
    assert "进行中的一轮已有核查表交回，关闭之后才显示" in page
    close_round(platform, RESEARCHER, study_of(platform).id, ENOUGH)
    page = team.get(place).text
    assert (
        page.index("第 2 轮") < page.index("第 1 轮") < page.index("66.7%") and "关闭之后才显示" not in page
    )
    told = team.get(f"/api/v1{place}/agreement").json()
    shares = [
        line["share"]
        for one in told["rounds"]
        for line in one["lines"]
        if (line["variable"], line["hospital"]) == ("meno", "")
    ]
    assert shares[0] == 1.0 and round(shares[1], 3) == 0.667


@pytest.mark.parametrize("path", ["/verification-sheets/SV-none", "/studies/study-none/source-verification"])
def test_what_is_not_there_is_not_there(platform: Platform, logged_in: As, path: str) -> None:
    actor = CLERK if "sheets" in path else RESEARCHER
    assert logged_in(actor).get(path).status_code == 404
    assert logged_in(actor).get(f"/api/v1{path}").status_code == 404


def test_english_pages_are_english(platform: Platform, logged_in: As, seen: RoundSeen, place: str) -> None:
    spoilt = changed(chart(platform, seen), 7, in_chart="=1")
    hospital = logged_in(CLERK, "en")
    pages = [
        hospital.get("/verification-sheets").text,
        hospital.get(sheet_page(seen)).text,
        hospital.post(f"{sheet_page(seen)}/returns", content=spoilt, headers=CSV).text,
        logged_in(RESEARCHER, "en").get(place).text,
    ]
    close_round(platform, RESEARCHER, study_of(platform).id, "All hospitals have answered")
    pages.append(logged_in(RESEARCHER, "en").get(place).text)
    for page in pages:
        main = re.sub(r"(?s).*<main|</main>.*|<[^>]+>", " ", page)
        # Columns of a sheet are named in both languages, in either.
        han = set(re.findall(r"[\u4e00-\u9fff]+", main)) - set(re.findall(r"[\u4e00-\u9fff]+", "病历中的值"))
        assert not han, han
