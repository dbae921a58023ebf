"""What a case says twice, or not in JSON at all, is refused at the API too, and nothing is decided."""

from __future__ import annotations

import json

import pytest
from sqlmodel import select

from rwd_platform.flows.platform import Platform
from rwd_platform.records.tables import TransferRecord
from tests.server import seed
from tests.server.conftest import LogIn

ASKED = {"title_zh": "一次提供", "title_en": "One provision", "recipient": "Demo Ltd", "facts": seed.case(0)}


def body(facts: str) -> bytes:
    whole = json.dumps({**ASKED, "facts": "FACTS"}, ensure_ascii=False)
    return whole.replace('"FACTS"', facts).encode()


TWICE = json.dumps(seed.case(0)).replace(
    '"crosses_border": true', '"crosses_border": true, "crosses_border": false'
)


@pytest.mark.parametrize("path", ["/api/v1/transfers", "/api/v1/transfers/inbound"])
@pytest.mark.parametrize(
    ("facts", "named"),
    [
        (TWICE, "twice"),
        ('{"on": NaN}', "NaN"),
        ("[" * 100_000 + "]" * 100_000, "64"),
        ('{"on": 1' + "0" * 200 + "}", "100"),
        ('{"on": "\\u0000"}', "NUL"),
        ('{"on": ', ""),
    ],
)
def test_a_body_that_another_parser_would_repair_is_refused(
    platform: Platform, as_user: LogIn, path: str, facts: str, named: str
) -> None:
    answer = as_user("researcher").post(
        path, content=body(facts), headers={"content-type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "server.body_refused")
    assert named in answer.json()["en"]
    assert not platform.records.all(select(TransferRecord))


def test_a_body_that_says_everything_once_is_decided(platform: Platform, as_user: LogIn) -> None:
    answer = as_user("researcher").post("/api/v1/transfers", json=ASKED)
    assert (answer.status_code, answer.json()["verdict"]) == (201, "ALLOW")


def test_without_a_body_the_fields_are_named(as_user: LogIn) -> None:
    assert as_user("researcher").post("/api/v1/transfers").status_code == 422
