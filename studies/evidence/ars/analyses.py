"""Every planned analysis with its results, and those that are not done with the reason."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from rwd_platform.core.text import Bilingual
from studies.evidence.ars.groups import ROW, level_names, result_groups, set_id
from studies.evidence.ars.operations import Method, method_id
from studies.evidence.ars.words import Json, Term, named, sponsor_term, title_of, words
from studies.evidence.templates.verify import number_text
from studies.planned import PlannedAnalysis
from studies.protocol import Protocol
from studies.reasons import NOT_REACHED, in_language
from studies.reasons import joined as both_languages
from studies.results import ArdRow, ResultSet, Value

VERSION = 1
_NOT_DONE = Bilingual("未做：{reason}", "Not done: {reason}")
_PART_NOT_DONE = Bilingual("其中 {part} 未做：{reason}", "Not done of it, {part}: {reason}")
_SHOWS_OTHERS = Bilingual(
    "没有单独的结果行，图中各数为所列分析的结果",
    "No result row of its own: it shows results of other analyses",
)
_NOT_REACHED = both_languages(Bilingual(NOT_REACHED.zh, NOT_REACHED.en))


@dataclass(frozen=True)
class _Entry:
    """One analysis of the reporting event: planned, or given by every run."""

    id: str
    kind: str
    title: Bilingual
    planned: PlannedAnalysis | None


def analyses_and_methods(protocol: Protocol, results: ResultSet) -> tuple[list[Json], list[Json]]:
    """All analyses - what every run gives, then the protocol's in its order - and the methods they use."""
    entries = _entries(protocol, results)
    methods = {one.kind: Method(one.kind) for one in entries}
    made = [_analysis(one, methods[one.kind], protocol, results) for one in entries]
    for method in methods.values():
        method.nothing()
    return made, [method.as_dict() for method in methods.values()]


def _entries(protocol: Protocol, results: ResultSet) -> list[_Entry]:
    planned = {one.id for one in protocol.analyses}
    others = dict.fromkeys(row.analysis for row in results.rows if row.analysis not in planned)
    every_run = [_Entry(name, name, title_of("standing", name), None) for name in others]
    return [*every_run, *(_Entry(one.id, one.method, one.title, one) for one in protocol.analyses)]


def analysis_id(id: str) -> str:
    return f"An.{id}"


def _analysis(entry: _Entry, method: Method, protocol: Protocol, results: ResultSet) -> Json:
    levels = level_names(protocol)
    rows = [row for row in results.rows if row.analysis == entry.id]
    found = [result for row in rows for result in _results(row, method, levels)]
    made: Json = {
        **named(analysis_id(entry.id), entry.title, _description(entry, rows, protocol, results)),
        "version": VERSION,
        "reason": _reason(entry, protocol),
        "purpose": _purpose(entry),
        "methodId": method_id(entry.kind),
        "documentRefs": [{"referenceDocumentId": "Doc.protocol"}],
        "dataset": "analysis",
    }
    if analysed := _analysed(entry, rows):
        made["analysisSetId"] = set_id(analysed)
    if found:
        made["orderedGroupings"] = _ordered_groupings(found)
        related = method.relationships(result["operationId"] for result in found)
        if related:
            made["referencedAnalysisOperations"] = [
                {"referencedOperationRelationshipId": one, "analysisId": made["id"]} for one in related
            ]
        made["results"] = found
    return made


def _analysed(entry: _Entry, rows: list[ArdRow]) -> str:
    """The one row set that all results rest on, such as the exposed of a single arm; else the planned population."""
    found = {row.row_set for row in rows}
    return found.pop() if len(found) == 1 else (entry.planned.population if entry.planned else "")


def _reason(entry: _Entry, protocol: Protocol) -> Json:
    """The overseas result stands in the protocol; counts of the cohort are given whether planned or not."""
    if entry.planned is not None or (entry.id == "overseas" and protocol.overseas is not None):
        return {"controlledTerm": "SPECIFIED IN PROTOCOL"}
    return sponsor_term("AnalysisReasonEnum", "every_run")


