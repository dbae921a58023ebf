"""From YAML to a `Protocol`: structure here, cross-references in `protocol_checks`."""

from __future__ import annotations

from typing import cast

from rwd_platform.core.canonical import sha256_hex
from rwd_platform.core.errors import PlatformError, Problem
from studies.planned_reader import not_negative, read_aggregate, read_analysis, share
from studies.protocol import (
    FORMAT_VERSION,
    Cohort,
    Competing,
    Covariate,
    Criterion,
    DefinedCohort,
    Diagnostics,
    Emulation,
    Estimand,
    Exposure,
    IntercurrentEvent,
    Level,
    LockPlan,
    Outcome,
    OutcomeRule,
    OutcomesKnown,
    OutcomeSource,
    OverseasResult,
    Population,
    Protocol,
    Restriction,
    State,
)
from studies.protocol_amendments import read_amendments
from studies.protocol_checks import check_references
from studies.protocol_definition import check_defined, read_defined
from studies.protocol_genetics import read_genetic_resources
from studies.protocol_lock import BASELINE_TABLES, EXPOSURE_TABLES, read_lock_plan, read_records
from studies.tables import OUTCOME_TABLE
from studies.yaml_reader import Node, located, read_yaml, refused

_TEXTS = ("title", "question", "why_real_world_data", "prior_knowledge")
_KEYS = (
    "format_version", "id", "version", "dated", *_TEXTS, "estimand", "target_trial", "cohort", "exposure",
    "outcome", "covariates", "populations", "analyses", "diagnostics", "limits",
)  # fmt: skip
_OPTIONAL = (
    "overseas_result", "overseas_series", "outcomes_known", "human_genetic_resources", "lock", "amendments",
)  # fmt: skip


COHORT_ALONE = Problem(
    code="protocol.cohort_alone",
    zh="这只是一份队列定义，还不是研究方案。",
    en="This is a cohort alone, and not a protocol.",
    next_zh="请把它放进研究方案的 cohort 部分，并补全问题、估计目标、结局与计划中的分析；"
    "见 docs/reference/protocol.md。",
    next_en="Put it into a protocol's cohort section, with question, estimand, outcome and planned analyses beside it; "
    "see docs/reference/protocol.md.",
)


def read_protocol(text: str) -> Protocol:
    """Raises `protocol.cohort_alone`, or `protocol.refused`, naming the place."""
    root = read_yaml(text)
    if isinstance(root.value, dict) and "entry" in root.value and "format_version" not in root.value:
        raise COHORT_ALONE.error()
    try:
        return _protocol(root, text)
    except PlatformError as error:
        raise located(error, root) from error


def _protocol(root: Node, text: str) -> Protocol:
    root.keys(_KEYS, _OPTIONAL)
    if root.at("format_version").integer() != FORMAT_VERSION:
        raise refused(
            "format_version", f"只支持版本 {FORMAT_VERSION}", f"only version {FORMAT_VERSION} is read"
        )
    title, question, why, prior = (root.at(key).bilingual() for key in _TEXTS)
    protocol = Protocol(
        id=root.at("id").text(),
        version=root.at("version").text(),
        dated=root.at("dated").day(),
        sha256=sha256_hex(text.encode("utf-8")),
        title=title,
        question=question,
        why_real_world_data=why,
        prior_knowledge=prior,
        estimand=_estimand(root.at("estimand")),
        target_trial=tuple(_emulation(item) for item in root.at("target_trial").items(least=1)),
        cohort=_cohort(root.at("cohort"), root.at("id").text()),
        exposure=_exposure(root.at("exposure")),
        outcome=_outcome(root.at("outcome")),
        covariates=tuple(_covariate(item) for item in root.at("covariates").items()),
        populations=tuple(_population(item) for item in root.at("populations").items(least=1)),
        analyses=tuple(read_analysis(item) for item in root.at("analyses").items()),
        diagnostics=_diagnostics(root.at("diagnostics")),
        overseas=_overseas(root.at("overseas_result")) if root.has("overseas_result") else None,
        limits=tuple(item.bilingual() for item in root.at("limits").items()),
        lock=read_lock_plan(root.at("lock")) if root.has("lock") else LockPlan(),
        overseas_series=(
            tuple(read_aggregate(item) for item in root.at("overseas_series").items())
            if root.has("overseas_series")
            else ()
        ),
        outcomes_known=(
            cast(OutcomesKnown, root.at("outcomes_known").choice("no", "aggregate", "yes"))
            if root.has("outcomes_known")
            else None
        ),
        genetic_resources=(
            read_genetic_resources(root.at("human_genetic_resources"))
            if root.has("human_genetic_resources")
            else None
        ),
        amendments=(
            read_amendments(root.at("amendments"), root.at("dated").day()) if root.has("amendments") else ()
        ),
    )
    check_references(protocol)
    if isinstance(protocol.cohort, DefinedCohort):
        check_defined(protocol, root)
    return protocol


