"""A row that says released opens no door: the log has to say so, of that content and to that recipient."""

from __future__ import annotations

import sqlite3

import pytest

from rwd_platform.core.errors import PlatformError
from rwd_platform.flows.let_go import was_let_go
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.release_ends import recall_release
from rwd_platform.flows.release_gate import RecipientOf, pass_gate
from rwd_platform.flows.release_links import download_by_link, make_link
from rwd_platform.records.tables import EvidencePackage, OutputRelease
from tests.flows.releasing import ASSEMBLER, OFFICER
from tests.flows.test_release_ends import asked_for, codes, released

SPONSOR = RecipientOf("sponsor", "Sponsor Ltd")
WHY = "接收方合同终止，须收回已提供的结果。"


def edited(platform: Platform, statement: str) -> None:
    """As somebody with the database's file does it."""
    with sqlite3.connect(str(platform.records.engine.url.database)) as connection:
        assert connection.execute(statement).rowcount > 0
    connection.close()


def gate(platform: Platform, recipient: RecipientOf = SPONSOR) -> str:
    return pass_gate(platform, ASSEMBLER, platform.records.get(EvidencePackage, "EP-1"), recipient)


def test_what_was_released_is_let_go_until_it_is_recalled(platform: Platform) -> None:
    id = released(platform)
    assert gate(platform) == id and was_let_go(platform, platform.records.get(OutputRelease, id))
    recall_release(platform, OFFICER, id, WHY)
    edited(platform, "UPDATE output_release SET state = 'released'")
    assert not was_let_go(platform, platform.records.get(OutputRelease, id))
    assert codes(lambda: gate(platform)) == "release.needed"


def test_a_request_that_was_made_a_release_behind_the_log_opens_no_door(platform: Platform) -> None:
    id = asked_for(platform)
    edited(platform, "UPDATE output_release SET state = 'released'")
    assert codes(lambda: gate(platform)) == "release.needed"
    assert codes(lambda: make_link(platform, ASSEMBLER, id, "申办者甲", 7, 3)) == "release.link_not_released"


@pytest.mark.parametrize(
    ("change", "recipient"),
    [
        ("circle = 'circle-another'", RecipientOf("sponsor", "Another Sponsor")),
        ("content_sha256 = 'ff'", SPONSOR),
        ("recipient_kind = 'researcher'", SPONSOR),
        ("package_id = 'EP-2'", SPONSOR),
    ],
)
def test_a_release_turned_to_another_recipient_or_content_opens_no_door(
    platform: Platform, change: str, recipient: RecipientOf
) -> None:
    id = released(platform)
    link = make_link(platform, ASSEMBLER, id, "申办者甲", 7, 3)
    edited(platform, f"UPDATE output_release SET {change}")
    assert codes(lambda: gate(platform, recipient)) == "release.needed"
    with pytest.raises(PlatformError) as refused:
        download_by_link(platform, link.token, "10.1.2.3")
    assert refused.value.code == "release.link_invalid"


@pytest.mark.parametrize("body", ["{}", "no json", "[]"])
def test_an_entry_that_is_none_any_more_says_nothing(platform: Platform, body: str) -> None:
    released(platform)
    edited(
        platform, f"UPDATE audit_entry SET body = CAST('{body}' AS BLOB) WHERE action = 'release.released'"
    )
    assert codes(lambda: gate(platform)) == "release.needed"
