"""The device that a subject was put into the study by: its UDI, who used it, and as the how-manieth case."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from rwd_platform.core.columns import ROW_ORDER, SUBJECT_ID
from studies.evidence.submission.adam import Sheet
from studies.evidence.submission.catalogue import made, same, variable
from studies.evidence.submission.problems import DEVICES_WITHOUT_DAYS
from studies.protocol import Exposure
from studies.tables import DEVICE_TABLE, EVENT_TABLES

# ADSL's variable of each column of the table; a column that the lock left out gives no variable.
COLUMNS = {
    "udi_di": "UDIDI",
    "udi_issuer": "UDIISS",
    "model_code": "DEVMODEL",
    "start_action": "DEVACT",
    "start_day": "DEVDAY0",
    "explant_day": "DEVEXDY0",
    "operator_ordinal": "OPERORD",
    "operator_case_number": "OPERCASE",
}
_NEEDED = (SUBJECT_ID, "start_day")


def add_devices(sheet: Sheet, subjects: Sequence[str], exposure: Exposure, devices: pd.DataFrame) -> None:
    """One device a subject: of the rows in the days in which the arm is decided, the first that decides it.

    Where the arm is not decided by a device, it is the first device of those days.
    """
    by_device = exposure.records.table == DEVICE_TABLE
    spec = EVENT_TABLES[DEVICE_TABLE]
    for column in (*_NEEDED, *((spec.system, spec.code, spec.status) if by_device else ())):
        if column not in devices.columns:
            raise DEVICES_WITHOUT_DAYS.error(column=column)
    chosen = _deciding(devices, exposure)
    order = [SUBJECT_ID, "start_day", *([ROW_ORDER] if ROW_ORDER in chosen.columns else [])]
    first = chosen.sort_values(order, kind="stable").drop_duplicates(SUBJECT_ID).set_index(SUBJECT_ID)
    first = first.reindex(list(subjects))
    days = [same(day) for day in exposure.grace_days]
    for column, name in COLUMNS.items():
        if column in first.columns:
            known = variable(name, source=(exposure.name,) if by_device else ())
            facts = {"from": same(known.predecessor), "first": days[0], "last": days[1]}
            words = made("device" if by_device else "device_of_those_days", "derivation", **facts)
            sheet.add(replace(known, derivation=words), first[column].tolist())


def _deciding(devices: pd.DataFrame, exposure: Exposure) -> pd.DataFrame:
    in_days = devices["start_day"].between(*exposure.grace_days).fillna(False).astype(bool)
    if exposure.records.table != DEVICE_TABLE:
        return devices[in_days]
    spec = EVENT_TABLES[DEVICE_TABLE]
    decides = pd.Series(False, index=devices.index)
    for records in (exposure.records, exposure.comparator):
        if records is not None and records.table == DEVICE_TABLE:
            of_list = (devices[spec.system] == records.code_system) & devices[spec.code].isin(
                list(records.codes)
            )
            decides |= (
                (of_list & devices[spec.status].isin(list(records.statuses))).fillna(False).astype(bool)
            )
    return devices[in_days & decides]
