"""What a protocol's parts must agree on: names that are used are defined, once, and fit their use."""

from __future__ import annotations

from collections.abc import Collection

from rwd_platform.core.errors import PlatformError
from studies.planned_checks import check_analyses, check_unique, unknown
from studies.protocol import EVENT_OF_INTEREST, Cohort, Competing, Outcome, OutcomeRule, Protocol
from studies.protocol_lock import check_lock_plan
from studies.yaml_reader import among, printed, refused

# Columns of the analysis table and words of result ids that a covariate's name must not take.
RESERVED = frozenset(
    {"subject_id", "site_id", "time_days", "event", "arm", "index", "weight", "ph", "global"}
)
RESERVED_BESIDE_COMPETING = frozenset({"status"})  # the column that only competing events make


def check_references(protocol: Protocol) -> None:
    _check_names(protocol)
    _check_outcome(protocol)
    _check_competing(protocol)
    _check_populations(protocol)
    check_analyses(protocol)
    check_lock_plan(protocol)


def _check_names(protocol: Protocol) -> None:
    names = [("exposure.name", protocol.exposure.name)]
    names += [(f"covariates[{at}].name", one.name) for at, one in enumerate(protocol.covariates)]
    reserved = RESERVED | (RESERVED_BESIDE_COMPETING if protocol.outcome.competing else frozenset())
    for path, name in names:
        if name in reserved:
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
    sources = [source.name for source in outcome.sources]
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
                raise _no_source(path, name, sources)
        for name in (rule.time_of, *(rule.earlier or ())):
            if name not in known:
                raise refused(f"{path}.when", f"须说明“{name}”的状态", f"the state of '{name}' must be given")


def _no_source(path: str, name: str, sources: Collection[str]) -> PlatformError:
    zh, en = among(name, sources)
    named = printed(name)
    return refused(path, f"没有名为“{named}”的来源{zh}", f"there is no source named '{named}'{en}")


def _check_competing(protocol: Protocol) -> None:
    """What competes ends some line of the decision table, and leaves another to the outcome's own event."""
    outcome, path = protocol.outcome, "outcome.competing"
    if outcome.competing is None:
        return
    _check_competing_words(outcome.competing, path)
    for name in outcome.competing.sources:
        sources = [source.name for source in outcome.sources]
        if name not in sources:
            raise _no_source(f"{path}.sources", name, sources)
        if not any(rule.time_of == name and outcome.competes(rule) for rule in outcome.rules):
            raise refused(
                f"{path}.sources",
                f"没有任何规则以“{name}”的事件之日为终点，该竞争事件不会出现",
                f"no rule takes its day from an event of '{name}': it would never compete",
            )
    if not any(outcome.status_of(rule) == EVENT_OF_INTEREST for rule in outcome.rules):
        raise refused(
            f"{path}.sources",
            "所有事件都成了竞争事件，结局本身没有事件可言",
            "every event of the rules competes: nothing is left that the outcome's own event could be",
        )
    for at, rule in enumerate(outcome.rules):
        if outcome.competes(rule) and not _comes_first(outcome, outcome.competing, rule):
            raise refused(
                f"outcome.rules[{at}].earlier",
                "结局事件与竞争事件都已发生时，须用 earlier 写明竞争事件在前",
                "where the outcome's own event happened too, `earlier` has to say that the competing one came first",
            )


def _check_competing_words(competing: Competing, path: str) -> None:
    check_unique((f"{path}.sources", name) for name in competing.sources)
    if competing.title == competing.event_title:
        raise refused(
            f"{path}.event_title",
            "结局事件与竞争事件不能同名",
            "the outcome's own event and the competing one cannot have the same title",
        )


def _comes_first(outcome: Outcome, competing: Competing, rule: OutcomeRule) -> bool:
    """Death after a recurrence does not compete with it."""
    others = [name for name, state in rule.when if state == "event" and name not in competing.sources]
    return not others or (rule.earlier is not None and rule.earlier == (rule.time_of, *others))


def _check_populations(protocol: Protocol) -> None:
    kinds = {covariate.name: covariate for covariate in protocol.covariates}
    for at, population in enumerate(protocol.populations):
        for number, restriction in enumerate(population.restrictions):
            path = f"populations[{at}].restrictions[{number}]"
            if restriction.covariate not in kinds:
                raise unknown(f"{path}.covariate", restriction.covariate, kinds)
            covariate = kinds[restriction.covariate]
            if bool(restriction.one_of) != (covariate.type == "levels"):
                raise refused(
                    path, "限制条件与协变量类型不符", "the condition does not fit the covariate's type"
                )
            levels = [level.id for level in covariate.levels]
            for level_id in restriction.one_of:
                if level_id not in levels:
                    raise unknown(f"{path}.one_of", level_id, levels)
