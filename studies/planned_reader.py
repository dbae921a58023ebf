"""Reading `analyses` and `overseas_series` of a protocol: structure here, cross-references in `planned_checks`."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

from rwd_platform.core.text import Bilingual
from studies.planned import (
    Aggregate,
    AggregateCovariate,
    Borrowing,
    Criterion,
    Direction,
    EventTerm,
    Horizon,
    Lost,
    Method,
    PlannedAnalysis,
    Role,
    Weights,
)
from studies.yaml_reader import Node

ROLES = ("primary", "secondary", "sensitivity", "descriptive")
WEIGHTS = ("none", "overlap", "ate", "att", "entropy", "matched")
WIDEST_WINDOW = 0.25  # of the horizon: a wider one calls those followed who were lost
SMALLEST_ALPHA, LARGEST_ALPHA = 0.0001, 0.2

# method -> the fields that it needs, and those that it may have.
FIELDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cox": (("population",), ("covariates", "weights", "strata", "proportional_hazards")),
    "balance": (("population", "covariates"), ("weights",)),
    "overlap": (("population", "covariates"), ("weights",)),
    "kaplan_meier": (("population", "days"), ("covariates", "weights")),
    "log_rank": (("population",), ("strata",)),
    "cumulative_incidence": (("population", "days"), ("covariates", "strata")),
    "follow_up": (("population",), ()),
    "forest": (("compares",), ()),
    "rmst": (("population", "tau"), ()),
    "performance_criterion": (("population", "criterion", "horizon"), ("lost", "subjects")),
    "e_value": (("of",), ()),
    "subgroups": (("of", "by"), ()),
    "leave_one_out": (("of",), ()),
    "bridging": (("population", "covariates", "aggregate", "horizon", "missing_factors"), ("lost",)),
    "borrowing": (("population", "criterion", "horizon", "borrowing"), ("lost", "subjects")),
    "tipping_point": ((), ("of", "population", "horizon")),
    "specification": (("of",), ("compares",)),
    "safety": (("population",), ("until", "deaths", "terms")),
}


def read_analysis(node: Node) -> PlannedAnalysis:
    """One planned analysis. Raises `protocol.refused` for a field that its method does not know or lacks."""
    if not isinstance(node.value, dict) or "method" not in node.value:
        node.keys(("id", "method", "title"))
    method = node.at("method").choice(*FIELDS)
    required, optional = FIELDS[method]
    node.keys(("id", "method", "title", *required), (*optional, "role"))
    id_parts = node.at("id").text().split(".")
    if len(id_parts) != 2 or not all(replace(node.at("id"), value=part).word() for part in id_parts):
        raise node.at("id").wrong("编号应为“人群.分析”", "an id is population.analysis, e.g. all.crude")
    return PlannedAnalysis(
        id=node.at("id").text(),
        method=cast(Method, method),
        title=node.at("title").bilingual(),
        population=node.at("population").word() if node.has("population") else "",
        covariates=_texts(node, "covariates"),
        weights=cast(Weights, _choice(node, "weights", WEIGHTS, "none")),
        proportional_hazards=_truth(node, "proportional_hazards"),
        days=tuple(item.days(least=0) for item in node.at("days").items()) if node.has("days") else (),
        compares=node.at("compares").texts(least=1) if node.has("compares") else (),
        role=cast(Role, _choice(node, "role", ROLES, "secondary")),
        strata=_texts(node, "strata"),
        tau=node.at("tau").days() if node.has("tau") else 0,
        of=node.at("of").text() if node.has("of") else "",
        by=node.at("by").texts(least=1) if node.has("by") else (),
        criterion=_criterion(node.at("criterion")) if node.has("criterion") else None,
        horizon=_horizon(node.at("horizon")) if node.has("horizon") else None,
        lost=cast(Lost, _choice(node, "lost", ("as_failure", "complete_cases"), "as_failure")),
        aggregate=node.at("aggregate").word() if node.has("aggregate") else "",
        missing_factors=_bilinguals(node, "missing_factors"),
        borrowing=_borrowing(node.at("borrowing")) if node.has("borrowing") else None,
        subjects=_positive(node.at("subjects")) if node.has("subjects") else 0,
        until=node.at("until").days() if node.has("until") else 0,
        deaths=node.at("deaths").word() if node.has("deaths") else "",
        terms=tuple(_term(item) for item in node.at("terms").items()) if node.has("terms") else (),
    )


def read_aggregate(node: Node) -> Aggregate:
    """A published series. Counts that cannot be, and a mean outside the SD's world, are refused."""
    node.keys(("id", "title", "source", "subjects", "successes", "horizon_day", "covariates"))
    subjects, successes = not_negative(node.at("subjects")), not_negative(node.at("successes"))
    if subjects == 0 or successes > subjects:
        raise node.at("successes").wrong(
            "成功例数不能多于受试者数", "there cannot be more successes than subjects"
        )
    covariates = []
    for item in node.at("covariates").items():
        item.keys(("name", "mean"), ("sd",))
        spread = item.at("sd").number() if item.has("sd") else None
        if spread is not None and spread <= 0:
            raise item.at("sd").wrong("标准差应大于 0", "a standard deviation is above 0")
        covariates.append(AggregateCovariate(item.at("name").text(), item.at("mean").number(), spread))
    return Aggregate(
        id=node.at("id").word(),
        title=node.at("title").bilingual(),
        source=node.at("source").bilingual(),
        subjects=subjects,
        successes=successes,
        horizon_day=node.at("horizon_day").days(),
        covariates=tuple(covariates),
    )


