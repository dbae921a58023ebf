"""Submissions to test with: the published Rotterdam patients, the invented valves, and small or hostile studies."""

from __future__ import annotations

import io
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from studies.dataset import StudyDataset
from studies.dataset import build as analysis_table
from studies.evidence.submission import AdamDataset, SubmissionFacts, SubmissionFiles, datasets, files
from studies.protocol import Protocol, load_protocol
from tests.evidence.fixtures import small_lock
from tests.studies import valve as valve_demo
from tests.studies.rotterdam_lock import protocol_text, rotterdam_protocol
from tests.studies.small import small_text

FACTS = SubmissionFacts("2026-01-05", "lock-small", tier="T3", package="EP-test-v1")
UDI = "http://hl7.org/fhir/NamingSystem/gs1-di"
VALVE_V, VALVE_S = "06970000000017", "06970000000024"
# Markup, a formula, quotes, a control character and a line's end, as YAML writes them.
HOSTILE = r"=<b>&\"x\"]]>'\x01\n1"
HOSTILE_TEXT = '=<b>&"x"]]>\'\x01\n1'


@cache
def rotterdam_table() -> StudyDataset:
    """Every fifth of the published patients, as tests.evidence.fixtures.small_inputs analyses them."""
    return analysis_table(small_lock(), rotterdam_protocol())


@cache
def rotterdam() -> tuple[AdamDataset, ...]:
    return datasets(rotterdam_table(), rotterdam_protocol(), subjects=small_lock()["subject"])


@cache
def rotterdam_files() -> SubmissionFiles:
    return files(rotterdam(), rotterdam_protocol(), FACTS)


@cache
def valve_table() -> StudyDataset:
    return valve_demo.valve_dataset()


@cache
def valve() -> tuple[AdamDataset, ...]:
    return datasets(valve_table(), valve_demo.protocol(), valve_devices())


@cache
def valve_files() -> SubmissionFiles:
    return files(valve(), valve_demo.protocol(), FACTS)


def valve_devices() -> pd.DataFrame:
    """One implant a patient on day 0, of the arm's product; every tenth has a second one later."""
    frame = valve_table().frame
    first = [
        device(
            one, VALVE_V if arm else VALVE_S, operator_ordinal=place % 3 + 1, operator_case_number=place + 1
        )
        for place, (one, arm) in enumerate(zip(frame["subject_id"], frame["valve_v"], strict=True))
    ]
    later = [device(one, VALVE_S, start_day=90) for one in frame["subject_id"].iloc[::10]]
    return devices(*first, *later)


def device(subject: str, udi: str, **changes: Any) -> dict[str, Any]:
    known = {
        "subject_id": subject, "udi_issuer": UDI, "udi_di": udi, "model_code": "M-23", "start_action": "implanted",
        "start_day": 0, "explant_day": None, "operator_ordinal": 1, "operator_case_number": 1,
    }  # fmt: skip
    return {**known, **changes}


def devices(*rows: dict[str, Any]) -> pd.DataFrame:
    """device_use of a lock of days."""
    frame = pd.DataFrame(list(rows)).assign(row_order=range(len(rows)))
    days = ("start_day", "explant_day", "operator_ordinal", "operator_case_number")
    return frame.astype({name: "Int64" for name in days if name in frame.columns})


def rotterdam_with(*pairs: tuple[str, str]) -> Protocol:
    """The demonstration's protocol with some of its text replaced."""
    return load_protocol(_replaced(protocol_text(), pairs))


def small_with(*pairs: tuple[str, str]) -> Protocol:
    return load_protocol(_replaced(small_text(), pairs))


def hostile() -> Protocol:
    """Markup, a formula and a control character in the titles of arm, covariate, outcome and population."""
    ugly = f'{{zh: "{HOSTILE}", en: "{HOSTILE}"}}'
    return small_with(
        ("exposed_title: {zh: 新支架, en: New stent}", f'exposed_title: {{zh: "{HOSTILE} 新", en: "{HOSTILE} new"}}'),
        ("title: {zh: 体重, en: Weight}", f"title: {ugly}"), ("title: {zh: 高龄, en: Old}", f"title: {ugly}"),
        ("title: {zh: 死亡, en: Death}", f"title: {ugly}"), ("title: {zh: 否, en: Fit}", f"title: {ugly}"),
        ("title: {zh: 支架研究, en: Stent study}", f"title: {ugly}"),
    )  # fmt: skip


def _replaced(text: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text


def named(made: tuple[AdamDataset, ...], name: str) -> AdamDataset:
    return next(one for one in made if one.name == name)


def emptied(table: StudyDataset) -> StudyDataset:
    """The analysis table of a cohort that nobody entered."""
    events = table.adverse_events
    return StudyDataset(table.frame.iloc[:0], (), table.lineage.iloc[:0], table.exposure, events)


def by_pyreadstat(content: bytes) -> tuple[pd.DataFrame, Any]:
    """Frame and metadata as ReadStat has them: the C library that R's haven reads transport files with."""
    import pyreadstat

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.xpt"
        path.write_bytes(content)
        return pyreadstat.read_xport(str(path))


def by_pandas(content: bytes) -> pd.DataFrame:
    """pandas has a reader of its own, in Python."""
    return pd.read_sas(io.BytesIO(content), format="xport", encoding="ascii")
