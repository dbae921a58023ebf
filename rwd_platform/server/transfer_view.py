"""What a page says beside a question to the rules: the year's count on record, and what else an open one lacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from rwd_platform.compliance.once_known import missing_once_known
from rwd_platform.compliance.rulepack import NATIONAL
from rwd_platform.compliance.series import pack_in_force
from rwd_platform.core.clock import shanghai_date
from rwd_platform.core.errors import PlatformError
from rwd_platform.flows import provision_view
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.transfer import OUTBOUND
from rwd_platform.records.tables import TransferRecord
from rwd_platform.server.deps import Visitor

_PATH_OPEN = "UNDETERMINED"


@dataclass(frozen=True)
class LedgerNow:
    """An exporter's year as it stands: persons that left, and those reserved."""

    year: int
    general: int
    sensitive: int

    @property
    def answers(self) -> Mapping[str, str]:
        """The same as answers to the form's questions."""
        return {
            "ledger_this_year.general_only.count": str(self.general),
            "ledger_this_year.sensitive.count": str(self.sensitive),
        }


def ledger_now(platform: Platform, visitor: Visitor) -> LedgerNow | None:
    """This year's count of the visitor's own organisation; None where it provided nothing, or counts are not theirs."""
    if not visitor.may("provision.read") or not provision_view.sees_counts(visitor.actor):
        return None
    year, own = shanghai_date(platform.clock()).year, visitor.actor.organisation
    found = provision_view.ledger_of_year(platform, visitor.actor, year, own)
    count = next((one.count for one in found if one.exporter == own), None)
    return LedgerNow(year, count.general, count.sensitive) if count is not None else None


def waits_for(visitor: Visitor, record: TransferRecord) -> bool:
    """An answer on hold is a task of whoever asked, and of nobody else."""
    return record.verdict == "HOLD" and record.asked_by == visitor.actor.id and visitor.may("transfer.decide")


def once_known(record: TransferRecord) -> tuple[str, ...] | None:
    """What is missing whatever the open question turns out to be; None where the record's answer has none open.

    By the rules that gave the answer: None too where those of that day are others by now, or cannot be read.
    """
    if record.direction != OUTBOUND or record.decision.get("personal_information_path") != _PATH_OPEN:
        return None
    try:
        pack = pack_in_force(NATIONAL, date.fromisoformat(record.facts["on"]))
        same = pack.sha256 == record.decision["rule_pack"]["sha256"]
        return missing_once_known(record.facts, pack) if same else None
    except PlatformError:
        return None
