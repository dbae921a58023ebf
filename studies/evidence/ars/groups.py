"""Who was analysed and how results are divided: analysis sets and grouping factors."""

from __future__ import annotations

from collections.abc import Iterable

from rwd_platform.core.text import Bilingual
from studies.evidence.ars.words import Json, named
from studies.protocol import ARMS, EXPOSED, Covariate, Population, Protocol, Restriction
from studies.results import ArdRow, ResultSet
from studies.run import EVERYBODY

TABLE = "analysis"  # the analysis table of studies.dataset: one row a subject
ARM, GROUP, VARIABLE, UNIT = "Grp.arm", "Grp.group", "Grp.variable", "Grp.unit"
ROW_SET, ROW = "Grp.row_set", "Grp.row"
_EVERYBODY = Bilingual("全部进入分析的受试者", "Everybody who was analysed")
_ROW_SET = Bilingual("分析行集 {name}", "Row set {name}")
_SEPARATOR = "."


def analysis_sets(protocol: Protocol, results: ResultSet) -> list[Json]:
    """The protocol's populations, then each row set that results rest on and that is none of them.

    A row set holds subjects of the lock: here is its name and, where the protocol says it, its condition.
    """
    made = [_population(one, place) for place, one in enumerate(protocol.populations, start=1)]
    known = {one.id for one in protocol.populations}
    for name in row_sets(results):
        if name not in known:
            made.append(_row_set(name, len(made) + 1, protocol, known))
    return made


def row_sets(results: ResultSet) -> list[str]:
    """Every name of a row set, sorted: an aggregate package names some whose subjects it does not list."""
    return sorted({*results.row_sets, *(row.row_set for row in results.rows if row.row_set)})


def set_id(row_set: str) -> str:
    return f"Set.{row_set}"


def _population(population: Population, order: int) -> Json:
    clauses = [clause for one in population.restrictions for clause in _conditions(one)]
    made = {**named(set_id(population.id), population.title), "level": 1, "order": order}
    if not clauses:
        return {**made, "description": f"{_EVERYBODY.zh} / {_EVERYBODY.en}"}
    return made | _all_of([{"condition": one} for one in clauses])


def _row_set(name: str, order: int, protocol: Protocol, populations: set[str]) -> Json:
    """`restricted.exposed` is the exposed of `restricted`, `analysed.exposed` of all; other names have no condition."""
    base, _, arm = name.rpartition(_SEPARATOR)
    made = {**named(set_id(name), _named(_ROW_SET, name)), "level": 1, "order": order}
    if arm not in ARMS or base not in {EVERYBODY, *populations}:
        return made
    title = protocol.exposure.arm_title(arm)
    condition = {"condition": arm_condition(protocol, arm)}
    if base in populations:
        within = protocol.population(base).title
        made |= named(set_id(name), Bilingual(f"{within.zh}：{title.zh}", f"{within.en}: {title.en}"))
        return made | _all_of([{"subClauseId": set_id(base)}, condition])
    everybody = Bilingual(f"{_EVERYBODY.zh}：{title.zh}", f"{_EVERYBODY.en}: {title.en}")
    return made | named(set_id(name), everybody) | condition


def _named(text: Bilingual, name: str) -> Bilingual:
    return Bilingual(text.zh.format(name=name), text.en.format(name=name))


def _all_of(clauses: list[Json]) -> Json:
    if len(clauses) == 1:
        return clauses[0]
    ordered = [{"level": 2, "order": place, **one} for place, one in enumerate(clauses, start=1)]
    return {"compoundExpression": {"logicalOperator": "AND", "whereClauses": ordered}}


def _conditions(restriction: Restriction) -> list[Json]:
    limits = (
        ("GT", restriction.more_than), ("GE", restriction.at_least), ("LT", restriction.less_than),
        ("LE", restriction.at_most),
    )  # fmt: skip
    found = [
        _condition(restriction.covariate, comparator, repr(limit))
        for comparator, limit in limits
        if limit is not None
    ]
    if restriction.one_of:
        found.append(_condition(restriction.covariate, "IN", *restriction.one_of))
    return found


