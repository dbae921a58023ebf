"""Which records of a drug count as exposure: a rule per product and route, fixed in the protocol.

A hospital may record one dose four times: ordered, handed over, given, and told by the patient. In one product's
records the administration is what happened, in another's (taken at home) only the dispensing is there, and in many
Chinese hospital systems the order that was carried out is sent as an order. So nothing is assumed: the protocol
names, for each product and route, which sources count and in which order. Of each patient's records of a product
at a hospital the first source that says anything, even that it was not given, is used; the others are not counted.
What is taken home is looked at by itself: no administration on the ward stands for a dose at home.

What each record says is one of

    complete   it was taken, given or handed over as recorded
    partial    begun and stopped, or handed over and returned in part
    never      not done, refused, cancelled: it says that the patient did not get it
    ordered    only ordered: nothing says that it was carried out
    returned   handed over and given back whole, or the return itself
    unknown    entered in error, a draft, or a status that says nothing

and exposure are the rows `complete` and `partial` of the source that counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from rwd_platform.core.errors import Exit, PlatformError, Problem

Source = Literal["administration", "dispense", "request", "statement"]
Verdict = Literal["complete", "partial", "never", "ordered", "returned", "unknown"]
SOURCES: tuple[Source, ...] = ("administration", "dispense", "request", "statement")
COUNTED: frozenset[str] = frozenset({"complete", "partial"})
# What a source has to say about a dose: a dose recorded as not given is not looked for in a less trusted source.
_DECISIVE = COUNTED | {"never", "returned"}
ANY = ""  # a rule for every product, or for every route

_PLACES = ("organisation_id", "site_id")
_NEEDED = ("product_code", "source", "status")
_OPTIONAL = (
    "product_system", "route_code", "intent_code", "executed", "returned", "take_home", "request_id", "quantity",
)  # fmt: skip
# FHIR R4's statuses of each resource. An order says only that somebody ordered, unless it is marked as carried out.
_VERDICTS: Mapping[Source, Mapping[str, Verdict]] = {
    "administration": {
        "completed": "complete",
        "in-progress": "partial",
        "stopped": "partial",
        "on-hold": "partial",
        "not-done": "never",
    },
    "dispense": {
        "completed": "complete",
        "stopped": "partial",
        "in-progress": "ordered",
        "preparation": "ordered",
        "on-hold": "ordered",
        "cancelled": "never",
        "declined": "never",
    },
    "request": {
        "completed": "complete",
        "active": "complete",
        "stopped": "partial",
        "on-hold": "partial",
        "cancelled": "never",
    },
    "statement": {
        "active": "complete",
        "completed": "complete",
        "stopped": "partial",
        "on-hold": "partial",
        "not-taken": "never",
        "intended": "ordered",
    },
}
# Orders that are no order of this dose: proposals, plans and options (HL7 FHIR-to-OMOP f2o rules leave them out too).
_NO_ORDER = frozenset({"proposal", "plan", "option"})

RULE_MALFORMED = Problem(
    code="drug_sources.rule",
    zh="用药来源规则不能使用：{why_zh}。",
    en="The rule of drug sources cannot be used: {why}.",
    next_zh="请在研究方案中改正：每条规则写明产品、途径，以及按先后排列的来源（administration、dispense、request、statement）。",
    next_en="Mend it in the protocol: each rule names product, route, and its sources in order "
    "(administration, dispense, request, statement).",
    exit=Exit.MALFORMED,
)
COLUMN_MISSING = Problem(
    code="drug_sources.column_missing",
    zh="表 {table} 缺少列 {column}，无法判断哪些用药记录算暴露。",
    en="Table {table} has no column {column}, so it cannot be said which records of a drug are exposure.",
    next_zh="请传入 1.1.0 版及以上的整张表（见 docs/reference/tables.md）。",
    next_en="Hand over the whole table, of version 1.1.0 or later (docs/reference/tables.md).",
)


@dataclass(frozen=True)
class SourceRule:
    """For a product (and a route, where it matters): the sources that count, the most trusted first.

    An empty `product_code` or `route_code` is every one; the more specific of two rules stands.
    """

    sources: tuple[Source, ...]
    product_code: str = ANY
    route_code: str = ANY
    product_system: str = ANY


@dataclass(frozen=True)
class DrugSources:
    """The rows with their verdicts, and how many there were of each.

    rows   -- the rows given, same index, and `verdict`, `counts` (whether the row is exposure) and
              `left_out`: why it is not ("" where it is): verdict | other source | source not named | no rule
    counts -- one row for each product, route, source and verdict: rows, patients, counted rows
    """

    rows: pd.DataFrame
    counts: pd.DataFrame

    @property
    def exposure(self) -> pd.DataFrame:
        return self.rows[self.rows["counts"]]

    @property
    def ordered_only(self) -> pd.DataFrame:
        """Patients and rows of each product who have an order and nothing that counts."""
        rows, person = self.rows, _person(self.rows)
        keys = [person, "product_code"]
        counted = rows.groupby(keys, dropna=False)["counts"].transform("any")
        only = rows[~counted & (rows["verdict"] == "ordered")]
        found = only.groupby("product_code", dropna=False).agg(
            rows=("verdict", "size"), patients=(person, "nunique")
        )
        return found.reset_index()


def drug_sources(rows: pd.DataFrame, rules: Sequence[SourceRule]) -> DrugSources:
    """Which rows of `drug_exposure` count as exposure by the rules.

    `rows` are of a lake or of a lock (patient_id or subject_id). Raises `drug_sources.rule` and
    `drug_sources.column_missing`. A product that no rule is about counts nowhere, and is counted as such.
    """
    _check_rules(rules)
    frame = _with_columns(rows)
    verdicts = [_verdict(row) for row in frame.to_dict("records")]
    frame = frame.assign(verdict=pd.Series(verdicts, index=frame.index, dtype=object))
    frame["verdict"] = _after_returns(frame)
    chosen = [_rule_of(row, rules) for row in frame.to_dict("records")]
    frame["left_out"] = _left_out(frame, chosen)
    frame["counts"] = frame["left_out"] == ""
    counts = _counts(frame)
    kept = frame[[*rows.columns, "verdict", "counts", "left_out"]]
    return DrugSources(kept, counts)


def verdict_of(
    source: str, status: str | None, *, intent: str | None = None, executed: bool = False
) -> Verdict:
    """What one record says, before returns are looked at."""
    if source not in SOURCES:
        return "unknown"
    if source == "request" and intent in _NO_ORDER:
        return "unknown"
    known = _VERDICTS[source].get(status or "", "unknown")
    if source == "request" and known in ("complete", "partial") and not executed:
        return "ordered"
    return known


def _verdict(row: Mapping[Any, Any]) -> Verdict:
    if _true(row["returned"]):
        return "unknown" if row["status"] == "entered-in-error" else "returned"
    return verdict_of(
        str(row["source"]),
        _text(row["status"]),
        intent=_text(row["intent_code"]),
        executed=_true(row["executed"]),
    )


def _after_returns(frame: pd.DataFrame) -> pd.Series[Any]:
    """Dispensings of which something came back: all of it, `returned`; part of it, or nobody says how much, `partial`.

    A return belongs to the dispensings of the same patient, product and order. What came back is taken from the
    latest of them first, for a patient gives back what is left.
    """
    verdicts = frame["verdict"].copy()
    person = _person(frame)
    is_return = frame["returned"].map(_true) & (frame["verdict"] == "returned")
    for keys, returns in frame[is_return].groupby([person, "product_code", "request_id"], dropna=False):
        same = _same(frame, dict(zip((person, "product_code", "request_id"), keys, strict=True)))
        out = frame[same & ~is_return & (frame["source"] == "dispense") & verdicts.isin(list(COUNTED))]
        left = returns["quantity"].sum(skipna=False)
        for index in _latest_first(out):
            had = out.at[index, "quantity"]
            if pd.isna(left) or pd.isna(had):
                verdicts.at[index] = "partial"
                continue
            if left <= 0:
                break
            verdicts.at[index] = "returned" if left >= had else "partial"
            left -= had
    return verdicts


def _latest_first(out: pd.DataFrame) -> list[Any]:
    order = next(
        (name for name in ("event_date", "event_day", "handed_over_date") if name in out.columns), None
    )
    ordered = (
        out.iloc[::-1]
        if order is None
        else out.sort_values(order, ascending=False, na_position="last", kind="stable")
    )
    return list(ordered.index)


def _same(frame: pd.DataFrame, wanted: Mapping[str, Any]) -> pd.Series[bool]:
    found = pd.Series(True, index=frame.index)
    for name, value in wanted.items():
        found &= frame[name].isna() if pd.isna(value) else frame[name] == value
    return found


def _rule_of(row: Mapping[Any, Any], rules: Sequence[SourceRule]) -> SourceRule | None:
    fitting = [
        rule
        for rule in rules
        if rule.product_code in (ANY, _text(row["product_code"]))
        and rule.product_system in (ANY, _text(row["product_system"]))
        and rule.route_code in (ANY, _text(row["route_code"]))
    ]
    return max(
        fitting,
        key=lambda rule: (rule.product_code != ANY, rule.product_system != ANY, rule.route_code != ANY),
        default=None,
    )


def _left_out(frame: pd.DataFrame, chosen: Sequence[SourceRule | None]) -> pd.Series[Any]:
    """Why each row is no exposure. One source counts for each patient, hospital, product and rule, at home or not."""
    person = _person(frame)
    place = next((name for name in _PLACES if name in frame.columns), person)
    rows = frame.to_dict("records")
    keys = [
        (row[person], row[place], row["product_code"], _true(row["take_home"]), rule)
        for row, rule in zip(rows, chosen, strict=True)
    ]
    best: dict[tuple[Any, ...], int] = {}
    for row, rule, key in zip(rows, chosen, keys, strict=True):
        if rule is not None and row["source"] in rule.sources and row["verdict"] in _DECISIVE:
            rank = rule.sources.index(row["source"])
            best[key] = min(rank, best.get(key, rank))
    why = []
    for row, rule, key in zip(rows, chosen, keys, strict=True):
        if rule is None:
            why.append("no rule")
        elif row["source"] not in rule.sources:
            why.append("source not named")
        elif row["verdict"] not in COUNTED:
            why.append("verdict")
        else:
            why.append("" if rule.sources.index(row["source"]) == best[key] else "other source")
    return pd.Series(why, index=frame.index, dtype=object)


def _counts(frame: pd.DataFrame) -> pd.DataFrame:
    keys = ["product_code", "route_code", "source", "verdict"]
    found = frame.groupby(keys, dropna=False, sort=True).agg(
        rows=("verdict", "size"), patients=(_person(frame), "nunique"), counted=("counts", "sum")
    )
    return found.reset_index().astype({"rows": "int64", "patients": "int64", "counted": "int64"})


def _with_columns(rows: pd.DataFrame) -> pd.DataFrame:
    _person(rows)
    for column in _NEEDED:
        if column not in rows.columns:
            raise COLUMN_MISSING.error(table="drug_exposure", column=column)
    absent = {
        column: pd.Series(None, index=rows.index, dtype=object) for column in _OPTIONAL if column not in rows
    }
    return rows.assign(**absent)


def _person(rows: pd.DataFrame) -> str:
    for name in ("patient_id", "subject_id"):
        if name in rows.columns:
            return name
    raise COLUMN_MISSING.error(table="drug_exposure", column="patient_id")


def _check_rules(rules: Sequence[SourceRule]) -> None:
    seen = set()
    for rule in rules:
        if not rule.sources:
            raise _wrong("有规则没有写明来源", "a rule names no source")
        unknown = [source for source in rule.sources if source not in SOURCES]
        if unknown:
            raise _wrong("有不存在的来源", "a rule names a source that does not exist")
        if len(set(rule.sources)) != len(rule.sources):
            raise _wrong("同一来源写了两次", "a rule names the same source twice")
        place = (rule.product_system, rule.product_code, rule.route_code)
        if place in seen:
            raise _wrong("同一产品与途径有两条规则", "two rules are about the same product and route")
        seen.add(place)


def _wrong(zh: str, en: str) -> PlatformError:
    return RULE_MALFORMED.error(why=en, why_zh=zh)


def _true(value: Any) -> bool:
    return bool(not pd.isna(value) and value)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
