"""A run's whole report: the account, who is lost, how often it errs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from studies.linkage.account import Account, account
from studies.linkage.charts import CARE, PAYMENT, PRODUCT, charts_of
from studies.linkage.comparison import Comparison, compare
from studies.linkage.errors import ErrorEstimate, estimate

FORMAT_VERSION = 1


@dataclass(frozen=True)
class LinkageReport:
    """Exact counts: `shown.shown` makes what may be shown. `withdrawn`: charts left out, whose use is frozen."""

    account: Account
    comparisons: tuple[Comparison, ...]
    errors: tuple[ErrorEstimate, ...]
    withdrawn: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "account": _plain(self.account.as_dict()),
            "comparisons": [_plain(one.as_dict()) for one in self.comparisons],
            "errors": [_plain(one.as_dict()) for one in self.errors],
            "withdrawn": self.withdrawn,
        }


def _plain(value: Any) -> Any:
    """As JSON gives it back: lists for tuples."""
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def report_of(
    places: pd.DataFrame, linked: Collection[str], seen: pd.DataFrame, received: pd.DataFrame, withdrawn: int
) -> LinkageReport:
    """`places` and `linked` as in charts.charts_of, `seen` and `received` as in comparison.compare."""
    charts = charts_of(places, linked)
    return LinkageReport(account(charts), compare(charts, seen, received), estimate(charts), withdrawn)


def role_of(tables: Mapping[str, int]) -> str:
    """What an organisation is a source of, by how many rows it sent to each table.

    Rows of care make it care: a hospital sends its own charges, too. Else cost lines make it payment, else product
    use makes it a product feed; patients alone are a hospital's.
    """
    of_care = {name for name, rows in tables.items() if rows} - _SAYS_NOTHING
    if of_care - {"cost_line", "product_use"}:
        return CARE
    return PAYMENT if "cost_line" in of_care else PRODUCT if "product_use" in of_care else CARE


# Tables that every kind of source may send.
_SAYS_NOTHING = frozenset({"patient", "consent", "provenance", "device", "medication", "resource"})
