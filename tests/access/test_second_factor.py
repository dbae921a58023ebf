"""Codes by the clock: the standard's own examples, each code once, and a secret that only its owner's row opens."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from cryptography.exceptions import InvalidTag
from sqlmodel import select

from rwd_platform.access import second_factor
from rwd_platform.access.second_factor import CodeRefused, has_factor, must_enrol, recovery_codes_left
from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import RecoveryCode, SecondFactor, User
from tests.access.people import SETTER, add_factor, add_person, code_at, hotp, secret_of
from tests.conftest import StandingClock

ACT = Act(SETTER, "second_factor.tried", Object("user_account", "user-ann"))
# RFC 6238, appendix B, SHA-1: the last six of the eight digits that it prints.
RFC_SECRET = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
RFC_6238 = [
    (59, "287082"), (1111111109, "081804"), (1111111111, "050471"),
    (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130"),
]  # fmt: skip


def spend(records: Records, code: str, now: datetime | None = None) -> str:
    with records.transaction(audit=ACT) as session:
        return second_factor.spend(session, records.keys, "user-ann", code, now or records.clock())


def refused(records: Records, code: str, now: datetime | None = None) -> str:
    with pytest.raises(CodeRefused) as caught:
        spend(records, code, now)
    return str(caught.value)


def with_secret(records: Records, secret: str) -> None:
    row = records.get(SecondFactor, "user-ann")
    row.sealed, row.last_step = second_factor._seal(records.keys, "user-ann", secret), 0
    records.write(row, audit=ACT)


@pytest.mark.parametrize(("seconds", "code"), RFC_6238)
def test_the_examples_of_the_standard_hold(records_sqlite: Records, seconds: int, code: str) -> None:
    add_person(records_sqlite)
    add_factor(records_sqlite)
    with_secret(records_sqlite, RFC_SECRET)
    now = datetime.fromtimestamp(seconds, UTC)
    assert hotp(RFC_SECRET, seconds // 30) == code, "the test's own arithmetic"
    assert refused(records_sqlite, f"{(int(code) + 1) % 10**6:06d}", now) == "wrong_code"
    assert spend(records_sqlite, code, now) == "totp"


@pytest.mark.parametrize(("steps", "taken"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_code_of_the_step_before_or_after_is_taken_and_no_other(
    records_sqlite: Records, clock: StandingClock, steps: int, taken: bool
) -> None:
    add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    code = code_at(secret, clock.now, steps)
    if taken:
        assert spend(records_sqlite, code) == "totp"
    else:
        assert refused(records_sqlite, code) == "wrong_code"


def test_a_code_works_once_and_no_earlier_one_works_after_it(records: Records, clock: StandingClock) -> None:
    """Replay: the same code, and the one of the step before, which is still within the window."""
    add_person(records)
    secret, _ = add_factor(records)
    now, before, after = (code_at(secret, clock.now, steps) for steps in (0, -1, 1))
    assert spend(records, now) == "totp"
    assert refused(records, now) == "replayed_code"
    assert refused(records, before) == "replayed_code"
    assert spend(records, after) == "totp"
    clock.advance(seconds=30)
    assert refused(records, after) == "replayed_code"
    clock.advance(seconds=30)
    assert spend(records, code_at(secret, clock.now)) == "totp"


def test_a_recovery_code_works_once(records: Records) -> None:
    add_person(records)
    _, codes = add_factor(records)
    assert len(set(codes)) == 10 == recovery_codes_left(records, "user-ann")
    assert spend(records, codes[3]) == "recovery"
    assert refused(records, codes[3]) == "replayed_code"
    assert spend(records, f"  {codes[4].upper()} ") == "recovery", "as people type it"
    assert recovery_codes_left(records, "user-ann") == 8


def test_recovery_codes_are_stored_as_hashes_and_renewing_voids_the_old_ones(records_sqlite: Records) -> None:
    add_person(records_sqlite)
    _, old = add_factor(records_sqlite)
    stored = str([row.model_dump() for row in records_sqlite.all(select(RecoveryCode))])
    assert not any(code in stored or code.replace("-", "") in stored for code in old)
    with records_sqlite.transaction(audit=ACT) as session:
        new = second_factor.new_recovery_codes(session, "user-ann", "org-1", records_sqlite.clock())
    assert refused(records_sqlite, old[0]) == "wrong_code"
    assert spend(records_sqlite, new[0]) == "recovery"


@pytest.mark.parametrize(
    "typed",
    ["", " ", "0", "12345", "1234567", "abcdef", "-12345", "+12345", "1e5", "\ud800", "\x00", "x" * 100_000,
     "²³⁴⁵⁶⁷", "' OR 1=1 --"],
)  # fmt: skip
def test_hostile_codes_are_wrong_codes(records_sqlite: Records, typed: str) -> None:
    add_person(records_sqlite)
    add_factor(records_sqlite)
    assert refused(records_sqlite, typed) == "wrong_code"


def test_full_width_digits_and_a_blank_in_the_middle_are_the_same_code(
    records_sqlite: Records, clock: StandingClock
) -> None:
    """Chinese keyboards send full-width digits; authenticators show `123 456`."""
    add_person(records_sqlite)
    secret, _ = add_factor(records_sqlite)
    code = code_at(secret, clock.now)
    wide = "".join(chr(ord(digit) + 0xFEE0) for digit in code)
    assert spend(records_sqlite, f"{wide[:3]} {wide[3:]}") == "totp"


def test_the_secret_is_sealed_and_opens_in_its_owners_row_alone(records_sqlite: Records) -> None:
    """Nothing of it is in the database or the log; copied into another's row it is worth nothing."""
    add_person(records_sqlite)
    add_person(records_sqlite, "ben")
    secret, _ = add_factor(records_sqlite)
    add_factor(records_sqlite, "user-ben")
    mine, other = (records_sqlite.get(SecondFactor, f"user-{one}") for one in ("ann", "ben"))
    assert secret.encode() not in mine.sealed
    assert secret.encode() not in b"".join(row.body for row in records_sqlite.log_entries())
    other.sealed = mine.sealed
    records_sqlite.write(other, audit=ACT)
    with pytest.raises(InvalidTag):
        secret_of(records_sqlite, "user-ben")


