"""The twin's tables as they grow: rows are added subject by subject, and become frames with fixed types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from rwd_platform.core.columns import ROW_ORDER, SOURCE_ROW, SUBJECT_ID
from studies.dataset import SITE
from studies.evidence.templates.rerun import KINDS
from studies.tables import ADVERSE_EVENT_COLUMNS, ADVERSE_EVENT_TABLE, EVENT_TABLES, SUBJECT_TABLE

# Of every table; `kind` of a column -> pandas type, as the program that reads it back in a package knows them.
_EVERY = {SUBJECT_ID: "text", SITE: "text", ROW_ORDER: "order", SOURCE_ROW: "text"}
_VALUES = {"value_text": "text", "value": "number", "unit_code": "text", "value_code": "text"}
_FLAGS = ("device_deficiency",)


class Tables:
    """Every table that the protocol reads, also those without a row."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, str]] = {}
        self._rows: dict[str, list[dict[str, Any]]] = {}
        self._order: dict[tuple[str, str], int] = {}

    def need(self, table: str, columns: Mapping[str, str] | None = None) -> None:
        """The table is there, with the columns that studies read of it and `columns` (name -> kind) beside them."""
        kinds = self._kinds.setdefault(table, {**_EVERY, **_usual(table)})
        for name, kind in (columns or {}).items():
            kinds.setdefault(name, kind)
        self._rows.setdefault(table, [])

    def add(self, table: str, subject: str, site: str, values: Mapping[str, Any]) -> None:
        place = self._order.get((table, subject), 0)
        self._order[table, subject] = place + 1
        rows = self._rows[table]
        name = f"twin:{table}:{len(rows) + 1}"
        rows.append({SUBJECT_ID: subject, SITE: site, ROW_ORDER: place, SOURCE_ROW: name, **values})

    def frames(self) -> dict[str, pd.DataFrame]:
        """By name; a value that was not given is missing."""
        return {name: self._frame(name) for name in sorted(self._kinds)}

    def _frame(self, name: str) -> pd.DataFrame:
        rows = self._rows[name]
        columns = {
            column: pd.Series([row.get(column) for row in rows], dtype=KINDS[kind])
            for column, kind in self._kinds[name].items()
        }
        return pd.DataFrame(columns)


def _usual(table: str) -> dict[str, str]:
    if table == SUBJECT_TABLE:
        return {"index_quarter": "text", "gender": "text"}
    if table == ADVERSE_EVENT_TABLE:
        return {name: _adverse(name) for name in ADVERSE_EVENT_COLUMNS}
    spec = EVENT_TABLES.get(table)
    if spec is None:
        return {}
    usual = {spec.system: "text", spec.code: "text", spec.day: "whole", spec.status: "text"}
    return usual | (_VALUES if table in ("measurement", "outcome_event") else {})


def _adverse(column: str) -> str:
    if column.endswith("_day"):
        return "whole"
    return "flag" if column in _FLAGS else "text"