def _purpose(entry: _Entry) -> Json:
    """The standard has outcome measures; a sensitivity analysis and a description are none."""
    role = entry.planned.role if entry.planned else "descriptive"
    if role in words()["purpose"]:
        return {"controlledTerm": words()["purpose"][role]}
    return sponsor_term("AnalysisPurposeEnum", role)


def _description(
    entry: _Entry, rows: list[ArdRow], protocol: Protocol, results: ResultSet
) -> Bilingual | None:
    """Why it is not done, wholly or in part; a result set keeps the same reasons in `not_done`."""
    if entry.id in results.not_done:
        return _with_reason(_NOT_DONE, results.not_done[entry.id])
    planned = [one.id for one in protocol.analyses]
    parts = [
        _with_reason(_PART_NOT_DONE, reason, part=name)
        for name, reason in results.not_done.items()
        if name not in planned and _of_analysis(name, planned) == entry.id
    ]
    if not rows and not parts:
        return _SHOWS_OTHERS if entry.kind == "forest" else None
    if not parts:
        return None
    return Bilingual("；".join(one.zh for one in parts), "; ".join(one.en for one in parts))


def _of_analysis(name: str, ids: Collection[str]) -> str:
    """The analysis that a part belongs to: `a.b.c` is of `a.b` where there is one, else of `a`; "" for none."""
    return max((id for id in ids if name.startswith(f"{id}.")), key=len, default="")


def _with_reason(text: Bilingual, reason: str, **names: str) -> Bilingual:
    return Bilingual(
        text.zh.format(reason=in_language(reason, "zh"), **names),
        text.en.format(reason=in_language(reason, "en"), **names),
    )


def _ordered_groupings(found: list[Json]) -> list[Json]:
    """The groupings of these results. `resultsByGroup` is true of those in which every result has a group."""
    having: dict[str, int] = {}
    for result in found:
        for group in result["resultGroups"]:
            having[group["groupingId"]] = having.get(group["groupingId"], 0) + 1
    first = sorted(having, key=lambda id: (id != ROW, id))
    return [
        {"order": place, "groupingId": id, "resultsByGroup": having[id] == len(found)}
        for place, id in enumerate(first, start=1)
    ]


def _results(row: ArdRow, method: Method, levels: frozenset[str]) -> Iterator[Json]:
    """The row's value, once; then its limits, counts and notes, each as an operation of its own."""
    groups = result_groups(row, levels)
    value_id, term = method.value_of(row)
    yield _result(value_id, row.value, _shown(row.value, term, row), groups)
    parts: list[tuple[str, Value]] = [("n", row.n), ("events", row.events), ("ci_level", row.ci_level)]
    parts = [(name, value) for name, value in parts if value is not None]
    if row.ci_level is not None or row.ci_low is not None or row.ci_high is not None:
        parts += [("ci_low", row.ci_low), ("ci_high", row.ci_high)]
    for name, value in parts:
        id, own = method.part(value_id, name, term)
        yield _result(id, value, _shown(value, own, row), groups)
    for note in row.warnings:
        id, _ = method.part(value_id, "note", term)
        yield _result(id, note, in_language(note, "en"), groups)


def _result(operation: str, value: Value, shown: str, groups: list[Json]) -> Json:
    """No `rawValue` where there is no value: the standard's own way, since it may be left out."""
    raw = {} if value is None else {"rawValue": value if isinstance(value, str) else repr(value)}
    return {"operationId": operation, **raw, "formattedValue": shown, "resultGroups": groups}


def _shown(value: Value, term: Term, row: ArdRow) -> str:
    """As printed. NR not reached, NE not estimable (a note says why), NA there is none."""
    if value is None:
        if _NOT_REACHED in row.warnings:
            return "NR"
        return "NE" if row.warnings else "NA"
    if isinstance(value, str):
        return in_language(value, "en")
    return number_text(value, term.form, "en")