def test_two_people_and_two_attempts_have_two_secrets(records_sqlite: Records) -> None:
    add_person(records_sqlite)
    seen = set()
    for _ in range(3):
        with records_sqlite.transaction(audit=ACT) as session:
            user = records_sqlite.get(User, "user-ann")
            second_factor.begin(session, records_sqlite.keys, user, records_sqlite.clock())
        seen.add(secret_of(records_sqlite, "user-ann"))
    assert len(seen) == 3 and all(len(secret) >= 32 for secret in seen), "160 bits each"


def test_a_factor_guards_nothing_until_its_first_code_was_right(
    records_sqlite: Records, clock: StandingClock
) -> None:
    user = add_person(records_sqlite)
    with records_sqlite.transaction(audit=ACT) as session:
        second_factor.begin(session, records_sqlite.keys, user, clock.now)
    assert not has_factor(records_sqlite, user.id)
    secret = secret_of(records_sqlite, user.id)
    assert refused(records_sqlite, code_at(secret, clock.now)) == "wrong_code"
    with pytest.raises(CodeRefused), records_sqlite.transaction(audit=ACT) as session:
        second_factor.confirm(session, records_sqlite.keys, user.id, "000000", clock.now)
    with records_sqlite.transaction(audit=ACT) as session:
        second_factor.confirm(session, records_sqlite.keys, user.id, code_at(secret, clock.now), clock.now)
    assert has_factor(records_sqlite, user.id)
    assert refused(records_sqlite, code_at(secret, clock.now)) == "replayed_code", "it confirmed already"


def test_a_confirmed_factor_is_neither_shown_again_nor_replaced(records_sqlite: Records) -> None:
    """Whoever finds a session open cannot put their own phone in the place of its owner's."""
    user = add_person(records_sqlite)
    add_factor(records_sqlite)
    with pytest.raises(PlatformError, match="second_factor_not_begun"):
        second_factor.address(records_sqlite, user)
    with (
        pytest.raises(PlatformError, match="second_factor_not_begun"),
        records_sqlite.transaction(audit=ACT) as session,
    ):
        second_factor.begin(session, records_sqlite.keys, user, records_sqlite.clock())


@pytest.mark.parametrize(
    ("role", "required", "must"),
    [
        ("security", True, True),
        ("privacy", True, True),
        ("hospital", True, False),
        ("security", False, False),
    ],
)
def test_who_has_to_set_one_up(records_sqlite: Records, role: str, required: bool, must: bool) -> None:
    user = add_person(records_sqlite, role=role)
    assert must_enrol(records_sqlite, user, required=required) is must
    add_factor(records_sqlite)
    assert not must_enrol(records_sqlite, user, required=required)
