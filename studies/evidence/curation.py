"""Governance documents that follow from what was fixed: the curation plan, the consents, what is missing.

The plan says how source data became analysis data. It is written from the frozen protocol, the quality rules and the
de-identification policy, and holds no count, so that it is the same for every recipient.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rwd_platform.core.text import Bilingual
from studies.evidence.documents import csv_bytes, json_bytes
from studies.evidence.inputs import PackageInputs, Source
from studies.evidence.statements import Statements
from studies.evidence.submission.dictionary import inert
from studies.missingness import Missing
from studies.protocol import Covariate, Protocol, Records

CURATION_PLAN = "data/02_governance/curation_plan.md"
CONSENTS_JSON = "data/02_governance/consent_summary.json"
MISSINGNESS = "data/04_quality/missingness.csv"
FITNESS_JSON = "data/04_quality/fitness.json"
BAND = 5  # percentage points: the finest step in which an aggregate package tells what is missing

_KINDS = {
    "subject": Bilingual("受试者表的列", "column of the subject table"),
    "measurement": Bilingual("窗口内最近一次测量", "latest measurement in the window"),
    "record": Bilingual("窗口内有无记录", "whether a record lies in the window"),
}
_MISSING_VALUE = Bilingual(
    "缺失，或单位、代码不在所列范围内：不换算、不填补，受试者离开分析并计入流失",
    "missing, or in a unit or code that is not listed: neither converted nor imputed; the subject leaves the analysis "
    "and is counted in the attrition",
)
_NEVER_MISSING = Bilingual("没有记录即为“无”", "no record means no")


def curation_plan(protocol: Protocol, quality: Mapping[str, Any], deidentified: Mapping[str, Any]) -> bytes:
    """Markdown, Chinese with English beside it. `quality`, `deidentified`: as in PackageInputs, before coarsening."""
    lines = [
        *_head(protocol),
        *_variables(protocol),
        *_outcome(protocol),
        *_rules(quality),
        *_protection(deidentified),
    ]
    return ("\n".join(lines) + "\n").encode()


def _head(protocol: Protocol) -> Iterator[str]:
    yield f"# 数据治理计划 · Data curation plan: {protocol.id} {protocol.version}"
    yield ""
    yield f"题目 · Title: {_cell(_both(protocol.title))}"  # so that no sign of Markdown begins the line
    yield ""
    yield (
        f"由冻结的研究方案（SHA-256 `{protocol.sha256}`，{protocol.dated}）、"
        "质量规则和去标识策略得出；三者不变，本计划不变。"
        "源数据从不修改：每次转换都另存结果，并能回到来源文件的行。"
    )
    yield ""
    yield (
        "It follows from the frozen protocol named above, the quality rules and the de-identification policy, and "
        "changes only with them. Source data are never altered: each conversion is kept apart and leads back to the "
        "line of the source file."
    )


def _variables(protocol: Protocol) -> Iterator[str]:
    exposure, outcome = protocol.exposure, protocol.outcome
    yield from _table(
        Bilingual("变量与来源", "Variables and where they are from"),
        (
            "变量 · Variable",
            "如何得出 · How",
            "记录 · Records",
            "窗口（天）· Window (days)",
            "缺失 · Missing",
        ),
        [
            (
                _both(exposure.title),
                "暴露 · exposure",
                _records(exposure.records),
                _days(exposure.grace_days),
                _both(
                    Bilingual(
                        "记录互相矛盾者离开分析",
                        "who has records that contradict each other leaves the analysis",
                    )
                ),
            ),
            *(
                (_both(outcome.title), "结局 · outcome", _records(one.records), "", _both(_outcome_missing()))
                for one in outcome.sources
            ),
            *(_covariate(one) for one in protocol.covariates),
        ],
    )


def _outcome_missing() -> Bilingual:
    return Bilingual("无法判定者离开分析", "who cannot be judged leaves the analysis")


def _covariate(one: Covariate) -> tuple[str, ...]:
    where = _records(one.records) if one.records else f"`subject.{one.column}`"
    unit = f"；{one.unit}" if one.unit else ""
    missing = _NEVER_MISSING if one.kind == "record" else _MISSING_VALUE
    days = _days(one.days) if one.records else ""
    return _both(one.title), f"{_both(_KINDS[one.kind])}{unit}", where, days, _both(missing)


def _outcome(protocol: Protocol) -> Iterator[str]:
    yield from _table(
        Bilingual(
            "结局判定表：先符合者为准", "Decision table of the outcome: the first rule that holds decides"
        ),
        ("当 · When", "时间取自 · Time of", "事件 · Event", "理由 · Reason"),
        [
            (
                "; ".join(f"{source} = {state}" for source, state in one.when),
                one.time_of,
                "是 · yes" if one.event else "否 · no",
                _both(one.reason),
            )
            for one in protocol.outcome.rules
        ],
    )


def _rules(quality: Mapping[str, Any]) -> Iterator[str]:
    rules: Sequence[Mapping[str, Any]] = quality.get("checks", {}).get("rules", [])
    yield from _table(
        Bilingual("质量规则：锁定前已定", "Quality rules, fixed before the lock"),
        ("规则 · Rule", "类别 · Category", "级别 · Severity", "允许 · Allowed", "含义 · Meaning"),
        [
            (
                f"`{one['id']}`",
                one["kahn"],
                one["severity"],
                f"{one['limit']:g}",
                f"{one['zh']} · {one['en']}",
            )
            for one in rules
        ],
    )


def _protection(deidentified: Mapping[str, Any]) -> Iterator[str]:
    policy, project = deidentified.get("policy", {}), deidentified.get("project", {})
    rows = [
        ("去标识策略 · De-identification policy", f"{policy.get('name', '')} {policy.get('version', '')}"),
        ("策略哈希 · SHA-256", f"`{policy.get('sha256', '')}`"),
        ("假名 · Pseudonyms", str(project.get("pseudonyms", ""))),
        ("日期 · Dates", str(project.get("dates", ""))),
        ("年龄 · Age", str(project.get("age", ""))),
        *((f"`{name}`", str(rule)) for name, rule in sorted(dict(project.get("generalised", {})).items())),
    ]
    title = Bilingual("去标识与概化", "De-identification and generalisation")
    yield from _table(title, ("项目 · Item", "规则 · Rule"), rows)


def _table(title: Bilingual, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield ""
    yield f"## {_both(title)}"
    yield ""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_cell(one) for one in row)} |"


def _cell(text: str) -> str:
    # A backslash before the sign would take its escape away.
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")


def _both(text: Bilingual) -> str:
    return f"{text.zh} · {text.en}"


def _days(days: tuple[int, int]) -> str:
    return f"{days[0]} … {days[1]}"


def _records(records: Records) -> str:
    codes = records.code_list or ", ".join(records.codes)
    return f"`{records.table}` {records.code_system}: {codes}"


def consents(sources: Iterable[Source], statements: Statements) -> bytes:
    """The two consents: to the use of data, by what each source sent; to the product, by what was stated."""
    product = statements.get("product_consent")
    return json_bytes(
        {
            "format_version": 1,
            "use_of_data": [
                {
                    "organisation_id": one.organisation_id,
                    "name": one.name,
                    "agreement": one.agreement or None,
                    "consent_version": one.consent_version or None,
                    "ethics_id": one.ethics_id or None,
                    "platform_role": one.platform_role or None,
                }
                for one in sources
            ],
            "unlicensed_product": {"stated": product, "held_by": "hospital"} if product else None,
        }
    )


def missing_file(found: Sequence[Missing], inputs: PackageInputs, cell: int) -> bytes:
    """A line a variable; in an aggregate package bands in place of counts, each as wide as `cell` people at least."""
    named = ("variable", "title_zh", "title_en")
    if inputs.is_aggregate:
        bands = [(one.variable, *map(inert, one.title), *_band(one, cell)) for one in found]
        return csv_bytes([(*named, "missing_percent_from", "missing_percent_to"), *bands])
    counts = (
        "subjects", "missing", "exposed", "exposed_missing", "comparator", "comparator_missing",
    )  # fmt: skip
    rows = [(one.variable, *map(inert, one.title), *(getattr(one, name) for name in counts)) for one in found]
    return csv_bytes([(*named, *counts), *rows])


def _band(one: Missing, cell: int) -> tuple[int, int]:
    """Whole multiples of BAND, wide enough that none tells of fewer than `cell` people. They do not overlap, for two
    that do tell more than either: the last one takes what is left over.
    """
    steps = max(1, -(-cell * 100 // (max(one.subjects, 1) * BAND)))
    width = min(100, steps * BAND)
    last = (100 // width - 1) * width
    start = min(100 * one.missing // max(one.subjects, 1) // width * width, last)
    return start, 100 if start == last else start + width