def _estimand(node: Node) -> Estimand:
    node.keys(("population", "treatment", "variable", "intercurrent_events", "summary_measure"))
    events = []
    for item in node.at("intercurrent_events").items():
        item.keys(("event", "strategy"))
        events.append(IntercurrentEvent(item.at("event").bilingual(), item.at("strategy").bilingual()))
    return Estimand(
        population=node.at("population").bilingual(),
        treatment=node.at("treatment").bilingual(),
        variable=node.at("variable").bilingual(),
        intercurrent_events=tuple(events),
        summary_measure=node.at("summary_measure").bilingual(),
    )


def _emulation(node: Node) -> Emulation:
    node.keys(("element", "trial", "emulation"))
    return Emulation(*(node.at(key).bilingual() for key in ("element", "trial", "emulation")))


def _cohort(node: Node, name: str) -> Cohort | DefinedCohort:
    if isinstance(node.value, dict) and "language" in node.value:
        return read_defined(node, name)
    node.keys(("source", "index_title", "index", "criteria"))
    return Cohort(
        source=node.at("source").bilingual(),
        index=read_records(node.at("index"), *BASELINE_TABLES),
        index_title=node.at("index_title").bilingual(),
        criteria=tuple(_criterion(item) for item in node.at("criteria").items()),
    )


def _criterion(node: Node) -> Criterion:
    if not isinstance(node.value, dict) or "kind" not in node.value:
        node.keys(("id", "kind", "reason"))
    kind = node.at("kind").choice("age", "gender", "record")
    required = ("id", "kind", "reason")
    if kind == "age":
        node.keys(required, ("at_least", "at_most"))
        if not (node.has("at_least") or node.has("at_most")):
            raise refused(node.path, "需要 at_least 或 at_most", "at_least or at_most is needed")
        return Criterion(
            id=node.at("id").word(),
            kind="age",
            reason=node.at("reason").bilingual(),
            at_least=node.at("at_least").integer() if node.has("at_least") else None,
            at_most=node.at("at_most").integer() if node.has("at_most") else None,
        )
    if kind == "gender":
        node.keys((*required, "values"))
        values = node.at("values").texts(least=1)
        return Criterion(node.at("id").word(), "gender", node.at("reason").bilingual(), values=values)
    node.keys((*required, "records", "days", "present"))
    return Criterion(
        id=node.at("id").word(),
        kind="record",
        reason=node.at("reason").bilingual(),
        records=read_records(node.at("records"), *BASELINE_TABLES),
        days=node.at("days").window(),
        present=node.at("present").truth(),
    )


def _exposure(node: Node) -> Exposure:
    node.keys(
        ("name", "title", "exposed_title", "comparator_title", "records", "grace_days"),
        ("contradicting_statuses", "washout_days", "comparator"),
    )
    return Exposure(
        name=node.at("name").word(),
        title=node.at("title").bilingual(),
        exposed=node.at("exposed_title").bilingual(),
        comparator_title=node.at("comparator_title").bilingual(),
        records=read_records(node.at("records"), *EXPOSURE_TABLES),
        grace_days=node.at("grace_days").window(),
        contradicting_statuses=(
            node.at("contradicting_statuses").texts() if node.has("contradicting_statuses") else ()
        ),
        washout_days=node.at("washout_days").days(least=0) if node.has("washout_days") else None,
        comparator=read_records(node.at("comparator"), *EXPOSURE_TABLES) if node.has("comparator") else None,
    )


def _outcome(node: Node) -> Outcome:
    node.keys(("name", "title", "sources", "rules"), ("competing", "wanted"))
    return Outcome(
        name=node.at("name").word(),
        title=node.at("title").bilingual(),
        sources=tuple(_source(item) for item in node.at("sources").items(least=1)),
        rules=tuple(_rule(item) for item in node.at("rules").items(least=1)),
        competing=_competing(node.at("competing")) if node.has("competing") else None,
        wanted=node.at("wanted").truth() if node.has("wanted") else False,
    )


def _competing(node: Node) -> Competing:
    node.keys(("sources", "title", "event_title"))
    return Competing(
        sources=node.at("sources").texts(least=1),
        title=node.at("title").bilingual(),
        event_title=node.at("event_title").bilingual(),
    )


def _source(node: Node) -> OutcomeSource:
    node.keys(("name", "records", "event_values", "free_values", "final"))
    return OutcomeSource(
        name=node.at("name").word(),
        records=read_records(node.at("records"), OUTCOME_TABLE),
        event_values=node.at("event_values").texts(least=1),
        free_values=node.at("free_values").texts(),
        final=node.at("final").truth(),
    )


