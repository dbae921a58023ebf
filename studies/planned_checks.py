"""What the planned analyses must agree on with the rest of a protocol, and with each other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from rwd_platform.core.errors import PlatformError
from studies.planned import Aggregate, PlannedAnalysis
from studies.protocol import Protocol
from studies.yaml_reader import among, printed, refused

# First parts of result ids that are not analyses.
_NOT_AS_ANALYSIS = frozenset({"cohort", "attrition", "overseas"})
SITE_STRATUM = "site_id"


def check_analyses(protocol: Protocol) -> None:
    """Raises `protocol.refused` at the first thing that does not fit."""
    _check_series(protocol)
    for number, analysis in enumerate(protocol.analyses):
        path = f"analyses[{number}]"
        if analysis.id.split(".")[0] in _NOT_AS_ANALYSIS:
            raise refused(
                f"{path}.id", "编号的第一部分是保留词", "the first part of the id is a reserved word"
            )
        _check_names(protocol, analysis, path)
        for check in _CHECKS.get(analysis.method, ()):
            check(protocol, analysis, path)
        if analysis.weights != "none" and not analysis.covariates:
            raise refused(f"{path}.covariates", "加权需要协变量", "weights need covariates")
        if analysis.weights == "matched" and analysis.strata:
            raise refused(
                f"{path}.strata",
                "匹配不按层进行：一对可能分在两层，不能再分层",
                "pairs are not matched within strata: they cannot be split by them",
            )
    primary = [one.id for one in protocol.analyses if one.role == "primary"]
    if len(primary) > 1:
        raise refused(
            "analyses",
            f"主要分析只能有一项，现有：{'、'.join(primary)}",
            f"there can be one primary analysis, not several: {', '.join(primary)}",
        )


def _check_names(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    """Every population, covariate and stratum that is named is defined, and named once."""
    covariates = {covariate.name: covariate for covariate in protocol.covariates}
    populations = [one.id for one in protocol.populations]
    if analysis.population and analysis.population not in populations:
        raise unknown(f"{path}.population", analysis.population, populations)
    for field in ("covariates", "strata", "by"):
        names = getattr(analysis, field)
        for name in names:
            if name not in covariates and not (field == "strata" and name == SITE_STRATUM):
                more = [SITE_STRATUM] if field == "strata" else []
                raise unknown(f"{path}.{field}", name, [*covariates, *more])
        check_unique((f"{path}.{field}", name) for name in names)
    for name in set(analysis.strata) & set(analysis.covariates):
        raise refused(
            path, f"“{name}”不能既分层又调整", f"'{name}' cannot be a stratum and a covariate at once"
        )
    for name in (*analysis.strata, *analysis.by):
        if name != SITE_STRATUM and covariates[name].type == "number":
            raise refused(
                path,
                f"“{name}”是数值，不能分层或分亚组",
                f"'{name}' is a number: it makes no strata or subgroups",
            )


def _check_series(protocol: Protocol) -> None:
    check_unique((f"overseas_series[{at}].id", one.id) for at, one in enumerate(protocol.overseas_series))
    for at, series in enumerate(protocol.overseas_series):
        path = f"overseas_series[{at}].covariates"
        check_unique((path, one.name) for one in series.covariates)
        for one in series.covariates:
            if one.name not in _columns(protocol):
                raise unknown(path, one.name, _columns(protocol))
            is_number = "." not in one.name and protocol.covariate(one.name).type == "number"
            if not is_number and (one.sd is not None or not 0 < one.mean < 1):
                raise refused(
                    path,
                    f"“{one.name}”是比例，应在 0 与 1 之间，且没有标准差",
                    f"'{one.name}' is a share: between 0 and 1, and without a standard deviation",
                )


def _columns(protocol: Protocol) -> list[str]:
    """What a mean can be told of: numbers, records, and levels by `covariate.level`."""
    plain = [one.name for one in protocol.covariates if not one.levels]
    return plain + [f"{one.name}.{level.id}" for one in protocol.covariates for level in one.levels]


def _balance_needs_covariates(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    if not analysis.covariates:
        raise refused(f"{path}.covariates", "需要至少一个协变量", "at least one covariate is needed")


def _each_day_once(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    check_unique((f"{path}.days", str(day)) for day in analysis.days)


def _names_what_competes(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    if protocol.outcome.competing is None:
        raise refused(
            f"{path}.method",
            "结局没有写明竞争事件（outcome.competing），不能计划累积发生函数",
            "the outcome names no competing events (outcome.competing): there is no cumulative incidence to plan",
        )
    if not any(day > 0 for day in analysis.days):
        raise refused(
            f"{path}.days", "需要至少一个起始日之后的时点", "at least one day after the index date is needed"
        )


def _success_is_without_the_event(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    """Success, and the failure that is assumed of those lost, would both be the wrong way round."""
    if protocol.outcome.wanted:
        raise refused(
            f"{path}.method",
            f"“{analysis.method}”以未发生结局事件为成功，而本方案的结局是期望发生的（outcome.wanted）；"
            "请把未能达到期望的情形定义为结局",
            f"'{analysis.method}' counts who is free of the event as a success, and this outcome is wanted "
            "(outcome.wanted): define failing to reach it as the outcome",
        )


def _assumes_better(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    """A power is that of showing something true."""
    criterion = analysis.criterion
    if criterion is None or criterion.assumed is None:
        return
    least = criterion.direction == "at_least"
    if criterion.assumed == criterion.value or (criterion.assumed > criterion.value) != least:
        raise refused(
            f"{path}.criterion.assumed",
            "假定的真实值应优于目标值",
            "the share that is assumed has to be better than the criterion",
        )


def _hazards_of_plain_models(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    if analysis.proportional_hazards and analysis.weights != "none":
        raise refused(
            f"{path}.proportional_hazards", "加权模型不做该检验", "this test is not made for weighted models"
        )


def _compares_models(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    models = [one.id for one in protocol.analyses if one.method == "cox"]
    for field, names in (("compares", analysis.compares), ("of", (analysis.of,) if analysis.of else ())):
        for name in names:
            if name not in models:
                raise _not_one_of(f"{path}.{field}", name, " Cox 分析", "a Cox analysis", models)


def _comes_after_its_model(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    ids = [one.id for one in protocol.analyses]
    if ids.index(analysis.of) > ids.index(analysis.id):
        raise refused(
            f"{path}.of", "所依据的分析应列在它之前", "the analysis that it looks into has to stand before it"
        )


def _tips_an_arm_or_two(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    """Either the single arm of a criterion, with its horizon, or the two arms of a population."""
    if bool(analysis.of) == bool(analysis.population) or bool(analysis.population) != bool(analysis.horizon):
        raise refused(
            path,
            "应给出 of（一项目标值分析），或给出 population 与 horizon（两组比较），二者择一",
            "it needs either 'of' (a performance criterion), or 'population' and 'horizon' (two arms)",
        )
    criteria = [one.id for one in protocol.analyses if one.method == "performance_criterion"]
    if analysis.of and analysis.of not in criteria:
        raise _not_one_of(f"{path}.of", analysis.of, "目标值分析", "a performance criterion", criteria)


_COMPARISONS = frozenset({"cox", "rmst"})


def _specifies_one_question(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    """All compare the arms, or all hold the arm against the same criterion; each once, and before it."""
    by_id = {one.id: one for one in protocol.analyses}
    names = (analysis.of, *analysis.compares)
    check_unique((f"{path}.compares", name) for name in names)
    fit = [id for id, one in by_id.items() if one.method in (*_COMPARISONS, "performance_criterion")]
    for name in names:
        if name not in fit:
            field, zh = "of" if name == analysis.of else "compares", " Cox、RMST 或目标值分析"
            en = "a Cox, restricted mean or criterion analysis"
            raise _not_one_of(f"{path}.{field}", name, zh, en, fit)
        if list(by_id).index(name) > list(by_id).index(analysis.id):
            raise refused(
                f"{path}.compares", "所列的分析应排在它之前", f"'{name}' has to stand before what compares it"
            )
    if len(names) == 1 and by_id[analysis.of].method in _COMPARISONS:
        raise refused(
            f"{path}.compares", "没有列出其他分析，无从比较", "nothing is compared: name the other analyses"
        )
    if len({_question(by_id[name]) for name in names}) > 1:
        raise refused(
            f"{path}.compares",
            "两组比较与目标值分析（或不同的目标值、时点）回答的不是同一个问题，不能并列",
            "a comparison of arms and a criterion (or two criteria that differ) do not answer one question",
        )


def _question(one: PlannedAnalysis) -> tuple[object, ...]:
    criterion, horizon = one.criterion, one.horizon
    if criterion is None or horizon is None:
        return ("arms",)
    return (criterion.value, criterion.direction, criterion.alpha, horizon.day)


def _bridges_to_a_series(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    series = _series(protocol, analysis.aggregate, f"{path}.aggregate")
    if series.successes in (0, series.subjects):
        raise refused(
            f"{path}.aggregate",
            "境外系列全部成功或全部失败，其误差无法估计，不能比较",
            "in the overseas series all or none succeeded: its error cannot be told, and nothing be compared",
        )
    published = {one.name for one in series.covariates}
    for name in _model_columns(protocol, analysis.covariates):
        if name not in published:
            raise refused(
                f"{path}.covariates",
                f"境外系列没有公布“{name}”",
                f"the overseas series does not publish '{name}'",
            )
    _same_horizon(series, analysis, path)


def _model_columns(protocol: Protocol, names: Iterable[str]) -> list[str]:
    """The columns that covariates have in a model: a level's for each after the reference."""
    found = []
    for name in names:
        levels = protocol.covariate(name).levels
        found += [f"{name}.{level.id}" for level in levels[1:]] if levels else [name]
    return found


