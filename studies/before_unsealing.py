"""What has to be there before results are unsealed, and what the second person looks at, in a few numbers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol
from studies.results import ArdRow, ResultSet
from studies.sealing import diagnostic_analyses, load_policy


@dataclass(frozen=True)
class Diagnostic:
    """One planned diagnostic of a run.

    rows                        -- how many results it has; 0 with a `reason` where it could not be computed
    reason                      -- "zh / en", "" where it was computed
    largest_before/after        -- the largest absolute standardised difference, unweighted and weighted
    effective                   -- arm -> effective sample size
    separation, equipoise       -- how well the score tells the arms apart (area under the curve), and the share of
                                   subjects with a preference score of 0.3-0.7
    warnings                    -- "zh / en", each once
    """

    analysis: str
    rows: int
    reason: str = ""
    largest_before: float | None = None
    largest_after: float | None = None
    effective: Mapping[str, float] | None = None
    separation: float | None = None
    equipoise: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_there(self) -> bool:
        return self.rows > 0 or bool(self.reason)

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "warnings": list(self.warnings)}


def diagnostics_of(results: ResultSet, planned: Mapping[str, str]) -> tuple[Diagnostic, ...]:
    """The planned diagnostics in the protocol's order, those that are missing among them. `results`: the open part."""
    return tuple(_diagnostic(id, results) for id in diagnostic_analyses(planned))


@dataclass(frozen=True)
class Missing:
    """A diagnostic that a sealed estimate needs: not in the plan, or planned and not in the run."""

    population: str
    what: str  # a method, or `ph`
    analyses: tuple[str, ...]  # the estimates that need it
    planned: bool

    @property
    def text(self) -> Bilingual:
        """`all: overlap (all.adjusted, all.weighted)`."""
        named = ", ".join(self.analyses)
        how = _NOT_COMPUTED if self.planned else _NOT_PLANNED
        return Bilingual(
            f"{self.population}：{_IN_CHINESE.get(self.what, self.what)}（{named}；{how.zh}）",
            f"{self.population}: {self.what} ({named}; {how.en})",
        )


_NOT_COMPUTED = Bilingual("已计划，本次分析中没有", "planned, and not in this run")
_NOT_PLANNED = Bilingual("方案没有为其计划", "not planned for it")
_HAZARDS = "ph"
# What a protocol calls by an English word, as a Chinese reader knows it; the word itself is what has to be written.
_IN_CHINESE = {
    "balance": "组间均衡 balance",
    "overlap": "倾向评分重叠 overlap",
    "follow_up": "随访完整性 follow_up",
    _HAZARDS: "比例风险检验 proportional_hazards",
}


def missing_diagnostics(whole: ResultSet, protocol: Protocol) -> tuple[Missing, ...]:
    """What the sealed estimates need and the run does not have, by population, in the protocol's order.

    whole -- all results, the sealed ones too: of a test of hazards it is only asked whether it is there. A diagnostic
             that could not be computed is there with its reason.
    """
    made = {row.analysis for row in whole.rows}
    tested = {id for row in whole.rows if (id := row.id.partition(f".{_HAZARDS}.")[0]) != row.id}
    found: dict[tuple[str, str, bool], list[str]] = {}
    for plan in protocol.analyses:
        rule = load_policy().of_method(plan.method)
        for what in (*rule.needs, *(rule.controlled if plan.covariates else ())):
            stand_ins = [one for one in protocol.analyses if one.method == what and _stands_for(one, plan)]
            if not any(one.id in made or one.id in whole.not_done for one in stand_ins):
                found.setdefault((plan.population, what, bool(stand_ins)), []).append(plan.id)
        reasons = {plan.id, f"{plan.id}.{_HAZARDS}"} & set(whole.not_done)
        if plan.proportional_hazards and plan.id not in tested and not reasons:
            found.setdefault((plan.population, _HAZARDS, True), []).append(plan.id)
    return tuple(
        Missing(population, what, tuple(analyses), planned)
        for (population, what, planned), analyses in found.items()
    )


def unplanned_diagnostics(protocol: Protocol) -> tuple[Missing, ...]:
    """What a plan lacks: it is not frozen without, since nobody could look before unsealing."""
    nothing = ResultSet(protocol.id, protocol.sha256, "", ())
    return tuple(one for one in missing_diagnostics(nothing, protocol) if not one.planned)


def _stands_for(diagnostic: PlannedAnalysis, plan: PlannedAnalysis) -> bool:
    """Of the same people; and where covariates are controlled, of those covariates and those weights."""
    if diagnostic.population != plan.population:
        return False
    if diagnostic.method == "overlap":
        return set(diagnostic.covariates) == set(plan.covariates)
    if diagnostic.method == "balance" and plan.weights != "none":
        same = set(diagnostic.covariates) == set(plan.covariates)
        return same and diagnostic.weights == plan.weights
    return diagnostic.method != "balance" or set(plan.covariates) <= set(diagnostic.covariates)


def _diagnostic(id: str, results: ResultSet) -> Diagnostic:
    rows = [row for row in results.rows if row.analysis == id]
    sizes = {row.group: _number(row) for row in rows if row.statistic == "effective_sample_size"}
    return Diagnostic(
        analysis=id,
        rows=len(rows),
        reason=results.not_done.get(id, ""),
        largest_before=_largest(row for row in rows if row.statistic == "smd_unweighted"),
        largest_after=_largest(row for row in rows if row.statistic == "smd_weighted"),
        effective={arm: size for arm, size in sizes.items() if size is not None} or None,
        separation=_largest(row for row in rows if row.statistic == "area_under_curve"),
        equipoise=_largest(row for row in rows if row.statistic == "equipoise_share"),
        warnings=tuple(dict.fromkeys(one for row in rows for one in row.warnings)),
    )


def _largest(rows: Iterable[ArdRow]) -> float | None:
    return max((abs(value) for row in rows if (value := _number(row)) is not None), default=None)


def _number(row: ArdRow) -> float | None:
    return float(row.value) if isinstance(row.value, int | float) else None
