"""`rwd quality questions | ask | answer | decide | fitness`: people by their login, one document on stdout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from rwd_platform.access.passwords import hash_password
from rwd_platform.flows.platform import Platform, open_platform
from rwd_platform.flows.study import register_study
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.tables import User
from rwd_platform.settings import Settings
from tests.cli.calling import Rwd
from tests.flows.questioning import ASKER, CLERK, HOSPITAL, RULE, SECOND, checked, result, settle

WHY = "已与病案室逐行核对，原始记录如此。"
PROTOCOL = Path(__file__).parents[2] / "studies/protocols/rotterdam.yaml"


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    home = tmp_path / "home"
    opened = open_platform(Settings(home=home, demo=True))
    settle(opened, organisations=True)
    secret = hash_password("a password for tests")
    for actor in (ASKER, CLERK, SECOND):
        user = opened.records.get(User, actor.id)
        user.password_hash = secret
        opened.records.write(user, audit=Act(ASKER, "user.registered", Object("user", user.id)))
    checked(opened, "run-1", result(RULE, HOSPITAL, "fail", 7))
    monkeypatch.setenv("RWD_HOME", str(home))
    monkeypatch.setenv("RWD_DEMO", "true")
    monkeypatch.setattr(typer, "prompt", lambda *_args, **_more: "a password for tests")
    yield opened
    opened.records.engine.dispose()


def test_from_the_finding_to_the_closed_question(rwd: Rwd, platform: Platform):
    """Three people, three logins; what is not theirs is refused with 3, what is malformed with 2."""
    asked = rwd("quality", "ask", RULE, "--hospital", HOSPITAL, "--login", ASKER.id, "--json")
    assert asked.code == 0 and asked.document["state"] == "asked" and asked.document["rows"] == 0
    id = asked.document["id"]
    again = rwd("quality", "ask", RULE, "--hospital", HOSPITAL, "--login", ASKER.id, "--json")
    assert (again.code, again.document["error"]["code"]) == (2, "question.already_asked")
    listed = rwd("quality", "questions", "--login", CLERK.id, "--json").document
    assert listed["total"] == 1 and listed["questions"][0]["now"] == {"status": "fail", "failing": 7}
    answer = ("quality", "answer", id, "--answer", "confirmed", "--text")
    assert rwd(*answer, "好", "--login", CLERK.id, "--json").code == 2
    assert rwd(*answer, WHY, "--login", ASKER.id, "--json").code == 3
    assert rwd(*answer, WHY, "--login", CLERK.id, "--json").document["state"] == "answered"
    close = ("quality", "decide", id, "--close", "--text", "已抽查原始病历，与医院的说明一致。", "--login")
    assert rwd(*close, ASKER.id, "--json").document["error"]["code"] == "question.second_person"
    assert rwd(*close, SECOND.id, "--json").document["state"] == "closed"
    assert rwd("quality", "questions", "--login", CLERK.id, "--json").document == {
        "total": 0,
        "questions": [],
    }


def test_fitness_answers_with_one_document(rwd: Rwd, platform: Platform):
    """Exit 1: the protocol is not frozen, which is not met; in words every item has its reason."""
    id = register_study(platform, ASKER, PROTOCOL.read_text(encoding="utf-8")).id
    given = rwd("quality", "fitness", id, "--json")
    assert given.code == 1 and len(given.document["items"]) == 25
    assert {one["status"] for one in given.document["items"]} <= {"met", "partly", "not_met", "not_known"}
    words = rwd("quality", "fitness", id)
    assert "relevance.population" in words.stdout.decode() and "not_known" in words.stdout.decode()
    assert rwd("quality", "fitness", "none", "--json").document["error"]["code"] == "records.not_found"
