"""Adverse events of a lock: one row an event, what was judged of it, and under which codes it stands.

The lock has a row for each code and each suspected product of an event. Rows of one source line are one event;
events of one person on one day under the same codes are one event that was reported more than once.
"""

from __future__ import annotations

import tomllib
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rwd_platform.core.columns import SOURCE_ROW, SUBJECT_ID
from studies.planned import PlannedAnalysis
from studies.protocol import Outcome, Protocol
from studies.tables import (
    ADVERSE_EVENT_COLUMNS,
    ADVERSE_EVENT_TABLE,
    SUBJECT_TABLE,
    lineage_of,
    lock_rows,
    table,
)

# Names of lineage; the dot keeps them apart from covariates.
EVENTS, DEATHS = "safety.adverse_event", "safety.death"
NOT_IN_FRAME = frozenset({EVENTS, DEATHS})  # several rows a subject: beside the analysis table
UNCODED = ""
_BETWEEN = "\x1f"  # in no code
_TOLD = ("actual", "fatal", "deficiency", "serious", "related", "codes", "reports")


@dataclass(frozen=True)
class AdverseEvents:
    """
    events   -- one row an event: subject_id, day (since time zero; NaN: not known to the day), actual, fatal,
                deficiency (bool), serious, related ("yes", "no", "unknown"), codes (`system|code`, sorted),
                reports (how many said the same)
    reporting_sites -- those of whose subjects any adverse event came
    taken_back      -- reports entered in error
    deaths   -- planned analysis -> subjects whose death the outcome's source knows, where the plan names a source
    """

    events: pd.DataFrame
    reporting_sites: frozenset[str]
    taken_back: pd.Series[int]  # by subject_id
    deaths: Mapping[str, frozenset[str]]

    def rows_of(self, subjects: Collection[str], variables: Collection[str]) -> list[dict[str, Any]]:
        """What a hash of the analysed rows takes in: events and deaths of these subjects, as JSON values."""
        rows: list[dict[str, Any]] = []
        if EVENTS in variables:
            chosen = self.events[self.events[SUBJECT_ID].isin(set(subjects))]
            said: dict[str, list[str]] = defaultdict(list)
            for subject, text in zip(chosen[SUBJECT_ID], _as_text(chosen), strict=True):
                said[subject].append(text)
            rows += [{SUBJECT_ID: subject, "events": sorted(texts)} for subject, texts in said.items()]
        if DEATHS in variables:
            rows += [
                {SUBJECT_ID: one, "died_by": plan}
                for plan, dead in sorted(self.deaths.items())
                for one in sorted(dead & set(subjects))
            ]
        return rows


@cache
def code_rules() -> Mapping[str, Any]:
    """adverse_event_codes.toml, read once."""
    return tomllib.loads(Path(__file__).with_name("adverse_event_codes.toml").read_text(encoding="utf-8"))


def read_adverse_events(
    lock: Mapping[str, pd.DataFrame], protocol: Protocol
) -> tuple[AdverseEvents | None, pd.DataFrame]:
    """The events and their lineage; None where nothing is planned, or where the lock is too old to hold them."""
    plans = [one for one in protocol.analyses if one.method == "safety"]
    nothing = pd.DataFrame({SUBJECT_ID: [], "variable": [], SOURCE_ROW: []}, dtype="object")
    if not plans or ADVERSE_EVENT_TABLE not in lock:
        return None, nothing
    rows = table(lock, ADVERSE_EVENT_TABLE, (SUBJECT_ID, SOURCE_ROW, *ADVERSE_EVENT_COLUMNS))
    if "status" in lock[ADVERSE_EVENT_TABLE]:
        rows = rows.assign(status=lock[ADVERSE_EVENT_TABLE]["status"])
    back = (
        _is_one_of(rows, "status", "status", "taken_back") if "status" in rows else np.zeros(len(rows), bool)
    )
    gone = rows[back].drop_duplicates([SUBJECT_ID, SOURCE_ROW])[SUBJECT_ID].value_counts()
    kept = rows[~back].reset_index(drop=True)
    subjects = table(lock, SUBJECT_TABLE, (SUBJECT_ID, "site_id"))
    sites = subjects.loc[subjects[SUBJECT_ID].isin(set(rows[SUBJECT_ID])), "site_id"]
    dead, lines = _deaths(lock, protocol.outcome, plans)
    found = AdverseEvents(_events(kept), frozenset(map(str, sites)), gone.rename("reports"), dead)
    lines.append(lineage_of(kept.drop_duplicates([SUBJECT_ID, SOURCE_ROW]), EVENTS))
    return found, pd.concat(lines, ignore_index=True).drop_duplicates(ignore_index=True)


def _deaths(
    lock: Mapping[str, pd.DataFrame], outcome: Outcome, plans: list[PlannedAnalysis]
) -> tuple[dict[str, frozenset[str]], list[pd.DataFrame]]:
    """Whoever has the event in the source that a plan names."""
    dead: dict[str, frozenset[str]] = {}
    lines: list[pd.DataFrame] = []
    for plan in plans:
        for source in outcome.sources:
            if source.name == plan.deaths:
                rows = lock_rows(lock, source.records, ("value_code",))
                rows = rows[rows["value_code"].isin(list(source.event_values))]
                dead[plan.id] = frozenset(map(str, rows[SUBJECT_ID]))
                lines.append(lineage_of(rows.drop_duplicates([SUBJECT_ID, SOURCE_ROW]), DEATHS))
    return dead, lines


