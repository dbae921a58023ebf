"""Free texts at the doors: a researcher has them prepared, an officer reads and decides, the command line hands out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlmodel import select

from rwd_platform.flows.free_text import prepare_texts, read_text, texts_to_review
from rwd_platform.flows.jobs import drain
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, DataLockRecord, Job, Study, TextReview
from tests.cli.calling import caller
from tests.conftest import StandingClock
from tests.flows.texting import OFFICER, PLAIN_NOTE, PLANTED, both_hospitals, copy_of, deployment, lock_study
from tests.server import seed
from tests.server.conftest import LogIn, settle_people

WHY = "已通读全文，未见可识别个人的内容。"
PREPARER = Actor("user-researcher", "researcher", "org-operator")
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def locked(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    opened = deployment(sqlite_template, tmp_path_factory.mktemp("locked"), StandingClock())
    both_hospitals(opened)
    lock_study(opened)
    settle_people(opened)
    for job in opened.records.all(select(Job)):  # the uploads were admitted without a worker
        job.state = "done"
        opened.records.touch(job)
    yield opened
    opened.records.engine.dispose()


@pytest.fixture
def platform(locked: Platform, tmp_path: Path, clock: StandingClock) -> Iterator[Platform]:
    """A study that plans texts, locked; nothing prepared."""
    opened = copy_of(locked, tmp_path, clock)
    yield opened
    opened.records.engine.dispose()


@pytest.fixture
def study(platform: Platform) -> Study:
    return platform.records.all(select(Study))[0]


@pytest.fixture
def prepared(platform: Platform, study: Study) -> Platform:
    assert prepare_texts(platform, PREPARER, study.id) == 5
    return platform


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html))


def decide(client: TestClient, text_id: str, released: bool, statement: str = WHY) -> int:
    form = {"released": str(released).lower(), "statement": statement}
    return int(client.post(f"/texts/{text_id}/review", data=form).status_code)


def text_with(platform: Platform, around: str) -> str:
    rows = texts_to_review(platform, OFFICER)
    return next(row.id for row in rows if around in read_text(platform, OFFICER, row.id).text)


# -- the researcher --------------------------------------------------------------------------------------


def test_a_researcher_has_the_texts_prepared_from_the_studys_page(
    platform: Platform, study: Study, as_user: LogIn
) -> None:
    """A click queues the work once; when it is done the page counts what waits and what was held back."""
    client = as_user("researcher")
    assert "准备文本" in client.get(f"/studies/{study.id}").text
    for _ in range(2):
        answer = client.post(f"/studies/{study.id}/texts")
        assert (answer.status_code, answer.headers["location"]) == (303, f"/studies/{study.id}")
    (job,) = platform.records.all(select(Job).where(Job.kind == "texts"))
    assert (job.kind, job.state) == ("texts", "queued")
    assert "准备自由文本" in client.get(f"/studies/{study.id}").text
    assert [one.state for one in drain(platform, "w1")] == ["done"]
    page = words(client.get(f"/studies/{study.id}").text)
    assert "待审阅5" in page and "已发布0" in page and "未能清洗，未保存1" in page
    assert "再次准备" in page and "rwd text released" not in page, "nothing is released yet"


def test_a_study_that_does_not_plan_texts_is_offered_none_and_refused(
    platform: Platform, as_user: LogIn
) -> None:
    """Whoever posts the form all the same is told why at once; no job waits, and the refusal is in the log."""
    seed.seed_study(platform)
    client = as_user("researcher")
    page = client.get(f"/studies/{seed.STUDY}")
    assert page.status_code == 200 and "自由文本" not in page.text
    answer = client.post(f"/studies/{seed.STUDY}/texts")
    assert answer.status_code == 409 and "text.not_planned" in answer.text
    assert not drain(platform, "w1")
    assert client.get("/api/v1/log", params={"action": "access.refused"}).json()["total"] == 1
    assert not platform.records.all(select(TextReview))


@pytest.mark.parametrize("login", ["regulator", "privacy", "operator"])
def test_others_see_the_study_and_no_button(study: Study, as_user: LogIn, login: str) -> None:
    page = as_user(login).get(f"/studies/{study.id}")
    assert page.status_code == 200 and "准备文本" not in page.text
    assert as_user(login).post(f"/studies/{study.id}/texts").status_code == 403


# -- the officer -----------------------------------------------------------------------------------------


def test_without_texts_the_list_says_how_one_gets_there(study: Study, as_user: LogIn) -> None:
    """Most studies use none: the page tells what it is for, the three steps, and which studies plan texts."""
    page, english = (as_user("privacy", language=language).get("/texts").text for language in ("zh", "en"))
    assert "没有等待审阅的文本" in page and "No text waits for a reviewer" in english
    for step in ("free_text: true", "准备文本", "由隐私专员通读"):
        assert step in page, step
    assert "How does a text get here?" in english and f"/studies/{study.id}" in page, (
        "the study that plans texts"
    )


def test_the_officers_home_leads_to_the_texts(prepared: Platform, as_user: LogIn) -> None:
    home = as_user("privacy").get("/").text
    assert "5 段清理过的自由文本待审阅" in home and 'href="/texts"' in home
    listed = as_user("privacy").get("/texts").text
    assert all(f'href="/texts/{row.id}"' in listed for row in texts_to_review(prepared, OFFICER))


def test_one_text_is_shown_with_its_surrogates_marked_by_type(prepared: Platform, as_user: LogIn) -> None:
    """Colour and words both say what each stands for; reading is in the log under the reader's name."""
    text_id = text_with(prepared, "水煎服")
    page = as_user("privacy").get(f"/texts/{text_id}").text
    for colour, title in (
        ("person", "姓名"),
        ("day", "日期（已移动）"),
        ("number", "身份证号"),
        ("number", "手机号"),
    ):
        assert f'<mark class="surrogate surrogate-{colour}" title="{title}">⟦' in page
        assert f'<mark class="surrogate surrogate-{colour}">{title}</mark>' in page, "the legend"
    shown = re.search(r'<blockquote class="note-text"[^>]*>(.*?)</blockquote>', page, re.S)
    assert shown and words(shown[1]) == read_text(prepared, OFFICER, text_id).text.replace("\n", " ")
    english = as_user("privacy", language="en").get(f"/texts/{text_id}").text
    assert 'title="resident id"' in english and "Does this text still tell who somebody is?" in english
    readers = prepared.records.all(
        select(AuditEntry).where(AuditEntry.action == "text.read", AuditEntry.object_id == text_id)
    )
    assert [entry.actor_id for entry in readers].count("user-privacy") == 2


