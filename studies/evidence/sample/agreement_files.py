"""What the charts said, for an authority: every round whole, as a document and as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.documents import plain
from studies.evidence.sample.agreement import VariableAgreement
from studies.evidence.sample.rounds import ClosedRound, OpenRound, Verified
from studies.evidence.sample.sheet import WHY_WORDS
from studies.evidence.sample.trace import Sample
from studies.evidence.submission.dictionary import inert

_DECIMALS = 6
METHODS = {
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


def agreement_document(sample: Sample, verified: Verified) -> dict[str, Any]:
    """The newest closed round at the top, the others under `other_rounds`, each with all that came of it.

    `number` is None where no round is closed yet. `computed` false: sheets came back and can no longer be read.
    """
    newest, others = verified.rounds[:1], verified.rounds[1:]
    told: dict[str, Any] = {"number": None, "sheets": [], "outstanding": [], "lines": []}
    for one in newest:
        told = _round(sample, one)
    return {
        "format_version": 1,
        "methods": METHODS,
        "reasons": dict(WHY_WORDS),
        **told,
        "other_rounds": [_round(sample, one) for one in others],
        "open_round": verified.open_round and _open(verified.open_round),
    }


def _round(sample: Sample, one: ClosedRound) -> dict[str, Any]:
    found = one.agreement
    of_lock = (found.protocol_sha256, found.lock_id) if found else (sample.protocol_sha256, sample.lock_id)
    return {
        "number": one.number,
        "protocol_sha256": of_lock[0],
        "lock_id": of_lock[1],
        "of_this_lock": of_lock == (sample.protocol_sha256, sample.lock_id),
        "charts_known_until": one.known_until,
        "policy_version": one.policy.version,
        "policy_sha256": one.policy.sha256,
        "closed_because": one.closed_because,
        "issued": len(one.sheets) + len(one.outstanding),
        "returned": len(one.sheets),
        "sheets": [asdict(sheet) for sheet in one.sheets],
        "outstanding": list(one.outstanding),
        "computed": found is not None,
        "rows": found.rows if found else 0,
        "lines": [{"title": _title(sample, line), **_line(line)} for line in found.lines] if found else [],
    }


def _open(one: OpenRound) -> dict[str, Any]:
    """How many came back, and nothing of what they say."""
    return {
        "number": one.number,
        "charts_known_until": one.known_until,
        "issued": one.issued,
        "returned": one.returned,
    }


def _title(sample: Sample, one: VariableAgreement) -> Bilingual:
    titles = {each.name: each.title for each in sample.variables}
    return titles.get(one.variable, Bilingual(one.variable, one.variable))


def _line(one: VariableAgreement) -> dict[str, Any]:
    listed: dict[str, Any] = {
        **plain(one),
        "table": [
            {"platform": platform, "chart": chart, "count": count} for platform, chart, count in one.table
        ],
        "reasons": dict(one.reasons),
    }
    return {name: rounded(value) for name, value in listed.items()}


def agreement_rows(sample: Sample, verified: Verified) -> Iterable[Sequence[Any]]:
    """A line for each round, hospital and variable; the newest round first."""
    yield (
        "round", "organisation_id", "variable", "title_zh", "title_en", *_COUNTS, *_SHARES, "within",
        "kappa", "kappa_se", "kappa_lower", "kappa_upper", "kappa_undefined_zh", "kappa_undefined_en",
        "difference_mean", "difference_lower", "difference_upper",
    )  # fmt: skip
    for one in verified.rounds:
        yield from _rows_of(sample, one)


_COUNTS = ("asked", "unanswered", "chart_not_found", "not_recorded", "compared", "agreed")
_SHARES = ("share", "lower", "upper", "weighted_share")
_KAPPAS = ("kappa", "se", "lower", "upper")
_LIMITS = ("mean", "lower", "upper")


def _rows_of(sample: Sample, round: ClosedRound) -> Iterator[Sequence[Any]]:
    for one in round.agreement.lines if round.agreement else ():
        title, undefined = _title(sample, one), one.kappa_undefined or Bilingual("", "")
        yield (
            round.number, one.hospital, one.variable, inert(title.zh), inert(title.en),
            *(getattr(one, name) for name in _COUNTS), *_cells(one, _SHARES), _cell(one.within),
            *_cells(one.kappa, _KAPPAS), *undefined, *_cells(one.limits, _LIMITS),
        )  # fmt: skip


def _cells(of: object, names: Sequence[str]) -> list[Any]:
    return [_cell(getattr(of, name, None)) for name in names]


def _cell(value: Any) -> Any:
    return "" if value is None else rounded(value)


def rounded(value: Any) -> Any:
    """Six decimals: what differs further back is a machine's, not a chart's."""
    if isinstance(value, float):
        return round(value, _DECIMALS) + 0.0  # a nought with a minus becomes nought
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, Bilingual):
        return [rounded(one) for one in value]
    return value
