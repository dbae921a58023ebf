"""Every page, with everything on it and with nothing at all, in both languages."""

# ruff: noqa: E501 - tables are easier to read on one line
from __future__ import annotations

import re
from pathlib import Path

import pytest

from rwd_platform.access.permissions import scope_of
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import ReleaseVote, Study
from rwd_platform.server.templating import MENU
from tests.server import seed
from tests.server.conftest import PEOPLE, LogIn

LISTS = {
    "hospital-a": ("/", "/uploads", "/uploads/new", "/quality", "/log"),
    "researcher": ("/", "/quality", "/studies", "/studies/new", "/packages", "/transfers", "/transfers/new", "/log"),
    "regulator": ("/", "/quality", "/studies", "/packages", "/transfers", "/log"),
    "operator": ("/", "/uploads", "/quality", "/studies", "/policies", "/log"),
    "privacy": ("/", "/policies", "/classification", "/quality", "/studies", "/packages", "/transfers", "/log"),
}  # fmt: skip
CASES = [(login, path) for login, paths in LISTS.items() for path in paths]
_CJK = re.compile(r"[\u4e00-\u9fff]")


def visible_text(html: str) -> str:
    """What a reader sees: no tags, no names that people and hospitals gave."""
    html = re.sub(r"<(script|style)\b.*?</\1>", "", html, flags=re.DOTALL)
    return re.sub(r"<[^>]+>", " ", html)


@pytest.mark.parametrize(("login", "path"), CASES)
def test_a_page_without_anything_on_it_says_so_and_names_the_next_step(as_user: LogIn, login: str, path: str):
    """An empty platform is where everybody begins: each list says what is missing and how it comes about."""
    answer = as_user(login).get(path)
    assert answer.status_code == 200, answer.text
    assert "<h1>" in answer.text
    assert "{{" not in answer.text and "None" not in visible_text(answer.text)


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_shows_what_the_flows_wrote(platform: Platform, as_user: LogIn, language: str):
    """One deployment with everything in it; each role opens all of its pages."""
    held = seed.seed_everything(platform)
    expected = {
        "hospital-a": {
            "/": ["收到 3,013 条" if language == "zh" else "3,013 units received", "HIS"],
            f"/uploads/{seed.UPLOAD}": ["missing-element", "3,012", "EC-2026-7", "intake.broken_gzip"],
            f"/uploads/{seed.UPLOAD}/receipt": [seed.FILE_SHA256, "Patient.name", "Ed25519"],
            f"/uploads/new?corrects={seed.UPLOAD}": ["AG-2026-01", seed.UPLOAD],
            "/quality": ["4 条规则中 3 条达标" if language == "zh" else "3 of 4 rules kept"],
        },
        "researcher": {
            "/": [seed.STUDY],
            f"/studies/{seed.STUDY}": ["0.842 (0.722–0.982)", "1,344", "2,982", "drawing-forest", "drawing-love"],
            f"/packages/{seed.PACKAGE}": ["0.84", "bagit.txt", "/packages/EP-demo-1/numbers/n0001"],
            f"/transfers/new?package={seed.PACKAGE}": [seed.PACKAGE],
            f"/studies/{seed.STUDY}/protocol.yaml": ["Demo protocol"],
        },
        "regulator": {
            "/": [seed.PACKAGE, held],
            f"/packages/{seed.PACKAGE}/numbers/{seed.NUMBER}": [seed.ARD_ID, "d" * 64, seed.UPLOAD],
            f"/transfers/{held}": ["SA_NOT_IN_FORCE", "national"],
            "/transfers": ["Demo Sponsor Ltd"],
            "/log": ["transfer.decided", "/log/verify"],
        },
        "operator": {"/": ["HIS"], "/uploads": ["HIS"], f"/studies/{seed.STUDY}": ["Demo study" if language == "en" else "演示研究"]},
    }  # fmt: skip
    for login, pages in expected.items():
        client = as_user(login, language=language)
        for path, wanted in pages.items():
            answer = client.get(path)
            assert answer.status_code == 200, (login, path, answer.text[-800:])
            for text in wanted:
                assert text in answer.text, (login, path, text)


