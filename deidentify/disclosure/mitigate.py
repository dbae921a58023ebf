"""The same results, coarsened until they pass: withheld, rounded to days, rounded to a base. Deterministic.

Every change answers a finding of a rule, so that the account says why. Nothing is merged here: a merged
level or step is another analysis, and the protocol decides about it; what would be merged is withheld.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deidentify.disclosure.check import findings_of
from deidentify.disclosure.fields import Fields, load_fields, with_quoted
from deidentify.disclosure.findings import Finding
from deidentify.disclosure.read import Results, read_results
from deidentify.disclosure.recipients import Recipient, recipient_of

MOST_ROUNDS = 2_000
MOST_TRIES = 60  # withheld places that are put back one by one, to see whether each was needed
MOST_ROWS_TO_TRY = 2_000
_POINT = re.compile(r"(?P<id>.*)\[(?P<place>[0-9]+)\](?:\.(?P<column>[^.\[\]]+))?")
_NOTHING = {"value": None, "ci_low": None, "ci_high": None}
Change = Mapping[str, str]


@dataclass(frozen=True)
class Mitigated:
    """Results that pass, what was done to them, and whether leaving out any one change was tried."""

    results: dict[str, Any]
    account: tuple[Change, ...]
    minimal: bool


def mitigate(
    results: Mapping[str, Any],
    recipient: str,
    *,
    support: Mapping[str, Any] | None = None,
    quoted: Collection[float] = (),
) -> Mitigated:
    """Coarsen results for a kind of recipient. Conditions and earlier releases are not looked at.

    The enclave's own results are the best `support`; without it the results themselves are what is known.
    """
    policy = recipient_of(recipient)
    if policy.full_listings:
        return Mitigated(dict(results), (), True)
    before = read_results(support if support is not None else results)
    maker = _Maker(results, policy, before, with_quoted(quoted))
    maker.withhold_until_it_passes()
    minimal = maker.put_back_what_was_not_needed()
    return Mitigated(maker.made(), maker.account(), minimal)


class _Maker:
    """Keeps what is withheld as names of places in the original, and makes the results from it anew."""

    def __init__(
        self, results: Mapping[str, Any], policy: Recipient, support: Results, fields: Fields
    ) -> None:
        self.original = results
        self.policy = policy
        self.support = support
        self.fields = fields
        self.withheld: dict[str, Finding] = {}

    def made(self, leave_out: str = "") -> dict[str, Any]:
        """The results without what is withheld, rounded; `leave_out` is put back."""
        gone = self.withheld.keys() - {leave_out}
        # A cell of a table stays as an empty one: its line and column are known to be there.
        is_table = bool(self.original.get("table"))
        rows = [
            {**self._rounded(row), **_NOTHING} if row["id"] in gone else self._rounded(row)
            for row in self.original.get("rows", ())
            if is_table or row["id"] not in gone
        ]
        series = [
            _without(one, gone, self.policy)
            for one in self.original.get("series", ())
            if one["id"] not in gone
        ]
        sets = {
            name: {**one, "subjects": _to_base(one.get("subjects", 0), self.policy.rounding_base)}
            for name, one in self.original.get("row_sets", {}).items()
            if f"row_sets.{name}" not in gone
        }
        return {**self.original, "rows": rows, "series": series, "row_sets": sets}

    def _rounded(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        return _rounded(row, self.policy, self.fields)

    def findings(self, leave_out: str = "") -> list[Finding]:
        made = read_results(self.made(leave_out))
        return findings_of(made, self.policy, self.support, fields=self.fields)

    def withhold_until_it_passes(self) -> None:
        """Each round withholds what the findings name; `review` findings too: nobody looks at these results."""
        for _ in range(MOST_ROUNDS):
            found = self.findings()
            if not found:
                return
            before = len(self.withheld)
            for finding in _round(found):
                for place in finding.withhold:
                    self.withheld.setdefault(place, finding)
            if len(self.withheld) == before:  # what is found cannot be withheld: the check goes on saying so
                return

    def put_back_what_was_not_needed(self) -> bool:
        """A later change may have made an earlier one needless. False: too many to try each."""
        if len(self.withheld) > MOST_TRIES or len(self.original.get("rows", ())) > MOST_ROWS_TO_TRY:
            return not self.withheld
        for place in list(self.withheld):
            if not self.findings(leave_out=place):
                del self.withheld[place]
        return True

    def account(self) -> tuple[Change, ...]:
        changes: list[Change] = [
            {"rule": finding.rule, "action": "withhold", "where": place}
            for place, finding in self.withheld.items()
        ]
        declared = self.fields.statistics
        for row in self.original.get("rows", ()):
            field = declared.get(row["statistic"])
            if row["id"] in self.withheld or field is None:
                continue
            if self._rounded(row) != row:
                in_days = field.type == "quantile" and bool(self.fields.step(row.get("unit", ""), 1))
                action = "round_days" if in_days else "round"
                rule = "single_value" if in_days else "rounding"
                changes.append({"rule": rule, "action": action, "where": row["id"]})
        return tuple(changes)


def _round(found: Sequence[Finding]) -> Iterable[Finding]:
    """What one round acts on. Complements are chosen when everything primary is gone, a table at a time."""
    primary = [finding for finding in found if finding.rule != "secondary"]
    return primary or found


def _rounded(row: Mapping[str, Any], policy: Recipient, fields: Fields) -> Mapping[str, Any]:
    """Quantiles in days to the recipient's days; persons and events to its base, percentages from them."""
    field = fields.statistics.get(row["statistic"])
    if field is None or fields.is_exempt(read_results({"rows": [row]}).rows[0]):
        return row
    changed: dict[str, Any] = {}
    step = fields.step(row.get("unit", ""), policy.days) if field.type == "quantile" else 0
    if step:
        for name in ("value", "ci_low", "ci_high"):
            if isinstance(row.get(name), int | float):
                changed[name] = float(step * round(row[name] / step))
    base = policy.rounding_base
    if base:
        for name in ("n", "events"):
            if row.get(name) is not None:
                changed[name] = _to_base(row[name], base)
        value, n = row.get("value"), row.get("n")
        if field.type == "count" and isinstance(value, int | float):
            changed["value"] = _to_base(value, base)
        elif field.name == "percent" and isinstance(value, int | float) and n:
            whole = _to_base(n, base)
            changed["value"] = 100.0 * _to_base(value * n / 100.0, base) / whole if whole else None
    return {**row, **changed}


