"""How far each result may be claimed: confirmatory, supportive or descriptive, and by which gates.

A gate looks at rows of the same run (a balance, an effective sample size, a test) and at the limit that
the protocol fixed for it. The level of a result is the lowest that any of its gates leaves; a gate that
could not be looked at counts as `claims.toml` says, and never as passed. Every planned result is shown
whatever its level. The gates themselves become result rows, so that a report prints them like any number:

    A.gate.<name>.status        passed | failed | not_evaluated | not_applicable, with why in its warnings
    A.gate.<name>.measured      what was found; A.gate.<name>.limit: what the protocol asked for
    A.claim_level               confirmatory | supportive | descriptive
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from rwd_platform.core.text import Bilingual
from studies.claim_gates import GATES, Finding, Judged
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol
from studies.reasons import joined
from studies.results import ArdRow
from studies.statistics import ENGINE, ENGINE_VERSION

LEVELS = ("descriptive", "supportive", "confirmatory")  # lowest first
METHOD = "gates of studies/claims.toml on the protocol's limits"


@dataclass(frozen=True)
class Gate:
    """A line of claims.toml. `failed` and `not_evaluated` are the highest levels that are left then."""

    name: str
    title: Bilingual
    about: Bilingual
    failed: str
    not_evaluated: str
    not_applicable: Bilingual | None = None

    def leaves(self, status: str) -> str:
        """A gate that asks what the main analysis has answered already (`not_applicable`) leaves every level."""
        return {"failed": self.failed, "not_evaluated": self.not_evaluated}.get(status, LEVELS[-1])

    def why(self, status: str) -> Bilingual:
        return self.not_applicable if status == "not_applicable" and self.not_applicable else self.about


@dataclass(frozen=True)
class ClaimRules:
    """`by_method` names the gates of a method in the order in which they are shown; `fixed`: a method -> its level.

    unsealing  -- what is declared when results are unsealed, after the gates of the run were computed
    widest_smd -- the limit of a difference that grows as arms get small is never above this
    """

    levels: Mapping[str, Bilingual]
    gates: Mapping[str, Gate]
    by_method: Mapping[str, tuple[str, ...]]
    fixed: Mapping[str, str]
    unsealing: Gate
    widest_smd: float

    @property
    def judged(self) -> frozenset[str]:
        """The methods whose results get a level."""
        return frozenset({*self.by_method, *self.fixed})


@cache
def claim_rules() -> ClaimRules:
    """claims.toml, read once."""
    text = (Path(__file__).parent / "claims.toml").read_text(encoding="utf-8")
    stored = tomllib.loads(text)
    gates = {name: _gate(name, one) for name, one in stored["gates"].items()}
    levels = {name: Bilingual(one["zh"], one["en"]) for name, one in stored["levels"].items()}
    by_method = {name: tuple(of) for name, of in stored["methods"].items()}
    unsealing = _gate("unsealing", stored["unsealing"])
    return ClaimRules(levels, gates, by_method, stored["fixed"], unsealing, stored["balance"]["widest_smd"])


def _gate(name: str, one: Mapping[str, str]) -> Gate:
    silent = Bilingual(one.get("not_applicable_zh", ""), one.get("not_applicable_en", ""))
    return Gate(
        name,
        Bilingual(one["zh"], one["en"]),
        Bilingual(one["about_zh"], one["about_en"]),
        one["failed"],
        one["not_evaluated"],
        silent if silent.zh else None,
    )


def after_unsealing(level: str, *, outcomes_seen: bool) -> str:
    """The level that is left of a run's `level` when outcomes had been seen before its results were unsealed."""
    if not outcomes_seen:
        return level
    return min(level, claim_rules().unsealing.failed, key=LEVELS.index)


def claim_rows(protocol: Protocol, rows: Sequence[ArdRow], not_done: Mapping[str, str]) -> list[ArdRow]:
    """The gates and the level of each planned analysis that is judged and was done."""
    by_id = {row.id: row for row in rows}
    first = {row.analysis: row for row in reversed(rows)}
    found: list[ArdRow] = []
    for analysis in protocol.analyses:
        names = claim_rules().by_method.get(analysis.method, ())
        if analysis.method in claim_rules().judged and analysis.id in first and analysis.id not in not_done:
            judged = Judged(protocol, analysis, by_id, not_done)
            found += (_of_the_same_people(row, first[analysis.id]) for row in _judge(judged, names))
    return found


def _of_the_same_people(row: ArdRow, of: ArdRow) -> ArdRow:
    """A judgement stands on the rows of the analysis that it judges."""
    return replace(row, row_set=of.row_set, variables=of.variables, data_hash=of.data_hash)


def _judge(judged: Judged, names: Sequence[str]) -> list[ArdRow]:
    rules = claim_rules()
    rows: list[ArdRow] = []
    level = LEVELS.index(rules.fixed.get(judged.analysis.method, LEVELS[-1]))
    for name in names:
        finding = GATES[name](judged)
        if finding is None:
            continue  # the gate has no meaning for this analysis: weights where nothing is weighted
        gate = rules.gates[name]
        level = min(level, LEVELS.index(gate.leaves(finding.status)))
        rows += _gate_rows(judged.analysis, gate, finding)
    rows.append(_row(judged.analysis, "claim_level", LEVELS[level]))
    return rows


def _gate_rows(analysis: PlannedAnalysis, gate: Gate, finding: Finding) -> list[ArdRow]:
    warnings = () if finding.status == "passed" else (joined(gate.why(finding.status)),)
    rows = [_row(analysis, f"gate.{gate.name}.status", finding.status, warnings)]
    for part, value in (("measured", finding.measured), ("limit", finding.limit)):
        if value is not None:
            rows.append(_row(analysis, f"gate.{gate.name}.{part}", float(f"{value:.12g}")))
    return rows


def _row(analysis: PlannedAnalysis, what: str, value: str | float, warnings: tuple[str, ...] = ()) -> ArdRow:
    return ArdRow(
        id=f"{analysis.id}.{what}",
        analysis=analysis.id,
        method=METHOD,
        group="",
        variable="",
        statistic=what.rpartition(".")[2] if what.startswith("gate.") else what,
        value=value,
        engine=ENGINE,
        engine_version=ENGINE_VERSION,
        warnings=warnings,
    )
