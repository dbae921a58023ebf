"""An answer of the rules on the pages: whose task it is, what it says in the log, what it says of what is missing."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.transfer import decide_transfer
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.tables import AuditEntry, TransferRecord, User
from rwd_platform.server import transfer_form
from tests.server import seed
from tests.server.conftest import LogIn
from tests.server.test_pages import _CJK, visible_text
from tests.server.test_provisions import main_of

ASKERS = ("hospital-a", "researcher", "privacy")


def asked_by(platform: Platform, login: str, persons: int = 20_000, **facts: str) -> TransferRecord:
    (user,) = platform.records.all(select(User).where(User.login == login))
    case = seed.case(persons)
    case["exporter"]["ciio"] = facts.get("ciio", "no")
    case["duties"]["impact_assessment"] = facts.get("assessed", "yes") == "yes"
    return decide_transfer(
        platform,
        Actor(user.id, user.role, user.organisation_id),
        title=Bilingual("给新加坡的记录", "Records to Singapore"),
        recipient="NUH",
        facts=case,
    )


def filled(**differs: str) -> dict[str, str]:
    flat, words = transfer_form.flat(seed.case(0)), {True: "yes", False: "no", None: ""}
    answers = {one.key: flat.get(one.key) for one in transfer_form.QUESTIONS}
    form = {
        key: words[value] if value is None or isinstance(value, bool) else str(value)
        for key, value in answers.items()
    }
    return {"title_zh": "汇总", "title_en": "Aggregate", "recipient": "Sponsor", **form, **differs}


# -- who may ask, and whose task the answer is ------------------------------------------------------------------------


@pytest.mark.parametrize("login", ASKERS)
def test_hospitals_and_officers_ask_like_researchers(as_user: LogIn, login: str) -> None:
    """May these records go to Singapore? Whoever would send them, or must decide, can ask."""
    client = as_user(login)
    assert 'href="/transfers"' in client.get("/").text, "it is found from the home"
    assert client.get("/transfers/new").status_code == 200
    answer = client.post("/transfers", data=filled())
    assert answer.status_code == 303 and "放行" in client.get(answer.headers["location"]).text


def test_a_hospital_sees_its_own_questions_and_an_officer_all(platform: Platform, as_user: LogIn) -> None:
    own, foreign = asked_by(platform, "hospital-a"), asked_by(platform, "researcher")
    hospital, officer = as_user("hospital-a"), as_user("privacy")
    assert hospital.get(f"/transfers/{own.id}").status_code == 200
    assert hospital.get(f"/transfers/{foreign.id}").status_code == 404
    assert foreign.id not in hospital.get("/transfers").text
    assert all(one.id in officer.get("/transfers").text for one in (own, foreign))


@pytest.mark.parametrize("login", ASKERS)
def test_an_answer_on_hold_is_a_task_of_whoever_asked_alone(
    platform: Platform, as_user: LogIn, login: str
) -> None:
    held = asked_by(platform, login)
    for other in (*ASKERS, "privacy-2", "regulator"):
        todo = f'href="/transfers/{held.id}">查看缺什么' in as_user(other).get("/").text
        assert todo is (other == login), other
    client = as_user(login)
    assert "知道了" in client.get(f"/transfers/{held.id}").text
    assert client.post(f"/transfers/{held.id}/seen", data={}).headers["location"] == "/"
    assert "查看缺什么" not in client.get("/").text, "closed"
    assert "知道了" not in client.get(f"/transfers/{held.id}").text
    assert held.id in client.get("/transfers").text, "and kept"


def test_closing_is_one_act_in_the_log_and_changes_nothing_on_record(
    platform: Platform, as_user: LogIn
) -> None:
    held = asked_by(platform, "researcher")
    client = as_user("researcher")
    for _ in range(2):
        client.post(f"/transfers/{held.id}/seen", data={})
    entries = [
        one for one in platform.records.all(select(AuditEntry)) if one.action == "transfer.answer_seen"
    ]
    assert [(one.object_id, one.outcome) for one in entries] == [(held.id, "done")]
    assert platform.records.get(TransferRecord, held.id).decision == held.decision


def test_nobody_closes_what_somebody_else_asked(platform: Platform, as_user: LogIn) -> None:
    held = asked_by(platform, "researcher")
    assert "知道了" not in as_user("privacy").get(f"/transfers/{held.id}").text
    refused = as_user("privacy").post(f"/transfers/{held.id}/seen", data={})
    assert refused.status_code == 403 and "transfer.not_yours_to_close" in refused.text
    assert as_user("hospital-a").post(f"/transfers/{held.id}/seen", data={}).status_code == 404
    assert "查看缺什么" in as_user("researcher").get("/").text


# -- what the log says ------------------------------------------------------------------------------------------------


def test_the_log_shows_the_answer_and_no_refusal(platform: Platform, as_user: LogIn) -> None:
    """The entry's own outcome stays; people read the verdict."""
    held = asked_by(platform, "researcher")
    (entry,) = [one for one in platform.records.all(select(AuditEntry)) if one.object_id == held.id]
    assert entry.outcome == "refused"
    client = as_user("auditor")
    for path in (f"/log?object={held.id}", f"/log/{entry.sequence}"):
        page = visible_text(main_of(client.get(path).text))
        shown = page.replace("已拒绝", "", 1) if path.startswith("/log?") else page  # the filter's own word
        assert "暂缓" in shown and "已拒绝" not in shown, path


