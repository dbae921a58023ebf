"""A study's steps in the wrong order: refused at once with the reason, in the log, and never queued."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.withdraw import place_hold
from rwd_platform.log.entry import Actor
from rwd_platform.records.tables import Job, LockNotice
from tests.server import seed
from tests.server.conftest import PEOPLE, LogIn
from tests.server.test_break_glass import PATIENT, keep_somebody
from tests.studies.rotterdam_lock import rotterdam_protocol

PACKAGE = {"purpose": "registration", "audience": "authority"}
STEPS = {  # step -> address on the page, address of the API, what is sent
    "lock": ("lock", "locks", None),
    "run": ("run", "runs", None),
    "assemble": ("assemble", "packages", PACKAGE),
    "texts": ("texts", "", None),
}
REFUSED = [  # state, step, the reason
    ("registered", "lock", "study.outcomes_sealed"),
    ("registered", "run", "study.not_locked"),
    ("frozen", "run", "study.not_locked"),
    ("registered", "assemble", "study.not_analysed"),
    ("frozen", "assemble", "study.not_analysed"),
    ("locked", "assemble", "study.not_analysed"),
    ("frozen", "texts", "text.not_planned"),
]
ALLOWED = [
    ("frozen", "lock"),
    ("locked", "lock"),
    ("locked", "run"),
    ("analysed", "run"),
    ("analysed", "assemble"),
]
BUTTONS = {"registered": "freeze", "frozen": "lock", "locked": "run", "analysed": "assemble"}


@pytest.mark.parametrize(("state", "step", "code"), REFUSED)
def test_a_step_whose_turn_has_not_come_is_refused_at_once(
    platform: Platform, as_user: LogIn, state: str, step: str, code: str
):
    """The page and the API answer 409 with what is missing, in both languages; no job waits that can only fail."""
    seed.seed_study(platform, state=state)
    client = as_user("researcher")
    page, api, body = STEPS[step]
    answer = client.post(f"/studies/{seed.STUDY}/{page}", data=body)
    assert answer.status_code == 409 and code in answer.text and "card-problem" in answer.text
    if api:
        answer = client.post(f"/api/v1/studies/{seed.STUDY}/{api}", json=body)
        problem = answer.json()
        assert (answer.status_code, problem["code"]) == (409, code)
        assert not problem["zh"].isascii() and problem["en"].isascii() and problem["next_en"]
    assert not platform.records.all(select(Job))
    log = client.get("/api/v1/log", params={"action": "access.refused"}).json()
    assert log["total"] == (2 if api else 1)
    assert {entry["fields"]["reason"] for entry in log["entries"]} == {code}


@pytest.mark.parametrize(("state", "step"), ALLOWED)
def test_a_step_whose_turn_has_come_is_queued(
    platform: Platform, as_user: LogIn, monkeypatch: pytest.MonkeyPatch, state: str, step: str
):
    """Locking and running again are allowed by the life cycle, and so by the door."""
    # The seeded protocol is a text to look at.
    monkeypatch.setattr("rwd_platform.flows.dossier_inputs.frozen_protocol", lambda *_: rotterdam_protocol())
    seed.seed_study(platform, state=state)
    page, _, body = STEPS[step]
    assert as_user("researcher").post(f"/studies/{seed.STUDY}/{page}", data=body).status_code == 303
    assert [job.kind for job in platform.records.all(select(Job))] == [step]


@pytest.mark.parametrize("state", BUTTONS)
def test_the_page_offers_the_one_step_whose_turn_has_come(platform: Platform, as_user: LogIn, state: str):
    """What the server would refuse has no button."""
    seed.seed_study(platform, state=state)
    page = as_user("researcher").get(f"/studies/{seed.STUDY}").text
    for step in (*BUTTONS.values(), "texts"):
        offered = f'action="/studies/{seed.STUDY}/{step}"' in page
        assert offered is (step == BUTTONS[state]), step


@pytest.fixture
def frozen(platform: Platform) -> LockNotice:
    """An analysed study of whose lock a patient is held since: no map of persons, so its notice counts."""
    seed.seed_study(platform, state="analysed")
    keep_somebody(platform, "hospital-a")
    privacy = Actor("user-privacy", *PEOPLE["privacy"])
    cause = place_hold(platform, privacy, "hospital-a", PATIENT, "法院调取证据（2026）京01民初12号")
    notice = LockNotice(
        lock_id=seed.LOCK, cause=cause.id, organisation_id="org-operator", project_id="demo", kind="withdrawn",
        noted_at="2026-11-02T00:00:00Z",
    )  # fmt: skip
    seed._write(platform, notice)
    return notice


def test_a_study_whose_lock_holds_a_patient_who_withdrew_says_so_and_offers_a_new_lock(
    platform: Platform, as_user: LogIn, frozen: LockNotice
):
    """On its page and on the researcher's home; nothing new is offered of the old lock."""
    client = as_user("researcher")
    page = client.get(f"/studies/{seed.STUDY}").text
    assert "有患者撤回同意：请重新锁定数据" in page and frozen.lock_id[:18] in page
    assert (
        f'action="/studies/{seed.STUDY}/lock"' in page
        and f'action="/studies/{seed.STUDY}/assemble"' not in page
    )
    assert "有患者撤回同意或其数据已停止使用，请重新锁定数据" in client.get("/").text
    english = as_user("researcher", language="en")
    assert "A patient withdrew: lock the data again" in english.get(f"/studies/{seed.STUDY}").text
    assert "withdrew or was frozen; lock the data again" in english.get("/").text


@pytest.mark.parametrize("step", ["run", "assemble"])
def test_a_frozen_lock_is_refused_at_the_door(
    platform: Platform, as_user: LogIn, frozen: LockNotice, step: str
):
    """Also from a page that was opened before: the flow's own problem, and no job that can only fail."""
    page, api, body = STEPS[step]
    client = as_user("researcher")
    answer = client.post(f"/studies/{seed.STUDY}/{page}", data=body)
    assert answer.status_code == 409 and "withdrawal.lock_frozen" in answer.text
    assert (
        client.post(f"/api/v1/studies/{seed.STUDY}/{api}", json=body).json()["code"]
        == "withdrawal.lock_frozen"
    )
    assert not platform.records.all(select(Job))


def test_a_hold_that_was_lifted_leaves_no_notice(platform: Platform, as_user: LogIn, frozen: LockNotice):
    frozen.ended_at = "2026-11-03T00:00:00Z"
    seed._write(platform, frozen)
    client = as_user("researcher")
    assert "请重新锁定数据" not in client.get(f"/studies/{seed.STUDY}").text + client.get("/").text
