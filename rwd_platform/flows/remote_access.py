"""What was done from abroad in a year, out of the log: who logged in, what stayed closed, what was downloaded."""

from __future__ import annotations

from dataclasses import dataclass

from rwd_platform.access.permissions import Action, visible_organisation
from rwd_platform.audit.query import EVERYTHING, LogFilter, lines_of
from rwd_platform.core.clock import as_text, shanghai_year
from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Actor

LOGGED_IN, REFUSED = "session.opened_abroad", "access.refused_abroad"
DOWNLOADED = ("package.downloaded", "release.downloaded")  # from wherever: the entry says whether from abroad
LINK_REFUSED = "release.link_refused"
MOST = 100_000  # of a kind in a year; more are not counted


@dataclass(frozen=True)
class RemoteAccess:
    """Counts of a calendar year in Asia/Shanghai; the acts themselves are in the log.

    refused   -- what stayed closed to somebody because they were abroad
    downloads -- of packages whose release was posted as provided abroad: no other leaves
    """

    year: int
    logins: int
    refused: int
    downloads: int


def remote_access(platform: Platform, actor: Actor, year: int) -> RemoteAccess:
    """For whoever may read the log: of everybody, or of their own organisation alone. Raises 403 for others."""
    own = visible_organisation(actor, Action.LOG_READ) or ""
    since, until = (as_text(one) for one in shanghai_year(year))

    def count(*actions: str) -> int:
        wanted = (LogFilter(action=one, organisation_id=own, since=since, until=until) for one in actions)
        batches = (batch for one in wanted for batch in lines_of(platform.records, EVERYTHING, one, MOST))
        return sum(bool(line.abroad) for batch in batches for line in batch)

    return RemoteAccess(year, count(LOGGED_IN), count(REFUSED, LINK_REFUSED), count(*DOWNLOADED))
