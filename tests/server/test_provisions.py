"""Provisions on the pages and in the API: ledgers, lists, the card, deciding again, the yearly report, homes."""

from __future__ import annotations

import csv
import io
import json
import re
from html import unescape

import pytest
from sqlmodel import select

from rwd_platform.core.canonical import sha256_of
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.provision_view import PAGE_SIZE
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.lifecycles import ProvisionState
from rwd_platform.records.tables import AuditEntry, OutputRelease, PersonPosting, Provision
from rwd_platform.server.ledgers import Bar
from rwd_platform.server.provisions import NEXT
from rwd_platform.server.texts import STATES
from tests.flows.papers import paper, party
from tests.flows.providing import RESEARCHER, decided, keys, part, put, put_everything, revoke
from tests.flows.releasing import people, put_package
from tests.server.conftest import LogIn
from tests.server.provision_seed import ABROAD, UNCHECKED, A, B, asked, posted, put_circles, seed_provisions
from tests.server.test_pages import _CJK, visible_text


def main_of(html: str) -> str:
    return html.split("<main", 1)[1].split("</main>", 1)[0]


# -- the list and the ledgers ----------------------------------------------------------------------------------------


def test_the_year_stands_on_top_with_what_is_reserved_apart(platform: Platform, as_user: LogIn) -> None:
    """8,913 have left, 587 of 1,501 reserved are others: 9,500 of 10,000, in words and as a bar."""
    seed_provisions(platform)
    for language, wanted in (
        (
            "zh",
            ("已提供 8,913 人", "已预留 587 人", "接近安全评估标准", "按此速度", "还有 18 天", "逾期 12 天"),
        ),
        (
            "en",
            (
                "provided 8,913",
                "reserved 587",
                "Near an assessment",
                "at that pace",
                "18 days left",
                "12 days late",
            ),
        ),
    ):
        page = main_of(as_user("privacy", language=language).get("/provisions").text)
        for text in (
            *wanted,
            "9,500",
            "10,000",
            "1,000,000",
            "100,000",
            "part-posted",
            "part-reserved",
            "CERT-7",
        ):
            assert text in page, (language, text)


