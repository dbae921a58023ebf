"""Charts: one patient of one organisation, and what the linkage made of him or her."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pandas as pd

CARE, PAYMENT, PRODUCT = "care", "payment", "product"
ROLES = (CARE, PAYMENT, PRODUCT)

# What became of a chart. Every chart is in exactly one of these states.
LINKED = "linked"
ALONE = "alone"  # it has a token, and no other chart has the same
NO_NUMBER = "no_number"  # its Patient has no resident id, more than one, or none that is valid: so no token
NO_ROW = "no_patient_row"  # rows speak of it and its Patient never came: no token
DISAGREE = "disagree"  # it shares a token with charts that contradict each other: set apart
ROW_MISSING = "row_missing"  # it shares a token, and the Patient row of one of them is missing: undecided
NO_BIRTH_DATE = "no_birth_date"  # it shares a token, and one of them has no birth date: undecided
STATES = (LINKED, ALONE, NO_NUMBER, NO_ROW, DISAGREE, ROW_MISSING, NO_BIRTH_DATE)
UNDECIDED = (ROW_MISSING, NO_BIRTH_DATE)

# By what charts of one token contradict each other.
BIRTH_DATE, GENDER, BOTH = "birth_date", "gender", "both"
OTHER = "other"  # in something that is not seen here
CONFLICTS = (BIRTH_DATE, GENDER, BOTH, OTHER)

COLUMNS = ("organisation_id", "patient_id", "role", "birth_date", "gender", "patient_rows", "token")
_YEAR = re.compile(r"[0-9]{4}")  # the least that a birth date says
_UNKNOWN = "unknown"


@dataclass(frozen=True)
class Charts:
    """
    frame -- one row a chart, in the order of organisation and patient: COLUMNS, and
             `state` (one of STATES), `person` (the same for all charts of one linked person),
             `conflict` (of a chart set apart: one of CONFLICTS; else "")
    """

    frame: pd.DataFrame

    def comparable(self) -> pd.DataFrame:
        """The charts that can agree or disagree: a token, one Patient row, a birth date at least to the year."""
        rows = self.frame
        return rows[(rows["token"] != "") & (rows["patient_rows"] == 1) & (rows["birth_date"] != "")]


def charts_of(places: pd.DataFrame, linked: Collection[str]) -> Charts:
    """Charts with their states.

    places -- COLUMNS, one row a chart: `role` one of ROLES; `birth_date` a FHIR date or ""; `gender` a FHIR code
              or ""; `patient_rows` how many Patient rows it has; `token` "" without one
    linked -- the tokens whose charts were brought together; the rules for it are deidentify.linkage's
    """
    frame = places[list(COLUMNS)].sort_values(["organisation_id", "patient_id"], ignore_index=True)
    if frame.duplicated(["organisation_id", "patient_id"]).any():
        raise ValueError("a chart stands in two rows")
    frame["birth_date"] = [one if _YEAR.match(one) else "" for one in frame["birth_date"]]
    frame["gender"] = frame["gender"].replace(_UNKNOWN, "")
    brought = frame["token"].isin(frozenset(linked) - {""})
    conflicts = _conflicts(frame[(frame["token"] != "") & ~brought])
    frame["state"] = _states(frame, brought, conflicts)
    # A person is called by the place of the first of his or her charts.
    own = pd.Series(frame.index, index=frame.index)
    frame["person"] = own.where(~brought, own.groupby(frame["token"]).transform("min"))
    conflict = frame["token"].map(conflicts).fillna("").replace("", OTHER)
    frame["conflict"] = conflict.where(frame["state"] == DISAGREE, "")
    return Charts(frame)


def _states(frame: pd.DataFrame, brought: pd.Series[bool], conflicts: Mapping[str, str]) -> pd.Series[str]:
    """In the order of the rules: a missing row, then a contradiction, then a missing birth date."""
    has_token = frame["token"] != ""
    group = frame[has_token].groupby("token")
    charts = frame["token"].map(group.size()).fillna(0)
    rows = frame["token"].map(group["patient_rows"].sum()).fillna(0)
    undated = set(frame["token"][has_token & (frame["birth_date"] == "")])
    state = pd.Series(DISAGREE, index=frame.index, dtype=object)
    state[frame["token"].isin(undated - conflicts.keys())] = NO_BIRTH_DATE
    state[rows != charts] = ROW_MISSING
    state[charts == 1] = ALONE
    state[brought] = LINKED
    state[~has_token] = NO_NUMBER
    state[~has_token & (frame["patient_rows"] == 0)] = NO_ROW
    return state


def _conflicts(frame: pd.DataFrame) -> dict[str, str]:
    """token -> which attribute of its charts contradicts itself; a token without a contradiction is not there.

    A shorter birth date agrees with every longer one that begins so.
    """
    born: dict[str, set[str]] = defaultdict(set)
    sexes: dict[str, set[str]] = defaultdict(set)
    for token, birth_date, gender in zip(frame["token"], frame["birth_date"], frame["gender"], strict=True):
        born[token].add(birth_date)
        sexes[token].update({gender} - {""})
    found = {}
    for token, dates in born.items():
        longest = max(dates, key=len)
        born_apart = any(not longest.startswith(one) for one in dates)
        sexes_apart = len(sexes[token]) > 1
        if born_apart or sexes_apart:
            found[token] = BOTH if born_apart and sexes_apart else BIRTH_DATE if born_apart else GENDER
    return found
