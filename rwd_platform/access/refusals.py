"""A refusal is an act too: who asked for what that is not theirs stands in the log.

An id that does not exist leaves the same entry as one that belongs to somebody else. People read their
own organisation's entries, so a difference there would tell them which of the two it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records

LONGEST_ID = 80

# A resident's number (GB 11643: 18 places, before 1999: 15) or a mobile telephone's, on its own: no id of ours has one.
_A_PERSONS_NUMBER = re.compile(r"(?<![0-9A-Za-z])(?:\d{17}[\dXx]|\d{15}|1[3-9]\d{9})(?![0-9A-Za-z])")
_RECORDED = "access.refused is in the log"


def record_refusal(
    records: Records, actor: Actor, action: str, kind: str, id: str, error: PlatformError
) -> None:
    """One entry for one refusal, however many doors the error passes on its way out."""
    if _RECORDED in getattr(error, "__notes__", ()):
        return
    error.add_note(_RECORDED)
    # What was asked for was typed by somebody: what can be no id of ours is not repeated.
    ours = len(id) <= LONGEST_ID and id.isascii() and id.isprintable() and not _A_PERSONS_NUMBER.search(id)
    shown = id if ours else "?"
    named = "access.refused_abroad" if actor.abroad else "access.refused"  # found among the many by its name
    act = Act(actor, named, Object(kind, shown), reason=error.code, purpose=action, outcome="refused")
    records.record(act)


@contextmanager
def refusals_recorded(records: Records, actor: Actor, action: str, kind: str, id: str) -> Iterator[None]:
    """Whatever is refused inside is in the log before it goes on."""
    try:
        yield
    except PlatformError as error:
        record_refusal(records, actor, action, kind, id, error)
        raise
