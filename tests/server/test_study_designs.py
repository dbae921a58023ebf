"""Before the freeze the study's page shows what its single-arm designs do in the long run."""

from __future__ import annotations

import pytest

from rwd_platform.flows.platform import Platform
from rwd_platform.flows.study import freeze_protocol, register_study
from rwd_platform.log.entry import Actor
from rwd_platform.server import protocols
from tests.server.conftest import LogIn
from tests.studies.valve import TEXT

RESEARCHER = Actor("user-researcher", "researcher", "org-operator")


def test_power_and_the_price_of_borrowing_stand_before_the_freeze(platform: Platform, as_user: LogIn) -> None:
    """55 of 60 would meet the criterion; borrowing claims it five times as often as alpha allows."""
    study = register_study(platform, RESEARCHER, TEXT)
    page = as_user("researcher", language="en").get(f"/studies/{study.id}").text
    assert "what do these designs do" in page
    for number in ("0.0121", "0.653", "75", "0.1268"):
        assert f">{number}<" in page, number
    assert "success of at least 80.0 %" in page and "55 successes or more" in page
    assert "that is the price of borrowing" in page
    at_most = TEXT.replace("\nid: valve-v\n", "\nid: valve-w\n").replace(
        "      value: 0.8\n      direction: at_least\n      alpha: 0.025\n      assumed: 0.92\n",
        "      value: 0.2\n      direction: at_most\n      alpha: 0.025\n      assumed: 0.08\n",
        1,
    )
    other = register_study(platform, RESEARCHER, at_most)
    turned = as_user("researcher", language="zh").get(f"/studies/{other.id}").text
    assert "失败率不高于 20.0 %" in turned and "至多 5 例失败" in turned
    assert "冻结之前" in as_user("researcher", language="zh").get(f"/studies/{study.id}").text


def test_after_the_freeze_they_are_gone(platform: Platform, as_user: LogIn) -> None:
    study = register_study(platform, RESEARCHER, TEXT)
    freeze_protocol(platform, RESEARCHER, study.id, "approved")
    assert (
        "what do these designs do"
        not in as_user("researcher", language="en").get(f"/studies/{study.id}").text
    )


def test_a_plan_without_its_size_says_why_nothing_is_shown(platform: Platform, as_user: LogIn) -> None:
    study = register_study(platform, RESEARCHER, TEXT.replace("    subjects: 60\n", ""))
    page = as_user("researcher", language="en").get(f"/studies/{study.id}").text
    assert page.count("does not say how many subjects are planned") == 2


@pytest.mark.parametrize("text", ["", "id: [", "a: 1"])
def test_a_text_that_is_no_protocol_shows_nothing(text: str) -> None:
    assert protocols.designs(text) == ()
