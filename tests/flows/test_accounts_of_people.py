"""A release looks at the accounts of a package that count people, as it looks at its results."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import accounts_of_people
from rwd_platform.flows.accounts_of_people import (
    ACCOUNTS,
    ATTRITION_CSV,
    ATTRITION_JSON,
    VERIFICATION_JSON,
    small_in_accounts,
)
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release import request_release
from studies.evidence import documents
from studies.evidence.sample import files
from tests.flows.releasing import ASSEMBLER, people, put_package

SPONSOR = {"purpose": "上市后研究"}


def attrition(left: int) -> bytes:
    steps = [{"left": 0, "remaining": 600}, {"left": left, "remaining": 600 - left}]
    return json.dumps({"format_version": 1, "steps": steps}).encode()


def in_lines(left: int) -> bytes:
    """As a spreadsheet gets it."""
    head = "step,reason_zh,reason_en,left,remaining"
    return f"\ufeff{head}\n0,起始,start,0,600\n1,排除,left,{left},{600 - left}\n".encode()


def agreement(agreed: int) -> bytes:
    line = {"variable": "arm", "asked": 200, "compared": 200, "agreed": agreed}
    return json.dumps({"rows": 200, "lines": [line]}).encode()


def test_the_accounts_are_those_that_a_package_has() -> None:
    """Their names are written twice: a web process does not load what makes them."""
    assert (ATTRITION_JSON, VERIFICATION_JSON) == (documents.ATTRITION_JSON, files.VERIFICATION_JSON)
    assert ATTRITION_JSON.replace(".json", ".csv") == accounts_of_people.ATTRITION_CSV


@pytest.mark.parametrize(
    ("name", "made"), [(ATTRITION_JSON, attrition), (ATTRITION_CSV, in_lines), (VERIFICATION_JSON, agreement)]
)
def test_a_package_with_an_account_of_a_few_is_refused_to_a_sponsor(
    platform: Platform, name: str, made: Callable[[int], bytes]
) -> None:
    for id, count, state in (("EP-1", 3, "refused"), ("EP-2", 50, "requested")):
        put_package(platform, {"all": people(1, 200)}, id=id, files={name: made(count)})
        asked = request_release(platform, ASSEMBLER, id, "sponsor", "Sponsor Ltd", SPONSOR)
        assert asked.state == state, asked.verdict
    put_package(platform, {"all": people(1, 200)}, id="EP-3", files={name: made(3)})
    (found,) = request_release(platform, ASSEMBLER, "EP-3", "sponsor", "Sponsor Ltd", SPONSOR).verdict[
        "findings"
    ]
    assert found["rule"] == "account_of_few" and found["where"].startswith(name)
    assert "merge" in found["remedy_en"].lower() and found["zh"]


def test_a_larger_cell_of_a_reader_is_asked_of_the_accounts_too(platform: Platform) -> None:
    """Fifteen may be told to a sponsor and not to the public."""
    put_package(platform, {"all": people(1, 200)}, files={ATTRITION_JSON: attrition(15)})
    states = {
        kind: request_release(platform, ASSEMBLER, "EP-1", kind, circle, SPONSOR).state
        for kind, circle in (("sponsor", "Sponsor Ltd"), ("public", "public"))
    }
    assert states == {"sponsor": "requested", "public": "refused"}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"steps": 3}', b'{"steps": [{"left": "3", "remaining": 3}]}']
)
def test_an_account_that_cannot_be_read_releases_nothing(platform: Platform, content: bytes) -> None:
    put_package(platform, {"all": people(1, 200)}, files={ATTRITION_JSON: content})
    with pytest.raises(PlatformError) as refused:
        request_release(platform, ASSEMBLER, "EP-1", "sponsor", "Sponsor Ltd", SPONSOR)
    assert refused.value.code == "release.package_unreadable"


def test_a_package_without_accounts_has_no_findings_in_them() -> None:
    assert small_in_accounts({"data/05_results/ard.json": b"{}"}, 10) == [] and len(ACCOUNTS) == 3
