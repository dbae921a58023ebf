"""Words of the quality pages: statuses of a rule, categories of rules, answers of hospitals, and what was done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from rwd_platform.core.text import Bilingual

if TYPE_CHECKING:
    from rwd_platform.server.deps import Visitor

# A rule's statuses in the order in which bars and counts show them.
STATUSES = ("pass", "pass_with_rows", "fail", "error", "not_applicable", "not_run")
PROBLEMS = ("fail", "pass_with_rows", "error")

CATEGORIES: Mapping[str, Bilingual] = {
    "conformance": Bilingual("符合性", "Conformance"),
    "completeness": Bilingual("完整性", "Completeness"),
    "plausibility": Bilingual("合理性", "Plausibility"),
    "timeliness": Bilingual("及时性", "Timeliness"),
}
ANSWERS: Mapping[str, Bilingual] = {
    "corrected": Bilingual("已由新批次更正", "Corrected by an upload"),
    "confirmed": Bilingual("核对无误，原始记录如此", "Confirmed as it is"),
    "cannot_be_mended": Bilingual("无法更正", "Cannot be mended"),
}
ENTRIES: Mapping[str, Bilingual] = {
    "asked": Bilingual("提出质疑", "Asked"),
    "answered": Bilingual("医院答复", "The hospital answered"),
    "returned": Bilingual("退回医院", "Returned to the hospital"),
    "closed": Bilingual("关闭", "Closed"),
    "reopened": Bilingual("质量检查仍显示，重新打开", "Opened again: the quality check still shows it"),
}
_EXACT = frozenset({"hospital", "operator"})  # as in the catalogue: whose rows they are, and who keeps them


def table_titles() -> Mapping[str, Bilingual]:
    """Tables by the names that the catalogue gives them; those computed from others too."""
    from deidentify.classification import load_catalogue

    zones = load_catalogue().zones
    return {**zones["lake"].tables, **zones["derived"].tables}


def sealed(visitor: Visitor, table: str) -> bool:
    """Whether a table's counts are kept from the visitor, because they tell outcomes."""
    from rwd_platform.flows.catalogue import is_sealed

    return is_sealed(visitor.user.role, table)


def small_below(visitor: Visitor) -> int:
    """Counts of rows from 1 to below this are withheld from the visitor; 0 where every count is shown."""
    from studies.cohorts.feasibility import protection

    return 0 if visitor.user.role in _EXACT else protection().minimum