def test_each_provision_says_what_to_whom_and_what_is_missing(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    page = main_of(as_user("regulator").get("/provisions").text)
    for id in ids.values():
        assert f"/provisions/{id}" in page
    for text in (
        "境外申办者甲", "美国", "境内保险乙", "中国", "主体情况尚未登记", "药品医疗器械注册",
        "个人信息保护影响评估", "暂缓", "禁止", "已预留", "已提供", "已收回", "接收方的主体情况尚未登记",
    ):  # fmt: skip
        assert text in page, text


def test_a_hospital_sees_its_own_year_and_its_own_provisions(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    page = main_of(as_user("hospital-b").get("/provisions").text)
    assert "演示医院乙" in page and "演示医院甲" not in page and "8,913" not in page
    assert ids["held"] in page and ids["posted"] not in page
    assert "演示医院甲" not in main_of(as_user("hospital-b").get(f"/provisions?exporter={A}").text)
    client = as_user("hospital-b")
    hidden, absent = client.get(f"/provisions/{ids['posted']}"), client.get("/provisions/provision-x")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace(ids["posted"], "provision-x") == absent.text


def test_a_researcher_reads_no_count_anywhere(platform: Platform, as_user: LogIn) -> None:
    """Which papers are missing, to ask for them; not how many persons a year or a provision has."""
    ids = seed_provisions(platform)
    client = as_user("researcher")
    page = client.get("/provisions").text
    assert "8,913" not in page and "9,500" not in page and "人数只提供给隐私专员" in page
    for name, number in (("posted", "8,913"), ("held", "40"), ("reserved", "1,501")):
        card = main_of(client.get(f"/provisions/{ids[name]}").text)
        assert number not in visible_text(card) and "（略）" in card, name
        sent = client.get(f"/api/v1/provisions/{ids[name]}").json()
        assert sent["facts"] is None and "zh" not in sent["decision"]
    assert "个人信息保护影响评估" in client.get(f"/provisions/{ids['held']}").text
    assert client.get("/api/v1/provisions/ledgers/2026").json() == []
    assert client.get(f"/provisions/report/2026?exporter={A}").status_code == 403


@pytest.mark.parametrize("login", ["operator", "security", "auditor", "ethics"])
def test_who_has_no_part_in_it_sees_nothing(platform: Platform, as_user: LogIn, login: str) -> None:
    ids = seed_provisions(platform)
    client = as_user(login)
    for path in (
        "/provisions",
        f"/provisions/{ids['held']}",
        "/provisions/report/2026",
        "/api/v1/provisions",
    ):
        assert client.get(path).status_code == 403, path
    assert client.post(f"/provisions/{ids['held']}/decide").status_code == 403


def test_a_list_is_narrowed_and_hostile_filters_find_nothing(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    officer = as_user("privacy")
    held = main_of(officer.get("/provisions?state=held&lacks=PIPIA").text)
    assert ids["held"] in held and ids["unknown"] not in held and "缺少：个人信息保护影响评估" in held
    for query in (
        "state=%3Cscript%3E",
        "lacks=%27%20OR%201%3D1",
        "exporter=../x",
        "year=1",
        "year=2199",
        "page=9999",
    ):
        answer = officer.get(f"/provisions?{query}")
        assert answer.status_code == 200 and "<script>" not in main_of(answer.text), query
    assert ids["held"] not in main_of(officer.get("/provisions?lacks=%27%20OR%201%3D1").text)
    for query in ("year=x", "year=99999", "page=0", "state=" + "x" * 81):
        assert officer.get(f"/provisions?{query}").status_code == 422, query


def test_a_long_list_has_pages(platform: Platform, as_user: LogIn) -> None:
    put_circles(platform)
    put_everything(platform, A, but=["impact_assessment"])
    row = decided(part(platform, 1, keys(1, 2), exporter=A))
    many = [
        Provision(**{**row.model_dump(), "id": f"provision-{number:03d}", "source_id": f"release-{number}"})
        for number in range(PAGE_SIZE)
    ]
    put(platform, *many)
    officer = as_user("privacy")
    first, second = (main_of(officer.get(f"/provisions?page={page}").text) for page in (1, 2))
    assert first.count('<th scope="row">') == PAGE_SIZE and second.count('<th scope="row">') == 1
    assert "第 1–50 项，共 51 项" in first and 'rel="next"' in first and 'rel="prev"' in second


def test_a_ledger_that_cannot_be_counted_says_so_and_the_rest_is_there(
    platform: Platform, as_user: LogIn
) -> None:
    seed_provisions(platform)
    row = next(one for one in platform.records.all(select(PersonPosting)) if one.sensitive == 8_913)
    row.sealed = b"rwd-persons 1 nonsense"
    put_row = Act(RESEARCHER, "seed.written", Object("person_posting", row.provision_id))
    platform.records.write(row, audit=put_row)
    officer = as_user("privacy")
    page = main_of(officer.get("/provisions").text)
    assert "provision.posting_damaged" in page and "演示医院乙" in page and "9,500" not in page
    home = officer.get("/")
    assert home.status_code == 200 and "人员台账已损坏" in home.text
    assert officer.get(f"/provisions/report/2026?exporter={A}").status_code == 500


def test_an_empty_platform_says_how_provisions_come_about(as_user: LogIn) -> None:
    for login in ("privacy", "regulator", "hospital-a", "researcher"):
        page = main_of(as_user(login).get("/provisions").text)
        assert "还没有提供过数据" in page and "None" not in visible_text(page)


@pytest.mark.parametrize(
    ("posted", "reserved", "tone"),
    [
        (0, 0, "good"),
        (1, 0, "good"),
        (8_999, 0, "good"),
        (8_000, 1_000, "held"),
        (9_999, 1, "bad"),
        (50_000, 9, "bad"),
    ],
)
def test_a_bar_never_leaves_its_frame_and_shows_whoever_is_there(
    posted: int, reserved: int, tone: str
) -> None:
    from rwd_platform.core.text import Bilingual

    bar = Bar(Bilingual("敏感", "Sensitive"), posted, reserved, 10_000)
    svg = bar.drawing('<b>"title"</b>')
    widths = [float(one) for one in re.findall(r'class="part-(?:posted|reserved)"[^>]*width="([\d.]+)"', svg)]
    assert len(widths) == bool(posted) + bool(reserved) and sum(widths) <= 1000.01
    assert all(width > 0 for width in widths) and bar.tone == tone and "<b>" not in svg


# -- the card --------------------------------------------------------------------------------------------------------


def test_the_card_says_the_verdict_why_and_who_supplies_what_is_missing(
    platform: Platform, as_user: LogIn
) -> None:
    ids = seed_provisions(platform)
    page = main_of(as_user("privacy").get(f"/provisions/{ids['held']}").text)
    for text in (
        "暂缓", "标准合同或认证", "M10", "第八条", "本次含敏感个人信息 40 人", "PIPIA",
        "由提供方的个人信息保护负责人提供", "《个人信息保护法》", "决策支持，非法律意见", "再次判定",
        f"/papers/paper-{B}-ciio_check", "/releases/release-3", f"/log?object={ids['held']}",
        "判定所依据的事实", "national",
    ):  # fmt: skip
        assert text in page, text


def test_the_card_has_the_years_count_before_and_after(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    page = main_of(as_user("hospital-a").get(f"/provisions/{ids['reserved']}").text)
    table = re.sub(r"\s+", " ", visible_text(page[page.index("本年累计人数") :]))
    assert "敏感个人信息 8,913 9,500 10,000" in table and "一般个人信息 0 0 1,000,000" in table


def test_the_card_names_papers_that_fall_short_and_in_what(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    page = main_of(as_user("regulator").get(f"/provisions/{ids['posted']}").text)
    assert (
        "有效但不涵盖本次的" in page
        and "/papers/paper-short" in page
        and "未涵盖：目的、每年最多人数" in page
    )


def test_what_is_not_known_is_said_and_where_to_record_it(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    officer = main_of(as_user("privacy").get(f"/provisions/{ids['unknown']}").text)
    assert "接收方的主体情况尚未登记" in officer and f"/parties/{UNCHECKED}" in officer
    assert "没有进行判定" in officer
    assert f"/parties/{UNCHECKED}" not in as_user("regulator").get(f"/provisions/{ids['unknown']}").text


def test_an_opinion_that_leans_on_no_adopted_list_and_an_agreement_that_is_not_there_are_said(
    platform: Platform, as_user: LogIn
) -> None:
    """Where to record the agreement is said too; the parties were checked, so nobody is sent there."""
    put_circles(platform)
    put_everything(platform, A, but=["data_use_agreement"])
    put(platform, paper("zone_opinion", A))
    held = decided(asked(platform, 1, keys(1, 20))).id
    page = main_of(as_user("privacy").get(f"/provisions/{held}").text)
    for wanted in (
        "数据使用协议未在案，或不覆盖本次用途、数据类别、项目或接收方",
        "/papers/new?kind=data_use_agreement",
        "未涵盖：负面清单场景（清单须已采纳）",
    ):
        assert wanted in page, wanted
    assert "/parties/" not in page[page.index("尚不清楚") : page.index("决策支持")]
    put(platform, paper("data_use_agreement", A))
    allowed = decided(asked(platform, 2, keys(1, 20))).id
    page = main_of(as_user("privacy", language="en").get(f"/provisions/{allowed}").text)
    assert "The hospital agreed to this use of its data" in page and "No. data_use_agreement" in page


def test_facts_are_words_and_no_number_stands_for_a_person(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    page = visible_text(main_of(as_user("privacy").get(f"/provisions/{ids['reserved']}").text))
    assert "首个人员编号" not in page and "first_key" not in page
    assert re.search(r"数据是否离开境内\s+是", page) and re.search(r"含敏感个人信息的人数\s+1,501", page)


@pytest.mark.parametrize(
    ("language", "state", "said"),
    [("zh", "held", "暂缓"), ("zh", "posted", "已提供"), ("en", "held", "On hold")],
)
def test_a_provision_says_once_where_it_stands(
    platform: Platform, as_user: LogIn, language: str, state: str, said: str
) -> None:
    """Its state on top of one sentence; the answer of the rules beside it only where it says something else."""
    id = seed_provisions(platform)[state]
    page = main_of(as_user("privacy", language=language).get(f"/provisions/{id}").text)
    (heading,) = re.findall(r'<h2 id="stands">(.*?)</h2>', page, re.DOTALL)
    text = unescape(visible_text(page))
    assert said in heading and text.count(NEXT[state].in_language(language)) == 1  # type: ignore[arg-type]  # zh or en
    assert text.count(said) == (2 if state == "posted" else 1)  # the sentence of what has left says it again
    assert ("规则的判定" in text) is (state == "posted")


def test_a_paper_that_ran_out_long_ago_is_said_once_and_is_nobodys_task(
    platform: Platform, as_user: LogIn
) -> None:
    """Under what expired and was not renewed, and no longer among what is due today."""
    seed_provisions(platform)
    put(
        platform,
        paper(
            "certification",
            B,
            id="paper-old",
            number="CERT-OLD",
            effective_from="2020-01-01",
            valid_until="2021-01-01",
        ),
    )
    client = as_user("privacy")
    page = main_of(client.get(f"/provisions?exporter={B}").text)
    due, lapsed = page.split("过期未续的文件（1 份）")
    assert "CERT-OLD" in lapsed and "CERT-OLD" not in due and page.count("CERT-OLD") == 1
    assert "CERT-OLD" not in main_of(client.get("/").text)
    ledgers = client.get("/api/v1/provisions/ledgers/2026", params={"exporter": B}).json()
    assert [one["what"] for each in ledgers for one in each["deadlines"] if one["paper"] == "paper-old"] == [
        "lapsed"
    ]


def test_every_state_has_its_word_and_what_happens_next() -> None:
    """The tables follow the life cycle: a new state needs its words."""
    states = {state.value for state in ProvisionState}
    assert set(NEXT) == states and states <= set(STATES)


def test_a_release_is_linked_for_whoever_may_read_it_alone(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    assert "/releases/release-1" in as_user("regulator").get(f"/provisions/{ids['posted']}").text
    hospital = as_user("hospital-a").get(f"/provisions/{ids['posted']}").text
    assert "/releases/" not in main_of(hospital) and "/decide" not in hospital


def test_a_decision_under_rules_that_are_gone_is_still_shown(platform: Platform, as_user: LogIn) -> None:
    """A rule, a duty and a paper that nobody knows any more stand there by their ids."""
    ids = seed_provisions(platform)
    row = platform.records.get(Provision, ids["held"])
    row.decision = {**row.decision, "rules": ["Z9"], "missing": ["OLD_DUTY"]}
    row.papers = {"rests_on": {"old.fact": "paper-gone"}, "fell_short": []}
    row.recipient_id = "circle-gone"
    put(platform, row)
    page = main_of(as_user("privacy").get(f"/provisions/{ids['held']}").text)
    for text in ("Z9", "OLD_DUTY", "old.fact", "paper-gone", "circle-gone"):
        assert text in page, text


# -- deciding again --------------------------------------------------------------------------------------------------


def release_of(platform: Platform) -> str:
    """A provision on hold for a paper that is gone, of a real package; its id."""
    from rwd_platform.flows.provide import decide_provisions, leaving

    put_package(platform, {"all": people(1, 30)})
    row = OutputRelease(
        id="release-1", organisation_id="org-operator", project_id="demo", package_id="EP-1", product="p",
        recipient_kind="sponsor", circle="circle-sponsor", content_sha256="0" * 64, conditions={},
        verdict={"outcome": "pass", "findings": []}, state="approved", requested_by="user-researcher",
        requested_at="2026-11-01T00:00:00.000000Z",
    )  # fmt: skip
    put(platform, row)
    revoke(platform, "impact_assessment", "org-operator")
    (provision,) = decide_provisions(leaving(platform, RESEARCHER, row))
    assert provision.state == "held"
    return provision.id


@pytest.mark.parametrize("login", ["privacy", "researcher"])
def test_what_is_held_is_decided_again_by_a_button(platform: Platform, as_user: LogIn, login: str) -> None:
    id = release_of(platform)
    client = as_user(login)
    assert f"/provisions/{id}/decide" in client.get(f"/provisions/{id}").text
    assert client.post(f"/provisions/{id}/decide").status_code == 303
    assert platform.records.get(Provision, id).state == "held"
    put(platform, paper("impact_assessment", "org-operator", id="paper-new"))
    answer = client.post(f"/provisions/{id}/decide")
    assert (answer.status_code, answer.headers["location"]) == (303, f"/provisions/{id}")
    assert (
        platform.records.get(Provision, id).state == "reserved"
        and "已预留" in client.get(f"/provisions/{id}").text
    )


def test_the_api_decides_again_too(platform: Platform, as_user: LogIn) -> None:
    id = release_of(platform)
    put(platform, paper("impact_assessment", "org-operator", id="paper-new"))
    answer = as_user("privacy").post(f"/api/v1/provisions/{id}/decision")
    assert (answer.status_code, answer.json()["state"]) == (200, "reserved"), answer.text


def test_who_only_reads_decides_nothing_and_a_form_needs_its_token(
    platform: Platform, as_user: LogIn
) -> None:
    id = release_of(platform)
    put(platform, paper("impact_assessment", "org-operator", id="paper-new"))
    regulator = as_user("regulator")
    assert "/decide" not in regulator.get(f"/provisions/{id}").text
    assert regulator.post(f"/provisions/{id}/decide").status_code == 403
    assert as_user("hospital-a").post(f"/provisions/{id}/decide").status_code == 404
    assert as_user("privacy").post("/provisions/provision-x/decide").status_code == 404
    bare = as_user("privacy")
    del bare.headers["X-CSRF-Token"]
    assert bare.post(f"/provisions/{id}/decide").status_code == 403
    assert platform.records.get(Provision, id).state == "held"


def test_what_has_left_is_not_decided_again(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    release = platform.records.get(OutputRelease, "release-1")
    release.state = "released"
    put(platform, release)
    officer = as_user("privacy")
    assert "/decide" not in officer.get(f"/provisions/{ids['posted']}").text
    answer = officer.post(f"/provisions/{ids['posted']}/decide")
    assert (answer.status_code, "provision.settled" in answer.text) == (409, True)


# -- the report ------------------------------------------------------------------------------------------------------


def test_the_report_is_a_page_json_and_csv_of_one_checksum(platform: Platform, as_user: LogIn) -> None:
    """Each is one entry of the log, and all three say the same."""
    seed_provisions(platform)
    client = as_user("regulator")
    page = main_of(client.get(f"/provisions/report/2026?exporter={A}").text)
    made = client.get(f"/provisions/report/2026/json?exporter={A}")
    table = client.get(f"/provisions/report/2026/csv?exporter={A}")
    sent = json.loads(made.content)
    assert sha256_of(sent["report"]) == sent["sha256"] and sent["sha256"] in page
    lines = list(csv.reader(io.StringIO(table.content.decode("utf-8-sig"), newline="")))
    assert ["report", "sha256", sent["sha256"]] in [[*line[:2], line[-1]] for line in lines]
    assert client.get(f"/api/v1/provisions/reports/2026?exporter={A}").json()["sha256"] == sent["sha256"]
    entries = platform.records.all(select(AuditEntry).where(AuditEntry.action == "provision.reported"))
    assert len(entries) == 4 and {one.actor_id for one in entries} == {"user-regulator"}
    for answer in (made, table):
        assert "attachment" in answer.headers["content-disposition"]
        assert answer.headers["x-content-type-options"] == "nosniff"
    for text in ("8,913", "No. standard_contract", "决策支持，非法律意见"):
        assert text in page
    assert "张" not in page and "发错了人" not in page, (
        "nobody is named, and what was written about a recall stays"
    )


def test_a_hospital_has_its_report_without_asking_for_whom(platform: Platform, as_user: LogIn) -> None:
    seed_provisions(platform)
    client = as_user("hospital-b")
    assert "演示医院乙 2026 年数据提供与出境报告" in client.get("/provisions/report/2026").text
    for path in (f"/provisions/report/2026?exporter={A}", f"/provisions/report/2026/csv?exporter={A}"):
        assert client.get(path).status_code == 404
    choice = main_of(as_user("privacy").get("/provisions/report/2026").text)
    assert f"exporter={A}" in choice and f"exporter={B}" in choice
    assert not [
        one
        for one in platform.records.all(select(AuditEntry).where(AuditEntry.action == "provision.reported"))
        if one.actor_id != "user-hospital-b"
    ], "a choice is no report"


def test_an_empty_year_and_a_wrong_one(platform: Platform, as_user: LogIn) -> None:
    officer = as_user("privacy")
    empty = officer.get(f"/provisions/report/2030?exporter={A}")
    assert empty.status_code == 200 and "本年没有提供" in empty.text
    assert "还没有提供方" in officer.get("/provisions/report/2026").text
    for path in ("1999", "2201", "x", "2026/pdf", "2026/csv", "2026/json?exporter="):
        assert officer.get(f"/provisions/report/{path}").status_code == 422, path
    for exporter in ("org-none", "%3Cscript%3E"):
        answer = officer.get(f"/provisions/report/2026?exporter={exporter}")
        assert answer.status_code == 404 and "<script>" not in main_of(answer.text)


# -- the API ---------------------------------------------------------------------------------------------------------


def test_the_api_lists_and_counts_like_the_pages(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    client = as_user("regulator")
    assert {one["id"] for one in client.get("/api/v1/provisions").json()} == set(ids.values())
    held = client.get("/api/v1/provisions", params={"state": "held", "lacks": "PIPIA"}).json()
    assert [one["id"] for one in held] == [ids["held"]]
    ledgers = {one["exporter"]: one for one in client.get("/api/v1/provisions/ledgers/2026").json()}
    assert ledgers[A]["count"] == {
        "posted_general": 0,
        "posted_sensitive": 8_913,
        "reserved_general": 0,
        "reserved_sensitive": 587,
    }
    assert [one["what"] for one in ledgers[B]["deadlines"]] == ["file"]
    assert client.get("/api/v1/provisions/ledgers/1999").status_code == 422
    own = as_user("hospital-b").get("/api/v1/provisions/ledgers/2026").json()
    assert [one["exporter"] for one in own] == [B]
    assert as_user("hospital-b").get(f"/api/v1/provisions/{ids['posted']}").status_code == 404


# -- homes -----------------------------------------------------------------------------------------------------------


def test_the_privacy_officers_home_begins_with_what_is_held_due_and_unchecked(
    platform: Platform, as_user: LogIn
) -> None:
    seed_provisions(platform)
    home = main_of(as_user("privacy").get("/").text)
    wanted = (
        "1 项提供暂缓，缺少：个人信息保护影响评估",
        "1 项提供暂缓：接收方的主体情况尚未登记",
        "已逾期 12 天",
        "还有 18 天",
        "1 个主体的情况尚未核查",
        "/provisions?state=held&amp;lacks=PIPIA",
        "/papers/paper-unfiled",
    )
    for text in wanted:
        assert text in home, text
    assert home.index("缺少：个人信息保护影响评估") < home.index("最新数据锁定")
    english = as_user("privacy", language="en").get("/").text
    assert "Provisions on hold for want of" in english and "overdue by 12 days" in english


def test_a_deadline_is_named_from_thirty_days_before(platform: Platform, as_user: LogIn) -> None:
    put(platform, party(A))
    put(platform, paper("certification", A, id="paper-1", valid_until="2026-12-03"))
    assert (
        "CERT" not in as_user("privacy").get("/").text and "paper-1" not in as_user("privacy").get("/").text
    )
    put(platform, paper("certification", A, id="paper-2", valid_until="2026-12-02"))
    assert "/papers/paper-2" in as_user("privacy").get("/").text


def test_a_hospital_is_told_of_its_own_papers_and_provisions(platform: Platform, as_user: LogIn) -> None:
    seed_provisions(platform)
    mine, other = as_user("hospital-b").get("/").text, as_user("hospital-a").get("/").text
    assert "/papers/paper-unfiled" in mine and "缺少：个人信息保护影响评估" in mine
    assert "/papers/paper-unfiled" not in other and "/papers/paper-due" in other
    assert "主体的情况尚未核查" not in mine
    for login in ("researcher", "operator", "regulator"):
        assert "项提供暂缓" not in as_user(login).get("/").text, login


def test_an_alarm_about_splitting_stands_on_the_officers_home(platform: Platform, as_user: LogIn) -> None:
    put_circles(platform)
    for one in (A, B):
        put_everything(platform, one)
        put(platform, party(one, group_name="乐城集团"))
    posted(asked(platform, 1, keys(1, 6_000)))
    posted(asked(platform, 2, keys(1, 5_000), exporter=B))
    home, page = as_user("privacy").get("/").text, as_user("privacy").get("/provisions").text
    assert "请核实" in home and "乐城集团" in home and "拆分提示" in page
    hospital = as_user("hospital-a")
    assert "拆分提示" not in hospital.get("/provisions").text and "乐城集团" not in hospital.get("/").text


def test_the_regulators_home_has_each_exporters_year_and_states(platform: Platform, as_user: LogIn) -> None:
    seed_provisions(platform)
    home = visible_text(main_of(as_user("regulator").get("/").text))
    flat = re.sub(r"\s+", " ", home)
    assert "今年的数据提供与出境" in flat and "敏感个人信息 8,913 + 预留 587 / 10,000" in flat
    assert "已预留 1" in flat and "暂缓 1" in flat and "演示医院乙" in flat
    for login in ("privacy", "hospital-a", "researcher"):
        assert "今年的数据提供与出境" not in as_user(login).get("/").text


# -- words -----------------------------------------------------------------------------------------------------------


def test_the_pages_in_english_are_english(platform: Platform, as_user: LogIn) -> None:
    ids = seed_provisions(platform)
    for login in ("privacy", "regulator", "hospital-a"):
        client = as_user(login, language="en")
        paths = ["/", "/provisions", "/provisions?state=cancelled", f"/provisions/report/2026?exporter={A}"]
        paths += [f"/provisions/{id}" for name, id in ids.items() if login != "hospital-a" or name != "held"]
        for path in paths:
            answer = client.get(path)
            assert answer.status_code == 200, (login, path)
            text = visible_text(answer.text).replace("张", "").replace("中文", "")
            assert not _CJK.search(text), (login, path, _CJK.findall(text)[:20])


def test_a_hostile_name_is_shown_as_a_name(platform: Platform, as_user: LogIn) -> None:
    from rwd_platform.records.tables import ReleaseCircle

    ids = seed_provisions(platform)
    circle = platform.records.get(ReleaseCircle, ABROAD)
    circle.name_zh = '<script>alert("x")</script>'
    put(platform, circle)
    officer = as_user("privacy")
    for path in ("/provisions", f"/provisions/{ids['posted']}", f"/provisions/report/2026?exporter={A}"):
        page = officer.get(path).text
        assert "<script>alert" not in page and "&lt;script&gt;alert" in page, path
