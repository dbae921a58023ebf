"""Where a printed number stands, in words: its register says `table:reconciliation:1:2`, a reader says Table 3.

Read from the report's own blocks as report.json holds them, so that a page that only has the package can say it too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rwd_platform.core.text import LANGUAGES, Bilingual

_KINDS = {"table": Bilingual("表 {n}", "Table {n}"), "figure": Bilingual("图 {n}", "Figure {n}")}
_CELL = Bilingual("{what}，“{row}”一行，“{column}”一列", "{what}, row '{row}', column '{column}'")
_COLUMN = Bilingual("{what}，“{column}”一列", "{what}, column '{column}'")
_DRAWN = Bilingual("{what}：{caption}", "{what}: {caption}")
_BESIDE = Bilingual("{what}的标题或附注", "title or notes of {what}")
_TEXT = Bilingual("正文“{heading}”一节", "text under '{heading}'")
_PLAIN = Bilingual("写给患者和公众的一页", "the page in plain language")
_START = Bilingual("正文", "the text")


def printed(text: str) -> str:
    """A number as a table shows it alone: the sign of equality belongs to the sentence `P = 0.030`."""
    return text.removeprefix("= ")


@dataclass
class Places:
    """The blocks of a report by what a register's places name. Not `known`: there was no report to read."""

    known: bool = True
    blocks: dict[tuple[str, str], tuple[int, Mapping[str, Any]]] = field(default_factory=dict)
    texts: dict[str, Bilingual] = field(default_factory=dict)  # number -> where its sentence stands

    @staticmethod
    def of_report(report: Mapping[str, Any]) -> Places:
        """`report`: report.json, or `Report.as_dict()`. Raises KeyError, TypeError or AttributeError for no report."""
        found, counts, heading = Places(), {"table": 0, "figure": 0}, _START
        for block in (*report["summary"], *report["body"]):
            kind = block["kind"]
            if kind == "heading":
                heading = _filled(_TEXT, heading=_plain(block["text"]))
            where, spoken = heading, block
            if kind in counts:
                counts[kind] += 1
                found.blocks[kind, str(block["key"])] = counts[kind], block
                where = _filled(_BESIDE, what=_named(kind, counts[kind]))
                spoken = {"caption": block["caption"], "notes": block["notes"]}
            for id in _numbers(spoken):
                found.texts.setdefault(id, where)
        return found

    def say(self, number: Mapping[str, Any]) -> Bilingual:
        """Of an entry of numbers.json. A place that the report does not have is told as it is registered."""
        raw = str(number["place"])
        kind, _, rest = raw.partition(":")
        if not self.known:
            return Bilingual(raw, raw)
        if kind == "plain":
            return _PLAIN
        if kind == "text":
            return self.texts.get(str(number["id"]), _START)
        key, _, within = rest.partition(":")
        if (kind, key) not in self.blocks:
            return Bilingual(raw, raw)
        count, block = self.blocks[kind, key]
        what = _named(kind, count)
        if kind == "figure":
            return _filled(_DRAWN, what=what, caption=_plain(block["caption"]))
        return _cell(what, block, within) or what


def _cell(what: Bilingual, table: Mapping[str, Any], within: str) -> Bilingual | None:
    """`1:2` is the first row below the head, and the third column."""
    row, _, column = within.partition(":")
    if not (row.isdecimal() and column.isdecimal()):
        return None
    head, rows = table["head"], table["rows"]
    if not (0 < int(row) <= len(rows) and int(column) < len(head)):
        return None
    title, name = _plain(head[int(column)]), _plain(rows[int(row) - 1][0])
    if not name.zh or int(column) == 0:
        return _filled(_COLUMN, what=what, column=title)
    return _filled(_CELL, what=what, row=name, column=title)


def _named(kind: str, count: int) -> Bilingual:
    return _filled(_KINDS[kind], n=Bilingual(str(count), str(count)))


def _filled(words: Bilingual, **facts: Bilingual) -> Bilingual:
    """Without `format`: what stands in a cell may hold a brace."""
    made = []
    for language in LANGUAGES:
        text = words.in_language(language)
        for name, fact in facts.items():
            text = text.replace(f"{{{name}}}", fact.in_language(language), 1)
        made.append(text)
    return Bilingual(*made)


def _plain(text: Mapping[str, Sequence[Mapping[str, str]]]) -> Bilingual:
    zh, en = ("".join(span["t"] for span in text[language]) for language in ("zh", "en"))
    return Bilingual(zh, en)


def _numbers(value: Any) -> Iterator[str]:
    """The ids of the numbers in a block, however deep."""
    if isinstance(value, Mapping):
        if "t" in value and "n" in value:
            yield str(value["n"])
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _numbers(one)