def _condition(variable: str, comparator: str, *values: str) -> Json:
    return {"dataset": TABLE, "variable": variable, "comparator": comparator, "value": list(values)}


def arm_condition(protocol: Protocol, arm: str) -> Json:
    return _condition(protocol.exposure.name, "EQ", "1" if arm == EXPOSED else "0")


def groupings(protocol: Protocol, results: ResultSet) -> list[Json]:
    """Arms and covariates' levels, which the protocol fixes; and what names a result: row, variable, unit, row set."""
    return [
        _arms(protocol),
        *(_levels(one) for one in protocol.covariates if one.levels),
        _sets_as_groups(results),
        _data_driven(ROW, "id", Bilingual("结果行", "Result row")),
        _data_driven(GROUP, "group", Bilingual("其他分组", "Group other than an arm")),
        _data_driven(VARIABLE, "variable", Bilingual("变量或水平", "Variable or level")),
        _data_driven(UNIT, "unit", Bilingual("单位", "Unit")),
    ]


def _data_driven(id: str, variable: str, title: Bilingual) -> Json:
    return {
        **named(id, title),
        "dataDriven": True,
        "groupingDataset": "ard.json",
        "groupingVariable": variable,
    }


def _arms(protocol: Protocol) -> Json:
    groups = [
        {
            **named(f"{ARM}.{arm}", protocol.exposure.arm_title(arm)),
            "level": 1,
            "order": place,
            "condition": arm_condition(protocol, arm),
        }
        for place, arm in enumerate(ARMS, start=1)
    ]
    factor = {"dataDriven": False, "groupingDataset": TABLE, "groupingVariable": protocol.exposure.name}
    return {**named(ARM, protocol.exposure.title), **factor, "groups": groups}


def levels_id(covariate: str) -> str:
    return f"Grp.levels.{covariate}"


def _levels(covariate: Covariate) -> Json:
    id = levels_id(covariate.name)
    groups = [
        {
            **named(f"{id}.{level.id}", level.title),
            "level": 1,
            "order": place,
            "condition": _condition(covariate.name, "EQ", level.id),
        }
        for place, level in enumerate(covariate.levels, start=1)
    ]
    factor = {"dataDriven": False, "groupingDataset": TABLE, "groupingVariable": covariate.name}
    return {**named(id, covariate.title), **factor, "groups": groups}


def _sets_as_groups(results: ResultSet) -> Json:
    groups = [
        {**named(f"{ROW_SET}.{name}", _named(_ROW_SET, name)), "level": 1, "order": place}
        for place, name in enumerate(row_sets(results), start=1)
    ]
    title = Bilingual("分析行集", "Row set")
    factor = {"dataDriven": False, "groupingDataset": "ard.json", "groupingVariable": "row_set"}
    return {**named(ROW_SET, title), **factor, **({"groups": groups} if groups else {})}


def result_groups(row: ArdRow, levels: Iterable[str]) -> list[Json]:
    """Where a result belongs. `levels` are the `covariate.level` names of the protocol."""
    groups: list[Json] = [{"groupingId": ROW, "groupValue": row.id}]
    if row.group in ARMS:
        groups.append({"groupingId": ARM, "groupId": f"{ARM}.{row.group}"})
    elif row.group:
        groups.append({"groupingId": GROUP, "groupValue": row.group})
    if row.variable:
        groups.append({"groupingId": VARIABLE, "groupValue": row.variable})
    if row.variable in levels:
        covariate = row.variable.split(_SEPARATOR)[0]
        groups.append({"groupingId": levels_id(covariate), "groupId": f"Grp.levels.{row.variable}"})
    if row.unit:
        groups.append({"groupingId": UNIT, "groupValue": row.unit})
    if row.row_set:
        groups.append({"groupingId": ROW_SET, "groupId": f"{ROW_SET}.{row.row_set}"})
    return groups


def level_names(protocol: Protocol) -> frozenset[str]:
    return frozenset(
        f"{one.name}{_SEPARATOR}{level.id}" for one in protocol.covariates for level in one.levels
    )