def test_a_page_in_english_is_english(platform: Platform, as_user: LogIn):
    """Apart from names that people gave - files, persons, the other language's own name - no Chinese is left."""
    seed.seed_everything(platform)
    given = ("张", "患者 2026-10", "中文", "主要结果", "流失")
    for login, paths in LISTS.items():
        client = as_user(login, language="en")
        for path in (
            *paths,
            f"/uploads/{seed.UPLOAD}",
            f"/studies/{seed.STUDY}",
            f"/packages/{seed.PACKAGE}",
        ):
            text = visible_text(client.get(path).text)
            for name in given:
                text = text.replace(name, "")
            assert not _CJK.search(text), (login, path, _CJK.findall(text)[:20])


def test_the_privacy_officers_home_names_what_waits_for_their_vote(platform: Platform, as_user: LogIn):
    """First the votes, then how sure we are about the newest lock, then what was left behind last."""
    seed.seed_everything(platform)
    seed.seed_decisions(platform)
    page = as_user("privacy").get("/").text
    for wanted in (
        "/break-glass/bg-1",
        "/releases/release-1",
        "/risk/risk-1",
        "只能在安全分析环境内使用",
        "第 2 级",
    ):
        assert wanted in page, wanted
    assert "演示医院甲申请查看一名患者的身份，限 30 分钟" in page and "提供给主管部门" in page
    assert "1 段清理过的自由文本待审阅" in page and "Patient.name" in page
    assert "今天要处理的 3 件事" in page, "three decisions; an answer on hold waits for whoever asked"
    english = as_user("privacy", language="en").get("/").text
    assert "Level 2 of GB/T 42460" in english and "1 cleaned free texts" in english
    assert "p1.intl.1." not in page and "严重不良事件" not in page, (
        "whose and why is told on the request's own page"
    )


def test_nobody_is_asked_twice_nor_about_what_they_asked_for_themselves(platform: Platform, as_user: LogIn):
    """A vote that was given, and one's own request, are not offered; the second officer still sees both."""
    seed.seed_everything(platform)
    seed.seed_decisions(platform, requested_by="user-privacy")
    vote = ReleaseVote(
        release_id="release-1", approver_id="user-privacy", organisation_id="org-operator", approved=True,
        reason="demo", voted_at="2026-11-02T08:00:00Z",
    )  # fmt: skip
    platform.records.write(vote, audit=Act(seed.SEED, "seed.written", Object("release_vote", "release-1")))
    mine, other = (as_user(login).get("/").text for login in ("privacy", "privacy-2"))
    assert "/break-glass/bg-1" not in mine and "/releases/release-1" not in mine
    assert "/break-glass/bg-1" in other and "/releases/release-1" in other
    for login in ("hospital-a", "researcher", "regulator", "operator"):
        assert "待您表决" not in as_user(login).get("/").text, login


def test_every_role_has_a_menu_of_six_at_most_and_every_entry_opens(as_user: LogIn):
    """What a role may open and does not stand in its menu is linked from its home: no page is out of reach."""
    for login in LISTS:
        client = as_user(login)
        home = client.get("/").text
        menu = re.findall(r'<a href="([^"]+)"', home[home.index('<nav class="side"') : home.index("</nav>")])
        _, _, below = home.partition('<nav class="besides"')
        besides = re.findall(r'<a href="([^"]+)"', below)
        assert 1 < len(menu) <= 6 and not set(menu) & set(besides), login
        for address in (*menu, *besides):
            assert client.get(address).status_code == 200, (login, address)
        allowed = {entry[0] for entry in MENU if not entry[3] or _may(login, entry[3])}
        assert allowed == {*menu, *[one for one in besides if one.startswith("/")]} & {e[0] for e in MENU}, (
            login
        )


def _may(login: str, action: str) -> bool:
    role, organisation = PEOPLE[login]
    return scope_of(Actor("a", role, organisation), action) is not None