def test_an_officer_goes_through_them_one_at_a_time(prepared: Platform, as_user: LogIn) -> None:
    """After each decision the next one comes, and at the end the list."""
    client = as_user("privacy")
    place = client.get("/texts").text.split('class="btn btn-primary" href="')[1].split('"')[0]
    seen = []
    for number in range(5):
        seen.append(place)
        assert "您的决定" in client.get(place).text
        form = {"released": "true" if number % 2 else "false", "statement": WHY}
        answer = client.post(f"{place}/review", data=form)
        assert answer.status_code == 303
        place = answer.headers["location"]
    assert place == "/texts" and len(set(seen)) == 5
    states = sorted(row.state for row in prepared.records.all(select(TextReview)))
    assert states == ["released"] * 2 + ["withheld"] * 3
    withheld = next(row for row in prepared.records.all(select(TextReview)) if row.state == "withheld")
    assert "您的决定" not in client.get(f"/texts/{withheld.id}").text, "what is withheld stays so"


def test_a_statement_that_says_too_little_comes_back_with_the_text(
    prepared: Platform, as_user: LogIn
) -> None:
    client, text_id = as_user("privacy"), text_with(prepared, "阅片")
    client.get(f"/texts/{text_id}")
    answer = client.post(f"/texts/{text_id}/review", data={"released": "true", "statement": "可以"})
    assert answer.status_code == 422 and "text.statement_unfit" in answer.text and "阅片" in answer.text
    assert prepared.records.get(TextReview, text_id).state == "cleaned"


def test_an_unread_text_a_damaged_one_and_none_are_refused_by_name(
    prepared: Platform, as_user: LogIn
) -> None:
    client, row = as_user("privacy"), texts_to_review(prepared, OFFICER)[0]
    assert decide(client, row.id, True) == 409
    row.sealed = b"short"
    prepared.records.write(row, audit=Act(OFFICER, "text.changed", Object("text_review", row.id)))
    damaged = client.get(f"/texts/{row.id}")
    assert damaged.status_code == 409 and "text.damaged" in damaged.text
    assert client.get("/texts/none").status_code == 404
    assert client.post(f"/texts/{row.id}/review", data={"released": "perhaps"}).status_code == 422


