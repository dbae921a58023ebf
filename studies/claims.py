"""How far each result may be claimed: confirmatory, supportive or descriptive, and by which gates.

A gate looks at rows of the same run (a balance, an effective sample size, a test) and at the limit that
the protocol fixed for it. The level of a result is the lowest that any of its gates leaves; a gate that
could not be looked at counts as `claims.toml` says, and never as passed. Every planned result is shown
whatever its level. The gates themselves become result rows, so that a report prints them like any number:

    A.gate.<name>.status        passed | failed | not_evaluated, with why in its warnings
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

    def leaves(self, status: str) -> str:
        return {"passed": LEVELS[-1], "failed": self.failed, "not_evaluated": self.not_evaluated}[status]


@dataclass(frozen=True)
class ClaimRules:
    """`by_method` names the gates of a method in the order in which they are shown."""

    levels: Mapping[str, Bilingual]
    gates: Mapping[str, Gate]
    by_method: Mapping[str, tuple[str, ...]]


@cache
def claim_rules() -> ClaimRules:
    """claims.toml, read once."""
    text = (Path(__file__).parent / "claims.toml").read_text(encoding="utf-8")
    stored = tomllib.loads(text)
    gates = {
        name: Gate(
            name,
            Bilingual(one["zh"], one["en"]),
            Bilingual(one["about_zh"], one["about_en"]),
            one["failed"],
            one["not_evaluated"],
        )
        for name, one in stored["gates"].items()
    }
    levels = {name: Bilingual(one["zh"], one["en"]) for name, one in stored["levels"].items()}
    return ClaimRules(levels, gates, {name: tuple(of) for name, of in stored["methods"].items()})


def claim_rows(protocol: Protocol, rows: Sequence[ArdRow], not_done: Mapping[str, str]) -> list[ArdRow]:
    """The gates and the level of each planned analysis that estimates an effect and gave one."""
    by_id = {row.id: row for row in rows}
    first = {row.analysis: row for row in reversed(rows)}
    found: list[ArdRow] = []
    for analysis in protocol.analyses:
        names = claim_rules().by_method.get(analysis.method, ())
        if names and analysis.id in first and analysis.id not in not_done:
            judged = Judged(protocol, analysis, by_id, not_done)
            found += (_of_the_same_people(row, first[analysis.id]) for row in _judge(judged, names))
    return found


def _of_the_same_people(row: ArdRow, of: ArdRow) -> ArdRow:
    """A judgement stands on the rows of the analysis that it judges."""
    return replace(row, row_set=of.row_set, variables=of.variables, data_hash=of.data_hash)


def _judge(judged: Judged, names: Sequence[str]) -> list[ArdRow]:
    rules = claim_rules()
    rows: list[ArdRow] = []
    level = len(LEVELS) - 1
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
    warnings = () if finding.status == "passed" else (joined(gate.about),)
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
