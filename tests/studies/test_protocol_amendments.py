"""What a protocol says about the frozen text that it changes is read exactly; what is wrong is named by its place."""

from __future__ import annotations

import pytest

from rwd_platform.core.errors import PlatformError
from studies.protocol import load_protocol
from tests.studies.small import small_protocol, small_text

TEXT = "ab" * 32
ONE = f"""
amendments:
  - number: "1"
    changes: {TEXT}
    dated: "2026-01-04"
    section: {{zh: 结局, en: Outcome}}
    change: {{zh: 窗口改为 90 天, en: A window of 90 days}}
    reason: {{zh: 审评意见, en: The authority asked}}
    outcomes_seen: "no"
"""
AGAIN = ONE.partition("amendments:\n")[2]


def with_amendments(text: str = ONE) -> str:
    return small_text() + text


def test_an_amendment_is_read_with_every_word_of_it():
    (one,) = load_protocol(with_amendments()).amendments
    assert (one.number, one.changes, one.dated, one.outcomes_seen) == ("1", TEXT, "2026-01-04", "no")
    assert (one.section.en, one.change.zh, one.reason.en) == (
        "Outcome",
        "窗口改为 90 天",
        "The authority asked",
    )


def test_a_protocol_without_any_has_none():
    assert small_protocol().amendments == ()


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        (TEXT, "ab" * 31, "amendments[item 1].changes"),
        (TEXT, "AB" * 32, "amendments[item 1].changes"),
        ("2026-01-04", "2026-13-04", "amendments[item 1].dated"),
        ("2026-01-04", "2999-01-04", "amendments[item 1].dated"),
        ('outcomes_seen: "no"', "outcomes_seen: no", "amendments[item 1].outcomes_seen"),
        ('outcomes_seen: "no"', "outcomes_seen: perhaps", "amendments[item 1].outcomes_seen"),
        ('    outcomes_seen: "no"\n', "", "amendments[item 1]"),
        ('    outcomes_seen: "no"', '    outcomes_seen: "no"\n    more: 1', "amendments[item 1]"),
        (ONE, "\namendments: []\n", "amendments"),
        (ONE, "\namendments: none\n", "amendments"),
        (ONE, ONE + AGAIN, "amendments[item 2].number"),
        (ONE, ONE + AGAIN.replace('"1"', '"2"').replace("01-04", "01-03"), "amendments[item 2].dated"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_place(old, new, place):
    assert old in ONE
    with pytest.raises(PlatformError) as refused:
        load_protocol(with_amendments(ONE.replace(old, new)))
    assert refused.value.code == "protocol.refused" and place in refused.value.en