def _rule(node: Node) -> OutcomeRule:
    node.keys(("when", "time_of", "event", "reason"), ("earlier",))
    when = tuple((key, cast(State, value.choice("event", "free"))) for key, value in node.at("when").pairs())
    earlier: tuple[str, str] | None = None
    if node.has("earlier"):
        names = node.at("earlier").texts(least=2)
        if len(names) != 2:
            raise refused(f"{node.path}.earlier", "应为两个来源名", "two names of sources are expected")
        earlier = (names[0], names[1])
    return OutcomeRule(
        when=when,
        time_of=node.at("time_of").word(),
        event=node.at("event").truth(),
        reason=node.at("reason").bilingual(),
        earlier=earlier,
    )


def _covariate(node: Node) -> Covariate:
    if not isinstance(node.value, dict) or "kind" not in node.value:
        node.keys(("name", "title", "kind"))
    kind = node.at("kind").choice("subject", "measurement", "record")
    name, title = node.at("name").word(), node.at("title").bilingual()
    if kind == "subject":
        node.keys(("name", "title", "kind", "column"), ("unit",))
        return Covariate(
            name, title, kind="subject", type="number", unit=_unit(node), column=node.at("column").word()
        )
    if kind == "record":
        node.keys(("name", "title", "kind", "records", "days"))
        records = read_records(node.at("records"), *BASELINE_TABLES)
        return Covariate(
            name, title, kind="record", type="record", records=records, days=node.at("days").window()
        )
    node.keys(("name", "title", "kind", "records", "days"), ("unit", "levels"))
    levels = tuple(_level(item) for item in node.at("levels").items(least=2)) if node.has("levels") else ()
    return Covariate(
        name,
        title,
        kind="measurement",
        type="levels" if levels else "number",
        unit=_unit(node),
        records=read_records(node.at("records"), "measurement"),
        days=node.at("days").window(),
        levels=levels,
    )


def _unit(node: Node) -> str:
    return node.at("unit").text() if node.has("unit") else ""


def _level(node: Node) -> Level:
    node.keys(("id", "code", "title"))
    return Level(node.at("id").word(), node.at("code").text(), node.at("title").bilingual())


def _population(node: Node) -> Population:
    node.keys(("id", "title", "restrictions"))
    restrictions = tuple(_restriction(item) for item in node.at("restrictions").items())
    return Population(node.at("id").word(), node.at("title").bilingual(), restrictions)


def _restriction(node: Node) -> Restriction:
    limits = ("more_than", "at_least", "less_than", "at_most")
    node.keys(("covariate",), (*limits, "one_of"))
    if not any(node.has(key) for key in (*limits, "one_of")):
        raise refused(node.path, "缺少限制条件", "a condition is missing")
    more_than, at_least, less_than, at_most = (
        node.at(key).number() if node.has(key) else None for key in limits
    )
    one_of = node.at("one_of").texts(least=1) if node.has("one_of") else ()
    return Restriction(node.at("covariate").word(), more_than, at_least, less_than, at_most, one_of)


def _diagnostics(node: Node) -> Diagnostics:
    more = ("smallest_equipoise", "largest_weight", "largest_loss", "detectable_ratio")
    node.keys(
        ("largest_smd", "smallest_effective_sample", "smallest_cell", "ph_alpha"), ("smd_by_size", *more)
    )
    return Diagnostics(
        largest_smd=share(node.at("largest_smd")),
        smallest_effective_sample=float(not_negative(node.at("smallest_effective_sample"))),
        smallest_cell=not_negative(node.at("smallest_cell")),
        ph_alpha=share(node.at("ph_alpha")),
        smd_by_size=node.at("smd_by_size").truth() if node.has("smd_by_size") else False,
        **{name: share(node.at(name)) if node.has(name) else None for name in more},
    )


def _overseas(node: Node) -> OverseasResult:
    node.keys(("title", "source", "hazard_ratio", "ci_low", "ci_high", "ci_level", "subjects", "events"))
    numbers = {key: node.at(key).number() for key in ("hazard_ratio", "ci_low", "ci_high", "ci_level")}
    if not 0 < numbers["ci_low"] <= numbers["hazard_ratio"] <= numbers["ci_high"]:
        raise refused(
            node.path, "估计值应在置信区间内且大于 0", "the estimate must lie in its limits, above 0"
        )
    return OverseasResult(
        title=node.at("title").bilingual(),
        source=node.at("source").bilingual(),
        subjects=not_negative(node.at("subjects")),
        events=not_negative(node.at("events")),
        **numbers,
    )
