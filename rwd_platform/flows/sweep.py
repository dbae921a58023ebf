"""What dead writers left behind is removed before a worker starts: parts, orphans, half-made locks."""

from __future__ import annotations

from rwd_platform.flows.platform import Platform
from rwd_platform.log.entry import Act, Object


def sweep_leftovers(platform: Platform) -> dict[str, int]:
    """How many leftovers went, by zone. Files that a living writer holds are left alone."""
    from rwd_platform.store import lock, receipts
    from rwd_platform.store.lake import Lake

    removed = {
        "landing": platform.landing.sweep(),
        "receipts": receipts.sweep(platform.layout),
        "lake": Lake(platform.layout).sweep(),
        "locks": lock.sweep(platform.layout),
    }
    if any(removed.values()):
        act = Act(platform.operator("sweep"), "store.swept", Object("store", "home"), decision=removed)
        platform.records.record(act)
    return removed