def not_negative(node: Node) -> int:
    value = node.integer()
    if value < 0:
        raise node.wrong("不能为负数", "it cannot be negative")
    return value


def _positive(node: Node) -> int:
    value = not_negative(node)
    if value == 0:
        raise node.wrong("应大于 0", "it has to be above 0")
    return value


def _criterion(node: Node) -> Criterion:
    node.keys(("value", "direction", "source", "alpha"), ("assumed",))
    alpha = node.at("alpha").number()
    if not SMALLEST_ALPHA <= alpha <= LARGEST_ALPHA:
        raise node.at("alpha").wrong(
            "单侧显著性水平应在 0.0001 与 0.2 之间", "a one-sided alpha lies in 0.0001-0.2"
        )
    return Criterion(
        value=share(node.at("value")),
        direction=cast(Direction, node.at("direction").choice("at_least", "at_most")),
        source=node.at("source").bilingual(),
        alpha=alpha,
        assumed=share(node.at("assumed")) if node.has("assumed") else None,
    )


def _horizon(node: Node) -> Horizon:
    node.keys(("day",), ("window",))
    day = node.at("day").days()
    window = node.at("window").days(least=0) if node.has("window") else 0
    if window > day * WIDEST_WINDOW:
        raise node.at("window").wrong(
            "时间窗不得超过随访时点的四分之一", "the window may not be wider than a quarter of the horizon"
        )
    return Horizon(day, window)


def _borrowing(node: Node) -> Borrowing:
    node.keys(("aggregate", "method", "weight", "decide_at"))
    weight = node.at("weight").number()
    if not 0 <= weight <= 1:
        raise node.at("weight").wrong("权重应在 0 与 1 之间", "a weight lies between 0 and 1")
    return Borrowing(
        aggregate=node.at("aggregate").word(),
        method="robust" if node.at("method").choice("robust", "power") == "robust" else "power",
        weight=weight,
        decide_at=share(node.at("decide_at")),
    )


def _term(node: Node) -> EventTerm:
    node.keys(("code_system", "code", "title"))
    return EventTerm(node.at("code_system").text(), node.at("code").text(), node.at("title").bilingual())


def share(node: Node) -> float:
    value = node.number()
    if not 0 < value < 1:
        raise node.wrong("应大于 0 且小于 1", "it has to lie between 0 and 1")
    return value


def _texts(node: Node, key: str) -> tuple[str, ...]:
    return node.at(key).texts() if node.has(key) else ()


def _truth(node: Node, key: str) -> bool:
    return node.at(key).truth() if node.has(key) else False


def _choice(node: Node, key: str, allowed: tuple[str, ...], default: str) -> str:
    return node.at(key).choice(*allowed) if node.has(key) else default


def _bilinguals(node: Node, key: str) -> tuple[Bilingual, ...]:
    return tuple(item.bilingual() for item in node.at(key).items()) if node.has(key) else ()
