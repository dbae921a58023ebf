"""What a page says of each judged result: its number, the verdict, how far it may be claimed, what kept it there.

Everything is read from the run's rows; the level is lowered where outcomes had been seen before unsealing, as in a
package. A run's open part has none of these rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.text import Bilingual
from rwd_platform.flows.platform import Platform
from rwd_platform.flows.unseal_results import requests_of
from rwd_platform.records.lifecycles import UnsealingState
from rwd_platform.records.tables import AnalysisRun

VERDICTS: Mapping[str, Bilingual] = {
    "met": Bilingual("达到目标值", "criterion met"),
    "not met": Bilingual("未达到目标值", "criterion not met"),
    "not shown": Bilingual("尚不能证明达到目标值", "not shown to be met"),
}
_TONES = {"confirmatory": "good", "supportive": "held", "descriptive": "quiet"}
# The statistic that answers a judged analysis, the first that it has; and how it is printed.
_MAIN = ("proportion", "hazard_ratio", "difference")


@dataclass(frozen=True)
class Number:
    """`kind`: ratio, percent (a share times 100), days, or points (a difference of shares times 100)."""

    kind: str
    value: float
    low: float | None
    high: float | None
    n: int | None
    events: int | None


@dataclass(frozen=True)
class Against:
    """Of a performance criterion, shares times 100, with decimals enough that they agree with the verdict.

    upper -- failures are counted, so that the bound is the upper one
    """

    bound: float
    criterion: float
    decimals: int
    p: float
    p_decimals: int
    verdict: Bilingual
    tone: str
    upper: bool


@dataclass(frozen=True)
class Conclusion:
    analysis: str
    number: Number | None
    against: Against | None
    level: Bilingual
    tone: str
    failed: tuple[Bilingual, ...]
    open: tuple[Bilingual, ...]  # gates that could not be evaluated


def outcomes_seen(platform: Platform, run: AnalysisRun) -> bool:
    """Before this run's results were unsealed: as declared, or by an earlier run."""
    opened = (
        one
        for one in requests_of(platform, run.study_id)
        if one.run_id == run.id and one.state == UnsealingState.UNSEALED
    )
    asked = next(opened, None)
    return asked is not None and (asked.knowledge == "seen" or bool(asked.seen_before))


def conclusions(
    results: Mapping[str, Any], *, seen: bool, criteria: Mapping[str, Mapping[str, Any]]
) -> tuple[Conclusion, ...]:
    """One for each analysis with a level, in the order of the run.

    criteria -- planned analysis -> its criterion, as the protocol writes it
    """
    from studies.claims import after_unsealing, claim_rules

    rules = claim_rules()
    rows = {row["id"]: row for row in results["rows"]}
    found = []
    for row in results["rows"]:
        if row["statistic"] != "claim_level":
            continue
        analysis = row["analysis"]
        level = after_unsealing(str(row["value"]), outcomes_seen=seen)
        failed = list(_gates(rows, analysis, "failed"))
        unsealing = [rules.unsealing.title] if seen else []
        found.append(
            Conclusion(
                analysis=analysis,
                number=_number(results, analysis),
                against=_against(rows, analysis, criteria.get(analysis, {})),
                level=rules.levels[level],
                tone=_TONES[level],
                failed=(*failed, *unsealing),
                open=tuple(_gates(rows, analysis, "not_evaluated")),
            )
        )
    return tuple(found)


def _gates(rows: Mapping[str, Any], analysis: str, status: str) -> Iterator[Bilingual]:
    """That an analysis is not the primary one is no failure of it."""
    from studies.claims import claim_rules

    for name, gate in claim_rules().gates.items():
        row = rows.get(f"{analysis}.gate.{name}.status")
        if row is not None and row["value"] == status and name != "role":
            yield gate.title


def _number(results: Mapping[str, Any], analysis: str) -> Number | None:
    """The first row of its main statistic: of a model that is the exposure's."""
    mine = [row for row in results["rows"] if row["analysis"] == analysis and row["statistic"] in _MAIN]
    mine = [row for row in mine if row["statistic"] == "hazard_ratio" or row["id"].count(".") == 2]
    for statistic in _MAIN:
        row = next((row for row in mine if row["statistic"] == statistic), None)
        if row is not None and isinstance(row["value"], float | int):
            return _printed(row)
    return None


def _printed(row: Mapping[str, Any]) -> Number:
    kind = {"hazard_ratio": "ratio", "proportion": "percent"}.get(row["statistic"], "points")
    kind = "days" if row["unit"] == "days" else kind
    times = 100.0 if kind in ("percent", "points") else 1.0
    value, low, high = (
        None if row[name] is None else times * float(row[name]) for name in ("value", "ci_low", "ci_high")
    )
    return Number(kind, value or 0.0, low, high, row["n"], row["events"])


def _against(rows: Mapping[str, Any], analysis: str, planned: Mapping[str, Any]) -> Against | None:
    from studies.rounding import decimals_apart

    found = [rows.get(f"{analysis}.{name}") for name in ("bound", "criterion", "p_value", "verdict")]
    if any(row is None for row in found):
        return None
    bound, criterion, p, verdict = (row["value"] for row in found if row is not None)
    alpha = planned.get("alpha")
    return Against(
        bound=100.0 * bound,
        criterion=100.0 * criterion,
        decimals=decimals_apart(bound, criterion) - 2,
        p=p,
        p_decimals=decimals_apart(p, alpha) if isinstance(alpha, float) else 3,
        verdict=VERDICTS[verdict],
        tone={"met": "good", "not met": "bad"}.get(verdict, "held"),
        upper=planned.get("direction") == "at_most",
    )
