"""A person's number in a text that leaves: a label, a unit, a title, the reason of a step.

Every text of the results is scanned for what identifies somebody in China (deidentify.identifiers_cn.scan): resident
ids, telephones, bank cards, travel documents and the like. Names are not known to it, so that `张三` alone is not seen;
a column that is headed as one of persons (姓名, patient_id) is, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from deidentify.disclosure.findings import Case, Finding, Rule
from deidentify.disclosure.read import Row
from deidentify.risk.headers import kind_of_header
from rwd_platform.core.text import Bilingual

_FEWEST = 5  # digits or letters of the shortest identifier that is looked for: a shorter text holds none
_MANY = 8192  # a check asks the same few texts again after every change that it tries

RULE = Rule(
    "identifier_in_text",
    Bilingual("文字中含个人标识", "A person's number in a text"),
    Bilingual(
        "此处的文字（标签、单位、标题或理由）含有可识别个人的号码，或其列名表明该列逐人列出。",
        "A text here (a label, a unit, a title or a reason) holds a number that identifies a person, or stands in a "
        "column headed as one of persons.",
    ),
    Bilingual(
        "从文字中删去该号码，或删去该列：结果表不按人列出。",
        "Take the number out of the text, or the column out: tables of results do not list persons.",
    ),
)


def find(case: Case) -> Iterator[Finding]:
    for row in case.results.rows:
        if any(map(identifies, _texts(row))) or any(_of_persons(name) for name, _ in row.dims):
            yield RULE.finding(row.id)
    for one in case.results.series:
        held = (value for values in one.points for value in values if isinstance(value, str))
        if any(map(identifies, (one.id, one.analysis, one.row_set, *one.columns, *held))):
            yield RULE.finding(one.id)
    for name in case.results.row_sets:
        if identifies(name):
            yield RULE.finding(f"row_sets.{name}")


@lru_cache(maxsize=_MANY)
def identifies(text: str) -> bool:
    """Whether a text holds a number that identifies somebody."""
    from deidentify.identifiers_cn import scan

    if text.isascii() and "@" not in text and sum(map(str.isdigit, text)) < _FEWEST:
        return False  # a label such as `c17 20-29`: quick, since a large table has many
    return len(text) >= _FEWEST and bool(scan(text))


@lru_cache(maxsize=_MANY)
def _of_persons(header: str) -> bool:
    return bool(kind_of_header(header))


def _texts(row: Row) -> Iterator[str]:
    yield from (
        row.id,
        row.analysis,
        row.group,
        row.variable,
        row.statistic,
        row.unit,
        row.row_set,
        row.engine,
    )
    for name, label in row.dims:
        yield from (name, label)
        # A name and a number in two columns, or one number in two, are read in one line.
    yield " ".join(label for _, label in row.dims)
    if isinstance(row.value, str):
        yield row.value
