"""The files of a package: which rows were drawn and by which rule, and what the charts said.

For an authority: the trace of the sampled rows and the rule; the platform's values only where the recipient gets row
data. For an aggregate audience: counts over all hospitals together, none of which is of a few, or leaves a few.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.dataset import INDEX
from studies.evidence.aggregate_curves import is_small
from studies.evidence.documents import csv_bytes, json_bytes, plain
from studies.evidence.inputs import Audience
from studies.evidence.sample.agreement import Agreement, VariableAgreement
from studies.evidence.sample.sheet import WHY_WORDS
from studies.evidence.sample.trace import Line, Sample
from studies.evidence.submission.dictionary import inert

TRACE_SAMPLE = "data/08_trace/trace_sample.csv"
SAMPLE_RULE = "data/08_trace/sample_rule.json"
SAMPLE_VALUES = "data/08_trace/trace_sample_values.csv"
SAMPLE_CANDIDATES = "data/08_trace/sample_candidates.csv"
VERIFICATION_JSON = "data/04_quality/source_verification.json"
VERIFICATION_CSV = "data/04_quality/source_verification.csv"
SMALLEST_COUNT = 11  # of an aggregate audience, whatever smaller cell a protocol allows
_DECIMALS = 6

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
_METHODS = {
    "share": Bilingual(
        "完全一致的比例，Wilson 95 % 置信区间", "Share of exact agreement with 95 % Wilson limits"
    ),
    "weighted_share": Bilingual("按抽取概率的倒数加权", "Weighted by 1 / the probability of being drawn"),
    "kappa": Bilingual(
        "Cohen κ（未加权）；标准误按 Fleiss、Cohen 与 Everitt（1969）",
        "Cohen's kappa, unweighted; standard error of Fleiss, Cohen & Everitt (1969)",
    ),
    "limits": Bilingual(
        "病历值减平台值的均值 ± 1.96 个标准差（Bland 与 Altman，1986）",
        "Mean of chart less platform -+ 1.96 SD (Bland & Altman, 1986)",
    ),
    "chart_not_found": Bilingual("单独计数，不算一致", "Counted apart, never as agreement"),
    "not_recorded": Bilingual("找到病历而未记载：算不一致", "In a chart that was found: a difference"),
}


def sample_files(
    sample: Sample,
    *,
    audience: Audience,
    agreement: Agreement | None = None,
    with_values: bool = False,
    cell: int = SMALLEST_COUNT,
) -> dict[str, bytes]:
    """Path -> content.

    agreement   -- of sheets that came back; it may be of an earlier lock, which the file then says
    with_values -- whether the recipient gets row data: adds the platform's values and every row's event
    cell        -- of an aggregate audience: the smallest count told (studies.evidence.aggregate.cell_of), at least 11
    """
    if audience == "aggregate":
        told = {} if agreement is None else _told(agreement, max(SMALLEST_COUNT, cell))
        return {VERIFICATION_JSON: json_bytes(told)} if told else {}
    files = {TRACE_SAMPLE: csv_bytes(_trace(sample)), SAMPLE_RULE: json_bytes(_rule(sample))}
    if with_values:
        files[SAMPLE_VALUES] = csv_bytes(_values(sample))
        files[SAMPLE_CANDIDATES] = csv_bytes(_candidates(sample))
    if agreement is not None:
        files[VERIFICATION_JSON] = json_bytes(_verification(sample, agreement))
        files[VERIFICATION_CSV] = csv_bytes(_verification_rows(sample, agreement))
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
            {"name": sample.names[one.hospital], **_rounded(asdict(one))} for one in sample.draw.hospitals
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


# --- agreement --------------------------------------------------------------------------------------------


def _verification(sample: Sample, agreement: Agreement) -> dict[str, Any]:
    same = (agreement.protocol_sha256, agreement.lock_id) == (sample.protocol_sha256, sample.lock_id)
    titles = {one.name: one.title for one in sample.variables}
    return {
        "format_version": 1,
        "protocol_sha256": agreement.protocol_sha256,
        "lock_id": agreement.lock_id,
        "of_this_lock": same,
        "rows": agreement.rows,
        "methods": _METHODS,
        "reasons": dict(WHY_WORDS),
        "sheets": [asdict(one) for one in agreement.sheets],
        "outstanding": list(agreement.outstanding),
        "lines": [
            {"title": titles.get(one.variable, Bilingual(one.variable, one.variable)), **_line(one)}
            for one in agreement.lines
        ],
    }


def _line(one: VariableAgreement) -> dict[str, Any]:
    listed: dict[str, Any] = {
        **plain(one),
        "table": [
            {"platform": platform, "chart": chart, "count": count} for platform, chart, count in one.table
        ],
        "reasons": dict(one.reasons),
    }
    return {name: _rounded(value) for name, value in listed.items()}


def _verification_rows(sample: Sample, agreement: Agreement) -> Iterable[Sequence[Any]]:
    counts = ("asked", "unanswered", "chart_not_found", "not_recorded", "compared", "agreed")
    shares = ("share", "lower", "upper", "weighted_share")
    kappas = ("kappa", "se", "lower", "upper")
    limits = ("mean", "lower", "upper")
    yield (
        "organisation_id", "variable", "title_zh", "title_en", *counts, *shares, "within",
        "kappa", "kappa_se", "kappa_lower", "kappa_upper", "kappa_undefined_zh", "kappa_undefined_en",
        "difference_mean", "difference_lower", "difference_upper",
    )  # fmt: skip
    titles = {one.name: one.title for one in sample.variables}
    for one in agreement.lines:
        title = titles.get(one.variable, Bilingual(one.variable, one.variable))
        undefined = one.kappa_undefined or Bilingual("", "")
        yield (
            one.hospital, one.variable, inert(title.zh), inert(title.en), *(getattr(one, name) for name in counts),
            *_cells(one, shares), _cell(one.within), *_cells(one.kappa, kappas), *undefined,
            *_cells(one.limits, limits),
        )  # fmt: skip


def _cells(of: object, names: Sequence[str]) -> list[Any]:
    return [_cell(getattr(of, name, None)) for name in names]


def _cell(value: Any) -> Any:
    return "" if value is None else _rounded(value)


def _rounded(value: Any) -> Any:
    """Six decimals: what differs further back is a machine's, not a chart's."""
    if isinstance(value, float):
        return round(value, _DECIMALS)
    if isinstance(value, dict):
        return {key: _rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, Bilingual):
        return [_rounded(one) for one in value]
    return value


# --- for an aggregate audience ----------------------------------------------------------------------------


def _told(agreement: Agreement, cell: int) -> dict[str, Any]:
    """Counts of all hospitals together. A count is told if it is not small and leaves nobody few of the one before."""
    if agreement.rows < cell:
        return {}
    return {
        "format_version": 1,
        "smallest_count": cell,
        "rows": agreement.rows,
        "methods": {name: _METHODS[name] for name in ("chart_not_found", "not_recorded")},
        "lines": [
            {"variable": one.variable, **_chain(one, agreement.rows, cell)} for one in agreement.overall
        ],
    }


def _chain(one: VariableAgreement, rows: int, cell: int) -> dict[str, int | None]:
    told: dict[str, int | None] = dict.fromkeys(("asked", "compared", "agreed"))
    before = rows
    for name in told:
        count = getattr(one, name)
        # Nobody is not few, yet "0 of 40 agreed" speaks of each of the 40 as "40 of 40" does not.
        if count == 0 or is_small(count, cell) or is_small(before - count, cell):
            break
        told[name] = before = count
    return told
