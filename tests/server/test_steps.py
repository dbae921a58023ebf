"""A study's steps in the wrong order: refused at once with the reason, in the log, and never queued."""

from __future__ import annotations

import pytest
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import Job
from tests.server import seed
from tests.server.conftest import LogIn

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
def test_a_step_whose_turn_has_come_is_queued(platform: Platform, as_user: LogIn, state: str, step: str):
    """Locking and running again are allowed by the life cycle, and so by the door."""
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