def test_the_auditors_home_lists_refused_acts_and_no_answers(platform: Platform, as_user: LogIn) -> None:
    """Ten answers on hold do not push one refused act out of sight."""
    act = Act(
        Actor("user-x", "operator", "org-operator"),
        "access.refused",
        Object("study", "st-1"),
        reason="access.not_allowed",
        purpose="study.read",
        outcome="refused",
    )
    platform.records.record(act)
    for _ in range(10):
        asked_by(platform, "researcher")
    page = main_of(as_user("auditor").get("/").text)
    listed = page[page.index('id="refused"') :]
    assert "查看研究" in listed and "按规则判定了一次数据提供" not in listed


# -- what else is missing ---------------------------------------------------------------------------------------------


def test_an_open_question_is_told_with_what_is_missing_besides(platform: Platform, as_user: LogIn) -> None:
    """Nobody finds out about the operator, asks again, and only then learns of the assessment."""
    held = asked_by(platform, "researcher", ciio="unknown", assessed="no")
    assert held.decision["missing"] == [], "the rules' own answer stays as it is"
    page = visible_text(main_of(as_user("researcher").get(f"/transfers/{held.id}").text))
    assert "查明之后还缺什么" in page and "PIPIA" in page and "SA_NOT_IN_FORCE" in page
    english = as_user("researcher", language="en").get(f"/transfers/{held.id}").text
    assert "What is missing once this is known" in english
    known = asked_by(platform, "researcher")
    assert "查明之后还缺什么" not in as_user("researcher").get(f"/transfers/{known.id}").text


# -- the form ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_form_asks_for_no_key_and_has_a_hint_for_each_field(as_user: LogIn, language: str) -> None:
    page = main_of(as_user("privacy", language=language).get("/transfers/new").text)
    assert "first_key" not in page and "首个人员编号" not in page
    assert page.count('class="hint"') == len(transfer_form.QUESTIONS)
    for one in transfer_form.QUESTIONS:
        assert f'aria-describedby="{one.key.replace(".", "-")}-hint"' in page
    if language == "en":
        assert not _CJK.search(visible_text(page))


def test_persons_who_are_counted_already_are_shown_with_the_answer(
    platform: Platform, as_user: LogIn
) -> None:
    client = as_user("hospital-a")
    numbers = {
        "persons.sensitive.count": "40",
        "ledger_this_year.sensitive.count": "100",
        "already_counted.sensitive": "30",
        "data.anonymised_and_reviewed": "no",
    }
    answer = client.post("/transfers", data=filled(**numbers), follow_redirects=True)
    text = visible_text(main_of(answer.text))
    assert "敏感 110 人" in text and "已计入本年敏感累计的人数" in text
    many = client.post("/transfers", data=filled(**{**numbers, "already_counted.sensitive": "41"}))
    assert many.status_code == 422 and "transfer.already_counted_unfit" in many.text
    assert 'value="41"' in many.text, "what was filled in stays"


def test_a_title_that_nobody_can_see_or_that_turns_is_refused(platform: Platform, as_user: LogIn) -> None:
    client = as_user("researcher")
    for field in ("title_zh", "title_en", "recipient"):
        for hostile in ("   ", "\u3000", "A\u202etxt.exe", "A\u200b", "A\u2028B"):
            answer = client.post("/transfers", data=filled(**{field: hostile}))
            assert answer.status_code == 422 and "transfer.text_unseen" in answer.text, (field, hostile)
    assert platform.records.all(select(TransferRecord)) == []


def test_a_day_years_ahead_is_refused_and_the_rest_stays(platform: Platform, as_user: LogIn) -> None:
    answer = as_user("researcher").post("/transfers", data=filled(on="2099-01-01"))
    assert (
        answer.status_code == 422 and "transfer.day_far" in answer.text and 'value="Sponsor"' in answer.text
    )
    assert platform.records.all(select(TransferRecord)) == []
