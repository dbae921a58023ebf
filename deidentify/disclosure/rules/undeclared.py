"""What nobody has declared is not passed: a person says first what it is.

A column of a file that is no statistic says where a line belongs. A digit in it may be a count that somebody wrote as
text, so that a person looks at every label with one, unless it is a band, a stage, a dose or a code (bands.toml), or
the column is declared under `numbered` in fields.toml. Not seen: numbers in words (`three`, `三例`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.headers import shown_statistics
from deidentify.disclosure.labels import holds_a_number
from deidentify.disclosure.names import folded, shown
from deidentify.disclosure.read import SUPPRESSED, Row
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "undeclared",
    Bilingual("未登记的结果字段", "A field that is not declared"),
    Bilingual(
        "结果字段 {name} 未在 fields.toml 中登记，无法判断。",
        "The field {name} is not in fields.toml, so nobody can judge it.",
    ),
    Bilingual(
        "请由隐私专员核定其类型与最小计数并登记，或不予发布。",
        "Let a privacy officer declare its type and minimum count, or leave it out.",
    ),
)
COLUMN = Rule(
    "undeclared_column",
    Bilingual("未识别的数值列", "A column of numbers that is not known"),
    Bilingual(
        "列 {name} 含有数字，但列名不是已登记的统计量，数字也不是区间、分期、剂量或编码。",
        "The column {name} holds digits that are no band, stage, dose or code, and its name is no declared statistic.",
    ),
    Bilingual(
        "请改用已登记的列名：{known_zh}。如为分组变量，请登记到 fields.toml 的 numbered。",
        "Use a declared name: {known}. If it is a grouping, declare it under numbered in fields.toml.",
    ),
)
_LONGEST = 60


def find(case: Case) -> Iterator[Finding]:
    for row in case.results.rows:
        if case.fields.is_exempt(row):
            continue
        if row.statistic not in case.fields.statistics:
            yield RULE.finding(row.id, outcome="review", name=_shown(row.statistic))
        elif isinstance(row.value, str):
            yield RULE.finding(row.id, outcome="review", name=_shown(f"{row.statistic} (text)"))
    labels: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    for row in case.results.rows:
        for name, label in row.dims:
            if folded(label) not in SUPPRESSED and folded(name) not in case.fields.numbered:
                labels[name].append((label, row))
    for name, found in labels.items():
        first = next((row for label, row in found if holds_a_number(label)), None)
        if first is not None:
            yield COLUMN.finding(
                first.id,
                outcome="review",
                name=_shown(name),
                known=shown_statistics("en"),
                known_zh=shown_statistics("zh"),
            )
    for one in case.results.series:
        declared = case.fields.series.get(one.kind)
        unknown = set(one.columns) - set((declared.columns or {}) if declared else {})
        if declared is None or unknown:
            name = one.kind if declared is None else ", ".join(sorted(unknown))
            yield RULE.finding(one.id, outcome="review", name=_shown(name))


def _shown(name: str) -> str:
    """The name where it is an identifier; anything else is somebody's text, and told by its place alone."""
    return shown(name, "…")[:_LONGEST]
