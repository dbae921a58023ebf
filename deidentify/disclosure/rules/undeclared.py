"""What nobody has declared is not passed: a person says first what it is."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.names import folded, shown
from deidentify.disclosure.read import Row
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
_NUMBER = re.compile(r"[-+]?[0-9][0-9,]*\.?[0-9]*%?")


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
            if label and folded(name) not in case.fields.numbered:
                labels[name].append((label, row))
    for name, found in labels.items():
        if all(_NUMBER.fullmatch(label) for label, _ in found):
            yield RULE.finding(found[0][1].id, outcome="review", name=_shown(name))
    for one in case.results.series:
        declared = case.fields.series.get(one.kind)
        unknown = set(one.columns) - set((declared.columns or {}) if declared else {})
        if declared is None or unknown:
            name = one.kind if declared is None else ", ".join(sorted(unknown))
            yield RULE.finding(one.id, outcome="review", name=_shown(name))


def _shown(name: str) -> str:
    """The name where it is an identifier; anything else is somebody's text, and told by its place alone."""
    return shown(name, "…")[:_LONGEST]
