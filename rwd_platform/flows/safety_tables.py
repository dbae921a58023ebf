"""The table of adverse events goes into a lock whose protocol plans `safety`, also where nobody sent any."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

    from rwd_platform.store.lake import Lake
    from studies.protocol import Protocol


def plans_safety(protocol: Protocol) -> bool:
    return any(one.method == "safety" for one in protocol.analyses)


def events_to_lock(
    protocol: Protocol, tables: Mapping[str, pd.DataFrame], lake: Lake
) -> dict[str, pd.DataFrame]:
    """The table as it is now, whichever version of the others the protocol was written for; empty, not absent.

    An absent table would say that nobody looked; an empty one says that nothing was sent.
    """
    from studies.tables import ADVERSE_EVENT_TABLE

    if not plans_safety(protocol):
        return {}
    there = tables.get(ADVERSE_EVENT_TABLE)
    return {ADVERSE_EVENT_TABLE: lake.read(ADVERSE_EVENT_TABLE) if there is None else there}
