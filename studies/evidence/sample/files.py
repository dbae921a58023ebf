"""The files of a package: which rows were drawn and by which rule, and what the charts said.

For an authority: the trace of the sampled rows and the rule; the platform's values only where the recipient gets row
data, and agreement of every round (agreement_files.py). For an aggregate audience: counts alone (aggregate_counts.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.dataset import INDEX
from studies.evidence.documents import csv_bytes, json_bytes
from studies.evidence.inputs import Audience
from studies.evidence.sample.aggregate_counts import counts_told
from studies.evidence.sample.agreement_files import agreement_document, agreement_rows, rounded
from studies.evidence.sample.rounds import Verified
from studies.evidence.sample.trace import Line, Sample
from studies.evidence.submission.dictionary import inert

TRACE_SAMPLE = "data/08_trace/trace_sample.csv"
SAMPLE_RULE = "data/08_trace/sample_rule.json"
SAMPLE_VALUES = "data/08_trace/trace_sample_values.csv"
SAMPLE_CANDIDATES = "data/08_trace/sample_candidates.csv"
VERIFICATION_JSON = "data/04_quality/source_verification.json"
VERIFICATION_CSV = "data/04_quality/source_verification.csv"
SMALLEST_COUNT = 11  # of an aggregate audience, whatever smaller cell a protocol allows

_RULE = Bilingual(
    "对结果集 analysed（row_sets.json）中的每一行计算 SHA-256(“<方案 SHA-256>|<数据锁定编号>|<行序号>”)；"
    "行所属机构为其变量 index 的来源文件（lineage.csv.gz、sources.json）的机构。"
    "每个机构按该值的十六进制升序取前 by_rank 行；"
    "其中发生结局事件者不足 policy.events 行时，继续按同一顺序补取发生事件的行（chosen = event）。"
    "by_rank：行数不超过 policy.least 的机构全部抽取；policy.total 的其余部分按各机构行数的平方根分配，"
    "每个机构不少于 policy.least、不多于其行数，取整用最大余数法。",
    "For each row of the row set `analysed` (row_sets.json) compute SHA-256 of '<protocol SHA-256>|<lock id>|<ordinal>'"
    "; a row belongs to the organisation of the source file of its variable `index` (lineage.csv.gz, sources.json). "
    "Of each organisation the first by_rank rows in ascending order of the hex digest are drawn; where fewer than "
    "policy.events of them had the outcome's event, the next rows in that order that had it are drawn as well "
    "(chosen = event). by_rank: all rows of an organisation with no more than policy.least; the rest of policy.total "
    "by the square root of the organisations' rows, each between policy.least and its own rows, by largest remainders.",
)
_PROBABILITY = Bilingual(
    "未发生事件的行：by_rank / rows。发生事件的行：E[max(H, k)] / events，其中 H 服从超几何分布"
    "（rows、events、by_rank），k 为 policy.events 与 events 中较小者。",
    "A row without the event: by_rank / rows. A row with it: E[max(H, k)] / events, where H is hypergeometric (rows, "
    "events, by_rank) and k the smaller of policy.events and events.",
)
_REPEATED = Bilingual(
    "按序抽取的部分仅凭本包即可复核；补取事件的部分还需要各行是否发生事件"
    "（sample_candidates.csv，仅在接收方获得行级数据时随包提供）。",
    "What was drawn by rank can be repeated from this package alone; the rows added for their event need each row's "
    "event as well (sample_candidates.csv, in the package only where the recipient gets row data).",
)
_BLIND = Bilingual(
    "核查表不印平台的值：医院先按病历填写，再与其发送的记录比较；由医院自行从来源行找到患者。",
    "The sheet does not print the platform's value: the hospital reads the chart first and compares it with what it "
    "sent afterwards; only the hospital goes from a source line to the patient.",
)


def sample_files(
    sample: Sample,
    *,
    audience: Audience,
    verified: Verified | None = None,
    with_values: bool = False,
    cell: int = SMALLEST_COUNT,
) -> dict[str, bytes]:
    """Path -> content.

    verified    -- every round from which a sheet came back; it may be of an earlier lock, which the file then says
    with_values -- whether the recipient gets row data: adds the platform's values and every row's event
    cell        -- of an aggregate audience: the smallest count told (studies.evidence.aggregate.cell_of), at least 11
    """
    if audience == "aggregate":
        told = {} if verified is None else counts_told(verified, max(SMALLEST_COUNT, cell))
        return {VERIFICATION_JSON: json_bytes(told)} if told else {}
    files = {TRACE_SAMPLE: csv_bytes(_trace(sample)), SAMPLE_RULE: json_bytes(_rule(sample))}
    if with_values:
        files[SAMPLE_VALUES] = csv_bytes(_values(sample))
        files[SAMPLE_CANDIDATES] = csv_bytes(_candidates(sample))
    if verified is not None:
        files[VERIFICATION_JSON] = json_bytes(agreement_document(sample, verified))
        files[VERIFICATION_CSV] = csv_bytes(agreement_rows(sample, verified))
    return files


# --- the sample -------------------------------------------------------------------------------------------


def _trace(sample: Sample) -> Iterable[Sequence[Any]]:
    """A line for each source line of each variable; `line_of` is "index" where the value has no line of its own."""
    yield ("organisation_id", "place", "row", "variable", "line_of", "file", "sha256", "line", "line_digest")
    for row in sample.rows:
        drawn = row.drawn
        for variable in sample.variables:
            own = row.lines.get(variable.name, ())
            for line in own or (row.index,):
                line_of = variable.name if own else INDEX
                yield (drawn.hospital, drawn.place, drawn.row, variable.name, line_of, *_place(line))


def _place(line: Line) -> tuple[str, str, int, str]:
    return (line.file, line.sha256, line.number, line.digest)


def _values(sample: Sample) -> Iterable[Sequence[Any]]:
    """The answer key: what the sheets do not say."""
    yield ("organisation_id", "place", "row", "variable", "value")
    for row in sample.rows:
        for variable in sample.variables:
            value = row.values[variable.name]
            shown = inert(value) if isinstance(value, str) else value
            yield (row.drawn.hospital, row.drawn.place, row.drawn.row, variable.name, shown)


def _candidates(sample: Sample) -> Iterable[Sequence[Any]]:
    drawn = {one.row: one.chosen for one in sample.draw.rows}
    yield ("row", "organisation_id", "event", "rank", "chosen")
    for one, rank in sample.candidates:
        yield (one.row, one.hospital, int(one.event), rank, drawn.get(one.row, ""))


def _rule(sample: Sample) -> dict[str, Any]:
    return {
        "format_version": 1,
        "study": sample.study,
        "protocol_sha256": sample.protocol_sha256,
        "lock_id": sample.lock_id,
        "rule": _RULE,
        "seed": sample.draw.seed,
        "policy": asdict(sample.policy),
        "probability": _PROBABILITY,
        "repeated": _REPEATED,
        "blind": _BLIND,
        "charts_known_until": sample.known_until,
        "counts": {
            "rows": sum(one.rows for one in sample.draw.hospitals),
            "drawn": len(sample.rows),
            "unplaced": sample.unplaced,
        },
        "hospitals": [
            {"name": sample.names[one.hospital], **rounded(asdict(one))} for one in sample.draw.hospitals
        ],
        "variables": [
            {
                "name": one.name,
                "title": one.title,
                "kind": one.kind,
                "how": one.how,
                "answers": [{"code": code, "title": title} for code, title in one.answers],
                "line_shown": "own" if one.own_line else INDEX,
            }
            for one in sample.variables
        ],
    }
