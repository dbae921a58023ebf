"""People for the tests of access: an account, a second factor, and codes computed without the product's library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
from datetime import datetime

from rwd_platform.access import second_factor
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records
from rwd_platform.records.tables import Organisation, SecondFactor, User

PASSWORD = "the right password"
SETTER = Actor("setter", "operator", "org-platform")


def hotp(secret: str, counter: int, digits: int = 6) -> str:
    """RFC 4226, 5.3, written from the text of the standard."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", counter), hashlib.sha1).digest()
    offset = digest[-1] & 0xF
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**digits).zfill(digits)


def code_at(secret: str, now: datetime, steps: int = 0) -> str:
    """RFC 6238: the code of the 30 seconds in which `now` lies, or of so many steps later."""
    return hotp(secret, int(now.timestamp()) // 30 + steps)


def add_person(records: Records, login: str = "ann", role: str = "hospital", name: str = "Ann") -> User:
    user = User(
        id=f"user-{login}", organisation_id="org-1", login=login, role=role, name=name,
        password_hash=f"hash of {PASSWORD}", created_at="2026-11-02T00:00:00.000000Z",
    )  # fmt: skip
    rows: list[Organisation | User] = [user]
    if records.find(Organisation, "org-1") is None:
        rows.append(Organisation(id="org-1", kind="hospital", name_zh="甲", name_en="A"))
    records.write(*rows, audit=Act(SETTER, "user.registered", Object("user_account", user.id)))
    return user


def add_factor(records: Records, user_id: str = "user-ann") -> tuple[str, list[str]]:
    """A confirmed factor: (secret, recovery codes). The code that confirmed it was of an hour ago."""
    user = records.get(User, user_id)
    act = Act(SETTER, "second_factor.confirmed", Object("user_account", user_id))
    with records.transaction(audit=act) as session:
        second_factor.begin(session, records.keys, user, records.clock())
    secret = secret_of(records, user_id)
    earlier = datetime.fromtimestamp(records.clock().timestamp() - 3600, records.clock().tzinfo)
    with records.transaction(audit=act) as session:
        codes = second_factor.confirm(session, records.keys, user_id, code_at(secret, earlier), earlier)
    return secret, codes


def secret_of(records: Records, user_id: str) -> str:
    return second_factor._open(records.keys, user_id, records.get(SecondFactor, user_id).sealed)
