"""What a protocol's parts must agree on: names that are used are defined, once, and fit their use."""

from __future__ import annotations

from studies.planned_checks import check_analyses, check_unique, unknown
from studies.protocol import Cohort, Protocol
from studies.protocol_lock import check_lock_plan
from studies.yaml_reader import refused

# Columns of the analysis table and words of result ids that a covariate's name must not take.
RESERVED = frozenset(
    {"subject_id", "site_id", "time_days", "event", "arm", "index", "weight", "ph", "global"}
)


def check_references(protocol: Protocol) -> None:
    _check_names(protocol)
    _check_outcome(protocol)
    _check_populations(protocol)
    check_analyses(protocol)
    check_lock_plan(protocol)


def _check_names(protocol: Protocol) -> None:
    names = [("exposure.name", protocol.exposure.name)]
    names += [(f"covariates[{at}].name", one.name) for at, one in enumerate(protocol.covariates)]
    for path, name in names:
        if name in RESERVED:
            raise refused(path, f"“{name}”是保留名称", f"'{name}' is a reserved name")
    check_unique(names)
    check_unique((f"populations[{at}].id", one.id) for at, one in enumerate(protocol.populations))
    check_unique((f"analyses[{at}].id", one.id) for at, one in enumerate(protocol.analyses))
    check_unique((f"outcome.sources[{at}].name", one.name) for at, one in enumerate(protocol.outcome.sources))
    if isinstance(protocol.cohort, Cohort):
        criteria = enumerate(protocol.cohort.criteria)
        check_unique((f"cohort.criteria[{at}].id", one.id) for at, one in criteria)
    for at, covariate in enumerate(protocol.covariates):
        for field in ("id", "code"):
            path = f"covariates[{at}].levels"
            check_unique(
                (f"{path}[{i}].{field}", getattr(one, field)) for i, one in enumerate(covariate.levels)
            )
        if covariate.days[1] > 0 and covariate.kind != "subject":
            path = f"covariates[{at}].days"
            raise refused(
                path, "协变量不能取起始日之后的记录", "a covariate cannot use records after the index date"
            )


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
                raise unknown(f"{path}.covariate", restriction.covariate)
            covariate = kinds[restriction.covariate]
            if bool(restriction.one_of) != (covariate.type == "levels"):
                raise refused(
                    path, "限制条件与协变量类型不符", "the condition does not fit the covariate's type"
                )
            levels = {level.id for level in covariate.levels}
            for level_id in restriction.one_of:
                if level_id not in levels:
                    raise unknown(f"{path}.one_of", level_id)