def _to_base(count: float, base: int) -> int | float:
    """The nearest multiple; a half goes up, so that the same count is rounded alike everywhere."""
    return int((count + base / 2) // base * base) if base else count


def _without(one: Mapping[str, Any], gone: Iterable[str], policy: Recipient) -> dict[str, Any]:
    """A series without its withheld points and columns. A point with nothing left in it goes."""
    declared = load_fields().series.get(_kind(one))
    kinds = (declared.columns or {}) if declared else {}
    blank: dict[int, set[str]] = {}
    for place in gone:
        found = _POINT.fullmatch(place)
        if found and found["id"] == one["id"]:
            blank.setdefault(int(found["place"]), set()).add(found["column"] or "")
    points = []
    for number, values in enumerate(one["points"]):
        without = blank.get(number, set())
        # Curves lose the time; tables keep their line, with nothing in the column.
        if "" in without:
            points.append([values[0], *(None for _ in values[1:])])
            continue
        points.append(
            [
                None
                if name in without
                else _to_base(value, policy.rounding_base)
                if kinds.get(name) in ("count", "at_risk") and isinstance(value, int | float)
                else value
                for name, value in zip(one["columns"], values, strict=True)
            ]
        )
    return {**one, "points": points}


def _kind(one: Mapping[str, Any]) -> str:
    return str(one["id"]).removeprefix(f"{one['analysis']}.").partition(".")[0]
