"""What a package is told of source verification: every round from which a sheet came back.

The rows follow from the lock, so a second round asks about the same rows. No round takes the place of one that somebody
liked less: each that is closed is told whole, with why it was closed. One that is open is named, and what came back of
it is told to nobody: whoever could look first could close it, and draw again, knowing why.
"""

from __future__ import annotations

from dataclasses import dataclass

from studies.evidence.sample.agreement import Agreement, SheetUsed
from studies.evidence.sample.policy import Policy


@dataclass(frozen=True)
class ClosedRound:
    """
    number         -- from 1, in the order in which the lock's rounds were drawn; one without any return has its number
    known_until    -- YYYY-MM-DD up to which its sheets asked for the charts; with `policy` the sample is drawn again
    closed_because -- as whoever closed it wrote
    sheets         -- those that were accepted, by hospital
    outstanding    -- hospitals that returned none
    agreement      -- of exactly these sheets; None where the programs' words changed since, so that none can be read
    """

    number: int
    known_until: str
    policy: Policy
    closed_because: str
    sheets: tuple[SheetUsed, ...]
    outstanding: tuple[str, ...]
    agreement: Agreement | None


@dataclass(frozen=True)
class OpenRound:
    """`issued` sheets went out, and `returned` of them were accepted so far."""

    number: int
    known_until: str
    policy: Policy
    issued: int
    returned: int


@dataclass(frozen=True)
class Verified:
    """`rounds`: those that are closed, the newest first; `open_round`: the one that is not, once a sheet came back."""

    rounds: tuple[ClosedRound, ...]
    open_round: OpenRound | None = None

    @property
    def newest(self) -> ClosedRound | OpenRound | None:
        """The round whose sample a package shows: the newest that is closed, else the one that is open."""
        return self.rounds[0] if self.rounds else self.open_round
