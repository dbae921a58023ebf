"""What a protocol's parts must agree on: names that are used are defined, once, and fit their use."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from studies.protocol import Cohort, PlannedAnalysis, Protocol
from studies.protocol_lock import check_lock_plan
from studies.yaml_reader import refused

# Columns of the analysis table and words of result ids that a covariate's name must not take.
RESERVED = frozenset(
    {"subject_id", "site_id", "time_days", "event", "arm", "index", "weight", "ph", "global"}
)
_NOT_AS_ANALYSIS = frozenset({"cohort", "attrition", "overseas"})


def check_references(protocol: Protocol) -> None:
    _check_names(protocol)
    _check_outcome(protocol)
    _check_populations(protocol)
    for number, analysis in enumerate(protocol.analyses):
        _check_analysis(protocol, analysis, f"analyses[{number}]")
    check_lock_plan(protocol)


def _check_names(protocol: Protocol) -> None:
    names = [("exposure.name", protocol.exposure.name)]
    names += [(f"covariates[{at}].name", one.name) for at, one in enumerate(protocol.covariates)]
    for path, name in names:
        if name in RESERVED:
            raise refused(path, f"“{name}”是保留名称", f"'{name}' is a reserved name")
    _check_unique(names)
    _check_unique((f"populations[{at}].id", one.id) for at, one in enumerate(protocol.populations))
    _check_unique((f"analyses[{at}].id", one.id) for at, one in enumerate(protocol.analyses))
    _check_unique(
        (f"outcome.sources[{at}].name", one.name) for at, one in enumerate(protocol.outcome.sources)
    )
    if isinstance(protocol.cohort, Cohort):
        criteria = enumerate(protocol.cohort.criteria)
        _check_unique((f"cohort.criteria[{at}].id", one.id) for at, one in criteria)
    for at, covariate in enumerate(protocol.covariates):
        for field in ("id", "code"):
            path = f"covariates[{at}].levels"
            _check_unique(
                (f"{path}[{i}].{field}", getattr(one, field)) for i, one in enumerate(covariate.levels)
            )
        if covariate.days[1] > 0 and covariate.kind != "subject":
            path = f"covariates[{at}].days"
            raise refused(
                path, "协变量不能取起始日之后的记录", "a covariate cannot use records after the index date"
            )


def _check_unique(names: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for path, name in names:
        if name in seen:
            raise refused(path, f"“{name}”重复", f"'{name}' is used twice")
        seen.add(name)


def _check_outcome(protocol: Protocol) -> None:
    outcome = protocol.outcome
    sources = {source.name for source in outcome.sources}
    for at, source in enumerate(outcome.sources):
        if set(source.event_values) & set(source.free_values):
            path = f"outcome.sources[{at}].free_values"
            raise refused(
                path, "同一取值不能既是事件又不是事件", "a value cannot mean both event and no event"
            )
    for at, rule in enumerate(outcome.rules):
        path = f"outcome.rules[{at}]"
        known = {name for name, _ in rule.when}
        used = [*known, rule.time_of, *(rule.earlier or ())]
        for name in used:
            if name not in sources:
                raise refused(path, f"没有名为“{name}”的来源", f"there is no source named '{name}'")
        for name in (rule.time_of, *(rule.earlier or ())):
            if name not in known:
                raise refused(f"{path}.when", f"须说明“{name}”的状态", f"the state of '{name}' must be given")


def _check_populations(protocol: Protocol) -> None:
    kinds = {covariate.name: covariate for covariate in protocol.covariates}
    for at, population in enumerate(protocol.populations):
        for number, restriction in enumerate(population.restrictions):
            path = f"populations[{at}].restrictions[{number}]"
            if restriction.covariate not in kinds:
                raise _unknown(f"{path}.covariate", restriction.covariate)
            covariate = kinds[restriction.covariate]
            if bool(restriction.one_of) != (covariate.type == "levels"):
                raise refused(
                    path, "限制条件与协变量类型不符", "the condition does not fit the covariate's type"
                )
            levels = {level.id for level in covariate.levels}
            for level_id in restriction.one_of:
                if level_id not in levels:
                    raise _unknown(f"{path}.one_of", level_id)


def _check_analysis(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    populations = {population.id for population in protocol.populations}
    covariates = {covariate.name for covariate in protocol.covariates}
    if analysis.id.split(".")[0] in _NOT_AS_ANALYSIS:
        raise refused(f"{path}.id", "编号的第一部分是保留词", "the first part of the id is a reserved word")
    if analysis.population and analysis.population not in populations:
        raise _unknown(f"{path}.population", analysis.population)
    for name in analysis.covariates:
        if name not in covariates:
            raise _unknown(f"{path}.covariates", name)
    _check_unique((f"{path}.covariates", name) for name in analysis.covariates)
    if analysis.weights == "overlap" and not analysis.covariates:
        raise refused(f"{path}.covariates", "加权需要协变量", "weights need covariates")
    if analysis.method in ("balance", "overlap") and not analysis.covariates:
        raise refused(f"{path}.covariates", "需要至少一个协变量", "at least one covariate is needed")
    if analysis.proportional_hazards and analysis.weights != "none":
        raise refused(
            f"{path}.proportional_hazards", "加权模型不做该检验", "this test is not made for weighted models"
        )
    for name in analysis.compares:
        if name not in set(_cox_ids(protocol)):
            raise refused(f"{path}.compares", f"“{name}”不是 Cox 分析", f"'{name}' is not a Cox analysis")


def _cox_ids(protocol: Protocol) -> Iterator[str]:
    return (analysis.id for analysis in protocol.analyses if analysis.method == "cox")


def _unknown(path: str, name: str) -> Exception:
    return refused(path, f"没有定义“{name}”", f"'{name}' is not defined")
