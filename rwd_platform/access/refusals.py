"""A refusal is an act too: who asked for what that is not theirs stands in the log.

An id that does not exist leaves the same entry as one that belongs to somebody else. People read their
own organisation's entries, so a difference there would tell them which of the two it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rwd_platform.core.errors import PlatformError
from rwd_platform.log.entry import Act, Actor, Object
from rwd_platform.records.records import Records

LONGEST_ID = 80

_RECORDED = "access.refused is in the log"


def record_refusal(
    records: Records, actor: Actor, action: str, kind: str, id: str, error: PlatformError
) -> None:
    """One entry for one refusal, however many doors the error passes on its way out."""
    if _RECORDED in getattr(error, "__notes__", ()):
        return
    error.add_note(_RECORDED)
    # What was asked for was typed by somebody: what can be no id of ours is not repeated.
    shown = id if len(id) <= LONGEST_ID and id.isascii() and id.isprintable() else "?"
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
