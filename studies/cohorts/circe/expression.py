"""A Circe cohort expression (the JSON that OHDSI's ATLAS exports) as a definition of the cohort language.

The meaning is that of the SQL that OHDSI/circe-be 1.12 generates. Its less known parts:

- a limit that is left out is "First"; the qualifying limit counts only beside additional criteria, but beside an
  empty group of them too
- what Circe leaves to chance (which of two events of one day is first, after the entry) is settled here by the
  order of entry: by day, then by the row's id
"""

from __future__ import annotations

from rwd_platform.core.text import Bilingual
from studies.cohorts.circe.attributes import Attributes
from studies.cohorts.circe.concepts import ConceptSets, ConceptSource
from studies.cohorts.circe.criteria import NOTHING
from studies.cohorts.circe.groups import Groups
from studies.cohorts.circe.json_node import Node, parse
from studies.cohorts.circe.refusals import Refusals
from studies.cohorts.definition import (
    CodeTest,
    Cohort,
    Entry,
    Events,
    ExposureExit,
    FixedExit,
    Group,
    Pick,
    Rule,
    Side,
)

_LIMITS: dict[str, Pick] = {"ALL": "all", "FIRST": "first", "LAST": "last"}
_DATES: dict[str, Side] = {"StartDate": "start", "EndDate": "end"}
# What ATLAS wraps an expression in; nothing of it says who is in the cohort.
_WRAPPER = (
    "id", "name", "description", "expressionType", "createdBy", "createdDate", "modifiedBy", "modifiedDate",
    "hasWriteAccess", "hasReadAccess", "tags", "expression", "cohortDefinitionId", "metadata",
)  # fmt: skip
_KEYS = (
    "cdmVersionRange", "Title", "ConceptSets", "PrimaryCriteria", "AdditionalCriteria", "QualifiedLimit",
    "ExpressionLimit", "InclusionRules", "EndStrategy", "CensoringCriteria", "CollapseSettings", "CensorWindow",
)  # fmt: skip


def read_circe(text: str, concepts: ConceptSource | None, name: str) -> Cohort:
    """The definition, on the data model "omop".

    concepts -- expands the concept sets; without it only sets of plain concepts are taken, as they stand

    Raises `circe.not_json`, or `circe.refused` with every part that cannot be said exactly (`details["refusals"]`).
    """
    refusals = Refusals()
    root = _unwrapped(parse(text, refusals))
    if refusals.found:
        raise refusals.error(name)
    cohort = _cohort(root, concepts, name)
    if refusals.found:
        raise refusals.error(name)
    return cohort


def _unwrapped(root: Node) -> Node:
    """The expression itself, where ATLAS exported it with its name and author around it."""
    if not isinstance(root.value, dict) or "expression" not in root.value:
        return root
    inner = root.fields(*_WRAPPER).get("expression")
    if inner is None or not isinstance(inner.value, str):
        return inner or root
    parsed = parse(inner.value, root.refusals)
    return Node(parsed.value, inner.path, root.refusals)


def _cohort(root: Node, concepts: ConceptSource | None, name: str) -> Cohort:
    facts = root.fields(*_KEYS)
    groups = Groups(Attributes(ConceptSets(facts.get("ConceptSets"), concepts)))
    if "cdmVersionRange" in facts:
        _check_version(facts["cdmVersionRange"])
    qualify = groups.read(facts["AdditionalCriteria"]) if "AdditionalCriteria" in facts else Group()
    qualify_limit = _limit(root, "QualifiedLimit")
    rules = facts["InclusionRules"].items() if "InclusionRules" in facts else ()
    censors = facts["CensoringCriteria"].items() if "CensoringCriteria" in facts else ()
    if "PrimaryCriteria" not in facts:
        root.refuse("missing", "PrimaryCriteria")
    return Cohort(
        name=name,
        entry=_entry(facts["PrimaryCriteria"], groups) if "PrimaryCriteria" in facts else Entry((NOTHING,)),
        qualify=qualify,
        qualify_limit=qualify_limit if "AdditionalCriteria" in facts else "all",
        rules=tuple(_rule(one, number, groups) for number, one in enumerate(rules, 1)),
        limit=_limit(root, "ExpressionLimit"),
        exit=_exit(facts["EndStrategy"], groups) if "EndStrategy" in facts else None,
        censors=tuple(groups.criteria.read(one)[1] for one in censors),
        era_gap_days=_era_gap(facts["CollapseSettings"]) if "CollapseSettings" in facts else 0,
        window=_window(facts["CensorWindow"]) if "CensorWindow" in facts else ("", ""),
    )


