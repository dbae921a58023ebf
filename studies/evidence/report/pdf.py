"""The report as PDF/A-2b, set by typst. The same blocks, figures and dates give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from rwd_platform.core.text import Language
from studies.evidence.report.blocks import Block, Figure, Report, Table, as_json
from studies.evidence.report.phrases import TEMPLATES

STANDARD = "a-2b"
_NARROWEST, _WIDEST = 7, 40  # a column's share of the width, in half-width letters
_LINE = 96  # of a table's type across the page, in half-width letters


@dataclass(frozen=True)
class Running:
    """What every page repeats, in one language."""

    head: str
    foot: str
    package_short: str
    author: str
    labels: Mapping[str, str]  # `table`, `figure`, `contents`


def render(report: Report, language: Language, figures: Mapping[str, bytes], running: Running) -> bytes:
    """The PDF. `figures` are the SVG drawings by `<key>_<language>`."""
    import typst

    from studies.evidence.fonts import font_folder

    content = json.dumps(_content(report, language, running), ensure_ascii=False)
    files = {
        "main.typ": (TEMPLATES / "report.typ").read_bytes(),
        "content.json": content.encode(),
        **{
            f"{name.removesuffix('_' + language)}.svg": drawing
            for name, drawing in figures.items()
            if name.endswith("_" + language)
        },
    }
    compile_files: Any = typst.compile  # a file tree as a dict, which its stubs do not know
    made: bytes = compile_files(
        files,
        format="pdf",
        font_paths=[str(font_folder())],
        ignore_system_fonts=True,
        pdf_standards=[STANDARD],
        timestamp=_timestamp(report.dated),
    )
    return made


def _timestamp(dated: str) -> int:
    day = date.fromisoformat(dated)
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


def _content(report: Report, language: Language, running: Running) -> dict[str, Any]:
    return {
        "language": language,
        "title_plain": report.title.plain(language),
        "subtitle_plain": report.subtitle.plain(language),
        "dated": report.dated,
        "author": running.author,
        "running": running.head,
        "footer": running.foot,
        "package_short": running.package_short,
        "labels": dict(running.labels),
        "summary": _blocks(report.summary, language),
        "body": _blocks(report.body, language),
    }


def _blocks(blocks: tuple[Block, ...], language: Language) -> list[dict[str, Any]]:
    """A text that leads to a table or a figure stays on its page."""
    following = (*blocks[1:], None)[: len(blocks)]
    return [
        {**_block(block, language), "sticky": isinstance(after, Table | Figure)}
        for block, after in zip(blocks, following, strict=True)
    ]


def _block(block: Block, language: Language) -> dict[str, Any]:
    made: dict[str, Any] = _in_language(as_json(block), language)
    if isinstance(block, Table):
        made["shares"] = _shares(block, language)
    return made


def _shares(table: Table, language: Language) -> list[int]:
    """How the columns share the width: by their longest cell; a head may take two lines.

    Where all together are wider than the page the widest give way, so that a short word is not broken.
    """
    wide = []
    for place, head in enumerate(table.head):
        longest = max((_breadth(row[place].plain(language)) for row in table.rows), default=0)
        title = head.plain(language)
        longest_word = max((_breadth(word) for word in title.split() if word.isascii()), default=0)
        wanted = max(longest, longest_word, _breadth(title) // 2, _NARROWEST)
        wide.append(min(wanted, _WIDEST))
    widest = _WIDEST
    while sum(min(one, widest) + 2 for one in wide) > _LINE and widest > _NARROWEST:
        widest -= 1
    return [min(one, widest) + 2 for one in wide]


def _breadth(text: str) -> int:
    """Half-width letters: a Chinese character takes two."""
    return sum(2 if ord(letter) > 0x2E7F else 1 for letter in text)


def _in_language(value: Any, language: Language) -> Any:
    if isinstance(value, dict):
        if set(value) == {"zh", "en"}:
            return value[language]
        return {name: _in_language(one, language) for name, one in value.items()}
    if isinstance(value, list):
        return [_in_language(one, language) for one in value]
    return value
