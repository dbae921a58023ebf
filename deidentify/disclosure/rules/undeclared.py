"""What nobody has declared is not passed: a person says first what it is."""

from __future__ import annotations

from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
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
_LONGEST = 60


def find(case: Case) -> Iterator[Finding]:
    for row in case.results.rows:
        if row.analysis in case.fields.exempt:
            continue
        if row.statistic not in case.fields.statistics:
            yield RULE.finding(row.id, outcome="review", name=_shown(row.statistic))
        elif isinstance(row.value, str):
            yield RULE.finding(row.id, outcome="review", name=_shown(f"{row.statistic} (text)"))
    for one in case.results.series:
        declared = case.fields.series.get(one.kind)
        unknown = set(one.columns) - set((declared.columns or {}) if declared else {})
        if declared is None or unknown:
            name = one.kind if declared is None else ", ".join(sorted(unknown))
            yield RULE.finding(one.id, outcome="review", name=_shown(name))


def _shown(name: str) -> str:
    """A label as somebody typed it: printable, short, and without the braces that would be filled in."""
    return "".join(letter if letter.isprintable() else "?" for letter in name)[:_LONGEST]