def _borrows_from_a_series(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    if analysis.borrowing is not None:
        series = _series(protocol, analysis.borrowing.aggregate, f"{path}.borrowing.aggregate")
        _same_horizon(series, analysis, path)


def _counts_successes(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    """A series publishes successes: a criterion on failures would be compared with the wrong thing."""
    if analysis.criterion is not None and analysis.criterion.direction != "at_least":
        raise refused(
            f"{path}.criterion.direction",
            "境外系列公布的是成功例数，借用时目标值也须以成功率表示（at_least）",
            "the series publishes successes: say the criterion as a share of successes (at_least)",
        )


def _describes_safety(protocol: Protocol, analysis: PlannedAnalysis, path: str) -> None:
    """Safety describes; deaths are held against a source that is there; a code has one name."""
    if analysis.role == "primary":
        raise refused(
            f"{path}.role",
            "安全性分析只作描述，不能作为主要分析",
            "safety is described; it cannot be the primary analysis",
        )
    sources = {one.name: one for one in protocol.outcome.sources}
    if analysis.deaths and analysis.deaths not in sources:
        raise unknown(f"{path}.deaths", analysis.deaths, sources)
    if analysis.deaths and not sources[analysis.deaths].final:
        raise refused(
            f"{path}.deaths",
            f"“{analysis.deaths}”不是终末事件（final: true），不能当作死亡核对",
            f"'{analysis.deaths}' is no final event (final: true): it is not a source of deaths",
        )
    check_unique((f"{path}.terms", f"{one.code_system} {one.code}") for one in analysis.terms)


def _same_horizon(series: Aggregate, analysis: PlannedAnalysis, path: str) -> None:
    if analysis.horizon is not None and analysis.horizon.day != series.horizon_day:
        raise refused(
            f"{path}.horizon.day",
            "与境外系列的随访时点不同，不能相互比较",
            "it is not the day by which the overseas series counts: the two cannot be compared",
        )


def _series(protocol: Protocol, name: str, path: str) -> Aggregate:
    found = [one for one in protocol.overseas_series if one.id == name]
    if not found:
        raise unknown(path, name, [one.id for one in protocol.overseas_series])
    return found[0]


Check = Callable[[Protocol, PlannedAnalysis, str], None]
_CHECKS: dict[str, tuple[Check, ...]] = {
    "balance": (_balance_needs_covariates,),
    "overlap": (_balance_needs_covariates,),
    "cox": (_hazards_of_plain_models,),
    "kaplan_meier": (_each_day_once,),
    "cumulative_incidence": (_each_day_once, _names_what_competes),
    "performance_criterion": (_success_is_without_the_event, _assumes_better),
    "forest": (_compares_models,),
    "e_value": (_compares_models, _comes_after_its_model),
    "subgroups": (_compares_models, _comes_after_its_model),
    "leave_one_out": (_compares_models, _comes_after_its_model),
    "bridging": (_success_is_without_the_event, _balance_needs_covariates, _bridges_to_a_series),
    "borrowing": (_success_is_without_the_event, _counts_successes, _assumes_better, _borrows_from_a_series),
    "tipping_point": (_success_is_without_the_event, _tips_an_arm_or_two),
    "specification": (_specifies_one_question,),
    "safety": (_describes_safety,),
}


def check_unique(names: Iterable[tuple[str, str]]) -> None:
    seen: set[str] = set()
    for path, name in names:
        if name in seen:
            raise refused(path, f"“{printed(name)}”重复", f"'{printed(name)}' is used twice")
        seen.add(name)


def unknown(path: str, name: str, known: Collection[str]) -> PlatformError:
    """A name that nothing has: with the nearest that there is, and what there is."""
    zh, en = among(name, known)
    return refused(path, f"没有定义“{printed(name)}”{zh}", f"'{printed(name)}' is not defined{en}")


def _not_one_of(path: str, name: str, zh: str, en: str, known: Collection[str]) -> PlatformError:
    """A name of something of another kind; `zh`, `en` say what is expected."""
    known_zh, known_en = among(name, known)
    return refused(path, f"“{printed(name)}”不是{zh}{known_zh}", f"'{printed(name)}' is not {en}{known_en}")