def test_what_is_anothers_looks_like_what_is_not_there(platform: Platform, as_user: LogIn):
    """A hospital that tries another's upload learns nothing, not even that it exists."""
    seed.seed_everything(platform)
    client = as_user("hospital-a")
    hidden, absent = client.get("/uploads/upload-b"), client.get("/uploads/upload-x")
    assert hidden.status_code == absent.status_code == 404
    assert hidden.text.replace("upload-b", "upload-x") == absent.text
    for path in ("upload-b", "upload-b/receipt", "upload-b/rejects", "upload-b/rejects/file"):
        assert client.get(f"/api/v1/uploads/{path}").status_code == 404, path


def test_a_hospital_sees_its_own_card_its_own_log_and_nobody_elses(platform: Platform, as_user: LogIn):
    """The quality run is over all hospitals; a hospital's page holds its own part."""
    seed.seed_everything(platform)
    page = as_user("hospital-a").get("/quality").text
    assert "演示医院甲" in page and "演示医院乙" not in page and "同一患者有两条基本信息" not in page
    report = as_user("hospital-b").get("/api/v1/quality").json()[0]["report"]
    assert [one["organisation_id"] for one in report["scorecard"]["hospitals"]] == ["hospital-b"]
    assert [one["organisation_id"] for one in report["gate"]["hospitals"]] == ["hospital-b"]
    assert "checks" not in report
    log = as_user("hospital-a").get("/api/v1/log").json()
    assert {entry["fields"]["tenant"] for entry in log["entries"]} <= {"hospital-a"}


def test_the_operator_sees_that_a_study_is_analysed_and_not_what_it_found(platform: Platform, as_user: LogIn):
    """Whoever runs the machines needs states, not results."""
    seed.seed_everything(platform)
    page = as_user("operator").get(f"/studies/{seed.STUDY}").text
    assert "演示研究" in page and "drawing-forest" not in page and "0.842" not in page
    assert as_user("operator").get(f"/api/v1/studies/{seed.STUDY}/runs").status_code == 403


def test_the_log_is_found_by_what_where_and_who(platform: Platform, as_user: LogIn):
    """Filters narrow the log, pages divide it, and hostile filters find nothing and break nothing."""
    held = seed.seed_everything(platform)
    client = as_user("regulator")
    found = client.get("/api/v1/log", params={"action": "transfer.decided", "object": held}).json()
    assert (found["total"], found["entries"][0]["fields"]["decision"]["verdict"]) == (1, "HOLD")
    assert client.get("/api/v1/log", params={"actor": "nobody"}).json()["total"] == 0
    assert client.get("/log", params={"object": "<script>alert(1)</script>' OR 1=1"}).status_code == 200
    assert "<script>alert" not in client.get("/log", params={"object": "<script>alert(1)"}).text
    assert client.get("/log?page=999999").status_code == 200
    assert client.get("/log?page=0").status_code == 422


def test_looking_up_where_a_number_comes_from_is_in_the_log(platform: Platform, as_user: LogIn):
    """The chain goes from the number to each line's digest; asking for it is a read of patients' provenance."""
    seed.seed_everything(platform)
    client = as_user("regulator")
    chain = client.get(f"/api/v1/packages/{seed.PACKAGE}/numbers/{seed.NUMBER}").json()
    assert (chain["subjects"], chain["lines"]) == (2, 3)
    assert [line["line"] for line in chain["sample"]] == [7, 8, 9]
    found = client.get("/api/v1/log", params={"action": "trace.read"}).json()
    assert found["entries"][0]["fields"]["actor"]["id"] == "user-regulator"
    missing = client.get(f"/api/v1/packages/{seed.PACKAGE}/numbers/no-such")
    assert (missing.status_code, missing.json()["code"]) == (404, "trace.number_unknown")


