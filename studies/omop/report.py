"""What became of every row, and every concept that is 0 (f2o-062, f2o-063)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rwd_platform.core.text import Language
from studies.omop.rules import load_rules


@dataclass(frozen=True)
class Account:
    """One table of the lock: rows = rows handed on, by table of OMOP, + rows left out, by rule."""

    source: str
    rows: int
    handed_on: Mapping[str, int]
    left_out: Mapping[str, int]

    @property
    def adds_up(self) -> bool:
        return self.rows == sum(self.handed_on.values()) + sum(self.left_out.values())


@dataclass(frozen=True)
class Unmapped:
    """Rows of a field whose concept is 0, and why. `system` is the code system; "" where there is none."""

    table: str
    field: str
    system: str
    why: str
    rows: int


@dataclass(frozen=True)
class Report:
    """Of one export. `derived` counts values that the source does not have as such, by table and rule.

    generalised -- values that the lock holds coarser than they were, by `table.column` of the lock; none is handed on
    unfit    -- values that the model's field cannot hold (too long, no whole number), by `table.field`
    tables   -- rows of every table of the export
    second   -- rows of tables that stand beside another row of the same record (a cost beside its charge)
    """

    accounts: tuple[Account, ...]
    unmapped: tuple[Unmapped, ...]
    derived: Mapping[str, int]
    unfit: Mapping[str, int]
    tables: Mapping[str, int]
    second: Mapping[str, int]
    vocabulary: str
    rules_sha256: str
    generalised: Mapping[str, int] = field(default_factory=dict)

    @property
    def adds_up(self) -> bool:
        """Every account, and the rows of every table against the accounts that fill it."""
        filled = dict(self.second)
        for account in self.accounts:
            for table, rows in account.handed_on.items():
                filled[table] = filled.get(table, 0) + rows
        of_records = {table: rows for table, rows in self.tables.items() if table != "cdm_source"}
        return all(one.adds_up for one in self.accounts) and all(
            rows == filled.get(table, 0) for table, rows in of_records.items()
        )

    def as_dict(self) -> dict[str, Any]:
        rules = load_rules()
        return {
            "cdm": rules.cdm,
            "guide": rules.guide,
            "rules": {"version": rules.version, "effective": rules.effective, "sha256": self.rules_sha256},
            "fhir": rules.fhir,
            "vocabulary": self.vocabulary,
            "adds_up": self.adds_up,
            "tables": dict(self.tables),
            "beside_another_row": dict(self.second),
            "sources": [
                {
                    "source": one.source,
                    "rows": one.rows,
                    "handed_on": dict(one.handed_on),
                    "left_out": [
                        {"rule": rule, "rows": rows, **rules.reason(rule)._asdict()}
                        for rule, rows in one.left_out.items()
                    ],
                }
                for one in self.accounts
            ],
            "concept_0": [
                {
                    "table": one.table,
                    "field": one.field,
                    "system": one.system,
                    "why": one.why,
                    "rows": one.rows,
                }
                for one in self.unmapped
            ],
            "derived": dict(self.derived),
            "unfit": dict(self.unfit),
            "generalised": dict(self.generalised),
        }

    def text(self, language: Language) -> str:
        """The same, to be read."""
        words, rules = _WORDS[language], load_rules()
        lines = [words["title"].format(cdm=rules.cdm, vocabulary=self.vocabulary), ""]
        for one in self.accounts:
            out = sum(one.left_out.values())
            lines.append(words["source"].format(name=one.source, rows=one.rows, out=out))
            lines += [f"    → {table}: {rows}" for table, rows in one.handed_on.items()]
            lines += [
                f"    × {rows}  {rules.reason(rule).in_language(language)} [{rule}]"
                for rule, rows in one.left_out.items()
            ]
        lines += ["", words["unmapped"]]
        lines += [
            f"    {one.table}.{one.field}  {one.system or '-'}  {words[one.why]}: {one.rows}"
            for one in self.unmapped
        ]
        lines += ["", words["derived"]] + [f"    {name}: {rows}" for name, rows in self.derived.items()]
        lines += ["", words["unfit"]] + [f"    {name}: {rows}" for name, rows in self.unfit.items()]
        lines += ["", words["generalised"]] + [f"    {name}: {n}" for name, n in self.generalised.items()]
        lines += ["", words["adds_up"] if self.adds_up else words["does_not"]]
        return "\n".join(lines) + "\n"


_WORDS: Mapping[Language, Mapping[str, str]] = {
    "zh": {
        "title": "OMOP CDM {cdm} 导出报告（词汇表：{vocabulary}）",
        "source": "{name}：共 {rows} 行，未导出 {out} 行",
        "unmapped": "概念为 0 的字段",
        "derived": "源数据中没有、由规则推算的值",
        "unfit": "OMOP 字段无法容纳（过长或不是整数）而未填写的值",
        "generalised": "数据锁定中已泛化、因此不导出的值",
        "adds_up": "合计相符：每张表的行数 = 导出行数 + 未导出行数。",
        "does_not": "合计不符。",
        "no_code": "没有代码",
        "no_vocabulary": "未提供词汇表",
        "system_unknown": "代码系统没有对应词汇表",
        "code_unknown": "词汇表中没有该代码",
        "no_standard": "没有对应的标准概念",
        "several_standard": "对应多个标准概念",
        "word_unknown": "该取值没有对应概念",
        "not_collected": "研究数据库不收集",
    },
    "en": {
        "title": "OMOP CDM {cdm} export (vocabulary: {vocabulary})",
        "source": "{name}: {rows} rows, {out} left out",
        "unmapped": "Fields whose concept is 0",
        "derived": "Values that the source does not have and a rule derived",
        "unfit": "Values that the model's field cannot hold (too long, no whole number), left empty",
        "generalised": "Values that the lock holds coarser than they were, and that are not handed on",
        "adds_up": "The counts add up: of every table, rows = rows handed on + rows left out.",
        "does_not": "The counts do not add up.",
        "no_code": "no code",
        "no_vocabulary": "no vocabulary given",
        "system_unknown": "no vocabulary for the code system",
        "code_unknown": "not in the vocabulary",
        "no_standard": "no standard concept",
        "several_standard": "several standard concepts",
        "word_unknown": "no concept for the value",
        "not_collected": "not collected by the study store",
    },
}
