"""The results of a run as a ReportingEvent of the CDISC Analysis Results Standard, version 1.

Source: CDISC Analysis Results Standard v1.0, its published model `ars_ldm`. Where the standard leaves room:
- English stands in `name`, Chinese in `label`, both in `description` as `<zh> / <en>` (words.named).
- A result row is the value of one operation; its limits, n, events and notes are operations beside it.
  All of them carry the row's id, by which a reader puts the row together again.
- Kept in ard.json alone: series of figures, hashes of the analysed rows, the variables behind a number.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from rwd_platform.core.errors import Problem
from rwd_platform.core.text import Bilingual
from studies.evidence.ars.analyses import analyses_and_methods
from studies.evidence.ars.contents import Output, list_of_contents, outputs, reference_documents
from studies.evidence.ars.groups import analysis_sets, groupings
from studies.evidence.ars.words import named, terminology_extensions
from studies.protocol import Protocol
from studies.results import ResultSet

OTHER_PROTOCOL = Problem(
    code="ars.other_protocol",
    zh="这些结果不是由所给的方案得出的，无法写成分析结果标准文件。",
    en="These results are not of the protocol given: they cannot be written as a reporting event.",
    next_zh="请使用得出这些结果的那一版方案。",
    next_en="Use the version of the protocol that the results were made with.",
)
NAMED_TWICE = Problem(
    code="ars.named_twice",
    zh="编号“{id}”用了不止一次，结果无法逐一对应。",
    en="The id '{id}' is used more than once: results could not be told apart.",
    next_zh="请检查结果行和图表清单中的编号，使其各不相同。",
    next_en="Give every result row and every table and figure an id of its own.",
)
NOT_FINITE = Problem(
    code="ars.not_finite",
    zh="结果“{id}”含有无穷大或非数值，不能作为结果写出。",
    en="The result '{id}' holds an infinite value or one that is no number: it is no result.",
    next_zh="请让该项分析以“无法估计”及其原因列入未完成项，再重新运行。",
    next_en="Let the analysis give it as not estimable, with the reason, and run again.",
)
_ABOUT = Bilingual(
    "研究 {study} 的全部分析结果。数据锁定：{lock}。图的曲线点、行哈希与变量见 ard.json。",
    "All results of the study {study}. Data lock: {lock}. Points of curves, hashes and variables are in ard.json.",
)


@dataclass(frozen=True)
class ArsFacts:
    """What the results do not say themselves.

    outputs -- tables and figures of the report, in its order
    version -- of the package
    """

    outputs: tuple[Output, ...] = ()
    version: int = 1


def reporting_event(results: ResultSet, protocol: Protocol, facts: ArsFacts) -> dict[str, Any]:
    """The ReportingEvent as JSON values. Raises `ars.other_protocol`, `ars.named_twice`, `ars.not_finite`."""
    _check(results, protocol, facts)
    analyses, methods = analyses_and_methods(protocol, results)
    about = Bilingual(*(text.format(study=protocol.id, lock=results.lock_id) for text in _ABOUT))
    event: dict[str, Any] = {
        **named(f"Event.{protocol.id}", protocol.title, about),
        "version": facts.version,
        "mainListOfContents": list_of_contents(analyses, facts.outputs),
        "referenceDocuments": reference_documents(),
        "terminologyExtensions": terminology_extensions(),
        "analysisSets": analysis_sets(protocol, results),
        "analysisGroupings": groupings(protocol, results),
        "methods": methods,
        "analyses": analyses,
    }
    if facts.outputs:
        event["outputs"] = outputs(facts.outputs)
    _check_unique(_ids(event))  # parts of outputs have ids made of the output's
    return event


def _check(results: ResultSet, protocol: Protocol, facts: ArsFacts) -> None:
    if (results.protocol_sha256, results.study) != (protocol.sha256, protocol.id):
        raise OTHER_PROTOCOL.error()
    for ids in ([row.id for row in results.rows], [one.id for one in facts.outputs]):
        _check_unique(ids)
    for row in results.rows:
        for value in (row.value, row.ci_low, row.ci_high, row.ci_level):
            if isinstance(value, float) and not math.isfinite(value):
                raise NOT_FINITE.error(id=row.id)


def _ids(part: Any) -> Iterator[str]:
    """The id of every object in the event."""
    if isinstance(part, dict):
        if "id" in part:
            yield part["id"]
        for one in part.values():
            yield from _ids(one)
    elif isinstance(part, list):
        for one in part:
            yield from _ids(one)


def _check_unique(ids: Iterable[str]) -> None:
    for id, times in Counter(ids).items():
        if times > 1:
            raise NAMED_TWICE.error(id=id)
