"""An entry: fixed fields, canonical bytes, and no personal detail inside."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from rwd_platform.log.entry import Act, Actor, Entry, Object, detail_digest, make_entry, read_entry

ACT = Act(Actor("u", "researcher", "org"), "study.frozen", Object("study", "s-1", "v2"), reason="计划完成")
AT = datetime(2026, 12, 31, 16, 0, tzinfo=UTC)


def entry_of(act: Act, **changes: Any) -> Entry:
    given = {
        "log": "rwd.test/log",
        "sequence": 7,
        "at": AT,
        "old_hash": "",
        "new_hash": "",
        "detail_hash": "",
    }
    return make_entry(act, **(given | changes))


def test_the_bytes_of_an_entry_never_change() -> None:
    """A golden entry: were these bytes to change, every log ever written would stop verifying."""
    expected = (
        '{"action":"study.frozen","actor":{"id":"u","org":"org","role":"researcher"},"detail_digest":"",'
        '"log":"rwd.test/log","new_hash":"","object":{"id":"s-1","type":"study","version":"v2"},"old_hash":"",'
        '"outcome":"done","purpose":"","reason":"计划完成","request_id":"","seq":7,"tenant":"org",'
        '"ts":"2026-12-31T16:00:00.000000Z","v":1}'
    )
    entry = entry_of(ACT)
    assert entry.body.decode() == expected
    assert entry.leaf_hash == hashlib.sha256(b"\x00" + expected.encode()).digest()


def test_the_instant_is_utc_whatever_the_clock_says() -> None:
    """An instant in Shanghai time is the same entry; one without a time zone is refused."""
    shanghai = AT.astimezone(timezone(timedelta(hours=8)))
    assert entry_of(ACT, at=shanghai).body == entry_of(ACT).body
    with pytest.raises(ValueError, match="time zone"):
        entry_of(ACT, at=AT.replace(tzinfo=None))


def test_a_decision_is_there_only_when_there_is_one() -> None:
    """The one optional field: absent is not the same as empty."""
    assert b"decision" not in entry_of(ACT).body
    decided = Act(
        ACT.actor, "transfer.decided", ACT.object, decision={"verdict": "HOLD", "missing": ["PIPIA"]}
    )
    assert json.loads(entry_of(decided).body)["decision"] == {"missing": ["PIPIA"], "verdict": "HOLD"}


@pytest.mark.parametrize(
    "action",
    [
        "",
        "frozen",
        "Study.frozen",
        "study.frozen.again",
        "study.",
        ".frozen",
        "study frozen",
        "study.frozen\n",
        "研究.冻结",
    ],
)
def test_an_action_is_noun_and_verb(action: str) -> None:
    """Filters and rights rely on the form, so nothing else gets in - no line end either."""
    with pytest.raises(ValueError, match=r"noun\.verb"):
        Act(ACT.actor, action, ACT.object)


@pytest.mark.parametrize("decision", [{"share": float("nan")}, {"n": 2**60}, {"x": object()}])
def test_what_every_language_would_not_write_alike_is_refused(decision: dict[str, Any]) -> None:
    """NaN, integers beyond 2**53 and objects have no canonical form; an entry with them does not come to be."""
    with pytest.raises(ValueError):
        entry_of(Act(ACT.actor, "transfer.decided", ACT.object, decision=decision))


@settings(max_examples=60, deadline=None)
@given(st.text(), st.text(), st.text())
def test_any_text_survives_and_stays_one_line(reason: str, purpose: str, id: str) -> None:
    """Quotes, line ends, U+2028 and emoji come back as they were; the entry is one line of JSON."""
    body = entry_of(Act(ACT.actor, "study.frozen", Object("study", id), reason=reason, purpose=purpose)).body
    fields = json.loads(body)
    assert (fields["reason"], fields["purpose"], fields["object"]["id"]) == (reason, purpose, id)
    assert b"\n" not in body


def test_detail_is_bound_by_a_salted_hash() -> None:
    """Equal details with different salts differ, so nobody can guess a detail from its digest."""
    one, two = detail_digest(b"a" * 32, {"x": "y"}), detail_digest(b"b" * 32, {"x": "y"})
    assert one != two
    assert one == hashlib.sha256(b"a" * 32 + b'{"x":"y"}').hexdigest()


def test_the_body_is_not_shown_by_accident() -> None:
    """An entry in a traceback or a log file shows its number and not what people did."""
    assert "frozen" not in repr(entry_of(ACT))


@settings(max_examples=150, deadline=None)
@given(
    st.tuples(*[st.text(max_size=12)] * 11),
    st.none()
    | st.dictionaries(st.text(max_size=5), st.integers(-9, 9) | st.text(max_size=5) | st.floats(-9, 9)),
    st.integers(0, 2**40),
    st.sampled_from(["sha256", "sm3", "dual"]),
    st.text(max_size=12),
)
def test_entries_written_the_quick_way_are_canonical_json(
    texts: tuple[str, ...], decision: dict[str, Any] | None, sequence: int, profile: str, abroad: str
) -> None:
    """Whatever people write: the bytes are those of a general RFC 8785 writer, and are read back."""
    user, role, org, id, version, reason, purpose, outcome, request, old, new = texts
    who = Actor(user, role, org, abroad)
    act = Act(who, "study.frozen", Object("study", id, version), reason, purpose, outcome, request,
              decision)  # fmt: skip
    entry = entry_of(act, sequence=sequence, old_hash=old, new_hash=new, detail_hash="d", profile=profile)
    fields = json.loads(entry.body)
    assert rfc8785.dumps(fields) == entry.body
    assert read_entry(entry.body) == fields
    assert (fields["actor"], fields["tenant"]) == ({"id": user, "role": role, "org": org}, org)
    assert (fields["object"], fields["seq"]) == ({"id": id, "type": "study", "version": version}, sequence)
    assert (fields["reason"], fields["purpose"], fields["outcome"]) == (reason, purpose, outcome)
    assert (fields["old_hash"], fields["new_hash"], fields["request_id"]) == (old, new, request)
    assert fields.get("hash", "sha256") == profile and fields.get("decision") == decision
    assert fields.get("abroad", "") == abroad


def test_an_entry_of_an_act_at_home_is_what_it_always_was() -> None:
    """The field is there only from abroad: entries of before, and their hashes, stay as they are."""
    assert "abroad" not in json.loads(entry_of(ACT).body)
    away = Act(Actor("u", "researcher", "org", "address"), ACT.action, ACT.object, reason=ACT.reason)
    with_it, without = json.loads(entry_of(away).body), json.loads(entry_of(ACT).body)
    assert with_it == without | {"abroad": "address"}


def test_what_is_no_text_is_written_or_refused_as_ever() -> None:
    """A reason that is nothing, or a number: canonical JSON has a form for them; a lone surrogate has none."""
    odd = Act(ACT.actor, ACT.action, ACT.object, reason=None)  # type: ignore[arg-type]  # what no caller may pass
    assert json.loads(entry_of(odd).body)["reason"] is None
    with pytest.raises(ValueError):
        entry_of(Act(ACT.actor, ACT.action, ACT.object, reason="\ud800"))