def _events(rows: pd.DataFrame) -> pd.DataFrame:
    """One row an event, sorted by subject, day and codes."""
    judged = _judged(rows)
    by_line = judged.groupby([SUBJECT_ID, SOURCE_ROW], sort=True)
    events = by_line.agg(
        day=("day", "min"), actual=("actual", "max"), fatal=("fatal", "max"), deficiency=("deficiency", "max"),
        serious=("serious", "max"), related=("related", "max"),
    ).reset_index()  # fmt: skip
    events["codes"] = _codes(judged, events)
    # Without a day or a code nobody can say that two reports are one event: each is its own.
    lonely = events["day"].isna() | (events["codes"] == UNCODED)
    same = [SUBJECT_ID, "day", "actual", "codes"]
    events["alone"] = np.where(lonely, np.arange(len(events)) + 1, 0)
    merged = events.groupby([*same, "alone"], sort=True, dropna=False).agg(
        fatal=("fatal", "max"), deficiency=("deficiency", "max"), serious=("serious", "max"),
        related=("related", "max"), reports=("alone", "size"),
    ).reset_index()  # fmt: skip
    merged = merged.drop(columns="alone").sort_values([SUBJECT_ID, "day", "codes"], kind="stable")
    words = {2: "yes", 1: "no", 0: "unknown"}
    for name in ("serious", "related"):
        merged[name] = merged[name].map(words)
    for name in ("actual", "fatal", "deficiency"):
        merged[name] = merged[name].astype(bool)
    return merged.reset_index(drop=True)


def _judged(rows: pd.DataFrame) -> pd.DataFrame:
    """Row by row: 2 yes, 1 no, 0 not judged, so that the gravest of several is the largest."""
    day = pd.to_numeric(rows["event_day"], errors="coerce").astype("float64")
    seen = pd.to_numeric(rows["detected_day"], errors="coerce").astype("float64")
    fatal = _is_one_of(rows, "outcome_code", "outcome", "fatal")
    fatal |= _is_one_of(rows, "seriousness_code", "seriousness", "fatal")
    serious = _is_one_of(rows, "seriousness_code", "seriousness", "yes") | fatal
    related = _is_one_of(rows, "causality_code", "causality", "yes")
    return pd.DataFrame(
        {
            SUBJECT_ID: rows[SUBJECT_ID].astype(str),
            SOURCE_ROW: rows[SOURCE_ROW].astype(str),
            "code": _named_codes(rows),
            "day": day.where(day.notna(), seen),  # when it was found, where nobody wrote when it began
            "actual": ~_is_one_of(rows, "actuality", "actuality", "almost"),
            "fatal": fatal,
            "deficiency": rows["device_deficiency"].astype("boolean").fillna(False).to_numpy(dtype=bool),
            "serious": np.where(serious, 2, _is_one_of(rows, "seriousness_code", "seriousness", "no")),
            "related": np.where(related, 2, _is_one_of(rows, "causality_code", "causality", "no")),
        }
    )


def _named_codes(rows: pd.DataFrame) -> pd.Series[str]:
    code = rows["code"].astype("string").fillna("")
    named = rows["code_system"].astype("string").fillna("") + "|" + code
    return named.where(code != "", UNCODED).astype(object)


def _codes(judged: pd.DataFrame, events: pd.DataFrame) -> pd.Series[str]:
    """The codes of each event in one text. Almost all have one, so a plain loop beats a group of each."""
    pairs = judged.loc[judged["code"] != UNCODED, [SUBJECT_ID, SOURCE_ROW, "code"]].drop_duplicates()
    named: dict[tuple[str, str], list[str]] = defaultdict(list)
    for subject, line, code in zip(*(pairs[name].tolist() for name in pairs), strict=True):
        named[subject, line].append(code)
    keys = zip(events[SUBJECT_ID].tolist(), events[SOURCE_ROW].tolist(), strict=True)
    return pd.Series(
        [_BETWEEN.join(sorted(named.get(key, ()))) for key in keys], index=events.index, dtype=object
    )


def _as_text(events: pd.DataFrame) -> list[str]:
    """Each event in one line, its day as a whole number or nothing."""
    days = ["" if day != day else str(int(day)) for day in events["day"].tolist()]
    others = (events[name].astype(str).tolist() for name in _TOLD)
    return ["|".join(parts) for parts in zip(days, *others, strict=True)]


def codes_of(events: pd.DataFrame) -> pd.DataFrame:
    """One row for each code of each event: `event` (the row of `events`), `code`; "" where an event has none."""
    exploded = events["codes"].str.split(_BETWEEN).explode() if len(events) else events["codes"]
    return pd.DataFrame({"event": exploded.index.to_numpy(dtype=np.intp), "code": exploded.to_numpy()})


def _is_one_of(
    rows: pd.DataFrame, column: str, section: str, key: str
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    allowed = [code.casefold() for code in code_rules()[section][key]]
    return rows[column].astype("string").str.casefold().isin(allowed).to_numpy(dtype=bool)