def test_a_package_is_downloaded_as_it_lies_there_and_the_download_is_logged(
    platform: Platform, as_user: LogIn
):
    """The bytes have the checksum that the page shows."""
    from rwd_platform.core.canonical import sha256_hex

    seed.seed_everything(platform)
    client = as_user("regulator")
    about = client.get(f"/api/v1/packages/{seed.PACKAGE}").json()
    answer = client.get(f"/packages/{seed.PACKAGE}/file")
    assert sha256_hex(answer.content) == about["sha256"]
    assert "attachment" in answer.headers["content-disposition"]
    assert client.get("/api/v1/log", params={"action": "package.downloaded"}).json()["total"] == 1


def test_a_package_that_does_not_verify_is_said_not_to(platform: Platform, as_user: LogIn):
    """The seeded archive is no real package: verification says so and names what is wrong."""
    seed.seed_everything(platform)
    client = as_user("regulator")
    answer = client.post(f"/packages/{seed.PACKAGE}/verify", headers={"HX-Request": "true"})
    assert answer.status_code == 200 and "card-problem" in answer.text and "<html" not in answer.text
    outcome = client.post(f"/api/v1/packages/{seed.PACKAGE}/verification").json()
    assert outcome["verified"] is False and outcome["failures"]


def test_a_package_whose_file_is_gone_says_what_to_do(platform: Platform, as_user: LogIn):
    """A lost file is an error with a next step, not an empty page."""
    seed.seed_everything(platform)
    (platform.layout.packages / f"{seed.PACKAGE}.zip").unlink()
    answer = as_user("regulator").get(f"/packages/{seed.PACKAGE}")
    assert answer.status_code == 503 and "package.file_missing" in answer.text


def test_the_long_steps_of_a_study_are_queued_once(platform: Platform, as_user: LogIn):
    """A double click on a button queues one job, and the page shows its card instead of the button."""
    seed.seed_study(platform, state="frozen")
    client = as_user("researcher")
    for _ in range(2):
        answer = client.post(f"/studies/{seed.STUDY}/lock")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/studies/{seed.STUDY}")
    page = client.get(f"/studies/{seed.STUDY}").text
    assert 'hx-get="/jobs/job-' in page and "锁定数据</button>" not in page
    assert as_user("researcher").get("/api/v1/log", params={"action": "job.queued"}).json()["total"] == 1


def test_a_job_card_that_has_nothing_new_to_say_stays_silent(platform: Platform, as_user: LogIn):
    """The card asks every second; screen readers are only told what has changed."""
    seed.seed_study(platform, state="frozen")
    client = as_user("researcher")
    job = client.post(f"/api/v1/studies/{seed.STUDY}/locks").json()
    assert client.get(f"/jobs/{job['id']}/card").status_code == 200
    assert client.get(f"/jobs/{job['id']}/card?seen=queued--0").status_code == 204
    assert as_user("hospital-a").get(f"/jobs/{job['id']}/card").status_code == 404


def test_freezing_needs_a_reason_and_fixes_the_protocol(platform: Platform, as_user: LogIn):
    """The reason stands in the log; freezing twice is refused with the present state."""
    real = Path(__file__).parents[2] / "studies" / "protocols" / "rotterdam.yaml"
    seed.seed_study(platform, state="registered", protocol=real.read_text(encoding="utf-8"))
    client = as_user("researcher")
    assert client.post(f"/studies/{seed.STUDY}/freeze", data={"reason": ""}).status_code == 422
    assert client.post(f"/studies/{seed.STUDY}/freeze", data={"reason": "已审定"}).status_code == 303
    again = client.post(f"/studies/{seed.STUDY}/freeze", data={"reason": "again"})
    assert (again.status_code, "lifecycle.not_allowed" in again.text) == (409, True)
    entry = client.get("/api/v1/log", params={"action": "study.frozen"}).json()["entries"][0]
    assert entry["fields"]["reason"] == "已审定"


def test_a_protocol_with_a_mistake_comes_back_with_the_text_kept(as_user: LogIn):
    """Input is never lost: the mistake is named and the text stands there to be mended."""
    answer = as_user("researcher").post("/studies", data={"protocol": "id: x\ntitle: my own words\n"})
    assert 400 <= answer.status_code < 500
    assert "my own words" in answer.text and "card-problem" in answer.text