def _limit(owner: Node, name: str) -> Pick:
    """`{"Type": "First"}`; left out it is the first, and without a limit where its type is null."""
    if not isinstance(owner.value, dict) or name not in owner.value:
        return "first"
    node = Node(owner.value[name], f"{owner.path}.{name}", owner.refusals)
    if node.value is None:
        node.refuse("missing")
        return "all"
    facts = node.fields("Type")
    if "Type" in facts:
        return facts["Type"].choice(_LIMITS, "all", upper=True)
    if isinstance(node.value, dict) and "Type" in node.value:
        if name == "PrimaryCriteriaLimit":
            node.refuse("missing", "Type")
        return "all"
    return "first"


def _entry(node: Node, groups: Groups) -> Entry:
    facts = node.fields("CriteriaList", "ObservationWindow", "PrimaryCriteriaLimit")
    found = (
        [groups.criteria.read(one)[1] for one in facts["CriteriaList"].items()]
        if "CriteriaList" in facts
        else []
    )
    if not found:
        node.refuse("no_entry", "CriteriaList")
    if "ObservationWindow" not in facts:
        node.refuse("missing", "ObservationWindow")
        return Entry(tuple(found))
    days = facts["ObservationWindow"].fields("PriorDays", "PostDays")
    limit = _limit(node, "PrimaryCriteriaLimit")
    if limit != "all" and len(found) > 1 and any(events.dates[0] for events in found):
        node.refuse("sort_date", "UserDefinedPeriod")
    before, after = (days[name].days() if name in days else 0 for name in ("PriorDays", "PostDays"))
    return Entry(tuple(found), before, after, limit)


def _rule(node: Node, number: int, groups: Groups) -> Rule:
    facts = node.fields("name", "description", "expression")
    if "expression" not in facts:
        node.refuse("missing", "expression")
    said = facts["name"].text() if "name" in facts else ""
    reason = Bilingual(f"不符合：{said or number}", f"does not meet: {said or number}")
    return Rule(str(number), reason, groups.read(facts["expression"]) if "expression" in facts else Group())


def _exit(node: Node, groups: Groups) -> FixedExit | ExposureExit | None:
    facts = node.fields("DateOffset", "CustomEra")
    if len(facts) != 1:
        node.refuse("one_of")
        return None
    if "DateOffset" in facts:
        offset = facts["DateOffset"].fields("DateField", "Offset")
        side = offset["DateField"].choice(_DATES, "start") if "DateField" in offset else "start"
        return FixedExit(side, offset["Offset"].days() if "Offset" in offset else 0)
    era = facts["CustomEra"].fields("DrugCodesetId", "GapDays", "Offset", "DaysSupplyOverride")
    if "DrugCodesetId" not in era:
        facts["CustomEra"].refuse("missing", "DrugCodesetId")
        return None
    codes = groups.attributes.sets.codes(era["DrugCodesetId"])
    gap, extra = (era[name].days() if name in era else 0 for name in ("GapDays", "Offset"))
    supply = era["DaysSupplyOverride"].days() if "DaysSupplyOverride" in era else None
    columns = ("code", "source_code")
    exposure = tuple(Events("drug_exposure", (CodeTest(codes, column),)) for column in columns)
    return ExposureExit(exposure, gap, extra, supply)


def _era_gap(node: Node) -> int:
    facts = node.fields("CollapseType", "EraPad")
    if "CollapseType" in facts:
        facts["CollapseType"].choice({"ERA": "ERA"}, "ERA")
    return facts["EraPad"].days() if "EraPad" in facts else 0


def _window(node: Node) -> tuple[str, str]:
    facts = node.fields("StartDate", "EndDate")
    first, last = (facts[name].day() if name in facts else "" for name in ("StartDate", "EndDate"))
    return first, last


def _check_version(node: Node) -> None:
    """`>=5.0.0`: the versions of the CDM that a definition is for; ours is 5.4."""
    asked = node.text().replace(" ", "")
    numbers = asked.removeprefix(">=").split(".")
    known = asked.startswith(">=") and all(number.isdigit() for number in numbers)
    if not known or tuple(int(number) for number in numbers) > (5, 4):
        node.refuse("cdm_version")