@pytest.mark.parametrize("login", ["hospital-a", "researcher", "regulator", "operator"])
def test_nobody_else_reads_a_text(prepared: Platform, as_user: LogIn, login: str) -> None:
    """Least of all the researchers, before it is released."""
    client, row = as_user(login), texts_to_review(prepared, OFFICER)[0]
    for answer in (
        client.get("/texts"),
        client.get(f"/texts/{row.id}"),
        client.post(f"/texts/{row.id}/review", data={"released": "true", "statement": WHY}),
    ):
        assert answer.status_code == 403 and "⟦" not in answer.text
    assert prepared.records.get(TextReview, row.id).state == "cleaned"


def test_no_planted_value_is_on_any_page(prepared: Platform, study: Study, as_user: LogIn) -> None:
    pages = [as_user("researcher").get(f"/studies/{study.id}").text]
    for language in ("zh", "en"):
        officer = as_user("privacy", language=language)
        pages += [officer.get(path).text for path in ("/", "/texts", "/log")]
        pages += [officer.get(f"/texts/{row.id}").text for row in texts_to_review(prepared, OFFICER)]
    assert len(pages) == 1 + 2 * (3 + 5) and any("水煎服" in page for page in pages)
    assert [one for one in PLANTED for page in pages if one in page] == []


def test_words_that_are_markup_are_shown_as_words(platform: Platform, study: Study, as_user: LogIn) -> None:
    """What a person wrote is text, also when it looks like a page."""
    from deidentify.free_text.clean import clean
    from deidentify.free_text.detector import TextContext
    from deidentify.free_text.elements import FoundText
    from rwd_platform.flows.free_text import sealed_row
    from rwd_platform.flows.study_texts import RawText

    lock = platform.records.all(select(DataLockRecord))[0]
    found = FoundText("note[0].text", f"复查。{HOSTILE}")
    raw = RawText("d" * 64, "Observation", found, TextContext("s1", lock.project_id, b"k" * 32), True)
    row = sealed_row(platform, PREPARER, lock, raw, clean(found.text, raw.context), [])
    platform.records.write(row, audit=Act(PREPARER, "text.prepared", Object("lock", lock.id), decision={}))
    page = as_user("privacy").get(f"/texts/{row.id}").text
    assert HOSTILE not in page and "&lt;script&gt;" in page


# -- the command line --------------------------------------------------------------------------------------


def test_the_command_line_prepares_and_hands_out_what_was_released(
    platform: Platform,
    study: Study,
    as_user: LogIn,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """`rwd text prepare` and `rwd text released`: nothing before an officer has said so, then that one text."""
    monkeypatch.setenv("RWD_HOME", str(platform.layout.home))
    monkeypatch.setenv("RWD_DEMO", "true")
    rwd = caller(monkeypatch, capsysbinary)
    answer = rwd("text", "prepare", "--study", study.id, "--json")
    assert (answer.code, answer.document) == (0, {"study": study.id, "added": 5})
    assert rwd("text", "released", "--study", study.id, "--json").lines == []
    text_id, client = text_with(platform, PLAIN_NOTE), as_user("privacy")
    client.get(f"/texts/{text_id}")
    assert decide(client, text_id, True) == 303
    (one,) = rwd("text", "released", "--study", study.id, "--json").lines
    assert (one["id"], one["text"], one["spans"]) == (text_id, PLAIN_NOTE, [])
    page = as_user("researcher").get(f"/studies/{study.id}").text
    assert f"rwd text released --study {study.id} --json" in page


def test_the_command_line_refuses_a_study_that_plans_no_texts(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    from rwd_platform.flows.study import register_study
    from tests.flows.test_study import PROTOCOL

    silent = register_study(
        platform, PREPARER, PROTOCOL.replace("id: rotterdam-hormon", "id: rotterdam-silent", 1)
    )
    monkeypatch.setenv("RWD_HOME", str(platform.layout.home))
    monkeypatch.setenv("RWD_DEMO", "true")
    answer = caller(monkeypatch, capsysbinary)("text", "prepare", "--study", silent.id, "--json")
    assert (answer.code, answer.document["error"]["code"]) == (3, "text.not_planned")
    assert "free_text: true" in answer.document["error"]["next_en"]
