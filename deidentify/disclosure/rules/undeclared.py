"""What nobody has declared is not passed: a person says first what it is.

A column of a file that is no statistic says where a line belongs. A digit in it may be a count that somebody wrote as
text, so that a person looks at every label with one, unless it is a band, a stage, a dose or a code (bands.toml), or
a number alone in a column that fields.toml lists under `numbered`. A numeral in words is seen before 例, 人, patients
and the like only: `三例` is, `三` is not.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.headers import nearest_statistics
from deidentify.disclosure.labels import holds_a_number
from deidentify.disclosure.names import folded, shown
from deidentify.disclosure.read import SUPPRESSED, Row
from rwd_platform.core.text import Bilingual

RULE = Rule(
    "undeclared",
    Bilingual("未登记的结果字段", "A field that is not declared"),
    Bilingual(
        "结果字段 {name} 未登记，无法判断。",
        "The field {name} is not declared, so nobody can judge it.",
    ),
    Bilingual(
        "请由隐私专员核定其类型与最小计数，或不予发布。",
        "Let a privacy officer judge its type and minimum count, or leave it out.",
    ),
)
COLUMN = Rule(
    "undeclared_column",
    Bilingual("未识别的数值列", "A column of numbers that is not known"),
    Bilingual(
        "{name_zh}含有数字或人数，但列名不是已登记的统计量，数字也不是区间、分期、剂量或编码。",
        "{name} holds numbers that are no band, stage, dose or code, and its name is no declared statistic.",
    ),
    Bilingual(
        "如为统计量，请改用最接近的已登记列名：{known_zh}。如为分组变量，请由输出审核人员确认。",
        "If it is a statistic, use the nearest declared name: {known}. If it is a grouping, let an output checker"
        " confirm.",
    ),
)
_LONGEST = 60


def find(case: Case) -> Iterator[Finding]:
    for row in case.results.rows:
        if case.fields.is_exempt(row):
            continue
        if row.statistic not in case.fields.statistics:
            yield RULE.finding(row.id, outcome="review", name=_shown(row.statistic))
        elif isinstance(row.value, str) and row.value not in case.fields.statistics[row.statistic].words:
            yield RULE.finding(row.id, outcome="review", name=_shown(f"{row.statistic} (text)"))
    labels: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    for row in case.results.rows:
        for name, label in row.dims:
            if folded(label) not in SUPPRESSED:
                labels[name].append((label, row))
    for at, (name, found) in enumerate(labels.items(), start=1):
        is_numbered = folded(name) in case.fields.numbered
        first = next((row for label, row in found if holds_a_number(label, is_numbered)), None)
        if first is not None:
            yield _column(name, case.results.columns.get(name, at), first)
    for one in case.results.series:
        declared = case.fields.series.get(one.kind)
        unknown = set(one.columns) - set((declared.columns or {}) if declared else {})
        if declared is None or unknown:
            name = one.kind if declared is None else ", ".join(sorted(unknown))
            yield RULE.finding(one.id, outcome="review", name=_shown(name))


def _column(name: str, at: int, first: Row) -> Finding:
    """The column by its place in the file, and by its name where that is plain."""
    plain = shown(name, "")[:_LONGEST]
    return COLUMN.finding(
        f"column {at}",
        outcome="review",
        withhold=(first.id,),
        name=f"Column {at} ({plain})" if plain else f"Column {at}",
        name_zh=f"第 {at} 列（{plain}）" if plain else f"第 {at} 列",
        known=", ".join(nearest_statistics(name, "en")),
        known_zh="、".join(nearest_statistics(name, "zh")),
    )


def _shown(name: str) -> str:
    """The name where it is an identifier; anything else is somebody's text, and told by its place alone."""
    return shown(name, "…")[:_LONGEST]