def test_the_example_protocol_registers(as_user: LogIn):
    """What the page offers as an example is a protocol that the platform takes."""
    client = as_user("researcher")
    text = client.get("/studies/new?example=rotterdam").text
    assert "rotterdam-hormon" in text
    from rwd_platform.server import protocols

    answer = client.post("/studies", data={"protocol": protocols.example("rotterdam")})
    assert answer.status_code == 303, answer.text
    assert client.get(answer.headers["location"]).status_code == 200


def test_a_transfer_is_decided_from_the_form(platform: Platform, as_user: LogIn):
    """Each fact is answered in the form; the decision card is the answer. What is missing comes back with the rest kept."""
    from rwd_platform.server import transfer_form

    client = as_user("researcher")
    flat = transfer_form.flat(seed.case(0))
    form = {"title_zh": "汇总", "title_en": "Aggregate", "recipient": "Sponsor"}
    for question in transfer_form.QUESTIONS:
        value = flat.get(question.key)
        form[question.key] = (
            ""
            if value is None
            else {True: "yes", False: "no"}.get(value, value)
            if isinstance(value, bool)
            else str(value)
        )
    answer = client.post("/transfers", data=form)
    assert answer.status_code == 303, answer.text
    assert "放行" in client.get(answer.headers["location"]).text
    del form["data.important"]
    again = client.post("/transfers", data=form)
    assert "data.important" in again.text and 'value="Sponsor"' in again.text
    assert "transfer.missing_key" in again.text


def test_ids_stand_behind_the_names_of_things(platform: Platform, as_user: LogIn):
    """A planned analysis by its title, a study by its title, a program by what it is; the id is small beside it."""
    seed.seed_everything(platform)
    seed.seed_decisions(platform)
    study = platform.records.get(Study, seed.STUDY)
    study.frozen_by = "demo-researcher"
    study.protocol += (
        "  - {zh: 第二条, en: Second}\n"
        "covariates:\n"
        "  - {name: meno, title: {zh: 绝经状态, en: Menopause}, levels: [{id: postmenopausal, title: {zh: 绝经后, en: After}}]}\n"
    )
    platform.records.write(study, audit=Act(seed.SEED, "seed.written", Object("study", seed.STUDY)))
    page = as_user("researcher").get(f"/studies/{seed.STUDY}").text
    assert "演示研究者，" in page and "demo-researcher" not in page
    assert "绝经状态：绝经后" in page and "meno postmenopausal" not in page
    assert "P 值" in page and '<div class="mono small">restricted.log_rank.p_value</div>' in page
    english = as_user("researcher", language="en").get(f"/studies/{seed.STUDY}").text
    assert "Menopause: After" in english and "the demo&#39;s researcher, " in english.replace("'", "&#39;")
    for login, path in (("privacy", "/"), ("privacy", "/texts"), ("privacy", "/risk"), ("regulator", "/")):
        assert "演示研究" in as_user(login).get(path).text, (login, path)
    package = as_user("researcher").get(f"/packages/{seed.PACKAGE}").text
    assert "演示监管部门" in package and "（org-authority）" not in package
    assert "org-authority" not in visible_text(package)


def test_the_survival_curve_has_the_title_of_its_analysis(platform: Platform, as_user: LogIn):
    """Only what the protocol does not name is shown by its id alone."""
    seed.seed_everything(platform)
    unnamed = as_user("researcher").get(f"/studies/{seed.STUDY}").text
    assert "<h3><code>restricted.km</code></h3>" in unnamed
    study = platform.records.get(Study, seed.STUDY)
    study.protocol = study.protocol.replace(
        "analyses:\n", "analyses:\n  - {id: restricted.km, title: {zh: 生存曲线图, en: Survival}}\n"
    )
    platform.records.write(study, audit=Act(seed.SEED, "seed.written", Object("study", seed.STUDY)))
    named = as_user("researcher").get(f"/studies/{seed.STUDY}").text
    assert '<h3>生存曲线图 <span class="mono small">restricted.km</span></h3>' in named
